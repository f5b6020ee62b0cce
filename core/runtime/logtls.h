/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/logtls.h - syslog over TLS: a process that has the connection
 *
 * Where to is an object: "host" and "port"; "ca", "cert" and "key", paths of PEM files or ""; "verify".
 */
#ifndef RUNTIME_LOGTLS_H
#define RUNTIME_LOGTLS_H

#include "base/err.h"
#include "base/json.h"

/* Connect and shake hands, and leave again: 0, or -1 with @e in Docker's words.  Blocks. */
int logtls_try(const json_t *to, struct err *e);
/* Start the process (nobody's child): a SOCK_SEQPACKET that takes one message a packet, or -1 with @e.  It sends
 * what it got after that is closed, and ends. */
int logtls_start(const json_t *to, struct err *e);
int logtls_role_main(int argc, char **argv);

#endif
