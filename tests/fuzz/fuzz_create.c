/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_create.c - a create request: packed, checked, expanded */
#include "engine/schema.h"
#include "engine/validate.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	cleanup_json json_t *body = json_parse((const char *)data, size, NULL), *config = NULL, *rest = NULL;
	/* Without cgroups, and with some controllers. */
	static const struct cgroup_driver drivers[] = {{.kind = CGROUP_NONE}, {.kind = CGROUP_SYSTEMD, .controllers = CONTROL_MEMORY}};
	cleanup_json json_t *full = NULL, *warnings = json_array();

	if (!body)
		return 0;
	config = schema_pack(schema_config, body, "x", NULL);
	rest = schema_pack(schema_create, body, "x", NULL);
	if (!config || !rest)
		return 0;
	validate_config(config, NULL);
	validate_host(&drivers[size & 1], json_obj(rest, "HostConfig"), config, warnings, NULL);
	full = schema_expand(schema_config, config);
	return 0;
}
