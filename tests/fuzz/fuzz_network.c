/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_network.c - whatever is asked for, a network that is planned is a sound one
 */
#include "engine/container.h"
#include "engine/network_table.h"
#include "engine/schema.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_family(const struct network_family *f, struct ipam *ipam)
{
	struct inet got;

	if (!f->on)
		return;
	if (!subnet_contains(&f->subnet, &f->gateway))
		abort();
	if (!ipam_take(ipam, NULL, &got, NULL) && (!subnet_contains(&f->subnet, &got) || !inet_compare(&got, &f->gateway)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct networks table = {.lock = PTHREAD_MUTEX_INITIALIZER};
	static struct engine en = {.networks = &table, .id = "an engine"};
	cleanup_json json_t *body = json_parse((const char *)data, size, NULL), *request = NULL;
	struct network *n;
	char id[ID_LEN + 1];

	request = body ? schema_pack(schema_network_create, body, "network.CreateRequest", NULL) : NULL;
	random_id(id);
	n = request ? network_plan(&en, request, id, NULL) : NULL;
	if (n && !network_reserve(n, NULL) && !n->config_only)
		for (int f = 0; f < FAMILIES; f++)
			check_family(&n->family[f], &n->ipam[f]);
	network_put(n);
	return 0;
}
