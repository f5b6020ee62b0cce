/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_env.c - environment and labels: NAME=VALUE from options and files
 *
 * Theory of operation
 *   Files come first, options after them; the engine takes the last of a name.  A later option
 *   replaces an earlier one in its place.
 *   In a file a line is trimmed of blanks in front, "#" starts a comment, names have no blanks.
 */
#include "run_spec.h"

#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (16 << 20) /* bytes of an environment file */

static size_t name_len(const char *pair)
{
	return strcspn(pair, "=");
}

/* Put a pair into the list, over one of that name from index @first on. */
static void put_over(json_t *list, size_t first, const char *pair)
{
	size_t i, n = name_len(pair);

	for (i = first; i < json_array_size(list); i++) {
		const char *have = json_string_value(json_array_get(list, i));

		if (name_len(have) == n && !strncmp(have, pair, n)) {
			json_array_set_new(list, i, json_text(pair));
			return;
		}
	}
	json_append_str(list, pair);
}

static int put_line(json_t *list, const char *file, const char *what, struct span line, bool from_env,
	struct err *e)
{
	cleanup_free char *text = NULL, *name = NULL;
	const char *value;
	struct span key;

	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	while (line.n && (*line.p == ' ' || *line.p == '\t'))
		line.p++, line.n--;
	if (!line.n || *line.p == '#')
		return 0;
	text = span_dup(line);
	key = (struct span){text, name_len(text)};
	name = span_dup(key);
	if (strpbrk(name, " \t"))
		return err_kind(e, ERR_INVALID, "invalid %s file (%s): variable '%s' contains whitespaces", what, file,
			name);
	if (!key.n)
		return err_kind(e, ERR_INVALID, "invalid env file (%s): no variable name on line '%s'", file, text);
	if (text[key.n]) {
		json_append_str(list, text);
	} else if (!from_env) {
		json_append_str(list, name);
	} else if ((value = getenv(name))) {
		cleanup_free char *pair = xasprintf("%s=%s", name, value);

		json_append_str(list, pair);
	}
	return 0;
}

static int check_utf8(const char *path, struct span line, int number, struct err *e)
{
	cleanup_json json_t *probe = json_stringn(line.p, line.n);
	cleanup_buf struct buf bytes = BUF_INIT;
	size_t i;

	if (probe)
		return 0;
	for (i = 0; i < line.n; i++)
		buf_addf(&bytes, "%s%d", i ? " " : "", (unsigned char)line.p[i]);
	return err_kind(e, ERR_INVALID, "invalid env file (%s): invalid utf8 bytes at line %d: [%s]", path, number,
		bytes.p);
}

static int put_file(json_t *list, const char *path, const char *what, bool from_env, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;
	struct err why = ERR_INIT;
	int number = 0;

	if (file_read_at(AT_FDCWD, path, FILE_MAX, &text, &why)) {
		const char *reason = why.code == ENOENT ? "no such file or directory" :
			why.code == EACCES ? "permission denied" : strerror(why.code ? why.code : EIO);

		return err_kind(e, ERR_INVALID, "open %s: %s", path, reason);
	}
	rest = (struct span){text.p, text.n};
	if (span_starts(rest, "\xef\xbb\xbf"))
		rest.p += 3, rest.n -= 3;
	while (span_token(&rest, '\n', &line)) {
		number++;
		if (check_utf8(path, line, number, e) || put_line(list, path, what, line, from_env, e))
			return -1;
	}
	return 0;
}

static json_t *pairs(const struct strlist *files, const struct strlist *given, const char *what,
	bool from_env, struct err *e)
{
	json_t *list = json_array();
	size_t i, first;

	for (i = 0; i < files->n; i++) {
		if (put_file(list, files->v[i], what, from_env, e)) {
			json_decref(list);
			return NULL;
		}
	}
	first = json_array_size(list);
	for (i = 0; i < given->n; i++)
		put_over(list, first, given->v[i]);
	return list;
}

json_t *env_list(const struct strlist *files, const struct strlist *given, struct err *e)
{
	return pairs(files, given, "env", true, e);
}

static void put_pair(json_t *map, const char *pair)
{
	size_t n = name_len(pair);
	cleanup_free char *key = xstrndup(pair, n);
	cleanup_json json_t *text = json_text(key); /* a key must be UTF-8 too */

	json_set_str(map, json_string_value(text), pair[n] ? pair + n + 1 : "");
}

json_t *label_map(const struct strlist *files, const struct strlist *given, struct err *e)
{
	cleanup_json json_t *list = pairs(files, given, "label", false, e);
	json_t *map;
	size_t i;

	if (!list)
		return NULL;
	map = json_object();
	for (i = 0; i < json_array_size(list); i++)
		put_pair(map, json_string_value(json_array_get(list, i)));
	return map;
}

json_t *pairs_map(const struct strlist *given)
{
	json_t *map = json_object();
	size_t i;

	for (i = 0; i < given->n; i++)
		put_pair(map, given->v[i]);
	return map;
}
