/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network.c - the table of networks, and their files
 *
 * Theory of operation
 *   A network never changes once it is made: it is entered whole, and taken out whole.  Only which
 *   addresses are taken, and by how many it is used, changes; that is memory alone, and rebuilt at
 *   the start from the containers that live (sandbox_adopt()).
 *
 *   The default bridge is what daemon.json says.  Its id and, as long as that part of daemon.json is
 *   the same, its subnet stay.
 */
#include "engine/network_table.h"
#include "base/fs.h"
#include "base/log.h"
#include "engine/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NETWORK_MAX (1 << 20) /* bytes of a network's file */

/* --- references ------------------------------------------------------------------------------- */

struct network *network_ref(struct network *n)
{
	atomic_fetch_add(&n->refs, 1);
	return n;
}

void network_put(struct network *n)
{
	if (!n || atomic_fetch_sub(&n->refs, 1) > 1)
		return;
	for (int f = 0; f < FAMILIES; f++)
		ipam_release(&n->ipam[f]);
	json_decref(n->doc);
	json_decref(n->wishes);
	free(n);
}

bool network_is_predefined(const char *name)
{
	static const char *const names[] = {"bridge", "host", "none", "default", NULL};

	return str_in(name, names);
}

static struct network *find(const struct networks *t, const char *ref, struct err *e)
{
	struct network *hit = NULL;
	size_t i, len = strlen(ref);

	for (i = 0; i < t->n; i++)
		if (!strcmp(t->all[i]->name, ref) || !strcmp(t->all[i]->id, ref))
			return t->all[i];
	for (i = 0; len && i < t->n; i++) {
		if (strncmp(t->all[i]->id, ref, len))
			continue;
		if (hit) {
			err_kind(e, ERR_INVALID, "network %s is ambiguous (%d matches found on ID prefix)", ref, 2);
			return NULL;
		}
		hit = t->all[i];
	}
	if (!hit)
		err_kind(e, ERR_NOT_FOUND, "network %s not found", ref);
	return hit;
}

struct network *network_get(struct engine *en, const char *ref, struct err *e)
{
	struct network *n;

	pthread_mutex_lock(&en->networks->lock);
	n = find(en->networks, ref, e);
	if (n)
		network_ref(n);
	pthread_mutex_unlock(&en->networks->lock);
	return n;
}

char *network_name(struct engine *en, const char *ref)
{
	struct network *n = network_get(en, ref, NULL);
	char *name = n ? xstrdup(n->name) : NULL;

	network_put(n);
	return name;
}

char *network_id(struct engine *en, const char *ref)
{
	struct network *n = network_get(en, ref, NULL);
	char *id = n ? xstrdup(n->id) : NULL;

	network_put(n);
	return id;
}

struct network **networks_all(struct engine *en)
{
	struct networks *t = en->networks;
	struct network **all;

	pthread_mutex_lock(&t->lock);
	all = xcalloc(t->n + 1, sizeof(struct network *));
	for (size_t i = 0; i < t->n; i++)
		all[i] = network_ref(t->all[i]);
	pthread_mutex_unlock(&t->lock);
	return all;
}

void networks_free(struct network **all)
{
	for (size_t i = 0; all[i]; i++)
		network_put(all[i]);
	free(all);
}

bool network_use(struct engine *en, struct network *n)
{
	bool ok;

	pthread_mutex_lock(&en->networks->lock);
	ok = !n->removed;
	n->users += ok;
	pthread_mutex_unlock(&en->networks->lock);
	return ok;
}

void network_unuse(struct engine *en, struct network *n)
{
	pthread_mutex_lock(&en->networks->lock);
	n->users--;
	pthread_mutex_unlock(&en->networks->lock);
}

static bool name_taken(const struct networks *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->all[i]->name, name))
			return true;
	return false;
}

int network_insert(struct engine *en, struct network *n, struct err *e)
{
	struct networks *t = en->networks;
	int rc = 0;

	pthread_mutex_lock(&t->lock);
	if (name_taken(t, n->name)) {
		rc = err_kind(e, ERR_CONFLICT, "network with name %s already exists", n->name);
	} else {
		t->all = xreallocarray(t->all, t->n + 1, sizeof(struct network *));
		t->all[t->n++] = network_ref(n);
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

void network_take_out(struct engine *en, struct network *n)
{
	struct networks *t = en->networks;
	size_t i;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < t->n && t->all[i] != n; i++)
		;
	if (i < t->n) {
		t->all[i] = t->all[--t->n];
		network_put(n);
	}
	pthread_mutex_unlock(&t->lock);
}

/* --- files ------------------------------------------------------------------------------------ */

int network_save(struct engine *en, const struct network *n, struct err *e)
{
	cleanup_free char *file = xasprintf("networks/%s.json", n->id);
	cleanup_json json_t *j = json_copy(n->doc);
	json_t *own = json_object();

	json_set_str(own, "bridge", n->bridge);
	if (n->wishes)
		json_object_set(own, "wishes", n->wishes);
	for (int f = 0; f < FAMILIES; f++) {
		char gateway[INET_TEXT], via[INET_TEXT];

		if (n->family[f].on)
			json_set_new(own, f == V4 ? "v4" : "v6", json_pack("{s:b, s:s, s:s}", "asked",
				n->family[f].asked, "gateway", inet_format(&n->family[f].gateway, gateway),
				"via", inet_format(&n->family[f].via, via)));
	}
	json_set_new(j, "Coracle", own);
	return json_save_at(en->datafd, file, j, FILE_SYNC, e);
}

static int read_family(struct network *n, int f, const json_t *own, struct err *e)
{
	struct network_family *to = &n->family[f];
	struct subnet range;
	bool has_range = false;
	const json_t *c;
	size_t i;

	json_array_foreach(json_arr(json_obj(n->doc, "IPAM"), "Config"), i, c) {
		struct subnet s;

		if (subnet_parse(span_of(json_str(c, "Subnet", "")), &s))
			return err_set(e, 0, "bad subnet '%s'", json_str(c, "Subnet", ""));
		if (s.addr.family != (f == V4 ? AF_INET : AF_INET6))
			continue;
		to->on = true;
		to->subnet = s;
		has_range = !subnet_parse(span_of(json_str(c, "IPRange", "")), &range);
	}
	if (!to->on)
		return 0;
	to->asked = json_bool(own, "asked", false);
	inet_parse(span_of(json_str(own, "gateway", "")), &to->gateway);
	inet_parse(span_of(json_str(own, "via", "")), &to->via);
	ipam_init(&n->ipam[f], &to->subnet, has_range ? &range : NULL);
	return 0;
}

/* An option that is there and true, or, absent, @def. */
bool network_option(const json_t *doc, const char *key, bool def)
{
	network_go_bool(json_str(json_obj(doc, "Options"), key, ""), &def);
	return def;
}

bool network_has_gateway(const struct network *n, int f)
{
	const char *key = f == V4 ? BRIDGE_OPTION "gateway_mode_ipv4" : BRIDGE_OPTION "gateway_mode_ipv6";

	if (f == V4 && network_option(n->doc, BRIDGE_OPTION "inhibit_ipv4", false))
		return false;
	return strcmp(json_str(json_obj(n->doc, "Options"), key, ""), "isolated") != 0;
}

struct network *network_of(const json_t *doc, struct err *e)
{
	const json_t *own = json_obj(doc, "Coracle");
	struct network *n = xcalloc(1, sizeof(*n));
	int64_t mtu = 1500;

	n->refs = 1;
	n->doc = json_copy((json_t *)(uintptr_t)doc);
	json_object_del(n->doc, "Coracle");
	n->name = json_str(n->doc, "Name", "");
	n->driver = json_str(n->doc, "Driver", "");
	snprintf(n->id, sizeof(n->id), "%s", json_str(n->doc, "Id", ""));
	n->internal = json_bool(n->doc, "Internal", false);
	n->config_only = json_bool(n->doc, "ConfigOnly", false);
	n->icc = network_option(doc, "com.docker.network.bridge.enable_icc", true);
	parse_i64(span_of(json_str(json_obj(doc, "Options"), "com.docker.network.driver.mtu", "")), 0, 65535, &mtu);
	n->mtu = mtu ? (unsigned int)mtu : 1500;
	snprintf(n->bridge, sizeof(n->bridge), "%s", json_str(own, "bridge", ""));
	n->wishes = json_incref(json_obj(own, "wishes"));
	if (!is_hex64(n->id) || !*n->name)
		err_set(e, 0, "it is not what Coracle wrote");
	else if (n->config_only ||
		(!read_family(n, V4, json_obj(own, "v4"), e) && !read_family(n, V6, json_obj(own, "v6"), e)))
		return n;
	network_put(n);
	return NULL;
}

static int reserve(struct network *n, int f, const struct inet *a, struct err *e)
{
	if (!a->family || !subnet_contains(&n->family[f].subnet, a))
		return 0;
	return ipam_take(&n->ipam[f], a, NULL, e);
}

int network_reserve(struct network *n, struct err *e)
{
	struct err why = ERR_INIT;
	const json_t *c, *v;
	const char *key;
	size_t i;
	int f;

	for (f = 0; f < FAMILIES; f++)
		if (n->family[f].on && reserve(n, f, &n->family[f].gateway, e))
			return -1;
	if (n->config_only)
		return 0;
	json_array_foreach(json_arr(json_obj(n->doc, "IPAM"), "Config"), i, c) {
		json_object_foreach(json_obj(c, "AuxiliaryAddresses"), key, v) {
			const char *text = json_string_value(v) ? json_string_value(v) : "";
			struct inet a;

			if (inet_parse(span_of(text), &a))
				continue;
			f = a.family == AF_INET ? V4 : V6;
			if (reserve(n, f, &a, &why))
				return err_set(e, 0, "failed to allocate secondary ip address (%s:%s): %s", key, text,
					why.msg);
		}
	}
	return 0;
}

static void load_one(struct engine *en, int dirfd, const char *file)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *j = json_load_at(dirfd, file, NETWORK_MAX, &e);
	struct network *n = j ? network_of(j, &e) : NULL;

	if (!n || network_reserve(n, &e) || network_insert(en, n, &e))
		log_err(&e, "network %s is left out", file);
	network_put(n);
}

static int load_all(struct engine *en, struct err *e)
{
	cleanup_closedir DIR *d = NULL;
	struct dirent *de;
	int fd;

	if (fs_mkdir_p_at(en->datafd, "networks", 0700, e))
		return -1;
	fd = openat(en->datafd, "networks", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d)
		return err_set(e, errno, "opening networks");
	while ((de = readdir(d)))
		if (strlen(de->d_name) == ID_LEN + strlen(".json") && !strcmp(de->d_name + ID_LEN, ".json"))
			load_one(en, dirfd(d), de->d_name);
	return 0;
}

/* --- the predefined ones ---------------------------------------------------------------------- */

static int enter(struct engine *en, struct network *n, struct err *e)
{
	int rc = network_save(en, n, e) || network_reserve(n, e) || network_insert(en, n, e) ? -1 : 0;

	network_put(n);
	return rc;
}

static int make_plain(struct engine *en, const char *name, const char *driver, struct err *e)
{
	char when[CLOCK_RFC3339_MAX], id[ID_LEN + 1];
	cleanup_json json_t *doc = NULL;
	struct network *n = network_get(en, name, NULL);

	network_put(n);
	if (n)
		return 0;
	random_id(id);
	doc = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:{s:s, s:n, s:n}, s:b, s:b, s:b, s:{s:s}, s:b, s:{}, "
			"s:{}, s:{}}", "Name", name, "Id", id, "Created", clock_format(clock_real_ns(), when), "Scope",
		"local", "Driver", driver, "EnableIPv4", 1, "EnableIPv6", 0, "IPAM", "Driver", "default", "Options",
		"Config", "Internal", 0, "Attachable", 0, "Ingress", 0, "ConfigFrom", "Network", "", "ConfigOnly", 0,
		"Containers", "Options", "Labels");
	n = network_of(doc, e);
	return n ? enter(en, n, e) : -1;
}

/* The one there is serves, if it was made of the same wishes. */
static int make_default(struct engine *en, struct err *e)
{
	struct network *old = network_get(en, "bridge", NULL), *n = NULL;
	char id[ID_LEN + 1];
	json_t *request;
	struct err why = ERR_INIT;

	random_id(id);
	if (old)
		memcpy(id, old->id, sizeof(id));
	request = network_default_request(en, &why);
	if (request && old && *old->bridge && json_equal(old->wishes, request)) {
		json_decref(request);
		network_put(old);
		return 0;
	}
	if (old)
		network_take_out(en, old);
	network_put(old);
	if (request)
		n = network_plan(en, request, id, &why);
	if (n)
		n->wishes = json_incref(request);
	json_decref(request);
	if (n)
		return enter(en, n, e);
	if (!*why.msg)
		return 0; /* none is wanted */
	*e = why;
	return err_wrap(e, "making the default bridge");
}

/* --- all of it -------------------------------------------------------------------------------- */

int networks_load(struct engine *en, struct err *e)
{
	en->networks = xcalloc(1, sizeof(*en->networks));
	en->networks->inside = (struct nl)NL_INIT;
	pthread_mutex_init(&en->networks->lock, NULL);
	pthread_mutex_init(&en->networks->making, NULL);
	pthread_mutex_init(&en->networks->kernel, NULL);
	if (network_reach_netd(en, e) || load_all(en, e) || make_plain(en, "none", "null", e) || make_plain(en, "host", "host", e) ||
		make_default(en, e))
		return -1;
	network_make_bridges(en);
	return 0;
}
