/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_engine_network.c - what a request to create a network becomes, or why it is refused
 */
#include "unit.h"

#include "engine/container.h"
#include "engine/network_table.h"
#include "engine/schema.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* An engine that has a table of networks, and nothing else. */
static struct engine *bare(const char *daemon_json)
{
	struct engine *en = xcalloc(1, sizeof(*en));

	en->config.raw = json_loads(daemon_json, 0, NULL);
	snprintf(en->id, sizeof(en->id), "an engine");
	en->networks = xcalloc(1, sizeof(*en->networks));
	pthread_mutex_init(&en->networks->lock, NULL);
	return en;
}

static void bare_free(struct engine *en)
{
	for (size_t i = 0; i < en->networks->n; i++)
		network_put(en->networks->all[i]);
	free(en->networks->all);
	free(en->networks);
	json_decref(en->config.raw);
	free(en);
}

static struct network *plan(struct engine *en, const char *text, const char *id, struct err *e)
{
	cleanup_json json_t *body = json_loads(text, 0, NULL), *request = NULL;
	struct network *n;

	*e = (struct err)ERR_INIT;
	request = schema_pack(schema_network_create, body, "network.CreateRequest", e);
	n = request ? network_plan(en, request, id, e) : NULL;
	if (n && network_reserve(n, e)) {
		network_put(n);
		return NULL;
	}
	return n;
}

/* --- refused --- */

#define CONFIG(text) "{\"Name\":\"x\",\"IPAM\":{\"Config\":[" text "]}}"
#define OPTIONS(key, value) "{\"Name\":\"x\",\"Options\":{\"com.docker.network." key "\":\"" value "\"}}"
#define BAD "invalid network config:\n"

static const struct {
	const char *request, *message;
	enum err_kind kind;
} refused[] = {
	{CONFIG("{\"Subnet\":\"nope\"}"), BAD "invalid subnet nope: invalid CIDR block notation", ERR_INVALID},
	{CONFIG("{\"Subnet\":\"10.79.0.5/24\"}"), BAD "invalid subnet 10.79.0.5/24: it should be 10.79.0.0/24", ERR_INVALID},
	{CONFIG("{\"Gateway\":\"10.80.0.1\"}"), BAD "invalid subnet : invalid CIDR block notation", ERR_INVALID},
	{CONFIG("{\"Subnet\":\"10.79.0.0/24\",\"Gateway\":\"x\"}"), BAD "invalid gateway x: invalid address", ERR_INVALID},
	{CONFIG("{\"Subnet\":\"10.79.0.0/24\",\"Gateway\":\"fd00::1\"}"),
		BAD "invalid gateway fd00::1: parent subnet is an IPv4 block", ERR_INVALID},
	{CONFIG("{\"Subnet\":\"10.79.0.0/24\",\"Gateway\":\"10.80.0.1\"}"),
		BAD "invalid gateway 10.80.0.1: parent subnet 10.79.0.0/24 doesn't contain this address", ERR_INVALID},
	{CONFIG("{\"Subnet\":\"10.79.0.0/24\",\"IPRange\":\"10.80.0.0/25\"}"),
		BAD "invalid ip-range 10.80.0.0/25: parent subnet 10.79.0.0/24 doesn't contain ip-range", ERR_INVALID},
	{CONFIG("{\"Subnet\":\"10.79.0.0/24\",\"IPRange\":\"10.79.0.1/16\"}"),
		BAD "* invalid ip-range 10.79.0.1/16: CIDR block is bigger than its parent subnet 10.79.0.0/24\n"
		    "* invalid ip-range 10.79.0.1/16: it should be 10.79.0.0/16", ERR_INVALID},
	{CONFIG("{\"Subnet\":\"10.79.0.0/24\"},{\"Subnet\":\"10.80.0.0/24\"}"),
		"bridge driver doesn't support multiple subnets", ERR_FORBIDDEN},
	{CONFIG("{\"Subnet\":\"10.60.0.0/30\",\"AuxiliaryAddresses\":{\"a\":\"10.60.0.1\"}}"),
		"failed to allocate secondary ip address (a:10.60.0.1): Address already in use", ERR_FAILED},
	{OPTIONS("driver.mtu", "big"), "failed to parse com.docker.network.driver.mtu value: big (strconv.Atoi: "
		"parsing \"big\": invalid syntax)", ERR_INVALID},
	{OPTIONS("driver.mtu", "-5"), "invalid MTU number: -5", ERR_INVALID},
	{OPTIONS("bridge.enable_icc", "maybe"), "failed to parse com.docker.network.bridge.enable_icc value: maybe "
		"(strconv.ParseBool: parsing \"maybe\": invalid syntax)", ERR_INVALID},
	{OPTIONS("bridge.gateway_mode_ipv4", "x"), "failed to parse com.docker.network.bridge.gateway_mode_ipv4 value: "
		"x (unknown gateway mode x)", ERR_INVALID},
	{OPTIONS("bridge.host_binding_ipv4", "x"), "failed to parse com.docker.network.bridge.host_binding_ipv4 value: "
		"x (nil ip)", ERR_INVALID},
	{OPTIONS("bridge.name", "a-very-long-bridge-name"), "numerical result out of range", ERR_FAILED},
	{OPTIONS("bridge.name", "../x"), "invalid bridge name: ../x", ERR_INVALID},
	{"{\"Name\":\"x\",\"Driver\":\"host\"}", "only one instance of \"host\" network is allowed", ERR_FORBIDDEN},
	{"{\"Name\":\"x\",\"Driver\":\"frob\"}", "plugin \"frob\" not found", ERR_NOT_FOUND},
	{"{\"Name\":\"x\",\"IPAM\":{\"Driver\":\"frob\"}}", "plugin \"frob\" not found", ERR_NOT_FOUND},
	{"{\"Name\":\"x\",\"Driver\":\"macvlan\"}", "operation not supported", ERR_FAILED},
};

TEST(refused_requests)
{
	struct engine *en = bare("{}");

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct err e;
		struct network *n = plan(en, refused[i].request, ID, &e);

		CHECK_STR(n ? "planned" : e.msg, refused[i].message);
		CHECK_INT(e.kind, refused[i].kind);
		network_put(n);
	}
	bare_free(en);
}

/* --- planned --- */

static const struct {
	const char *request, *config;
} planned[] = {
	{CONFIG("{\"Subnet\":\"10.77.0.0/24\",\"Gateway\":\"10.77.0.254\",\"IPRange\":\"10.77.0.128/25\","
		"\"AuxiliaryAddresses\":{\"r\":\"10.77.0.130\"}}"),
		"[{\"Subnet\":\"10.77.0.0/24\",\"IPRange\":\"10.77.0.128/25\",\"Gateway\":\"10.77.0.254\","
		"\"AuxiliaryAddresses\":{\"r\":\"10.77.0.130\"}}]"},
	{CONFIG("{\"Subnet\":\"10.78.0.0/24\"}"), "[{\"Subnet\":\"10.78.0.0/24\"}]"},
	{CONFIG("{\"Subnet\":\"fd00::/64\"}"), NULL}, /* not without EnableIPv6 */
	{"{\"Name\":\"x\",\"EnableIPv6\":true,\"IPAM\":{\"Config\":[{\"Subnet\":\"fd00:77::/64\"},"
	 "{\"Subnet\":\"10.70.0.0/16\"}]}}", "[{\"Subnet\":\"10.70.0.0/16\"},{\"Subnet\":\"fd00:77::/64\"}]"},
};

TEST(planned_networks)
{
	struct engine *en = bare("{}");

	for (size_t i = 0; i < ARRAY_SIZE(planned); i++) {
		cleanup_buf struct buf text = BUF_INIT;
		struct err e;
		struct network *n = plan(en, planned[i].request, ID, &e);

		if (!CHECK(n))
			continue;
		json_print(json_path(n->doc, "IPAM", "Config", NULL), false, &text);
		if (planned[i].config)
			CHECK_STR(text.p, planned[i].config);
		else
			CHECK(!strstr(text.p, "fd00"));
		CHECK_STR(n->bridge, "br-0123456789ab");
		network_put(n);
	}
	bare_free(en);
}

static struct network *add(struct engine *en, const char *text, char digit, struct err *e)
{
	char id[] = ID;
	struct network *n;

	id[0] = digit;
	n = plan(en, text, id, e);
	if (n && network_insert(en, n, e)) {
		network_put(n);
		return NULL;
	}
	return n;
}

TEST(networks_do_not_overlap)
{
	struct engine *en = bare("{\"default-address-pools\":[{\"base\":\"10.200.0.0/27\",\"size\":28}]}");
	struct err e;
	struct network *a = add(en, "{\"Name\":\"a\"}", 'a', &e), *b = add(en, "{\"Name\":\"b\"}", 'b', &e), *c;
	char text[INET_TEXT];

	NEED(a && b);
	CHECK_STR(inet_format(&a->family[V4].gateway, text), "10.200.0.1");
	CHECK_STR(inet_format(&b->family[V4].gateway, text), "10.200.0.17");
	CHECK(!add(en, "{\"Name\":\"c\"}", 'c', &e));
	CHECK_STR(e.msg, "all predefined address pools have been fully subnetted");
	CHECK(!add(en, CONFIG("{\"Subnet\":\"10.200.0.0/16\"}"), 'c', &e));
	CHECK_STR(e.msg, "invalid pool request: Pool overlaps with other one on this address space");
	CHECK_INT(e.kind, ERR_FORBIDDEN);
	c = network_get(en, "a2", &e);
	CHECK(!c && e.kind == ERR_NOT_FOUND);
	c = network_get(en, "a123", &e);
	CHECK(c == a);
	network_put(c);
	network_take_out(en, a);
	network_put(a);
	a = add(en, "{\"Name\":\"c\"}", 'c', &e);
	CHECK(a);
	network_put(a);
	network_put(b);
	bare_free(en);
}

/* What is written can be read, and is the same. */
TEST(files)
{
	struct engine *en = bare("{}");
	struct err e;
	struct network *n, *again;
	cleanup_json json_t *j = NULL;
	char file[128];

	en->datafd = tmp_dirfd();
	NEED(!fs_mkdir_p_at(en->datafd, "networks", 0700, &e));
	n = plan(en, "{\"Name\":\"x\",\"EnableIPv6\":true,\"Internal\":true,\"IPAM\":{\"Config\":"
		"[{\"Subnet\":\"10.77.0.0/24\",\"IPRange\":\"10.77.0.128/25\"}]}}", ID, &e);
	NEED(n);
	CHECK_OK(e, network_save(en, n, &e));
	snprintf(file, sizeof(file), "networks/%s.json", ID);
	j = json_load_at(en->datafd, file, 1 << 20, &e);
	again = network_of(j, &e);
	NEED(again);
	CHECK(json_equal(n->doc, again->doc));
	CHECK_STR(again->bridge, n->bridge);
	CHECK(again->internal && again->family[V4].asked && !again->family[V6].asked);
	for (int f = 0; f < FAMILIES; f++) {
		CHECK(!inet_compare(&again->family[f].gateway, &n->family[f].gateway));
		CHECK_INT(again->ipam[f].range.len, n->ipam[f].range.len);
	}
	network_put(n);
	network_put(again);
	bare_free(en);
}

/* --- the default bridge --- */

TEST(default_bridge)
{
	static const struct {
		const char *daemon_json, *address, *range, *message;
	} rows[] = {
		{"{}", "172.17.0.1", "172.17.0.0/16", NULL},
		{"{\"bip\":\"10.9.8.7/24\"}", "10.9.8.7", "10.9.8.0/24", NULL},
		{"{\"bip\":\"10.9.8.7/24\",\"fixed-cidr\":\"10.9.8.64/26\"}", "10.9.8.7", "10.9.8.64/26", NULL},
		{"{\"bip\":\"10.9.8.7/24\",\"fixed-cidr\":\"10.9.9.64/26\"}", NULL, NULL,
			"bad fixed-cidr '10.9.9.64/26': it is not in 10.9.8.0/24"},
		{"{\"bip\":\"x\"}", NULL, NULL, "bad bip 'x'"},
		{"{\"bridge\":\"none\"}", NULL, NULL, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct engine *en = bare(rows[i].daemon_json);
		struct err e = ERR_INIT;
		cleanup_json json_t *request = network_default_request(en, &e);
		struct network *n = request ? network_plan(en, request, ID, &e) : NULL;
		char text[SUBNET_TEXT];

		if (n) {
			CHECK_STR(inet_format(&n->family[V4].gateway, text), rows[i].address);
			CHECK_STR(subnet_format(&n->ipam[V4].range, text), rows[i].range);
			CHECK_STR(n->bridge, "docker0");
		} else {
			CHECK_STR(e.msg, rows[i].message);
		}
		network_put(n);
		bare_free(en);
	}
}

/* --- MAC addresses --- */

TEST(mac_addresses)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{"02:42:ac:11:00:99", true}, {"02-42-AC-11-00-99", true}, {"0242.ac11.0099", true}, {"", false},
		{"02:42:ac:11:00", false}, {"02:42:ac:11:00:99:01", false}, {"2:42:ac:11:00:99", false},
		{"02:42:ac:11:00:9g", false}, {"0242ac110099", false}, {"02:42:ac:11:00:99:", false},
	};
	uint8_t mac[6];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!CHECK_INT(endpoint_parse_mac(guarded(rows[i].text, strlen(rows[i].text) + 1), mac), rows[i].ok ? 0 : -1))
			printf("# %s\n", rows[i].text);
		else if (rows[i].ok)
			CHECK(!memcmp(mac, "\x02\x42\xac\x11\x00\x99", 6));
	}
}
