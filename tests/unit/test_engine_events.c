/* SPDX-License-Identifier: MIT */
/* tests/unit/test_engine_events.c - the ring, its readers and their filters */
#include "unit.h"

#include "base/clock.h"
#include "engine/engine.h"
#include "engine/filter.h"

static struct engine en;

static struct events_sub *subscribe(const char *filters, int64_t since)
{
	cleanup_json json_t *j = json_parse(filters, strlen(filters), NULL);

	if (!en.events)
		en.events = events_open(-1);
	return events_subscribe(&en, since, j);
}

static void emit(const char *type, const char *action, const char *id, const char *image, const char *name)
{
	events_emit(&en, type, action, id, json_pack("{s:s, s:s, s:s}", "name", name, "image", image, "lab", "v"));
}

/* What waits for a reader, as "action action". */
static const char *drain(struct events_sub *s)
{
	static struct buf out = BUF_INIT;
	json_t *j;

	buf_reset(&out);
	while ((j = events_next(s, 0, -1))) {
		buf_addf(&out, "%s%s", out.n ? " " : "", json_str(j, "Action", ""));
		json_decref(j);
	}
	events_unsubscribe(s);
	return out.p;
}

static void emit_some(void)
{
	emit("container", "start", "abc", "img:1", "web");
	emit("container", "exec_start: sh -c x", "abc", "img:1", "web");
	emit("container", "die", "def", "other", "db");
	events_emit(&en, "network", "connect", "n1", json_pack("{s:s}", "name", "bridge"));
}

static const char *filtered(const char *filters)
{
	struct events_sub *s = subscribe(filters, 0);

	emit_some();
	return drain(s);
}

TEST(filters)
{
	CHECK_STR(filtered("{}"), "start exec_start: sh -c x die connect");
	CHECK_STR(filtered("{\"type\":[\"network\"]}"), "connect");
	CHECK_STR(filtered("{\"event\":[\"die\",\"start\"]}"), "start die");
	CHECK_STR(filtered("{\"event\":[\"exec_start\"]}"), "exec_start: sh -c x");
	CHECK_STR(filtered("{\"container\":[\"web\"]}"), "start exec_start: sh -c x");
	CHECK_STR(filtered("{\"container\":[\"de\"]}"), "die");
	CHECK_STR(filtered("{\"image\":[\"img\"]}"), "start exec_start: sh -c x");
	CHECK_STR(filtered("{\"image\":[\"im\"]}"), "");
	CHECK_STR(filtered("{\"label\":[\"lab=v\"],\"type\":[\"container\"],\"event\":[\"die\"]}"), "die");
	CHECK_STR(filtered("{\"label\":[\"lab=w\"]}"), "");
	CHECK_STR(filtered("{\"scope\":[\"local\"],\"network\":[\"bridge\"]}"), "connect");
	CHECK_STR(filtered("{\"daemon\":[\"x\"]}"), "");
}

TEST(shape_of_a_container_event)
{
	struct events_sub *s = subscribe("{}", 0);
	cleanup_json json_t *j = NULL;

	emit("container", "start", "abc", "img:1", "web");
	j = events_next(s, 0, -1);
	NEED(j);
	CHECK_STR(json_str(j, "status", NULL), "start");
	CHECK_STR(json_str(j, "from", NULL), "img:1");
	CHECK_STR(json_str(j, "id", NULL), "abc");
	CHECK_INT(json_int(j, "timeNano", 0) / NS_PER_S, json_int(j, "time", 1));
	/* Sorted, as Go writes maps. */
	CHECK_STR(json_object_iter_key(json_object_iter(json_path(j, "Actor", "Attributes", NULL))), "image");
	events_unsubscribe(s);
}

TEST(the_ring_remembers_256)
{
	struct events_sub *s;
	json_t *j;
	char id[16];
	int i, n = 0;

	for (i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "r%d", i);
		emit("container", "x", id, "i", "n");
	}
	s = subscribe("{}", 1);
	j = events_next(s, 0, -1);
	CHECK_STR(json_str(j, "id", NULL), "r44");
	for (; j; j = events_next(s, 0, -1), n++)
		json_decref(j);
	CHECK_INT(n, 256);
	events_unsubscribe(s);
	s = subscribe("{}", clock_real_ns() + NS_PER_S);
	CHECK_STR(drain(s), "");
	CHECK_INT(events_listeners(&en), 0);
}

TEST(a_reader_ends_with_its_client)
{
	struct events_sub *s = subscribe("{}", 0);
	int fds[2];

	NEED(!pipe(fds));
	close(fds[1]);
	CHECK(!events_next(s, -1, fds[0]));
	close(fds[0]);
	events_unsubscribe(s);
}

TEST(filter_words)
{
	cleanup_json json_t *f = json_pack("{s:[s], s:[s], s:[s]}", "a", "x", "b", "true", "c", "x");
	static const char *const known[] = {"a", "b", NULL};
	struct err e = ERR_INIT;
	bool v = false;
	int64_t ns;

	CHECK(filter_check(f, known, &e));
	CHECK_STR(e.msg, "invalid filter 'c'");
	CHECK_OK(e, filter_bool(f, "b", false, &v, &e));
	CHECK(v);
	CHECK(filter_bool(f, "a", false, &v, &e));
	CHECK_STR(e.msg, "invalid filter 'a=[x]'");
	CHECK(filter_time("x", &ns, &e));
	CHECK_STR(e.msg, "failed to parse value as time or duration: \"x\"");
	CHECK_OK(e, filter_time("24h", &ns, &e));
	CHECK(ns < clock_real_ns() - 23 * 3600 * NS_PER_S);
}
