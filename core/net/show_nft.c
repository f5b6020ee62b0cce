/* SPDX-License-Identifier: MIT */
/*
 * core/net/show_nft.c - nftables rules in words
 *
 * Theory of operation
 *   The kernel keeps a rule as a list of small expressions that work on registers: one loads the input
 *   interface's name into register 1, the next compares register 1.  Read in order, with the words for
 *   what each register holds remembered, they become the text that nft(8) prints for them, nearly.  Of an
 *   expression we have no words for, the name is shown.
 *
 *   Registers have two numberings, 4 of 16 bytes and 16 of 4 bytes; a rule uses one for what it loads.
 */
#include "net/show.h"
#include "net/inet.h"
#include "net/nl.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <sys/socket.h>

#define ATTRS_MAX 16 /* of any expression we read */

/* --- numbers and values --------------------------------------------------------------------------- */

static uint32_t be32(const struct nlattr *a)
{
	return ntohl(nl_u32(a, 0));
}

static char *reg(struct show_rule *s, const struct nlattr *a)
{
	uint32_t n = be32(a);

	return s->left[n < ARRAY_SIZE(s->left) ? n : 0];
}

/* What is on the left says how the bytes are to be read: an interface's name, an address, a port; else a
 * number, of four bytes in the machine's order as marks are. */
static void add_value(struct buf *out, const char *left, struct span v)
{
	struct inet a = {0};
	uint32_t number = 0;
	char text[INET_TEXT];
	size_t i;

	if (strstr(left, "ifname")) {
		buf_addf(out, "\"%.*s\"", (int)strnlen(v.p, v.n), v.p);
	} else if (strstr(left, "addr") && !strstr(left, "fib") && (v.n == 4 || v.n == 16)) {
		a.family = v.n == 4 ? AF_INET : AF_INET6;
		memcpy(a.bytes, v.p, v.n);
		buf_adds(out, inet_format(&a, text));
	} else if (strstr(left, "port") && v.n == 2) {
		buf_addf(out, "%u", (unsigned int)((uint8_t)v.p[0] << 8 | (uint8_t)v.p[1]));
	} else if (v.n == 4) {
		memcpy(&number, v.p, sizeof(number));
		buf_addf(out, "0x%x", number);
	} else if (v.n == 1) {
		buf_addf(out, "%u", (uint8_t)v.p[0]);
	} else {
		buf_adds(out, "0x");
		for (i = 0; i < v.n; i++)
			buf_addf(out, "%02x", (uint8_t)v.p[i]);
	}
}

static struct span data_value(const struct nlattr *a)
{
	const struct nlattr *d[NFTA_DATA_MAX + 1];

	nl_nested(a, d, ARRAY_SIZE(d));
	return nl_payload(d[NFTA_DATA_VALUE]);
}

/* --- expressions ------------------------------------------------------------------------------------ */

typedef void show_fn(struct show_rule *s, const struct nlattr *const *a, struct buf *out);

static void set_left(char *left, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void set_left(char *left, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(left, sizeof(((struct show_rule *)0)->left[0]), fmt, ap);
	va_end(ap);
}

static void show_meta(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	static const char *const names[] = {[NFT_META_LEN] = "length", [NFT_META_PROTOCOL] = "protocol",
		[NFT_META_PRIORITY] = "priority", [NFT_META_MARK] = "mark", [NFT_META_IIF] = "iif", [NFT_META_OIF] = "oif",
		[NFT_META_IIFNAME] = "iifname", [NFT_META_OIFNAME] = "oifname", [NFT_META_IIFTYPE] = "iiftype",
		[NFT_META_OIFTYPE] = "oiftype", [NFT_META_SKUID] = "skuid", [NFT_META_SKGID] = "skgid",
		[NFT_META_NFPROTO] = "nfproto", [NFT_META_L4PROTO] = "l4proto", [NFT_META_PKTTYPE] = "pkttype"};
	uint32_t key = be32(a[NFTA_META_KEY]);
	const char *name = key < ARRAY_SIZE(names) && names[key] ? names[key] : "?";

	if (a[NFTA_META_DREG])
		set_left(reg(s, a[NFTA_META_DREG]), "%s", name);
	else
		buf_addf(out, " meta %s set %s", name, reg(s, a[NFTA_META_SREG]));
}

static void show_payload(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	static const char *const bases[] = {"@ll", "@nh", "@th", "@ih"};
	static const struct {
		uint32_t base, offset, len;
		const char *name;
	} known[] = {{NFT_PAYLOAD_NETWORK_HEADER, 12, 4, "ip saddr"}, {NFT_PAYLOAD_NETWORK_HEADER, 16, 4, "ip daddr"},
		{NFT_PAYLOAD_NETWORK_HEADER, 8, 16, "ip6 saddr"}, {NFT_PAYLOAD_NETWORK_HEADER, 24, 16, "ip6 daddr"},
		{NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, "th sport"}, {NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, "th dport"},
		{NFT_PAYLOAD_TRANSPORT_HEADER, 13, 1, "tcp flags"}};
	uint32_t base = be32(a[NFTA_PAYLOAD_BASE]), offset = be32(a[NFTA_PAYLOAD_OFFSET]), len = be32(a[NFTA_PAYLOAD_LEN]);
	size_t i;

	if (!a[NFTA_PAYLOAD_DREG]) {
		buf_addf(out, " %s,%u,%u set %s", base < ARRAY_SIZE(bases) ? bases[base] : "@?", offset * 8, len * 8,
			reg(s, a[NFTA_PAYLOAD_SREG]));
		return;
	}
	set_left(reg(s, a[NFTA_PAYLOAD_DREG]), "%s,%u,%u", base < ARRAY_SIZE(bases) ? bases[base] : "@?", offset * 8, len * 8);
	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].base == base && known[i].offset == offset && known[i].len == len)
			set_left(reg(s, a[NFTA_PAYLOAD_DREG]), "%s", known[i].name);
}

static const char *op_word(uint32_t op)
{
	static const char *const words[] = {[NFT_CMP_EQ] = "", [NFT_CMP_NEQ] = "!= ", [NFT_CMP_LT] = "< ", [NFT_CMP_LTE] = "<= ",
		[NFT_CMP_GT] = "> ", [NFT_CMP_GTE] = ">= "};

	return op < ARRAY_SIZE(words) ? words[op] : "? ";
}

static void show_cmp(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	const char *left = reg(s, a[NFTA_CMP_SREG]);

	buf_addf(out, " %s %s", left, op_word(be32(a[NFTA_CMP_OP])));
	add_value(out, left, data_value(a[NFTA_CMP_DATA]));
}

static void show_range(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	const char *left = reg(s, a[NFTA_RANGE_SREG]);

	buf_addf(out, " %s %s", left, be32(a[NFTA_RANGE_OP]) == NFT_RANGE_NEQ ? "!= " : "");
	add_value(out, left, data_value(a[NFTA_RANGE_FROM_DATA]));
	buf_addc(out, '-');
	add_value(out, left, data_value(a[NFTA_RANGE_TO_DATA]));
}

static void show_bitwise(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	cleanup_buf struct buf mask = BUF_INIT;

	(void)out;
	cleanup_free char *left = xstrdup(reg(s, a[NFTA_BITWISE_SREG]));
	add_value(&mask, left, data_value(a[NFTA_BITWISE_MASK]));
	set_left(reg(s, a[NFTA_BITWISE_DREG]), "%s & %s", left, mask.p);
}

static void show_lookup(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	struct span set = nl_text(a[NFTA_LOOKUP_SET]);

	buf_addf(out, " %s %s@%.*s", reg(s, a[NFTA_LOOKUP_SREG]),
		be32(a[NFTA_LOOKUP_FLAGS]) & NFT_LOOKUP_F_INV ? "!= " : "", (int)set.n, set.p);
}

static void show_verdict(const struct nlattr *a, struct buf *out)
{
	static const char *const names[] = {"drop", "accept", "stolen", "queue", "repeat"};
	const struct nlattr *v[NFTA_VERDICT_MAX + 1];
	int32_t code;
	struct span chain;

	nl_nested(a, v, ARRAY_SIZE(v));
	code = (int32_t)be32(v[NFTA_VERDICT_CODE]);
	chain = nl_text(v[NFTA_VERDICT_CHAIN]);
	if (code >= 0)
		buf_addf(out, " %s", (size_t)code < ARRAY_SIZE(names) ? names[code] : "verdict ?");
	else
		buf_addf(out, " %s%s%.*s", code == NFT_RETURN ? "return" : code == NFT_JUMP ? "jump" : code == NFT_GOTO ? "goto" :
			"continue", chain.n ? " " : "", (int)chain.n, chain.p);
}

static void show_immediate(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	const struct nlattr *d[NFTA_DATA_MAX + 1];
	cleanup_buf struct buf value = BUF_INIT;
	struct span v;

	nl_nested(a[NFTA_IMMEDIATE_DATA], d, ARRAY_SIZE(d));
	if (d[NFTA_DATA_VERDICT]) {
		show_verdict(d[NFTA_DATA_VERDICT], out);
		return;
	}
	/* An address or port that a later statement uses: which it is, its length says. */
	v = nl_payload(d[NFTA_DATA_VALUE]);
	add_value(&value, v.n == 2 ? "port" : v.n == 16 ? "addr" : "", v);
	set_left(reg(s, a[NFTA_IMMEDIATE_DREG]), "%s", value.p);
}

static void show_ct(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	static const char *const names[] = {[NFT_CT_STATE] = "ct state", [NFT_CT_DIRECTION] = "ct direction",
		[NFT_CT_STATUS] = "ct status", [NFT_CT_MARK] = "ct mark"};
	uint32_t key = be32(a[NFTA_CT_KEY]);
	const char *name = key < ARRAY_SIZE(names) && names[key] ? names[key] : "ct ?";

	if (a[NFTA_CT_DREG])
		set_left(reg(s, a[NFTA_CT_DREG]), "%s", name);
	else
		buf_addf(out, " %s set %s", name, reg(s, a[NFTA_CT_SREG]));
}

static void show_fib(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} flags[] = {{NFTA_FIB_F_SADDR, " saddr"}, {NFTA_FIB_F_DADDR, " daddr"}, {NFTA_FIB_F_MARK, " mark"},
		{NFTA_FIB_F_IIF, " iif"}, {NFTA_FIB_F_OIF, " oif"}};
	static const char *const results[] = {[NFT_FIB_RESULT_OIF] = "oif", [NFT_FIB_RESULT_OIFNAME] = "oifname",
		[NFT_FIB_RESULT_ADDRTYPE] = "type"};
	uint32_t wanted = be32(a[NFTA_FIB_FLAGS]), result = be32(a[NFTA_FIB_RESULT]);
	char text[40] = "fib";
	size_t i;

	(void)out;
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (wanted & flags[i].bit)
			strcat(text, flags[i].name);
	set_left(reg(s, a[NFTA_FIB_DREG]), "%s %s", text, result < ARRAY_SIZE(results) && results[result] ? results[result] : "?");
}

static void show_socket(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	static const char *const names[] = {"socket transparent", "socket mark", "socket wildcard", "socket cgroupv2"};
	uint32_t key = be32(a[NFTA_SOCKET_KEY]);

	(void)out;
	set_left(reg(s, a[NFTA_SOCKET_DREG]), "%s", key < ARRAY_SIZE(names) ? names[key] : "socket ?");
}

/* An address in a register: of IPv4, show_immediate() took it for a number. */
static void add_register(struct show_rule *s, const struct nlattr *a, struct buf *out)
{
	const char *text = a ? reg(s, a) : "";
	struct inet addr = {.family = AF_INET};
	char dotted[INET_TEXT];
	uint64_t number;

	if (strncmp(text, "0x", 2) || parse_u64_base(span_of(text + 2), 16, UINT32_MAX, &number)) {
		buf_adds(out, text);
		return;
	}
	memcpy(addr.bytes, &(uint32_t){(uint32_t)number}, 4);
	buf_adds(out, inet_format(&addr, dotted));
}

static void show_tproxy(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	buf_adds(out, " tproxy to ");
	add_register(s, a[NFTA_TPROXY_REG_ADDR], out);
	if (a[NFTA_TPROXY_REG_PORT])
		buf_addf(out, " port %s", reg(s, a[NFTA_TPROXY_REG_PORT]));
}

static void show_nat(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	buf_adds(out, be32(a[NFTA_NAT_TYPE]) == NFT_NAT_SNAT ? " snat to " : " dnat to ");
	add_register(s, a[NFTA_NAT_REG_ADDR_MIN], out);
	if (a[NFTA_NAT_REG_PROTO_MIN])
		buf_addf(out, " port %s", reg(s, a[NFTA_NAT_REG_PROTO_MIN]));
}

static void show_log(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	struct span group = nl_payload(a[NFTA_LOG_GROUP]), prefix = nl_text(a[NFTA_LOG_PREFIX]);

	(void)s;
	buf_adds(out, " log");
	if (prefix.n)
		buf_addf(out, " prefix \"%.*s\"", (int)prefix.n, prefix.p);
	if (group.n == 2)
		buf_addf(out, " group %u", (unsigned int)((uint8_t)group.p[0] << 8 | (uint8_t)group.p[1]));
}

static void show_counter(struct show_rule *s, const struct nlattr *const *a, struct buf *out)
{
	struct span packets = nl_payload(a[NFTA_COUNTER_PACKETS]);
	uint64_t n = 0;
	size_t i;

	(void)s;
	for (i = 0; packets.n == 8 && i < 8; i++)
		n = n << 8 | (uint8_t)packets.p[i];
	buf_addf(out, " counter packets %llu", (unsigned long long)n);
}

void show_nft_expr(struct show_rule *state, struct span name, const struct nlattr *data, struct buf *out)
{
	static const struct {
		const char *name;
		show_fn *fn;
	} known[] = {{"meta", show_meta}, {"payload", show_payload}, {"cmp", show_cmp}, {"range", show_range},
		{"bitwise", show_bitwise}, {"lookup", show_lookup}, {"immediate", show_immediate}, {"ct", show_ct},
		{"fib", show_fib}, {"socket", show_socket}, {"tproxy", show_tproxy}, {"nat", show_nat}, {"log", show_log},
		{"counter", show_counter}};
	const struct nlattr *a[ATTRS_MAX];
	size_t i;

	nl_nested(data, a, ARRAY_SIZE(a));
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		if (span_eqs(name, known[i].name)) {
			known[i].fn(state, a, out);
			return;
		}
	}
	buf_addf(out, " %.*s", (int)name.n, name.p); /* "masq", "notrack", "reject" say it all */
}

/* --- rules, chains, sets ------------------------------------------------------------------------------ */

struct ruleset {
	struct buf *out;
	struct nl *nl;
};

static const char *family_name(uint8_t family)
{
	switch (family) {
	case 1:
		return "inet";
	case 2:
		return "ip";
	case 3:
		return "arp";
	case 5:
		return "netdev";
	case 7:
		return "bridge";
	case 10:
		return "ip6";
	default:
		return "?";
	}
}

static int show_rule_text(const struct nlmsghdr *h, void *arg, struct err *e)
{
	const struct nfgenmsg *g = nl_head(h, sizeof(*g));
	const struct nlattr *a[NFTA_RULE_MAX + 1];
	struct ruleset *r = arg;
	struct span table, chain, rest;
	struct show_rule state = {{{0}}};

	(void)e;
	if (!g || h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
		return 0;
	nl_attrs(h, sizeof(*g), a, ARRAY_SIZE(a));
	table = nl_text(a[NFTA_RULE_TABLE]);
	chain = nl_text(a[NFTA_RULE_CHAIN]);
	buf_addf(r->out, "%s %.*s %.*s:", family_name(g->nfgen_family), (int)table.n, table.p, (int)chain.n, chain.p);
	rest = nl_payload(a[NFTA_RULE_EXPRESSIONS]);
	while (rest.n >= sizeof(struct nlattr)) {
		const struct nlattr *one = (const void *)rest.p, *x[NFTA_EXPR_MAX + 1];
		size_t step = NLA_ALIGN(one->nla_len);

		if (one->nla_len < NLA_HDRLEN || one->nla_len > rest.n)
			break;
		nl_nested(one, x, ARRAY_SIZE(x));
		show_nft_expr(&state, nl_text(x[NFTA_EXPR_NAME]), x[NFTA_EXPR_DATA], r->out);
		if (step >= rest.n)
			break;
		rest.p += step, rest.n -= step;
	}
	buf_addc(r->out, '\n');
	return 0;
}

static int show_chain(const struct nlmsghdr *h, void *arg, struct err *e)
{
	static const char *const hooks[] = {"prerouting", "input", "forward", "output", "postrouting", "ingress"};
	const struct nfgenmsg *g = nl_head(h, sizeof(*g));
	const struct nlattr *a[NFTA_CHAIN_MAX + 1], *k[NFTA_HOOK_MAX + 1];
	struct ruleset *r = arg;
	struct span table, chain, type;
	uint32_t hook;

	(void)e;
	if (!g || h->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN))
		return 0;
	nl_attrs(h, sizeof(*g), a, ARRAY_SIZE(a));
	table = nl_text(a[NFTA_CHAIN_TABLE]);
	chain = nl_text(a[NFTA_CHAIN_NAME]);
	type = nl_text(a[NFTA_CHAIN_TYPE]);
	buf_addf(r->out, "chain %s %.*s %.*s", family_name(g->nfgen_family), (int)table.n, table.p, (int)chain.n, chain.p);
	if (a[NFTA_CHAIN_HOOK]) {
		nl_nested(a[NFTA_CHAIN_HOOK], k, ARRAY_SIZE(k));
		hook = be32(k[NFTA_HOOK_HOOKNUM]);
		buf_addf(r->out, " type %.*s hook %s priority %d policy %s", (int)type.n, type.p,
			hook < ARRAY_SIZE(hooks) ? hooks[hook] : "?", (int32_t)be32(k[NFTA_HOOK_PRIORITY]),
			be32(a[NFTA_CHAIN_POLICY]) ? "accept" : "drop");
	}
	buf_addc(r->out, '\n');
	return 0;
}

static int list(struct ruleset *r, uint16_t message, const char *what, nl_reply *fn, struct err *e)
{
	struct nfgenmsg head = {.nfgen_family = AF_UNSPEC};
	struct nl_batch b = NL_BATCH_INIT;
	int rc;

	nl_begin(&b, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), NLM_F_DUMP, &head, sizeof(head), what);
	rc = nl_ask(r->nl, &b, fn, r, e);
	nl_batch_release(&b);
	return rc;
}

int show_nft(struct buf *out, struct err *e)
{
	struct nl nl = NL_INIT;
	struct ruleset r = {.out = out, .nl = &nl};
	int rc = nl_open(&nl, -1, NETLINK_NETFILTER, e) || list(&r, NFT_MSG_GETCHAIN, "listing chains", show_chain, e) ||
		list(&r, NFT_MSG_GETRULE, "listing rules", show_rule_text, e);

	nl_close(&nl);
	return rc ? -1 : 0;
}
