/* SPDX-License-Identifier: MIT */
/*
 * core/image/dockerfile.c - read a Dockerfile (contract in dockerfile.h)
 *
 * Theory of operation
 *   dockerlex.c joins lines; here a joined line becomes an instruction: its name is looked up in a
 *   table that knows its flags and how many arguments it needs, flags are taken off its front.
 *   Documents that follow an instruction ("<<EOF") are skipped, as the classic builder does.
 *
 *   Messages are those of the real parser, which guesses at what was meant: the nearest known word
 *   within two edits.
 */
#include "image/dockerfile.h"
#include "image/dockerlex.h"

#include <stdlib.h>

#define LINES_MAX 10000 /* instructions of one file */
#define EDITS_MAX 2	 /* between a word and what is suggested for it */
#define WORD_MAX 32	 /* bytes of a word that anything is suggested for */

static const char *const no_flags[] = {NULL};
static const char *const from_flags[] = {"platform", NULL};
static const char *const run_flags[] = {"mount", "network", "security", NULL};
static const char *const copy_flags[] = {"chown", "chmod", "from", "link", "parents", "exclude", NULL};
static const char *const add_flags[] = {"chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude",
	NULL};

static const struct kind {
	const char *name;
	const char *const *flags; /* NULL: it reads them itself */
	int least;		   /* arguments */
} kinds[] = {
	{"ADD", add_flags, 2}, {"ARG", no_flags, 1}, {"CMD", no_flags, 0}, {"COPY", copy_flags, 2},
	{"ENTRYPOINT", no_flags, 0}, {"ENV", no_flags, 1}, {"EXPOSE", no_flags, 1}, {"FROM", from_flags, 1},
	{"HEALTHCHECK", NULL, 1}, {"LABEL", no_flags, 1}, {"MAINTAINER", no_flags, 1}, {"ONBUILD", no_flags, 1},
	{"RUN", run_flags, 0}, {"SHELL", no_flags, 0}, {"STOPSIGNAL", no_flags, 1}, {"USER", no_flags, 1},
	{"VOLUME", no_flags, 1}, {"WORKDIR", no_flags, 1},
};

/* --- suggestions ------------------------------------------------------------------------------------- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Levenshtein's distance without regard to case; both are at most WORD_MAX bytes. */
static size_t distance(struct span a, struct span b)
{
	size_t row[WORD_MAX + 1], i, j, left, up;

	for (j = 0; j <= b.n; j++)
		row[j] = j;
	for (i = 1; i <= a.n; i++) {
		left = row[0];
		row[0] = i;
		for (j = 1; j <= b.n; j++) {
			size_t best = left + (lower(a.p[i - 1]) != lower(b.p[j - 1]));

			up = row[j];
			best = up + 1 < best ? up + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			left = up;
			row[j] = best;
		}
	}
	return row[b.n];
}

/* " (did you mean X?)" to @e, if one of the words that next() gives is near @word. */
static void suggest(struct err *e, struct span word, const char *(*next)(const void *from, size_t i), const void *from)
{
	size_t best = EDITS_MAX + 1, i, d;
	const char *s, *found = NULL;

	if (word.n > WORD_MAX || !e)
		return;
	for (i = 0; (s = next(from, i)); i++) {
		d = distance(word, span_of(s));
		if (d < best) {
			best = d;
			found = s;
		}
	}
	if (found)
		snprintf(e->msg + strlen(e->msg), sizeof(e->msg) - strlen(e->msg), " (did you mean %s?)", found);
}

static const char *next_kind(const void *from, size_t i)
{
	(void)from;
	return i < ARRAY_SIZE(kinds) ? kinds[i].name : NULL;
}

static const char *next_flag(const void *from, size_t i)
{
	return ((const struct kind *)from)->flags[i];
}

/* --- one instruction ------------------------------------------------------------------------------------ */

static const struct kind *find_kind(struct span name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (span_caseeqs(name, kinds[i].name))
			return &kinds[i];
	return NULL;
}

/* "--from=one" to @line->flags. */
static int take_flag(const struct kind *kind, struct span text, struct dockerfile_line *line, struct err *e)
{
	struct span name = {text.p + 2, text.n - 2}, value = {NULL, 0};
	cleanup_free char *key = NULL;
	ssize_t eq = span_chr(name, '=');

	if (eq >= 0)
		value = span_cut(&name, (size_t)eq);
	key = span_dup(name);
	if (!str_in(key, kind->flags)) {
		err_kind(e, ERR_INVALID, "unknown flag: --%s", key);
		suggest(e, name, next_flag, kind);
		return -1;
	}
	if (json_object_get(line->flags, key))
		return err_kind(e, ERR_INVALID, "duplicate flag specified: %s", key);
	if (eq < 0 && strcmp(key, "link") && strcmp(key, "parents") && strcmp(key, "keep-git-dir"))
		return err_kind(e, ERR_INVALID, "missing a value on flag: %s", key);
	json_set_new(line->flags, key, eq < 0 ? json_string("true") : json_textn(value.p, value.n));
	return 0;
}

static int take_flags(const struct kind *kind, const char **at, struct dockerfile_line *line, struct err *e)
{
	while (kind->flags && !strncmp(*at, "--", 2)) {
		struct span word = {*at, strcspn(*at, " \t")};

		*at += word.n + strspn(*at + word.n, " \t");
		if (word.n == 2)
			return 0;
		if (take_flag(kind, word, line, e))
			return -1;
	}
	return 0;
}

static int check_count(const struct kind *kind, const char *args, struct err *e)
{
	cleanup_json json_t *words = NULL;
	size_t n;

	if (!kind->least)
		return 0;
	if (!*args && kind->least == 1)
		return err_kind(e, ERR_INVALID, "%s requires %s", kind->name,
			str_in(kind->name, (const char *const[]){"FROM", NULL})	  ? "either one or three arguments" :
			str_in(kind->name, (const char *const[]){"MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR", NULL}) ?
										    "exactly one argument" :
										    "at least one argument");
	if (kind->least == 1)
		return 0;
	words = dockerfile_words(args, e);
	n = json_array_size(words);
	if (!words)
		return -1;
	if (!n)
		return err_kind(e, ERR_INVALID, "%s requires at least one argument", kind->name);
	if (n == 1)
		return err_kind(e, ERR_INVALID,
			"%s requires at least two arguments, but only one was provided. Destination could not be determined",
			kind->name);
	return 0;
}

int dockerfile_parse_line(const char *text, char escape, struct dockerfile_line *line, struct err *e)
{
	struct span name = {text, strcspn(text, " \t")};
	const char *args = text + name.n + strspn(text + name.n, " \t");
	const struct kind *kind = find_kind(name);

	(void)escape;
	*line = (struct dockerfile_line){.flags = json_object()};
	if (!kind) {
		cleanup_free char *upper = span_dup(name);
		char *p;

		for (p = upper; *p; p++)
			*p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
		err_kind(e, ERR_INVALID, "unknown instruction: %s", upper);
		suggest(e, name, next_kind, NULL);
	} else if (!take_flags(kind, &args, line, e) && !check_count(kind, args, e)) {
		line->name = kind->name;
		line->original = xstrdup(text);
		line->args = xstrdup(args);
		return 0;
	}
	dockerfile_line_release(line);
	return -1;
}

void dockerfile_line_release(struct dockerfile_line *line)
{
	free(line->original);
	free(line->args);
	json_decref(line->flags);
	*line = (struct dockerfile_line){0};
}

/* --- the file ------------------------------------------------------------------------------------------ */

void dockerfile_release(struct dockerfile *f)
{
	while (f->n)
		dockerfile_line_release(&f->lines[--f->n]);
	free(f->lines);
	f->lines = NULL;
}

/* A directive "# escape=x" that makes no sense. */
static int check_directives(struct span text, struct err *e)
{
	struct span line, name;
	ssize_t eq;

	while (span_token(&text, '\n', &line)) {
		line = span_trim(line);
		if (!line.n || line.p[0] != '#')
			return 0;
		name = (struct span){line.p + 1, line.n - 1};
		eq = span_chr(name, '=');
		if (eq < 0)
			return 0;
		line = span_trim(span_cut(&name, (size_t)eq));
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (span_caseeqs(span_trim(name), "escape") && !span_eqs(line, "\\") && !span_eqs(line, "`"))
			return err_kind(e, ERR_INVALID,
				"failed to parse Dockerfile: invalid escape token '%.*s' does not match ` or \\", (int)line.n,
				line.p);
	}
	return 0;
}

/* Skip the documents that @line begins ("<<EOF", "<<-'X'"). */
static void skip_documents(const struct dockerfile_line *line, struct span *text)
{
	const char *at = line->args;

	if (!str_in(line->name, (const char *const[]){"RUN", "COPY", "ADD", NULL}))
		return;
	while ((at = strstr(at, "<<"))) {
		bool tabs = at[2] == '-';
		const char *word = at + 2 + tabs + strspn(at + 2 + tabs, "'\"");
		struct span end = {word, strcspn(word, " \t'\"<>|&;"), }, one;

		at = word + end.n;
		while (end.n && span_token(text, '\n', &one)) {
			while (tabs && one.n && *one.p == '\t')
				one.p++, one.n--;
			if (one.n && one.p[one.n - 1] == '\r')
				one.n--;
			if (span_eq(one, end))
				break;
		}
	}
}

static int lines_before(struct span whole, const char *at)
{
	const char *p;
	int n = 1;

	for (p = whole.p; p < at; p++)
		n += *p == '\n';
	return n;
}

/* The number of the line where the next instruction begins. */
static int next_number(struct span whole, struct span text)
{
	struct span line, rest = text, bare;

	while (span_token(&rest, '\n', &line)) {
		bare = span_trim(line);
		if (bare.n && bare.p[0] != '#' && bare.p[0] != '\r')
			return lines_before(whole, line.p);
	}
	return 0;
}

static int add_line(struct dockerfile *f, const char *text, int number, struct err *e)
{
	struct dockerfile_line line;

	if (f->n >= LINES_MAX)
		return err_kind(e, ERR_INVALID, "a Dockerfile of more than %d instructions", LINES_MAX);
	if (dockerfile_parse_line(text, f->escape, &line, e))
		return err_wrap(e, "dockerfile parse error on line %d", number);
	line.number = number;
	f->lines = xreallocarray(f->lines, f->n + 1, sizeof(*f->lines));
	f->lines[f->n++] = line;
	return 0;
}

int dockerfile_parse(struct span whole, struct dockerfile *f, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT;
	struct span text;
	bool staged = false;
	int number;

	if (span_starts(whole, "\xef\xbb\xbf"))
		whole.p += 3, whole.n -= 3;
	text = whole;
	*f = (struct dockerfile){.escape = dockerlex_escape(whole)};
	if (whole.n > DOCKERLEX_TEXT_MAX)
		return err_kind(e, ERR_INVALID, "the Dockerfile is larger than %d bytes", DOCKERLEX_TEXT_MAX);
	if (check_directives(whole, e))
		return -1;
	for (;;) {
		number = next_number(whole, text);
		if (!dockerlex_line(&text, f->escape, &line))
			break;
		if (add_line(f, line.p, number, e))
			goto fail;
		skip_documents(&f->lines[f->n - 1], &text);
		staged |= !strcmp(f->lines[f->n - 1].name, "FROM");
		if (!staged && strcmp(f->lines[f->n - 1].name, "ARG")) {
			err_kind(e, ERR_INVALID, "no build stage in current context");
			goto fail;
		}
	}
	if (staged)
		return 0;
	err_kind(e, ERR_INVALID, f->n ? "no build stage in current context" :
					 "failed to parse Dockerfile: file with no instructions");
fail:
	dockerfile_release(f);
	return -1;
}

/* --- words ------------------------------------------------------------------------------------------------ */

json_t *dockerfile_list(const char *text, bool *bad, struct err *e)
{
	json_t *j = *text == '[' ? json_parse(text, strlen(text), NULL) : NULL, *w;
	size_t i;

	*bad = false;
	if (!json_is_array(j)) {
		json_decref(j);
		return NULL;
	}
	json_array_foreach(j, i, w) {
		if (json_is_string(w))
			continue;
		json_decref(j);
		err_kind(e, ERR_INVALID, "when using JSON array syntax, arrays must be comprised of strings only");
		*bad = true;
		return NULL;
	}
	return j;
}

json_t *dockerfile_words(const char *args, struct err *e)
{
	bool bad;
	json_t *words = dockerfile_list(args, &bad, e);
	size_t n;

	if (words || bad)
		return words;
	words = json_array();
	for (args += strspn(args, " \t"); *args; args += n + strspn(args + n, " \t")) {
		n = strcspn(args, " \t");
		json_array_append_new(words, json_textn(args, n));
	}
	return words;
}

json_t *dockerfile_command(const char *args, const json_t *shell, struct err *e)
{
	bool bad;
	json_t *words = dockerfile_list(args, &bad, e);

	if (words || bad)
		return words;
	words = shell ? json_deep_copy(shell) : json_pack("[s, s]", "/bin/sh", "-c");
	if (*args)
		json_append_str(words, args);
	return words;
}

char *dockerfile_expand(const char *word, const json_t *env, char escape, struct err *e)
{
	struct buf out = BUF_INIT;

	if (!dockerlex_expand(word, env, escape, &out, e))
		return buf_detach(&out);
	buf_release(&out);
	return NULL;
}
