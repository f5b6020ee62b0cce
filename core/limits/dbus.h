/* SPDX-License-Identifier: MIT */
/*
 * core/limits/dbus.h - the wire format of D-Bus: writing calls, reading what comes
 *
 * Theory of operation
 *   D-Bus Specification, "Message Protocol".  A message is a fixed head of 12 bytes, an array of header
 *   fields, padding to 8, and a body whose types its signature tells.  Values are aligned to their size
 *   from the message's beginning (and so from the body's, which is aligned itself).
 *
 *   We write little-endian and read either.  Reading never looks beyond what is there: a reader that met
 *   something malformed is bad from then on, gives zeros, and is asked once at the end.
 *
 * Only counting and copying: dbus_conn.h has the socket.
 */
#ifndef LIMITS_DBUS_H
#define LIMITS_DBUS_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define DBUS_MESSAGE_MAX (1 << 20) /* bytes; the specification allows 128 MiB, nobody we ask needs it */

enum { DBUS_CALL = 1, DBUS_REPLY = 2, DBUS_ERROR = 3, DBUS_SIGNAL = 4 };
enum { DBUS_NO_REPLY = 1 };

/* --- writing: values go behind each other into a body ------------------------------------------------- */

void dbus_put_byte(struct buf *b, uint8_t v);
void dbus_put_bool(struct buf *b, bool v);
void dbus_put_u32(struct buf *b, uint32_t v);
void dbus_put_u64(struct buf *b, uint64_t v);
void dbus_put_string(struct buf *b, const char *s); /* an object path, too */
void dbus_put_signature(struct buf *b, const char *s);
void dbus_put_struct(struct buf *b); /* its members follow; a dict entry, too */
/* Elements that are aligned to @align follow until dbus_end_array() of what this returned. */
size_t dbus_put_array(struct buf *b, size_t align);
void dbus_end_array(struct buf *b, size_t array, size_t align);

struct dbus_call {
	const char *destination; /* for the manager itself, too: without one it does not answer */
	const char *path, *interface, *member;
	const char *signature; /* of the body; NULL: none */
	uint8_t flags;
};

/* Append a whole call. */
void dbus_put_call(struct buf *out, uint32_t serial, const struct dbus_call *c, const struct buf *body);

/* --- reading ------------------------------------------------------------------------------------------- */

struct dbus_reader {
	const uint8_t *p;
	size_t n, at;
	bool big_endian, bad;
};

uint8_t dbus_get_byte(struct dbus_reader *r);
uint32_t dbus_get_u32(struct dbus_reader *r);
uint64_t dbus_get_u64(struct dbus_reader *r);
struct span dbus_get_string(struct dbus_reader *r); /* an object path, too */
struct span dbus_get_signature(struct dbus_reader *r);
void dbus_get_struct(struct dbus_reader *r);
/* The end of an array whose elements are aligned to @align, for ->at to be compared with. */
size_t dbus_get_array(struct dbus_reader *r, size_t align);

struct dbus_message {
	uint8_t type;
	uint32_t serial, reply_serial;
	struct span member, error, signature; /* empty: absent */
	struct dbus_reader body;
};

/**
 * dbus_parse() - Read the message at the beginning of @n bytes
 *
 * Return: its length, and @m points into it; 0: there is more to come; -1: it is none
 */
ssize_t dbus_parse(const void *p, size_t n, struct dbus_message *m);

#endif
