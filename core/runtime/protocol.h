/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/protocol.h - what engine and monitor say to each other
 *
 * SOCK_SEQPACKET: a message is a struct below, sometimes with bytes behind it, and is refused
 * unless its length is exactly what its head says.
 *
 * Start, on the socketpair the monitor is born with:
 *	engine:  START with the monitor's directory; settings and request as text, in messages without a head that together have
 *		 the lengths START announced; ATTACH... with the client's socket
 *	monitor: STARTED or FAILED
 * Later, on that socketpair or a connection to monitor.sock (greeted with STARTED):
 *	engine:  ATTACH, RESIZE, SIGNAL, FREEZE, LIMIT, each with a socket for the answer as first descriptor:
 *		 answers on the connection itself would mix where threads share it
 *	monitor: on that socket DONE or FAILED; on every connection EXITED when all is over
 *
 * A monitor may be older than the engine it talks to: PROTOCOL is raised when this file changes.
 */
#ifndef RUNTIME_PROTOCOL_H
#define RUNTIME_PROTOCOL_H

#include <stdint.h>

#define PROTOCOL 2

#define MSG_TEXT_MAX 65536	   /* bytes of text in one message, or behind a struct */
#define MSG_REQUEST_MAX (32 << 20) /* bytes of settings and request together */

enum msg_type {
	MSG_START = 0x636f7201, /* no other program's message looks like this by accident */
	MSG_ATTACH,
	MSG_RESIZE,
	MSG_SIGNAL,
	MSG_STARTED,
	MSG_FAILED,
	MSG_DONE,
	MSG_EXITED,
	MSG_FREEZE,
	MSG_LIMIT,
};

struct msg_head {
	uint32_t type;
	uint32_t len; /* of the whole message */
};

struct msg_start {
	struct msg_head head;
	uint32_t settings_len, request_len, n_attach;
};

enum {
	ATTACH_IN = 1,
	ATTACH_OUT = 2,
	ATTACH_ERR = 4,
	ATTACH_FRAMED = 8,
};

struct msg_attach {
	struct msg_head head;
	uint32_t flags;
	uint32_t keys_len, text_len, early_len; /* bytes that follow, in this order */
};

struct msg_resize {
	struct msg_head head;
	uint32_t rows, cols;
};

struct msg_signal {
	struct msg_head head;
	int32_t signo;
	uint32_t all; /* 1: every process of the container */
};

struct msg_freeze {
	struct msg_head head;
	uint32_t on; /* 1: stop every process of the container; 0: let them go on */
};

struct msg_limit {
	struct msg_head head;
	uint32_t text_len; /* bytes of JSON that follow: "resources" in OCI's words */
};

struct msg_started {
	struct msg_head head;
	uint32_t protocol;
	int32_t pid;
	uint64_t start_time;
	int64_t started_at;
};

struct msg_failed {
	struct msg_head head;
	int32_t code, kind;
	char msg[1024], hint[512]; /* as in struct err */
};

struct msg_exited {
	struct msg_head head;
	int32_t exit_code;
	uint32_t oom_killed;
	int64_t finished_at;
};

union msg {
	struct msg_head head;
	struct msg_start start;
	struct msg_attach attach;
	struct msg_resize resize;
	struct msg_signal signal;
	struct msg_freeze freeze;
	struct msg_limit limit;
	struct msg_started started;
	struct msg_failed failed;
	struct msg_exited exited;
	char bytes[sizeof(struct msg_attach) + MSG_TEXT_MAX]; /* the longest head, and text */
};

#define MSG_HEAD(t, s) { (t), sizeof(s) }

#endif
