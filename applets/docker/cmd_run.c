/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_run.c - docker run, create
 *
 * Theory of operation
 *   A run is: create (and pull, if the engine has no such image); attach; ask to be told of the
 *   end; start; carry bytes; exit as the container did.  Attach comes before start so that no
 *   output is missed, and the wait too, so that a container that removes itself can still say how
 *   it ended.  These are four requests on three connections, and nothing else is asked: each
 *   further question would cost every run its round trip.
 *
 *   What goes wrong before the container's own process runs ends with 125, but 126 and 127 where the
 *   engine says that the command cannot be executed or is not there; "docker: " in front, and
 *   where to find help behind.
 */
#include "call.h"
#include "proxy.h"
#include "image_ref.h"
#include "run_flags.h"
#include "run_spec.h"
#include "stream.h"

#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct run_opts o = {RUN_DEFAULTS};

static struct flag run_flags[] = {
	RUN_FLAGS_A_TO_D,
	{"detach", 'd', FLAG_BOOL, &o.detach, "Run in the background, print the container's id"},
	{"detach-keys", 0, FLAG_STRING, &o.detach_keys, "Keys that detach from its terminal (default ctrl-p,ctrl-q)"},
	RUN_FLAGS_D_TO_L,
	RUN_FLAGS_L_TO_P,
	RUN_FLAGS_P_TO_Z,
	{"sig-proxy", 0, FLAG_BOOL, &o.sig_proxy, "Pass signals on to the process (default true)"},
	FLAG_END,
};

static struct flag create_flags[] = {RUN_FLAGS, FLAG_END};

static int fail_with_help(const struct err *e, const char *command, int status)
{
	fprintf(stderr, "docker: %s\n\nRun 'docker %s --help' for more information\n", e->msg, command);
	show_hint(e);
	return status;
}

/* --- creating ----------------------------------------------------------------------------- */

static int write_cidfile(int fd, const char *id, struct err *e)
{
	if (fd >= 0 && fd_write_full(fd, id, strlen(id)))
		return err_set(e, errno, "failed to write the container ID (%s) to file", id);
	return 0;
}

/* Made before the container, so that two of the same name cannot both succeed. */
static int open_cidfile(const char *path, int *fd, struct err *e)
{
	*fd = -1;
	if (!path || !*path)
		return 0;
	*fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (*fd < 0 && errno == EEXIST)
		return err_kind(e, ERR_INVALID,
			"container ID file found, make sure the other container isn't running or delete %s", path);
	if (*fd < 0)
		return err_kind(e, ERR_FAILED, "failed to create the container ID file: open %s: %s", path,
			errno == ENOENT ? "no such file or directory" : strerror(errno));
	return 0;
}

/* @ref is what would be pulled; empty for an id, which cannot be. */
static int parse_image(const char *image, struct imgref *ref, struct err *e)
{
	*ref = (struct imgref){0};
	if (is_hex64(image) || (!strncmp(image, "sha256:", 7) && is_hex64(image + 7)))
		return 0;
	if (imgref_parse(image, ref, e))
		return -1;
	imgref_default_tag(ref);
	return 0;
}

static int pull(struct docker *d, const struct imgref *ref, const char *platform, struct err *e)
{
	return pull_image(d, ref, platform, o.quiet ? NULL : stderr, e);
}

static int create(struct docker *d, const char *to, const json_t *body, const char *platform,
	json_t **made, struct err *e)
{
	struct imgref ref;
	cleanup_free char *name = NULL;

	if (parse_image(json_str(body, "Image", ""), &ref, e))
		return -1;
	if (!strcmp(o.pull, "always") && ref.repo && pull(d, &ref, platform, e))
		return -1;
	if (!call_post(d, to, body, made, e))
		return 0;
	if (e->kind != ERR_NOT_FOUND || !ref.repo || strcmp(o.pull, "missing"))
		return -1;
	name = imgref_familiar(&ref);
	if (!o.quiet)
		fprintf(stderr, "Unable to find image '%s' locally\n", name);
	if (pull(d, &ref, platform, e))
		return -1;
	return call_post(d, to, body, made, e);
}

/* Create with @body as the options say.  The id, to free(); NULL with @e. */
static char *create_container(struct docker *d, const json_t *body, struct err *e)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_json json_t *made = NULL;
	cleanup_free char *platform = NULL;
	cleanup_close int cidfile = -1;
	const json_t *warnings;
	size_t i;

	if (open_cidfile(o.cidfile, &cidfile, e))
		return NULL;
	buf_adds(&to, "/containers/create");
	if (o.name && *o.name)
		target_query(&to, "name", o.name);
	if (o.platform && *o.platform) {
		platform = platform_normalise(o.platform, e);
		if (!platform) {
			err_wrap(e, "error parsing specified platform");
			goto undo;
		}
		target_query(&to, "platform", platform);
	}
	if (create(d, to.p, body, platform, &made, e))
		goto undo;
	warnings = json_arr(made, "Warnings");
	for (i = 0; i < json_array_size(warnings); i++)
		fprintf(stderr, "WARNING: %s\n", json_string_value(json_array_get(warnings, i)));
	if (write_cidfile(cidfile, json_str(made, "Id", ""), e))
		return NULL;
	return xstrdup(json_str(made, "Id", ""));
undo:
	if (cidfile >= 0)
		unlink(o.cidfile);
	return NULL;
}

static int check_pull(struct err *e)
{
	static const char *const ways[] = {"always", "missing", "never", NULL};

	if (str_in(o.pull, ways))
		return 0;
	return err_kind(e, ERR_INVALID,
		"invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", o.pull);
}

static json_t *make_body(const struct docker *d, struct flag *flags, int argc, char **argv, struct run_streams *streams,
	struct err *e)
{
	if (o.use_api_socket) {
		err_kind(e, ERR_NOT_SUPPORTED,
			"--use-api-socket is not part of this client; mount the socket: -v $XDG_RUNTIME_DIR/docker.sock:/var/run/docker.sock");
		return NULL;
	}
	if (!o.disable_content_trust || check_pull(e)) {
		if (!o.disable_content_trust)
			err_kind(e, ERR_NOT_SUPPORTED, "content trust is not part of this client; pull by digest: IMAGE@sha256:…");
		return NULL;
	}
	proxy_add(d, &o.env);
	return run_spec(&o, flags, argc, argv, streams, e);
}

/* Was an option given that only engines on Windows know? */
static bool foreign_option(const struct flag *flags)
{
	static const char *const names[] = {"cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!flags_seen(flags, names[i]))
			continue;
		fprintf(stderr,
			"\"--%s\" is only supported on a Docker daemon running on windows, but the Docker daemon "
			"is running on linux\n",
			names[i]);
		return true;
	}
	return false;
}

static int run_create(struct docker *d, int argc, char **argv)
{
	struct run_streams streams;
	cleanup_json json_t *body = NULL;
	cleanup_free char *id = NULL;
	struct err e = ERR_INIT;
	struct imgref ref;

	if (foreign_option(create_flags))
		return 1;
	body = make_body(d, create_flags, argc, argv, &streams, &e);
	if (!body)
		return fail_with_help(&e, "create", EXIT_USAGE);
	if (parse_image(argv[0], &ref, &e))
		return fail(&e);
	id = create_container(d, body, &e);
	if (!id)
		return fail(&e);
	printf("%s\n", id);
	return 0;
}

/* --- running ------------------------------------------------------------------------------ */

/* What a failed start means for the exit status: the engine's text has to tell. */
static int start_failure(const struct err *e)
{
	if (strstr(e->msg, "executable file not found") || strstr(e->msg, "no such file or directory"))
		return EXIT_NOT_FOUND;
	if (strstr(e->msg, "permission denied") || strstr(e->msg, "is a directory"))
		return EXIT_CANNOT_RUN;
	return EXIT_USAGE;
}

static char *attach_target(const char *id, const struct run_streams *streams)
{
	struct buf to = BUF_INIT;

	buf_addf(&to, "/containers/%s/attach?stream=1", id);
	if (streams->in)
		buf_adds(&to, "&stdin=1");
	if (streams->out)
		buf_adds(&to, "&stdout=1");
	if (streams->err)
		buf_adds(&to, "&stderr=1");
	if (o.detach_keys && *o.detach_keys)
		target_query(&to, "detachKeys", o.detach_keys);
	return buf_detach(&to);
}

/* Attach, and ask to be told of the end: both on their way before either is answered. */
static int attach_and_wait(struct docker *d, const char *id, const struct run_streams *streams,
	struct stream *s, struct err *e)
{
	cleanup_free char *attach_to = attach_target(id, streams);
	cleanup_free char *wait_for = xasprintf("/containers/%s/wait?condition=%s", id,
		o.auto_remove ? "removed" : "next-exit");
	struct call attach = {.method = "POST", .target = attach_to, .upgrade = true};
	struct call wait = {.method = "POST", .target = wait_for};

	s->attach = call_begin(d, &attach, e);
	s->wait = s->attach ? call_begin(d, &wait, e) : NULL;
	if (!s->wait)
		return -1;
	s->attach = call_finish(d, s->attach, &attach, e);
	s->wait = s->attach ? call_finish(d, s->wait, &wait, e) : NULL;
	return s->wait ? 0 : -1;
}

static int start(struct docker *d, const char *id, struct err *e)
{
	cleanup_free char *to = xasprintf("/containers/%s/start", id);

	return call_post(d, to, NULL, NULL, e);
}

static int run_attached(struct docker *d, const char *id, const struct run_streams *streams)
{
	struct stream s = {.d = d, .tty = o.tty, .in = streams->in, .out = streams->out || streams->err};
	struct stream_result r = {0};
	struct err e = ERR_INIT, ignored = ERR_INIT;
	bool terminal = o.tty && is_terminal(STDOUT_FILENO);
	int status = 0, rc;

	if (stream_keys_parse(o.detach_keys ? o.detach_keys : json_str(d->config, "detachKeys", NULL), &s.keys, &e))
		return fail_with_help(&e, "run", EXIT_USAGE);
	if (o.sig_proxy)
		s.kill_target = xasprintf("/containers/%s/kill", id);
	if (terminal)
		s.resize_target = xasprintf("/containers/%s/resize", id);
	if (attach_and_wait(d, id, streams, &s, &e))
		return fail_with_help(&e, "run", EXIT_USAGE);
	stream_begin(&s);
	rc = start(d, id, &e);
	if (rc) {
		stream_end(&s);
		/* The engine removes it by itself: be gone only when it is. */
		if (o.auto_remove)
			wait_status(s.wait, &status, &ignored);
		return fail_with_help(&e, "run", start_failure(&e));
	}
	if (terminal)
		stream_resize(&s, 0, 0);
	rc = stream_run(&s, &r, &e);
	stream_end(&s);
	if (rc)
		return fail(&e);
	return stream_status(&r);
}

static int run_run(struct docker *d, int argc, char **argv)
{
	struct run_streams streams;
	cleanup_json json_t *body = NULL;
	cleanup_free char *id = NULL;
	struct err e = ERR_INIT;

	if (foreign_option(run_flags))
		return 1;
	body = make_body(d, run_flags, argc, argv, &streams, &e);
	if (!body)
		return fail_with_help(&e, "run", EXIT_USAGE);
	if (o.detach && o.attach.n) {
		err_kind(&e, ERR_INVALID, "conflicting options: cannot specify both --attach and --detach");
		return fail(&e);
	}
	if (!o.detach && stream_check_tty(streams.in, o.tty, &e))
		return fail(&e);
	id = create_container(d, body, &e);
	if (!id)
		return fail_with_help(&e, "run", EXIT_USAGE);
	if (streams.in || streams.out || streams.err)
		return run_attached(d, id, &streams);
	if (start(d, id, &e))
		return fail_with_help(&e, "run", start_failure(&e));
	printf("%s\n", id);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_run = {
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.brief = "Create and run a new container from an image",
	.more = "Examples:\n"
		"  docker run --rm alpine echo hello             run, show the output, remove\n"
		"  docker run -ti --rm -v \"$PWD\":/w -w /w alpine sh\n"
		"  docker run -d --name web -p 8080:80 --restart unless-stopped nginx\n"
		"  docker run --rm -m 256m --cpus 0.5 --read-only --cap-drop ALL IMAGE\n"
		"\nThe exit status is the command's; 125: the engine refused; 126: the command cannot be\n"
		"executed; 127: it was not found; 128+n: signal n ended it.\n",
	.flags = run_flags,
	.min = 1,
	.max = -1,
	.own_args = true,
	.run = run_run,
};

static struct command cmd_create = {
	.usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
	.brief = "Create a new container",
	.more = "It is not started: docker start -a NAME does that.\n",
	.flags = create_flags,
	.min = 1,
	.max = -1,
	.own_args = true,
	.run = run_create,
};

const struct entry entries_run[] = {
	{"", "run", NULL, &cmd_run},
	{"container", "run", NULL, &cmd_run},
	{"", "create", NULL, &cmd_create},
	{"container", "create", NULL, &cmd_create},
	{0},
};
