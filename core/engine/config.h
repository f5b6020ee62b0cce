/* SPDX-License-Identifier: MIT */
/*
 * core/engine/config.h - what daemon.json and the daemon's flags say
 *
 * Sources: built-in defaults, daemon.json, flags. A key unknown to dockerd, of a wrong type, or
 * given both ways is refused by name, in dockerd's words.
 *
 * config_reload() may run while other threads read: it swaps pointers, and what was pointed at
 * before stays valid until config_release().
 */
#ifndef ENGINE_CONFIG_H
#define ENGINE_CONFIG_H

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"

#define CONFIG_LOG_DRIVER "json-file"
#define CONFIG_SHUTDOWN_TIMEOUT_S 15
#define CONFIG_MAX_DOWNLOADS 3

struct config {
	json_t *raw;	      /* daemon.json's object merged with flags: keys as daemon.json has them */
	json_t *flags;	      /* the part of it that flags gave */
	json_t *retired;      /* what reloads replaced: threads may still be reading it */
	char *data_root;      /* absolute */
	char *exec_root;      /* absolute: $XDG_RUNTIME_DIR/docker */
	char *pidfile;	      /* $XDG_RUNTIME_DIR/docker.pid */
	char *config_file;    /* where daemon.json is (or would be) */
	char *storage_driver; /* or NULL: choose */
	char **hosts;	      /* "unix:///run/user/1000/docker.sock", "tcp://127.0.0.1:2375", NULL-terminated */
	json_t *labels, *insecure_registries, *registry_mirrors, *log_opts, *default_ulimits; /* borrowed from raw, or NULL */
	char *log_driver;     /* "json-file" */
	int shutdown_timeout_s; /* 15; negative: for ever */
	int max_concurrent_downloads; /* 3 */
	bool debug, live_restore, init, no_new_privileges;
	bool config_file_asked; /* --config-file was given: it must be there */
	bool require_subids;	/* --require-subids: do not fall back to one id */
	bool want_single_id;	/* --single-id: do not use subordinate ids */
	bool single_id; /* set by the engine: one id is mapped */
};

/* Parse argv (dockerd's flags; argv[0] is skipped) and daemon.json. -1 with @e; *help set if --help,
 * --version or --validate was answered on stdout. Defaults come from HOME and the XDG variables. */
int config_load(struct config *c, int argc, char **argv, bool *help, struct err *e);
/* SIGHUP: read daemon.json again; what Docker reloads is replaced (labels, debug, registries, …).
 * -1 with @e, and nothing changed. */
int config_reload(struct config *c, struct err *e);
void config_release(struct config *c);
/* The whole as text, to hand to the engine process (config_load's counterpart). */
json_t *config_to_json(const struct config *c);
int config_from_json(struct config *c, const json_t *j, struct err *e);

/* The level that "debug" and "log-level" ask for. */
enum log_level config_log_level(const struct config *c);

#endif
