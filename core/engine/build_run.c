/* SPDX-License-Identifier: MIT */
/*
 * core/engine/build_run.c - RUN: a command in a container, its output to the client
 *
 * Theory of operation
 *   The container's monitor gets one end of a socket pair as if it were a client that attached; what
 *   comes out at the other end, frame by frame, becomes lines of progress.  The command ends, or the
 *   client goes: then the container is killed.
 *
 *   What the command was asked to be, for the cache and the image's history, has the ARGs it saw in
 *   front ("|1 WHO=me /bin/sh -c …"), as they change what it does.
 */
#include "engine/build_state.h"
#include "base/fs.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX (1 << 20) /* bytes; a monitor's frames are smaller */

static int say_frame(struct build *b, unsigned char stream, const char *p, size_t n)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (stream != 2)
		return build_say_bytes(b, p, n);
	buf_adds(&text, "\x1b[91m");
	buf_add(&text, p, n);
	buf_adds(&text, "\x1b[0m");
	return build_say_bytes(b, text.p, text.n);
}

/* One frame of the multiplexed stream: 1, 0 at the end, -1: nobody listens any more. */
static int relay_frame(struct build *b, int fd, struct buf *data)
{
	unsigned char head[8];
	uint32_t n;

	if (fd_read_full(fd, head, sizeof(head)) != sizeof(head))
		return 0;
	memcpy(&n, head + 4, sizeof(n));
	n = be32toh(n);
	if (n > FRAME_MAX)
		return 0;
	buf_reset(data);
	if (fd_read_full(fd, buf_room(data, n), n) != (ssize_t)n)
		return 0;
	return say_frame(b, head[0], data->p, n) ? -1 : 1;
}

/* Until the command's output ends; -1: the client has gone. */
static int relay(struct build *b, int fd)
{
	struct pollfd p[2] = {{fd, POLLIN, 0}, {b->client->cancel, POLLRDHUP, 0}};
	cleanup_buf struct buf data = BUF_INIT;
	int rc = 1;

	while (rc > 0) {
		if (poll(p, b->client->cancel >= 0 ? 2 : 1, -1) < 0 && errno != EINTR)
			return -1;
		if (p[1].revents)
			return -1;
		if (p[0].revents)
			rc = relay_frame(b, fd, &data);
	}
	return rc;
}

/* Start it and wait for its end. Its exit code, or -1 with @e. */
static int run_container(struct build *b, struct container *c, struct err *e)
{
	const struct attach_options out = {.out = true, .err = true, .framed = true};
	cleanup_json json_t *end = NULL;
	cleanup_close int fd = -1;
	struct wait_state wait;
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return err_set(e, errno, "making a socket pair");
	fd = ends[0];
	wait_begin(c, &wait);
	if (container_attach(b->en, c, ends[1], &out, e) || container_start(b->en, c, e)) {
		waiter_remove(c, &wait.w);
		return -1;
	}
	rc = relay(b, fd);
	if (rc < 0)
		container_kill(b->en, c->id, "KILL", NULL);
	end = wait_end(c, &wait, WAIT_NEXT_EXIT, -1);
	if (rc < 0)
		return err_set(e, ECANCELED, "the client has gone");
	return (int)json_int(end, "StatusCode", 0);
}

/* The error that clients exit with the command's code for. */
static int tell_code(struct build *b, const json_t *command, int code, struct err *e)
{
	cleanup_buf struct buf words = BUF_INIT, text = BUF_INIT;
	cleanup_free char *message = NULL;
	cleanup_json json_t *line = json_object();
	json_t *detail = json_object();
	const json_t *w;
	size_t i;

	json_array_foreach(command, i, w)
		buf_addf(&words, "%s%s", i ? " " : "", json_string_value(w));
	message = xasprintf("The command '%s' returned a non-zero code: %d", words.p, code);
	json_set_int(detail, "code", code);
	json_set_str(detail, "message", message);
	json_set_new(line, "errorDetail", detail);
	json_set_str(line, "error", message);
	json_print(line, false, &text);
	b->client->line(b->client->arg, text.p, text.n);
	b->failed_aloud = true;
	return err_set(e, 0, "%s", message);
}

/* "|2", the variables, the command. */
static json_t *with_args(const json_t *args, const json_t *command)
{
	json_t *out = json_array();

	if (json_array_size(args)) {
		json_array_append_new(out, json_sprintf("|%zu", json_array_size(args)));
		json_array_extend(out, (json_t *)(uintptr_t)args);
	}
	json_array_extend(out, (json_t *)(uintptr_t)command);
	return out;
}

static json_t *with_env(const struct build *b, json_t *args)
{
	json_t *env = json_array();

	json_array_extend(env, json_arr(b->config, "Env"));
	json_array_extend(env, args);
	return json_pack("{s:o}", "Env", env);
}

int build_run(struct build *b, const struct dockerfile_line *line, struct err *e)
{
	cleanup_json json_t *shell = build_shell(b), *command = dockerfile_command(line->args, shell, e);
	cleanup_json json_t *args = build_run_args(b), *asked = NULL, *change = NULL;
	struct container *c;
	int rc;

	if (!command)
		return -1;
	asked = with_args(args, command);
	rc = build_cached(b, asked, e);
	if (rc)
		return rc < 0 ? -1 : 0;
	change = with_env(b, args);
	c = build_container(b, b->image, command, change, e);
	if (!c)
		return -1;
	build_say(b, " ---> Running in %.12s\n", c->id);
	rc = run_container(b, c, e);
	if (rc > 0)
		rc = tell_code(b, command, rc, e);
	else if (!rc)
		rc = build_commit(b, c, asked, e);
	if (!rc)
		build_container_done(b, c, true);
	else if (b->o->force_remove)
		build_container_done(b, c, false);
	else
		container_put(c);
	return rc;
}
