/* SPDX-License-Identifier: MIT */
/*
 * core/engine/context.c - the engine's side of a build's context
 *
 * Theory of operation
 *   One process a question: its request comes in a memory file, its answer back through a pipe as
 *   one JSON object, {"ok": …} or {"error", "kind", "code"}.  Bytes go straight between its
 *   descriptors and others'.  A process that dies without an answer is an error.
 */
#include "engine/context.h"
#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <unistd.h>

#define REPORT_MAX (64 << 20) /* bytes; a context of many thousand files matched one by one */

/* An empty directory, to be the root of who looks at foreign bytes. */
static int empty_dir(struct engine *en, struct err *e)
{
	int fd;

	if (mkdirat(en->execfd, "empty", 0500) && errno != EEXIST)
		return err_set(e, errno, "making an empty directory");
	fd = openat(en->execfd, "empty", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 ? fd : err_set(e, errno, "opening an empty directory");
}

static json_t *answer_of(int report, struct err *e)
{
	cleanup_json json_t *answer = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	json_t *ok;

	if (fd_read_all(report, REPORT_MAX, &text, e))
		return NULL;
	if (!text.n || !(answer = json_parse(text.p, text.n, NULL))) {
		err_set(e, EIO, "the process that reads the build context died");
		return NULL;
	}
	ok = json_object_get(answer, "ok");
	if (ok)
		return json_incref(ok);
	err_kind(e, (enum err_kind)json_int(answer, "kind", 0), "%s", json_str(answer, "error", ""));
	if (e)
		e->code = (int)json_int(answer, "code", 0);
	return NULL;
}

/* Ask, with @request stolen; @data may be -1. */
static json_t *ask(struct engine *en, json_t *request_steal, int context, int data, struct err *e)
{
	static const char *const argv[] = {":context", NULL};
	cleanup_json json_t *request = request_steal;
	cleanup_close int orders = -1, root = empty_dir(en, e), report = -1, end = -1, pidfd = -1;
	int ends[2], fds[5];
	json_t *answer;

	json_set_int(request, "parent", getpid());
	if (root < 0 || (orders = json_memfd(request, e)) < 0)
		return NULL;
	if (pipe2(ends, O_CLOEXEC)) {
		err_set(e, errno, "making a pipe");
		return NULL;
	}
	report = ends[0];
	end = ends[1];
	fds[CONTEXT_REQUEST_FD - 3] = orders;
	fds[CONTEXT_REPORT_FD - 3] = end;
	fds[CONTEXT_DATA_FD - 3] = data >= 0 ? data : end;
	fds[CONTEXT_ARCHIVE_FD - 3] = context;
	fds[CONTEXT_ROOT_FD - 3] = root;
	if (proc_spawn_role(argv, fds, 5, NULL, &pidfd, e))
		return NULL;
	fd_close(&end);
	answer = answer_of(report, e);
	proc_reap(pidfd);
	return answer;
}

static int ask_only(struct engine *en, json_t *request_steal, int context, int data, struct err *e)
{
	json_t *answer = ask(en, request_steal, context, data, e);

	json_decref(answer);
	return answer ? 0 : -1;
}

static int unnamed_file(struct engine *en, struct err *e)
{
	int file = openat(en->datafd, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return file < 0 ? err_set(e, errno, "making a file for the build context") : file;
}

int context_take(struct engine *en, int in, struct err *e)
{
	cleanup_close int file = unnamed_file(en, e);

	if (file < 0)
		return -1;
	if (ask_only(en, json_pack("{s:s}", "op", "take"), in, file, e))
		return -1;
	return fd_steal(&file);
}

int context_file(struct engine *en, int context, const char *path, struct buf *text, struct err *e)
{
	cleanup_json json_t *answer =
		ask(en, json_pack("{s:s, s:o}", "op", "file", "path", json_text(path)), context, -1, e);

	if (!answer)
		return -1;
	buf_add(text, json_string_value(answer), json_string_length(answer));
	return 0;
}

json_t *context_hidden(struct engine *en, int context, const char *dockerfile, struct err *e)
{
	return ask(en, json_pack("{s:s, s:o}", "op", "hidden", "path", json_text(dockerfile)), context, -1, e);
}

json_t *context_match(struct engine *en, int context, const json_t *hidden, const json_t *patterns, bool sniff,
	struct err *e)
{
	return ask(en,
		json_pack("{s:s, s:O?, s:O, s:b}", "op", "match", "hidden", hidden, "patterns", patterns, "sniff", sniff),
		context, -1, e);
}

int context_pack(struct engine *en, int context, const json_t *hidden, const char *path, const char *to, int out,
	struct err *e)
{
	return ask_only(en,
		json_pack("{s:s, s:O?, s:o, s:o}", "op", "pack", "hidden", hidden, "path", json_text(path), "to",
			json_text(to)),
		context, out, e);
}

int context_content(struct engine *en, int context, const char *path, int out, struct err *e)
{
	return ask_only(en, json_pack("{s:s, s:o}", "op", "content", "path", json_text(path)), context, out, e);
}

int context_fetch(struct engine *en, const char *url, const struct image_client *client, struct err *e)
{
	cleanup_json json_t *patterns = json_pack("[s]", FETCH_MEMBER), *matches = NULL;
	cleanup_close int file = unnamed_file(en, e), fetched = -1;
	cleanup_free char *name = NULL;

	if (file < 0 || (fetched = engine_fetch(en, url, client, &name, e)) < 0 ||
		!(matches = context_match(en, fetched, NULL, patterns, true, e)))
		return -1;
	if (!json_bool(json_array_get(matches, 0), "archive", false))
		return context_pack(en, fetched, NULL, FETCH_MEMBER, "Dockerfile", file, e) ? -1 : fd_steal(&file);
	if (context_content(en, fetched, FETCH_MEMBER, file, e))
		return -1;
	if (lseek(file, 0, SEEK_SET) < 0)
		return err_set(e, errno, "going back to the beginning of what was fetched");
	return context_take(en, file, e);
}
