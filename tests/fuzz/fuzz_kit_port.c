/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_kit_port.c - what rootlesskit and rootlessctl take for a published port */
#include "rootlesskit/kit.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct kit_port p;

	if (!kit_port_parse(text, &p, NULL) && (!p.child_port || !*p.parent_ip || !*p.proto))
		abort();
	return 0;
}
