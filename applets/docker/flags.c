/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/flags.c - the options of a command: one table for parsing and for --help
 *
 * Theory of operation
 *   One pass over the arguments; each option finds its row of the table and its value, and the
 *   row's type says how the value is read.  Complaints are those of the stock client, down to the
 *   names of Go's parsers, because scripts and searches know them.
 */
#include "flags.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define HELP_WIDTH 80

void strlist_add(struct strlist *l, const char *item)
{
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = item;
}

/* --- values ------------------------------------------------------------------------------- */

static int set_bool(struct flag *f, const char *text, struct err *e)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};

	if (!str_in(text, yes) && !str_in(text, no))
		return err_kind(e, ERR_INVALID, "strconv.ParseBool: parsing \"%.200s\": invalid syntax",
			text);
	*(bool *)f->to = str_in(text, yes);
	return 0;
}

static int set_int(struct flag *f, const char *text, struct err *e)
{
	const char *parser = f->type == FLAG_UINT16 ? "ParseUint" : "ParseInt";
	int64_t min = f->type == FLAG_UINT16 ? 0 : INT64_MIN, v;
	int64_t max = f->type == FLAG_UINT16 ? UINT16_MAX : INT64_MAX;
	const char *digits = text + (*text == '+' || *text == '-');
	struct span s = span_of(*text == '+' ? text + 1 : text);

	if (!*digits || digits[strspn(digits, "0123456789")] || (*text == '-' && min == 0))
		return err_kind(e, ERR_INVALID, "strconv.%s: parsing \"%.200s\": invalid syntax", parser,
			text);
	if (parse_i64(s, min, max, &v))
		return err_kind(e, ERR_INVALID, "strconv.%s: parsing \"%.200s\": value out of range",
			parser, text);
	*(int64_t *)f->to = v;
	return 0;
}

/* Why a text is no size, as Go's parser tells it. */
static int bad_size(const char *text, struct err *e)
{
	size_t digits = 0, i;

	for (i = 0; text[i]; i++)
		if (strchr("0123456789. ", text[i]))
			digits = i + 1;
	if (!digits || *text == '-')
		return err_kind(e, ERR_INVALID, "invalid size: '%.200s'", text);
	if (strchr(text, '.') != strrchr(text, '.'))
		return err_kind(e, ERR_INVALID, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
			(int)digits, text);
	return err_kind(e, ERR_INVALID, "invalid suffix: '%.200s'", text + digits);
}

static int set_bytes(struct flag *f, const char *text, struct err *e)
{
	if (f->type == FLAG_SWAP && !strcmp(text, "-1")) {
		*(int64_t *)f->to = -1;
		return 0;
	}
	return parse_size(text, f->to) ? bad_size(text, e) : 0;
}

static int set_duration(struct flag *f, const char *text, struct err *e)
{
	if (!clock_parse_duration(text, f->to))
		return 0;
	return err_kind(e, ERR_INVALID, "time: %s \"%.200s\"",
		*text && !text[strspn(text, "0123456789.")] ? "missing unit in duration" : "invalid duration", text);
}

/* A decimal number in billionths: digits, a point, at most nine more that are not 0. */
static int decimal_nanos(struct span s, int64_t *out, bool *precise)
{
	uint64_t units = 0, nanos = 0;
	struct span frac = {"", 0};
	ssize_t point = span_chr(s, '.');
	size_t i;

	if (point >= 0)
		frac = span_cut(&s, (size_t)point);
	if ((!s.n && !frac.n) || (s.n && parse_u64(s, 1000000, &units)))
		return -1;
	for (i = 0; i < frac.n; i++) {
		if (frac.p[i] < '0' || frac.p[i] > '9')
			return -1;
		*precise &= i < 9 || frac.p[i] == '0';
	}
	for (i = 0; i < 9; i++)
		nanos = nanos * 10 + (uint64_t)(i < frac.n ? frac.p[i] - '0' : 0);
	*out = (int64_t)(units * NS_PER_S + nanos);
	return 0;
}

/* "0.5", "-1", "1/2" */
static int set_cpus(struct flag *f, const char *text, struct err *e)
{
	struct span number = span_of(text), below = {NULL, 0};
	bool negative = *text == '-', precise = true;
	ssize_t slash;
	uint64_t over = 1;
	int64_t v = 0;

	if (negative)
		number.p++, number.n--;
	slash = span_chr(number, '/');
	if (slash >= 0)
		below = span_cut(&number, (size_t)slash);
	if (decimal_nanos(number, &v, &precise) || (slash >= 0 && (parse_u64(below, 1000000, &over) || !over)))
		return err_kind(e, ERR_INVALID, "failed to parse %.200s as a rational number", text);
	if (!precise || v % (int64_t)over)
		return err_kind(e, ERR_INVALID, "value is too precise");
	v /= (int64_t)over;
	*(int64_t *)f->to = negative ? -v : v;
	return 0;
}

static int set_value(struct flag *f, const char *text, struct err *e)
{
	f->seen = true;
	if (f->check && f->check(&text, e))
		return -1;
	switch (f->type) {
	case FLAG_BOOL:
		return set_bool(f, text, e);
	case FLAG_STRING:
		*(const char **)f->to = text;
		return 0;
	case FLAG_LIST:
		strlist_add(f->to, text);
		return 0;
	case FLAG_INT:
	case FLAG_UINT16:
		return set_int(f, text, e);
	case FLAG_BYTES:
	case FLAG_SWAP:
		return set_bytes(f, text, e);
	case FLAG_DURATION:
		return set_duration(f, text, e);
	case FLAG_CPUS:
		return set_cpus(f, text, e);
	}
	return -1;
}

static enum flags_result set(struct flag *f, const char *text, struct err *e)
{
	struct err why = ERR_INIT;

	if (f->instead)
		fprintf(stderr, "Flag --%s has been deprecated, use --%s instead\n", f->name, f->instead);
	if (!set_value(f, text, &why))
		return FLAGS_OK;
	if (f->letter)
		err_kind(e, ERR_INVALID, "invalid argument \"%.300s\" for \"-%c, --%s\" flag: %s", text,
			f->letter, f->name, why.msg);
	else
		err_kind(e, ERR_INVALID, "invalid argument \"%.300s\" for \"--%s\" flag: %s", text, f->name,
			why.msg);
	return FLAGS_WRONG;
}

/* --- parsing ------------------------------------------------------------------------------ */

struct cursor {
	int argc, i; /* i: the argument being read */
	char **argv;
};

static const char *next_argument(struct cursor *c)
{
	return c->i + 1 < c->argc ? c->argv[++c->i] : NULL;
}

static struct flag *find(struct flag *flags, struct span name, char letter)
{
	for (; flags->name; flags++)
		if (letter ? flags->letter == letter : span_eqs(name, flags->name))
			return flags;
	return NULL;
}

static enum flags_result wrong(struct err *e, const char *fmt, const char *text)
	__attribute__((format(printf, 2, 0)));
static enum flags_result wrong(struct err *e, const char *fmt, const char *text)
{
	cleanup_free char *msg = xasprintf(fmt, text);

	err_kind(e, ERR_INVALID, "%s", msg);
	return FLAGS_WRONG;
}

static enum flags_result parse_long(struct flag *flags, struct cursor *c, struct err *e)
{
	const char *arg = c->argv[c->i], *value = NULL;
	struct span name = span_of(arg + 2);
	ssize_t equals;
	struct flag *f;

	if (!name.n || *name.p == '-' || *name.p == '=')
		return wrong(e, "bad flag syntax: %s", arg);
	equals = span_chr(name, '=');
	if (equals >= 0)
		value = span_cut(&name, (size_t)equals).p;
	f = find(flags, name, 0);
	if (!f && span_eqs(name, "help"))
		return value && !strcmp(value, "false") ? FLAGS_OK : FLAGS_HELP;
	if (!f) {
		cleanup_free char *shown = span_dup(name);

		return wrong(e, "unknown flag: --%s", shown);
	}
	if (!value)
		value = f->type == FLAG_BOOL ? "true" : next_argument(c);
	if (!value)
		return wrong(e, "flag needs an argument: %s", arg);
	return set(f, value, e);
}

static enum flags_result parse_short(struct flag *flags, struct cursor *c, struct err *e)
{
	const char *cluster = c->argv[c->i] + 1, *p, *value;
	enum flags_result r;
	struct flag *f;

	for (p = cluster; *p; p++) {
		f = find(flags, (struct span){0}, *p);
		if (!f && *p == 'h') {
			fputs("Flag shorthand -h has been deprecated, use --help\n", stderr);
			return FLAGS_HELP;
		}
		if (!f) {
			char fmt[64];

			snprintf(fmt, sizeof(fmt), "unknown shorthand flag: '%c' in -%%s",
				*p >= ' ' && *p < 0x7f && *p != '%' ? *p : '?');
			return wrong(e, fmt, cluster);
		}
		if (p[1] == '=' && p[2])
			return set(f, p + 2, e);
		if (f->type != FLAG_BOOL) {
			value = p[1] ? p + 1 : next_argument(c);
			if (value)
				return set(f, value, e);
			err_kind(e, ERR_INVALID, "flag needs an argument: '%c' in -%.200s", *p, cluster);
			return FLAGS_WRONG;
		}
		r = set(f, "true", e);
		if (r)
			return r;
	}
	return FLAGS_OK;
}

enum flags_result flags_parse(struct flag *flags, bool own_args, int *argc, char **argv,
	struct err *e)
{
	struct cursor c = {.argc = *argc, .argv = argv};
	enum flags_result r = FLAGS_OK;
	int kept = 0;

	for (; c.i < c.argc && !r; c.i++) {
		const char *arg = argv[c.i];

		if (arg[0] != '-' || !arg[1]) {
			argv[kept++] = argv[c.i];
			if (own_args)
				break;
		} else if (!strcmp(arg, "--")) {
			break;
		} else {
			r = arg[1] == '-' ? parse_long(flags, &c, e) : parse_short(flags, &c, e);
		}
	}
	for (c.i++; c.i < c.argc && !r; c.i++)
		argv[kept++] = argv[c.i];
	if (!r)
		argv[kept] = NULL;
	*argc = kept;
	return r;
}

bool flags_seen(const struct flag *flags, const char *name)
{
	for (; flags->name; flags++)
		if (!strcmp(flags->name, name))
			return flags->seen;
	return false;
}

/* --- help --------------------------------------------------------------------------------- */

static const char *word_of(const struct flag *f)
{
	switch (f->type) {
	case FLAG_BOOL:
		return "";
	case FLAG_STRING:
		return "string";
	case FLAG_INT:
		return "int";
	case FLAG_UINT16:
		return "uint16";
	case FLAG_LIST:
		return "list";
	case FLAG_DURATION:
		return "duration";
	case FLAG_CPUS:
		return "decimal";
	case FLAG_BYTES:
	case FLAG_SWAP:
		break;
	}
	return "bytes";
}

static char *left_column(const struct flag *f)
{
	const char *word = f->word ? f->word : word_of(f);

	if (f->letter)
		return xasprintf("  -%c, --%s%s%s", f->letter, f->name, *word ? " " : "", word);
	return xasprintf("      --%s%s%s", f->name, *word ? " " : "", word);
}

/* @text from column @indent on, broken at blanks where a line would pass HELP_WIDTH; a newline in
 * the text starts a line too. */
static void wrap(const char *text, size_t indent, struct buf *out)
{
	size_t room = indent + 24 < HELP_WIDTH ? HELP_WIDTH - indent : 24, n, cut;

	while (*text) {
		n = strcspn(text, "\n");
		if (n > room) {
			for (cut = room; cut && text[cut] != ' '; cut--)
				;
			n = cut ? cut : n;
		}
		buf_add(out, text, n);
		buf_addc(out, '\n');
		text += n + (text[n] == ' ' || text[n] == '\n');
		for (cut = 0; *text && cut < indent; cut++)
			buf_addc(out, ' ');
	}
}

void flags_help(const struct flag *flags, struct buf *out)
{
	const struct flag *f;
	size_t width = 0, n;

	for (f = flags; f->name; f++) {
		cleanup_free char *left = f->hidden || f->instead ? xstrdup("") : left_column(f);

		n = strlen(left);
		width = n > width ? n : width;
	}
	for (f = flags; f->name; f++) {
		if (f->hidden || f->instead)
			continue;
		cleanup_free char *left = left_column(f);

		buf_addf(out, "%-*s", (int)width + 3, left);
		wrap(f->help, width + 3, out);
	}
}
