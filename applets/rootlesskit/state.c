/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/state.c - api.sock: RootlessKit's REST API, version 1
 *
 *	GET /v1/info   GET /v1/ports   POST /v1/ports   DELETE /v1/ports/ID
 *
 * One request a connection, answered by the main thread between other things: only this user can
 * reach the socket, and who says nothing is let go after two seconds.
 */
#include "kit.h"

#include "api/http_head.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 2
#define REQUEST_MAX 65536 /* bytes, head and body */
#define LIST_MAX 256

struct answer {
	int status;
	json_t *body; /* NULL: none */
	const char *text; /* instead of it */
};

/* --- what is told ------------------------------------------------------------------------------- */

static json_t *port_json(const struct kit_port *p)
{
	json_t *spec = json_object(), *j = json_object();

	json_set_str(spec, "proto", p->proto);
	if (*p->parent_ip)
		json_set_str(spec, "parentIP", p->parent_ip);
	json_set_int(spec, "parentPort", p->parent_port);
	if (*p->child_ip)
		json_set_str(spec, "childIP", p->child_ip);
	json_set_int(spec, "childPort", p->child_port);
	json_set_int(j, "id", p->id);
	json_set_new(j, "spec", spec);
	return j;
}

static json_t *ports_json(void)
{
	static struct kit_port list[LIST_MAX];
	size_t n = forward_list(list, LIST_MAX), i;
	json_t *j = json_array();

	for (i = 0; i < n; i++)
		json_array_append_new(j, port_json(&list[i]));
	if (n)
		return j;
	json_decref(j);
	return json_null(); /* Go's nil slice */
}

static json_t *info_json(const struct kit_state *s)
{
	static const char *const protos[] = {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"};
	json_t *j = json_object(), *net, *list;
	size_t i;

	json_set_str(j, "apiVersion", KIT_API_VERSION);
	json_set_str(j, "version", KIT_VERSION);
	json_set_str(j, "stateDir", s->dir);
	json_set_int(j, "childPID", s->child);
	if (*s->network->dns) {
		net = json_object();
		list = json_array();
		json_set_str(net, "driver", s->kit->net);
		json_append_str(list, s->network->dns);
		json_set_new(net, "dns", list);
		json_set_str(net, "childIP", s->network->child_ip);
		json_set_new(j, "networkDriver", net);
	}
	if (!strcmp(s->kit->port_driver, "builtin")) {
		net = json_object();
		list = json_array();
		for (i = 0; i < ARRAY_SIZE(protos); i++)
			json_append_str(list, protos[i]);
		json_set_str(net, "driver", "builtin");
		json_set_new(net, "protos", list);
		json_set_new(j, "portDriver", net);
	}
	return j;
}

/* --- what is done ------------------------------------------------------------------------------- */

static void refuse(struct answer *a, const struct err *e)
{
	a->status = 400;
	a->body = json_object();
	json_set_str(a->body, "message", e->msg);
}

static int take_port(const json_t *j, struct kit_port *p, struct err *e)
{
	int64_t parent = json_int(j, "parentPort", 0), child = json_int(j, "childPort", 0);
	const char *proto = json_str(j, "proto", ""), *parent_ip = json_str(j, "parentIP", ""),
		   *child_ip = json_str(j, "childIP", "");

	*p = (struct kit_port){0};
	if (strlen(proto) >= sizeof(p->proto))
		return err_kind(e, ERR_INVALID, "unknown proto: \"%.20s\"", proto);
	if (strlen(parent_ip) >= sizeof(p->parent_ip) || strlen(child_ip) >= sizeof(p->child_ip))
		return err_kind(e, ERR_INVALID, "invalid address");
	if (parent < 0 || parent > 65535 || child < 0 || child > 65535)
		return err_kind(e, ERR_INVALID, "invalid port");
	strcpy(p->proto, proto);
	strcpy(p->parent_ip, parent_ip);
	strcpy(p->child_ip, child_ip);
	p->parent_port = (uint16_t)parent;
	p->child_port = (uint16_t)child;
	return 0;
}

static void add_port(const struct kit_state *s, struct span body, struct answer *a)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *j = json_parse(body.p, body.n, &e);
	struct kit_port p;

	if (!j || take_port(j, &p, &e) || forward_add(&p, s->control, &e)) {
		refuse(a, &e);
		return;
	}
	a->status = 201;
	a->body = port_json(&p);
}

static void remove_port(struct span id, struct answer *a)
{
	struct err e = ERR_INIT;
	uint64_t n;

	if (parse_u64(id, INT32_MAX, &n))
		err_kind(&e, ERR_INVALID, "bad id %.*s: strconv.Atoi: parsing \"%.*s\": invalid syntax", (int)id.n, id.p,
			(int)id.n, id.p);
	else
		forward_remove((int)n, &e);
	if (*e.msg)
		refuse(a, &e);
}

static void not_found(struct answer *a)
{
	a->status = 404;
	a->text = "404 page not found\n";
}

static void dispatch(const struct kit_state *s, const struct http_head *h, struct span body, struct answer *a)
{
	bool get = span_eqs(h->method, "GET"), ports = span_eqs(h->target, "/v1/ports");
	bool one = span_starts(h->target, "/v1/ports/"), info = span_eqs(h->target, "/v1/info");
	struct err none = ERR_INIT;

	a->status = 200;
	if (!ports && !one && !info) {
		not_found(a);
	} else if (info && get) {
		a->body = info_json(s);
	} else if (!info && strcmp(s->kit->port_driver, "builtin") && strcmp(s->kit->port_driver, "slirp4netns")) {
		err_kind(&none, ERR_NOT_SUPPORTED, "no PortDriver is available");
		refuse(a, &none);
	} else if (ports && get) {
		a->body = ports_json();
	} else if (ports && span_eqs(h->method, "POST")) {
		add_port(s, body, a);
	} else if (one && span_eqs(h->method, "DELETE")) {
		remove_port((struct span){h->target.p + 10, h->target.n - 10}, a);
	} else {
		a->status = 405;
	}
}

/* --- HTTP --------------------------------------------------------------------------------------- */

/* Head and body, whole: the length of the head, or -1. */
static ssize_t receive(int fd, struct buf *in, struct http_head *h)
{
	ssize_t n, head;

	for (;;) {
		n = recv(fd, buf_room(in, 4096), 4096, 0);
		if (n <= 0)
			return -1;
		in->n += (size_t)n;
		head = http_head_parse(in->p, in->n, h);
		if (head > 0 && (h->length <= 0 || in->n - (size_t)head >= (uint64_t)h->length))
			return head;
		if ((head < 0 && head != HTTP_INCOMPLETE) || in->n > REQUEST_MAX)
			return -1;
	}
}

static void respond(int fd, struct answer *a)
{
	cleanup_buf struct buf body = BUF_INIT, out = BUF_INIT;
	const char *word = a->status == 200 ? "OK" : a->status == 201 ? "Created" : a->status == 404 ? "Not Found" :
		a->status == 405 ? "Method Not Allowed" : "Bad Request";

	if (a->body)
		json_print(a->body, a->status >= 400, &body);
	else if (a->text)
		buf_adds(&body, a->text);
	buf_addf(&out, "HTTP/1.1 %d %s\r\n", a->status, word);
	if (body.n)
		buf_addf(&out, "Content-Type: %s\r\n", a->status < 400 ? "application/json" : "text/plain; charset=utf-8");
	buf_addf(&out, "Content-Length: %zu\r\nConnection: close\r\n\r\n", body.n);
	buf_add(&out, body.p, body.n);
	send(fd, out.p, out.n, MSG_NOSIGNAL);
}

void state_serve(const struct kit_state *s, int listener)
{
	cleanup_close int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct timeval patience = {.tv_sec = PATIENCE_S};
	cleanup_buf struct buf in = BUF_INIT;
	struct answer a = {.status = 400};
	static struct http_head h;
	ssize_t head;

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	head = receive(fd, &in, &h);
	if (head < 0)
		return;
	dispatch(s, &h, (struct span){in.p + head, in.n - (size_t)head}, &a);
	respond(fd, &a);
	json_decref(a.body);
}
