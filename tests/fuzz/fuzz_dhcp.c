/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_dhcp.c - frames that come in where an answer of DHCP is awaited
 *
 * What is taken can be used: an address with a subnet it can be in.
 */
#include "net/dhcp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = {2, 0, 0, 1, 2, 3};
	struct dhcp_lease l = {0}, none = {0};
	uint8_t frame[DHCP_FRAME_MAX];
	int type = dhcp_parse(data, size, mac, 0x12345678u, &l);
	size_t n;

	if (!type)
		return 0;
	if (type != DHCP_NAK && (l.addr.addr.family != AF_INET || !l.addr.len || l.addr.len > 30))
		abort();
	n = dhcp_build(frame, mac, 0x12345678u, DHCP_REQUEST, &l);
	if (n > sizeof(frame) || dhcp_parse(frame, n, mac, 0x12345678u, &none))
		abort(); /* a question is no answer */
	return 0;
}
