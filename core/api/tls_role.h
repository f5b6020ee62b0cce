/* SPDX-License-Identifier: MIT */
/*
 * core/api/tls_role.h - the process in front of the engine that speaks TLS
 *
 * The supervisor starts ":tls SOCKET COUNT" with the configuration as 3 and COUNT listening TCP sockets as
 * 4, 5, …  Each connection that shakes hands is relayed to the engine's unix socket SOCKET.  It ends
 * with the supervisor, or with status 1 where it cannot begin.
 */
#ifndef API_TLS_ROLE_H
#define API_TLS_ROLE_H

#include "base/err.h"
#include "base/json.h"

struct tls_trust;

enum { TLS_ROLE_CONFIG = 3, TLS_ROLE_LISTEN };

/* The certificates that daemon.json's "tlscacert", "tlscert", "tlskey" name; clients are verified if
 * "tlsverify".  NULL with @e in dockerd's words. */
struct tls_trust *tls_role_trust(const json_t *raw, struct err *e);

int tls_role_main(int argc, char **argv);

#endif
