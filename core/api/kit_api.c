/* SPDX-License-Identifier: MIT */
/*
 * core/api/kit_api.c - api.sock: RootlessKit's REST API, version 1
 *
 *	GET /v1/info   GET /v1/ports   POST /v1/ports   DELETE /v1/ports/ID
 *
 * One request a connection, one after another: only this user can reach the socket, and who says nothing is
 * let go after two seconds.
 */
#include "api/kit_api.h"

#include "api/http_head.h"
#include "base/fs.h"
#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_S 2
#define REQUEST_MAX 65536 /* bytes, head and body */

struct answer {
	int status;
	json_t *body; /* NULL: none */
	const char *text; /* instead of it */
};

/* --- what is told ------------------------------------------------------------------------------- */

static json_t *ports_json(const struct kit_api *api)
{
	size_t n, i;
	cleanup_free struct kit_port *list = api->list(api->arg, &n);
	json_t *j = json_array();

	for (i = 0; i < n; i++)
		json_array_append_new(j, kit_port_to_json(&list[i]));
	if (n)
		return j;
	json_decref(j);
	return json_null(); /* Go's nil slice */
}

static json_t *info_json(const struct kit_api *api)
{
	static const char *const protos[] = {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"};
	json_t *j = json_object(), *driver, *list;
	size_t i;

	json_set_str(j, "apiVersion", KIT_API_VERSION);
	json_set_str(j, "version", KIT_VERSION);
	json_set_str(j, "stateDir", api->dir);
	json_set_int(j, "childPID", api->child);
	if (api->net) {
		driver = json_object();
		json_set_str(driver, "driver", api->net);
		if (*api->dns)
			json_set_new(driver, "dns", json_pack("[s]", api->dns));
		if (*api->child_ip)
			json_set_str(driver, "childIP", api->child_ip);
		json_set_new(j, "networkDriver", driver);
	}
	if (!strcmp(api->port_driver, "builtin")) {
		driver = json_object();
		list = json_array();
		for (i = 0; i < ARRAY_SIZE(protos); i++)
			json_append_str(list, protos[i]);
		json_set_str(driver, "driver", "builtin");
		json_set_new(driver, "protos", list);
		json_set_new(j, "portDriver", driver);
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

static void add_port(const struct kit_api *api, struct span body, struct answer *a)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *j = json_parse(body.p, body.n, &e);
	struct kit_port p;

	if (!j || kit_port_from_json(j, &p, &e) || api->add(api->arg, &p, &e)) {
		refuse(a, &e);
		return;
	}
	a->status = 201;
	a->body = kit_port_to_json(&p);
}

static void remove_port(const struct kit_api *api, struct span id, struct answer *a)
{
	struct err e = ERR_INIT;
	uint64_t n;

	if (parse_u64(id, INT32_MAX, &n))
		err_kind(&e, ERR_INVALID, "bad id %.*s: strconv.Atoi: parsing \"%.*s\": invalid syntax", (int)id.n, id.p,
			(int)id.n, id.p);
	else
		api->remove(api->arg, (int)n, &e);
	if (*e.msg)
		refuse(a, &e);
}

static void not_found(struct answer *a)
{
	a->status = 404;
	a->text = "404 page not found\n";
}

static void dispatch(const struct kit_api *api, const struct http_head *h, struct span body, struct answer *a)
{
	bool get = span_eqs(h->method, "GET"), ports = span_eqs(h->target, "/v1/ports");
	bool one = span_starts(h->target, "/v1/ports/"), info = span_eqs(h->target, "/v1/info");
	struct err none = ERR_INIT;

	a->status = 200;
	if (!ports && !one && !info) {
		not_found(a);
	} else if (info && get) {
		a->body = info_json(api);
	} else if (!info && strcmp(api->port_driver, "builtin") && strcmp(api->port_driver, "slirp4netns")) {
		err_kind(&none, ERR_NOT_SUPPORTED, "no PortDriver is available");
		refuse(a, &none);
	} else if (ports && get) {
		a->body = ports_json(api);
	} else if (ports && span_eqs(h->method, "POST")) {
		add_port(api, body, a);
	} else if (one && span_eqs(h->method, "DELETE")) {
		remove_port(api, (struct span){h->target.p + 10, h->target.n - 10}, a);
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

void kit_api_serve(const struct kit_api *api, int listener)
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
	dispatch(api, &h, (struct span){in.p + head, in.n - (size_t)head}, &a);
	respond(fd, &a);
	json_decref(a.body);
}
