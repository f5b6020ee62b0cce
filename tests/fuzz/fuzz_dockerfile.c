/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_dockerfile.c - Dockerfiles, and what their instructions make of a config */
#include "image/dockerfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *config = json_object(), *args = json_pack("[s, s]", "A=b", "LONG=a value");
	bool cmd_set = false;
	const struct dockerfile_change how = {args, NULL, &cmd_set};
	char *text = malloc(size + 1); /* of exactly that size: reading over its end is seen */
	struct dockerfile f;
	size_t i;

	memcpy(text, data, size);
	text[size] = 0;
	if (!memchr(text, 0, size) && !dockerfile_parse((struct span){text, size}, &f, NULL)) {
		for (i = 0; i < f.n; i++) {
			struct buf said = BUF_INIT;

			if (dockerfile_is_change(f.lines[i].name))
				dockerfile_change(config, &f.lines[i], f.escape, &how, &said, NULL);
			buf_release(&said);
		}
		dockerfile_release(&f);
	}
	free(text);
	json_decref(args);
	json_decref(config);
	return 0;
}
