/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/template.h - the Go templates people give to --format and inspect -f
 *
 * The language of Go's text/template as far as Docker users need it, over JSON values:
 *
 *   {{.State.Pid}} {{$v.Name}} {{index .Labels "k"}} {{(index .Mounts 0).Source}} {{.Label "k"}}
 *   {{if}} {{else if}} {{else}} {{with}} {{range $i, $v := …}} {{break}} {{continue}} {{end}}
 *   {{$v := …}} {{$v = …}}  pipelines, parentheses, {{- trimming -}}, comments
 *   and or not eq ne lt le gt ge len index slice print printf println html urlquery
 *   json split join title lower upper pad truncate
 *
 * Not there: {{define}}, {{template}}, {{block}}, methods (but those of tmpl_env), complex numbers.
 * Error texts are Go's, as scripts and people's search engines know them.
 *
 * Nesting of what is parsed is bounded; execution is as deep as the text is nested.
 */
#ifndef DOCKER_TEMPLATE_H
#define DOCKER_TEMPLATE_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

struct tmpl;

/* What the caller knows of the data and JSON does not tell.  All members are optional. */
struct tmpl_env {
	/* Names of members that are maps in Go (the others are structs): printed as "map[…]", and an
	 * absent key is "<no value>".  NULL: everything is a map. NULL-terminated. */
	const char *const *maps;
	/* The value of a member that the JSON leaves out: a new reference, or NULL if there is no
	 * such member. */
	json_t *(*absent)(const char *name);
	/* Go's names of members whose JSON names differ: pairs of texts, NULL-terminated. */
	const char *const *renamed;
	/* A method with one string argument, {{.Label "k"}}: new reference, or NULL if none. */
	json_t *(*method)(const json_t *dot, const char *name, const char *arg);
	/* Go's name of the type of the outermost value, for its error messages; NULL: a raw map. */
	const char *type;
	/* {{json}} of what is no text escapes HTML. */
	bool html;
	/* The table's header is made: functions give their first argument back as it is. */
	bool headers;
	/* Bytes of output and steps of loops before giving up; 0: no bound. */
	uint64_t budget;
};

/**
 * tmpl_parse() - Parse a template
 * @name:	Its name in error messages; docker uses ""
 * @text:	Not needed after the call
 *
 * Return: the template, to tmpl_free(), or NULL with @e->msg as Go says it ("template: :1: …")
 */
struct tmpl *tmpl_parse(const char *name, const char *text, struct err *e);
void tmpl_free(struct tmpl *t);

/**
 * tmpl_exec() - Execute a template on a value
 * @dot:	Borrowed; what "." and "$" are
 * @env:	May be NULL
 * @out:	Appended to, also what came before an error
 *
 * Return: 0, or -1 with @e set
 */
int tmpl_exec(const struct tmpl *t, json_t *dot, const struct tmpl_env *env, struct buf *out,
	struct err *e);

/* Does it mention a field of that name anywhere? */
bool tmpl_uses(const struct tmpl *t, const char *field);

/* JSON text of a value as Go writes it: compact, UTF-8; with @html, <, > and & escaped. */
void gojson_print(const json_t *j, bool html, struct buf *out);
/* A string as Go's %q (strconv.Quote) shows it. */
void goquote(struct span s, struct buf *out);

#endif
