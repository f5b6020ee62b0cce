/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_dockerignore.c - the first line is a path, the rest a .dockerignore */
#include "image/dockerignore.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1); /* of exactly that size: reading over its end is seen */
	struct span rest = {text, size}, first;
	struct ignore *g;
	char *path;

	memcpy(text, data, size);
	text[size] = 0;
	if (size > 4096 || !span_token(&rest, '\n', &first) || memchr(first.p, 0, first.n)) {
		free(text);
		return 0;
	}
	path = span_dup(first);
	g = ignore_parse(rest, NULL);
	if (g) {
		char *slash;

		ignore_matches(g, path);
		for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = 0;
			ignore_walk(g, path, true);
			ignore_reaches_into(g, path);
			*slash = '/';
		}
		ignore_walk(g, path, false);
	}
	ignore_free(g);
	free(path);
	free(text);
	return 0;
}
