/* SPDX-License-Identifier: MIT */
/* What containers send as SYNs and echo requests: parsed, and what is parsed can be made again. */
#include "net/relay_packet.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t out[PACKET_MAX];
	struct packet p, again;
	size_t len;

	if (packet_parse(data, n, &p))
		return 0;
	if (p.transport < data || p.transport + p.n > data + n || p.header_n > p.n)
		abort();
	packet_make_error(&p.tuple, p.protocol, p.seq, 3, 1, out);
	if (p.protocol != IPPROTO_TCP)
		return 0;
	packet_make_rst(&p.tuple, p.seq, out);
	len = packet_make_tcp(&p.tuple, p.transport, p.header_n, out);
	if (packet_parse(out, len, &again) || !tuple_eq(&p.tuple, &again.tuple) || again.seq != p.seq)
		abort();
	return 0;
}
