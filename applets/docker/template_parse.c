/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template_parse.c - a template's text becomes a tree
 *
 * Theory of operation
 *   Recursive descent over the tokens of template_lex.c, one function for each thing of Go's
 *   grammar.  Functions return NULL once parser.failed is set; the first complaint stands.
 *   Parentheses and control structures may nest NEST_MAX deep, which bounds our recursion here
 *   and in the executor.  All nodes hang on one list, so that tmpl_free() needs no tree walk.
 */
#include "template_lex.h"
#include "template_tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NEST_MAX 64 /* deeper than any template a person wrote */

struct parser {
	const char *name;
	struct lexer lex;
	struct tok back[3]; /* tokens pushed back, last first */
	size_t n_back;
	struct tok last;    /* the one read last: where complaints point */
	char **vars;	    /* in scope; names are borrowed from nodes */
	size_t n_vars;
	unsigned int depth, loops;
	struct node *all;
	bool failed;
	struct err *e;
};

/* How a list of statements ended. */
enum ending { ENDS_EOF, ENDS_END, ENDS_ELSE };

static struct node *parse_pipeline(struct parser *p, const char *context, enum tok_type end);

/* --- complaints --------------------------------------------------------------------------- */

static unsigned int line_of(const struct parser *p)
{
	unsigned int line = 1;
	size_t i;

	for (i = 0; i < p->last.pos; i++)
		line += p->lex.text[i] == '\n';
	return line;
}

static void *fail(struct parser *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void *fail(struct parser *p, const char *fmt, ...)
{
	char msg[256];
	va_list ap;

	if (p->failed)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	err_kind(p->e, ERR_INVALID, "template: %s:%u: %s", p->name, line_of(p), msg);
	p->failed = true;
	return NULL;
}

/* A token as Go shows it in "unexpected X in Y". */
static void *unexpected(struct parser *p, struct tok t, const char *context)
{
	cleanup_buf struct buf shown = BUF_INIT;
	struct span s = t.text;

	if (t.type == TOK_ERROR)
		return fail(p, "%s", p->lex.error);
	if (t.type == TOK_EOF)
		return fail(p, "unexpected EOF");
	if (t.type == TOK_KEYWORD) {
		buf_addf(&shown, "<%.*s>", (int)s.n, s.p);
	} else {
		if (s.n > 10)
			s.n = 10;
		goquote(s, &shown);
		if (t.text.n > 10)
			buf_adds(&shown, "...");
	}
	return fail(p, "unexpected %s in %s", shown.p, context);
}

/* --- tokens ------------------------------------------------------------------------------- */

static struct tok next(struct parser *p)
{
	p->last = p->n_back ? p->back[--p->n_back] : lex_next(&p->lex);
	return p->last;
}

static void backup(struct parser *p, struct tok t)
{
	if (p->n_back == ARRAY_SIZE(p->back))
		bug("template parser: too many tokens pushed back");
	p->back[p->n_back++] = t;
}

static struct tok peek(struct parser *p)
{
	struct tok t = next(p);

	backup(p, t);
	return t;
}

static struct tok next_word(struct parser *p)
{
	struct tok t;

	do
		t = next(p);
	while (t.type == TOK_SPACE);
	return t;
}

static struct tok peek_word(struct parser *p)
{
	struct tok t = next_word(p);

	backup(p, t);
	return t;
}

static bool is_keyword(struct tok t, const char *word)
{
	return t.type == TOK_KEYWORD && span_eqs(t.text, word);
}

/* --- nodes -------------------------------------------------------------------------------- */

static struct node *new_node(struct parser *p, enum node_type type, struct tok t)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->type = type;
	n->pos = t.pos;
	n->text = span_dup(t.text);
	n->all = p->all;
	p->all = n;
	return n;
}

static void push(struct node ***list, size_t *n, struct node *item)
{
	*list = xreallocarray(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = item;
}

static void push_name(struct node *n, struct span name)
{
	n->names = xreallocarray(n->names, n->n_names + 1, sizeof(*n->names));
	n->names[n->n_names++] = span_dup(name);
}

static void var_declare(struct parser *p, char *name)
{
	p->vars = xreallocarray(p->vars, p->n_vars + 1, sizeof(*p->vars));
	p->vars[p->n_vars++] = name;
}

static bool var_known(const struct parser *p, struct span name)
{
	size_t i;

	for (i = 0; i < p->n_vars; i++)
		if (span_eqs(name, p->vars[i]))
			return true;
	return span_eqs(name, "$");
}

/* --- constants ---------------------------------------------------------------------------- */

static void utf8_put(struct buf *b, unsigned long c)
{
	if (c < 0x80) {
		buf_addc(b, (char)c);
	} else if (c < 0x800) {
		buf_addc(b, (char)(0xc0 | c >> 6));
		buf_addc(b, (char)(0x80 | (c & 63)));
	} else if (c < 0x10000) {
		buf_addc(b, (char)(0xe0 | c >> 12));
		buf_addc(b, (char)(0x80 | (c >> 6 & 63)));
		buf_addc(b, (char)(0x80 | (c & 63)));
	} else {
		buf_addc(b, (char)(0xf0 | c >> 18));
		buf_addc(b, (char)(0x80 | (c >> 12 & 63)));
		buf_addc(b, (char)(0x80 | (c >> 6 & 63)));
		buf_addc(b, (char)(0x80 | (c & 63)));
	}
}

/* One backslash sequence at @s (behind the backslash): bytes used, or 0 if it is none. */
static size_t unescape(struct span s, char quote, struct buf *out)
{
	static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
	const char *at;
	uint64_t code;
	size_t digits;

	if (!s.n)
		return 0;
	if (*s.p == quote || (*s.p && (at = strchr(from, *s.p)))) {
		buf_addc(out, *s.p == quote ? quote : to[at - from]);
		return 1;
	}
	if (*s.p >= '0' && *s.p <= '7') {
		if (s.n < 3 || parse_u64_base((struct span){s.p, 3}, 8, 255, &code))
			return 0;
		buf_addc(out, (char)code);
		return 3;
	}
	digits = *s.p == 'x' ? 2 : *s.p == 'u' ? 4 : *s.p == 'U' ? 8 : 0;
	if (!digits || s.n < digits + 1 ||
		parse_u64_base((struct span){s.p + 1, digits}, 16, 0x10ffff, &code))
		return 0;
	if (digits == 2)
		buf_addc(out, (char)code);
	else
		utf8_put(out, code);
	return digits + 1;
}

/* The inside of a quoted string or rune. */
static int unquote(struct span s, struct buf *out)
{
	char quote = *s.p;
	size_t used;

	for (s.p++, s.n -= 2; s.n; s.p += used, s.n -= used) {
		if (*s.p != '\\') {
			buf_addc(out, *s.p);
			used = 1;
			continue;
		}
		used = unescape((struct span){s.p + 1, s.n - 1}, quote, out);
		if (!used)
			return -1;
		used++;
	}
	return 0;
}

static json_t *parse_rune(struct span s)
{
	cleanup_buf struct buf b = BUF_INIT;
	unsigned long c;
	size_t len, i;

	if (unquote(s, &b) || !b.n)
		return NULL;
	c = (unsigned char)b.p[0];
	len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (b.n != len)
		return b.n == 1 ? json_integer((json_int_t)c) : NULL;
	if (len > 1)
		c &= 0x7fU >> len;
	for (i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)b.p[i] & 63);
	return json_integer((json_int_t)c);
}

static json_t *parse_number(const char *text)
{
	cleanup_buf struct buf plain = BUF_INIT;
	bool negative = *text == '-';
	unsigned int base = 10;
	struct span digits;
	uint64_t v;
	char *end;
	double d;

	for (; *text; text++)
		if (*text != '_')
			buf_addc(&plain, *text);
	digits = span_of(plain.p + (negative || *plain.p == '+'));
	if (digits.n > 2 && digits.p[0] == '0' && strchr("xXoObB", digits.p[1])) {
		base = digits.p[1] == 'x' || digits.p[1] == 'X' ? 16 :
			digits.p[1] == 'b' || digits.p[1] == 'B' ? 2 : 8;
		digits.p += 2;
		digits.n -= 2;
	} else if (digits.n > 1 && digits.p[0] == '0' && strspn(digits.p, "01234567") == digits.n) {
		base = 8;
	}
	if (!parse_u64_base(digits, base, INT64_MAX, &v))
		return json_integer(negative ? -(json_int_t)v : (json_int_t)v);
	if (!digits.n || base != 10 || strspn(digits.p, "0123456789.eE+-") != digits.n)
		return NULL;
	errno = 0;
	d = strtod(plain.p, &end);
	return *end || errno ? NULL : json_real(d);
}

static struct node *parse_constant(struct parser *p, struct tok t)
{
	struct node *n = new_node(p, NODE_CONST, t);
	cleanup_buf struct buf b = BUF_INIT;

	switch (t.type) {
	case TOK_BOOL:
		n->value = json_boolean(span_eqs(t.text, "true"));
		break;
	case TOK_NUMBER:
		n->value = parse_number(n->text);
		if (!n->value)
			return fail(p, "bad number syntax: \"%.40s\"", n->text);
		break;
	case TOK_RUNE:
		n->value = parse_rune(t.text);
		if (!n->value)
			return fail(p, "malformed character constant: %.40s", n->text);
		break;
	case TOK_RAW:
		n->value = json_textn(t.text.p + 1, t.text.n - 2);
		break;
	default:
		if (unquote(t.text, &b))
			return fail(p, "invalid syntax");
		n->value = json_textn(b.p, b.n);
	}
	return n;
}

/* --- operands, commands, pipelines -------------------------------------------------------- */

static struct span after_dot(struct tok t)
{
	return (struct span){t.text.p + 1, t.text.n - 1};
}

static struct node *parse_parens(struct parser *p, struct tok t)
{
	struct node *n;

	if (++p->depth > NEST_MAX)
		return fail(p, "nested more than %d deep", NEST_MAX);
	n = parse_pipeline(p, "parenthesized pipeline", TOK_RPAREN);
	p->depth--;
	if (n)
		n->pos = t.pos + 1;
	return n;
}

/* NULL without p->failed: this is no operand, the token is pushed back. */
static struct node *parse_term(struct parser *p)
{
	struct tok t = next_word(p);
	struct node *n;

	switch (t.type) {
	case TOK_IDENT:
		n = new_node(p, NODE_IDENT, t);
		if (!tmpl_has_func(n->text))
			return fail(p, "function \"%.60s\" not defined", n->text);
		return n;
	case TOK_DOT:
		return new_node(p, NODE_DOT, t);
	case TOK_NIL:
		return new_node(p, NODE_NIL, t);
	case TOK_VARIABLE:
		if (!var_known(p, t.text))
			return fail(p, "undefined variable \"%.*s\"", (int)(t.text.n > 60 ? 60 : t.text.n),
				t.text.p);
		n = new_node(p, NODE_VARIABLE, t);
		push_name(n, t.text);
		return n;
	case TOK_FIELD:
		n = new_node(p, NODE_FIELD, t);
		push_name(n, after_dot(t));
		return n;
	case TOK_BOOL:
	case TOK_NUMBER:
	case TOK_RUNE:
	case TOK_STRING:
	case TOK_RAW:
		return parse_constant(p, t);
	case TOK_LPAREN:
		return parse_parens(p, t);
	default:
		backup(p, t);
		return NULL;
	}
}

/* A term and the fields behind it.  Go points at the second name of ".A.B" in messages. */
static struct node *parse_operand(struct parser *p)
{
	struct node *n = parse_term(p), *chain;
	struct tok t;

	if (!n || peek(p).type != TOK_FIELD)
		return n;
	t = peek(p);
	if (n->type == NODE_FIELD || n->type == NODE_VARIABLE) {
		n->pos = t.pos;
	} else if (n->type == NODE_DOT || n->type == NODE_NIL || n->type == NODE_CONST) {
		cleanup_buf struct buf shown = BUF_INIT;

		node_string(n, &shown);
		return fail(p, "unexpected . after term \"%.60s\"", shown.p);
	} else {
		chain = new_node(p, NODE_CHAIN, t);
		push(&chain->kids, &chain->n_kids, n);
		n = chain;
	}
	for (t = next(p); t.type == TOK_FIELD; t = next(p))
		push_name(n, after_dot(t));
	backup(p, t);
	return n;
}

static struct node *parse_command(struct parser *p)
{
	struct node *cmd = new_node(p, NODE_COMMAND, peek_word(p)), *n;
	struct tok t;

	for (;;) {
		n = parse_operand(p);
		if (p->failed)
			return NULL;
		if (n)
			push(&cmd->kids, &cmd->n_kids, n);
		t = next(p);
		if (t.type == TOK_SPACE)
			continue;
		if (t.type == TOK_RIGHT || t.type == TOK_RPAREN)
			backup(p, t);
		else if (t.type != TOK_PIPE)
			return unexpected(p, t, "operand");
		break;
	}
	return cmd->n_kids ? cmd : fail(p, "empty command");
}

/* "$v :=", "$v =", and in a range "$i, $v :=". */
static int parse_decl(struct parser *p, struct node *pipe, const char *context)
{
	struct tok v, space = {0}, t;

	while (peek_word(p).type == TOK_VARIABLE && pipe->n_decl < 2) {
		v = next_word(p);
		t = next(p);
		if (t.type == TOK_SPACE) {
			space = t;
			t = next(p);
		}
		if (t.type == TOK_ASSIGN || t.type == TOK_DECLARE) {
			pipe->assign = t.type == TOK_ASSIGN;
			if (pipe->assign && !var_known(p, v.text))
				return fail(p, "undefined variable \"%.*s\"", (int)v.text.n, v.text.p), -1;
			pipe->decl[pipe->n_decl++] = span_dup(v.text);
			return 0;
		}
		if (!span_eqs(t.text, ",") || strcmp(context, "range") || pipe->n_decl) {
			if (pipe->n_decl)
				return fail(p, "too many declarations in %s", context), -1;
			backup(p, t);
			if (space.type == TOK_SPACE)
				backup(p, space);
			backup(p, v);
			return 0;
		}
		pipe->decl[pipe->n_decl++] = span_dup(v.text);
		if (peek_word(p).type != TOK_VARIABLE)
			return fail(p, "range can only initialize variables"), -1;
	}
	return 0;
}

static struct node *check_pipeline(struct parser *p, struct node *pipe, const char *context)
{
	size_t i;

	if (!pipe->n_kids)
		return fail(p, "missing value for %s", context);
	for (i = 1; i < pipe->n_kids; i++) {
		enum node_type first = pipe->kids[i]->kids[0]->type;

		if (first == NODE_CONST || first == NODE_DOT || first == NODE_NIL)
			return fail(p, "non executable command in pipeline stage %zu", i + 1);
	}
	return pipe;
}

static struct node *parse_pipeline(struct parser *p, const char *context, enum tok_type end)
{
	struct node *pipe = new_node(p, NODE_PIPE, peek_word(p)), *cmd;
	struct tok t;
	size_t i;

	if (parse_decl(p, pipe, context))
		return NULL;
	for (i = 0; i < pipe->n_decl && !pipe->assign; i++)
		var_declare(p, pipe->decl[i]);
	for (;;) {
		t = next_word(p);
		if (t.type == end)
			return check_pipeline(p, pipe, context);
		if (t.type < TOK_LPAREN || t.type == TOK_RPAREN || t.type == TOK_KEYWORD)
			return unexpected(p, t, context);
		backup(p, t);
		cmd = parse_command(p);
		if (!cmd)
			return NULL;
		push(&pipe->kids, &pipe->n_kids, cmd);
	}
}

/* --- statements --------------------------------------------------------------------------- */

static enum ending parse_list(struct parser *p, struct node ***list, size_t *n, struct tok *end);

/* {{else}}, {{else if …}} and {{else with …}}; the latter are a structure inside the else. */
static void parse_else(struct parser *p, struct node *n, const char *word);

static struct node *parse_control(struct parser *p, struct tok t, enum node_type type)
{
	const char *word = type == NODE_IF ? "if" : type == NODE_WITH ? "with" : "range";
	struct node *n = new_node(p, type, t);
	size_t vars = p->n_vars;
	enum ending ending;
	struct tok end;

	if (++p->depth > NEST_MAX)
		return fail(p, "nested more than %d deep", NEST_MAX);
	n->pipe = parse_pipeline(p, word, TOK_RIGHT);
	if (!n->pipe)
		return NULL;
	p->loops += type == NODE_RANGE;
	ending = parse_list(p, &n->body, &n->n_body, &end);
	p->loops -= type == NODE_RANGE;
	if (ending == ENDS_EOF && !p->failed)
		return fail(p, "unexpected EOF");
	if (ending == ENDS_ELSE)
		parse_else(p, n, word);
	p->depth--;
	p->n_vars = vars;
	return p->failed ? NULL : n;
}

static void parse_else(struct parser *p, struct node *n, const char *word)
{
	struct tok t = peek_word(p), end;
	struct node *nested;

	if (strcmp(word, "range") && is_keyword(t, word)) {
		next_word(p);
		nested = parse_control(p, t, n->type);
		if (nested)
			push(&n->other, &n->n_other, nested);
		return; /* the nested structure took the {{end}} */
	}
	t = next_word(p);
	if (t.type != TOK_RIGHT) {
		unexpected(p, t, "else");
		return;
	}
	switch (parse_list(p, &n->other, &n->n_other, &end)) {
	case ENDS_EOF:
		fail(p, "unexpected EOF");
		break;
	case ENDS_ELSE:
		fail(p, "expected end; found {{else}}");
		break;
	case ENDS_END:
		break;
	}
}

static struct node *parse_loop_control(struct parser *p, struct tok t)
{
	enum node_type type = is_keyword(t, "break") ? NODE_BREAK : NODE_CONTINUE;
	const char *word = type == NODE_BREAK ? "break" : "continue";
	struct tok end = next_word(p);

	if (end.type != TOK_RIGHT)
		return unexpected(p, end, type == NODE_BREAK ? "{{break}}" : "{{continue}}");
	if (!p->loops)
		return fail(p, "{{%s}} outside {{range}}", word);
	return new_node(p, type, t);
}

static struct node *parse_action(struct parser *p, struct tok t)
{
	struct node *n;

	if (is_keyword(t, "if"))
		return parse_control(p, t, NODE_IF);
	if (is_keyword(t, "with"))
		return parse_control(p, t, NODE_WITH);
	if (is_keyword(t, "range"))
		return parse_control(p, t, NODE_RANGE);
	if (is_keyword(t, "break") || is_keyword(t, "continue"))
		return parse_loop_control(p, t);
	if (t.type == TOK_KEYWORD)
		return fail(p, "{{%.*s}} is not part of this client's templates", (int)t.text.n, t.text.p);
	backup(p, t);
	n = new_node(p, NODE_ACTION, t);
	n->pipe = parse_pipeline(p, "command", TOK_RIGHT);
	return n->pipe ? n : NULL;
}

static enum ending parse_list(struct parser *p, struct node ***list, size_t *n, struct tok *end)
{
	struct node *item;
	struct tok t;

	for (;;) {
		t = next(p);
		if (t.type == TOK_EOF)
			return ENDS_EOF;
		if (t.type == TOK_TEXT) {
			push(list, n, new_node(p, NODE_TEXT, t));
			continue;
		}
		if (t.type != TOK_LEFT) {
			unexpected(p, t, "input");
			return ENDS_EOF;
		}
		t = next_word(p);
		*end = t;
		if (is_keyword(t, "else"))
			return ENDS_ELSE;
		if (is_keyword(t, "end")) {
			t = next_word(p);
			if (t.type != TOK_RIGHT)
				unexpected(p, t, "end");
			return ENDS_END;
		}
		item = parse_action(p, t);
		if (!item)
			return ENDS_EOF;
		push(list, n, item);
	}
}

struct tmpl *tmpl_parse(const char *name, const char *text, struct err *e)
{
	struct parser p = {.name = name, .e = e};
	struct tmpl *t = xcalloc(1, sizeof(*t));
	enum ending ending;
	struct tok end;

	t->name = xstrdup(name);
	t->text = xstrdup(text);
	lex_init(&p.lex, t->text);
	ending = parse_list(&p, &t->body, &t->n_body, &end);
	if (ending != ENDS_EOF)
		fail(&p, "unexpected {{%s}}", ending == ENDS_END ? "end" : "else");
	t->all = p.all;
	free(p.vars);
	if (!p.failed)
		return t;
	tmpl_free(t);
	return NULL;
}

/* --- the tree ----------------------------------------------------------------------------- */

static void node_free(struct node *n)
{
	size_t i;

	for (i = 0; i < n->n_names; i++)
		free(n->names[i]);
	for (i = 0; i < n->n_decl; i++)
		free(n->decl[i]);
	free(n->names);
	free(n->text);
	free(n->kids);
	free(n->body);
	free(n->other);
	json_decref(n->value);
	free(n);
}

void tmpl_free(struct tmpl *t)
{
	struct node *n, *following;

	if (!t)
		return;
	for (n = t->all; n; n = following) {
		following = n->all;
		node_free(n);
	}
	free(t->body);
	free(t->name);
	free(t->text);
	free(t);
}

bool tmpl_uses(const struct tmpl *t, const char *field)
{
	const struct node *n;
	size_t i;

	for (n = t->all; n; n = n->all)
		for (i = n->type == NODE_VARIABLE; i < n->n_names; i++)
			if (!strcmp(n->names[i], field))
				return true;
	return false;
}

static void pipe_string(const struct node *n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n->n_decl; i++)
		buf_addf(out, "%s%s", i ? ", " : "", n->decl[i]);
	if (n->n_decl)
		buf_adds(out, n->assign ? " = " : " := ");
	for (i = 0; i < n->n_kids; i++) {
		buf_adds(out, i ? " | " : "");
		node_string(n->kids[i], out);
	}
}

void node_string(const struct node *n, struct buf *out)
{
	size_t i;

	switch (n->type) {
	case NODE_PIPE:
		pipe_string(n, out);
		return;
	case NODE_COMMAND:
		for (i = 0; i < n->n_kids; i++) {
			buf_adds(out, i ? " " : "");
			if (n->kids[i]->type == NODE_PIPE)
				buf_addc(out, '(');
			node_string(n->kids[i], out);
			if (n->kids[i]->type == NODE_PIPE)
				buf_addc(out, ')');
		}
		return;
	case NODE_FIELD:
	case NODE_CHAIN:
	case NODE_VARIABLE:
		if (n->type == NODE_CHAIN) {
			buf_addc(out, '(');
			node_string(n->kids[0], out);
			buf_addc(out, ')');
		}
		for (i = 0; i < n->n_names; i++)
			buf_addf(out, "%s%s", n->type == NODE_VARIABLE && !i ? "" : ".", n->names[i]);
		return;
	case NODE_DOT:
		buf_addc(out, '.');
		return;
	case NODE_NIL:
		buf_adds(out, "nil");
		return;
	default:
		buf_adds(out, n->text);
	}
}
