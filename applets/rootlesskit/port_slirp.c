/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/port_slirp.c - the port driver "slirp4netns": slirp4netns listens, and forwards
 *
 * Its API takes one request a connection, a JSON object {"execute", "arguments"}, and answers with {"return"} or
 * {"error": {"desc"}}.  What is published so keeps the client's address, and passes user-mode TCP.
 */
#include "kit.h"

#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 65536
#define PATIENCE_S 5

/* The "return" of a request, a new reference; NULL with @e. */
static json_t *ask(const char *api, const char *what, json_t *arguments, struct err *e)
{
	struct timeval patience = {.tv_sec = PATIENCE_S};
	cleanup_json json_t *request = json_object(), *answer = NULL;
	cleanup_buf struct buf text = BUF_INIT, out = BUF_INIT;
	cleanup_close int fd = sock_connect_at(AT_FDCWD, api, SOCK_STREAM);
	const char *why;

	json_set_str(request, "execute", what);
	json_set_new(request, "arguments", arguments);
	json_print(request, false, &out);
	if (fd < 0) {
		err_set(e, errno, "connecting to %s", api);
		return NULL;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (fd_write_full(fd, out.p, out.n) || shutdown(fd, SHUT_WR) || fd_read_all(fd, ANSWER_MAX, &text, e)) {
		err_set(e, errno, "asking slirp4netns to %s", what);
		return NULL;
	}
	answer = json_parse(text.p, text.n, e);
	why = json_str(json_obj(answer, "error"), "desc", NULL);
	if (answer && !why && json_object_get(answer, "return"))
		return json_incref(json_object_get(answer, "return"));
	err_kind(e, ERR_FAILED, "slirp4netns: %s: %s", what, why ? why : "no answer");
	return NULL;
}

int slirp_add_port(const char *api, const struct kit_port *p, const char *guest, int64_t *id, struct err *e)
{
	json_t *args = json_object();
	cleanup_json json_t *done = NULL;
	char proto[4];

	snprintf(proto, sizeof(proto), "%.3s", p->proto);
	json_set_str(args, "proto", proto);
	json_set_str(args, "host_addr", *p->parent_ip ? p->parent_ip : "0.0.0.0");
	json_set_int(args, "host_port", p->parent_port);
	json_set_str(args, "guest_addr", *p->child_ip ? p->child_ip : guest);
	json_set_int(args, "guest_port", p->child_port);
	done = ask(api, "add_hostfwd", args, e);
	*id = json_int(done, "id", -1);
	return done ? 0 : -1;
}

int slirp_remove_port(const char *api, int64_t id, struct err *e)
{
	json_t *args = json_object();
	cleanup_json json_t *done = NULL;

	json_set_int(args, "id", id);
	done = ask(api, "remove_hostfwd", args, e);
	return done ? 0 : -1;
}
