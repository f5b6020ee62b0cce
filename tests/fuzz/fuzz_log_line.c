/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_log_line.c - a line of a json-file log */
#include "engine/logs.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *copy = xmalloc(size + 1);
	struct log_line l = {0};

	memcpy(copy, data, size);
	log_line_parse(copy, size, &l);
	free(copy);
	return 0;
}
