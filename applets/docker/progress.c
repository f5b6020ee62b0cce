/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/progress.c - what the engine reports while it pulls or loads
 *
 * Theory of operation
 *   Messages with an "id" and "progressDetail" belong to a line of their own.  On a terminal each
 *   id gets the next free line; a later message goes up to it, rewrites it, and comes down again.
 *   A message without an id forgets the lines: what comes after it starts below.
 */
#include "progress.h"

#include "units.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_UNKNOWN 200 /* columns; where the terminal does not tell */
#define WIDTH_BAR 110	  /* narrower ones get no bar */
#define BAR 50

struct screen {
	FILE *out;
	bool terminal;
	struct strlist ids; /* whose line is which, from the top */
};

static size_t line_of(struct screen *s, const char *id)
{
	size_t i;

	for (i = 0; i < s->ids.n; i++)
		if (!strcmp(s->ids.v[i], id))
			return i;
	strlist_add(&s->ids, xstrdup(id));
	if (s->terminal)
		fputc('\n', s->out);
	return s->ids.n - 1;
}

static void forget_lines(struct screen *s)
{
	while (s->ids.n)
		free((char *)(uintptr_t)s->ids.v[--s->ids.n]);
}

static int columns(FILE *out)
{
	struct winsize w;

	return ioctl(fileno(out), TIOCGWINSZ, &w) || !w.ws_col ? WIDTH_UNKNOWN : w.ws_col;
}

/* "[=====>    ]  1.2MB/4.5MB", or less if less is known. */
static void bar(FILE *out, const json_t *detail)
{
	double current = (double)json_int(detail, "current", 0), total = (double)json_int(detail, "total", 0);
	const char *units = json_str(detail, "units", "");
	cleanup_free char *now = human_size(current, 4), *all = human_size(total, 4);
	int done, i;

	if (current <= 0 && total <= 0)
		return;
	if (total <= 0) {
		if (*units)
			fprintf(out, "%.0f %s", current, units);
		else
			fprintf(out, "%8s", now);
		return;
	}
	done = (int)(current / total * 100) / 2;
	done = done > BAR ? BAR : done;
	if (columns(out) > WIDTH_BAR) {
		fputc('[', out);
		for (i = 0; i <= BAR; i++)
			fputc(i < done ? '=' : i == done ? '>' : ' ', out);
		fputs("] ", out);
	}
	if (current > total)
		fprintf(out, "%8s", now);
	else
		fprintf(out, "%8s/%s", now, all);
}

static void show(struct screen *s, const json_t *m, const char *id, const json_t *detail)
{
	const char *stream = json_str(m, "stream", ""), *from = json_str(m, "from", "");
	bool rewrite = s->terminal && !*stream && detail;

	if (rewrite)
		fputs("\033[2K\r", s->out);
	else if (detail && (json_int(detail, "current", 0) > 0 || json_int(detail, "total", 0) > 0))
		return; /* numbers are for terminals */
	if (*id)
		fprintf(s->out, "%s: ", id);
	if (*from)
		fprintf(s->out, "(from %s) ", from);
	if (rewrite) {
		fprintf(s->out, "%s ", json_str(m, "status", ""));
		bar(s->out, detail);
		fputc('\r', s->out);
	} else if (*stream) {
		fputs(stream, s->out);
	} else {
		fprintf(s->out, "%s\n", json_str(m, "status", ""));
	}
}

static void show_message(struct screen *s, const json_t *m)
{
	const char *id = json_str(m, "id", "");
	const json_t *detail = json_obj(m, "progressDetail");
	size_t up = 0;

	if (json_object_get(m, "aux"))
		return;
	if (*id && detail) {
		size_t line = line_of(s, id);

		up = s->ids.n - line;
		if (s->terminal)
			fprintf(s->out, "\033[%zuA", up);
	} else {
		forget_lines(s);
	}
	show(s, m, id, detail);
	if (*id && detail && s->terminal)
		fprintf(s->out, "\033[%zuB", up);
	fflush(s->out);
}

static int message_error(const json_t *m, struct err *e)
{
	const json_t *detail = json_obj(m, "errorDetail");
	const char *text = json_str(detail, "message", json_str(m, "error", NULL));

	return text ? err_kind(e, ERR_FAILED, "%s", text) : 0;
}

static void note_build(const json_t *m, char **id, int *code)
{
	const char *named = json_str(json_obj(m, "aux"), "ID", NULL);
	int64_t status = json_int(json_obj(m, "errorDetail"), "code", 0);

	if (named) {
		free(*id);
		*id = xstrdup(named);
	}
	if (status > 0 && status < 256)
		*code = (int)status;
}

int progress_build(struct client *c, FILE *out, char **id, int *code, struct err *e)
{
	struct json_stream in = {.c = c, .text = BUF_INIT};
	struct screen s = {.out = out, .terminal = out && is_terminal(fileno(out))};
	json_t *m;
	int rc;

	while ((rc = json_stream_next(&in, &m, e)) > 0) {
		if (id)
			note_build(m, id, code);
		rc = message_error(m, e);
		if (!rc && out)
			show_message(&s, m);
		json_decref(m);
		if (rc)
			break;
	}
	forget_lines(&s);
	free(s.ids.v);
	buf_release(&in.text);
	return rc < 0 ? -1 : 0;
}

int progress_show(struct client *c, FILE *out, struct err *e)
{
	return progress_build(c, out, NULL, NULL, e);
}
