/* SPDX-License-Identifier: MIT */
/*
 * core/storage/unpack_role.c - the process that unpacks one layer (role ":unpack")
 *
 * Theory of operation
 *	archive fd -> hash -> inflate -> (ring) -> hash -> tar -> files
 *	\_________ one thread __________/         \_____ the other ____/
 *   The first digest is the blob's, the second the layer's diff_id: both cover all bytes up to the
 *   end of the input, also those behind the end of the archive.  The last act is to write a report
 *   to a pipe; who reads an incomplete one knows that the process was killed.
 *
 *   Descriptors: 3 the archive, 4 the directory, 5 the pipe, 6 and 7 the recipe's files.
 *   Arguments: the parent's pid, whiteouts (as enum tar_whiteouts), single_id, the ceiling.
 */
#include "storage/recipe.h"
#include "storage/ring.h"
#include "storage/sandbox.h"
#include "storage/storage.h"
#include "storage/unpack.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <unistd.h>

enum { ARCHIVE_FD = 3, TREE_FD, REPORT_FD, RECIPE_FD, KEPT_FD, FDS_END };

struct args {
	uint64_t parent, whiteouts, single_id, max_bytes;
};

static int parse_args(int argc, char **argv, struct args *a, struct err *e)
{
	if (argc != 5 || parse_u64(span_of(argv[1]), INT32_MAX, &a->parent) ||
		parse_u64(span_of(argv[2]), TAR_WH_KEEP, &a->whiteouts) ||
		parse_u64(span_of(argv[3]), 1, &a->single_id) ||
		parse_u64(span_of(argv[4]), INT64_MAX, &a->max_bytes))
		return err_set(e, EINVAL, "arguments of the unpacking process");
	return 0;
}

/* Unpack, then take in what is left: digests are over all of it. */
static int unpack_stream(struct stream *in, const struct args *a, struct recipe *recipe,
	struct unpack_report *report, struct err *e)
{
	struct tar_unpack_opts o = {
		.max_bytes = (int64_t)a->max_bytes,
		.whiteouts = (enum tar_whiteouts)a->whiteouts,
		.single_id = a->single_id,
		.recipe = recipe,
	};
	cleanup_close int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char block[4096];
	ssize_t got;

	if (root < 0)
		return err_set(e, errno, "opening the directory to unpack to");
	if (tar_unpack(in, root, &o, &report->result, e))
		return -1;
	while ((got = in->read(in, block, sizeof(block), e)) > 0)
		recipe_raw(recipe, block, (size_t)got);
	return got < 0 ? -1 : recipe_finish(recipe, &report->recipe_whole, e);
}

static int unpack(const struct args *a, struct unpack_report *report, struct err *e)
{
	/* Once in this process's life; the other thread uses them even after a failure has ended this. */
	static struct sha256 blob;
	static struct fd_stream archive;
	struct sha256 diff;
	struct hash_stream plain;
	struct inflater *inflater;
	struct recipe *recipe;
	struct ring *ring;
	bool is_plain;

	sha256_init(&blob);
	sha256_init(&diff);
	fd_stream_init(&archive, ARCHIVE_FD, &blob);
	inflater = inflater_new(&archive.s);
	if (inflater_look(inflater, &is_plain, e))
		return -1;
	recipe = recipe_new(RECIPE_FD, KEPT_FD);
	ring = ring_start(inflater_stream(inflater), e);
	if (!ring || !recipe)
		return ring ? err_set(e, ENOMEM, "preparing to unpack") : -1;
	/* Both digests of a plain archive are of the same bytes; the thread that does not write has time for it. */
	hash_stream_init(&plain, ring_stream(ring), is_plain ? NULL : &diff);
	/* After a failure nothing is freed: the other thread may be anywhere, and we are done. */
	if (unpack_stream(&plain.s, a, recipe, report, e))
		return -1;
	ring_free(ring);
	inflater_free(inflater);
	recipe_free(recipe);
	sha256_digest(&blob, report->blob);
	if (is_plain)
		memcpy(report->diff_id, report->blob, sizeof(report->diff_id));
	else
		sha256_digest(&diff, report->diff_id);
	report->blob_size = archive.total;
	report->archive_size = plain.total;
	return 0;
}

int unpack_role_main(int argc, char **argv)
{
	struct unpack_report report = { .err = ERR_INIT };
	struct args a;

	if (parse_args(argc, argv, &a, &report.err))
		return 2;
	proc_die_with_parent((pid_t)a.parent);
	report.ok = !sandbox_enter(TREE_FD, FDS_END, &report.err) && !unpack(&a, &report, &report.err);
	if (fd_write_full(REPORT_FD, &report, sizeof(report)))
		return 1;
	_exit(report.ok ? 0 : 1);
}
