/* SPDX-License-Identifier: MIT */
/*
 * core/engine/create.c - make a container out of a request and an image
 *
 * Theory of operation
 *   The request is packed (schema.h), merged with the image's config, completed with defaults and
 *   checked; only then anything is made: volumes, the writable layer, and last the directory.
 *   That is written as tmp/container-<id>/ and appears as containers/<id>/ by one rename, so
 *   there are no half-made containers: what a crash leaves in tmp/ is undone at the next start,
 *   by the same code that finishes interrupted removals.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/images.h"
#include "engine/logconfig.h"
#include "engine/mounts.h"
#include "engine/network.h"
#include "engine/links.h"
#include "engine/schema.h"
#include "engine/system.h"
#include "engine/validate.h"
#include "engine/volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SHM_DEFAULT (64 * 1024 * 1024) /* bytes of /dev/shm */

struct request {
	struct engine *en;
	json_t *config, *host, *endpoints; /* sparse, owned */
	json_t *image;			   /* its config object, or NULL */
	char image_id[DIGEST_MAX];
	json_t *warnings;
	int api_minor;
	int64_t asked_for;
};

static void request_release(struct request *r)
{
	json_decref(r->config);
	json_decref(r->host);
	json_decref(r->endpoints);
	json_decref(r->image);
	json_decref(r->warnings);
}

/* --- reading the body ----------------------------------------------------------------------- */

static int read_body(struct request *r, const json_t *body, struct err *e)
{
	cleanup_json json_t *rest = NULL;

	r->config = schema_pack(schema_config, body, "container.CreateRequest", e);
	if (!r->config)
		return -1;
	rest = schema_pack(schema_create, body, "container.CreateRequest", e);
	if (!rest)
		return -1;
	r->host = json_obj(rest, "HostConfig") ? json_incref(json_obj(rest, "HostConfig")) : json_object();
	r->endpoints = json_obj(json_obj(rest, "NetworkingConfig"), "EndpointsConfig");
	r->endpoints = r->endpoints ? json_incref(r->endpoints) : json_object();
	return 0;
}

/* What older versions of the API meant, and what newer ones no longer know. */
static void adapt_version(struct request *r)
{
	if (json_int(r->host, "PidsLimit", 1) <= 0)
		json_object_del(r->host, "PidsLimit");
	if (json_int(r->host, "MemorySwappiness", 0) == -1)
		json_object_del(r->host, "MemorySwappiness");
	if (r->api_minor >= 42)
		json_object_del(r->host, "KernelMemory");
	if (r->api_minor < 40 && !*json_str(r->host, "IpcMode", ""))
		json_set_str(r->host, "IpcMode", "shareable");
	if (r->api_minor < 41 && !*json_str(r->host, "CgroupnsMode", ""))
		json_set_str(r->host, "CgroupnsMode", "host");
}

/* --- the image ------------------------------------------------------------------------------ */

/* Nobody asked for a platform, and the image is for another one than this machine's. */
static void warn_of_platform(struct request *r)
{
	cleanup_free char *have_text = images_platform(r->en->images, r->image_id), *host_text = NULL, *text = NULL;
	struct platform host, have;

	platform_host(&host);
	platform_cpu_level(&host);
	if (!have_text || platform_parse(have_text, &have, NULL) || platform_rank(&host, &have) >= 0)
		return;
	host_text = platform_format(&host);
	text = xasprintf("The requested image's platform (%s) does not match the detected host platform (%s) and no "
			 "specific platform was requested", have_text, host_text);
	json_append_str(r->warnings, text);
}

static int find_image(struct request *r, const char *platform, struct err *e)
{
	const struct images_use use = {engine_image_use, r->en};
	const char *ref = json_str(r->config, "Image", "");
	struct platform want;

	if (!*ref)
		return 0;
	if (images_ensure_builtin(r->en->images, ref, &use, e) ||
		images_resolve(r->en->images, ref, r->image_id, e))
		return -1;
	if (platform && *platform &&
		(platform_parse(platform, &want, e) || engine_image_check_platform(r->en, ref, &want, e)))
		return -1;
	if (!platform || !*platform)
		warn_of_platform(r);
	r->image = images_config(r->en->images, r->image_id, e);
	return r->image ? 0 : -1;
}

/* --- merging -------------------------------------------------------------------------------- */

static void merge_maps(json_t *config, const json_t *image)
{
	static const char *const maps[] = {"ExposedPorts", "Volumes", "Labels"};
	json_t *merged, *theirs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		theirs = json_obj(image, maps[i]);
		if (!json_object_size(theirs))
			continue;
		merged = json_copy(theirs);
		json_object_update(merged, json_obj(config, maps[i]));
		json_set_new(config, maps[i], json_sorted(merged));
		json_decref(merged);
	}
}

/* The image's variables that the request does not set go behind its own. */
static void merge_env(json_t *config, const json_t *image)
{
	json_t *env = json_array(), *v, *own;
	size_t i, k;

	json_array_extend(env, json_arr(config, "Env"));
	json_array_foreach(json_arr(image, "Env"), i, v) {
		const char *text = json_string_value(v) ? json_string_value(v) : "";
		size_t len = strcspn(text, "=");
		bool set = false;

		json_array_foreach(json_arr(config, "Env"), k, own) {
			const char *mine = json_string_value(own);

			set |= mine && strcspn(mine, "=") == len && !strncmp(mine, text, len);
		}
		if (!set)
			json_array_append(env, v);
	}
	if (json_array_size(env))
		json_set_new(config, "Env", env);
	else
		json_decref(env);
}

static void merge_command(json_t *config, const json_t *image)
{
	json_t *entry = json_arr(config, "Entrypoint");

	if (!json_array_size(entry)) {
		if (!json_array_size(json_arr(config, "Cmd")) && json_array_size(json_arr(image, "Cmd")))
			json_object_set(config, "Cmd", json_arr(image, "Cmd"));
		if (!entry && json_array_size(json_arr(image, "Entrypoint")))
			json_object_set(config, "Entrypoint", json_arr(image, "Entrypoint"));
	}
	/* [""] is how a client says: none, not even the image's. */
	entry = json_arr(config, "Entrypoint");
	if (json_array_size(entry) == 1 && !*json_string_value(json_array_get(entry, 0)))
		json_object_del(config, "Entrypoint");
}

static void merge_health(json_t *config, const json_t *image)
{
	json_t *theirs = json_obj(image, "Healthcheck"), *own = json_obj(config, "Healthcheck"), *merged;

	if (!json_object_size(theirs))
		return;
	merged = json_copy(theirs);
	json_object_update(merged, own);
	json_set_new(config, "Healthcheck", merged);
}

void container_config_merge(json_t *config, const json_t *image)
{
	static const char *const scalars[] = {"User", "WorkingDir", "StopSignal", "StopTimeout", "Shell"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scalars); i++)
		if (!json_object_get(config, scalars[i]) && json_object_get(image, scalars[i]))
			json_object_set(config, scalars[i], json_object_get(image, scalars[i]));
	merge_maps(config, image);
	merge_env(config, image);
	merge_command(config, image);
	merge_health(config, image);
}

static int merge_image(struct request *r, struct err *e)
{
	cleanup_json json_t *image = NULL;
	cleanup_free char *clean = NULL;
	const char *dir;

	/* An image's config is as foreign as a request: the same tables read it. */
	image = schema_pack(schema_config, json_obj(r->image, "config"), "container.Config", e);
	if (!image)
		return err_wrap(e, "the image's config");
	container_config_merge(r->config, image);
	if (r->image && !json_object_get(r->config, "Labels"))
		json_set_new(r->config, "Labels", json_object());
	if (!json_array_size(json_arr(r->config, "Entrypoint")) && !json_array_size(json_arr(r->config, "Cmd")))
		return err_kind(e, ERR_INVALID, "no command specified");
	dir = json_str(r->config, "WorkingDir", "");
	clean = *dir ? fs_clean_path(dir) : NULL;
	if (clean)
		json_set_str(r->config, "WorkingDir", clean);
	return 0;
}

/* --- defaults ------------------------------------------------------------------------------- */

static void default_str(json_t *o, const char *key, const char *value)
{
	if (!*json_str(o, key, ""))
		json_set_str(o, key, value);
}

static int default_log(struct request *r, struct err *e)
{
	const struct config *conf = &r->en->config;
	json_t *log = json_obj(r->host, "LogConfig");

	log = log ? json_copy(log) : json_object();
	json_set_new(r->host, "LogConfig", log);
	if (!*json_str(log, "Type", "")) {
		json_set_str(log, "Type", conf->log_driver ? conf->log_driver : "json-file");
		if (!json_obj(log, "Config") && conf->log_opts)
			json_set_new(log, "Config", json_sorted(conf->log_opts));
	}
	if (!json_obj(log, "Config"))
		json_set_new(log, "Config", json_object());
	return logconfig_check(json_str(log, "Type", ""), json_obj(log, "Config"), e);
}

/* "container:NAME" is kept as "container:ID": names change. */
static int resolve_modes(struct request *r, struct err *e)
{
	static const char *const modes[] = {"IpcMode", "PidMode", "NetworkMode"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		const char *other = mode_container(json_str(r->host, modes[i], ""));
		cleanup_free char *mode = NULL;
		struct container *c;
		struct err why;

		if (!other || !*other)
			continue;
		c = container_get(r->en, other, &why);
		if (!c && !strcmp(modes[i], "NetworkMode"))
			continue; /* looked for at the start */
		if (!c)
			return err_kind(e, ERR_INVALID, "%s", why.msg);
		mode = xasprintf("container:%s", c->id);
		json_set_str(r->host, modes[i], mode);
		container_put(c);
	}
	return 0;
}

/* Docker shows that no SELinux label could separate a container that sees the host's processes. */
static void default_label(json_t *host)
{
	static const char *const host_modes[] = {"IpcMode", "PidMode"};
	json_t *opts = json_arr(host, "SecurityOpt"), *v;
	bool disable = json_bool(host, "Privileged", false);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(host_modes); i++)
		disable |= !strcmp(json_str(host, host_modes[i], ""), "host");
	json_array_foreach(opts, i, v)
		if (json_string_value(v) && !strncmp(json_string_value(v), "label", 5))
			disable = false;
	if (!disable)
		return;
	opts = opts ? json_copy(opts) : json_array();
	json_append_str(opts, "label=disable");
	json_set_new(host, "SecurityOpt", opts);
}

static void warn_of_images(struct request *r)
{
	json_t *m;
	size_t i;

	json_array_foreach(json_arr(r->host, "Mounts"), i, m)
		if (!strcmp(json_str(m, "Type", ""), "image")) {
			json_append_str(r->warnings, "Image mount is an experimental feature");
			return;
		}
}

static void default_host(struct request *r)
{
	json_t *h = r->host, *policy;
	int64_t memory = json_int(h, "Memory", 0);
	const char *mode = json_str(h, "NetworkMode", "");
	bool privileged = json_bool(h, "Privileged", false);

	if (!*mode || !strcmp(mode, "default"))
		json_set_str(h, "NetworkMode", "bridge");
	default_str(h, "IpcMode", "private");
	default_str(h, "CgroupnsMode", !system_cgroup_v2() || privileged ? "host" : "private");
	default_str(h, "Runtime", "runc");
	if (!json_int(h, "ShmSize", 0))
		json_set_int(h, "ShmSize", SHM_DEFAULT);
	policy = json_obj(h, "RestartPolicy");
	policy = policy ? json_copy(policy) : json_object();
	default_str(policy, "Name", "no");
	json_set_new(h, "RestartPolicy", policy);
	if (memory > 0 && !json_int(h, "MemorySwap", 0))
		json_set_int(h, "MemorySwap", memory * 2);
	if (!json_object_get(h, "MaskedPaths") && !privileged)
		json_set_new(h, "MaskedPaths", runtime_masked_paths());
	if (!json_object_get(h, "ReadonlyPaths") && !privileged)
		json_set_new(h, "ReadonlyPaths", runtime_readonly_paths());
	default_label(h);
	if (!(r->en->cgroups.controllers & CONTROL_IO)) { /* discarded, as validate_resources() said */
		json_object_del(h, "BlkioWeight");
		if (json_array_size(json_arr(h, "BlkioWeightDevice")))
			json_set_new(h, "BlkioWeightDevice", json_array());
	}
	warn_of_images(r);
}

static void default_config(struct request *r, const char *id)
{
	struct utsname u;
	char short_id[13];

	if (*json_str(r->config, "Hostname", ""))
		return;
	snprintf(short_id, sizeof(short_id), "%.12s", id);
	if (!strcmp(json_str(r->host, "NetworkMode", ""), "host") && !uname(&u))
		json_set_str(r->config, "Hostname", u.nodename);
	else
		json_set_str(r->config, "Hostname", short_id);
}

static int place_links(struct request *r, struct err *e)
{
	json_t *links;

	if (!json_array_size(json_arr(r->host, "Links")))
		return 0;
	if (strcmp(json_str(r->host, "NetworkMode", ""), "bridge")) { /* there they are the endpoint's */
		json_set_new(r->host, "Links", json_null());
		return 0;
	}
	links = links_resolve(r->en, json_arr(r->host, "Links"), e);
	if (!links)
		return -1;
	json_set_new(r->host, "Links", links);
	return 0;
}

/* The address for the whole container, which belongs to an endpoint since API 1.44. */
static void retire_mac(struct request *r, const char *mode)
{
	if (!json_object_get(r->config, "MacAddress") || r->api_minor < 44)
		return;
	json_append_str(r->warnings, "The container-wide MacAddress field is now deprecated. It should be specified "
				     "in EndpointsConfig instead.");
	if (mode_container(mode) || !strcmp(mode, "host") || !strcmp(mode, "none"))
		json_object_del(r->config, "MacAddress");
}

/* Networks may be given by id; they are kept by name. */
static void name_networks(struct request *r)
{
	json_t *named = json_object(), *ep;
	const char *ref;

	json_object_foreach(r->endpoints, ref, ep) {
		cleanup_free char *name = network_name(r->en, ref);

		json_object_set(named, name ? name : ref, ep);
	}
	json_decref(r->endpoints);
	r->endpoints = named;
}

/* The endpoints it gets: what was given, and the one of its mode. */
static int place_networks(struct request *r, struct err *e)
{
	const char *mode = json_str(r->host, "NetworkMode", "bridge"), *mac;
	json_t *ep, *standard = json_object_get(r->endpoints, "default");
	cleanup_free char *name = NULL;

	retire_mac(r, mode);
	mac = json_str(r->config, "MacAddress", "");
	if (standard) {
		json_object_set(r->endpoints, mode, standard);
		json_object_del(r->endpoints, "default");
	}
	if (json_bool(r->config, "NetworkDisabled", false) || mode_container(mode)) {
		json_object_clear(r->endpoints);
		return 0;
	}
	name_networks(r);
	name = network_name(r->en, mode);
	if (name)
		mode = name;
	ep = json_obj(r->endpoints, mode);
	ep = ep ? json_copy(ep) : json_object();
	if (*mac)
		json_set_str(ep, "MacAddress", mac);
	json_set_new(r->endpoints, mode, ep);
	return network_check_endpoints(r->en, r->endpoints, e);
}

/* --- making it ------------------------------------------------------------------------------ */

static struct container *container_of(struct request *r)
{
	struct container *c = container_new();

	random_id(c->id);
	c->created = clock_real_ns();
	c->asked_for = r->asked_for;
	memcpy(c->image_id, r->image_id, sizeof(c->image_id));
	default_config(r, c->id);
	c->config = json_incref(r->config);
	c->host = json_incref(r->host);
	c->networks = json_incref(r->endpoints);
	return c;
}

static int check_security(struct request *r, struct err *e)
{
	struct security s;

	return security_parse(r->host, r->en->config.no_new_privileges, &s, e);
}

static int make_rootfs(struct engine *en, struct container *c, struct err *e)
{
	if (*c->image_id && images_top_layer(en->images, c->image_id, c->layer, e))
		return -1;
	if (images_pin(en->images, c->layer, e))
		return -1;
	if (!rootfs_create(&en->store, c->id, c->layer, e))
		return 0;
	images_unpin(en->images, c->layer);
	return -1;
}

/* The start makes a directory that is missing; a file in its place is told at once. */
static int check_workdir(struct engine *en, struct container *c, struct err *e)
{
	const char *dir = json_str(c->config, "WorkingDir", "");

	if (!*dir || !dir[1] || !rootfs_has_file(&en->store, c->id, dir + 1))
		return 0;
	return err_set(e, 0, "Cannot mkdir: %s is not a directory", dir);
}

/* Write its directory in tmp/ and show it.  --rm containers need not survive a power cut. */
static int make_directory(struct engine *en, struct container *c, struct err *e)
{
	cleanup_free char *tmp = xasprintf("tmp/container-%s", c->id);
	cleanup_free char *file = xasprintf("%s/config.json", tmp);
	cleanup_free char *final = xasprintf("containers/%s", c->id);
	cleanup_json json_t *j = NULL;
	int flags = json_bool(c->host, "AutoRemove", false) ? 0 : FILE_SYNC;

	if (mkdirat(en->datafd, tmp, 0710))
		return err_set(e, errno, "making %s", tmp);
	if (make_rootfs(en, c, e))
		goto undo_directory;
	j = container_to_json(en, c); /* with the layer it stands on */
	if (check_workdir(en, c, e) || volumes_copy_up(en, c, e) || json_save_at(en->datafd, file, j, flags, e))
		goto undo;
	if (!renameat(en->datafd, tmp, en->datafd, final))
		return 0;
	err_set(e, errno, "making %s", final);
undo:
	rootfs_remove(&en->store, c->id, NULL);
	images_unpin(en->images, c->layer);
undo_directory:
	fs_remove_tree_at(en->datafd, tmp, NULL);
	return -1;
}

static int make(struct request *r, struct container *c, const char *name, struct err *e)
{
	if (container_insert(r->en, c, name, e))
		return -1;
	c->mounts = mounts_build(r->en, c->id, c->config, c->host, e);
	if (!c->mounts)
		goto undo;
	if (make_directory(r->en, c, e)) {
		mounts_drop(r->en, c->id, c->mounts, true);
		goto undo;
	}
	container_show(r->en, c);
	return 0;
undo:
	container_take_out(r->en, c);
	return -1;
}

static json_t *create(struct request *r, const char *name, const char *platform, const json_t *body,
	struct err *e)
{
	struct container *c;
	json_t *answer = NULL;

	if (read_body(r, body, e))
		return NULL;
	adapt_version(r);
	if (r->api_minor >= 48 && validate_sysctls(r->host, e))
		return NULL;
	if (validate_config(r->config, e) || validate_host(&r->en->cgroups, r->host, r->config, r->warnings, e) ||
		find_image(r, platform, e) || merge_image(r, e) || check_security(r, e) ||
		default_log(r, e) || resolve_modes(r, e))
		return NULL;
	default_host(r);
	if (place_networks(r, e) || place_links(r, e))
		return NULL;
	c = container_of(r);
	if (!make(r, c, name, e)) {
		container_event(r->en, c, "create", NULL);
		expect_start();
		answer = json_pack("{s:s, s:O}", "Id", c->id, "Warnings", r->warnings);
	}
	container_put(c);
	return answer;
}

json_t *container_create(struct engine *en, const char *name, const char *platform,
	const json_t *body, int api_minor, struct err *e)
{
	struct request r = {.en = en, .warnings = json_array(), .api_minor = api_minor,
		.asked_for = clock_boot_ns()};
	json_t *answer;

	if (json_is_null(body) || (json_is_object(body) && !json_object_size(body))) {
		json_decref(r.warnings);
		err_kind(e, ERR_INVALID, "config cannot be empty in order to create a container");
		return NULL;
	}
	images_hold(en->images); /* what is resolved stays there until it is pinned */
	answer = create(&r, name, platform, body, e);
	images_unhold(en->images);
	request_release(&r);
	return answer;
}
