/* SPDX-License-Identifier: MIT */
/*
 * core/engine/config.c - flags and daemon.json make one configuration
 *
 * Theory of operation
 *   raw is the truth: an object as daemon.json would be with everything in it. The fields of
 *   struct config are read out of it by derive(). The supervisor loads once and hands the engine
 *   the JSON of it, so that a flag is parsed in one place and the engine needs no argv.
 *
 *   A reload makes a new raw and swaps it in. Threads that took a pointer from the old one before
 *   may go on using it: the old one is kept until the end, a few KiB for each reload.
 */
#include "engine/config.h"
#include "base/fs.h"
#include "engine/config_opts.h"
#include "engine/engine.h"
#include "version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (4 << 20) /* bytes of daemon.json */

/* --- places --------------------------------------------------------------------------------- */

static const char *env_dir(const char *name)
{
	const char *v = getenv(name);

	return v && *v == '/' ? v : NULL; /* XDG: relative values are to be ignored */
}

static char *under_home(const char *xdg, const char *fallback, const char *rest, struct err *e)
{
	const char *dir = env_dir(xdg), *home = env_dir("HOME");

	if (dir)
		return fs_join(dir, rest);
	if (home)
		return xasprintf("%s/%s/%s", home, fallback, rest);
	err_kind(e, ERR_INVALID, "HOME needs to be set and exist.");
	return NULL;
}

static char *absolute(const char *path)
{
	char cwd[4096];
	cleanup_free char *joined = NULL;

	if (*path == '/' || !getcwd(cwd, sizeof(cwd)))
		return fs_clean_path(path);
	joined = fs_join(cwd, path);
	return fs_clean_path(joined);
}

/* The path a key names, or NAME in the runtime directory. */
static char *runtime_path(const json_t *raw, const char *key, const char *name, struct err *e)
{
	const char *given = json_str(raw, key, ""), *dir = env_dir("XDG_RUNTIME_DIR");

	if (*given)
		return absolute(given);
	if (dir)
		return fs_join(dir, name);
	err_kind(e, ERR_INVALID, "XDG_RUNTIME_DIR needs to be set and writable");
	return NULL;
}

static char **hosts_of(const json_t *raw, struct err *e)
{
	const json_t *list = json_arr(raw, "hosts");
	size_t n = json_array_size(list), i;
	char **out = xcalloc(n + 2, sizeof(*out));
	json_t *x;

	json_array_foreach(list, i, x) {
		out[i] = config_host_parse(json_is_string(x) ? json_string_value(x) : "",
			env_dir("XDG_RUNTIME_DIR"), e);
		if (!out[i]) {
			strv_free(out);
			return NULL;
		}
	}
	if (!n)
		out[0] = config_host_parse("", env_dir("XDG_RUNTIME_DIR"), e);
	return out;
}

static int places(struct config *c, struct err *e)
{
	const char *root = json_str(c->raw, "data-root", "");

	c->data_root = *root ? absolute(root) :
			       under_home("XDG_DATA_HOME", ".local/share", "docker", e);
	if (!c->data_root)
		return -1;
	c->exec_root = runtime_path(c->raw, "exec-root", "docker", e);
	if (!c->exec_root)
		return -1;
	c->pidfile = runtime_path(c->raw, "pidfile", "docker.pid", e);
	if (!c->pidfile)
		return -1;
	c->hosts = hosts_of(c->raw, e);
	return c->hosts ? 0 : -1;
}

/* --- fields --------------------------------------------------------------------------------- */

#define SWAP(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

/* What a reload may change; single stores, as threads read meanwhile. */
static void derive_reloadable(struct config *c)
{
	int64_t n = json_int(c->raw, "max-concurrent-downloads", 0);

	SWAP(c->labels, json_arr(c->raw, "labels"));
	SWAP(c->insecure_registries, json_arr(c->raw, "insecure-registries"));
	SWAP(c->registry_mirrors, json_arr(c->raw, "registry-mirrors"));
	SWAP(c->log_opts, json_obj(c->raw, "log-opts"));
	SWAP(c->default_ulimits, json_obj(c->raw, "default-ulimits"));
	SWAP(c->shutdown_timeout_s,
		(int)json_int(c->raw, "shutdown-timeout", CONFIG_SHUTDOWN_TIMEOUT_S));
	SWAP(c->max_concurrent_downloads, n > 0 ? (int)n : CONFIG_MAX_DOWNLOADS);
	SWAP(c->debug, json_bool(c->raw, "debug", false));
	SWAP(c->live_restore, json_bool(c->raw, "live-restore", false));
}

static void derive(struct config *c)
{
	const char *driver = json_str(c->raw, "storage-driver", "");
	const char *log = json_str(c->raw, "log-driver", "");

	derive_reloadable(c);
	c->storage_driver = *driver ? xstrdup(driver) : NULL;
	c->log_driver = xstrdup(*log ? log : CONFIG_LOG_DRIVER);
	c->init = json_bool(c->raw, "init", false);
	c->no_new_privileges = json_bool(c->raw, "no-new-privileges", false);
}

enum log_level config_log_level(const struct config *c)
{
	const char *level = json_str(c->raw, "log-level", "info");

	if (c->debug)
		return LOG_DEBUG;
	switch (*level | 0x20) {
	case 'd':
	case 't':
		return LOG_DEBUG;
	case 'w':
		return LOG_WARN;
	case 'e':
	case 'f':
	case 'p':
		return LOG_ERROR;
	default:
		return LOG_INFO;
	}
}

/* --- daemon.json ---------------------------------------------------------------------------- */

static struct span trimmed(const struct buf *text)
{
	struct span s = {text->p, text->n};

	if (span_starts(s, "\xef\xbb\xbf")) /* a byte order mark, from editors on other systems */
		s.p += 3, s.n -= 3;
	while (s.n && strchr(" \t\r\n", *s.p))
		s.p++, s.n--;
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

static json_t *file_parse(const struct buf *text, struct err *e)
{
	struct span s = trimmed(text);
	struct err why = ERR_INIT;
	json_t *j;

	if (!s.n)
		return json_object();
	j = json_parse(s.p, s.n, &why);
	if (!j) {
		err_kind(e, ERR_INVALID, "invalid JSON: %s", why.msg);
		return NULL;
	}
	if (json_is_null(j)) {
		json_decref(j);
		return json_object();
	}
	if (json_is_object(j))
		return j;
	err_kind(e, ERR_INVALID,
		"invalid JSON: json: cannot unmarshal %s into Go value of type "
		"map[string]interface {}",
		json_is_array(j) ? "array" : json_is_string(j) ? "string" : json_is_boolean(j) ? "bool" : "number");
	json_decref(j);
	return NULL;
}

/* Members that are null say nothing, as in Go. */
static void drop_nulls(json_t *obj)
{
	const char *key;
	json_t *v;
	void *tmp;

	json_object_foreach_safe(obj, tmp, key, v)
		if (json_is_null(v))
			json_object_del(obj, key);
}

/* The checked object of daemon.json; an empty one if there is no file and none was asked for. */
static json_t *file_load(const struct config *c, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	json_t *file = NULL;

	if (!file_read_at(AT_FDCWD, c->config_file, FILE_MAX, &text, e))
		file = file_parse(&text, e);
	else if (e->code == ENOENT && !c->config_file_asked)
		return json_object();
	if (file && !config_file_check(file, c->flags, e)) {
		drop_nulls(file);
		return file;
	}
	json_decref(file);
	err_wrap(e, "unable to configure the Docker daemon with file %s", c->config_file);
	return NULL;
}

/* @file with what the flags say added; flags and file have no member in common but maps of
 * runtimes and proxies, which are merged. */
static json_t *merge(json_t *file_steal, const json_t *flags)
{
	json_t *proxies = json_deep_copy(json_obj(flags, "proxies"));
	json_t *runtimes = json_deep_copy(json_obj(flags, "runtimes"));
	json_t *p = json_obj(file_steal, "proxies"), *r = json_obj(file_steal, "runtimes");

	if (p && proxies)
		json_object_update_missing(proxies, p);
	if (r && runtimes)
		json_object_update_missing(runtimes, r);
	json_object_update(file_steal, (json_t *)(uintptr_t)flags);
	if (proxies)
		json_set_new(file_steal, "proxies", proxies);
	if (runtimes)
		json_set_new(file_steal, "runtimes", runtimes);
	return file_steal;
}

/* --- loading -------------------------------------------------------------------------------- */

static bool answered(const json_t *special)
{
	if (json_bool(special, "help", false)) {
		config_print_help();
		return true;
	}
	if (json_bool(special, "version", false)) {
		printf("Docker version %s, build %s (Coracle %s)\n", ENGINE_VERSION,
			CORACLE_COMMIT, CORACLE_VERSION);
		return true;
	}
	return false;
}

static int load(struct config *c, const json_t *special, struct err *e)
{
	const char *file = json_str(special, "config-file", "");
	json_t *object;

	c->config_file_asked = *file != 0;
	c->config_file = *file ? absolute(file) :
				 under_home("XDG_CONFIG_HOME", ".config", "docker/daemon.json", e);
	if (!c->config_file)
		return -1;
	c->require_subids = json_bool(special, "require-subids", false);
	c->want_single_id = json_bool(special, "single-id", false);
	if (c->require_subids && c->want_single_id)
		return err_kind(e, ERR_INVALID,
			"--require-subids and --single-id contradict each other");
	object = file_load(c, e);
	if (!object)
		return -1;
	c->raw = merge(object, c->flags);
	if (config_values_check(c->raw, e))
		return err_wrap(e,
			"unable to configure the Docker daemon with file %s: merged configuration "
			"validation from file and command line flags failed",
			c->config_file);
	if (config_effects_check(c->raw, e))
		return -1;
	derive(c);
	return places(c, e);
}

int config_load(struct config *c, int argc, char **argv, bool *help, struct err *e)
{
	cleanup_json json_t *special = json_object();

	memset(c, 0, sizeof(*c));
	*help = false;
	c->flags = json_object();
	c->retired = json_array();
	if (config_flags_parse(argc, argv, c->flags, special, e))
		goto fail;
	if (answered(special)) {
		*help = true;
		return 0;
	}
	if (load(c, special, e))
		goto fail;
	if (json_bool(special, "validate", false)) {
		puts("configuration OK");
		*help = true;
	}
	return 0;
fail:
	config_release(c);
	return -1;
}

/* --- reloading ------------------------------------------------------------------------------ */

/* Replaced if the file says something about it, else left as it was. */
static const char *const kept_if_absent[] = {"debug", "labels", "insecure-registries",
	"registry-mirrors", "shutdown-timeout", "live-restore", NULL};
/* Back to the default if the file says nothing about it. */
static const char *const reset_if_absent[] = {"max-concurrent-downloads", "max-concurrent-uploads",
	"max-download-attempts", "features", NULL};

static json_t *reloaded(const struct config *c, const json_t *file)
{
	json_t *raw = json_copy(c->raw), *v;
	size_t i;

	for (i = 0; kept_if_absent[i]; i++) {
		v = json_object_get(file, kept_if_absent[i]);
		if (v)
			json_object_set(raw, kept_if_absent[i], v);
	}
	for (i = 0; reset_if_absent[i]; i++) {
		v = json_object_get(file, reset_if_absent[i]);
		if (v)
			json_object_set(raw, reset_if_absent[i], v);
		else if (!json_object_get(c->flags, reset_if_absent[i]))
			json_object_del(raw, reset_if_absent[i]);
	}
	return raw;
}

int config_reload(struct config *c, struct err *e)
{
	cleanup_json json_t *file = file_load(c, e);
	json_t *raw;

	if (!file)
		return -1;
	if (config_values_check(file, e))
		return err_wrap(e, "file configuration validation failed");
	raw = reloaded(c, file);
	json_array_append_new(c->retired, c->raw);
	SWAP(c->raw, raw);
	derive_reloadable(c);
	return 0;
}

/* --- handing over --------------------------------------------------------------------------- */

json_t *config_to_json(const struct config *c)
{
	json_t *j = json_object();

	json_set_new(j, "raw", json_deep_copy(c->raw));
	json_set_new(j, "flags", json_deep_copy(c->flags));
	json_set_str(j, "data_root", c->data_root);
	json_set_str(j, "exec_root", c->exec_root);
	json_set_str(j, "pidfile", c->pidfile);
	json_set_str(j, "config_file", c->config_file);
	json_set_new(j, "hosts", json_strv(c->hosts));
	json_set_bool(j, "config_file_asked", c->config_file_asked);
	json_set_bool(j, "require_subids", c->require_subids);
	json_set_bool(j, "want_single_id", c->want_single_id);
	json_set_bool(j, "single_id", c->single_id);
	return j;
}

int config_from_json(struct config *c, const json_t *j, struct err *e)
{
	memset(c, 0, sizeof(*c));
	c->raw = json_deep_copy(json_obj(j, "raw"));
	c->flags = json_deep_copy(json_obj(j, "flags"));
	c->data_root = xstrdup(json_str(j, "data_root", NULL));
	c->exec_root = xstrdup(json_str(j, "exec_root", NULL));
	c->pidfile = xstrdup(json_str(j, "pidfile", NULL));
	c->config_file = xstrdup(json_str(j, "config_file", NULL));
	if (!c->raw || !c->flags || !c->data_root || !c->exec_root || !c->pidfile ||
		!c->config_file || !json_arr(j, "hosts")) {
		config_release(c);
		return err_kind(e, ERR_INVALID, "bad configuration handed over");
	}
	c->retired = json_array();
	c->hosts = json_to_strv(json_arr(j, "hosts"));
	c->config_file_asked = json_bool(j, "config_file_asked", false);
	c->require_subids = json_bool(j, "require_subids", false);
	c->want_single_id = json_bool(j, "want_single_id", false);
	c->single_id = json_bool(j, "single_id", false);
	derive(c);
	return 0;
}

void config_release(struct config *c)
{
	json_decref(c->raw);
	json_decref(c->flags);
	json_decref(c->retired);
	free(c->data_root);
	free(c->exec_root);
	free(c->pidfile);
	free(c->config_file);
	free(c->storage_driver);
	free(c->log_driver);
	strv_free(c->hosts);
	memset(c, 0, sizeof(*c));
}
