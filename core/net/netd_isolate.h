/* SPDX-License-Identifier: MIT */
/* core/net/netd_isolate.h - private to netd: what it gives up, in two stages (netd_isolate.c) */
#ifndef NET_NETD_ISOLATE_H
#define NET_NETD_ISOLATE_H

#include "base/err.h"

#include <stdbool.h>

/* The calling thread keeps CAP_NET_ADMIN and CAP_NET_RAW; with @execfd >= 0 the process gets an empty root
 * directory.  0, or -1 with @e: do not go on. */
int netd_isolate(int execfd, struct err *e);
/* All threads: system calls that are not listed fail; with @kill they end the process.  0, -1 with @e. */
int netd_filter(bool kill, struct err *e);

#endif
