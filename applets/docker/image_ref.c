/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/image_ref.c - image names, registry credentials, pulling
 *
 * Theory of operation
 *   Credentials are looked up where docker login put them (credentials.h), and sent along with the
 *   request: the engine keeps none.
 */
#include "image_ref.h"

#include "base/base64.h"
#include "call.h"
#include "credentials.h"
#include "progress.h"

#include <stdlib.h>

/* --- credentials -------------------------------------------------------------------------- */

char *registry_auth(const struct docker *d, const struct imgref *ref)
{
	const char *key = credentials_key(ref->host);
	cleanup_buf struct buf text = BUF_INIT;
	cleanup_json json_t *j = NULL;
	struct buf header = BUF_INIT;
	struct credentials c;
	struct err e = ERR_INIT;
	int known = credentials_get(d, key, &c, &e);

	if (known < 0)
		fprintf(stderr, "WARNING: %s\n", e.msg); /* many images need none */
	if (known <= 0)
		return NULL;
	j = credentials_json(&c, key);
	credentials_release(&c);
	json_print(j, false, &text);
	base64_encode((struct span){text.p, text.n}, true, &header);
	return buf_detach(&header);
}

/* --- pulling ------------------------------------------------------------------------------ */

int pull_image(struct docker *d, const struct imgref *ref, const char *platform, FILE *out,
	struct err *e)
{
	cleanup_free char *repo = imgref_familiar_repo(ref), *auth = registry_auth(d, ref);
	cleanup_buf struct buf to = BUF_INIT;
	struct client *c;
	int rc;

	buf_adds(&to, "/images/create");
	target_query(&to, "fromImage", repo);
	if (ref->tag || ref->digest)
		target_query(&to, "tag", ref->digest ? ref->digest : ref->tag);
	if (platform && *platform)
		target_query(&to, "platform", platform);
	c = call_open(d, &(struct call){.method = "POST", .target = to.p, .auth = auth}, false, e);
	rc = c ? progress_show(c, out, e) : -1;
	if (c && !rc)
		call_done(d, c);
	else
		client_close(c);
	return rc;
}
