/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_url.c - URLs; what is accepted prints as a URL that means the same */
#include "registry/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct url *u)
{
	cleanup_free char *text = url_text(u);
	struct err e = ERR_INIT;
	struct url again;
	const char *c;

	for (c = text; *c; c++)
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
			bug("'%s' cannot be sent", text);
	if (strpbrk(u->authority, "/@\\?#"))
		bug("authority '%s'", u->authority);
	if (url_parse(span_of(text), &again, &e))
		bug("'%s' is not taken back: %s", text, e.msg);
	if (!url_same_origin(u, &again) || strcmp(u->target, again.target))
		bug("'%s' means something else", text);
	url_release(&again);
	url_release(u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = {(const char *)data, n};
	struct url base, u;
	struct err e;

	if (n < URL_MAX / 4 && !url_parse(text, &u, &e))
		check(&u);
	url_parse(SPAN("https://registry.example:5000/v2/a/../b?x"), &base, &e);
	if (n < URL_MAX / 4 && !url_resolve(&base, text, &u, &e))
		check(&u);
	url_release(&base);
	return 0;
}
