/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_attach.c - docker attach, start, exec: joining what is there
 */
#include "call.h"
#include "run_spec.h"
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>


static struct client *open_attach(struct docker *d, const char *id, bool in, const char *keys,
	struct err *e)
{
	cleanup_buf struct buf to = BUF_INIT;

	buf_addf(&to, "/containers/%s/attach?stream=1&stdout=1&stderr=1%s", id, in ? "&stdin=1" : "");
	if (keys && *keys)
		target_query(&to, "detachKeys", keys);
	return call_open(d, &(struct call){.method = "POST", .target = to.p, .upgrade = true}, true, e);
}

static struct client *open_wait(struct docker *d, const char *id, const char *condition, struct err *e)
{
	cleanup_free char *to = xasprintf("/containers/%s/wait%s", id, condition);

	return call_open(d, &(struct call){.method = "POST", .target = to}, true, e);
}

static const char *keys_of(const struct docker *d, const char *given)
{
	return given ? given : json_str(d->config, "detachKeys", NULL);
}

/* --- attach ------------------------------------------------------------------------------- */

static struct {
	const char *keys;
	bool no_stdin, sig_proxy;
} at = {.sig_proxy = true};

static struct flag attach_flags[] = {
	{"detach-keys", 0, FLAG_STRING, &at.keys, "Keys that detach (default ctrl-p,ctrl-q)"},
	{"no-stdin", 0, FLAG_BOOL, &at.no_stdin, "Do not pass our standard input"},
	{"sig-proxy", 0, FLAG_BOOL, &at.sig_proxy, "Pass signals on to the process (default true)"},
	FLAG_END,
};

static int check_attachable(const json_t *c, struct err *e)
{
	const json_t *state = json_obj(c, "State");

	if (!json_bool(state, "Running", false))
		return err_kind(e, ERR_CONFLICT, "You cannot attach to a stopped container, start it first");
	if (json_bool(state, "Paused", false))
		return err_kind(e, ERR_CONFLICT, "You cannot attach to a paused container, unpause it first");
	if (json_bool(state, "Restarting", false))
		return err_kind(e, ERR_CONFLICT,
			"You cannot attach to a restarting container, wait until it is running");
	return 0;
}

static int attach(struct docker *d, int argc, char **argv)
{
	struct stream s = {.d = d, .out = true};
	cleanup_json json_t *c = NULL;
	struct stream_result r = {0};
	struct err e = ERR_INIT;
	cleanup_free char *to = container_target("/containers/%s/json", argv[0], &e);
	const char *id;
	int rc;

	(void)argc;
	if (!to || call_get(d, to, &c, &e) || check_attachable(c, &e))
		return fail(&e);
	id = json_str(c, "Id", "");
	s.tty = json_bool(json_obj(c, "Config"), "Tty", false);
	s.in = !at.no_stdin && json_bool(json_obj(c, "Config"), "OpenStdin", false);
	if (stream_check_tty(!at.no_stdin, s.tty, &e) || stream_keys_parse(keys_of(d, at.keys), &s.keys, &e))
		return fail(&e);
	if (at.sig_proxy)
		s.kill_target = xasprintf("/containers/%s/kill", id);
	if (s.tty && is_terminal(STDOUT_FILENO))
		s.resize_target = xasprintf("/containers/%s/resize", id);
	s.wait = open_wait(d, id, "", &e);
	s.attach = s.wait ? open_attach(d, id, s.in, at.keys, &e) : NULL;
	if (!s.attach)
		return fail(&e);
	stream_begin(&s);
	/* A size it does not have yet makes a shell draw its prompt again. */
	stream_resize(&s, 1, 1);
	stream_resize(&s, 0, 0);
	rc = stream_run(&s, &r, &e);
	stream_end(&s);
	return rc ? fail(&e) : stream_status(&r);
}

/* --- start -------------------------------------------------------------------------------- */

static struct {
	bool attach, interactive;
	const char *keys;
} st;

static struct flag start_flags[] = {
	{"attach", 'a', FLAG_BOOL, &st.attach, "Show its output, pass signals on, exit as it does"},
	{"detach-keys", 0, FLAG_STRING, &st.keys, "Keys that detach (default ctrl-p,ctrl-q)"},
	{"interactive", 'i', FLAG_BOOL, &st.interactive, "Pass our standard input"},
	FLAG_END,
};

static int start_one(struct docker *d, const char *name, struct err *e)
{
	cleanup_free char *to = container_target("/containers/%s/start", name, e);

	return to ? call_post(d, to, NULL, NULL, e) : -1;
}

static int start_attached(struct docker *d, const char *name)
{
	struct stream s = {.d = d, .out = true};
	cleanup_json json_t *c = NULL;
	struct stream_result r = {0};
	struct err e = ERR_INIT;
	cleanup_free char *to = container_target("/containers/%s/json", name, &e);
	const char *id;
	int rc;

	if (!to || call_get(d, to, &c, &e))
		return fail(&e);
	id = json_str(c, "Id", "");
	s.tty = json_bool(json_obj(c, "Config"), "Tty", false);
	s.in = st.interactive && json_bool(json_obj(c, "Config"), "OpenStdin", false);
	if (stream_keys_parse(keys_of(d, st.keys), &s.keys, &e))
		return fail(&e);
	if (!s.tty)
		s.kill_target = xasprintf("/containers/%s/kill", id);
	if (s.tty && is_terminal(STDOUT_FILENO))
		s.resize_target = xasprintf("/containers/%s/resize", id);
	s.attach = open_attach(d, id, s.in, st.keys, &e);
	s.wait = s.attach ? open_wait(d, id, json_bool(json_obj(c, "HostConfig"), "AutoRemove", false) ?
		"?condition=removed" : "?condition=next-exit", &e) : NULL;
	if (!s.wait)
		return fail(&e);
	stream_begin(&s);
	rc = start_one(d, id, &e);
	if (!rc) {
		stream_resize(&s, 0, 0);
		rc = stream_run(&s, &r, &e);
	}
	stream_end(&s);
	return rc ? fail(&e) : stream_status(&r);
}

static int start(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf failed = BUF_INIT;
	struct err e;
	int i, bad = 0;

	if (st.attach || st.interactive) {
		if (argc == 1)
			return start_attached(d, argv[0]);
		fputs("you cannot start and attach multiple containers at once\n", stderr);
		return 1;
	}
	for (i = 0; i < argc; i++) {
		e = (struct err)ERR_INIT;
		if (!start_one(d, argv[i], &e)) {
			printf("%s\n", argv[i]);
			continue;
		}
		fflush(stdout);
		fail(&e);
		buf_addf(&failed, "%s%s", bad++ ? ", " : "", argv[i]);
	}
	if (!bad)
		return 0;
	fflush(stdout);
	fprintf(stderr, "Error: failed to start containers: %s\n", failed.p);
	return 1;
}

/* --- exec --------------------------------------------------------------------------------- */

static struct {
	bool detach, interactive, tty, privileged;
	const char *keys, *user, *workdir;
	struct strlist env, env_file;
} ex;

static struct flag exec_flags[] = {
	{"detach", 'd', FLAG_BOOL, &ex.detach, "Run it in the background"},
	{"detach-keys", 0, FLAG_STRING, &ex.keys, "Keys that detach (default ctrl-p,ctrl-q)"},
	{"env", 'e', FLAG_LIST, &ex.env, "Set a variable: NAME=VALUE, or NAME to pass ours on", .check = check_env},
	{"env-file", 0, FLAG_LIST, &ex.env_file, "Set variables from a file, one a line"},
	{"interactive", 'i', FLAG_BOOL, &ex.interactive, "Pass our standard input"},
	{"privileged", 0, FLAG_BOOL, &ex.privileged, "All capabilities"},
	{"tty", 't', FLAG_BOOL, &ex.tty, "Give it a terminal"},
	{"user", 'u', FLAG_STRING, &ex.user, "Run as this user: name or id[:group]"},
	{"workdir", 'w', FLAG_STRING, &ex.workdir, "Directory to start in"},
	FLAG_END,
};

static void set_console(json_t *j)
{
	struct winsize w;
	json_t *size;

	if (!ex.tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w))
		return;
	size = json_array();
	json_array_append_new(size, json_integer(w.ws_row));
	json_array_append_new(size, json_integer(w.ws_col));
	json_set_new(j, "ConsoleSize", size);
}

static json_t *exec_body(const struct docker *d, char **command, struct err *e)
{
	json_t *j, *env = env_list(&ex.env_file, &ex.env, e);

	if (!env)
		return NULL;
	j = json_object();
	json_set_str(j, "User", ex.user ? ex.user : "");
	json_set_bool(j, "Privileged", ex.privileged);
	json_set_bool(j, "Tty", ex.tty);
	set_console(j);
	json_set_bool(j, "AttachStdin", ex.interactive && !ex.detach);
	json_set_bool(j, "AttachStdout", !ex.detach);
	json_set_bool(j, "AttachStderr", !ex.detach);
	if (keys_of(d, ex.keys))
		json_set_str(j, "DetachKeys", keys_of(d, ex.keys));
	json_set_new(j, "Env", json_array_size(env) ? env : json_null());
	if (!json_array_size(env))
		json_decref(env);
	json_set_str(j, "WorkingDir", ex.workdir ? ex.workdir : "");
	json_set_new(j, "Cmd", json_strv(command));
	return j;
}

static json_t *start_body(void)
{
	json_t *j = json_object();

	json_set_bool(j, "Detach", ex.detach);
	json_set_bool(j, "Tty", ex.tty);
	set_console(j);
	return j;
}

static int exec_attached(struct docker *d, const char *id)
{
	cleanup_free char *begin = xasprintf("/exec/%s/start", id), *look = xasprintf("/exec/%s/json", id);
	cleanup_json json_t *body = start_body(), *done = NULL;
	struct stream s = {.d = d, .tty = ex.tty, .in = ex.interactive, .out = true};
	struct stream_result r = {0};
	struct err e = ERR_INIT;
	int rc;

	if (stream_keys_parse(keys_of(d, ex.keys), &s.keys, &e))
		return fail(&e);
	if (ex.tty && is_terminal(STDIN_FILENO))
		s.resize_target = xasprintf("/exec/%s/resize", id);
	s.attach = call_open(d, &(struct call){.method = "POST", .target = begin, .body = body, .upgrade = true},
		true, &e);
	if (!s.attach)
		return fail(&e);
	stream_begin(&s);
	stream_resize(&s, 0, 0);
	rc = stream_run(&s, &r, &e);
	stream_end(&s);
	if (rc)
		return fail(&e);
	if (r.detached || r.signal)
		return stream_status(&r);
	if (call_get(d, look, &done, &e))
		return fail(&e);
	return (int)json_int(done, "ExitCode", 0);
}

static int exec(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	cleanup_free char *to = container_target("/containers/%s/exec", argv[0], &e), *begin = NULL;
	cleanup_json json_t *body = NULL, *made = NULL, *how = NULL;
	const char *id;

	(void)argc;
	if (!to || (!ex.detach && stream_check_tty(ex.interactive, ex.tty, &e)))
		return fail(&e);
	body = exec_body(d, argv + 1, &e);
	if (!body || call_post(d, to, body, &made, &e))
		return fail(&e);
	id = json_str(made, "Id", "");
	if (!ex.detach)
		return exec_attached(d, id);
	begin = xasprintf("/exec/%s/start", id);
	how = start_body();
	return call_post(d, begin, how, NULL, &e) ? fail(&e) : 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_attach = {
	.usage = "[OPTIONS] CONTAINER",
	.brief = "Attach local standard input, output, and error streams to a running container",
	.more = "Ctrl-P Ctrl-Q leaves a container with a terminal running; Ctrl-C goes to its process.\n",
	.flags = attach_flags,
	.min = 1,
	.max = 1,
	.run = attach,
};

static struct command cmd_start = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.brief = "Start one or more stopped containers",
	.flags = start_flags,
	.min = 1,
	.max = -1,
	.run = start,
};

static struct command cmd_exec = {
	.usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
	.brief = "Execute a command in a running container",
	.more = "Example:\n  docker exec -ti web sh\n",
	.flags = exec_flags,
	.min = 2,
	.max = -1,
	.own_args = true,
	.run = exec,
};

const struct entry entries_attach[] = {
	{"", "exec", NULL, &cmd_exec},
	{"container", "exec", NULL, &cmd_exec},
	{"", "start", NULL, &cmd_start},
	{"container", "start", NULL, &cmd_start},
	{"", "attach", NULL, &cmd_attach},
	{"container", "attach", NULL, &cmd_attach},
	{0},
};
