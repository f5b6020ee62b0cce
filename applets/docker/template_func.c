/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template_func.c - the functions templates can call
 *
 * Theory of operation
 *   One table: name, how many arguments, the C function.  They get evaluated arguments and make a
 *   new value; "and" and "or" are here by name only, as they must not evaluate all of theirs.
 *   A failure's text is what Go's function of that name says.
 */
#include "template_tree.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct call {
	const struct tmpl_env *env;
	const char *name;
	struct value *args;
	size_t n;
	struct value *out;
	struct err *e;
};

static int give(struct call *c, json_t *steal_j)
{
	*c->out = (struct value){steal_j, NULL};
	return 0;
}

static int give_text(struct call *c, const struct buf *b)
{
	return give(c, json_textn(b->p, b->n));
}

static int fail(struct call *c, const char *why)
{
	return err_kind(c->e, ERR_FAILED, "%s", why);
}

static int wrong_type(struct call *c, const char *want, struct value v)
{
	return err_kind(c->e, ERR_INVALID, "wrong type for value; expected %s; got %s", want,
		value_type(v));
}

static bool is_nil(struct value v)
{
	return !v.j || json_is_null(v.j);
}

static struct span text_of(struct value v)
{
	return (struct span){json_string_value(v.j), json_string_length(v.j)};
}

/* --- comparing ---------------------------------------------------------------------------- */

static bool is_basic(struct value v)
{
	return v.j && !json_is_object(v.j) && !json_is_array(v.j);
}

static bool comparable(struct value a, struct value b)
{
	return json_is_boolean(a.j) ? json_is_boolean(b.j) : json_typeof(a.j) == json_typeof(b.j);
}

static int incompatible(struct call *c, struct value a, struct value b)
{
	return err_kind(c->e, ERR_FAILED, "incompatible types for comparison: %s and %s", value_type(a),
		value_type(b));
}

/* Is the first argument equal to any of the others? */
static int call_eq(struct call *c)
{
	struct value *a = &c->args[0], *b;
	size_t i;

	if (c->n < 2)
		return fail(c, "missing argument for comparison");
	for (i = 1; i < c->n; i++) {
		b = &c->args[i];
		if (is_nil(*a) || is_nil(*b)) {
			if (is_nil(*a) && is_nil(*b))
				return give(c, json_true());
			continue;
		}
		if (!is_basic(*a) || !is_basic(*b))
			return err_kind(c->e, ERR_FAILED, "non-comparable type %s: %s",
				value_type(is_basic(*a) ? *b : *a), value_type(is_basic(*a) ? *b : *a));
		if (!comparable(*a, *b))
			return incompatible(c, *a, *b);
		if (json_equal(a->j, b->j))
			return give(c, json_true());
	}
	return give(c, json_false());
}

static int call_ne(struct call *c)
{
	if (call_eq(c))
		return -1;
	return give(c, json_boolean(!json_is_true(c->out->j)));
}

/* -1, 0, 1; -2 with the error set. */
static int order(struct call *c)
{
	struct value a = c->args[0], b = c->args[1];

	if (!is_basic(a) || !is_basic(b) || is_nil(a) || is_nil(b) || json_is_boolean(a.j))
		return fail(c, "invalid type for comparison"), -2;
	if (!comparable(a, b))
		return incompatible(c, a, b), -2;
	if (json_is_string(a.j)) {
		int d = strcmp(json_string_value(a.j), json_string_value(b.j));

		return (d > 0) - (d < 0);
	}
	if (json_is_integer(a.j))
		return (json_integer_value(a.j) > json_integer_value(b.j)) -
			(json_integer_value(a.j) < json_integer_value(b.j));
	return (json_real_value(a.j) > json_real_value(b.j)) -
		(json_real_value(a.j) < json_real_value(b.j));
}

static int call_order(struct call *c)
{
	int d = order(c);

	if (d == -2)
		return -1;
	return give(c, json_boolean(!strcmp(c->name, "lt") ? d < 0 :
		!strcmp(c->name, "le") ? d <= 0 : !strcmp(c->name, "gt") ? d > 0 : d >= 0));
}

static int call_not(struct call *c)
{
	return give(c, json_boolean(!value_true(c->env, c->args[0])));
}

/* --- looking into things ------------------------------------------------------------------ */

static int call_len(struct call *c)
{
	struct value v = c->args[0];

	if (json_is_string(v.j))
		return give(c, json_integer((json_int_t)json_string_length(v.j)));
	if (json_is_array(v.j))
		return give(c, json_integer((json_int_t)json_array_size(v.j)));
	if (json_is_object(v.j) && c->env->type)
		return err_kind(c->e, ERR_FAILED, "len of type %s", c->env->type);
	if (json_is_object(v.j))
		return give(c, json_integer((json_int_t)json_object_size(v.j)));
	if (is_nil(v) && c->env->absent)
		return give(c, json_integer(0)); /* a nil slice or map */
	if (is_nil(v))
		return fail(c, "len of nil pointer");
	return err_kind(c->e, ERR_FAILED, "len of type %s", value_type(v));
}

static bool all_strings(const json_t *obj)
{
	json_t *item;
	const char *key;

	json_object_foreach((json_t *)(uintptr_t)obj, key, item)
		if (!json_is_string(item))
			return false;
	return true;
}

/* One step of {{index}}: @v becomes what its key @k leads to (borrowed). */
static int index_one(struct call *c, struct value *v, struct value k)
{
	json_int_t i;

	if (is_nil(*v))
		return fail(c, "index of untyped nil");
	if (json_is_object(v->j)) {
		if (!json_is_string(k.j))
			return err_kind(c->e, ERR_FAILED, "value has type %s; should be string",
				value_type(k));
		json_t *found = json_object_get(v->j, json_string_value(k.j));

		/* The zero value of a map[string]string is "", of anything else it is nil. */
		if (!found && all_strings(v->j)) {
			*v = (struct value){json_string(""), NULL};
			json_array_append_new(c->args[c->n - 1].j, v->j); /* keeps it for us */
			return 0;
		}
		*v = (struct value){found, found ? json_string_value(k.j) : NULL};
		return 0;
	}
	if (!json_is_array(v->j) && !json_is_string(v->j))
		return err_kind(c->e, ERR_FAILED, "can't index item of type %s", value_type(*v));
	if (!json_is_integer(k.j))
		return err_kind(c->e, ERR_FAILED, "cannot index slice/array with type %s", value_type(k));
	i = json_integer_value(k.j);
	if (json_is_string(v->j)) {
		if (i < 0 || (size_t)i >= json_string_length(v->j))
			return fail(c, "reflect: string index out of range");
		*v = (struct value){json_integer((unsigned char)json_string_value(v->j)[i]), NULL};
		json_array_append_new(c->args[c->n - 1].j, v->j);
		return 0;
	}
	if (i < 0 || (size_t)i >= json_array_size(v->j))
		return fail(c, "reflect: slice index out of range");
	*v = (struct value){json_array_get(v->j, (size_t)i), v->from};
	return 0;
}

static int call_index(struct call *c)
{
	cleanup_json json_t *kept = json_array(); /* holds what steps made until we are done */
	struct value args[2] = {c->args[0], {kept, NULL}};
	struct call inner = {c->env, c->name, args, 2, c->out, c->e};
	struct value v = c->args[0];
	size_t i;

	if (c->env->type && json_is_object(v.j))
		return err_kind(c->e, ERR_FAILED, "can't index item of type %s", c->env->type);
	for (i = 1; i < c->n; i++)
		if (index_one(&inner, &v, c->args[i]))
			return -1;
	*c->out = (struct value){json_incref(v.j), v.from};
	return 0;
}

static int call_slice(struct call *c)
{
	struct value v = c->args[0];
	size_t bound[2] = {0, 0}, len, i;
	json_t *part;

	if (is_nil(v))
		return fail(c, "slice of untyped nil");
	if (!json_is_string(v.j) && !json_is_array(v.j))
		return err_kind(c->e, ERR_FAILED, "can't slice item of type %s", value_type(v));
	if (c->n > 3)
		return fail(c, "too many slice indexes");
	len = json_is_string(v.j) ? json_string_length(v.j) : json_array_size(v.j);
	bound[1] = len;
	for (i = 1; i < c->n; i++) {
		json_int_t at = json_integer_value(c->args[i].j);

		if (!json_is_integer(c->args[i].j))
			return err_kind(c->e, ERR_FAILED, "cannot index slice/array with type %s",
				value_type(c->args[i]));
		if (at < 0 || (size_t)at > len)
			return err_kind(c->e, ERR_FAILED, "index out of range: %lld", (long long)at);
		bound[i - 1] = (size_t)at;
	}
	if (bound[0] > bound[1])
		return err_kind(c->e, ERR_FAILED, "invalid slice index: %zu > %zu", bound[0], bound[1]);
	if (json_is_string(v.j))
		return give(c, json_textn(json_string_value(v.j) + bound[0], bound[1] - bound[0]));
	part = json_array();
	for (i = bound[0]; i < bound[1]; i++)
		json_array_append(part, json_array_get(v.j, i));
	return give(c, part);
}

/* --- printing ----------------------------------------------------------------------------- */

static int call_print(struct call *c)
{
	bool line = !strcmp(c->name, "println");
	cleanup_buf struct buf b = BUF_INIT;
	size_t i;

	for (i = 0; i < c->n; i++) {
		/* Print puts a space only between operands that are both no strings. */
		if (i && (line || (!json_is_string(c->args[i].j) && !json_is_string(c->args[i - 1].j))))
			buf_addc(&b, ' ');
		value_print(c->env, c->args[i].j ? c->args[i] : (struct value){json_null(), NULL}, &b);
	}
	if (line)
		buf_addc(&b, '\n');
	return give_text(c, &b);
}

static int call_printf(struct call *c)
{
	cleanup_buf struct buf b = BUF_INIT;

	if (!json_is_string(c->args[0].j))
		return wrong_type(c, "string", c->args[0]);
	value_printf(c->env, json_string_value(c->args[0].j), c->args + 1, c->n - 1, &b);
	return give_text(c, &b);
}

static int call_json(struct call *c)
{
	cleanup_buf struct buf b = BUF_INIT;

	gojson_print(c->args[0].j, false, &b);
	return give_text(c, &b);
}

/* html and urlquery: print all, then escape. */
static int call_escape(struct call *c)
{
	static const char special[] = "<>&'\"", *const entity[] = {"&lt;", "&gt;", "&amp;", "&#39;",
		"&#34;"};
	cleanup_buf struct buf b = BUF_INIT;
	struct value plain = {0};
	struct call print = {c->env, "print", c->args, c->n, &plain, c->e};
	struct span s;
	const char *at;
	size_t i;

	call_print(&print);
	s = text_of(plain);
	for (i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];

		at = ch ? strchr(special, ch) : NULL;
		if (*c->name == 'h' && at)
			buf_adds(&b, entity[at - special]);
		else if (*c->name == 'h' || isalnum(ch) || (ch && strchr("-_.~", ch)))
			buf_addc(&b, (char)ch);
		else if (ch == ' ')
			buf_addc(&b, '+');
		else
			buf_addf(&b, "%%%02X", ch);
	}
	json_decref(plain.j);
	return give_text(c, &b);
}

/* --- docker's own: text ------------------------------------------------------------------- */

static int call_case(struct call *c)
{
	cleanup_buf struct buf b = BUF_INIT;
	bool start = true;
	struct span s;
	size_t i;

	if (!json_is_string(c->args[0].j))
		return wrong_type(c, "string", c->args[0]);
	s = text_of(c->args[0]);
	for (i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];
		bool up = *c->name == 'u' || (*c->name == 't' && start);

		start = !isalnum(ch) && ch != '_' && ch != '\'' && ch < 0x80;
		buf_addc(&b, (char)(ch >= 0x80 ? ch : up ? toupper(ch) : *c->name == 'l' ? tolower(ch) : ch));
	}
	return give_text(c, &b);
}

static int call_split(struct call *c)
{
	struct span s, sep;
	json_t *list;
	const char *at;

	if (!json_is_string(c->args[0].j) || !json_is_string(c->args[1].j))
		return wrong_type(c, "string", c->args[json_is_string(c->args[0].j)]);
	s = text_of(c->args[0]);
	sep = text_of(c->args[1]);
	list = json_array();
	while (sep.n ? s.n != 0 && (at = memmem(s.p, s.n, sep.p, sep.n)) : s.n > 1) {
		size_t n = sep.n ? (size_t)(at - s.p) : 1;

		json_array_append_new(list, json_textn(s.p, n));
		s.p += n + sep.n;
		s.n -= n + sep.n;
	}
	json_array_append_new(list, json_textn(s.p, s.n));
	return give(c, list);
}

static int call_join(struct call *c)
{
	cleanup_buf struct buf b = BUF_INIT;
	size_t i;

	if (!json_is_array(c->args[0].j) && !is_nil(c->args[0]))
		return wrong_type(c, "[]string", c->args[0]);
	if (!json_is_string(c->args[1].j))
		return wrong_type(c, "string", c->args[1]);
	for (i = 0; i < json_array_size(c->args[0].j); i++) {
		if (i)
			buf_adds(&b, json_string_value(c->args[1].j));
		value_print(c->env, (struct value){json_array_get(c->args[0].j, i), NULL}, &b);
	}
	return give_text(c, &b);
}

#define PAD_MAX 10000

static int call_pad(struct call *c)
{
	cleanup_buf struct buf b = BUF_INIT;
	json_int_t i, n[2];

	if (!json_is_string(c->args[0].j))
		return wrong_type(c, "string", c->args[0]);
	for (i = 0; i < 2; i++) {
		if (!json_is_integer(c->args[i + 1].j))
			return wrong_type(c, "int", c->args[i + 1]);
		n[i] = json_integer_value(c->args[i + 1].j);
		n[i] = n[i] > PAD_MAX ? PAD_MAX : n[i];
	}
	if (json_string_length(c->args[0].j)) { /* nothing is not padded */
		for (i = 0; i < n[0]; i++)
			buf_addc(&b, ' ');
		buf_adds(&b, json_string_value(c->args[0].j));
		for (i = 0; i < n[1]; i++)
			buf_addc(&b, ' ');
	}
	return give_text(c, &b);
}

static int call_truncate(struct call *c)
{
	json_int_t max;
	struct span s;

	if (!json_is_string(c->args[0].j))
		return wrong_type(c, "string", c->args[0]);
	if (!json_is_integer(c->args[1].j))
		return wrong_type(c, "int", c->args[1]);
	s = text_of(c->args[0]);
	max = json_integer_value(c->args[1].j);
	if (max < 0)
		return fail(c, "slice bounds out of range");
	return give(c, json_textn(s.p, s.n < (size_t)max ? s.n : (size_t)max));
}

/* --- the table ---------------------------------------------------------------------------- */

static const struct func {
	const char *name;
	size_t min;
	ssize_t max; /* -1: any number */
	int (*fn)(struct call *c);
} funcs[] = {
	{"and", 1, -1, NULL}, /* the executor does these two */
	{"or", 1, -1, NULL},
	{"eq", 1, -1, call_eq},
	{"ne", 2, 2, call_ne},
	{"lt", 2, 2, call_order},
	{"le", 2, 2, call_order},
	{"gt", 2, 2, call_order},
	{"ge", 2, 2, call_order},
	{"not", 1, 1, call_not},
	{"len", 1, 1, call_len},
	{"index", 1, -1, call_index},
	{"slice", 1, -1, call_slice},
	{"print", 0, -1, call_print},
	{"println", 0, -1, call_print},
	{"printf", 1, -1, call_printf},
	{"html", 0, -1, call_escape},
	{"urlquery", 0, -1, call_escape},
	{"json", 1, 1, call_json},
	{"lower", 1, 1, call_case},
	{"upper", 1, 1, call_case},
	{"title", 1, 1, call_case},
	{"split", 2, 2, call_split},
	{"join", 2, 2, call_join},
	{"pad", 3, 3, call_pad},
	{"truncate", 2, 2, call_truncate},
};

static const struct func *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(funcs); i++)
		if (!strcmp(funcs[i].name, name))
			return &funcs[i];
	return NULL;
}

bool tmpl_has_func(const char *name)
{
	return find(name) != NULL;
}

int tmpl_call(const char *name, const struct tmpl_env *env, struct value *args, size_t n,
	struct value *out, struct err *e)
{
	static const char *const of_docker[] = {"json", "lower", "upper", "title", "split", "join",
		"pad", "truncate", NULL};
	const struct func *f = find(name);
	struct call c = {env, name, args, n, out, e};

	*out = (struct value){0};
	if (n < f->min || (f->max >= 0 && n > (size_t)f->max))
		return err_kind(e, ERR_INVALID, "wrong number of args for %s: want %s%zu got %zu", name,
			f->max < 0 ? "at least " : "", f->min, n);
	if (env->headers && str_in(name, of_docker)) {
		if (json_is_object(args[0].j))
			return wrong_type(&c, "string", args[0]);
		*out = (struct value){json_incref(args[0].j), NULL};
		return 0;
	}
	return f->fn(&c);
}
