/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template_tree.h - the parsed template, shared by its parser and its executor
 *
 * Private to template_*.c.  The tree is immutable after parsing.
 */
#ifndef DOCKER_TEMPLATE_TREE_H
#define DOCKER_TEMPLATE_TREE_H

#include "template.h"

enum node_type {
	NODE_TEXT,     /* text */
	NODE_ACTION,   /* pipe */
	NODE_IF,       /* pipe, body, other */
	NODE_RANGE,    /* pipe, body, other */
	NODE_WITH,     /* pipe, body, other */
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_PIPE,     /* decl, assign, kids: commands */
	NODE_COMMAND,  /* kids: operands */
	NODE_FIELD,    /* names: .A.B */
	NODE_VARIABLE, /* names[0] is "$" or "$x", then fields */
	NODE_CHAIN,    /* kids[0] is an operand in parentheses (or a literal), then names */
	NODE_IDENT,    /* text: a function */
	NODE_DOT,
	NODE_NIL,
	NODE_CONST,    /* value; text is what was written */
};

struct node {
	enum node_type type;
	size_t pos;	    /* byte offset in the template, for messages */
	char *text;
	char **names;	    /* field names without dots */
	size_t n_names;
	json_t *value;
	struct node **kids;
	size_t n_kids;
	char *decl[2];	    /* variables set by a pipeline */
	size_t n_decl;
	bool assign;	    /* = and not := */
	struct node *pipe;
	struct node **body; /* lists of statements */
	size_t n_body;
	struct node **other; /* {{else}} */
	size_t n_other;
	struct node *all;   /* list of everything allocated */
};

struct tmpl {
	char *name;
	char *text;
	struct node *all; /* for tmpl_free() */
	struct node **body;
	size_t n_body;
};

/* Is there a function of that name?  (template_func.c) */
bool tmpl_has_func(const char *name);

/* What was written, as Go writes it back: ".A.B", "index .M 0". */
void node_string(const struct node *n, struct buf *out);

/* A value on its way: a JSON value (NULL: no value at all), and the name of the member it came
 * from, which tells maps from structs.  Values own a reference. */
struct value {
	json_t *j;
	const char *from;
};

struct exec; /* the executor's state */

/* Call a builtin.  0 with @out set (owned), or -1 with @e->msg the bare reason (kind ERR_INVALID: the
 * arguments do not fit the function, and the message is complete). */
int tmpl_call(const char *name, const struct tmpl_env *env, struct value *args, size_t n,
	struct value *out, struct err *e);

/* Go's fmt.Fprint of a value. */
void value_print(const struct tmpl_env *env, struct value v, struct buf *out);
bool value_true(const struct tmpl_env *env, struct value v);
/* Go's name for the type of a value in messages: "string", "int", … */
const char *value_type(struct value v);
/* fmt.Sprintf */
void value_printf(const struct tmpl_env *env, const char *fmt, const struct value *args, size_t n,
	struct buf *out);

#endif
