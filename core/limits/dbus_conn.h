/* SPDX-License-Identifier: MIT */
/*
 * core/limits/dbus_conn.h - a connection to a bus, or straight to a program that speaks D-Bus
 */
#ifndef LIMITS_DBUS_CONN_H
#define LIMITS_DBUS_CONN_H

#include "base/err.h"
#include "limits/dbus.h"

struct dbus {
	int fd;
	bool is_bus; /* others are there too: signals come to those who ask */
	uint32_t serial;
	struct buf in;
	size_t used; /* bytes at its front that the last message took */
};

/* All block, but no longer than some seconds: what is at the other end may hang. */

/**
 * dbus_open() - Connect to a socket and say who we are
 * @path:	Of a socket; "@NAME" is an abstract one
 *
 * SASL EXTERNAL with nothing said: the other end takes the user id from the socket, which is the one
 * that it knows us by, whatever ours is in this user namespace.
 *
 * Return: 0, dbus_close() it; or -1 with @e
 */
int dbus_open(struct dbus *d, const char *path, bool is_bus, struct err *e);
void dbus_close(struct dbus *d);

/* Send a call.  Its serial, or 0 with @e. */
uint32_t dbus_send(struct dbus *d, const struct dbus_call *c, const struct buf *body, struct err *e);
/* The next message; it is valid until the next call.  0, or -1 with @e. */
int dbus_next(struct dbus *d, struct dbus_message *m, struct err *e);
/* An answer's error as @e, in its own words (the first string of its body). -1 */
int dbus_error(const struct dbus_message *m, struct err *e);
/* Send and wait for the answer; signals that come before are dropped.  0, or -1 with @e. */
int dbus_ask(struct dbus *d, const struct dbus_call *c, const struct buf *body, struct dbus_message *answer,
	struct err *e);

/* The path of the first unix socket in a bus address ("unix:path=/run/user/1000/bus,guid=…;…"), as
 * dbus_open() takes it; to free(), or NULL. */
char *dbus_address_path(const char *address);

#endif
