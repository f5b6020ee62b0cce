/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/format.h - lists: --format table, json or a template, --quiet
 *
 * A command makes one JSON object of texts for each thing it lists, all fields in it, and this
 * prints them as the user asked: as a table with headers, a JSON line each, or by a template.
 */
#ifndef DOCKER_FORMAT_H
#define DOCKER_FORMAT_H

#include "template.h"

struct field {
	const char *name;   /* "Names" */
	const char *header; /* "NAMES" */
};

struct listing {
	const struct field *fields; /* ended by a NULL name */
	const char *table;	    /* template of the default table, cells separated by "\t" */
	const char *quiet;	    /* template of --quiet */
	const char *raw;	    /* template of --format raw, or NULL */
	const char *type;	    /* Go's name of the row's type, in errors */
	const char *parse_error;    /* in front of a template's errors: "template parsing error" */
	const char *exec_error;
	json_t *(*method)(const json_t *row, const char *name, const char *arg); /* or NULL */
};

struct list {
	const struct listing *kind;
	struct tmpl *t;
	bool table;
	struct buf out;
};

/**
 * list_begin() - Decide how a list is printed
 * @format:	--format, "" or NULL if it was not given
 * @quiet:	--quiet; with a format of "" or "table" only
 *
 * Return: 0, or -1 with @e set (the template is wrong)
 */
int list_begin(struct list *l, const struct listing *kind, const char *format, bool quiet,
	struct err *e);
/* Does the format show this field?  (Some cost the engine time.) */
bool list_shows(const struct list *l, const char *field);
/* What an array holds, in @order (of two json_t *const *), NULL at the end; caller frees, the array keeps the members. */
json_t **list_sorted(const json_t *array, int (*order)(const void *, const void *));
/* By member Name, as people sort: digits by value ("v2" before "v10"). */
int list_by_name(const void *pa, const void *pb);
/* Add a row; @row_steal is released. 0, or -1 with @e. */
int list_row(struct list *l, json_t *row_steal, struct err *e);
/* Print all and release. */
void list_end(struct list *l);



/* Labels as "a=b,c=d", sorted. To free(). */
char *labels_text(const json_t *labels);

/* A format as typed on a command line: \t and \n become what they stand for. To free(). */
char *format_unescape(const char *format);

#endif
