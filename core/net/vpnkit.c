/* SPDX-License-Identifier: MIT */
/*
 * core/net/vpnkit.c - greeting, frames and their lengths, and which of them do not pass
 *
 * The other end is a program of the host, which is trusted with the network but not with our memory; what
 * vpnkit_is_barred() looks at was made by containers.
 */
#include "net/vpnkit.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define HELLO_LEN 49 /* magic, version, commit */
#define ASK_LEN 41   /* command, uuid as text, an address */
#define VIF_LEN 258  /* success, MTU, longest packet, MAC, padding */
#define ETHER 14
#define IP 20

/* --- the greeting ------------------------------------------------------------------------------------------- */

static int get(int fd, void *p, size_t n, struct err *e)
{
	ssize_t got = fd_read_full(fd, p, n);

	return got == (ssize_t)n ? 0 : err_set(e, got < 0 ? errno : EPIPE, "hearing from the network's program");
}

static int put(int fd, const void *p, size_t n, struct err *e)
{
	return fd_write_full(fd, p, n) ? err_set(e, errno, "talking to the network's program") : 0;
}

/* A random UUID, as text: the same one would get the same address again, and we have one at a time. */
static void make_uuid(char text[37])
{
	uint8_t b[16];
	char hex[33];

	random_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 15) | 0x40);
	b[8] = (uint8_t)((b[8] & 63) | 0x80);
	hex_encode(b, sizeof(b), hex);
	snprintf(text, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

int vpnkit_begin(int fd, uint8_t mac[6], struct err *e)
{
	uint8_t hello[HELLO_LEN] = "VMN3T\x16", theirs[HELLO_LEN], ask[ASK_LEN] = {1}, vif[VIF_LEN];
	char uuid[37];

	memset(hello + 9, '0', 40);
	if (put(fd, hello, sizeof(hello), e) || get(fd, theirs, sizeof(theirs), e))
		return -1;
	if (memcmp(theirs, "VMN3T", 5))
		return err_set(e, EPROTO, "the network's program speaks another protocol than vpnkit's");
	make_uuid(uuid);
	memcpy(ask + 1, uuid, 36);
	if (put(fd, ask, sizeof(ask), e) || get(fd, vif, 1, e))
		return -1;
	if (*vif != 1)
		return err_set(e, EPROTO, "the network's program refuses an interface");
	if (get(fd, vif + 1, sizeof(vif) - 1, e))
		return -1;
	memcpy(mac, vif + 5, 6);
	return 0;
}

/* --- frames ---------------------------------------------------------------------------------------------------- */

size_t vpnkit_get(int fd, uint8_t *frame, size_t max)
{
	uint8_t head[2];
	size_t n;

	if (fd_read_full(fd, head, 2) != 2)
		return 0;
	n = head[0] | (size_t)head[1] << 8;
	return n && n <= max && fd_read_full(fd, frame, n) == (ssize_t)n ? n : 0;
}

int vpnkit_put(int fd, uint8_t *with_head, size_t n)
{
	with_head[0] = (uint8_t)n;
	with_head[1] = (uint8_t)(n >> 8);
	return fd_write_full(fd, with_head, n + 2);
}

bool vpnkit_is_barred(const uint8_t *frame, size_t n, const uint8_t gateway[4], bool host)
{
	const uint8_t *ip = frame + ETHER;
	size_t head;

	if (n < ETHER || frame[12] != 0x08 || frame[13] != 0)
		return false;
	if (n < ETHER + IP)
		return true;
	if (host && !memcmp(ip + 16, gateway, 3) && ip[19] == 254)
		return true;
	if (memcmp(ip + 16, gateway, 4) || ip[9] != IPPROTO_TCP)
		return false;
	head = (size_t)(ip[0] & 15) * 4;
	if ((ip[6] & 0x1f) || ip[7] || head < IP || n < ETHER + head + 4)
		return true;
	return (ip[head + 2] << 8 | ip[head + 3]) != 53;
}
