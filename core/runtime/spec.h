/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/spec.h - an OCI config.json as plain structs
 *
 * Parsing comes first and checks all of it; what starts a container then only reads these.
 * Texts are borrowed from the JSON they were parsed from, which must outlive the spec; arrays
 * are owned (spec_release).
 */
#ifndef RUNTIME_SPEC_H
#define RUNTIME_SPEC_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct spec_caps {
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct spec_rlimit {
	int resource; /* RLIMIT_… */
	uint64_t soft, hard;
};

struct spec_process {
	bool tty;
	char **args, **env; /* NULL-terminated, borrowed texts */
	const char *cwd;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	int umask; /* -1: 022 */
	const char *user_text; /* "name:group" to look up inside; replaces the three above. Or NULL */
	char **group_add;      /* names or numbers to add to its groups, NULL-terminated, or NULL */
	struct spec_caps caps;
	struct spec_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privs;
	bool has_oom_score_adj;
	int oom_score_adj;
};

struct spec_mount {
	const char *destination; /* absolute, inside */
	const char *type, *source; /* "" if absent */
	char **options;		 /* NULL-terminated, or NULL */
	const json_t *rootfs;	 /* "x-rootfs": for rootfs_mount(), or NULL */
	const char *subpath;	 /* "x-subpath" of that, "" if absent */
	int seal_fd;		 /* mounts.c: a tmpfs that becomes read-only later, or -1 */
};

struct spec_device {
	const char *path;   /* inside */
	const char *source; /* outside; @path unless "x-source" says otherwise */
};

struct spec_ns {
	int flag; /* CLONE_NEW… */
	const char *path;
};

struct spec_sysctl {
	const char *name, *value;
};

struct spec {
	struct spec_process process;
	const char *root_path; /* where the rootfs is mounted */
	bool root_readonly;
	const char *hostname, *domainname; /* "" if absent */
	struct spec_mount *mounts;
	size_t n_mounts;
	uint64_t new_namespaces; /* CLONE_NEW… of those to make */
	struct spec_ns *joins;   /* those to enter */
	const char *user_ns;	 /* path of the user namespace to enter, or NULL or "": none */
	size_t n_joins;
	struct spec_device *devices;
	size_t n_devices;
	struct spec_sysctl *sysctls;
	size_t n_sysctls;
	char **masked_paths, **readonly_paths; /* NULL-terminated, or NULL */
	unsigned long propagation;		/* MS_… of the root, MS_REC included */
	long personality;			/* PER_…, or -1 */
};

/* Parse an OCI config.json object.  0, or -1 with @e (kind ERR_INVALID) and nothing to release. */
int spec_parse(const json_t *config, struct spec *s, struct err *e);
void spec_release(struct spec *s);

/* Parse an OCI process object alone (exec). */
int spec_process_parse(const json_t *process, struct spec_process *p, struct err *e);
void spec_process_release(struct spec_process *p);

/* Only the namespaces: flags to make, and the paths of the pid and user namespace to enter ("" if none). */
int spec_namespaces(const json_t *config, uint64_t *make, const char **pid_path, const char **user_path,
	struct err *e);
/* Those to enter, of an OCI "namespaces" array: s->joins, s->new_namespaces, s->user_ns.  free() s->joins. */
int spec_parse_namespaces(const json_t *linux_part, struct spec *s, struct err *e);

#endif
