/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template_exec.c - a template's tree is walked over a JSON value
 *
 * Theory of operation
 *   Every function that can fail returns -1 once exec.e is filled; break and continue travel up as
 *   their own codes.  exec.at is the node an error is blamed on, moved exactly where Go moves it,
 *   because people compare messages.  Values own a reference each and die with their function.
 *
 *   JSON has no types, Go has: where it matters (printing, absent members), struct tmpl_env tells
 *   maps from structs by the name of the member a value came from.
 */
#include "template_tree.h"

#include <stdio.h>
#include <stdlib.h>

enum flow { FLOW_FAILED = -1, FLOW_ON, FLOW_BREAK, FLOW_CONTINUE };

struct var {
	const char *name;
	struct value v;
};

struct exec {
	const struct tmpl *t;
	const struct tmpl_env *env;
	struct value root;
	const struct node *at;
	struct var *vars;
	size_t n_vars;
	struct buf *out;
	uint64_t steps;
	struct err *e;
};

static const struct tmpl_env no_env;

static int eval_pipe(struct exec *x, struct value dot, const struct node *pipe, struct value *out);
static int eval_operand(struct exec *x, struct value dot, const struct node *n, struct value *out);

static void value_release(struct value *v)
{
	json_decref(v->j);
	v->j = NULL;
}

static void value_release_all(struct value *v, size_t n)
{
	while (n--)
		value_release(&v[n]);
}

static struct value value_ref(struct value v)
{
	json_incref(v.j);
	return v;
}

static int fail(struct exec *x, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int fail(struct exec *x, const char *fmt, ...)
{
	cleanup_buf struct buf shown = BUF_INIT;
	unsigned int line = 1;
	size_t i, column = 0;
	char msg[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	for (i = 0; i < x->at->pos; i++, column++) {
		if (x->t->text[i] == '\n') {
			line++;
			column = (size_t)-1;
		}
	}
	node_string(x->at, &shown);
	return err_kind(x->e, ERR_INVALID, "template: %s:%u:%zu: executing \"%s\" at <%s>: %s",
		x->t->name, line, column, x->t->name, shown.p, msg);
}

static int step(struct exec *x)
{
	if (x->env->budget && (++x->steps > x->env->budget || x->out->n > x->env->budget))
		return fail(x, "this takes too long");
	return 0;
}

/* --- variables ---------------------------------------------------------------------------- */

static void var_push(struct exec *x, const char *name, struct value v)
{
	x->vars = xreallocarray(x->vars, x->n_vars + 1, sizeof(*x->vars));
	x->vars[x->n_vars++] = (struct var){name, value_ref(v)};
}

static void vars_pop(struct exec *x, size_t to)
{
	while (x->n_vars > to)
		value_release(&x->vars[--x->n_vars].v);
}

static struct value *var_find(struct exec *x, const char *name)
{
	size_t i = x->n_vars;

	while (i--)
		if (!strcmp(x->vars[i].name, name))
			return &x->vars[i].v;
	return &x->root; /* "$", the parser let nothing else through */
}

static void pipe_declare(struct exec *x, const struct node *pipe, struct value v)
{
	struct value *var;
	size_t i;

	for (i = 0; i < pipe->n_decl; i++) {
		if (!pipe->assign) {
			var_push(x, pipe->decl[i], v);
			continue;
		}
		var = var_find(x, pipe->decl[i]);
		value_release(var);
		*var = value_ref(v);
	}
}

/* --- fields ------------------------------------------------------------------------------- */

static bool is_map(const struct exec *x, struct value v)
{
	return !x->env->maps || (v.from && str_in(v.from, x->env->maps));
}

static bool is_context(const struct exec *x, struct value v)
{
	return x->env->type && v.j == x->root.j;
}

static int no_field(struct exec *x, struct value v, bool made_up, const char *name)
{
	if (is_context(x, v))
		return fail(x, "can't evaluate field %s in type %s", name, x->env->type);
	if (made_up) /* docker tries again on the bare JSON, which stumbles one name earlier */
		return fail(x, "map has no entry for key \"%s\"", v.from);
	if (!v.j || json_is_null(v.j))
		return fail(x, "nil pointer evaluating interface {}.%s", name);
	if (json_is_object(v.j))
		return fail(x, "map has no entry for key \"%s\"", name);
	return fail(x, "can't evaluate field %s in type %s", name,
		x->env->type ? value_type(v) : "interface {}");
}

/* The member called @name in Go. */
static json_t *member_of(const struct exec *x, const json_t *obj, const char *name)
{
	json_t *member = json_object_get(obj, name);
	const char *const *pair;

	for (pair = x->env->renamed; !member && pair && *pair; pair += 2)
		if (!strcmp(pair[0], name))
			member = json_object_get(obj, pair[1]);
	return member;
}

/* One ".Name" of @v.  *made_up: @v (and then @out) is not in the JSON, but known to be nil. */
static int eval_field(struct exec *x, struct value v, const char *name, bool *made_up,
	struct value *out)
{
	bool was_made_up = *made_up;
	json_t *member = member_of(x, v.j, name);

	*made_up = !member;
	if (member) {
		*out = value_ref((struct value){member, name});
		return 0;
	}
	if (json_is_object(v.j) && !is_context(x, v)) {
		member = x->env->absent ? x->env->absent(name) : NULL;
		if (json_is_array(member)) { /* a nil slice: printing asks again what it is */
			json_decref(member);
			member = json_null();
		}
		*out = (struct value){member, name};
		if (member || (x->env->maps && is_map(x, v)))
			return 0;
	}
	return no_field(x, v, was_made_up, name);
}

/* {{.Label "k"}}: the one kind of method there is. 1 if @n is such a call. */
static int eval_method(struct exec *x, struct value dot, const struct node *n,
	const struct node *cmd, const struct value *final, struct value *out)
{
	const char *name = n->names[0];
	struct value arg = {0};
	json_t *found;
	size_t given;
	int rc = -1;

	if (!x->env->method || n->n_names != 1 || !is_context(x, dot))
		return 0;
	found = x->env->method(dot.j, name, "");
	if (!found)
		return 0;
	json_decref(found);
	given = cmd->n_kids - 1 + (final ? 1 : 0);
	if (given != 1)
		return fail(x, "wrong number of args for %s: want 1 got %zu", name, given);
	if (final)
		arg = value_ref(*final);
	else if (eval_operand(x, dot, cmd->kids[1], &arg))
		return -1;
	if (!final)
		x->at = cmd->kids[1];
	if (json_is_string(arg.j)) {
		*out = (struct value){x->env->method(dot.j, name, json_string_value(arg.j)), NULL};
		rc = 1;
	} else {
		cleanup_buf struct buf shown = BUF_INIT;

		node_string(x->at, &shown);
		fail(x, "expected string; found %s", shown.p);
	}
	value_release(&arg);
	return rc;
}

/* The fields of a node from name @first on. */
static int eval_fields(struct exec *x, struct value from, const struct node *n, size_t first,
	struct value *out)
{
	struct value v = value_ref(from), inner = {0};
	bool made_up = false;
	size_t i;

	for (i = first; i < n->n_names; i++) {
		x->at = n;
		if (eval_field(x, v, n->names[i], &made_up, &inner)) {
			value_release(&v);
			return -1;
		}
		value_release(&v);
		v = inner;
	}
	*out = v;
	return 0;
}

/* --- operands and commands ---------------------------------------------------------------- */

static int eval_operand(struct exec *x, struct value dot, const struct node *n, struct value *out)
{
	struct value base;
	int rc;

	x->at = n;
	switch (n->type) {
	case NODE_DOT:
		*out = value_ref(dot);
		return 0;
	case NODE_NIL:
		*out = (struct value){json_null(), NULL};
		return 0;
	case NODE_CONST:
		*out = value_ref((struct value){n->value, NULL});
		return 0;
	case NODE_FIELD:
		return eval_fields(x, dot, n, 0, out);
	case NODE_VARIABLE:
		return eval_fields(x, *var_find(x, n->names[0]), n, 1, out);
	case NODE_PIPE:
		return eval_pipe(x, dot, n, out);
	case NODE_CHAIN:
		if (eval_operand(x, dot, n->kids[0], &base))
			return -1;
		rc = eval_fields(x, base, n, 0, out);
		value_release(&base);
		return rc;
	default:
		return fail(x, "can't handle this operand");
	}
}

/* and, or: operands are looked at only until the answer is known. */
static int eval_logic(struct exec *x, struct value dot, const struct node *cmd,
	const struct value *final, struct value *out)
{
	bool stop_at = !strcmp(cmd->kids[0]->text, "or");
	size_t i;

	if (cmd->n_kids == 1 && !final)
		return fail(x, "wrong number of args for %s: want at least 1 got 0", cmd->kids[0]->text);
	*out = (struct value){0};
	for (i = 1; i < cmd->n_kids; i++) {
		value_release(out);
		if (eval_operand(x, dot, cmd->kids[i], out))
			return -1;
		if (value_true(x->env, *out) == stop_at)
			return 0;
	}
	if (final) {
		value_release(out);
		*out = value_ref(*final);
	}
	return 0;
}

static int eval_function(struct exec *x, struct value dot, const struct node *cmd,
	const struct value *final, struct value *out)
{
	const char *name = cmd->kids[0]->text;
	size_t n = cmd->n_kids - 1, done = 0;
	struct value *args;
	struct err why;
	int rc = -1;

	if (!strcmp(name, "and") || !strcmp(name, "or"))
		return eval_logic(x, dot, cmd, final, out);
	args = xcalloc(n + 1, sizeof(*args));
	for (; done < n; done++)
		if (eval_operand(x, dot, cmd->kids[done + 1], &args[done]))
			goto out;
	if (final)
		args[done++] = value_ref(*final);
	rc = tmpl_call(name, x->env, args, done, out, &why);
	if (rc) {
		x->at = why.kind == ERR_INVALID ? cmd->kids[0] : cmd;
		if (why.kind == ERR_INVALID)
			fail(x, "%s", why.msg);
		else
			fail(x, "error calling %s: %s", name, why.msg);
	} else if (!strcmp(name, "json") && x->env->html && !json_is_string(args[0].j)) {
		cleanup_buf struct buf text = BUF_INIT;

		/* Go marshals these contexts by a method that escapes HTML. */
		gojson_print(args[0].j, true, &text);
		value_release(out);
		*out = (struct value){json_textn(text.p, text.n), NULL};
	}
out:
	value_release_all(args, done);
	free(args);
	return rc;
}

static int eval_command(struct exec *x, struct value dot, const struct node *cmd,
	const struct value *final, struct value *out)
{
	const struct node *first = cmd->kids[0];
	bool has_args = cmd->n_kids > 1 || final;
	int rc;

	x->at = first;
	if (first->type == NODE_IDENT)
		return eval_function(x, dot, cmd, final, out);
	if (first->type == NODE_FIELD) {
		rc = eval_method(x, dot, first, cmd, final, out);
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	if (has_args) {
		cleanup_buf struct buf shown = BUF_INIT;

		node_string(first, &shown);
		if (first->type == NODE_FIELD || first->type == NODE_VARIABLE ||
			first->type == NODE_CHAIN) {
			if (is_context(x, dot) && first->type == NODE_FIELD)
				return fail(x, "wrong number of args for %s: want 0 got %zu", first->names[0],
					cmd->n_kids - 1 + (final ? 1 : 0));
			return fail(x, "%s is not a method but has arguments", first->names[first->n_names - 1]);
		}
		return fail(x, "can't give argument to non-function %s", shown.p);
	}
	if (first->type == NODE_NIL)
		return fail(x, "nil is not a command");
	return eval_operand(x, dot, first, out);
}

static int eval_pipe(struct exec *x, struct value dot, const struct node *pipe, struct value *out)
{
	struct value v = {0}, before;
	size_t i;
	int rc;

	for (i = 0; i < pipe->n_kids; i++) {
		before = v;
		v = (struct value){0};
		rc = eval_command(x, dot, pipe->kids[i], i ? &before : NULL, &v);
		value_release(&before);
		if (rc)
			return -1;
	}
	pipe_declare(x, pipe, v);
	*out = v;
	return 0;
}

/* --- statements --------------------------------------------------------------------------- */

static enum flow walk_list(struct exec *x, struct value dot, struct node *const *list, size_t n);

static enum flow walk_branch(struct exec *x, struct value dot, const struct node *n)
{
	size_t vars = x->n_vars;
	struct value v;
	enum flow flow;

	if (eval_pipe(x, dot, n->pipe, &v))
		return FLOW_FAILED;
	if (value_true(x->env, v))
		flow = walk_list(x, n->type == NODE_WITH ? v : dot, n->body, n->n_body);
	else
		flow = walk_list(x, dot, n->other, n->n_other);
	value_release(&v);
	vars_pop(x, vars);
	return flow;
}

/* One turn of a range. */
static enum flow walk_turn(struct exec *x, const struct node *n, json_t *key, struct value item)
{
	size_t vars = x->n_vars, declared = n->pipe->n_decl;
	struct value k = {key, NULL}, *var;
	enum flow flow;
	size_t i;

	if (step(x))
		return FLOW_FAILED;
	for (i = 0; i < declared; i++) {
		struct value v = declared == 2 && i == 0 ? k : item;

		if (!n->pipe->assign) {
			var_push(x, n->pipe->decl[i], v);
			continue;
		}
		var = var_find(x, n->pipe->decl[i]);
		value_release(var);
		*var = value_ref(v);
	}
	flow = walk_list(x, item, n->body, n->n_body);
	vars_pop(x, vars);
	return flow == FLOW_CONTINUE ? FLOW_ON : flow;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum flow range_object(struct exec *x, const struct node *n, struct value over)
{
	size_t count = json_object_size(over.j), i = 0;
	const char **names = xcalloc(count + 1, sizeof(*names));
	enum flow flow = FLOW_ON;
	const char *key;
	json_t *item, *k;

	json_object_foreach(over.j, key, item)
		names[i++] = key;
	qsort(names, count, sizeof(*names), by_name); /* Go visits maps in the order of their keys */
	for (i = 0; i < count && flow == FLOW_ON; i++) {
		k = json_text(names[i]);
		flow = walk_turn(x, n, k, (struct value){json_object_get(over.j, names[i]), NULL});
		json_decref(k);
	}
	free(names);
	return flow;
}

static enum flow range_array(struct exec *x, const struct node *n, struct value over)
{
	enum flow flow = FLOW_ON;
	size_t i;

	for (i = 0; i < json_array_size(over.j) && flow == FLOW_ON; i++) {
		json_t *k = json_integer((json_int_t)i);

		flow = walk_turn(x, n, k, (struct value){json_array_get(over.j, i), over.from});
		json_decref(k);
	}
	return flow;
}

static enum flow range_count(struct exec *x, const struct node *n, json_int_t count)
{
	enum flow flow = FLOW_ON;
	json_int_t i;

	for (i = 0; i < count && flow == FLOW_ON; i++) {
		json_t *k = json_integer(i);

		flow = walk_turn(x, n, k, (struct value){k, NULL});
		json_decref(k);
	}
	return flow;
}

static enum flow walk_range(struct exec *x, struct value dot, const struct node *n)
{
	struct node pipe = *n->pipe;
	enum flow flow = FLOW_ON;
	struct value over;
	bool empty;

	pipe.n_decl = 0; /* they are set turn by turn */
	if (eval_pipe(x, dot, &pipe, &over))
		return FLOW_FAILED;
	x->at = n->pipe;
	empty = !value_true(x->env, over) || (json_is_object(over.j) && !json_object_size(over.j)) ||
		(json_is_integer(over.j) && json_integer_value(over.j) < 0);
	if (json_is_object(over.j) && !is_context(x, over)) {
		flow = range_object(x, n, over);
	} else if (json_is_array(over.j)) {
		flow = range_array(x, n, over);
	} else if (json_is_integer(over.j)) {
		flow = range_count(x, n, json_integer_value(over.j));
	} else if (over.j && !json_is_null(over.j)) {
		cleanup_buf struct buf shown = BUF_INIT;

		value_print(x->env, over, &shown);
		flow = fail(x, "range can't iterate over %s", shown.p) ? FLOW_FAILED : FLOW_ON;
	}
	if (flow == FLOW_BREAK)
		flow = FLOW_ON;
	else if (flow == FLOW_ON && empty)
		flow = walk_list(x, dot, n->other, n->n_other);
	value_release(&over);
	return flow;
}

static enum flow walk(struct exec *x, struct value dot, const struct node *n)
{
	struct value v;

	if (step(x))
		return FLOW_FAILED;
	switch (n->type) {
	case NODE_TEXT:
		buf_adds(x->out, n->text);
		return FLOW_ON;
	case NODE_IF:
	case NODE_WITH:
		return walk_branch(x, dot, n);
	case NODE_RANGE:
		return walk_range(x, dot, n);
	case NODE_BREAK:
		return FLOW_BREAK;
	case NODE_CONTINUE:
		return FLOW_CONTINUE;
	default:
		if (eval_pipe(x, dot, n->pipe, &v))
			return FLOW_FAILED;
		if (!n->pipe->n_decl)
			value_print(x->env, v, x->out);
		value_release(&v);
		return FLOW_ON;
	}
}

static enum flow walk_list(struct exec *x, struct value dot, struct node *const *list, size_t n)
{
	enum flow flow = FLOW_ON;
	size_t i;

	for (i = 0; i < n && flow == FLOW_ON; i++) {
		x->at = list[i];
		flow = walk(x, dot, list[i]);
	}
	return flow;
}

int tmpl_exec(const struct tmpl *t, json_t *dot, const struct tmpl_env *env, struct buf *out,
	struct err *e)
{
	struct exec x = {.t = t, .env = env ? env : &no_env, .out = out, .e = e};
	struct value from = {dot, NULL};
	enum flow flow;

	x.root = value_ref(from); /* "$" may be assigned to: then dot is still the caller's */
	flow = walk_list(&x, from, t->body, t->n_body);
	vars_pop(&x, 0);
	value_release(&x.root);
	free(x.vars);
	return flow == FLOW_FAILED ? -1 : 0;
}
