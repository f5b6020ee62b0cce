/* SPDX-License-Identifier: MIT */
/*
 * core/engine/health.c - run a container's health check, and keep what it found
 *
 * Theory of operation
 *   A probe is an exec whose output is read here.  Between two probes there is no thread, only
 *   c->health_at, at which the watcher calls health_due(); the thread started there lives as long as
 *   its probe.  What was found stays in c->health in the shape of the API, and in state.json: an
 *   engine that finds the container running goes on counting where the last one stopped.
 *
 * States, as Docker has them
 *	starting   from the start on; within the start period failures are not counted
 *	healthy    at the first success
 *	unhealthy  after "Retries" failures in a row; also while nothing is probed: paused or ended
 */
#include "engine/health.h"
#include "base/fs.h"
#include "engine/exec.h"
#include "engine/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define INTERVAL (30 * NS_PER_S) /* Docker's defaults */
#define TIMEOUT (30 * NS_PER_S)
#define START_INTERVAL (5 * NS_PER_S)
#define RETRIES 3
#define LOG_MAX 5	/* results kept */
#define OUTPUT_MAX 4096 /* bytes of output kept of each */
#define FAILED_TO_RUN (-1)

/* --- what was asked for --------------------------------------------------------------------- */

static const json_t *check_of(const struct container *c)
{
	return json_obj(c->config, "Healthcheck");
}

static const char *kind_of(const struct container *c)
{
	const char *kind = json_string_value(json_array_get(json_arr(check_of(c), "Test"), 0));

	return kind ? kind : "";
}

static bool has_check(const struct container *c)
{
	return !strcmp(kind_of(c), "CMD") || !strcmp(kind_of(c), "CMD-SHELL");
}

static int64_t time_of(const struct container *c, const char *key, int64_t def)
{
	int64_t v = json_int(check_of(c), key, 0);

	return v ? v : def;
}

/* Arguments of the probe: after "CMD" as they are, after "CMD-SHELL" for the container's shell. */
static json_t *command(const struct container *c)
{
	const json_t *test = json_arr(check_of(c), "Test"), *shell = json_arr(c->config, "Shell");
	json_t *args;
	size_t i;

	if (strcmp(kind_of(c), "CMD-SHELL"))
		args = json_array();
	else if (json_array_size(shell))
		args = json_copy((json_t *)(uintptr_t)shell);
	else
		args = json_pack("[s, s]", "/bin/sh", "-c");
	for (i = 1; i < json_array_size(test); i++)
		json_array_append(args, json_array_get(test, i));
	return args;
}

/* --- the state; c->lock is held ---------------------------------------------------------------- */

static bool is_starting(const struct container *c)
{
	return !strcmp(json_str(c->health, "Status", ""), "starting");
}

static void schedule(struct engine *en, struct container *c)
{
	bool early = clock_real_ns() - c->started_at < time_of(c, "StartPeriod", 0);

	c->health_at = clock_mono_ns() + (early && is_starting(c) ?
		time_of(c, "StartInterval", START_INTERVAL) : time_of(c, "Interval", INTERVAL));
	watch_timer(en, c->health_at);
}

void health_begin(struct engine *en, struct container *c)
{
	json_decref(c->health);
	c->health = NULL;
	if (!has_check(c))
		return;
	c->health = json_pack("{s:s, s:i, s:[]}", "Status", "starting", "FailingStreak", 0, "Log");
	schedule(en, c);
}

void health_resume(struct engine *en, struct container *c)
{
	if (c->health)
		schedule(en, c);
}

void health_end(struct container *c)
{
	c->health_at = 0;
	if (c->health)
		json_set_str(c->health, "Status", "unhealthy");
}

const char *health_status(const struct container *c)
{
	return json_str(c->health, "Status", "none");
}

/* --- one probe ------------------------------------------------------------------------------- */

struct probe {
	struct engine *en;
	struct container *c; /* referenced */
	int64_t run;	     /* c->started_at: of which of its lives this is */
	int64_t start, end;  /* real ns */
	int exit_code;
	struct buf output;
	bool cut;
};

static void keep_output(struct probe *p, const char *bytes, size_t n)
{
	size_t room = OUTPUT_MAX - p->output.n;

	p->cut |= n > room;
	buf_add(&p->output, bytes, n < room ? n : room);
}

/* Read to the end of the stream. -1: not before the deadline (monotonic). */
static int read_output(struct probe *p, int fd, int64_t deadline)
{
	struct pollfd poller = {fd, POLLIN, 0};
	char piece[1024];

	for (;;) {
		int64_t left = deadline - clock_mono_ns();
		ssize_t n;

		if (left <= 0)
			return -1;
		if (poll(&poller, 1, (int)(left / NS_PER_MS > INT32_MAX - 1 ? INT32_MAX : left / NS_PER_MS + 1)) < 1)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n > 0)
			keep_output(p, piece, (size_t)n);
		else if (!n || errno != EINTR)
			return 0;
	}
}

static void run_exec(struct probe *p, struct exec *x, struct err *e)
{
	int64_t timeout = time_of(p->c, "Timeout", TIMEOUT), deadline = clock_mono_ns() + timeout;
	cleanup_buf struct buf said = BUF_INIT;
	char text[CLOCK_DURATION_MAX];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		err_set(e, errno, "making a socketpair");
		return;
	}
	if (exec_start(p->en, x, &(struct exec_start_options){.fd = pair[1]}, e)) {
		close(pair[1]);
	} else if (!read_output(p, pair[0], deadline) && !exec_wait(x, deadline, &p->exit_code)) {
		if (p->cut)
			buf_adds(&p->output, "...");
	} else {
		exec_kill(x);
		buf_addf(&said, "Health check exceeded timeout (%s)%s", clock_format_duration(timeout, text),
			p->output.n ? ": " : "");
		buf_add(&said, p->output.p, p->output.n);
		buf_reset(&p->output);
		buf_add(&p->output, said.p, said.n);
	}
	close(pair[0]);
}

static void run(struct probe *p)
{
	cleanup_json json_t *body = json_pack("{s:o, s:b, s:b}", "Cmd", command(p->c), "AttachStdout", 1,
		"AttachStderr", 1);
	cleanup_json json_t *made = NULL;
	struct err e = ERR_INIT;
	struct exec *x;

	p->start = clock_real_ns();
	p->exit_code = FAILED_TO_RUN;
	made = exec_create(p->en, p->c, body, &e);
	x = made ? exec_get(p->en, json_str(made, "Id", ""), &e) : NULL;
	if (x)
		run_exec(p, x, &e);
	exec_put(x);
	if (*e.msg)
		buf_adds(&p->output, e.msg);
	p->end = clock_real_ns();
}

/* --- its result ---------------------------------------------------------------------------------- */

/* c->lock is held, here and below. */
static void add_to_log(const struct probe *p, json_t *list)
{
	char start[CLOCK_RFC3339_MAX], end[CLOCK_RFC3339_MAX];
	json_t *entry = json_object();

	json_set_str(entry, "Start", clock_format(p->start, start));
	json_set_str(entry, "End", clock_format(p->end, end));
	json_set_int(entry, "ExitCode", p->exit_code);
	json_set_new(entry, "Output", json_textn(p->output.p, p->output.n));
	while (json_array_size(list) >= LOG_MAX)
		json_array_remove(list, 0);
	json_array_append_new(list, entry);
}

static void judge(const struct probe *p, json_t *health)
{
	int64_t streak = json_int(health, "FailingStreak", 0) + 1, retries = json_int(check_of(p->c), "Retries", 0);

	if (!p->exit_code) {
		json_set_int(health, "FailingStreak", 0);
		json_set_str(health, "Status", "healthy");
	} else if (!is_starting(p->c) || p->start - p->run >= time_of(p->c, "StartPeriod", 0)) {
		json_set_int(health, "FailingStreak", streak);
		if (streak >= (retries > 0 ? retries : RETRIES))
			json_set_str(health, "Status", "unhealthy");
	}
}

/* A probe that the end of its container, or a pause, cut short has found nothing. */
static bool is_current(const struct probe *p)
{
	const struct container *c = p->c;

	return c->status == ST_RUNNING && !c->paused && c->started_at == p->run && c->health;
}

static void note(struct probe *p)
{
	struct container *c = p->c;
	char action[48] = "";
	bool current;

	pthread_mutex_lock(&c->lock);
	current = is_current(p);
	if (current) {
		cleanup_free char *before = xstrdup(health_status(c));

		add_to_log(p, json_arr(c->health, "Log"));
		judge(p, c->health);
		if (strcmp(before, health_status(c)))
			snprintf(action, sizeof(action), "health_status: %s", health_status(c));
		schedule(p->en, c);
		container_notify(c);
	}
	pthread_mutex_unlock(&c->lock);
	if (current)
		container_save_state(p->en, c);
	if (*action)
		container_event(p->en, c, action, NULL);
}

static void probe_thread(void *arg)
{
	struct probe *p = arg;

	run(p);
	note(p);
	container_put(p->c);
	buf_release(&p->output);
	free(p);
}

void health_due(struct engine *en, struct container *c)
{
	struct probe *p = xmalloc(sizeof(*p));
	bool wanted;

	*p = (struct probe){.en = en, .c = container_ref(c), .output = BUF_INIT};
	pthread_mutex_lock(&c->lock);
	p->run = c->started_at;
	wanted = is_current(p);
	pthread_mutex_unlock(&c->lock);
	if (wanted && !thread_start("health", probe_thread, p, ENGINE_STACK_KB))
		return;
	container_put(c);
	free(p);
	/* No thread to be had: look again when the next probe would be. */
	pthread_mutex_lock(&c->lock);
	if (wanted)
		health_resume(en, c);
	pthread_mutex_unlock(&c->lock);
}
