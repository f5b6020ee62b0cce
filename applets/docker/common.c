/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/common.c - small things several commands need
 */
#include "call.h"
#include "docker.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

bool is_terminal(int fd)
{
	return isatty(fd);
}

bool confirm(const char *question)
{
	char answer[64] = "";

	printf("%s [y/N] ", question);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	answer[strcspn(answer, "\r\n")] = 0;
	return !strcasecmp(answer, "y");
}

/* Where a line break stands in for what JSON lets stand between tokens. */
static void line(struct buf *out, size_t depth)
{
	buf_addc(out, '\n');
	while (depth--)
		buf_adds(out, "    ");
}

void print_indented(struct span json, struct buf *out)
{
	size_t i, depth = 0;
	bool quoted = false, opened = false;

	for (i = 0; i < json.n; i++) {
		char c = json.p[i];

		if (quoted) {
			buf_addc(out, c);
			if (c == '\\' && i + 1 < json.n)
				buf_addc(out, json.p[++i]);
			else if (c == '"')
				quoted = false;
			continue;
		}
		if (isspace((unsigned char)c))
			continue;
		if (opened && c != '}' && c != ']')
			line(out, depth);
		else if (!opened && (c == '}' || c == ']') && depth)
			line(out, depth - 1);
		depth -= (c == '}' || c == ']') && depth;
		opened = c == '{' || c == '[';
		depth += opened;
		quoted = c == '"';
		buf_addc(out, c);
		if (c == ',')
			line(out, depth);
		else if (c == ':')
			buf_addc(out, ' ');
	}
}

int check_filter(const char **text, struct err *e)
{
	if (**text && !strchr(*text, '='))
		return err_kind(e, ERR_INVALID, "bad format of filter (expected name=value)");
	return 0;
}

json_t *filters_json(const struct strlist *filters)
{
	json_t *all = json_object(), *values;
	size_t i;

	for (i = 0; i < filters->n; i++) {
		struct span name = span_of(filters->v[i]), value;
		cleanup_free char *key = NULL, *text = NULL;
		ssize_t equals = span_chr(name, '=');
		char *p;

		if (equals < 0)
			continue;
		value = span_trim(span_cut(&name, (size_t)equals));
		key = span_dup(span_trim(name));
		text = span_dup(value);
		for (p = key; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		values = json_object_get(all, key);
		if (!values) {
			values = json_object();
			json_set_new(all, key, values);
		}
		json_set_bool(values, text, true);
	}
	return all;
}

void query_filters(struct buf *to, const struct strlist *filters)
{
	cleanup_json json_t *all = filters_json(filters);
	cleanup_buf struct buf text = BUF_INIT;

	if (!json_object_size(all))
		return;
	json_print(all, false, &text);
	target_query(to, "filters", text.p);
}
