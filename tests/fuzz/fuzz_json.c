/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_json.c - bodies of API requests and files of registries go through json_parse() */
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *j = json_parse((const char *)data, n, &e), *again = NULL;
	cleanup_buf struct buf out = BUF_INIT;
	char mistake[JSON_GO_MAX];

	/* what is JSON has no mistake; jansson passes over a NUL byte after a literal, Go does not */
	if (json_go_mistake((const char *)data, n, mistake) && j && !memchr(data, 0, n))
		bug("json_go_mistake: %s", mistake);
	if (!j)
		return 0;
	/* what we print, we can read again, and it is the same */
	json_print(j, false, &out);
	again = json_parse(out.p, out.n, &e);
	if (!again || !json_equal(j, again))
		bug("json_print: %s does not come back: %s", out.p, e.msg);
	json_get_ci(j, "id");
	json_path(j, "a", "b", NULL);
	return 0;
}
