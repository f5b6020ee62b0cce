/* SPDX-License-Identifier: MIT */
/*
 * core/net/datagram.h - private to netd: datagrams taken from one connected UDP socket and sent by another
 *
 * Many for one system call, and where the kernel can, many for one walk through its layers: datagrams of
 * one size are sent as one packet that is cut up as late as possible (UDP_SEGMENT), and what arrives
 * like that is received whole (UDP_GRO).  Their borders are kept.
 */
#ifndef NET_DATAGRAM_H
#define NET_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DATAGRAM_BATCH 64
#define DATAGRAM_MAX 65536

/* One piece of memory with one or more datagrams: all of @size bytes, the last one perhaps shorter. */
struct datagrams {
	uint8_t *p;
	size_t n, size;
};

/* Get ready to receive and send: a buffer for bursts, UDP_GRO. */
void datagram_prepare(int fd);

/* What has come, into DATAGRAM_BATCH buffers: how many of @out are filled, 0: none is there, -1 and errno. */
int datagram_receive(int fd, uint8_t (*buffers)[DATAGRAM_MAX], struct datagrams out[DATAGRAM_BATCH]);

/**
 * datagram_send() - Send what datagram_receive() gave
 * @sent:	Out: how many of @d, when it fails
 * @whole:	In, out: whether the way takes several as one; becomes false if not
 *
 * Return: 0, or -1 and errno: EAGAIN, or of the first one that was not sent
 */
int datagram_send(int fd, const struct datagrams *d, size_t n, size_t *sent, bool *whole);

#endif
