/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_template.c - templates of the client: any text, over data with some of everything */
#include "docker/template.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char value[] =
	"{\"Name\":\"/web\",\"Id\":\"abcdef\",\"Labels\":{\"a\":\"1\"},\"Env\":null,\"Cmd\":[\"sleep\",\"1\",[2,{}]],"
	"\"Pid\":4300,\"Running\":true,\"F\":0.1,\"M\":{\"x\":{\"y\":[]}},\"Empty\":\"\"}";

static json_t *absent(const char *name)
{
	return *name == 'N' ? json_null() : *name == 'L' ? json_array() : NULL;
}

static json_t *method(const json_t *dot, const char *name, const char *arg)
{
	(void)dot;
	return *name == 'L' ? json_text(arg) : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const maps[] = {"Labels", NULL};
	const struct tmpl_env envs[] = {
		{.maps = maps, .absent = absent, .budget = 5000},
		{.type = "*T", .method = method, .budget = 5000},
		{.maps = maps, .headers = true, .budget = 5000},
		{.budget = 5000},
	};
	cleanup_free char *text = xstrndup((const char *)data, n);
	struct err e = ERR_INIT;
	cleanup_json json_t *dot = json_parse(value, sizeof(value) - 1, &e);
	struct tmpl *t = tmpl_parse("", text, &e);
	size_t i;

	for (i = 0; t && i < ARRAY_SIZE(envs); i++) {
		struct buf out = BUF_INIT;

		tmpl_exec(t, dot, &envs[i], &out, &e);
		buf_release(&out);
	}
	if (t)
		tmpl_uses(t, "Size");
	else if (strncmp(e.msg, "template: :", 11))
		bug("an error without a place: '%s'", e.msg);
	tmpl_free(t);
	return 0;
}
