/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_check.c - is a request to create a network good in itself?
 *
 * In Docker's order: subnets, ranges, gateways and other addresses, all of which are complained of at
 * once; driver, driver of addresses, options.
 */
#include "engine/network_table.h"

#include <stdio.h>
#include <stdlib.h>

int network_go_bool(const char *text, bool *v)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};

	if (!str_in(text, yes) && !str_in(text, no))
		return -1;
	*v = str_in(text, yes);
	return 0;
}

/* --- are the subnets good in themselves? ------------------------------------------------------ */

static const char *family_name(const struct inet *a)
{
	return a->family == AF_INET ? "IPv4" : "IPv6";
}

static bool has_host_bits(const struct subnet *s)
{
	struct inet first = subnet_first(s);

	return inet_compare(&first, &s->addr) != 0;
}

static void add_bad(json_t *bad, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_bad(json_t *bad, const char *fmt, ...)
{
	cleanup_buf struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	json_append_str(bad, b.p);
}

static void check_masked(const struct subnet *s, const char *what, json_t *bad)
{
	struct subnet masked = {subnet_first(s), s->len};
	char is[SUBNET_TEXT], should[SUBNET_TEXT];

	if (has_host_bits(s))
		add_bad(bad, "invalid %s %s: it should be %s", what, subnet_format(s, is),
			subnet_format(&masked, should));
}

static void check_range(const char *text, const struct subnet *parent, json_t *bad)
{
	char name[SUBNET_TEXT];
	struct subnet s;

	if (!*text)
		return;
	if (subnet_parse(span_of(text), &s)) {
		add_bad(bad, "invalid ip-range %s: invalid CIDR block notation", text);
		return;
	}
	subnet_format(parent, name);
	if (s.addr.family != parent->addr.family) {
		add_bad(bad, "invalid ip-range %s: parent subnet is an %s block", text, family_name(&parent->addr));
		return;
	}
	if (s.len < parent->len)
		add_bad(bad, "invalid ip-range %s: CIDR block is bigger than its parent subnet %s", text, name);
	check_masked(&s, "ip-range", bad);
	if (!subnet_overlaps(&s, parent))
		add_bad(bad, "invalid ip-range %s: parent subnet %s doesn't contain ip-range", text, name);
}

static void check_address(const char *what, const char *name, const char *text, const struct subnet *parent,
	json_t *bad)
{
	char subnet[SUBNET_TEXT];
	struct inet a;

	if (!*text)
		return;
	if (inet_parse(span_of(text), &a))
		add_bad(bad, "invalid %s %s: invalid address", what, name);
	else if (a.family != parent->addr.family)
		add_bad(bad, "invalid %s %s: parent subnet is an %s block", what, name, family_name(&parent->addr));
	else if (!subnet_contains(parent, &a))
		add_bad(bad, "invalid %s %s: parent subnet %s doesn't contain this address", what, name,
			subnet_format(parent, subnet));
}

static void check_config(const json_t *c, bool v6, json_t *bad)
{
	const char *text = json_str(c, "Subnet", ""), *key;
	struct subnet s;
	json_t *v;

	if (subnet_parse(span_of(text), &s)) {
		add_bad(bad, "invalid subnet %s: invalid CIDR block notation", text);
		return;
	}
	if (s.addr.family == AF_INET6 && !v6)
		return;
	check_masked(&s, "subnet", bad);
	check_range(json_str(c, "IPRange", ""), &s, bad);
	check_address("gateway", json_str(c, "Gateway", ""), json_str(c, "Gateway", ""), &s, bad);
	json_object_foreach(json_obj(c, "AuxiliaryAddresses"), key, v)
		check_address("auxiliary address", key, json_string_value(v) ? json_string_value(v) : "", &s, bad);
}

static int check_ipam(const json_t *ipam, bool v6, struct err *e)
{
	cleanup_json json_t *bad = json_array();
	cleanup_buf struct buf text = BUF_INIT;
	const json_t *c, *v;
	size_t i;

	json_array_foreach(json_arr(ipam, "Config"), i, c)
		check_config(c, v6, bad);
	if (!json_array_size(bad))
		return 0;
	json_array_foreach(bad, i, v)
		buf_addf(&text, "%s%s%s", i ? "\n" : "", json_array_size(bad) > 1 ? "* " : "", json_string_value(v));
	return err_kind(e, ERR_INVALID, "invalid network config:\n%s", text.p);
}

/* --- options ---------------------------------------------------------------------------------- */

static int bad_option(const char *key, const char *value, const char *why, struct err *e)
{
	return err_kind(e, ERR_INVALID, "failed to parse %s value: %s (%s)", key, value, why);
}

static int check_bool_option(const char *key, const char *value, struct err *e)
{
	cleanup_free char *why = xasprintf("strconv.ParseBool: parsing \"%s\": invalid syntax", value);
	bool v;

	return network_go_bool(value, &v) ? bad_option(key, value, why, e) : 0;
}

static int check_mtu(const char *key, const char *value, struct err *e)
{
	cleanup_free char *why = xasprintf("strconv.Atoi: parsing \"%s\": invalid syntax", value);
	int64_t v;

	if (parse_i64(span_of(value), INT32_MIN, INT32_MAX, &v))
		return bad_option(key, value, why, e);
	/* 65535 is what the kernel takes for a bridge. */
	if (v < 0 || v > 65535)
		return err_kind(e, ERR_INVALID, "invalid MTU number: %lld", (long long)v);
	return 0;
}

static int check_mode(const char *key, const char *value, struct err *e)
{
	static const char *const modes[] = {"", "nat", "nat-unprotected", "routed", "isolated", NULL};
	cleanup_free char *why = xasprintf("unknown gateway mode %s", value);

	return str_in(value, modes) ? 0 : bad_option(key, value, why, e);
}

static int check_host_ip(const char *key, const char *value, struct err *e)
{
	struct inet a;

	return inet_parse(span_of(value), &a) ? bad_option(key, value, "nil ip", e) : 0;
}

static int check_options(const json_t *options, struct err *e)
{
	static const struct {
		const char *key;
		int (*check)(const char *key, const char *value, struct err *e);
	} known[] = {
		{NETWORK_OPTION "driver.mtu", check_mtu},
		{BRIDGE_OPTION "default_bridge", check_bool_option},
		{BRIDGE_OPTION "enable_icc", check_bool_option},
		{BRIDGE_OPTION "enable_ip_masquerade", check_bool_option},
		{BRIDGE_OPTION "inhibit_ipv4", check_bool_option},
		{BRIDGE_OPTION "gateway_mode_ipv4", check_mode},
		{BRIDGE_OPTION "gateway_mode_ipv6", check_mode},
		{BRIDGE_OPTION "host_binding_ipv4", check_host_ip},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		const char *value = json_str(options, known[i].key, NULL);

		if (value && known[i].check(known[i].key, value, e))
			return -1;
	}
	return 0;
}

/* --- drivers ---------------------------------------------------------------------------------- */

/* Those that are no bridge are refused as a rootless Docker refuses them. */
static int check_driver(const char *driver, const json_t *options, struct err *e)
{
	const char *parent = json_str(options, "parent", "");

	if (!strcmp(driver, "bridge"))
		return 0;
	if (!strcmp(driver, "host") || !strcmp(driver, "null"))
		return err_kind(e, ERR_FORBIDDEN, "only one instance of \"%s\" network is allowed", driver);
	if (!strcmp(driver, "overlay"))
		return err_kind(e, ERR_FORBIDDEN, "This node is not a swarm manager. Use \"docker swarm init\" or "
			"\"docker swarm join\" to connect this node to swarm and try again.");
	if (!strcmp(driver, "macvlan") || !strcmp(driver, "ipvlan")) {
		if (*parent && !strchr(parent, '.'))
			return err_set(e, 0, "invalid subinterface vlan name %s, example formatting is eth0.10", parent);
		return err_set(e, 0, "operation not supported");
	}
	return err_kind(e, ERR_NOT_FOUND, "plugin \"%s\" not found", driver);
}

static int check_ipam_driver(const char *driver, struct err *e)
{
	if (!*driver || !strcmp(driver, "default"))
		return 0;
	if (!strcmp(driver, "null"))
		return err_kind(e, ERR_INVALID, "ipv4 pool is empty");
	return err_kind(e, ERR_NOT_FOUND, "plugin \"%s\" not found", driver);
}

static int check_isolated(const json_t *request, const json_t *options, struct err *e)
{
	static const char *const keys[] = {BRIDGE_OPTION "gateway_mode_ipv4", BRIDGE_OPTION "gateway_mode_ipv6"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(json_str(options, keys[i], ""), "isolated") && !json_bool(request, "Internal", false))
			return err_kind(e, ERR_INVALID, "gateway mode 'isolated' can only be used for an internal network");
	return 0;
}

int network_check(const json_t *request, const json_t *options, struct err *e)
{
	const json_t *ipam = json_obj(request, "IPAM");

	if (check_ipam(ipam, json_bool(request, "EnableIPv6", false), e))
		return -1;
	if (json_bool(request, "ConfigOnly", false))
		return 0;
	return check_driver(json_str(request, "Driver", "bridge"), options, e) ||
		check_ipam_driver(json_str(ipam, "Driver", ""), e) || check_options(options, e) ||
		check_isolated(request, options, e) ? -1 : 0;
}
