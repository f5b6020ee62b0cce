/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_logs.c - docker logs
 */
#include "call.h"
#include "moment.h"
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
	bool details, follow, timestamps;
	const char *since, *until, *tail;
} o = {.tail = "all"};

static struct flag flags[] = {
	{"details", 0, FLAG_BOOL, &o.details, "Show labels and variables the log driver was told to keep"},
	{"follow", 'f', FLAG_BOOL, &o.follow, "Go on showing what comes"},
	{"since", 0, FLAG_STRING, &o.since, "From a moment on: 42m (ago), 2013-01-02T13:23:37Z"},
	{"tail", 'n', FLAG_STRING, &o.tail, "Only this many of the last lines (default \"all\")"},
	{"timestamps", 't', FLAG_BOOL, &o.timestamps, "Show times"},
	{"until", 0, FLAG_STRING, &o.until, "Up to a moment: 42m (ago), 2013-01-02T13:23:37Z"},
	FLAG_END,
};

static int add_moment(struct buf *to, const char *name, const char *text, struct err *e)
{
	cleanup_free char *value = NULL;

	if (!text || !*text)
		return 0;
	value = moment_parse(text, e);
	if (!value)
		return err_wrap(e, "invalid value for \"%s\"", name);
	target_query(to, name, value);
	return 0;
}

/* Does it write through a terminal?  Then there are no frames.  Engines before API 1.42 do not say
 * so in the answer. */
static int is_multiplexed(struct docker *d, const struct client *c, const char *name, bool *framed,
	struct err *e)
{
	const char *type = client_header(c, "Content-Type");
	cleanup_free char *to = target("/containers/%s/json", name);
	cleanup_json json_t *j = NULL;

	*framed = type && !strcmp(type, "application/vnd.docker.multiplexed-stream");
	if (*framed || (type && !strcmp(type, "application/vnd.docker.raw-stream")))
		return 0;
	if (call_get(d, to, &j, e))
		return -1;
	*framed = !json_bool(json_obj(j, "Config"), "Tty", false);
	return 0;
}

static int logs(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = container_target("/containers/%s/logs?stdout=1&stderr=1", argv[0], &e);
	cleanup_buf struct buf to = BUF_INIT;
	struct client *c;
	bool framed;

	(void)argc;
	if (!path)
		return fail(&e);
	buf_adds(&to, path);
	if (add_moment(&to, "since", o.since, &e) || add_moment(&to, "until", o.until, &e))
		return fail(&e);
	if (o.follow)
		target_query(&to, "follow", "1");
	if (o.timestamps)
		target_query(&to, "timestamps", "1");
	if (o.details)
		target_query(&to, "details", "1");
	target_query(&to, "tail", o.tail);
	c = call_open(d, &(struct call){.method = "GET", .target = to.p}, true, &e);
	if (!c || is_multiplexed(d, c, argv[0], &framed, &e) || stream_copy(c, framed, &e))
		return fail(&e);
	client_close(c);
	return 0;
}

static struct command cmd_logs = {
	.usage = "[OPTIONS] CONTAINER",
	.brief = "Fetch the logs of a container",
	.more = "Examples:\n"
		"  docker logs -f --tail 20 web      the last lines, then what comes\n"
		"  docker logs --since 10m web 2>&1 | grep -i error\n",
	.flags = flags,
	.min = 1,
	.max = 1,
	.run = logs,
};

const struct entry entries_logs[] = {
	{"", "logs", NULL, &cmd_logs},
	{"container", "logs", NULL, &cmd_logs},
	{0},
};
