/* SPDX-License-Identifier: MIT */
/*
 * core/engine/list.c - docker ps: short descriptions of many containers
 */
#include "engine/container.h"
#include "engine/filter.h"
#include "engine/health.h"
#include "engine/links.h"
#include "engine/mounts.h"
#include "engine/network.h"
#include "engine/ports.h"

#include <stdio.h>
#include <stdlib.h>

/* --- how long ago ------------------------------------------------------------------------------ */

/* As people say it, and as Docker's clients have it: "About an hour". */
static void duration(int64_t ns, char out[static 40])
{
	int64_t s = ns / NS_PER_S, hours = (s + 1800) / 3600;

	if (s < 1)
		snprintf(out, 40, "Less than a second");
	else if (s == 1)
		snprintf(out, 40, "1 second");
	else if (s < 60)
		snprintf(out, 40, "%lld seconds", (long long)s);
	else if (s < 120)
		snprintf(out, 40, "About a minute");
	else if (s < 3600)
		snprintf(out, 40, "%lld minutes", (long long)(s / 60));
	else if (hours == 1)
		snprintf(out, 40, "About an hour");
	else if (hours < 48)
		snprintf(out, 40, "%lld hours", (long long)hours);
	else if (hours < 24 * 7 * 2)
		snprintf(out, 40, "%lld days", (long long)(hours / 24));
	else if (hours < 24 * 30 * 2)
		snprintf(out, 40, "%lld weeks", (long long)(hours / 24 / 7));
	else if (hours < 24 * 365 * 2)
		snprintf(out, 40, "%lld months", (long long)(hours / 24 / 30));
	else
		snprintf(out, 40, "%lld years", (long long)(s / 3600 / 24 / 365));
}

/* "Up 2 hours", "Exited (1) 5 minutes ago". c->lock is held, here and below. */
static void status_text(const struct container *c, char *out, size_t n)
{
	int64_t now = clock_real_ns();
	char ago[40];

	duration(now - (c->status == ST_RUNNING ? c->started_at : c->finished_at), ago);
	if (c->status == ST_RUNNING && c->paused)
		snprintf(out, n, "Up %s (Paused)", ago);
	else if (c->status == ST_RUNNING && c->health)
		snprintf(out, n, "Up %s (%s%s)", ago,
			strcmp(health_status(c), "starting") ? "" : "health: ", health_status(c));
	else if (c->status == ST_RUNNING)
		snprintf(out, n, "Up %s", ago);
	else if (c->status == ST_RESTARTING)
		snprintf(out, n, "Restarting (%d) %s ago", c->exit_code, ago);
	else if (c->status == ST_REMOVING)
		snprintf(out, n, "Removal In Progress");
	else if (!c->started_at)
		snprintf(out, n, "Created");
	else
		snprintf(out, n, "Exited (%d) %s ago", c->exit_code, ago);
}

/* --- one --------------------------------------------------------------------------------------- */

static void print_command(const struct container *c, struct buf *out)
{
	cleanup_json json_t *args = container_args(c);
	cleanup_buf struct buf b = BUF_INIT;
	const json_t *v;
	size_t i;

	json_array_foreach(args, i, v) {
		const char *s = json_string_value(v) ? json_string_value(v) : "";
		const char *quote = i && strchr(s, ' ') ? "'" : "";

		buf_adds(&b, i ? " " : "");
		buf_adds(&b, quote);
		buf_adds(&b, s);
		buf_adds(&b, quote);
	}
	json_print_str(b.p, out);
}

/* @empty: what an empty or absent one is. */
static void print_tree(const json_t *j, const char *empty, struct buf *out)
{
	if (json_array_size(j) || json_object_size(j))
		json_print(j, false, out);
	else
		buf_adds(out, empty);
}

/* The image as the user named it, or its id if the name means another one by now. */
static const char *image_shown(struct engine *en, const struct container *c)
{
	const char *ref = json_str(c->config, "Image", "");
	char id[DIGEST_MAX];

	if (!*ref || (!images_resolve(en->images, ref, id, NULL) && !strcmp(id, c->image_id)))
		return ref;
	return c->image_id;
}

/* Its name, and the aliases under which others link to it. */
static void print_names(const char *name, const json_t *aliases, struct buf *out)
{
	const json_t *v;
	size_t i;

	buf_adds(out, "[\"/");
	buf_adds(out, name); /* nothing in it needs quoting */
	buf_addc(out, '"');
	json_array_foreach(aliases, i, v) {
		buf_addc(out, ',');
		json_print_str(json_string_value(v), out);
	}
	buf_addc(out, ']');
}

/* "Up 2 minutes": c->lock is held, here and below. */
static void print_state(const struct container *c, struct buf *out)
{
	const json_t *annotations = json_obj(c->host, "Annotations");
	char status[80];

	status_text(c, status, sizeof(status));
	buf_addf(out, ",\"State\":\"%s\",\"Status\":\"%s\",\"HostConfig\":{\"NetworkMode\":", container_status(c), status);
	json_print_str(json_str(c->host, "NetworkMode", ""), out);
	if (annotations) {
		buf_adds(out, ",\"Annotations\":");
		json_print(annotations, false, out);
	}
	buf_adds(out, "},\"NetworkSettings\":");
	network_summary_print(c, out);
}

struct sizes {
	bool shown;
	int64_t rw, rootfs;
};

static void print_entry(struct engine *en, const struct container *c, const struct sizes *sizes, struct buf *out)
{
	cleanup_json json_t *ports = ports_list(c), *mounts = mounts_shown(en, c->mounts, true, c->started_at != 0);

	buf_adds(out, ",\"ImageID\":");
	json_print_str(c->image_id, out);
	buf_adds(out, ",\"Command\":");
	print_command(c, out);
	buf_addf(out, ",\"Created\":%lld,\"Ports\":", (long long)(c->created / NS_PER_S));
	print_tree(ports, "[]", out);
	if (sizes->rw)
		buf_addf(out, ",\"SizeRw\":%lld", (long long)sizes->rw);
	if (sizes->shown)
		buf_addf(out, ",\"SizeRootFs\":%lld", (long long)sizes->rootfs);
	buf_adds(out, ",\"Labels\":");
	print_tree(json_obj(c->config, "Labels"), "{}", out);
	print_state(c, out);
	buf_adds(out, ",\"Mounts\":");
	print_tree(mounts, "[]", out);
	buf_addc(out, '}');
}

/* A list may be long and is asked for often, so what is in it is written as text and never was a tree.  Members are
 * in Docker's order. */
static bool describe(struct engine *en, struct container *c, bool size, const json_t *links, const char *ahead,
	struct buf *out)
{
	cleanup_free char *name = container_name(en, c);
	const char *image = image_shown(en, c);
	struct sizes sizes = {.shown = size};
	bool there;

	if (size)
		container_sizes(en, c, &sizes.rw, &sizes.rootfs);
	pthread_mutex_lock(&c->lock);
	there = !c->removed;
	if (there) {
		buf_addf(out, "%s{\"Id\":\"%s\",\"Names\":", ahead, c->id);
		print_names(name, json_arr(links, c->id), out);
		buf_adds(out, ",\"Image\":");
		json_print_str(image, out);
		print_entry(en, c, &sizes, out);
	}
	pthread_mutex_unlock(&c->lock);
	return there;
}

/* --- filters ------------------------------------------------------------------------------------ */

struct query {
	struct engine *en;
	const json_t *filters;
	bool all, plain; /* plain: no filters */
	json_t *ancestors;
	int64_t before, since; /* creation times, 0: any */
};

static int check_words(const json_t *filters, const char *key, const char *const *known, const char *what,
	const char *list, struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(filters, key), i, v)
		if (!str_in(json_string_value(v), known))
			return err_kind(e, ERR_INVALID, "invalid filter '%s=%s': invalid value for %s (%s): must be one of %s",
				key, json_string_value(v), what, json_string_value(v), list);
	return 0;
}

static int check_ports(const json_t *filters, const char *key, struct err *e)
{
	const json_t *v;
	uint64_t port;
	size_t i;

	json_array_foreach(json_object_get(filters, key), i, v) {
		const char *text = json_string_value(v);
		struct span number = {text, strcspn(text, "/-")};

		if (parse_u64(number, 65535, &port))
			return err_set(e, 0,
				"error while looking up for %s %s: strconv.ParseUint: parsing \"%.*s\": invalid syntax", key,
				text, (int)number.n, number.p);
	}
	return 0;
}

static int check_filters(const json_t *filters, struct err *e)
{
	static const char *const known[] = {"ancestor", "before", "exited", "expose", "health", "id",
		"isolation", "is-task", "label", "name", "network", "publish", "since", "status", "volume",
		NULL};
	static const char *const states[] = {"created", "running", "paused", "restarting", "removing", "exited",
		"dead", NULL};
	static const char *const health[] = {"none", "starting", "healthy", "unhealthy", NULL};
	const json_t *v;
	bool task;
	int64_t code;
	size_t i;

	if (filter_check(filters, known, e))
		return -1;
	json_array_foreach(json_object_get(filters, "exited"), i, v)
		if (parse_i64(span_of(json_string_value(v)), INT32_MIN, INT32_MAX, &code))
			return err_kind(e, ERR_INVALID,
				"invalid filter 'exited=%s': strconv.Atoi: parsing \"%s\": invalid syntax",
				json_string_value(v), json_string_value(v));
	if (check_words(filters, "status", states, "state",
		    "created, running, paused, restarting, removing, exited, dead", e) ||
		check_words(filters, "health", health, "health", "none, starting, healthy, unhealthy", e) ||
		filter_bool(filters, "is-task", false, &task, e) || check_ports(filters, "expose", e) ||
		check_ports(filters, "publish", e))
		return -1;
	return 0;
}

/* When that container was created. */
static int time_of(struct engine *en, const json_t *values, int64_t *at, struct err *e)
{
	const char *ref = json_string_value(json_array_get(values, 0));
	struct container *c;

	if (!ref || !*ref)
		return 0;
	c = container_get(en, ref, e);
	if (!c)
		return -1;
	*at = c->created;
	container_put(c);
	return 0;
}

static void resolve_ancestors(struct query *q)
{
	const json_t *v;
	char id[DIGEST_MAX];
	size_t i;

	q->ancestors = json_array();
	json_array_foreach(json_object_get(q->filters, "ancestor"), i, v)
		if (!images_resolve(q->en->images, json_string_value(v), id, NULL))
			json_append_str(q->ancestors, id);
}

static bool any_prefix(const json_t *values, const char *s)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v)
		if (!strncmp(s, json_string_value(v), strlen(json_string_value(v))))
			return true;
	return false;
}

static bool match_volume(const json_t *values, const struct container *c)
{
	const json_t *p;
	size_t i;

	json_array_foreach(c->mounts, i, p)
		if (filter_has(values, json_str(p, "Name", "")) || filter_has(values, json_str(p, "Source", "")) ||
			filter_has(values, json_str(p, "Destination", "")))
			return true;
	return false;
}

static bool match_network(struct engine *en, const json_t *values, const struct container *c)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v) {
		cleanup_free char *name = network_name(en, json_string_value(v));

		if (json_object_get(c->networks, name ? name : json_string_value(v)))
			return true;
	}
	return false;
}

/* Is it one of "90/udp", "80" (tcp), "80-90"? */
static bool port_among(const json_t *values, uint64_t port, const char *proto)
{
	const json_t *v;
	size_t i;

	json_array_foreach(values, i, v) {
		const char *text = json_string_value(v), *slash = strchr(text, '/');
		struct span lo = {text, strcspn(text, "/-")}, hi = lo;
		uint64_t a, b;

		if (text[lo.n] == '-')
			hi = (struct span){text + lo.n + 1, strcspn(text + lo.n + 1, "/")};
		if (!parse_u64(lo, 65535, &a) && !parse_u64(hi, 65535, &b) && port >= a && port <= b &&
			!strcmp(slash ? slash + 1 : "tcp", proto))
			return true;
	}
	return false;
}

/* Of the ports that a list shows: their numbers inside, or those they are published as. */
static bool has_port(const json_t *values, const json_t *ports, const char *number)
{
	const json_t *p;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)ports, i, p) {
		int64_t port = json_int(p, number, 0);

		if (port && port_among(values, (uint64_t)port, json_str(p, "Type", "")))
			return true;
	}
	return false;
}

/* "expose" and "publish": either will do.  c->lock is held. */
static bool match_ports(const struct query *q, const struct container *c)
{
	const json_t *expose = json_object_get(q->filters, "expose"), *publish = json_object_get(q->filters, "publish");
	cleanup_json json_t *ports = NULL;

	if (!json_array_size(expose) && !json_array_size(publish))
		return true;
	ports = ports_list(c);
	return has_port(expose, ports, "PrivatePort") || has_port(publish, ports, "PublicPort");
}

static bool wanted(struct query *q, const char *key, bool (*match)(const json_t *, const struct container *),
	const struct container *c)
{
	const json_t *values = json_object_get(q->filters, key);

	return !json_array_size(values) || match(values, c);
}

/* What needs the state. c->lock is held. */
static bool match_state(struct query *q, const struct container *c)
{
	bool up = c->status == ST_RUNNING || c->status == ST_RESTARTING;
	const json_t *states = json_object_get(q->filters, "status");
	const json_t *exited = json_object_get(q->filters, "exited"), *health = json_object_get(q->filters, "health");
	char code[12];

	if (c->removed || q->plain)
		return !c->removed && (q->all || up);
	snprintf(code, sizeof(code), "%d", c->exit_code);
	if (json_array_size(states) ? !filter_has(states, container_status(c)) :
				      !q->all && !up)
		return false;
	if (json_array_size(exited) && (c->status != ST_EXITED || !filter_has(exited, code)))
		return false;
	return (!json_array_size(health) || filter_has(health, health_status(c))) && match_ports(q, c);
}

static bool match(struct query *q, struct container *c)
{
	const json_t *ids = json_object_get(q->filters, "id"), *names = json_object_get(q->filters, "name");
	const json_t *networks = json_object_get(q->filters, "network");
	const json_t *labels = json_obj(c->config, "Labels");
	const json_t *tasks = json_object_get(q->filters, "is-task");
	bool ok, task = false;

	pthread_mutex_lock(&c->lock);
	ok = match_state(q, c);
	pthread_mutex_unlock(&c->lock);
	if (!ok || q->plain)
		return ok;
	if ((q->before && c->created >= q->before) || (q->since && c->created <= q->since) ||
		(json_array_size(ids) && !any_prefix(ids, c->id)))
		return false;
	if (json_array_size(names)) {
		cleanup_free char *name = container_name(q->en, c), *slashed = xasprintf("/%s", name);

		if (!filter_match(names, slashed) && !filter_match(names, name))
			return false;
	}
	filter_bool(q->filters, "is-task", false, &task, NULL);
	if ((json_array_size(tasks) && task) ||
		(json_array_size(networks) && !match_network(q->en, networks, c)) ||
		!wanted(q, "volume", match_volume, c))
		return false;
	if (json_array_size(json_object_get(q->filters, "ancestor")) && !filter_has(q->ancestors, c->image_id))
		return false;
	return filter_labels(json_object_get(q->filters, "label"), labels);
}

int containers_list(struct engine *en, const struct list_options *o, struct buf *out, int (*put)(void *arg), void *arg,
	struct err *e)
{
	struct query q = {.en = en, .filters = o->filters,
		.all = o->all || o->limit > 0, .plain = !json_object_size(o->filters)};
	cleanup_json json_t *links = NULL;
	struct container **all;
	int64_t left = o->limit > 0 ? o->limit : INT64_MAX;
	const char *ahead = "[";
	size_t i;

	if (check_filters(o->filters, e) ||
		time_of(en, json_object_get(o->filters, "before"), &q.before, e) ||
		time_of(en, json_object_get(o->filters, "since"), &q.since, e))
		return -1;
	resolve_ancestors(&q);
	links = links_names(en);
	all = containers_all(en);
	for (i = 0; all[i] && left; i++) {
		if (!match(&q, all[i]))
			continue;
		if (!describe(en, all[i], o->size, links, ahead, out))
			continue;
		ahead = ",";
		left--;
		if (put && put(arg))
			break;
	}
	buf_adds(out, *ahead == '[' ? "[]\n" : "]\n");
	containers_free(all);
	json_decref(q.ancestors);
	return 0;
}

json_t *containers_disk_usage(struct engine *en, struct err *e)
{
	cleanup_json json_t *none = json_object();
	struct list_options o = {.all = true, .size = true, .filters = none};
	cleanup_buf struct buf text = BUF_INIT;

	return containers_list(en, &o, &text, NULL, NULL, e) ? NULL : json_parse(text.p, text.n, e);
}
