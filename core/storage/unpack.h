/* SPDX-License-Identifier: MIT */
/*
 * core/storage/unpack.h - unpack a layer in a process that has nothing else (private to storage)
 */
#ifndef STORAGE_UNPACK_H
#define STORAGE_UNPACK_H

#include "storage/tar.h"

struct unpack_job {
	int fd;			   /* the archive */
	int treefd;		   /* the directory it goes to */
	int recipefd, keptfd;	   /* files for its recipe (recipe.h) */
	enum tar_whiteouts whiteouts;
	bool single_id;
	int64_t max_bytes;	   /* content; 0: no ceiling */
};

/* What the process says at its end, written to a pipe in one piece. */
struct unpack_report {
	bool ok;
	struct err err; /* if not */
	char diff_id[DIGEST_MAX], blob[DIGEST_MAX];
	int64_t blob_size, archive_size;
	bool recipe_whole;
	struct tar_unpack_result result;
};

/* Start the process, wait for its end.  0, or -1 with @e. */
int unpack_run(const struct unpack_job *job, struct unpack_report *report, struct err *e);

#endif
