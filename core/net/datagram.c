/* SPDX-License-Identifier: MIT */
/*
 * core/net/datagram.c - datagrams taken from one connected UDP socket and sent by another
 *
 * Theory of operation
 *   A walk through the kernel's layers (routing, nft, bridge, veth, wake-up) costs some microseconds and
 *   is the price of a datagram, whatever its size.  So neighbours of one size become one message:
 *   its iovec points to each of them, a control message tells where to cut.  The kernel cuts up to
 *   SEGMENTS_MAX (64, since 4.18; 128 are newer), and nothing that would have to be a fragment: then, and
 *   where checksums cannot be put off, it refuses, and they go one by one.
 *
 *   Received, several are one already where the sender, or a network card, did the same.
 */
#include "net/datagram.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

/* #syscalls recvmmsg sendmmsg sendmsg sendto setsockopt */

#define RECEIVE_BUFFER (1 << 20) /* bytes; the kernel's rmem_max may be less */
#define SEGMENTS_MAX 64
#define WHOLE_MAX 65000 /* bytes, with headers below what an IP packet holds */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

union control {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

void datagram_prepare(int fd)
{
	int on = 1, size = RECEIVE_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on)); /* since 5.0 */
}

/* Of each datagram in a message. */
static size_t size_of(struct msghdr *m, size_t n)
{
	struct cmsghdr *c;
	int size;

	for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0 && (size_t)size < n)
			return (size_t)size;
	}
	return n;
}

int datagram_receive(int fd, uint8_t (*buffers)[DATAGRAM_MAX], struct datagrams out[DATAGRAM_BATCH])
{
	struct mmsghdr m[DATAGRAM_BATCH];
	struct iovec v[DATAGRAM_BATCH];
	union control control[DATAGRAM_BATCH];
	int i, n;

	for (i = 0; i < DATAGRAM_BATCH; i++) {
		v[i] = (struct iovec){buffers[i], DATAGRAM_MAX};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i],
			.msg_iovlen = 1,
			.msg_control = &control[i],
			.msg_controllen = sizeof(control[i])};
	}
	n = recvmmsg(fd, m, DATAGRAM_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	for (i = 0; i < n; i++)
		out[i] = (struct datagrams){buffers[i], m[i].msg_len, size_of(&m[i].msg_hdr, m[i].msg_len)};
	return n;
}

/* How many of @d can be one message, whose datagrams are all of one size but the last. */
static size_t run_length(const struct datagrams *d, size_t n)
{
	size_t bytes = 0, count = 0, i;

	if (!d[0].size)
		return 1;
	for (i = 0; i < n && d[i].size == d[0].size; i++) {
		bytes += d[i].n;
		count += (d[i].n + d[0].size - 1) / d[0].size;
		if (bytes > WHOLE_MAX || count > SEGMENTS_MAX)
			return i;
		if (d[i].n % d[0].size)
			return i + 1;
	}
	/* One shorter may end it. */
	if (i && i < n && d[i].n && d[i].n < d[0].size && bytes + d[i].n <= WHOLE_MAX && count < SEGMENTS_MAX)
		i++;
	return i;
}

/* 0, or -1 and errno. */
static int send_whole(int fd, const struct datagrams *d, size_t n)
{
	struct iovec v[DATAGRAM_BATCH];
	union control control = {{0}};
	struct msghdr m = {
		.msg_iov = v, .msg_iovlen = n, .msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(uint16_t))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	uint16_t size = (uint16_t)d[0].size;
	size_t i;

	for (i = 0; i < n; i++)
		v[i] = (struct iovec){d[i].p, d[i].n};
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* Does this errno mean that it could be sent in another way? */
static bool is_about_whole(int error)
{
	return error == EINVAL || error == EMSGSIZE || error == EIO || error == EOPNOTSUPP;
}

/* Cut up what is several in one. */
static int send_cut(int fd, const struct datagrams *d)
{
	size_t at, part;

	for (at = 0; at < d->n; at += part) {
		part = d->n - at < d->size ? d->n - at : d->size;
		if (send(fd, d->p + at, part, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return -1;
	}
	return 0;
}

/* One or more, each for itself: how many, or -1 and errno. */
static int send_singly(int fd, const struct datagrams *d, size_t n)
{
	struct mmsghdr m[DATAGRAM_BATCH];
	struct iovec v[DATAGRAM_BATCH];
	size_t i;

	for (i = 0; i < n && d[i].n == d[i].size; i++) {
		v[i] = (struct iovec){d[i].p, d[i].n};
		m[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &v[i], .msg_iovlen = 1}};
	}
	return i ? sendmmsg(fd, m, (unsigned int)i, MSG_DONTWAIT | MSG_NOSIGNAL) : send_cut(fd, d) ? -1 : 1;
}

int datagram_send(int fd, const struct datagrams *d, size_t n, size_t *sent, bool *whole)
{
	size_t run;
	int done;

	for (*sent = 0; *sent < n; *sent += run) {
		const struct datagrams *next = d + *sent;

		run = *whole ? run_length(next, n - *sent) : 0;
		if (run > 1 || (run && next->n > next->size)) {
			if (!send_whole(fd, next, run))
				continue;
			if (!is_about_whole(errno))
				return -1;
			*whole = false;
		}
		done = send_singly(fd, next, *whole ? 1 : n - *sent);
		if (done < 0)
			return -1;
		run = (size_t)done;
	}
	return 0;
}
