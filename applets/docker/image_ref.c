/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/image_ref.c - image names, registry credentials, pulling
 *
 * Theory of operation
 *   Credentials are looked up in config.json as docker login wrote them ("auths"), and sent along
 *   with the pull: the engine keeps none.  Credential helpers are programs, which this client does
 *   not run; a pull that is refused for lack of credentials says so.
 */
#include "image_ref.h"

#include "base/base64.h"
#include "call.h"
#include "progress.h"

#include <stdlib.h>

/* --- credentials -------------------------------------------------------------------------- */

static json_t *find_auth(const struct docker *d, const char *host)
{
	json_t *auths = json_obj(d->config, "auths"), *found = json_object_get(auths, host);
	cleanup_free char *url = xasprintf("https://%s", host);

	if (!strcmp(host, "docker.io"))
		return json_object_get(auths, "https://index.docker.io/v1/");
	return found ? found : json_object_get(auths, url);
}

char *registry_auth(const struct docker *d, const struct imgref *ref)
{
	json_t *auth = find_auth(d, ref->host);
	cleanup_json json_t *out = json_object();
	cleanup_buf struct buf pair = BUF_INIT, text = BUF_INIT;
	const char *token = json_str(auth, "identitytoken", "");
	struct buf header = BUF_INIT;
	struct span user, password = {0};
	ssize_t colon;

	if (!auth)
		return NULL;
	base64_decode(json_str(auth, "auth", ""), &pair);
	user = (struct span){pair.p, pair.n};
	colon = span_chr(user, ':');
	if (colon >= 0)
		password = span_cut(&user, (size_t)colon);
	json_set_new(out, "username", json_textn(user.p, user.n));
	json_set_new(out, "password", json_textn(password.n ? password.p : "", password.n));
	json_set_str(out, "serveraddress", ref->host);
	if (*token)
		json_set_str(out, "identitytoken", token);
	json_print(out, false, &text);
	base64_encode((struct span){text.p, text.n}, true, &header);
	return buf_detach(&header);
}

static bool has_helper(const struct docker *d, const char *host)
{
	return *json_str(d->config, "credsStore", "") || json_object_get(json_obj(d->config, "credHelpers"), host);
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
	if (rc && !auth && has_helper(d, ref->host) && strstr(e->msg, "credentials"))
		err_hint(e, "your credentials for %s are with a credential helper, which this client does not run; "
			"pull with the stock docker CLI", ref->host);
	return rc;
}
