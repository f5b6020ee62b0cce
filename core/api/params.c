/* SPDX-License-Identifier: MIT */
/* core/api/params.c - see params.h */
#include "api/params.h"
#include "base/clock.h"

static int size_param(struct http *h, const char *name, const char *what, unsigned int *v, struct err *e)
{
	const char *text = http_query(h, name);
	uint64_t n;

	if (parse_u64(span_of(text), UINT16_MAX, &n))
		return err_kind(e, ERR_INVALID, "invalid resize %s \"%s\": %s", what, text ? text : "",
			text && *text && strspn(text, "0123456789") == strlen(text) ? "value out of range" :
										     "invalid syntax");
	*v = (unsigned int)n;
	return 0;
}

int params_size(struct http *h, unsigned int *rows, unsigned int *cols, struct err *e)
{
	return size_param(h, "h", "height", rows, e) || size_param(h, "w", "width", cols, e) ? -1 : 0;
}

int params_atoi(struct http *h, const char *name, int64_t def, int64_t *v, struct err *e)
{
	if (!http_query_int(h, name, def, v, e))
		return 0;
	return err_set(e, 0, "strconv.Atoi: parsing \"%s\": invalid syntax", http_query(h, name));
}

int params_time(struct http *h, const char *name, int64_t *ns, struct err *e)
{
	const char *text = http_query(h, name);

	*ns = 0;
	if (!text || !*text || !strcmp(text, "0") || !clock_parse(text, ns))
		return 0;
	return err_set(e, 0, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
}

int params_repo_tag(struct http *h, struct imgref *ref, bool *given, struct err *e)
{
	const char *repo = http_query(h, "repo"), *tag = http_query(h, "tag");

	*given = repo && *repo;
	if (!*given)
		return 0;
	if (imgref_parse(repo, ref, e))
		return -1;
	if (ref->digest)
		err_kind(e, ERR_INVALID, "cannot import digest reference");
	else if (!tag || !*tag || !imgref_set_tag(ref, tag, e)) {
		imgref_default_tag(ref);
		return 0;
	}
	imgref_release(ref);
	return -1;
}
