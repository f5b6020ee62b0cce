/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_nl.c - netlink messages of any shape are read within their bounds
 */
#include "net/nl.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const struct nlattr *a)
{
	struct span s = nl_payload(a), t = nl_text(a);
	volatile char sum = 0;

	for (size_t i = 0; i < s.n; i++)
		sum = (char)(sum + s.p[i]);
	if (t.n > s.n)
		abort();
	nl_u32(a, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nlattr *a[16], *inner[16];
	const struct nlmsghdr *h;
	size_t head;

	if (!size)
		return 0;
	head = *data++ % 64;
	/* At an address as the kernel's answers have it. */
	void *copy = malloc(--size ? size : 1);
	memcpy(copy, data, size);
	h = nl_message(copy, size);
	if (h) {
		nl_attrs(h, head, a, ARRAY_SIZE(a));
		for (size_t i = 0; i < ARRAY_SIZE(a); i++) {
			touch(a[i]);
			nl_nested(a[i], inner, ARRAY_SIZE(inner));
			for (size_t k = 0; k < ARRAY_SIZE(inner); k++)
				touch(inner[k]);
		}
	}
	free(copy);
	return 0;
}
