/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template_print.c - values as Go writes them: fmt, strconv.Quote, encoding/json
 *
 * Theory of operation
 *   What users compare byte for byte is not C's: floats are the shortest text that reads back as
 *   the same number, maps are "map[k:v]" in the order of their keys, structs "{a b}", a mismatch
 *   in printf is told in place ("%!d(string=x)").  Recursion follows the JSON's nesting, which its
 *   parser bounds.
 */
#include "template_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* --- floats ------------------------------------------------------------------------------- */

/* Shortest digits that read back as @d (positive, finite); the decimal exponent of the first. */
static int shortest(double d, char digits[24])
{
	char text[40], *e;
	size_t n = 0, i;
	int prec;

	for (prec = 0; prec < 17; prec++) {
		snprintf(text, sizeof(text), "%.*e", prec, d);
		if (strtod(text, NULL) == d)
			break;
	}
	e = strchr(text, 'e');
	for (i = 0; text + i < e; i++)
		if (text[i] != '.')
			digits[n++] = text[i];
	digits[n] = 0;
	return atoi(e + 1);
}

/* As Go's %v (@json false) or encoding/json: plain digits in the middle range, else an exponent. */
static void put_float(double d, bool json, struct buf *out)
{
	char digits[24];
	int exp, n, i;

	if (isnan(d) || isinf(d)) {
		buf_adds(out, isnan(d) ? "NaN" : d < 0 ? "-Inf" : "+Inf");
		return;
	}
	if (signbit(d))
		buf_addc(out, '-');
	if (d == 0) {
		buf_addc(out, '0');
		return;
	}
	exp = shortest(fabs(d), digits);
	n = (int)strlen(digits);
	if (exp < (json ? -6 : -4) || exp >= 21) {
		buf_addc(out, digits[0]);
		if (n > 1)
			buf_addf(out, ".%s", digits + 1);
		buf_addf(out, json ? "e%c%d" : "e%c%02d", exp < 0 ? '-' : '+', abs(exp));
		return;
	}
	if (exp < 0) {
		buf_adds(out, "0.");
		for (i = exp + 1; i < 0; i++)
			buf_addc(out, '0');
		buf_adds(out, digits);
		return;
	}
	for (i = 0; i < n || i <= exp; i++) {
		if (i == exp + 1)
			buf_addc(out, '.');
		buf_addc(out, i < n ? digits[i] : '0');
	}
}

/* --- strings ------------------------------------------------------------------------------ */

/* Length of the UTF-8 sequence at the front of @s, its code in *c; 0 if there is none. */
static size_t utf8_get(struct span s, unsigned long *c)
{
	unsigned char first = (unsigned char)*s.p;
	size_t len = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2, i;

	*c = first;
	if (len == 1)
		return 1;
	if (first < 0xc2 || first > 0xf4 || len > s.n)
		return 0;
	*c = first & (0x7fU >> len);
	for (i = 1; i < len; i++) {
		if (((unsigned char)s.p[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | ((unsigned char)s.p[i] & 63);
	}
	return len;
}

static bool is_printable(unsigned long c)
{
	return c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa1) && c != 0xad &&
		!(c >= 0x2028 && c <= 0x202e) && !(c >= 0x200b && c <= 0x200f) && c != 0xfeff &&
		!(c >= 0xd800 && c < 0xf900) && c < 0xe0000;
}

void goquote(struct span s, struct buf *out)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
	const char *special;
	unsigned long c;
	size_t len;

	buf_addc(out, '"');
	for (; s.n; s.p += len ? len : 1, s.n -= len ? len : 1) {
		len = utf8_get(s, &c);
		special = *s.p ? strchr(from, *s.p) : NULL;
		if (!len)
			buf_addf(out, "\\x%02x", (unsigned char)*s.p);
		else if (special)
			buf_addf(out, "\\%c", to[special - from]);
		else if (is_printable(c))
			buf_add(out, s.p, len);
		else if (c < 0x80)
			buf_addf(out, "\\x%02x", (unsigned int)c);
		else
			buf_addf(out, c < 0x10000 ? "\\u%04lx" : "\\U%08lx", c);
	}
	buf_addc(out, '"');
}

static void json_quote(struct span s, bool html, struct buf *out)
{
	static const char from[] = "\b\f\n\r\t\\\"", to[] = "bfnrt\\\"";
	const char *special;
	size_t i;

	buf_addc(out, '"');
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		special = c ? strchr(from, c) : NULL;
		if (special)
			buf_addf(out, "\\%c", to[special - from]);
		else if (c < 0x20 || (html && strchr("<>&", c)))
			buf_addf(out, "\\u%04x", c);
		else if (c == 0xe2 && s.n - i > 2 && (!memcmp(s.p + i, "\xe2\x80\xa8", 3) ||
						     !memcmp(s.p + i, "\xe2\x80\xa9", 3)))
			buf_addf(out, "\\u202%c", (unsigned char)s.p[i + 2] == 0xa8 ? '8' : '9'), i += 2;
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

void gojson_print(const json_t *j, bool html, struct buf *out)
{
	const char *key, *comma = "";
	const json_t *item;
	size_t i;

	switch (j ? json_typeof(j) : JSON_NULL) {
	case JSON_OBJECT:
		buf_addc(out, '{');
		json_object_foreach((json_t *)(uintptr_t)j, key, item) {
			buf_adds(out, comma);
			json_quote(span_of(key), html, out);
			buf_addc(out, ':');
			gojson_print(item, html, out);
			comma = ",";
		}
		buf_addc(out, '}');
		return;
	case JSON_ARRAY:
		buf_addc(out, '[');
		for (i = 0; i < json_array_size(j); i++) {
			buf_adds(out, i ? "," : "");
			gojson_print(json_array_get(j, i), html, out);
		}
		buf_addc(out, ']');
		return;
	case JSON_STRING:
		json_quote((struct span){json_string_value(j), json_string_length(j)}, html, out);
		return;
	case JSON_INTEGER:
		buf_addf(out, "%lld", (long long)json_integer_value(j));
		return;
	case JSON_REAL:
		put_float(json_real_value(j), true, out);
		return;
	default:
		buf_adds(out, json_is_true(j) ? "true" : json_is_false(j) ? "false" : "null");
	}
}

/* --- %v ----------------------------------------------------------------------------------- */

const char *value_type(struct value v)
{
	switch (v.j ? json_typeof(v.j) : JSON_NULL) {
	case JSON_OBJECT:
		return "map[string]interface {}";
	case JSON_ARRAY:
		return "[]interface {}";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "int";
	case JSON_REAL:
		return "float64";
	case JSON_NULL:
		return "<nil>";
	default:
		return "bool";
	}
}

static bool is_map(const struct tmpl_env *env, const char *from)
{
	return !env->maps || (from && str_in(from, env->maps));
}

bool value_true(const struct tmpl_env *env, struct value v)
{
	switch (v.j ? json_typeof(v.j) : JSON_NULL) {
	case JSON_OBJECT:
		return json_object_size(v.j) || !is_map(env, v.from);
	case JSON_ARRAY:
		return json_array_size(v.j);
	case JSON_STRING:
		return json_string_length(v.j);
	case JSON_INTEGER:
		return json_integer_value(v.j) != 0;
	case JSON_REAL:
		return json_real_value(v.j) != 0;
	default:
		return json_is_true(v.j);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_object(const struct tmpl_env *env, struct value v, struct buf *out)
{
	size_t n = json_object_size(v.j), i = 0;
	const char **names = xcalloc(n + 1, sizeof(*names));
	bool map = is_map(env, v.from);
	const char *key;
	json_t *item;

	json_object_foreach(v.j, key, item)
		names[i++] = key;
	if (map)
		qsort(names, n, sizeof(*names), by_name);
	buf_adds(out, map ? "map[" : "{");
	for (i = 0; i < n; i++) {
		buf_adds(out, i ? " " : "");
		if (map)
			buf_addf(out, "%s:", names[i]);
		item = json_object_get(v.j, names[i]);
		/* Values of a map have no name of their own: what they hold are structs. */
		value_print(env, (struct value){item ? item : json_null(), map ? NULL : names[i]}, out);
	}
	buf_addc(out, map ? ']' : '}');
	free(names);
}

/* A JSON null: a nil slice, a nil map or a nil pointer, which only its name tells. */
static void print_null(const struct tmpl_env *env, const char *from, struct buf *out)
{
	cleanup_json json_t *zero = env->absent && from ? env->absent(from) : NULL;

	buf_adds(out, json_is_array(zero) ? "[]" : from && env->maps && is_map(env, from) ? "map[]" :
		env->maps || !from ? "<nil>" : "<no value>");
}

void value_print(const struct tmpl_env *env, struct value v, struct buf *out)
{
	size_t i;

	switch (v.j ? json_typeof(v.j) : JSON_NULL) {
	case JSON_OBJECT:
		print_object(env, v, out);
		return;
	case JSON_ARRAY:
		buf_addc(out, '[');
		for (i = 0; i < json_array_size(v.j); i++) {
			buf_adds(out, i ? " " : "");
			value_print(env, (struct value){json_array_get(v.j, i), NULL}, out);
		}
		buf_addc(out, ']');
		return;
	case JSON_STRING:
		buf_add(out, json_string_value(v.j), json_string_length(v.j));
		return;
	case JSON_REAL:
		put_float(json_real_value(v.j), false, out);
		return;
	case JSON_NULL:
		if (v.j)
			print_null(env, v.from, out);
		else
			buf_adds(out, "<no value>");
		return;
	default:
		gojson_print(v.j, false, out);
	}
}

/* --- printf ------------------------------------------------------------------------------- */

struct directive {
	bool minus, plus, sharp, zero, space, has_prec;
	size_t width, prec;
	char verb;
};

#define PAD_MAX 10000 /* a width is no way to eat memory */

static size_t runes(struct span s)
{
	size_t n = 0, i;

	for (i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* Width and its padding; zeros go between sign and digits. */
static void pad(const struct directive *d, struct span s, bool number, struct buf *out)
{
	size_t have = runes(s), fill = d->width > have ? d->width - have : 0;
	bool zeros = d->zero && !d->minus && number;

	if (zeros && s.n && strchr("+-", *s.p)) {
		buf_addc(out, *s.p);
		s.p++, s.n--;
	}
	for (; fill && !d->minus; fill--)
		buf_addc(out, zeros ? '0' : ' ');
	buf_add(out, s.p, s.n);
	for (; fill; fill--)
		buf_addc(out, ' ');
}

static size_t parse_directive(const char *p, struct directive *d)
{
	const char *start = p;

	*d = (struct directive){0};
	for (;; p++) {
		if (*p == '-')
			d->minus = true;
		else if (*p == '+')
			d->plus = true;
		else if (*p == '#')
			d->sharp = true;
		else if (*p == '0')
			d->zero = true;
		else if (*p == ' ')
			d->space = true;
		else
			break;
	}
	for (; *p >= '0' && *p <= '9'; p++)
		d->width = d->width < PAD_MAX ? d->width * 10 + (size_t)(*p - '0') : PAD_MAX;
	if (*p == '.') {
		d->has_prec = true;
		for (p++; *p >= '0' && *p <= '9'; p++)
			d->prec = d->prec < PAD_MAX ? d->prec * 10 + (size_t)(*p - '0') : PAD_MAX;
	}
	d->verb = *p;
	return (size_t)(p - start) + (*p != 0);
}

static void bad_verb(const struct tmpl_env *env, char verb, struct value v, struct buf *out)
{
	buf_addf(out, "%%!%c(", verb);
	if (v.j && !json_is_null(v.j))
		buf_addf(out, "%s=", value_type(v));
	value_print(env, (struct value){v.j ? v.j : json_null(), NULL}, out);
	buf_addc(out, ')');
}

static bool put_integer(const struct directive *d, json_int_t i, struct buf *b)
{
	unsigned long long u = i < 0 ? 0 - (unsigned long long)i : (unsigned long long)i;
	char bits[65];
	int n = 64;

	if (d->verb == 'c' || d->verb == 'q') {
		char text[8];

		snprintf(text, sizeof(text), u < 0x80 ? "%c" : "?", (int)u);
		buf_addf(b, d->verb == 'q' ? "'%s'" : "%s", text);
		return true;
	}
	if (!strchr("dvxXob", d->verb))
		return false;
	if (i < 0 || d->plus || d->space)
		buf_addc(b, i < 0 ? '-' : d->plus ? '+' : ' ');
	if (d->sharp && strchr("xX", d->verb))
		buf_addf(b, "0%c", d->verb);
	bits[n] = 0;
	switch (d->verb) {
	case 'x':
		buf_addf(b, "%llx", u);
		break;
	case 'X':
		buf_addf(b, "%llX", u);
		break;
	case 'o':
		buf_addf(b, "%llo", u);
		break;
	case 'b':
		do
			bits[--n] = (char)('0' + (u & 1));
		while (u >>= 1);
		buf_adds(b, bits + n);
		break;
	default:
		buf_addf(b, "%llu", u);
	}
	return true;
}

static bool put_real(const struct directive *d, double r, struct buf *b)
{
	int prec = d->has_prec ? (int)d->prec : 6;

	if (d->plus && !signbit(r))
		buf_addc(b, '+');
	switch (d->verb) {
	case 'f':
	case 'F':
		buf_addf(b, "%.*f", prec, r);
		return true;
	case 'e':
		buf_addf(b, "%.*e", prec, r);
		return true;
	case 'g':
	case 'v':
		if (d->has_prec)
			buf_addf(b, "%.*g", prec, r);
		else
			put_float(r, false, b);
		return true;
	default:
		return false;
	}
}

static bool put_string(const struct directive *d, struct span s, struct buf *b)
{
	size_t i, keep = 0, n;

	if (d->has_prec) { /* that many runes */
		for (i = 0, n = 0; i < s.n && n <= d->prec; i++) {
			n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
			if (n <= d->prec)
				keep = i + 1;
		}
		s.n = keep;
	}
	switch (d->verb) {
	case 's':
	case 'v':
		buf_add(b, s.p, s.n);
		return true;
	case 'q':
		goquote(s, b);
		return true;
	case 'x':
	case 'X':
		for (i = 0; i < s.n; i++)
			buf_addf(b, d->verb == 'x' ? "%02x" : "%02X", (unsigned char)s.p[i]);
		return true;
	default:
		return false;
	}
}

/* Arrays apply the verb to each element. */
static void put_array(const struct tmpl_env *env, const struct directive *d, struct value v,
	struct buf *out);

static void put_value(const struct tmpl_env *env, const struct directive *d, struct value v,
	struct buf *out)
{
	cleanup_buf struct buf b = BUF_INIT;
	bool known = false, number = false;

	if (d->verb == 'T') {
		buf_adds(&b, value_type(v));
		known = true;
	} else if (json_is_string(v.j)) {
		known = put_string(d, (struct span){json_string_value(v.j), json_string_length(v.j)}, &b);
	} else if (json_is_integer(v.j)) {
		known = number = put_integer(d, json_integer_value(v.j), &b);
	} else if (json_is_real(v.j)) {
		known = number = put_real(d, json_real_value(v.j), &b);
	} else if (json_is_array(v.j) && d->verb != 'v') {
		put_array(env, d, v, &b);
		known = true;
	} else if (d->verb == 'v' || (d->verb == 't' && json_is_boolean(v.j))) {
		value_print(env, v.j ? v : (struct value){json_null(), NULL}, &b);
		known = true;
	}
	if (!known)
		bad_verb(env, d->verb, v, &b);
	pad(d, (struct span){b.p, b.n}, number, out);
}

static void put_array(const struct tmpl_env *env, const struct directive *d, struct value v,
	struct buf *out)
{
	struct directive each = *d;
	size_t i;

	each.width = 0;
	buf_addc(out, '[');
	for (i = 0; i < json_array_size(v.j); i++) {
		buf_adds(out, i ? " " : "");
		put_value(env, &each, (struct value){json_array_get(v.j, i), NULL}, out);
	}
	buf_addc(out, ']');
}

void value_printf(const struct tmpl_env *env, const char *fmt, const struct value *args, size_t n,
	struct buf *out)
{
	struct directive d;
	size_t used = 0, len;

	while (*fmt) {
		len = strcspn(fmt, "%");
		buf_add(out, fmt, len);
		fmt += len;
		if (!*fmt)
			break;
		fmt += 1 + parse_directive(fmt + 1, &d);
		if (!d.verb)
			buf_adds(out, "%!(NOVERB)");
		else if (d.verb == '%')
			buf_addc(out, '%');
		else if (used == n)
			buf_addf(out, "%%!%c(MISSING)", d.verb);
		else
			put_value(env, &d, args[used++], out);
	}
	if (used == n)
		return;
	buf_adds(out, "%!(EXTRA ");
	for (len = used; used < n; used++) {
		buf_adds(out, used > len ? ", " : "");
		if (args[used].j && !json_is_null(args[used].j))
			buf_addf(out, "%s=", value_type(args[used]));
		value_print(env, args[used], out);
	}
	buf_addc(out, ')');
}
