/* SPDX-License-Identifier: MIT */
/*
 * core/engine/update.c - docker update: change a container that exists
 *
 * Theory of operation
 *   The restart policy is ours and changes at once.  Limits are checked, and refused on a container
 *   that runs: nothing enforces them without a cgroup yet, and to accept them silently would be a
 *   promise.  On one that does not run they are kept for its next start.
 */
#include "engine/container.h"
#include "engine/schema.h"
#include "engine/validate.h"

static const char *const limits[] = {"CpuShares", "Memory", "NanoCpus", "CgroupParent", "CpuPeriod", "CpuQuota",
	"CpuRealtimePeriod", "CpuRealtimeRuntime", "CpusetCpus", "CpusetMems", "MemoryReservation", "MemorySwap",
	"MemorySwappiness", "OomKillDisable", "PidsLimit", "Ulimits", "Devices", "DeviceCgroupRules", NULL};

static int check(struct container *c, const json_t *host, const json_t *change, json_t *warnings,
	struct err *e)
{
	const json_t *policy = json_obj(change, "RestartPolicy");
	const char *name = json_str(policy, "Name", "");
	size_t i;

	if (validate_resources(change, warnings, e) || validate_restart_policy(policy, e))
		return -1;
	if (*name && strcmp(name, "no") && json_bool(host, "AutoRemove", false))
		return err_kind(e, ERR_CONFLICT,
			"Cannot update container %s: Restart policy cannot be updated because AutoRemove is enabled for "
			"the container",
			c->id);
	if (json_int(change, "Memory", 0) > json_int(host, "MemorySwap", 0) && !json_int(change, "MemorySwap", 0))
		return err_kind(e, ERR_CONFLICT,
			"Cannot update container %s: Memory limit should be smaller than already set memoryswap limit, "
			"update the memoryswap at the same time",
			c->id);
	for (i = 0; limits[i]; i++)
		if (json_object_get(change, limits[i]) && container_is_running(c))
			return err_set(e, 0,
				"Cannot update container %s: cannot set %s of a running container without a cgroup", c->id,
				limits[i]);
	return 0;
}

static int apply(struct engine *en, struct container *c, json_t *host, const json_t *change, struct err *e)
{
	json_t *next = json_copy(host), *v;
	size_t i;

	for (i = 0; limits[i]; i++)
		if ((v = json_object_get(change, limits[i])))
			json_object_set(next, limits[i], v);
	if (*json_str(json_obj(change, "RestartPolicy"), "Name", ""))
		json_object_set(next, "RestartPolicy", json_obj(change, "RestartPolicy"));
	pthread_mutex_lock(&c->lock);
	json_decref(c->host);
	c->host = next;
	pthread_mutex_unlock(&c->lock);
	return container_save_config(en, c, 0, e);
}

json_t *container_update(struct engine *en, struct container *c, const json_t *body, struct err *e)
{
	cleanup_json json_t *change = schema_pack(schema_host, body, "container.UpdateConfig", e), *host = NULL;
	json_t *warnings = json_array();
	int rc = -1;

	if (change) {
		container_begin(c);
		host = container_host(c);
		rc = check(c, host, change, warnings, e) || apply(en, c, host, change, e) ? -1 : 0;
		container_end(c);
	}
	if (rc) {
		json_decref(warnings);
		return NULL;
	}
	container_event(en, c, "update", NULL);
	if (!json_array_size(warnings)) {
		json_decref(warnings);
		warnings = json_null();
	}
	return json_pack("{s:o}", "Warnings", warnings);
}
