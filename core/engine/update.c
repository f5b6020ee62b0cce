/* SPDX-License-Identifier: MIT */
/*
 * core/engine/update.c - docker update: change a container that exists
 *
 * Theory of operation
 *   The restart policy is ours and changes at once.  So do the limits of a running container, whoever
 *   holds them (limits.h); the others are kept, and warned about as when it was created.
 */
#include "engine/container.h"
#include "base/fs.h"
#include "engine/limits.h"
#include "engine/schema.h"
#include "engine/validate.h"

static const char *const limits[] = {"CpuShares", "Memory", "NanoCpus", "CgroupParent", "CpuPeriod", "CpuQuota",
	"CpuRealtimePeriod", "CpuRealtimeRuntime", "CpusetCpus", "CpusetMems", "MemoryReservation", "MemorySwap",
	"MemorySwappiness", "OomKillDisable", "PidsLimit", "BlkioWeight", "Ulimits", "Devices", "DeviceCgroupRules", NULL};

static int check(struct container *c, const json_t *host, const json_t *change, struct err *e)
{
	const char *name = json_str(json_obj(change, "RestartPolicy"), "Name", "");

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
	return container_set_host(en, c, next, e);
}

/* One that is not there any more has no limits. */
static int tell_monitor(struct engine *en, struct container *c, const json_t *change, json_t *warnings, struct err *e)
{
	cleanup_close int ctl = container_is_running(c) ? container_ctl(c, NULL) : -1;
	cleanup_json json_t *host = container_host(c);
	cleanup_json json_t *resources = limits_resources(host);

	if (ctl >= 0 && limits_cage(&en->cgroups, change))
		json_append_str(warnings, "--pids-limit holds from the container's next start on: no cgroup is delegated to "
					  "this user");
	if (ctl >= 0 && monitor_limit(ctl, resources, e) && e->kind != ERR_CONFLICT)
		return err_wrap(e, "Cannot update container %s", c->id);
	return 0;
}

static int update(struct engine *en, struct container *c, const json_t *change, json_t *warnings, struct err *e)
{
	cleanup_json json_t *host = NULL;
	int rc;

	container_begin(c);
	host = container_host(c);
	rc = check(c, host, change, e) || apply(en, c, host, change, e) || tell_monitor(en, c, change, warnings, e);
	container_end(c);
	if (!rc)
		container_event(en, c, "update", NULL);
	return rc ? -1 : 0;
}

json_t *container_update(struct engine *en, const char *ref, const json_t *body, struct err *e)
{
	cleanup_json json_t *change = schema_pack(schema_host, body, "container.UpdateConfig", e);
	struct container *c = NULL;
	json_t *warnings = json_array();
	int rc = -1;

	/* What is wrong in itself is said first, as Docker does, whether there is such a container or not. */
	if (change && !validate_resources(&en->cgroups, change, warnings, e) &&
		!validate_restart_policy(json_obj(change, "RestartPolicy"), e) && (c = container_get(en, ref, e)))
		rc = update(en, c, change, warnings, e);
	container_put(c);
	if (rc || !json_array_size(warnings)) {
		json_decref(warnings);
		warnings = json_null();
	}
	return rc ? NULL : json_pack("{s:o}", "Warnings", warnings);
}
