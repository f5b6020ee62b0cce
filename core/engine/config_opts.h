/* SPDX-License-Identifier: MIT */
/*
 * core/engine/config_opts.h - the options there are, and how values are read (private to
 * config*.c)
 *
 * One table serves flags, daemon.json and --help. A flag's value is turned into what daemon.json
 * would have in its place, so that all later code knows one form.
 */
#ifndef ENGINE_CONFIG_OPTS_H
#define ENGINE_CONFIG_OPTS_H

#include "engine/config.h"

enum opt_type {
	OPT_BOOL,
	OPT_INT,
	OPT_STRING,
	OPT_BYTES,    /* "64m" */
	OPT_IP,	      /* one address */
	OPT_LIST,     /* of strings */
	OPT_IPS,      /* of addresses */
	OPT_ADDRS,    /* the same, with other words for mistakes */
	OPT_MAP,      /* string -> string */
	OPT_FEATURES, /* string -> bool */
	OPT_MAPMAP,   /* string -> string -> string */
	OPT_ULIMITS,
	OPT_POOLS,
	OPT_RUNTIMES,
	OPT_OBJECT,   /* not looked into */
};

enum opt_effect {
	OPT_USED,
	OPT_MOOT,     /* about something this engine does otherwise: accepted in silence */
	OPT_IGNORED,  /* accepted with a warning */
	OPT_REFUSED,  /* would be dangerous to pass over */
	OPT_OURS,     /* a flag dockerd does not have: no member of daemon.json */
};

struct opt {
	const char *flag; /* without dashes; NULL: daemon.json only */
	char letter;
	const char *key;  /* in daemon.json; NULL: the same as the flag */
	enum opt_type type;
	enum opt_effect effect;
	const char *word; /* what --help calls the value; NULL for booleans */
	const char *help;
};

extern const struct opt config_opts[]; /* sorted by flag; ends with flag and key NULL */
extern const char *const config_proxy_keys[]; /* members of daemon.json's "proxies", which are flags too */

const char *config_opt_key(const struct opt *o);
const struct opt *config_opt_by_flag(struct span name);
const struct opt *config_opt_by_letter(char letter);
const struct opt *config_opt_by_key(const char *key);
void config_print_help(void);

/* Parse flags into @flags (daemon.json's form) and @special (help, version, validate, config-file,
 * and our own). -1 with @e. */
int config_flags_parse(int argc, char **argv, json_t *flags, json_t *special, struct err *e);
/* Where a key's value is kept in an object of daemon.json's form: proxies are one level down. */
json_t *config_member(const json_t *obj, const char *key);

/* Is each key of the file known, none given as a flag too, each value of the right type? */
int config_file_check(const json_t *file, const json_t *flags, struct err *e);
/* Are the merged values ones dockerd would take? */
int config_values_check(const json_t *raw, struct err *e);
/* Are they ones we can act on?  Warns of what has no effect. */
int config_effects_check(const json_t *raw, struct err *e);

/* Single values, in dockerd's words; 0, or -1 with @e. */
int config_label_check(const char *text, struct err *e);
int config_mirror_check(const char *text, struct err *e);
int config_domain_check(const char *text, struct err *e);
/* "unix://…", "tcp://host:port", "fd://…" in full; @runtime_dir may be NULL. To free(), or NULL. */
char *config_host_parse(const char *text, const char *runtime_dir, struct err *e);
bool config_ip_ok(const char *text);
bool config_cidr_ok(const char *text);

#endif
