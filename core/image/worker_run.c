/* SPDX-License-Identifier: MIT */
/*
 * core/image/worker_run.c - start a worker, pass on what it says, clean up after it
 *
 * Theory of operation
 *   The worker reads what strangers made, so nothing it says is believed: lines have a ceiling,
 *   each is parsed before it goes on, and what a result claims (digests, names) is checked again
 *   where it is used.  It ends in one of three ways: a last line with a result or an error; a
 *   death without one; or by our SIGKILL, when the client has gone or takes no more progress.
 *   There is no gentler signal, as a worker has nothing to save: layers it committed are whole,
 *   drafts are removed here by their prefix.
 *
 *   A fed worker has a pipe for its input.  One thread does all: it calls the feed as long as that moves
 *   something.  When it does not, either the pipe is full or the client has sent nothing: which one cannot be
 *   seen, and waiting for both would not wait.  So it waits for one, tries again, and waits for the other; for
 *   lines at the same time.  A worker that ends early, content or not, is not fed any more.
 */
#include "image/worker_lines.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ_SIZE 65536
#define FEED_PIPE_SIZE (1 << 20) /* bytes; what an unprivileged process may ask for by default */

json_t *worker_err_json(const struct err *e)
{
	json_t *j = json_object();

	json_set_int(j, "code", e->code);
	json_set_int(j, "kind", e->kind);
	json_set_str(j, "msg", e->msg);
	json_set_str(j, "hint", e->hint);
	return j;
}

void worker_err_from_json(struct err *e, const json_t *j)
{
	int64_t kind = json_int(j, "kind", ERR_FAILED);

	err_kind(e, kind < 0 || kind > ERR_NOT_SUPPORTED ? ERR_FAILED : (enum err_kind)kind, "%s",
		json_str(j, "msg", "the worker failed without saying why"));
	if (*json_str(j, "hint", ""))
		err_hint(e, "%s", json_str(j, "hint", ""));
	if (e)
		e->code = (int)json_int(j, "code", 0);
}

/* --- the start --------------------------------------------------------------------------------- */

struct run {
	const struct worker_job *job;
	char prefix[24]; /* of the names of its drafts */
	int pidfd, lines;
	int feed; /* our end of its input's pipe, -1: not fed (any more) */
	enum { FEED_NOW, FEED_ROOM, FEED_DATA } wait; /* for what, before it is called again */
	struct buf in; /* of lines */
	json_t *result;
	bool failed; /* and *e is set */
};

static int orders_fd(const struct run *r, struct err *e)
{
	const struct worker_job *job = r->job;
	cleanup_json json_t *j = json_object();

	json_set_str(j, "root", job->store->root);
	json_set_str(j, "driver", store_driver_name(job->store));
	json_set_str(j, "prefix", r->prefix);
	json_set_int(j, "parent", getpid());
	json_set_bool(j, "input", job->input >= 0 || job->feed);
	json_object_set(j, "request", (json_t *)(uintptr_t)job->request);
	return json_memfd(j, e);
}

static int start(struct run *r, struct err *e)
{
	static const char *const argv[] = {":worker", NULL};
	cleanup_close int orders = -1, out = -1, input = -1;
	unsigned char nonce[4];
	char hex[9];
	int p[2], fds[4];

	random_bytes(nonce, sizeof(nonce));
	hex_encode(nonce, sizeof(nonce), hex);
	snprintf(r->prefix, sizeof(r->prefix), "w%s-", hex);
	orders = orders_fd(r, e);
	if (orders < 0)
		return -1;
	if (pipe2(p, O_CLOEXEC))
		return err_set(e, errno, "making a worker's pipe");
	r->lines = p[0];
	out = p[1];
	if (r->job->feed) {
		if (pipe2(p, O_CLOEXEC))
			return err_set(e, errno, "making a worker's input");
		input = p[0];
		r->feed = p[1];
		fcntl(r->feed, F_SETPIPE_SZ, FEED_PIPE_SIZE); /* a smaller one works too */
		fcntl(r->feed, F_SETFL, O_WRONLY | O_NONBLOCK);
	}
	fds[WORKER_FD_ORDERS - 3] = orders;
	fds[WORKER_FD_DATA - 3] = r->job->store->datafd;
	fds[WORKER_FD_LINES - 3] = out;
	fds[WORKER_FD_INPUT - 3] = r->job->feed ? input : r->job->input;
	return proc_spawn_role(argv, fds, fds[WORKER_FD_INPUT - 3] >= 0 ? 4 : 3, NULL, &r->pidfd, e);
}

/* --- its lines --------------------------------------------------------------------------------- */

static int take_line(struct run *r, const char *line, size_t n, struct err *e)
{
	cleanup_json json_t *j = n > 1 ? json_parse(line + 1, n - 1, e) : NULL;

	if (!json_is_object(j))
		return err_kind(e, ERR_FAILED, "a worker said something that makes no sense");
	switch (line[0]) {
	case 'p':
		if (r->job->progress && r->job->progress(r->job->arg, line + 1, n - 1))
			return err_set(e, ECANCELED, "sending progress");
		return 0;
	case 'r':
		json_decref(r->result);
		r->result = json_incref(j);
		return 0;
	case 'e':
		worker_err_from_json(e, j);
		return -1;
	default:
		return err_kind(e, ERR_FAILED, "a worker said something that makes no sense");
	}
}

/* Take what is there. 1: more may come, 0: that was all, -1 with @e. */
static int take(struct run *r, struct err *e)
{
	ssize_t n = read(r->lines, buf_room(&r->in, READ_SIZE), READ_SIZE);
	char *start, *end;

	if (n < 0)
		return errno == EINTR ? 1 : err_set(e, errno, "listening to a worker");
	if (n == 0)
		return 0;
	/* What was there before holds no newline. */
	start = r->in.p;
	end = memchr(r->in.p + r->in.n, '\n', (size_t)n);
	r->in.n += (size_t)n;
	for (; end; end = memchr(start, '\n', (size_t)(r->in.p + r->in.n - start))) {
		if (take_line(r, start, (size_t)(end - start), e))
			return -1;
		start = end + 1;
	}
	buf_consume(&r->in, (size_t)(start - r->in.p));
	if (r->in.n > WORKER_LINE_MAX)
		return err_kind(e, ERR_FAILED, "a worker's answer is too long");
	return 1;
}

/* Give the worker what there is for it. */
static int feed(struct run *r, struct err *e)
{
	struct err why = ERR_INIT;
	ssize_t n;

	while ((n = r->job->feed(r->job->arg, r->feed, &why)) > 0)
		r->wait = FEED_NOW;
	if (n < 0 && why.code == EAGAIN) {
		r->wait = r->wait == FEED_ROOM && r->job->cancel >= 0 ? FEED_DATA : FEED_ROOM;
		return 0;
	}
	fd_close(&r->feed);
	if (n < 0 && why.code != EPIPE) { /* it wants no more: its last line says why */
		*e = why;
		return -1;
	}
	return 0;
}

static int listen_to(struct run *r, struct err *e)
{
	struct pollfd fds[3] = {{0}};
	int rc;

	for (;;) {
		if (r->feed >= 0 && (r->wait == FEED_NOW || fds[1].revents || fds[2].revents) && feed(r, e))
			return -1;
		fds[0] = (struct pollfd){.fd = r->lines, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = r->feed >= 0 && r->wait == FEED_ROOM ? r->feed : -1, .events = POLLOUT};
		fds[2] = (struct pollfd){.fd = r->job->cancel, .events = POLLRDHUP};
		/* While we read from the client, reading tells that it has gone. */
		if (r->feed >= 0) {
			fds[2].fd = r->wait == FEED_DATA ? r->job->cancel : -1;
			fds[2].events = POLLIN;
		}
		while (poll(fds, 3, -1) < 0)
			if (errno != EINTR)
				return err_set(e, errno, "waiting for a worker");
		if (r->feed < 0 && fds[2].revents)
			return err_set(e, ECANCELED, "the client has gone");
		rc = fds[0].revents ? take(r, e) : 1;
		if (rc <= 0)
			return rc;
	}
}

/* --- the end ----------------------------------------------------------------------------------- */

static void say_how_it_died(int status, struct err *e)
{
	if (status > 128)
		err_kind(e, ERR_FAILED, "the worker was killed by signal %d", status - 128);
	else
		err_kind(e, ERR_FAILED, "the worker ended with status %d and no result", status);
	if (status == 128 + SIGKILL)
		err_hint(e, "was the host out of memory?");
}

json_t *worker_run(const struct worker_job *job, struct err *e)
{
	struct run r = {.job = job, .pidfd = -1, .lines = -1, .feed = -1, .in = BUF_INIT};
	int status;

	if (start(&r, e)) {
		r.failed = true;
	} else {
		r.failed = listen_to(&r, e) < 0;
		if (r.failed)
			proc_signal(r.pidfd, SIGKILL);
		status = proc_reap(r.pidfd);
		if (!r.failed && !r.result) {
			say_how_it_died(status, e);
			r.failed = true;
		}
		store_discard_drafts(job->store, r.prefix);
	}
	fd_close(&r.pidfd);
	fd_close(&r.lines);
	fd_close(&r.feed);
	buf_release(&r.in);
	if (r.failed) {
		json_decref(r.result);
		r.result = NULL;
	}
	return r.result;
}
