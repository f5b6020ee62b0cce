/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/stream.h - our standard streams and terminal, joined to a container's
 *
 *   stream_begin()  terminal raw, signals held back: before the container is started
 *   stream_run()    carries bytes, signals and window sizes until it ends
 *   stream_end()    puts the terminal back; also after an error
 */
#ifndef DOCKER_STREAM_H
#define DOCKER_STREAM_H

#include "call.h"

#include <signal.h>
#include <termios.h>

#define DETACH_KEYS_MAX 16

struct detach_keys {
	unsigned char key[DETACH_KEYS_MAX];
	size_t n;
	size_t matched;
};

struct stream {
	struct docker *d;
	struct client *attach;	 /* answered 101; taken by stream_run() */
	struct client *wait;	 /* of POST …/wait, headers read; or NULL */
	bool tty;		 /* the container has a terminal: bytes come as they are */
	bool in, out;		 /* pass our standard input; output is attached */
	char *kill_target;	 /* "/containers/ID/kill": pass signals on; NULL: they end us */
	char *resize_target;	 /* "/containers/ID/resize"; NULL: its size is not ours to set */
	struct detach_keys keys;

	/* private */
	struct termios saved;
	bool raw;
	int signals;		 /* signalfd */
	sigset_t mask;
};

struct stream_result {
	bool detached;	   /* the user typed the detach keys */
	bool exited;	   /* the wait was answered */
	int status;	   /* then: the exit status */
	int signal;	   /* a signal that is to end us */
};

/* Keys as people write them: "ctrl-p,ctrl-q", "a". NULL or "": the default. */
int stream_keys_parse(const char *text, struct detach_keys *k, struct err *e);

/* -i with -t wants a terminal on our side: 0, or -1 with @e. */
int stream_check_tty(bool in, bool tty, struct err *e);

/* All members but the private ones are set. */
void stream_begin(struct stream *s);
int stream_run(struct stream *s, struct stream_result *r, struct err *e);
void stream_end(struct stream *s);
/* The exit status that follows from it; ends the process by the signal if one ended the stream. */
int stream_status(const struct stream_result *r);
/* The container's terminal gets the size of ours. */
void stream_resize(struct stream *s, int more_rows, int more_columns);

/* Read the answer of a wait: its exit status (125 with a message if waiting failed). */
int wait_status(struct client *wait, int *status, struct err *e);

/* Copy a multiplexed body (logs) to stdout and stderr, or a raw one to stdout. */
int stream_copy(struct client *c, bool multiplexed, struct err *e);

#endif
