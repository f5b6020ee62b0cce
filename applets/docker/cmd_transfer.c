/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_transfer.c - docker pull, load, import, save: images in and out
 */
#include "call.h"
#include "image_ref.h"
#include "progress.h"

#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- pull --------------------------------------------------------------------------------- */

static struct {
	bool all, quiet, no_trust;
	const char *platform;
} pl = {.no_trust = true};

static struct flag pull_flags[] = {
	{"all-tags", 'a', FLAG_BOOL, &pl.all, "All tags of the repository"},
	{"disable-content-trust", 0, FLAG_BOOL, &pl.no_trust, "", .hidden = true},
	{"platform", 0, FLAG_STRING, &pl.platform, "The image for this platform: linux/arm64"},
	{"quiet", 'q', FLAG_BOOL, &pl.quiet, "No progress, only the name"},
	FLAG_END,
};

static int pull(struct docker *d, int argc, char **argv)
{
	cleanup_free char *name = NULL;
	struct err e = ERR_INIT;
	struct imgref ref;

	(void)argc;
	if (!pl.no_trust) {
		err_kind(&e, ERR_NOT_SUPPORTED, "content trust is not part of this client; pull by digest: IMAGE@sha256:…");
		return fail(&e);
	}
	if (imgref_parse(argv[0], &ref, &e))
		return fail(&e);
	if (pl.all && (ref.tag || ref.digest)) {
		err_kind(&e, ERR_INVALID, "tag can't be used with --all-tags/-a");
		return fail(&e);
	}
	if (!pl.all && !ref.tag && !ref.digest) {
		imgref_default_tag(&ref);
		if (!pl.quiet)
			printf("Using default tag: %s\n", ref.tag);
	}
	if (pull_image(d, &ref, pl.platform, pl.quiet ? NULL : stdout, &e)) {
		fflush(stdout);
		return fail(&e);
	}
	name = ref.tag || ref.digest ? imgref_canonical(&ref) : xasprintf("%s/%s", ref.host, ref.repo);
	printf("%s\n", name);
	return 0;
}

/* --- load --------------------------------------------------------------------------------- */

static struct {
	const char *input;
	bool quiet;
} ld;

static struct flag load_flags[] = {
	{"input", 'i', FLAG_STRING, &ld.input, "Archive to read (default: standard input)"},
	{"quiet", 'q', FLAG_BOOL, &ld.quiet, "No progress"},
	FLAG_END,
};

static int open_input(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err_kind(e, ERR_INVALID, "open %s: %s", path, errno == ENOENT ? "no such file or directory" :
			errno == EACCES ? "permission denied" : strerror(errno));
	return fd;
}

/* A body from standard input: thread and request take descriptors above 0. */
static int input_of(int fd)
{
	return fd > 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int load(struct docker *d, int argc, char **argv)
{
	cleanup_close int fd = -1;
	struct err e = ERR_INIT;
	struct client *c;
	int rc;

	(void)argc, (void)argv;
	if (!ld.input && is_terminal(STDIN_FILENO)) {
		err_kind(&e, ERR_INVALID, "requested load from stdin, but stdin is empty");
		return fail(&e);
	}
	fd = ld.input ? open_input(ld.input, &e) : input_of(STDIN_FILENO);
	if (fd < 0)
		return fail(&e);
	if (!is_terminal(STDOUT_FILENO))
		ld.quiet = true;
	c = call_open(d, &(struct call){
		.method = "POST",
		.target = ld.quiet ? "/images/load?quiet=1" : "/images/load?quiet=0",
		.body_fd = fd,
		.content_type = "application/x-tar",
	}, false, &e);
	if (!c)
		return fail(&e);
	rc = progress_show(c, stdout, &e);
	fflush(stdout);
	return rc ? fail(&e) : 0;
}

/* --- import ------------------------------------------------------------------------------- */

static struct {
	struct strlist changes;
	const char *message, *platform;
} im;

static struct flag import_flags[] = {
	{"change", 'c', FLAG_LIST, &im.changes, "Apply a Dockerfile instruction: 'CMD [\"sh\"]'"},
	{"message", 'm', FLAG_STRING, &im.message, "Comment for the image's history"},
	{"platform", 0, FLAG_STRING, &im.platform, "Platform of the image"},
	FLAG_END,
};

static bool is_url(const char *source)
{
	return !strncmp(source, "http://", 7) || !strncmp(source, "https://", 8);
}

static int import(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_free char *repo = NULL;
	cleanup_close int fd = -1;
	struct call call = {.method = "POST"};
	struct err e = ERR_INIT;
	struct imgref ref;
	struct client *c;
	size_t i;

	buf_adds(&to, "/images/create");
	target_query(&to, "fromSrc", is_url(argv[0]) ? argv[0] : "-");
	if (argc > 1) {
		if (imgref_parse(argv[1], &ref, &e))
			return fail(&e);
		imgref_default_tag(&ref);
		repo = imgref_familiar_repo(&ref);
		target_query(&to, "repo", argv[1]);
	}
	for (i = 0; i < im.changes.n; i++)
		target_query(&to, "changes", im.changes.v[i]);
	if (im.message)
		target_query(&to, "message", im.message);
	if (im.platform && *im.platform)
		target_query(&to, "platform", im.platform);
	call.target = to.p;
	if (!is_url(argv[0])) {
		fd = strcmp(argv[0], "-") ? open_input(argv[0], &e) : input_of(STDIN_FILENO);
		if (fd < 0)
			return fail(&e);
		call.body_fd = fd;
		call.content_type = "application/x-tar";
	}
	c = call_open(d, &call, false, &e);
	if (!c || progress_show(c, stdout, &e))
		return fail(&e);
	return 0;
}

/* --- save --------------------------------------------------------------------------------- */

static struct {
	const char *output;
} sv;

static struct flag save_flags[] = {
	{"output", 'o', FLAG_STRING, &sv.output, "File to write (default: standard output)"},
	FLAG_END,
};

static int save(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	struct err e = ERR_INIT;
	struct client *c;
	int i;

	if (!sv.output && is_terminal(STDOUT_FILENO)) {
		err_kind(&e, ERR_INVALID, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
		return fail(&e);
	}
	buf_adds(&to, "/images/get");
	for (i = 0; i < argc; i++)
		target_query(&to, "names", argv[i]);
	c = call_open(d, &(struct call){.method = "GET", .target = to.p}, false, &e);
	if (!c)
		return fail(&e);
	return call_save_body(c, sv.output, "failed to save image", &e) ? fail(&e) : 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_pull = {
	.usage = "[OPTIONS] NAME[:TAG|@DIGEST]",
	.brief = "Download an image from a registry",
	.more = "Examples:\n"
		"  docker pull alpine                  of Docker Hub, tag latest\n"
		"  docker pull localhost:5000/app:1.2  of a registry of your own; plain HTTP only where\n"
		"                                      daemon.json lists it in \"insecure-registries\"\n",
	.flags = pull_flags,
	.min = 1,
	.max = 1,
	.run = pull,
};

static struct command cmd_load = {
	.usage = "[OPTIONS]",
	.brief = "Load an image from a tar archive or STDIN",
	.more = "Takes what docker save, skopeo (docker-archive:, oci-archive:) and buildx write.\n",
	.flags = load_flags,
	.run = load,
};

static struct command cmd_import = {
	.usage = "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
	.brief = "Import the contents from a tarball to create a filesystem image",
	.more = "Example:\n  debootstrap stable root && tar c -C root . | docker import - debian:mine\n",
	.flags = import_flags,
	.min = 1,
	.max = -1,
	.run = import,
};

static struct command cmd_save = {
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.brief = "Save one or more images to a tar archive (streamed to STDOUT by default)",
	.flags = save_flags,
	.min = 1,
	.max = -1,
	.run = save,
};

const struct entry entries_transfer[] = {
	{"", "pull", NULL, &cmd_pull},
	{"image", "pull", NULL, &cmd_pull},
	{"", "load", NULL, &cmd_load},
	{"image", "load", NULL, &cmd_load},
	{"", "import", NULL, &cmd_import},
	{"image", "import", NULL, &cmd_import},
	{"", "save", NULL, &cmd_save},
	{"image", "save", NULL, &cmd_save},
	{0},
};
