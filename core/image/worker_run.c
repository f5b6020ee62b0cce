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
 *   A fed worker has a socket for its input.  One thread does all: it asks the feed for more only
 *   when the worker took what there was, and looks for lines in between.  A worker that ends
 *   early, content or not, is not fed any more.
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
	int feed; /* our end of its input's socket, -1: not fed (any more) */
	struct buf in, out; /* of lines; for the feed */
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
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p))
			return err_set(e, errno, "making a worker's input");
		r->feed = p[0];
		input = p[1];
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

/* Get more for the worker when it has taken all. */
static int refill(struct run *r, struct err *e)
{
	ssize_t n;

	if (r->feed < 0 || r->out.n)
		return 0;
	n = r->job->feed(r->job->arg, buf_room(&r->out, READ_SIZE), READ_SIZE, e);
	if (n < 0)
		return -1;
	r->out.n = (size_t)n;
	if (!n)
		fd_close(&r->feed);
	return 0;
}

static void feed(struct run *r)
{
	ssize_t n = send(r->feed, r->out.p, r->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n >= 0)
		buf_consume(&r->out, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		fd_close(&r->feed); /* it wants no more: its last line says why */
}

static int listen_to(struct run *r, struct err *e)
{
	struct pollfd fds[3];
	int rc;

	for (;;) {
		if (refill(r, e))
			return -1;
		fds[0] = (struct pollfd){.fd = r->lines, .events = POLLIN};
		fds[1] = (struct pollfd){.fd = r->feed, .events = POLLOUT};
		/* While we read from the client, reading tells that it has gone. */
		fds[2] = (struct pollfd){.fd = r->feed < 0 ? r->job->cancel : -1, .events = POLLRDHUP};
		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return err_set(e, errno, "waiting for a worker");
		if (fds[2].revents)
			return err_set(e, ECANCELED, "the client has gone");
		if (fds[1].revents)
			feed(r);
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
	struct run r = {.job = job, .pidfd = -1, .lines = -1, .feed = -1, .in = BUF_INIT, .out = BUF_INIT};
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
	buf_release(&r.out);
	if (r.failed) {
		json_decref(r.result);
		r.result = NULL;
	}
	return r.result;
}
