/* SPDX-License-Identifier: MIT */
/*
 * core/base/json.h - jansson, with the manners this project needs
 *
 * Keys of API bodies are matched without regard to case, as Go's encoding/json does
 * (json_get_ci); files of our own are exact.  The getters never fail: a member that is absent,
 * null or of another type gives the default.  Nesting is bounded by the build of jansson
 * (JSON_PARSER_MAX_DEPTH), text by @max.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>

void cleanup_json_fn(json_t **j);
#define cleanup_json __attribute__((cleanup(cleanup_json_fn)))

/* Parse exactly one JSON value out of @n bytes.  NULL with @e (kind ERR_INVALID) set, else a new
 * reference.  Duplicate keys: the last wins.  Texts with U+0000 are refused. */
json_t *json_parse(const char *text, size_t n, struct err *e);
/* The first mistake in a text that is no JSON, in the words of Go's encoding/json ("invalid character
 * '}' looking for beginning of value"); false: it has none that Go would see. */
#define JSON_GO_MAX 128 /* bytes of such a message */
bool json_go_mistake(const char *text, size_t n, char out[static JSON_GO_MAX]);
/* Read and parse a whole file of at most @max bytes. */
json_t *json_load_at(int dirfd, const char *path, size_t max, struct err *e);
/* Compact text of @j, ending in a newline if @newline; order of members kept. */
void json_print(const json_t *j, bool newline, struct buf *out);
/* Quote @s (NULL: null) as json_print() does what json_text() made of it, without that detour. */
void json_print_str(const char *s, struct buf *out);
/* Write @j so that it is seen whole or not at all; flags as file_write_at(). Mode 0600. */
int json_save_at(int dirfd, const char *path, const json_t *j, int flags, struct err *e);

/* @j in an unnamed file, to be read from its start by a process that gets it: a descriptor, or -1 with @e. */
int json_memfd(const json_t *j, struct err *e);

/* From here on small pieces of JSON come from one block, which is begun anew whenever nothing in it lives: for a
 * process of one thread that makes, uses and releases one value after the other.  musl's malloc() gives the kernel its
 * pages back each time.  What was made before is released as ever. */
void json_use_block(void);

/* Borrowed member, or NULL; the _ci form ignores ASCII case where no exact key matches. */
json_t *json_get_ci(const json_t *obj, const char *key);
const char *json_str(const json_t *obj, const char *key, const char *def);
int64_t json_int(const json_t *obj, const char *key, int64_t def);
bool json_bool(const json_t *obj, const char *key, bool def);
/* Borrowed member of that type, or NULL. */
json_t *json_arr(const json_t *obj, const char *key);
json_t *json_obj(const json_t *obj, const char *key);
/* Follow a path of member names: json_path(j, "State", "Pid", NULL). Borrowed, or NULL. */
json_t *json_path(const json_t *j, ...) __attribute__((sentinel));

/* Setters take any UTF-8-or-not text: bytes that are no UTF-8 become U+FFFD, as Go writes them. */
json_t *json_text(const char *s);		 /* new reference; NULL gives JSON null */
json_t *json_textn(const char *s, size_t n);
void json_set_str(json_t *obj, const char *key, const char *value); /* NULL sets null */
void json_set_int(json_t *obj, const char *key, int64_t value);
void json_set_bool(json_t *obj, const char *key, bool value);
void json_set_new(json_t *obj, const char *key, json_t *value); /* steals @value */
void json_append_str(json_t *arr, const char *value);
json_t *json_strv(char *const *v); /* array of a NULL-terminated vector; NULL gives JSON null */
/* A NULL-terminated vector of the strings in an array; others are skipped. strv_free() it. */
char **json_to_strv(const json_t *arr);
void strv_free(char **v);

#endif
