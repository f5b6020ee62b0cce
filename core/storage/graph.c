/* SPDX-License-Identifier: MIT */
/*
 * core/storage/graph.c - where a layer lies, as inspect shows it
 */
#include "storage/storage.h"

#include <string.h>

static void set_path(json_t *j, const char *key, const struct store *s, const char *chain, const char *part)
{
	cleanup_free char *path = xasprintf("%s/%s/layers/%s/%s", s->root, store_driver_name(s), digest_hex(chain), part);

	json_set_str(j, key, path);
}

json_t *layer_graph(const struct store *s, const char *chain)
{
	cleanup_buf struct buf lower = BUF_INIT;
	struct layer_info info;
	char at[DIGEST_MAX];
	json_t *j;

	if ((strcmp(store_driver_name(s), "overlay2") && strcmp(store_driver_name(s), "fuse-overlayfs")) || layer_stat(s, chain, &info, NULL))
		return json_null();
	j = json_object();
	while (*info.parent) {
		memcpy(at, info.parent, DIGEST_MAX);
		buf_addf(&lower, "%s%s/%s/layers/%s/diff", lower.n ? ":" : "", s->root, store_driver_name(s),
			digest_hex(at));
		if (layer_stat(s, at, &info, NULL))
			break;
	}
	if (lower.n)
		json_set_str(j, "LowerDir", lower.p);
	set_path(j, "MergedDir", s, chain, "merged");
	set_path(j, "UpperDir", s, chain, "diff");
	set_path(j, "WorkDir", s, chain, "work");
	return j;
}
