/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logsocket.h - a container's output in the host's own log: syslog or journald
 */
#ifndef RUNTIME_LOGSOCKET_H
#define RUNTIME_LOGSOCKET_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "runtime/logfile.h"

#include <stdint.h>
#include <sys/socket.h>

#define LOG_DRAIN_MS 2000 /* at the container's end, for a peer that does not read */

enum logsocket_kind { LOGSOCKET_NONE, LOGSOCKET_SYSLOG, LOGSOCKET_JOURNALD };

struct logsocket {
	enum logsocket_kind kind;
	int fd; /* -1: not connected */
	int type;
	bool tls; /* fd is a socket to the process that has the connection */
	struct sockaddr_storage address;
	socklen_t address_len;
	char *format, *tag, *fields; /* fields: what each journald message begins with */
	char host[65];
	int facility;
	size_t limit;	   /* bytes that may wait before more is dropped; 0: the container waits */
	struct buf queue;  /* messages that wait, each with its length before it */
	size_t sent;	   /* bytes of the first that are out already (a stream) */
	int64_t retry_at;  /* monotonic ns before which nothing is sent: the peer is not there */
	uint64_t ordinal;  /* of the piece of a long line */
	uint64_t count;	   /* of messages to journald, */
	char epoch[ID_LEN + 1]; /* since this, which is the run's */
	char partial_id[ID_LEN + 1];
	void (*changed)(void *arg); /* fd or what it waits for is another: watch it anew */
	void *arg;
};

void logsocket_init(struct logsocket *s);
/**
 * logsocket_open() - Take note where to; the connection is made with the first message
 * @socket:	NULL: nowhere; else {"kind": "syslog" or "journald", "type": "dgram" or "stream",
 *		"path": of a unix socket, or "ip" and "port", or "tls": as logtls.h has it, "buffer": bytes or 0, and
 *		for syslog "format", "facility", "tag"; for journald "fields": {NAME: text}}
 *
 * Return: 0, or -1 with @e
 */
int logsocket_open(struct logsocket *s, const json_t *socket, struct err *e);
void logsocket_add(struct logsocket *s, const struct log_entry *line);
void logsocket_flush(struct logsocket *s); /* send what the peer takes now */
/* Does something wait for the peer, and does the container have to wait with it? */
bool logsocket_waiting(const struct logsocket *s);
bool logsocket_blocking(const struct logsocket *s);
void logsocket_close(struct logsocket *s);

#endif
