/* SPDX-License-Identifier: MIT */
/*
 * core/registry/net_match.h - is this host one of those addresses?
 */
#ifndef REGISTRY_NET_MATCH_H
#define REGISTRY_NET_MATCH_H

#include "base/str.h"

/* Is @host an IP address (not a name) within "10.0.0.0/8", or equal to "10.1.2.3"? */
bool net_cidr_contains(struct span cidr, const char *host);
/* 127.0.0.0/8 and ::1. */
bool net_is_loopback(const char *host);

#endif
