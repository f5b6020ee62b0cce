/* SPDX-License-Identifier: MIT */
/*
 * core/storage/unpack.c - start the process that unpacks a layer, and understand how it ended
 */
#include "storage/unpack.h"
#include "storage/idhint.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int start(const struct unpack_job *job, int report, int *pidfd, struct err *e)
{
	const int fds[] = { job->fd, job->treefd, report, job->recipefd, job->keptfd };
	char parent[16], whiteouts[4], single[4], max[24];
	const char *const argv[] = { ":unpack", parent, whiteouts, single, max, NULL };

	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	snprintf(whiteouts, sizeof(whiteouts), "%d", (int)job->whiteouts);
	snprintf(single, sizeof(single), "%d", job->single_id);
	snprintf(max, sizeof(max), "%lld", (long long)job->max_bytes);
	return proc_spawn_role(argv, fds, ARRAY_SIZE(fds), NULL, pidfd, e);
}

/* It ended without a report. */
static int died(int status, struct err *e)
{
	if (status > 128)
		return err_set(e, 0, "the unpacking process was killed by signal %d", status - 128);
	return err_set(e, 0, "the unpacking process ended with status %d", status);
}

int unpack_run(const struct unpack_job *job, struct unpack_report *report, struct err *e)
{
	cleanup_close int pidfd = -1, in = -1;
	int ends[2], status;
	ssize_t got;

	if (pipe2(ends, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	in = ends[0];
	status = start(job, ends[1], &pidfd, e);
	close(ends[1]);
	if (status)
		return -1;
	got = fd_read_full(in, report, sizeof(*report));
	status = proc_reap(pidfd);
	if (got != sizeof(*report))
		return died(status, e);
	if (report->ok && !status)
		return 0;
	report->err.msg[sizeof(report->err.msg) - 1] = 0;
	report->err.hint[sizeof(report->err.hint) - 1] = 0;
	if (e)
		*e = report->err;
	if (report->result.bad_id)
		idhint_add(report->result.bad_uid, report->result.bad_gid, e);
	return -1;
}
