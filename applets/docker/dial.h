/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/dial.h - engines that are reached through something: TLS, or a command (ssh)
 *
 * Both give a plain stream socket; a thread or a process behind it does the rest.
 */
#ifndef DOCKER_DIAL_H
#define DOCKER_DIAL_H

#include "base/err.h"

#include <stdbool.h>

struct tls_trust;

/* What the options or the context say about TLS. */
struct dial_tls {
	bool wanted, verify;
	const char *ca, *cert, *key; /* files; NULL: the usual ones in @dir, where they are there */
	const char *dir;
};

/* Read the certificates.  NULL with @e in the stock client's words. */
struct tls_trust *dial_tls_load(const struct dial_tls *tls, struct err *e);

/* Shake hands with @host over the connected socket @net, which is taken.  A socket in the clear, or -1. */
int dial_tls(int net, const char *host, const struct tls_trust *trust, struct err *e);

/* The words of "ssh … docker system dial-stdio" for ssh://[user@]host[:port][/socket]: a vector to
 * strv_free(), or NULL with @e. */
char **dial_ssh_command(const char *url, struct err *e);
/* Run a command and talk to its standard input and output.  A socket, or -1. */
int dial_command(char *const argv[], struct err *e);

#endif
