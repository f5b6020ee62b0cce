/* SPDX-License-Identifier: MIT */
/*
 * core/engine/archive.h - files out of containers and into them: cp and export
 *
 * All work on a container's files is done by a process of its own (role ":archive", archive_role.c),
 * whose root they are.  While one is at work a start of the container waits: two overlayfs over one
 * upper directory would be undefined.
 */
#ifndef ENGINE_ARCHIVE_H
#define ENGINE_ARCHIVE_H

#include "engine/container.h"

#include <limits.h>

struct archive_job;

struct archive_put {
	const char *path;	      /* a directory, links followed */
	bool no_overwrite_dir_nondir; /* a directory is not replaced by a file, nor the other way */
	bool chown;		      /* everything belongs to the container's user */
};

/**
 * archive_stat() - What is at @path (not ""), links not followed
 * @ref:	How the client called the container, for messages
 *
 * Return: {"name", "size", "mode" as Go has it, "mtime", "linkTarget"}, a new reference; or NULL
 */
json_t *archive_stat(struct engine *en, struct container *c, const char *ref, const char *path,
	struct err *e);
/* Begin to read @path as a tar archive. *stat is as above, a new reference. */
struct archive_job *archive_get(struct engine *en, struct container *c, const char *ref, const char *path,
	json_t **stat, struct err *e);
/* Begin to unpack a tar archive, gzipped or not. */
struct archive_job *archive_put(struct engine *en, struct container *c, const char *ref,
	const struct archive_put *what, struct err *e);
/* Begin to read the whole root filesystem, without what is mounted there. */
struct archive_job *archive_export(struct engine *en, struct container *c, struct err *e);
/* The archive's pipe, borrowed: to read from it, or to write to it (EPIPE: it failed already). */
int archive_fd(const struct archive_job *job);
/* Close the pipe, wait for the end, free @job. 0, or -1 with @e. */
int archive_end(struct archive_job *job, struct err *e);

/* --- between the engine and the role, private ------------------------------------------------ */

enum { ARCHIVE_REQUEST_FD = 3, ARCHIVE_REPORT_FD, ARCHIVE_DATA_FD, ARCHIVE_FDS_END };

/* Sent twice: when the archive begins, and at its end.  A stat has only the first. */
struct archive_report {
	bool ok;
	struct err err; /* if not; kind and code hold, and the texts are without the container's name */
	int64_t size, mtime_ns;
	uint32_t mode; /* Go's */
	char name[NAME_MAX + 1], target[PATH_MAX];
};

int archive_role_main(int argc, char **argv);

#endif
