/* SPDX-License-Identifier: MIT */
/*
 * core/engine/kit_ports.c - the ports that rootlessctl lists, adds and removes
 *
 * Theory of operation
 *   netd's table is what is there, and gives the numbers.  Our file says which of them were added here, and how
 *   they were asked for ("tcp" at "" is more than netd keeps): [{"id", "spec"}].  It is written after netd serves the
 *   port, and before netd is told that it does not: a port that is served and not in the file is lost at worst
 *   with netd.  A port's socket is at netd alone; to serve it again it is bound again, under its number.
 */
#include "engine/kit_ports.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/engine.h"
#include "engine/ports.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME "kit-ports.json"
#define FILE_MAX (1 << 20) /* bytes */
#define ADDED_MAX 256

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows and the file; held over calls of netd */
static struct kit_port added[ADDED_MAX];
static size_t n_added;

/* --- the file --------------------------------------------------------------------------------- */

static int save(struct engine *en, struct err *e)
{
	cleanup_json json_t *all = json_array();
	size_t i;

	for (i = 0; i < n_added; i++)
		json_array_append_new(all, kit_port_to_json(&added[i]));
	return json_save_at(en->execfd, FILE_NAME, all, 0, e);
}

static void load(struct engine *en)
{
	cleanup_json json_t *all = json_load_at(en->execfd, FILE_NAME, FILE_MAX, NULL);
	const json_t *v;
	size_t i;

	n_added = 0;
	json_array_foreach(all, i, v) {
		struct kit_port p;

		if (n_added == ADDED_MAX || kit_port_from_json(json_obj(v, "spec"), &p, NULL))
			continue;
		p.id = (int)json_int(v, "id", 0);
		added[n_added++] = p;
	}
}

static struct kit_port *find_added(int id)
{
	size_t i;

	for (i = 0; i < n_added; i++)
		if (added[i].id == id)
			return &added[i];
	return NULL;
}

static void forget(struct kit_port *p)
{
	if (p)
		*p = added[--n_added];
}

/* --- at netd ------------------------------------------------------------------------------------ */

/* @fd: the host's socket, or -1: netd has it.  p->id as with port_publish(). */
static int publish(struct engine *en, struct kit_port *p, const struct peer *to, int fd, struct err *e)
{
	struct port host = kit_port_host(p);
	bool v6 = to->any.sa_family == AF_INET6;
	struct port_target target = {.owner = "", .port = p->child_port};
	struct inet ip = peer_inet(to);
	char text[INET_TEXT];

	inet_format(&ip, text);
	*(v6 ? &target.ip6 : &target.ip4) = text;
	return port_publish(en->netd, &host, &target, fd, &p->id, e);
}

static int bind_and_publish(struct engine *en, struct kit_port *p, const struct peer *to, struct err *e)
{
	cleanup_close int fd = kit_port_bind(p, ports_bind_host, e);

	return fd < 0 ? -1 : publish(en, p, to, fd, e);
}

/* As netd shows one that it was not us who asked for: a container's. */
static struct kit_port of_container(const json_t *held)
{
	const char *ip = json_str(held, "ip", "");
	struct kit_port p = {.id = (int)json_int(held, "id", 0), .parent_port = (uint16_t)json_int(held, "port", 0),
		.child_port = (uint16_t)json_int(held, "to", 0)};

	snprintf(p.proto, sizeof(p.proto), "%.3s%c", json_str(held, "proto", ""), strchr(ip, ':') ? '6' : '4');
	snprintf(p.parent_ip, sizeof(p.parent_ip), "%s", ip);
	snprintf(p.child_ip, sizeof(p.child_ip), "%s", json_str(held, "to_ip", ""));
	return p;
}

/* The lock is held. */
static struct kit_port *list_all(struct engine *en, size_t *n)
{
	cleanup_json json_t *held = en->netd ? port_held(en->netd, NULL) : NULL;
	struct kit_port *out = xcalloc(json_array_size(held) + 1, sizeof(*out));
	const json_t *v;
	size_t i;

	json_array_foreach(held, i, v) {
		const struct kit_port *mine = find_added((int)json_int(v, "id", 0));

		out[i] = mine ? *mine : of_container(v);
	}
	*n = json_array_size(held);
	return out;
}

/* --- what is asked for ------------------------------------------------------------------------ */

struct kit_port *kit_ports_list(void *arg, size_t *n)
{
	struct kit_port *list;

	pthread_mutex_lock(&lock);
	list = list_all(arg, n);
	pthread_mutex_unlock(&lock);
	return list;
}

static int add(struct engine *en, struct kit_port *p, struct err *e)
{
	size_t n;
	cleanup_free struct kit_port *list = list_all(en, &n);
	struct peer to;

	if (kit_port_check(p, list, n, &to, e))
		return -1;
	if (n_added == ADDED_MAX)
		return err_kind(e, ERR_FAILED, "more than %d ports", ADDED_MAX);
	if (bind_and_publish(en, p, &to, e))
		return -1;
	added[n_added++] = *p;
	if (!save(en, e))
		return 0;
	forget(find_added(p->id));
	port_close(en->netd, p->id, NULL);
	return -1;
}

int kit_ports_add(void *en, struct kit_port *p, struct err *e)
{
	int rc;

	pthread_mutex_lock(&lock);
	rc = add(en, p, e);
	pthread_mutex_unlock(&lock);
	return rc;
}

int kit_ports_remove(void *arg, int id, struct err *e)
{
	struct engine *en = arg;
	struct err unsaved;
	int rc;

	pthread_mutex_lock(&lock);
	if (find_added(id)) {
		forget(find_added(id));
		if (save(en, &unsaved))
			log_err(&unsaved, "forgetting port %d", id);
	}
	rc = port_close(en->netd, id, e);
	pthread_mutex_unlock(&lock);
	return rc;
}

/* --- after an end of something ---------------------------------------------------------------- */

static int restore_one(struct engine *en, struct kit_port *p, struct err *e)
{
	struct peer to;

	if (kit_port_check(p, NULL, 0, &to, e))
		return -1;
	if (!publish(en, p, &to, -1, e))
		return 0;
	return e->kind != ERR_NOT_FOUND ? -1 : bind_and_publish(en, p, &to, e);
}

void kit_ports_restore(struct engine *en)
{
	struct err e = ERR_INIT;
	size_t i = 0, before;

	pthread_mutex_lock(&lock);
	load(en);
	before = n_added;
	while (en->netd && i < n_added)
		if (restore_one(en, &added[i], &e)) {
			log_err(&e, "port %u of rootlessctl's is not forwarded any more", added[i].parent_port);
			forget(&added[i]);
		} else {
			i++;
		}
	if (n_added != before && save(en, &e))
		log_err(&e, "forgetting ports of rootlessctl's");
	pthread_mutex_unlock(&lock);
}

void kit_ports_drop(struct engine *en)
{
	struct err e = ERR_INIT;

	pthread_mutex_lock(&lock);
	if (n_added && en->netd && port_close_all(en->netd, "", &e))
		log_err(&e, "closing ports of rootlessctl's");
	n_added = 0;
	if (unlinkat(en->execfd, FILE_NAME, 0) && errno != ENOENT)
		log_warn("removing " FILE_NAME ": %s", strerror(errno));
	pthread_mutex_unlock(&lock);
}
