/* SPDX-License-Identifier: MIT */
/* tests/unit/test_manifest.c - manifests and indexes: kinds, refusals, platforms */
#include "unit.h"

#include "image/manifest.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"

static json_t *parse(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(guarded(text, strlen(text)), strlen(text), &e);

	if (!j)
		unit_fail(__FILE__, __LINE__, "%s: %s", text, e.msg);
	return j;
}

TEST(kinds)
{
	static const struct {
		const char *text, *type;
		enum manifest_kind want;
	} cases[] = {
		{"{\"config\":{},\"layers\":[]}", OCI_MANIFEST, MANIFEST_IMAGE},
		{"{\"config\":{},\"layers\":[]}", "", MANIFEST_IMAGE},
		{"{\"config\":{},\"layers\":[]}", "application/json", MANIFEST_IMAGE},
		{"{\"mediaType\":\"" DOCKER_MANIFEST "\",\"config\":{}}", DOCKER_MANIFEST, MANIFEST_IMAGE},
		{"{\"manifests\":[]}", OCI_INDEX, MANIFEST_INDEX},
		{"{\"manifests\":[]}", "text/plain", MANIFEST_INDEX},
		{"{\"mediaType\":\"" DOCKER_LIST "\",\"manifests\":[]}", DOCKER_LIST, MANIFEST_INDEX},
		{"{\"fsLayers\":[]}", "application/vnd.docker.distribution.manifest.v1+prettyjws", MANIFEST_SCHEMA1},
		{"{\"fsLayers\":[]}", "application/json", MANIFEST_SCHEMA1},
		/* what is sent as one thing and says it is another, or could be two */
		{"{\"manifests\":[]}", OCI_MANIFEST, MANIFEST_OTHER},
		{"{\"config\":{},\"layers\":[]}", OCI_INDEX, MANIFEST_OTHER},
		{"{\"manifests\":[],\"layers\":[]}", OCI_INDEX, MANIFEST_OTHER},
		{"{\"manifests\":[],\"config\":{}}", OCI_MANIFEST, MANIFEST_OTHER},
		{"{\"fsLayers\":[],\"layers\":[]}", "", MANIFEST_OTHER},
		{"{\"mediaType\":\"" OCI_INDEX "\",\"config\":{}}", OCI_MANIFEST, MANIFEST_OTHER},
		{"{\"config\":{}}", "application/vnd.example+json", MANIFEST_OTHER},
		{"{}", "", MANIFEST_OTHER},
		{"[]", OCI_MANIFEST, MANIFEST_OTHER},
		{"7", "", MANIFEST_OTHER},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *j = parse(cases[i].text);

		if (!CHECK_INT(manifest_kind_of(j, cases[i].type), cases[i].want))
			printf("  %s as %s\n", cases[i].text, cases[i].type);
		json_decref(j);
	}
}

/* --- images --- */

#define CONFIG(type) "\"config\":{\"mediaType\":\"" type "\",\"digest\":\"" D1 "\",\"size\":9}"
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" D2 "\",\"size\":10}"
#define OCI_CONFIG CONFIG("application/vnd.oci.image.config.v1+json")
#define OCI_LAYER LAYER("application/vnd.oci.image.layer.v1.tar+gzip")

static struct image_manifest m;

static void refused(const char *text, const char *want)
{
	json_t *j = parse(text);
	struct err e = ERR_INIT;

	CHECK_INT(image_manifest_parse(j, &m, &e), -1);
	if (!strstr(e.msg, want))
		CHECK_STR(e.msg, want);
	json_decref(j);
}

TEST(image)
{
	json_t *j = parse("{" OCI_CONFIG ",\"layers\":[" OCI_LAYER "," LAYER("application/octet-stream") "]}");
	struct err e = ERR_INIT;

	NEED(CHECK_OK(e, image_manifest_parse(j, &m, &e)));
	json_decref(j);
	CHECK_STR(m.config.digest, D1);
	CHECK_INT(m.config.size, 9);
	CHECK_INT(m.n_layers, 2);
	CHECK_STR(m.layers[1].digest, D2);
	CHECK_STR(m.layers[0].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
}

TEST(images_refused)
{
	char *text;
	int i;

	refused("{}", "could not validate config digest \"\"");
	refused("{" CONFIG("application/vnd.example+json") "}", "unsupported media type application/vnd.example+json");
	refused("{" CONFIG("application/vnd.docker.ai.model.config.v0.1+json") "}", "AI models are not yet supported");
	refused("{" CONFIG("application/vnd.oci.images_are_fun") "}", "unsupported media type");
	refused("{" OCI_CONFIG ",\"layers\":[" LAYER("application/x-strange") "]}", "unsupported media type application/x-strange");
	refused("{" OCI_CONFIG ",\"layers\":[" LAYER("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") "]}",
		"is a foreign layer");
	refused("{" OCI_CONFIG ",\"layers\":[" LAYER("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip") "]}",
		"is a foreign layer");
	refused("{" OCI_CONFIG ",\"layers\":[{\"digest\":\"sha256:../../x\",\"size\":1}]}", "could not validate layer digest");
	refused("{" OCI_CONFIG ",\"layers\":[{\"digest\":\"sha512:11\",\"size\":1}]}", "could not validate layer digest");
	refused("{" OCI_CONFIG ",\"layers\":[{\"digest\":\"" D2 "\"}]}", "no valid size");
	refused("{" OCI_CONFIG ",\"layers\":[{\"digest\":\"" D2 "\",\"size\":-1}]}", "no valid size");
	refused("{" OCI_CONFIG ",\"layers\":[{\"digest\":\"" D2 "\",\"size\":1.5}]}", "no valid size");
	refused("{" OCI_CONFIG ",\"layers\":[7]}", "could not validate layer digest");
	text = xstrdup("{" OCI_CONFIG ",\"layers\":[" OCI_LAYER);
	for (i = 0; i < 125; i++) {
		char *more = xasprintf("%s,%s", text, OCI_LAYER);

		free(text);
		text = more;
	}
	{
		char *whole = xasprintf("%s]}", text);

		refused(whole, "max depth exceeded");
		free(whole);
	}
	free(text);
}

TEST(config_types)
{
	json_t *j = parse("{" CONFIG("application/vnd.docker.plugin.v1+json") "}");
	struct err e = ERR_INIT;

	CHECK(manifest_check_config_type(j, &e) < 0);
	CHECK_STR(e.msg, "Encountered remote \"application/vnd.docker.plugin.v1+json\"(plugin) when fetching");
	json_decref(j);
	j = parse("{" CONFIG("application/vnd.docker.container.image.v1+json") "}");
	CHECK_OK(e, manifest_check_config_type(j, &e));
	json_decref(j);
}

/* --- indexes --- */

#define ENTRY(digest, platform) \
	"{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" digest "\",\"size\":3,\"platform\":" platform "}"

static size_t choose(const char *entries, const char *platform, struct descriptor out[4])
{
	char *text = xasprintf("{\"manifests\":[%s]}", entries);
	struct platform want;
	struct err e = ERR_INIT;
	json_t *j = parse(text);
	size_t n;

	CHECK_OK(e, platform_parse(platform, &want, &e));
	n = manifest_index_choose(j, &want, out, 4);
	json_decref(j);
	free(text);
	return n;
}

TEST(platforms)
{
	static const char entries[] = ENTRY(D1, "{\"os\":\"unknown\",\"architecture\":\"unknown\"}") "," ENTRY(D2,
		"{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v6\"}") "," ENTRY(D3,
		"{\"os\":\"linux\",\"architecture\":\"amd64\"}") "," ENTRY(D1, "{\"os\":\"windows\",\"architecture\":\"amd64\"}");
	static const char levels[] = ENTRY(D1, "{\"os\":\"linux\",\"architecture\":\"386\"}") "," ENTRY(D2,
		"{\"os\":\"linux\",\"architecture\":\"amd64\"}") "," ENTRY(D3,
		"{\"os\":\"linux\",\"architecture\":\"amd64\",\"variant\":\"v3\"}");
	struct descriptor out[4];

	CHECK_INT(choose(entries, "linux/amd64", out), 1);
	CHECK_STR(out[0].digest, D3);
	CHECK_INT(choose(entries, "linux/arm/v7", out), 1);
	CHECK_STR(out[0].digest, D2);
	CHECK_INT(choose(entries, "linux/arm/v5", out), 0);
	CHECK_INT(choose(entries, "linux/s390x", out), 0);
	CHECK_INT(choose(levels, "linux/amd64", out), 2);
	CHECK_STR(out[0].digest, D2);
	CHECK_STR(out[1].digest, D1);
	CHECK_INT(choose(levels, "linux/amd64/v3", out), 3);
	CHECK_STR(out[0].digest, D3);
	CHECK_STR(out[2].digest, D1);
	CHECK_INT(choose(levels, "linux/amd64/v2", out), 2);
}

TEST(entries_that_are_odd)
{
	struct descriptor out[4];

	CHECK_INT(choose("", "linux/amd64", out), 0);
	CHECK_INT(choose("7,null,{},{\"digest\":7}", "linux/amd64", out), 0);
	CHECK_INT(choose(ENTRY("sha256:../x", "{\"os\":\"linux\",\"architecture\":\"amd64\"}"), "linux/amd64", out), 0);
	/* too long to be ours, not cut off to it */
	CHECK_INT(choose(ENTRY(D1, "{\"os\":\"linux\",\"architecture\":\"amd64xxxxxxxxxxxxxxxx\"}"), "linux/amd64", out), 0);
	/* a manifest that names no platform fits all, but comes last */
	CHECK_INT(choose(ENTRY(D1, "{}") "," ENTRY(D2, "{\"os\":\"linux\",\"architecture\":\"amd64\"}"), "linux/amd64", out), 2);
	CHECK_STR(out[0].digest, D2);
	/* kinds nobody knows are passed over */
	CHECK_INT(choose("{\"mediaType\":\"application/vnd.x\",\"digest\":\"" D1 "\",\"size\":3,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"amd64\"}}", "linux/amd64", out), 0);
}

/* --- configs --- */

static void config(const char *text, size_t n, const char *want)
{
	char ids[MANIFEST_LAYERS_MAX][DIGEST_MAX];
	struct err e = ERR_INIT;
	json_t *j = parse(text);

	CHECK_INT(image_config_diff_ids(j, n, ids, &e), *want ? -1 : 0);
	CHECK_STR(e.msg, want);
	if (!*want)
		CHECK_STR(ids[n - 1], D2);
	json_decref(j);
}

TEST(configs)
{
	config("{\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\",\"" D2 "\"]}}", 2, "");
	config("{\"rootfs\":{\"diff_ids\":[\"" D2 "\"]}}", 1, "");
	config("{\"rootfs\":{\"diff_ids\":[\"" D2 "\"]}}", 2, "layers from manifest don't match image configuration");
	config("{\"rootfs\":{}}", 1, "layers from manifest don't match image configuration");
	config("{}", 0, "invalid rootfs in image configuration");
	config("{\"rootfs\":{\"type\":\"layers+base\"}}", 0, "invalid rootfs in image configuration");
	config("{\"rootfs\":{\"diff_ids\":[\"sha256:x\"]}}", 1, "invalid rootfs in image configuration");
	config("{\"rootfs\":{\"diff_ids\":[7]}}", 1, "invalid rootfs in image configuration");
	config("{\"os\":\"windows\",\"rootfs\":{\"diff_ids\":[]}}", 0,
		"image operating system \"windows\" cannot be used on this platform: operating system is not supported");
}
