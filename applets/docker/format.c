/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/format.c - lists: --format table, json or a template, --quiet
 *
 * Theory of operation
 *   Every way of printing is a template: the default table is one, --quiet is "{{.ID}}", json is
 *   "{{json .}}".  Tables collect their rows, get the same template executed over the headers in
 *   front, and are aligned at the end.
 */
#include "format.h"

#include "table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TABLE_MIN 10 /* least width of a column */
#define TABLE_PADDING 3

char *format_unescape(const char *format)
{
	struct buf b = BUF_INIT;

	for (; *format; format++) {
		if (format[0] == '\\' && (format[1] == 't' || format[1] == 'n'))
			buf_addc(&b, *++format == 't' ? '\t' : '\n');
		else
			buf_addc(&b, *format);
	}
	return buf_detach(&b);
}

static char *trimmed(const char *s)
{
	size_t n;

	s += strspn(s, " \t\r\n");
	for (n = strlen(s); n && isspace((unsigned char)s[n - 1]); n--)
		;
	return xstrndup(s, n);
}

int list_begin(struct list *l, const struct listing *kind, const char *format, bool quiet,
	struct err *e)
{
	cleanup_free char *text = NULL, *wanted = NULL;
	const char *use = format ? format : "";

	*l = (struct list){.kind = kind, .out = BUF_INIT};
	if (quiet && (!*use || !strcmp(use, "table"))) {
		use = kind->quiet;
	} else if (!*use || !strcmp(use, "table")) {
		l->table = true;
		use = kind->table;
	} else if (!strncmp(use, "table", 5)) {
		l->table = true;
		use += 5;
	} else if (!strcmp(use, "json")) {
		use = "{{json .}}";
	} else if (!strcmp(use, "raw") && kind->raw) {
		use = quiet ? kind->quiet : kind->raw;
	}
	wanted = l->table ? trimmed(use) : xstrdup(use);
	text = format_unescape(wanted);
	l->t = tmpl_parse("", text, e);
	return l->t ? 0 : err_wrap(e, "%s", kind->parse_error);
}

bool list_shows(const struct list *l, const char *field)
{
	return tmpl_uses(l->t, field);
}

int list_row(struct list *l, json_t *row_steal, struct err *e)
{
	struct tmpl_env env = {.type = l->kind->type, .method = l->kind->method, .html = true};
	int rc = tmpl_exec(l->t, row_steal, &env, &l->out, e);

	json_decref(row_steal);
	if (rc)
		return err_wrap(e, "%s", l->kind->exec_error);
	buf_addc(&l->out, '\n');
	return 0;
}

json_t **list_sorted(const json_t *array, int (*order)(const void *, const void *))
{
	size_t n = json_array_size(array), i;
	json_t **sorted = xcalloc(n + 1, sizeof(*sorted));

	for (i = 0; i < n; i++)
		sorted[i] = json_array_get(array, i);
	qsort(sorted, n, sizeof(*sorted), order);
	return sorted;
}

int list_by_name(const void *pa, const void *pb)
{
	return strverscmp(json_str(*(json_t *const *)pa, "Name", ""), json_str(*(json_t *const *)pb, "Name", ""));
}

/* Header of {{.Label "com.example.some-thing"}}: "some thing". */
static json_t *label_header(const json_t *row, const char *name, const char *arg)
{
	const char *last = strrchr(arg, '.');
	cleanup_free char *text = xstrdup(last ? last + 1 : arg);
	char *p;

	(void)row;
	if (strcmp(name, "Label"))
		return NULL;
	for (p = text; *p; p++)
		if (*p == '-' || *p == '_')
			*p = ' ';
	return json_text(text);
}

static void add_header(const struct list *l, struct buf *out)
{
	static const char *const no_maps[] = {NULL};
	struct tmpl_env env = {.type = "header", .maps = no_maps, .headers = true,
		.method = l->kind->method ? label_header : NULL};
	cleanup_json json_t *row = json_object();
	const struct field *f;
	struct err ignored = ERR_INIT;

	for (f = l->kind->fields; f->name; f++)
		json_set_str(row, f->name, f->header);
	tmpl_exec(l->t, row, &env, out, &ignored);
	buf_addc(out, '\n');
}

void list_end(struct list *l)
{
	cleanup_buf struct buf all = BUF_INIT, aligned = BUF_INIT;

	if (l->table) {
		add_header(l, &all);
		buf_add(&all, l->out.p, l->out.n);
		table_align((struct span){all.p, all.n}, TABLE_MIN, TABLE_PADDING, &aligned);
		fwrite(aligned.p, 1, aligned.n, stdout);
	} else {
		fwrite(l->out.p, 1, l->out.n, stdout);
	}
	buf_release(&l->out);
	tmpl_free(l->t);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *labels_text(const json_t *labels)
{
	size_t n = json_object_size(labels), i = 0;
	const char **names = xcalloc(n + 1, sizeof(*names)), *key;
	struct buf b = BUF_INIT;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
		names[i++] = key;
	qsort(names, n, sizeof(*names), by_name);
	for (i = 0; i < n; i++)
		buf_addf(&b, "%s%s=%s", i ? "," : "", names[i], json_str(labels, names[i], ""));
	free(names);
	return buf_detach(&b);
}
