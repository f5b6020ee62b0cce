/* SPDX-License-Identifier: MIT */
/*
 * core/api/engine_role.h - what supervisor and engine say to each other
 *
 * The supervisor starts the role ":engine COUNT KIT-DIR [reload]" with these descriptors (as 3, 4, 5, …; COUNT
 * listening sockets are the last; KIT-DIR, unless it is "", is RootlessKit's state directory, and one more socket
 * its API's; "reload": read daemon.json again) and talks with it over CONTROL, a SOCK_SEQPACKET pair. One
 * message is one struct role_message; only its first bytes travel where the rest is not used. Signals
 * are sent as signals: TERM and INT stop, HUP reloads.
 *
 *	engine -> supervisor	MAP_ME: unshared, write my id maps	READY: the API answers
 *				FAILED: with the reason; it ends
 *				BIND: a privileged port, with a socket to answer on
 *				NETWORK: connect <exec-root>/netns by a network driver, likewise
 *	supervisor -> engine	MAPPED
 *				on the socket that came with BIND: a struct role_bound, with the port's;
 *				with NETWORK: a struct role_network
 *
 * The end of one is the end of file for the other: the engine then ends at once, leaving containers
 * to their monitors; the supervisor starts the next engine if a signal killed it.
 */
#ifndef API_ENGINE_ROLE_H
#define API_ENGINE_ROLE_H

#include "base/err.h"
#include "engine/engine.h"
#include "net/port.h"

enum { ROLE_CONTROL = 3, ROLE_CONFIG, ROLE_DATA_LOCK, ROLE_EXEC_LOCK, ROLE_LISTEN };

#define ROLE_LISTEN_MAX 8 /* sockets the API answers on */

enum role_word { ROLE_MAP_ME = 1, ROLE_MAPPED, ROLE_READY, ROLE_FAILED, ROLE_BIND, ROLE_NETWORK };

enum role_step { STEP_UNSHARE = 1, STEP_SETTLE, STEP_OPEN };

struct role_message {
	enum role_word word;
	union {
		struct {
			enum role_step step; /* FAILED: what was being done */
			struct err err;	     /* FAILED: why */
		};
		struct port port; /* BIND; its port is not 0 */
		char driver[32];  /* NETWORK: by that one; "": by any that is installed and works */
	};
};

struct role_bound {
	int error; /* 0: the socket comes with this, bound; else an errno */
};

struct role_network {
	bool ok;
	struct network_way way; /* of ok: which */
	struct err err;	 /* else: why not */
};

int engine_role_main(int argc, char **argv);

#endif
