/* SPDX-License-Identifier: MIT */
/*
 * core/engine/inspect.c - all there is to say about a container
 */
#include "engine/container.h"
#include "base/fs.h"
#include "engine/exec.h"
#include "engine/limits.h"
#include "engine/links.h"
#include "engine/mounts.h"
#include "engine/network.h"
#include "engine/schema.h"
#include "engine/validate.h"

#include <stdlib.h>

#define LAYERS_MAX 1024 /* of an image: far above what an overlay can have */

/* c->lock is held, here and below. */
static json_t *state(const struct container *c)
{
	bool restarting = c->status == ST_RESTARTING, running = c->status == ST_RUNNING || restarting;
	char started[CLOCK_RFC3339_MAX], finished[CLOCK_RFC3339_MAX];

	json_t *j;

	j = json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:i, s:i, s:s, s:s, s:s}", "Status",
		container_status(c), "Running", running, "Paused", c->paused, "Restarting", restarting, "OOMKilled",
		c->oom_killed, "Dead", 0, "Pid", (int)c->pid, "ExitCode", c->exit_code, "Error",
		c->error ? c->error : "", "StartedAt", clock_format(c->started_at, started), "FinishedAt",
		clock_format(c->finished_at, finished));
	if (c->health)
		json_set_new(j, "Health", json_deep_copy(c->health));
	return j;
}

static void add_command(json_t *j, const struct container *c)
{
	json_t *args = container_args(c);
	const char *path = json_string_value(json_array_get(args, 0));

	json_set_str(j, "Path", path ? path : "");
	json_array_remove(args, 0);
	json_set_new(j, "Args", args);
}

/* From when the runtime is first asked for it; other drivers' files are no business of anybody's. */
static bool has_log_path(const struct container *c)
{
	bool asked = c->error && (!strncmp(c->error, "failed to create task", 21) ||
					 !strncmp(c->error, "failed to set up container networking", 37));

	return (c->started_at || asked) &&
		!strcmp(json_str(json_obj(c->host, "LogConfig"), "Type", "json-file"), "json-file");
}

/* Its files exist from its first start on; with another's network they are the other's. */
static void add_paths(struct engine *en, json_t *j, struct container *c)
{
	static const char *const files[][2] = {{"ResolvConfPath", "resolv.conf"},
		{"HostnamePath", "hostname"}, {"HostsPath", "hosts"}};
	const char *mode = json_str(c->host, "NetworkMode", "");
	const char *owner = strncmp(mode, "container:", 10) ? c->id : mode + 10;
	cleanup_free char *log = has_log_path(c) ? container_log_path(en, c, c->host) : NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = c->started_at || c->error ?
			xasprintf("%s/containers/%s/%s", en->config.data_root, owner, files[i][1]) : xstrdup("");

		json_set_str(j, files[i][0], path);
	}
	json_set_str(j, "LogPath", log ? log : "");
}

/* The directories behind the root filesystem, under the names Docker has for them. */
static json_t *graph_driver(struct engine *en, const struct container *c)
{
	cleanup_json json_t *desc = rootfs_describe(&en->store, c->id, NULL);
	cleanup_free char *merged = xasprintf("%s/%s/rootfs", en->config.exec_root, c->id);
	cleanup_buf struct buf lower = BUF_INIT;
	json_t *data = json_object(), *v;
	size_t i;

	json_set_str(data, "ID", c->id);
	json_array_foreach(json_arr(desc, "lower"), i, v)
		buf_addf(&lower, "%s%s", i ? ":" : "", json_string_value(v));
	if (json_str(desc, "upper", NULL)) {
		json_set_str(data, "LowerDir", lower.p);
		json_set_str(data, "MergedDir", merged);
		json_set_str(data, "UpperDir", json_str(desc, "upper", ""));
		json_set_str(data, "WorkDir", json_str(desc, "work", ""));
	}
	return json_pack("{s:o, s:s}", "Data", data, "Name", store_driver_name(&en->store));
}

void container_sizes(struct engine *en, const struct container *c, int64_t *rw, int64_t *rootfs)
{
	char chain[DIGEST_MAX];
	struct layer_info info;
	int64_t inodes;
	int n;

	*rw = 0;
	rootfs_usage(&en->store, c->id, rw, &inodes, NULL);
	*rootfs = *rw;
	memcpy(chain, c->layer, sizeof(chain));
	for (n = 0; *chain && n < LAYERS_MAX && !layer_stat(&en->store, chain, &info, NULL); n++) {
		*rootfs += info.size;
		memcpy(chain, info.parent, sizeof(chain));
	}
}

static json_t *inspect(struct engine *en, struct container *c, const char *name, json_t *exec_list)
{
	cleanup_free char *slashed = xasprintf("/%s", name);
	char created[CLOCK_RFC3339_MAX];
	struct security security;
	json_t *j = json_object();

	json_set_str(j, "Id", c->id);
	json_set_str(j, "Created", clock_format(c->created, created));
	add_command(j, c);
	json_set_new(j, "State", state(c));
	json_set_str(j, "Image", c->image_id);
	add_paths(en, j, c);
	json_set_str(j, "Name", slashed);
	json_set_int(j, "RestartCount", c->restart_count);
	json_set_str(j, "Driver", store_driver_name(&en->store));
	json_set_str(j, "Platform", "linux");
	json_set_str(j, "MountLabel", "");
	json_set_str(j, "ProcessLabel", "");
	json_set_str(j, "AppArmorProfile", security_parse(c->host, false, &security, NULL) || !security.apparmor ?
						   "" : security.apparmor);
	json_set_new(j, "ExecIDs", exec_list);
	json_set_new(j, "HostConfig", schema_expand(schema_host, c->host));
	json_set_new(j, "GraphDriver", json_null()); /* its place; filled in unlocked */
	return j;
}

/* Of limits that are softer than Docker's, as when it was created; Docker has no such member. */
static void add_warnings(struct engine *en, struct container *c, json_t *j)
{
	cleanup_json json_t *host = container_host(c), *warnings = json_array();

	limits_warn(&en->cgroups, host, warnings);
	if (json_array_size(warnings))
		json_object_set(j, "Warnings", warnings);
}

/* Its MacAddress, which clients may not set any more, is the one asked for on the network of its mode. */
static json_t *config_shown(struct engine *en, struct container *c)
{
	cleanup_json json_t *config = json_copy(c->config), *networks = NULL, *host = container_host(c);
	const char *mode = json_str(host, "NetworkMode", "");
	cleanup_free char *name = network_name(en, mode);
	const char *mac;

	pthread_mutex_lock(&c->lock);
	networks = json_incref(c->networks);
	pthread_mutex_unlock(&c->lock);
	mac = json_str(json_object_get(networks, name ? name : mode), "MacAddress", "");
	if (*mac)
		json_set_str(config, "MacAddress", mac);
	return schema_expand(schema_config, config);
}

json_t *container_inspect(struct engine *en, struct container *c, bool size, struct err *e)
{
	cleanup_free char *name = container_name(en, c);
	json_t *exec_list = exec_ids(en, c), *j;
	int64_t rw, rootfs;

	pthread_mutex_lock(&c->lock);
	if (c->removed) {
		pthread_mutex_unlock(&c->lock);
		json_decref(exec_list);
		err_kind(e, ERR_NOT_FOUND, "No such container: %s", c->id);
		return NULL;
	}
	j = inspect(en, c, name, exec_list);
	pthread_mutex_unlock(&c->lock);
	json_set_new(j, "GraphDriver", graph_driver(en, c));
	json_set_new(json_obj(j, "HostConfig"), "Links", links_shown(en, c));
	if (size) {
		container_sizes(en, c, &rw, &rootfs);
		json_set_int(j, "SizeRw", rw);
		json_set_int(j, "SizeRootFs", rootfs);
	}
	json_set_new(j, "Mounts", mounts_shown(en, c->mounts, false, true));
	json_set_new(j, "Config", config_shown(en, c));
	pthread_mutex_lock(&c->lock);
	json_object_update(json_obj(j, "Config"), c->identity);
	json_set_new(j, "NetworkSettings", network_settings(en, c, name));
	pthread_mutex_unlock(&c->lock);
	add_warnings(en, c, j);
	return j;
}
