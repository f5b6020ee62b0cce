/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_reference.c - image names; what is accepted means the same when shown and typed again */
#include "image/image.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_free char *text = xstrndup((const char *)data, n), *shown = NULL, *a = NULL, *b = NULL;
	struct err e = ERR_INIT;
	struct imgref r, again;

	if (imgref_parse(text, &r, &e))
		return 0;
	if (strstr(r.repo, "..") || strpbrk(r.repo, " :@%?#") || strpbrk(r.host, " /@%?#"))
		bug("'%s' gives host '%s', repository '%s'", text, r.host, r.repo);
	shown = imgref_familiar(&r);
	a = imgref_canonical(&r);
	if (imgref_parse(shown, &again, &e))
		bug("'%s' is shown as '%s': %s", text, shown, e.msg);
	b = imgref_canonical(&again);
	if (strcmp(a, b))
		bug("'%s' is '%s', but shown as '%s' it is '%s'", text, a, shown, b);
	imgref_release(&r);
	imgref_release(&again);
	return 0;
}
