/* SPDX-License-Identifier: MIT */
/*
 * core/image/import.c - a root filesystem's archive becomes an image of one layer: `docker import`
 */
#include "image/worker.h"
#include "base/clock.h"

#include <string.h>

static json_t *history_json(const char *created, const char *comment)
{
	json_t *step = json_object(), *all = json_array();

	json_set_str(step, "created", created);
	json_set_str(step, "comment", comment);
	json_array_append_new(all, step);
	return all;
}

static json_t *rootfs_json(const char *diff_id)
{
	json_t *j = json_object(), *ids = json_array();

	json_append_str(ids, diff_id);
	json_set_str(j, "type", "layers");
	json_set_new(j, "diff_ids", ids);
	return j;
}

static json_t *config_json(const json_t *request, const struct platform *p, const char *diff_id)
{
	const char *comment = json_str(request, "message", "");
	json_t *j = json_object(), *config = json_obj(request, "config");
	char created[CLOCK_RFC3339_MAX];

	clock_format(clock_real_ns(), created);
	json_set_str(j, "architecture", p->arch);
	if (*p->variant)
		json_set_str(j, "variant", p->variant);
	if (*comment)
		json_set_str(j, "comment", comment);
	json_set_new(j, "config", config ? json_deep_copy(config) : json_object());
	json_set_str(j, "created", created);
	json_set_str(j, "docker_version", json_str(request, "version", ""));
	json_set_new(j, "history", history_json(created, comment));
	json_set_str(j, "os", p->os);
	json_set_new(j, "rootfs", rootfs_json(diff_id));
	return j;
}

json_t *worker_import(struct worker *w, struct err *e)
{
	const char *ref = json_str(w->request, "ref", NULL);
	cleanup_json json_t *config = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	char chain[DIGEST_MAX], diff_id[DIGEST_MAX];
	struct layer_draft d;
	struct platform p;
	json_t *refs;

	if (platform_parse(json_str(w->request, "platform", NULL), &p, e))
		return NULL;
	if (layer_unpack(&w->store, NULL, w->input, 0, &d, e))
		return NULL;
	memcpy(diff_id, d.diff_id, DIGEST_MAX);
	if (layer_commit(&w->store, NULL, &d, chain, e))
		return NULL;
	config = config_json(w->request, &p, diff_id);
	json_print(config, false, &text);
	refs = json_array();
	if (ref)
		json_append_str(refs, ref);
	return json_pack("{s[{s:s, s:o}]}", "images", "config", text.p, "refs", refs);
}
