/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_pax.c - records of pax headers */
#include "storage/pax.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	struct pax p = { 0 };

	if (!pax_parse(&p, (struct span){ (const char *)data, n }, &e)) {
		for (size_t i = 0; i < p.n_xattrs; i++) /* views of the input, inside it */
			if (p.xattrs[i].value.p < (const char *)data ||
				p.xattrs[i].value.p + p.xattrs[i].value.n > (const char *)data + n)
				bug("attribute %zu lies outside of the header", i);
	} else if (!e.msg[0]) {
		bug("refused without a word");
	}
	pax_release(&p);
	return 0;
}
