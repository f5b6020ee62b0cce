/* SPDX-License-Identifier: MIT */
/*
 * core/net/vpnkit.h - the stream of frames that vpnkit and gvproxy speak
 *
 * Both sides say which version they speak; we ask for an interface and are told its MAC address; after that Ethernet
 * frames go both ways, each behind its length (16 bits, little endian).
 */
#ifndef NET_VPNKIT_H
#define NET_VPNKIT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VPNKIT_FRAME_MAX 65535

/* Greet, and ask for an interface.  Blocks.  0 with its address, or -1 with @e. */
int vpnkit_begin(int fd, uint8_t mac[6], struct err *e);
/* One frame; its length, or 0: the stream has ended, or what comes is no frame of at most @max bytes (then
 * nothing after it can be understood). */
size_t vpnkit_get(int fd, uint8_t *frame, size_t max);
/* Send the frame of @n bytes at @with_head + 2.  0, or -1 and errno. */
int vpnkit_put(int fd, uint8_t *with_head, size_t n);

/**
 * vpnkit_is_barred() - Is that frame for something the program should not offer?
 * @gateway:	Of its network.  TCP to it is only for port 53: gvproxy answers requests there that change
 *		which ports of the host are forwarded
 * @host:	Nor anything to .254 of that network, the host's loopback
 *
 * What cannot be judged (a later fragment, a header cut short) is barred.
 */
bool vpnkit_is_barred(const uint8_t *frame, size_t n, const uint8_t gateway[4], bool host);

#endif
