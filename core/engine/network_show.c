/* SPDX-License-Identifier: MIT */
/*
 * core/engine/network_show.c - what a container shows of its networks, and what it may ask of them
 */
#include "engine/container.h"
#include "engine/network_table.h"
#include "engine/ports.h"
#include "engine/schema.h"

#include <stdio.h>
#include <stdlib.h>

/* --- MAC addresses ---------------------------------------------------------------------------- */

/* As Go's net.ParseMAC takes them, of six bytes: with colons, dashes, or dots between pairs. */
int endpoint_parse_mac(const char *text, uint8_t mac[6])
{
	struct span rest = span_of(text), part;
	char separator = strchr(text, '-') ? '-' : strchr(text, '.') ? '.' : ':';
	size_t digits = separator == '.' ? 4 : 2, n = 0;

	while (span_token(&rest, separator, &part)) {
		if (part.n != digits || n + digits / 2 > 6 || hex_decode(part, mac + n))
			return -1;
		n += digits / 2;
	}
	return n == 6 ? 0 : -1;
}

const char *endpoint_mac(const struct endpoint *ep, char out[ENDPOINT_MAC_TEXT])
{
	*out = 0;
	if (*ep->port)
		snprintf(out, ENDPOINT_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", ep->mac[0], ep->mac[1], ep->mac[2],
			ep->mac[3], ep->mac[4], ep->mac[5]);
	return out;
}

/* --- endpoint settings ------------------------------------------------------------------------ */

/* Can an endpoint of @n have this address? */
static void check_in_subnet(const struct network *n, int f, const char *text, json_t *bad)
{
	cleanup_free char *why = NULL;
	struct inet a;

	if (!*text)
		return;
	if (!n->family[f].asked) {
		json_append_str(bad, "user specified IP address is supported only when connecting to networks with "
				     "user configured subnets");
		return;
	}
	if (!inet_parse(span_of(text), &a) && subnet_contains(&n->family[f].subnet, &a))
		return;
	why = xasprintf("no configured subnet or ip-range contain the IP address %s", text);
	json_append_str(bad, why);
}

static void check_text(const char *text, int family, json_t *bad)
{
	cleanup_free char *why = NULL;
	struct inet a;

	if (!*text || (!inet_parse(span_of(text), &a) && a.family == family))
		return;
	why = xasprintf("invalid IPv%d address: %s", family == AF_INET ? 4 : 6, text);
	json_append_str(bad, why);
}

static void check_link_local(const char *text, json_t *bad)
{
	cleanup_free char *why = NULL;
	struct inet a;

	if (!*text || !inet_parse(span_of(text), &a))
		return;
	why = xasprintf("invalid link-local IP address: %s", text);
	json_append_str(bad, why);
}

int endpoint_check(const struct network *n, const char *network, const json_t *settings, struct err *e)
{
	const char *v4 = json_str(json_obj(settings, "IPAMConfig"), "IPv4Address", "");
	const char *v6 = json_str(json_obj(settings, "IPAMConfig"), "IPv6Address", "");
	cleanup_json json_t *bad = json_array();
	cleanup_buf struct buf text = BUF_INIT;
	bool predefined = network_is_predefined(network);
	const char *mac = json_str(settings, "MacAddress", "");
	uint8_t parsed[6];
	const json_t *v;
	size_t i;

	if (*mac && endpoint_parse_mac(mac, parsed))
		return err_kind(e, ERR_INVALID, "invalid MAC address %s", mac);
	if (predefined && (*v4 || *v6))
		json_append_str(bad, "user specified IP address is supported on user defined networks only");
	if (predefined && json_array_size(json_arr(settings, "Aliases")))
		json_append_str(bad,
			"network-scoped alias is supported only for containers in user defined networks");
	check_text(v4, AF_INET, bad);
	check_text(v6, AF_INET6, bad);
	json_array_foreach(json_arr(json_obj(settings, "IPAMConfig"), "LinkLocalIPs"), i, v)
		check_link_local(json_string_value(v) ? json_string_value(v) : "", bad);
	endpoint_check_sysctls(settings, bad);
	if (n) {
		check_in_subnet(n, V4, v4, bad);
		check_in_subnet(n, V6, v6, bad);
	}
	if (!json_array_size(bad))
		return 0;
	json_array_foreach(bad, i, v)
		buf_addf(&text, "%s%s%s", i ? "\n" : "", json_array_size(bad) > 1 ? "* " : "", json_string_value(v));
	return err_kind(e, ERR_INVALID, "invalid endpoint settings:\n%s", text.p);
}

int network_check_endpoints(struct engine *en, const json_t *endpoints, struct err *e)
{
	const char *name;
	json_t *ep;

	json_object_foreach((json_t *)(uintptr_t)endpoints, name, ep) {
		struct network *n = network_get(en, name, NULL); /* it may come to be later */
		int rc = endpoint_check(n, name, ep, e);

		network_put(n);
		if (rc)
			return err_wrap(e, "invalid config for network %s", name);
	}
	return 0;
}

/* --- endpoints -------------------------------------------------------------------------------- */

json_t *endpoint_names(const struct container *c, const char *container_name, const json_t *settings)
{
	json_t *names = json_array(), *aliases = json_arr(settings, "Aliases"), *v;
	const char *host = json_str(c->config, "Hostname", "");
	char short_id[13];
	size_t i;

	snprintf(short_id, sizeof(short_id), "%.12s", c->id);
	json_append_str(names, container_name);
	json_array_foreach(aliases, i, v)
		json_array_append(names, v);
	json_append_str(names, short_id);
	if (*host)
		json_append_str(names, host);
	/* Each once. */
	for (i = 0; i < json_array_size(names); i++)
		for (size_t k = json_array_size(names) - 1; k > i; k--)
			if (json_equal(json_array_get(names, i), json_array_get(names, k)))
				json_array_remove(names, k);
	return names;
}

static void add_address(json_t *j, const struct endpoint *ep, int f)
{
	static const char *const keys[FAMILIES][3] = {{"IPAddress", "IPPrefixLen", "Gateway"},
		{"GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway"}};
	const struct network_family *family = &ep->net->family[f];
	char text[INET_TEXT];

	if (!ep->addr[f].family)
		return;
	json_set_str(j, keys[f][0], inet_format(&ep->addr[f], text));
	json_set_int(j, keys[f][1], family->subnet.len);
	if (!ep->net->internal)
		json_set_str(j, keys[f][2], inet_format(family->via.family ? &family->via : &family->gateway, text));
}

/* The sparse form; @name is the container's, or NULL for a list, which shows less. */
static json_t *endpoint_shown(const struct container *c, const char *network, const char *name,
	json_t *settings)
{
	const struct endpoint *ep = endpoint_on(c, network);
	json_t *s = json_copy(settings);
	char mac[ENDPOINT_MAC_TEXT];

	if (!name) {
		json_object_del(s, "Aliases");
		json_object_del(s, "Links");
		json_object_del(s, "DriverOpts");
	}
	/* From the first start, or a connect, on. */
	if (name && (ep || *json_str(s, "NetworkID", "") || json_bool(s, "Connected", false)) &&
		!network_is_predefined(network))
		json_set_new(s, "DNSNames", endpoint_names(c, name, settings));
	if (ep) {
		json_set_str(s, "EndpointID", ep->id);
		json_set_str(s, "MacAddress", endpoint_mac(ep, mac));
		add_address(s, ep, V4);
		add_address(s, ep, V6);
	} else if (*json_str(s, "NetworkID", "")) {
		json_set_str(s, "MacAddress", ""); /* it has one while it runs */
	}
	return s;
}

static json_t *endpoints(const struct container *c, const char *name)
{
	json_t *out = json_object(), *settings;
	const char *network;

	json_object_foreach(c->networks, network, settings) {
		cleanup_json json_t *s = endpoint_shown(c, network, name, settings);

		json_set_new(out, network, schema_expand(schema_endpoint, s));
	}
	return out;
}

void network_summary_print(const struct container *c, struct buf *out)
{
	const char *network, *ahead = "";
	json_t *settings;

	buf_adds(out, "{\"Networks\":{");
	json_object_foreach(c->networks, network, settings) {
		cleanup_json json_t *s = endpoint_shown(c, network, NULL, settings);

		buf_adds(out, ahead);
		json_print_str(network, out);
		buf_addc(out, ':');
		schema_print(schema_endpoint, s, out);
		ahead = ",";
	}
	buf_adds(out, "}}");
}

json_t *network_settings(struct engine *en, const struct container *c, const char *name)
{
	bool up = c->status == ST_RUNNING && json_object_size(c->networks);
	bool host = json_object_get(c->networks, "host") != NULL;
	const struct endpoint *bridge = up ? endpoint_on(c, "bridge") : NULL;
	cleanup_free char *key = !up ? xstrdup("") : host ? xasprintf("/proc/%d/ns/net", (int)c->pid) :
		xasprintf("%s/%s/netns", en->config.exec_root, c->id);
	cleanup_json json_t *old = json_object(); /* the members of the default bridge's endpoint */
	json_t *networks, *j = json_object();

	if (bridge) {
		add_address(old, bridge, V4);
		add_address(old, bridge, V6);
	}
	json_set_str(j, "Bridge", "");
	json_set_str(j, "SandboxID", up ? c->sandbox_id : "");
	json_set_str(j, "SandboxKey", key);
	json_set_new(j, "Ports", ports_inspect(c));
	json_set_bool(j, "HairpinMode", false);
	json_set_str(j, "LinkLocalIPv6Address", "");
	json_set_int(j, "LinkLocalIPv6PrefixLen", 0);
	json_set_new(j, "SecondaryIPAddresses", json_null());
	json_set_new(j, "SecondaryIPv6Addresses", json_null());
	json_set_str(j, "EndpointID", bridge ? bridge->id : "");
	json_set_str(j, "Gateway", json_str(old, "Gateway", ""));
	json_set_str(j, "GlobalIPv6Address", json_str(old, "GlobalIPv6Address", ""));
	json_set_int(j, "GlobalIPv6PrefixLen", json_int(old, "GlobalIPv6PrefixLen", 0));
	json_set_str(j, "IPAddress", json_str(old, "IPAddress", ""));
	json_set_int(j, "IPPrefixLen", json_int(old, "IPPrefixLen", 0));
	json_set_str(j, "IPv6Gateway", json_str(old, "IPv6Gateway", ""));
	networks = endpoints(c, name);
	json_set_str(j, "MacAddress", json_str(json_obj(networks, "bridge"), "MacAddress", ""));
	json_set_new(j, "Networks", networks);
	return j;
}
