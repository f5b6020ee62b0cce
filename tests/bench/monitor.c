/* SPDX-License-Identifier: MIT */
/*
 * tests/bench/monitor.c - how long a container takes from monitor_start() to its exit
 *
 *	monitor [-n COUNT | -m] [-p] [-u] [-w] ROOTFS COMMAND [ARG...]
 *
 * ROOTFS is a directory that the namespace's root may read.  Without -n the command runs once and
 * its output is shown; with it, COUNT runs are timed.  -m shows the memory of a monitor beside the
 * command, which must run for a while.  -p leaves the seccomp filter out, -u is "unconfined" in
 * all: no masked and read-only paths either, to see what they cost.  -w has a monitor prepared some
 * milliseconds before each start, as when a client creates a container and then starts it.
 *
 * CPU time counts all processes of a start; on a busy machine it says more than the clock.
 */
#include "../lib/sandbox.h"
#include "base/clock.h"

#include <sys/resource.h>
#include <sys/socket.h>

#define CLIENT_US 3000 /* what a client takes from one request to the next */

struct bench {
	char dir[64], rootfs[4096], mountpoint[128];
	int dirfd;
	char *filter;
	bool prepared;
};

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void prepare(struct bench *b, const char *rootfs, bool filter)
{
	struct err e = ERR_INIT;

	if (!realpath(rootfs, b->rootfs))
		exit(1);
	snprintf(b->dir, sizeof(b->dir), "%s", getenv("TMPDIR"));
	snprintf(b->mountpoint, sizeof(b->mountpoint), "%s/root", b->dir);
	if (mkdir(b->mountpoint, 0700))
		exit(1);
	b->dirfd = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (filter) {
		cleanup_json json_t *caps = runtime_default_caps();

		if (seccomp_compile(b->dirfd, b->dir, NULL, caps, &b->filter, &e))
			sandbox_fail(&e);
	}
}

static json_t *request(const struct bench *b, const char *const *argv, bool unconfined)
{
	json_t *r = sandbox_request(b->rootfs, b->mountpoint, argv);
	json_t *lin = json_obj(json_obj(r, "spec"), "linux");

	if (b->filter)
		json_set_str(r, "seccomp", b->filter);
	if (unconfined) {
		json_object_del(lin, "maskedPaths");
		json_object_del(lin, "readonlyPaths");
	}
	return r;
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* One run; times of exec and of the end go to @started, @ended (ns). Its exit code. */
static int run(const struct bench *b, const json_t *r, int out, int64_t *started, int64_t *ended)
{
	struct monitor_attach at = { .fd = out, .in = true, .out = true, .err = true };
	struct monitor_info info;
	struct monitor_exit x;
	struct err e = ERR_INIT;
	int64_t t0 = clock_mono_ns();
	int ctl = monitor_start(b->dirfd, r, &at, out >= 0 ? 1 : 0, &info, &e);

	if (ctl < 0)
		sandbox_fail(&e);
	*started = clock_mono_ns() - t0;
	if (out >= 0)
		close(out);
	if (monitor_read_exit(ctl, b->dirfd, &x, &e) < 0)
		sandbox_fail(&e);
	*ended = clock_mono_ns() - t0;
	close(ctl);
	reap();
	return x.exit_code;
}

static int show(const struct bench *b, json_t *r)
{
	int64_t started, ended;
	int pair[2], code;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		exit(1);
	if (!fork()) {
		close(pair[1]);
		fd_copy(pair[0], 1, -1, NULL);
		_exit(0);
	}
	close(pair[0]);
	code = run(b, r, pair[1], &started, &ended);
	while (wait(NULL) > 0)
		;
	fprintf(stderr, "started after %.2f ms, ended after %.2f ms, status %d\n",
		(double)started / 1e6, (double)ended / 1e6, code);
	return code;
}

static double cpu_ms(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
		(double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static void measure(const struct bench *b, const json_t *r, int count)
{
	int64_t *started = xcalloc((size_t)count, sizeof(*started));
	int64_t *ended = xcalloc((size_t)count, sizeof(*ended));
	double cpu = cpu_ms(RUSAGE_SELF) + cpu_ms(RUSAGE_CHILDREN);
	int i;

	for (i = 0; i < count; i++) {
		if (b->prepared) {
			monitor_prepare();
			usleep(CLIENT_US);
		}
		run(b, r, -1, &started[i], &ended[i]);
	}
	while (wait(NULL) > 0)
		;
	cpu = cpu_ms(RUSAGE_SELF) + cpu_ms(RUSAGE_CHILDREN) - cpu;
	qsort(started, (size_t)count, sizeof(*started), compare);
	qsort(ended, (size_t)count, sizeof(*ended), compare);
	printf("start to exec: median %.2f ms, best %.2f ms; to exit: median %.2f ms, best %.2f ms, "
	       "worst %.2f ms; CPU %.2f ms (%d runs)\n",
		(double)started[count / 2] / 1e6, (double)started[0] / 1e6,
		(double)ended[count / 2] / 1e6, (double)ended[0] / 1e6,
		(double)ended[count - 1] / 1e6, cpu / count, count);
	free(started);
	free(ended);
}

static void memory(const struct bench *b, const json_t *r)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct monitor_info info;
	struct err e = ERR_INIT;
	int ctl = monitor_start(b->dirfd, r, NULL, 0, &info, &e);
	char path[64];
	json_t *j;

	if (ctl < 0)
		sandbox_fail(&e);
	j = json_load_at(b->dirfd, "monitor.json", 4096, &e);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)json_int(j, "pid", 0));
	if (!j || file_read_at(AT_FDCWD, path, 65536, &text, &e))
		sandbox_fail(&e);
	fputs(text.p, stdout);
	json_decref(j);
	monitor_signal(ctl, SIGKILL, &e);
	close(ctl);
	while (wait(NULL) > 0)
		;
}

int main(int argc, char **argv)
{
	bool unconfined = false, filter = true, mem = false;
	int opt, count = 0, code = 0;
	struct bench b = { 0 };
	json_t *r;

	sandbox_role();
	while ((opt = getopt(argc, argv, "+n:mpuw")) > 0) {
		if (opt == 'n')
			count = atoi(optarg);
		else if (opt == 'm')
			mem = true;
		else if (opt == 'w')
			b.prepared = true;
		else if (opt == 'u')
			unconfined = true;
		else
			filter = false;
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: monitor [-n COUNT | -m] [-p] [-u] [-w] ROOTFS COMMAND [ARG...]\n");
		return 2;
	}
	if (!sandbox_enter())
		return 77;
	prepare(&b, argv[optind], filter && !unconfined);
	r = request(&b, (const char *const *)argv + optind + 1, unconfined);
	if (mem)
		memory(&b, r);
	else if (count)
		measure(&b, r, count);
	else
		code = show(&b, r);
	json_decref(r);
	return code;
}
