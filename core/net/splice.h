/* SPDX-License-Identifier: MIT */
/*
 * core/net/splice.h - private to netd: two connected TCP sockets, each sent what the other receives
 *
 * What one side does the other sees: data, the end of sending while receiving goes on (half-close),
 * and a reset.  The data stays in the kernel: it goes through a pipe by splice(2).  A pair that is
 * idle holds two sockets and no pipe; one whose receiver is slow keeps what is in its pipe and reads no
 * more, so that the sender is slowed down by its own window.
 *
 * A struct splice is embedded in whatever owns the connection, and used by the loop's thread alone.  It may
 * change its loop: most connections carry little and stay with the thread that made them, which costs no
 * wake-up of another; one that proves to be large asks, by way of @large, to be moved.
 */
#ifndef NET_SPLICE_H
#define NET_SPLICE_H

#include "net/loop.h"

#include <stddef.h>

#define SPLICE_IDLE_PIPES 32
#define SPLICE_LARGE (256 * 1024) /* bytes both ways from which on a connection is large */

/* Empty pipes, for all pairs of one loop. */
struct splice_pool {
	struct loop *loop;
	int pipes[SPLICE_IDLE_PIPES][2];
	size_t n;
	bool shared; /* the sockets may have duplicates in other processes, if only for a moment (loop_close()) */
};

struct splice;

/* One socket, and the data that was received from it. */
struct splice_end {
	struct watch w;
	struct splice *splice;
	struct splice_end *other;
	int pipe[2];	 /* -1: none */
	size_t held;	 /* bytes in it */
	bool eof, done; /* it has ended; and the other one has been told so */
	bool stuck;	/* what it has received stays there: no pipe, and the other one takes no more */
	bool watched;	/* by the loop */
};

struct splice {
	struct splice_end a, b;
	struct splice_pool *pool;
	size_t moved; /* bytes, both ways */
	bool is_large;
	void (*closed)(struct splice *s);
	void (*large)(struct splice *s); /* NULL: nobody wants to know */
};

void splice_pool_init(struct splice_pool *p, struct loop *l);
void splice_pool_release(struct splice_pool *p);

/* What sockets to be spliced need, before they carry anything: one that is accepted has it of its listener. */
void splice_prepare(int fd);

/**
 * splice_start() - Begin to copy between two sockets
 * @a, @b:	Connected, non-blocking, prepared; taken over in any case
 * @b_added:	The loop knows @b, by another watch that is disarmed (EPOLLONESHOT)
 * @closed:	Called once, when both are closed: @s may be freed then.  Not from within this function
 *
 * Return: 0, or -1 and errno, and both are closed
 */
int splice_start(struct splice *s, struct splice_pool *p, int a, int b, bool b_added,
	void (*closed)(struct splice *s));
/* From now on: call @large once when it is (not from within this function); it may call splice_pause(). */
void splice_on_large(struct splice *s, void (*large)(struct splice *s));

/* Stop watching, for another loop to go on: by the thread of the old one, then by that of the new one.
 * splice_resume() may close it, as splice_start(). */
void splice_pause(struct splice *s);
int splice_resume(struct splice *s, struct splice_pool *p);

/* End it at once, with a reset to both sides; @closed is not called. */
void splice_abort(struct splice *s);

/* Close a TCP socket so that its peer sees a reset instead of an end; *fd becomes -1. */
void splice_reset(int *fd);

#endif
