/* SPDX-License-Identifier: MIT */
/*
 * core/engine/ports.c - the ports of containers, as far as nothing is published
 */
#include "engine/ports.h"
#include "engine/container.h"
#include "engine/network_table.h"

int ports_publish(struct engine *en, struct container *c, const struct ports_endpoint *ep, struct err *e)
{
	return 0;
}

void ports_release(struct engine *en, struct container *c)
{
}

void ports_restore(struct engine *en, struct container *c, const struct ports_endpoint *ep)
{
}

static bool has_ports(const struct container *c)
{
	return c->status == ST_RUNNING && (endpoint_default(c, V4) || endpoint_default(c, V6));
}

json_t *ports_inspect(const struct container *c)
{
	json_t *out = json_object(), *v;
	const char *key;

	if (!has_ports(c))
		return out;
	json_object_foreach(json_obj(c->config, "ExposedPorts"), key, v) {
		cleanup_free char *port = strchr(key, '/') ? xstrdup(key) : xasprintf("%s/tcp", key);

		json_set_new(out, port, json_null());
	}
	return out;
}

json_t *ports_list(const struct container *c)
{
	json_t *out = json_array(), *v;
	const char *key;
	uint64_t port;

	if (!has_ports(c))
		return out;
	json_object_foreach(json_obj(c->config, "ExposedPorts"), key, v) {
		size_t len = strcspn(key, "/");

		if (!parse_u64((struct span){key, len}, 65535, &port))
			json_array_append_new(out, json_pack("{s:I, s:s}", "PrivatePort", (json_int_t)port, "Type",
							   key[len] ? key + len + 1 : "tcp"));
	}
	return out;
}
