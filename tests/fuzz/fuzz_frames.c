/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_frames.c - vpnkit's stream, from its greeting on; each frame is judged as if a container had sent it
 */
#include "net/vpnkit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t gateway[4] = {192, 168, 127, 1};
	uint8_t mac[6], *frame;
	size_t n, sum = 0;
	int pair[2];

	/* Fits the socket's buffer: nobody has to read while we write. */
	if (size > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return 0;
	if (write(pair[0], data, size) != (ssize_t)size)
		abort();
	shutdown(pair[0], SHUT_WR);
	if (vpnkit_begin(pair[1], mac, NULL))
		goto out;
	frame = malloc(2048); /* of its own, for the sanitizer to watch its borders */
	while ((n = vpnkit_get(pair[1], frame, 2048))) {
		uint8_t *exact = malloc(n);

		memcpy(exact, frame, n);
		if (vpnkit_is_barred(exact, n, gateway, false) && !vpnkit_is_barred(exact, n, gateway, true))
			abort();
		free(exact);
		sum += n;
	}
	free(frame);
	if (sum > size)
		abort();
out:
	close(pair[0]);
	close(pair[1]);
	return 0;
}
