/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_changes.c - docker diff, commit, export: what became of a container's files
 */
#include "call.h"
#include "image_ref.h"

#include <stdio.h>
#include <unistd.h>

/* --- diff --------------------------------------------------------------------------------- */

static int diff(struct docker *d, int argc, char **argv)
{
	static const char letters[] = "CAD";
	cleanup_json json_t *changes = NULL;
	struct err e = ERR_INIT;
	char *to = container_target("/containers/%s/changes", argv[0], &e);
	const json_t *c;
	int64_t kind;
	size_t i;

	(void)argc;
	if (!to || call_get(d, to, &changes, &e))
		return fail(&e);
	json_array_foreach(changes, i, c) {
		kind = json_int(c, "Kind", 0);
		printf("%c %s\n", kind < 0 || kind > 2 ? '?' : letters[kind], json_str(c, "Path", ""));
	}
	return 0;
}

/* --- commit ------------------------------------------------------------------------------- */

static struct {
	const char *author, *message;
	struct strlist changes;
	bool pause;
} cm = {.pause = true};

static struct flag commit_flags[] = {
	{"author", 'a', FLAG_STRING, &cm.author, "Author: \"Jane Doe <jane@example.org>\""},
	{"change", 'c', FLAG_LIST, &cm.changes, "Apply a Dockerfile instruction: 'CMD [\"sh\"]'"},
	{"message", 'm', FLAG_STRING, &cm.message, "What was done, for the image's history"},
	{"pause", 'p', FLAG_BOOL, &cm.pause, "Pause the container meanwhile (default true)"},
	FLAG_END,
};

static int commit_name(const char *name, struct buf *to, struct err *e)
{
	struct imgref ref;

	if (imgref_parse(name, &ref, e))
		return -1;
	if (ref.digest)
		return err_kind(e, ERR_INVALID, "refusing to create a tag with a digest reference");
	imgref_default_tag(&ref);
	target_query(to, "repo", imgref_familiar_repo(&ref));
	target_query(to, "tag", ref.tag);
	return 0;
}

static int commit(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_json json_t *answer = NULL;
	struct err e = ERR_INIT;
	size_t i;

	buf_adds(&to, "/commit");
	target_query(&to, "container", argv[0]);
	if (argc > 1 && commit_name(argv[1], &to, &e))
		return fail(&e);
	if (cm.message)
		target_query(&to, "comment", cm.message);
	if (cm.author)
		target_query(&to, "author", cm.author);
	for (i = 0; i < cm.changes.n; i++)
		target_query(&to, "changes", cm.changes.v[i]);
	if (!cm.pause)
		target_query(&to, "pause", "0");
	if (call_post(d, to.p, NULL, &answer, &e))
		return fail(&e);
	printf("%s\n", json_str(answer, "Id", ""));
	return 0;
}

/* --- export ------------------------------------------------------------------------------- */

static struct {
	const char *output;
} ex;

static struct flag export_flags[] = {
	{"output", 'o', FLAG_STRING, &ex.output, "File to write (default: standard output)"},
	FLAG_END,
};

static int export(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct client *c;
	char *to;

	(void)argc;
	if (!ex.output && is_terminal(STDOUT_FILENO)) {
		err_kind(&e, ERR_INVALID, "cowardly refusing to save to a terminal. Use the -o flag or redirect");
		return fail(&e);
	}
	to = container_target("/containers/%s/export", argv[0], &e);
	c = to ? call_open(d, &(struct call){.method = "GET", .target = to}, false, &e) : NULL;
	if (!c || call_save_body(c, ex.output, "failed to export container", &e))
		return fail(&e);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_diff = {
	.usage = "CONTAINER",
	.brief = "Inspect changes to files or directories on a container's filesystem",
	.more = "A is added, C changed, D deleted, since the container was created.\n",
	.min = 1,
	.max = 1,
	.run = diff,
};

static struct command cmd_commit = {
	.usage = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
	.brief = "Create a new image from a container's changes",
	.more = "Volumes are not part of it.\n",
	.flags = commit_flags,
	.min = 1,
	.max = 2,
	.run = commit,
};

static struct command cmd_export = {
	.usage = "[OPTIONS] CONTAINER",
	.brief = "Export a container's filesystem as a tar archive",
	.more = "Example:\n  docker export web | docker import - web:flat\n",
	.flags = export_flags,
	.min = 1,
	.max = 1,
	.run = export,
};

const struct entry entries_changes[] = {
	{"", "diff", NULL, &cmd_diff},
	{"container", "diff", NULL, &cmd_diff},
	{"", "commit", NULL, &cmd_commit},
	{"container", "commit", NULL, &cmd_commit},
	{"", "export", NULL, &cmd_export},
	{"container", "export", NULL, &cmd_export},
	{0},
};
