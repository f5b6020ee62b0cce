/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_manifest.c - manifests, indexes and configs */
#include "image/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct descriptor *d)
{
	if (!digest_ok(d->digest) || d->size < 0)
		bug("a descriptor of %s, %lld bytes", d->digest, (long long)d->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct image_manifest m;
	static char diff_ids[MANIFEST_LAYERS_MAX][DIGEST_MAX];
	struct platform want = {"linux", "amd64", "v3"}, have;
	struct descriptor choice[8];
	struct err e = ERR_INIT;
	json_t *j = json_parse((const char *)data, n, &e);
	size_t i, count;

	if (!j)
		return 0;
	manifest_kind_of(j, "application/vnd.oci.image.manifest.v1+json");
	manifest_kind_of(j, "");
	manifest_check_config_type(j, &e);
	if (!image_manifest_parse(j, &m, &e)) {
		check(&m.config);
		for (i = 0; i < m.n_layers; i++)
			check(&m.layers[i]);
	}
	count = manifest_index_choose(j, &want, choice, 8);
	for (i = 0; i < count; i++)
		check(&choice[i]);
	for (i = 0; i < 4; i++)
		image_config_diff_ids(j, i, diff_ids, &e);
	image_config_platform(j, &have);
	json_decref(j);
	return 0;
}
