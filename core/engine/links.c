/* SPDX-License-Identifier: MIT */
/*
 * core/engine/links.c - --link on the default bridge: what one container is told of another
 *
 * Theory of operation
 *   The variables are Docker's: ALIAS_PORT is the lowest port, of TCP if there is one, ALIAS_PORT_80_TCP (and _ADDR, _PORT,
 *   _PROTO) each one, ALIAS_PORT_8000_TCP_START and _END a run of three or more, ALIAS_ENV_X each
 *   variable of the other container.  Only who runs can be linked to, so a start fails otherwise.
 */
#include "engine/links.h"
#include "engine/files.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* --- what is kept ----------------------------------------------------------------------------- */

/* "/name:/owner/alias" is what inspect showed once: the alias is the last part. */
static int parse(const char *text, char **name, char **alias, struct err *e)
{
	const char *colon = strchr(text, ':'), *from, *slash;

	*name = *alias = NULL;
	if (!*text)
		return err_set(e, 0, "empty string specified for links");
	if (colon && strchr(colon + 1, ':'))
		return err_set(e, 0, "bad format for links: %s", text);
	from = colon ? colon + 1 : text;
	slash = colon && *text == '/' ? strrchr(from, '/') : NULL;
	*name = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);
	*alias = xstrdup(slash ? slash + 1 : from);
	return 0;
}

static int resolve_one(struct engine *en, const char *text, json_t *out, struct err *e)
{
	cleanup_free char *name = NULL, *alias = NULL, *kept = NULL;
	struct container *c;

	if (parse(text, &name, &alias, e))
		return -1;
	c = container_get(en, *name == '/' ? name + 1 : name, e);
	if (!c) {
		if (e)
			e->kind = ERR_INVALID;
		return err_wrap(e, "could not get container for %s", name);
	}
	kept = xasprintf("%s:%s", c->id, alias);
	json_append_str(out, kept);
	container_put(c);
	return 0;
}

json_t *links_resolve(struct engine *en, const json_t *asked, struct err *e)
{
	json_t *out = json_array(), *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)asked, i, v) {
		if (!resolve_one(en, json_string_value(v) ? json_string_value(v) : "", out, e))
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

/* The container and the alias (borrowed) of "<id>:<alias>"; NULL: it is gone. */
static struct container *linked(struct engine *en, const json_t *kept, const char **alias)
{
	const char *text = json_string_value(kept), *colon = text ? strchr(text, ':') : NULL;
	cleanup_free char *id = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	struct container *c = id ? container_get(en, id, NULL) : NULL;

	if (c && strcmp(c->id, id)) { /* a name that looks like one */
		container_put(c);
		return NULL;
	}
	*alias = colon ? colon + 1 : "";
	return c;
}

/* --- what is shown ------------------------------------------------------------------------------ */

json_t *links_shown(struct engine *en, struct container *c)
{
	cleanup_json json_t *host = container_host(c);
	cleanup_free char *owner = container_name(en, c);
	json_t *out = json_array(), *v;
	const char *alias;
	size_t i;

	json_array_foreach(json_arr(host, "Links"), i, v) {
		struct container *other = linked(en, v, &alias);
		cleanup_free char *name = other ? container_name(en, other) : NULL;
		cleanup_free char *text = xasprintf("/%s:/%s/%s", name ? name : "", owner, alias);

		if (other)
			json_append_str(out, text);
		container_put(other);
	}
	if (json_array_size(out))
		return out;
	json_decref(out);
	return json_null();
}

static void add_names(struct engine *en, struct container *owner, json_t *names)
{
	cleanup_json json_t *host = container_host(owner);
	cleanup_free char *owner_name = NULL;
	json_t *v, *list;
	size_t i;

	json_array_foreach(json_arr(host, "Links"), i, v) {
		const char *text = json_string_value(v), *colon = strchr(text, ':');
		cleanup_free char *id = xstrndup(text, (size_t)(colon - text)), *name = NULL;

		if (!owner_name)
			owner_name = container_name(en, owner);
		name = xasprintf("/%s/%s", owner_name, colon + 1);
		list = json_arr(names, id);
		if (!list) {
			list = json_array();
			json_set_new(names, id, list);
		}
		json_append_str(list, name);
	}
}

json_t *links_names(struct engine *en)
{
	struct container **all = containers_all(en);
	json_t *names = json_object();
	size_t i;

	for (i = 0; all[i]; i++)
		add_names(en, all[i], names);
	containers_free(all);
	return names;
}

/* --- removing ----------------------------------------------------------------------------------- */

/* HostConfig without the link; NULL: it has none of that alias. */
static json_t *without(const json_t *host, const char *alias)
{
	json_t *links = json_array(), *next, *v;
	size_t i;

	json_array_foreach(json_arr(host, "Links"), i, v) {
		const char *colon = strchr(json_string_value(v), ':');

		if (!colon || strcmp(colon + 1, alias))
			json_array_append(links, v);
	}
	if (json_array_size(links) == json_array_size(json_arr(host, "Links"))) {
		json_decref(links);
		return NULL;
	}
	next = json_copy((json_t *)(uintptr_t)host);
	json_set_new(next, "Links", links);
	return next;
}

static int forget(struct engine *en, struct container *c, const char *name, const char *alias, struct err *e)
{
	cleanup_json json_t *host = container_host(c);
	json_t *next = c->removed ? NULL : without(host, alias);

	if (!next)
		return err_kind(e, ERR_NOT_FOUND, "No such container: %s", name);
	if (container_set_host(en, c, next, e))
		return -1;
	return container_is_running(c) ? files_forget_link(en, c, alias, e) : 0;
}

int links_remove(struct engine *en, const char *name, struct err *e)
{
	const char *owner = *name == '/' ? name + 1 : name, *slash = strrchr(owner, '/');
	cleanup_free char *first = xstrndup(owner, slash ? (size_t)(slash - owner) : strlen(owner));
	struct container *c = container_get(en, first, NULL);
	int rc;

	if (!c)
		return err_kind(e, ERR_NOT_FOUND, "No such container: %s", name);
	if (slash) {
		container_begin(c);
		rc = forget(en, c, name, slash + 1, e);
		container_end(c);
	} else {
		rc = err_set(e, 0, "Conflict, cannot remove the default link name of the container");
	}
	container_put(c);
	return rc;
}

/* --- the environment -------------------------------------------------------------------------- */

struct linked_port {
	const char *port; /* "80", "8000-8010" */
	int len;
	const char *proto;
	uint64_t number; /* 0 of a range */
};

static int by_number(const void *a, const void *b)
{
	const struct linked_port *x = a, *y = b;
	bool x_tcp = !strcmp(x->proto, "tcp"), y_tcp = !strcmp(y->proto, "tcp");

	if (x_tcp != y_tcp)
		return x_tcp ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return strcmp(x->proto, y->proto);
}

/* Exposed ports in Docker's order: TCP's first; to free(). */
static struct linked_port *ports_of(const json_t *config, size_t *n)
{
	json_t *exposed = json_obj(config, "ExposedPorts"), *v;
	struct linked_port *ports = xcalloc(json_object_size(exposed) + 1, sizeof(*ports));
	const char *key;

	*n = 0;
	json_object_foreach(exposed, key, v) {
		struct linked_port *p = &ports[(*n)++];
		size_t len = strcspn(key, "/");

		*p = (struct linked_port){.port = key, .len = (int)len, .proto = key[len] ? key + len + 1 : "tcp"};
		if (parse_u64((struct span){key, len}, 65535, &p->number))
			p->number = 0;
	}
	qsort(ports, *n, sizeof(*ports), by_number);
	return ports;
}

static char *upper(const char *text)
{
	char *out = xstrdup(text), *c;

	for (c = out; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return out;
}

__attribute__((format(printf, 2, 3))) static void put(json_t *env, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	json_append_str(env, text);
	free(text);
}

static void put_port(json_t *env, const char *prefix, const struct linked_port *p, const char *ip)
{
	cleanup_free char *proto = upper(p->proto);
	cleanup_free char *name = xasprintf("%s_PORT_%.*s_%s", prefix, p->len, p->port, proto);

	put(env, "%s=%s://%s:%.*s", name, p->proto, ip, p->len, p->port);
	put(env, "%s_ADDR=%s", name, ip);
	put(env, "%s_PORT=%.*s", name, p->len, p->port);
	put(env, "%s_PROTO=%s", name, p->proto);
}

static void put_run(json_t *env, const char *prefix, const struct linked_port *first,
	const struct linked_port *last, const char *ip)
{
	cleanup_free char *proto = upper(first->proto);
	cleanup_free char *name = xasprintf("%s_PORT_%.*s_%s", prefix, first->len, first->port, proto);

	put(env, "%s_START=%s://%s:%.*s", name, first->proto, ip, first->len, first->port);
	put(env, "%s_PORT_START=%.*s", name, first->len, first->port);
	put(env, "%s_END=%s://%s:%.*s", name, last->proto, ip, last->len, last->port);
	put(env, "%s_PORT_END=%.*s", name, last->len, last->port);
}

/* Index of the last port that follows ports[i] without a gap. */
static size_t run_end(const struct linked_port *ports, size_t n, size_t i)
{
	while (i + 1 < n && ports[i + 1].number <= ports[i].number + 1)
		i++;
	return i;
}

static void put_ports(json_t *env, const char *prefix, const struct linked_port *ports, size_t n, const char *ip)
{
	size_t i, last;

	for (i = 0; i < n; i++)
		put_port(env, prefix, &ports[i], ip);
	for (i = 0; i < n; i = last + 1) {
		last = run_end(ports, n, i);
		if (last > i + 1)
			put_run(env, prefix, &ports[i], &ports[last], ip);
	}
}

void links_env(json_t *env, const char *alias, const char *name, const char *ip, const json_t *config)
{
	cleanup_free char *prefix = upper(alias);
	cleanup_free struct linked_port *ports = NULL;
	json_t *v;
	size_t n, i;

	ports = ports_of(config, &n);
	if (n)
		put(env, "%s_PORT=%s://%s:%.*s", prefix, ports[0].proto, ip, ports[0].len, ports[0].port);
	put_ports(env, prefix, ports, n, ip);
	put(env, "%s_NAME=%s", prefix, name);
	json_array_foreach(json_arr(config, "Env"), i, v) {
		const char *text = json_string_value(v);

		if (text && strchr(text, '=') && strncmp(text, "HOME=", 5) && strncmp(text, "PATH=", 5))
			put(env, "%s_ENV_%s", prefix, text);
	}
}

/* --- at a start ---------------------------------------------------------------------------------- */

/* Its address on the default bridge; to free(), "" if it has none. */
static char *address_of(struct engine *en, struct container *c)
{
	cleanup_json json_t *shown = container_inspect(en, c, false, NULL);

	return xstrdup(json_str(json_path(shown, "NetworkSettings", "Networks", "bridge", NULL), "IPAddress", ""));
}

static int tell_one(struct engine *en, struct container *c, struct container *other, const char *alias,
	json_t *env, struct buf *hosts, struct err *e)
{
	cleanup_free char *owner = container_name(en, c), *name = container_name(en, other);
	cleanup_free char *link = xasprintf("/%s/%s", owner, alias), *ip = NULL;

	if (!container_is_running(other))
		return err_set(e, 0, "Cannot link to a non running container: /%s AS %s", name, link);
	ip = address_of(en, other);
	if (!*ip)
		return err_set(e, 0, "container %s not attached to default bridge network", other->id);
	if (env)
		links_env(env, alias, link, ip, other->config);
	if (!hosts)
		return 0;
	buf_addf(hosts, "%s\t%s %s", ip, alias, json_str(other->config, "Hostname", ""));
	if (strcmp(alias, name))
		buf_addf(hosts, " %s", name);
	buf_addc(hosts, '\n');
	return 0;
}

int links_tell(struct engine *en, struct container *c, const json_t *host, json_t *env, struct buf *hosts,
	struct err *e)
{
	const char *alias;
	json_t *v;
	size_t i;
	int rc;

	if (strcmp(json_str(host, "NetworkMode", ""), "bridge"))
		return 0;
	json_array_foreach(json_arr(host, "Links"), i, v) {
		struct container *other = linked(en, v, &alias);

		if (!other)
			continue; /* removed since */
		rc = tell_one(en, c, other, alias, env, hosts, e);
		container_put(other);
		if (rc)
			return -1;
	}
	return 0;
}
