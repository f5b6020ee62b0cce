/* SPDX-License-Identifier: MIT */
/*
 * core/net/nft.c - nftables spoken over netlink: build one change, have it done whole or not at all
 *
 * Theory of operation
 *   A change is a batch: NFNL_MSG_BATCH_BEGIN, messages, NFNL_MSG_BATCH_END, in one sendmsg(2).  The
 *   kernel checks all of it, then does all of it; any error undoes the whole.  A rule is a list of
 *   expressions, small instructions with a name and attributes; what the nft program calls
 *   "iifname br0" is a load into a register and a comparison.  Numbers in attributes are big endian,
 *   data for registers is as the packet or the register has it.
 *
 *   Registers are 16 bytes each, NFT_REG_1 the first; an interface name or an IPv6 address fills one.
 */
#include "net/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stddef.h>

#define MSG(m) ((uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | (m)))

static void begin(struct nft *t, uint16_t type, uint16_t flags, uint16_t res_id, const char *what)
{
	struct nfgenmsg head = {t->family, NFNETLINK_V0, htons(res_id)};

	nl_begin(&t->batch, type, flags, &head, sizeof(head), what);
}

static void end_rule(struct nft *t)
{
	if (!t->rule)
		return;
	nl_nest_end(&t->batch, t->exprs);
	t->rule = t->exprs = 0;
}

/* Every message but those of the batch itself goes through here. */
static void message(struct nft *t, int type, uint16_t flags, const char *what)
{
	end_rule(t);
	if (!t->batch.n)
		begin(t, NFNL_MSG_BATCH_BEGIN, 0, NFNL_SUBSYS_NFTABLES, "beginning the change");
	begin(t, MSG(type), flags, 0, what);
}

static void put_name(struct nft *t, uint16_t attr, const char *name)
{
	if (strlen(name) >= NFT_NAME_MAX)
		bug("the nft name '%s' is too long", name);
	nl_put_str(&t->batch, attr, name);
}

void nft_release(struct nft *t)
{
	nl_batch_release(&t->batch);
}

int nft_commit(struct nft *t, const struct nl *nl, struct err *e)
{
	int rc = 0;

	end_rule(t);
	if (t->batch.n) {
		begin(t, NFNL_MSG_BATCH_END, 0, NFNL_SUBSYS_NFTABLES, "ending the change");
		rc = nl_send(nl, &t->batch, e);
	}
	nl_batch_reset(&t->batch);
	t->next_id = 0;
	return rc ? err_wrap(e, "nftables") : 0;
}

/* --- tables, chains, sets ------------------------------------------------------------------------ */

void nft_table(struct nft *t, uint8_t family, const char *name)
{
	end_rule(t);
	t->family = family;
	message(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, "making a table");
	put_name(t, NFTA_TABLE_NAME, name);
	strncpy(t->table, name, sizeof(t->table) - 1);
}

void nft_table_delete(struct nft *t, uint8_t family, const char *name)
{
	end_rule(t);
	t->family = family;
	message(t, NFT_MSG_DELTABLE, 0, "deleting a table");
	put_name(t, NFTA_TABLE_NAME, name);
}

static int ignore(const struct nlmsghdr *h, void *arg, struct err *e)
{
	(void)h, (void)arg, (void)e;
	return 0;
}

bool nft_table_exists(const struct nl *nl, uint8_t family, const char *name)
{
	struct nfgenmsg head = {family, NFNETLINK_V0, 0};
	struct nl_batch b = NL_BATCH_INIT;
	struct err e;
	int rc;

	nl_begin(&b, MSG(NFT_MSG_GETTABLE), 0, &head, sizeof(head), "looking for a table");
	nl_put_str(&b, NFTA_TABLE_NAME, name);
	rc = nl_ask(nl, &b, ignore, NULL, &e);
	nl_batch_release(&b);
	return !rc;
}

void nft_chain(struct nft *t, const char *name)
{
	message(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "making a chain");
	put_name(t, NFTA_CHAIN_TABLE, t->table);
	put_name(t, NFTA_CHAIN_NAME, name);
}

void nft_base_chain(struct nft *t, const char *name, const char *type, enum nft_hook hook, int32_t priority,
	uint32_t policy)
{
	size_t nest;

	message(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "making a base chain");
	put_name(t, NFTA_CHAIN_TABLE, t->table);
	put_name(t, NFTA_CHAIN_NAME, name);
	nest = nl_nest(&t->batch, NFTA_CHAIN_HOOK);
	nl_put_be32(&t->batch, NFTA_HOOK_HOOKNUM, hook);
	nl_put_be32(&t->batch, NFTA_HOOK_PRIORITY, (uint32_t)priority);
	nl_nest_end(&t->batch, nest);
	nl_put_be32(&t->batch, NFTA_CHAIN_POLICY, policy);
	nl_put_str(&t->batch, NFTA_CHAIN_TYPE, type);
}

void nft_chain_delete(struct nft *t, const char *name)
{
	message(t, NFT_MSG_DELCHAIN, 0, "deleting a chain");
	put_name(t, NFTA_CHAIN_TABLE, t->table);
	put_name(t, NFTA_CHAIN_NAME, name);
}

void nft_flush(struct nft *t, const char *chain)
{
	message(t, NFT_MSG_DELRULE, 0, "emptying a chain");
	put_name(t, NFTA_RULE_TABLE, t->table);
	put_name(t, NFTA_RULE_CHAIN, chain);
}

static uint32_t key_length(enum nft_key key)
{
	return key == NFT_KEY_IPV4 ? 4 : 16;
}

void nft_set(struct nft *t, const char *name, enum nft_key key, bool intervals)
{
	message(t, NFT_MSG_NEWSET, NLM_F_CREATE, "making a set");
	put_name(t, NFTA_SET_TABLE, t->table);
	put_name(t, NFTA_SET_NAME, name);
	if (intervals)
		nl_put_be32(&t->batch, NFTA_SET_FLAGS, NFT_SET_INTERVAL);
	nl_put_be32(&t->batch, NFTA_SET_KEY_TYPE, key);
	nl_put_be32(&t->batch, NFTA_SET_KEY_LEN, key_length(key));
	nl_put_be32(&t->batch, NFTA_SET_ID, ++t->next_id);
}

void nft_set_delete(struct nft *t, const char *name)
{
	message(t, NFT_MSG_DELSET, 0, "deleting a set");
	put_name(t, NFTA_SET_TABLE, t->table);
	put_name(t, NFTA_SET_NAME, name);
}

static size_t begin_elements(struct nft *t, const char *set, bool remove)
{
	message(t, remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM, remove ? 0 : NLM_F_CREATE,
		remove ? "removing from a set" : "adding to a set");
	put_name(t, NFTA_SET_ELEM_LIST_TABLE, t->table);
	put_name(t, NFTA_SET_ELEM_LIST_SET, set);
	return nl_nest(&t->batch, NFTA_SET_ELEM_LIST_ELEMENTS);
}

static void put_data(struct nft *t, uint16_t attr, const void *p, size_t n)
{
	size_t nest = nl_nest(&t->batch, attr);

	nl_put(&t->batch, NFTA_DATA_VALUE, p, n);
	nl_nest_end(&t->batch, nest);
}

static void put_element(struct nft *t, const void *key, size_t n, uint32_t flags)
{
	size_t nest = nl_nest(&t->batch, NFTA_LIST_ELEM);

	if (flags)
		nl_put_be32(&t->batch, NFTA_SET_ELEM_FLAGS, flags);
	put_data(t, NFTA_SET_ELEM_KEY, key, n);
	nl_nest_end(&t->batch, nest);
}

void nft_element(struct nft *t, const char *set, const void *key, size_t n, bool remove)
{
	size_t list = begin_elements(t, set, remove);

	put_element(t, key, n, 0);
	nl_nest_end(&t->batch, list);
}

static void iface_data(const char *iface, char data[IFNAMSIZ])
{
	size_t n = strlen(iface);

	if (n >= IFNAMSIZ)
		bug("the interface name '%s' is too long", iface);
	memset(data, 0, IFNAMSIZ);
	memcpy(data, iface, n);
}

void nft_element_iface(struct nft *t, const char *set, const char *iface, bool remove)
{
	char data[IFNAMSIZ];

	iface_data(iface, data);
	nft_element(t, set, data, sizeof(data), remove);
}

/* The first @prefix of n * 8 bits set. */
static void make_mask(unsigned char *mask, size_t n, unsigned int prefix)
{
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned int bits = prefix > i * 8 ? prefix - (unsigned int)i * 8 : 0;

		mask[i] = bits >= 8 ? 0xff : (unsigned char)(0xff00u >> bits);
	}
}

/* An interval is an element where it begins and one, flagged, behind its end, unless that wraps. */
void nft_element_network(struct nft *t, const char *set, const void *addr, size_t n, unsigned int prefix,
	bool remove)
{
	unsigned char first[16], behind[16], mask[16];
	size_t list = begin_elements(t, set, remove), i;
	unsigned int carry = 1;

	make_mask(mask, n, prefix);
	for (i = n; i--;) {
		first[i] = ((const unsigned char *)addr)[i] & mask[i];
		carry += first[i] | (unsigned char)~mask[i];
		behind[i] = (unsigned char)carry;
		carry >>= 8;
	}
	put_element(t, first, n, 0);
	if (!carry)
		put_element(t, behind, n, NFT_SET_ELEM_INTERVAL_END);
	nl_nest_end(&t->batch, list);
}

/* --- rules and primitives ------------------------------------------------------------------------ */

void nft_rule(struct nft *t, const char *chain)
{
	message(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "adding a rule");
	put_name(t, NFTA_RULE_TABLE, t->table);
	put_name(t, NFTA_RULE_CHAIN, chain);
	t->exprs = nl_nest(&t->batch, NFTA_RULE_EXPRESSIONS);
	t->rule = 1;
}

struct expr {
	size_t elem, data;
};

static struct expr expr_begin(struct nft *t, const char *name)
{
	struct expr x;

	if (!t->rule)
		bug("the nft expression %s stands outside a rule", name);
	x.elem = nl_nest(&t->batch, NFTA_LIST_ELEM);
	nl_put_str(&t->batch, NFTA_EXPR_NAME, name);
	x.data = nl_nest(&t->batch, NFTA_EXPR_DATA);
	return x;
}

static void expr_end(struct nft *t, struct expr x)
{
	nl_nest_end(&t->batch, x.data);
	nl_nest_end(&t->batch, x.elem);
}

void nft_load_meta(struct nft *t, enum nft_meta_keys key)
{
	struct expr x = expr_begin(t, "meta");

	nl_put_be32(&t->batch, NFTA_META_DREG, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_META_KEY, key);
	expr_end(t, x);
}

void nft_load_payload(struct nft *t, enum nft_payload_bases base, uint32_t offset, uint32_t n)
{
	struct expr x = expr_begin(t, "payload");

	nl_put_be32(&t->batch, NFTA_PAYLOAD_DREG, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_PAYLOAD_BASE, base);
	nl_put_be32(&t->batch, NFTA_PAYLOAD_OFFSET, offset);
	nl_put_be32(&t->batch, NFTA_PAYLOAD_LEN, n);
	expr_end(t, x);
}

void nft_and(struct nft *t, const void *mask, size_t n)
{
	static const unsigned char none[16];
	struct expr x = expr_begin(t, "bitwise");

	nl_put_be32(&t->batch, NFTA_BITWISE_SREG, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_BITWISE_DREG, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_BITWISE_LEN, (uint32_t)n);
	put_data(t, NFTA_BITWISE_MASK, mask, n);
	put_data(t, NFTA_BITWISE_XOR, none, n);
	expr_end(t, x);
}

void nft_compare(struct nft *t, enum nft_cmp_ops op, const void *value, size_t n)
{
	struct expr x = expr_begin(t, "cmp");

	nl_put_be32(&t->batch, NFTA_CMP_SREG, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_CMP_OP, op);
	put_data(t, NFTA_CMP_DATA, value, n);
	expr_end(t, x);
}

void nft_lookup(struct nft *t, const char *set, bool not)
{
	struct expr x = expr_begin(t, "lookup");

	put_name(t, NFTA_LOOKUP_SET, set);
	nl_put_be32(&t->batch, NFTA_LOOKUP_SREG, NFT_REG_1);
	if (not)
		nl_put_be32(&t->batch, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	expr_end(t, x);
}

static void load_immediate(struct nft *t, uint32_t reg, const void *value, size_t n)
{
	struct expr x = expr_begin(t, "immediate");

	nl_put_be32(&t->batch, NFTA_IMMEDIATE_DREG, reg);
	put_data(t, NFTA_IMMEDIATE_DATA, value, n);
	expr_end(t, x);
}

/* --- matches ------------------------------------------------------------------------------------ */

static void equal(struct nft *t, const void *value, size_t n, bool not)
{
	nft_compare(t, not ? NFT_CMP_NEQ : NFT_CMP_EQ, value, n);
}

static void match_iface(struct nft *t, enum nft_meta_keys key, const char *iface, bool not)
{
	char data[IFNAMSIZ];

	iface_data(iface, data);
	nft_load_meta(t, key);
	equal(t, data, sizeof(data), not);
}

void nft_match_iif(struct nft *t, const char *iface, bool not)
{
	match_iface(t, NFT_META_IIFNAME, iface, not);
}

void nft_match_oif(struct nft *t, const char *iface, bool not)
{
	match_iface(t, NFT_META_OIFNAME, iface, not);
}

void nft_match_iif_set(struct nft *t, const char *set, bool not)
{
	nft_load_meta(t, NFT_META_IIFNAME);
	nft_lookup(t, set, not);
}

void nft_match_oif_set(struct nft *t, const char *set, bool not)
{
	nft_load_meta(t, NFT_META_OIFNAME);
	nft_lookup(t, set, not);
}

void nft_match_mark(struct nft *t, uint32_t mark, bool not)
{
	nft_load_meta(t, NFT_META_MARK);
	equal(t, &mark, sizeof(mark), not);
}

void nft_match_l4proto(struct nft *t, uint8_t protocol)
{
	nft_load_meta(t, NFT_META_L4PROTO);
	equal(t, &protocol, sizeof(protocol), false);
}

void nft_match_address(struct nft *t, enum nft_end end, const void *addr, size_t n, unsigned int prefix,
	bool not)
{
	unsigned char mask[16], value[16];
	/* RFC 791: source at 12; RFC 8200: at 8; the destination follows. */
	uint32_t offset = n == 4 ? 12 : 8;
	size_t i;

	nft_load_payload(t, NFT_PAYLOAD_NETWORK_HEADER, end == NFT_SOURCE ? offset : offset + (uint32_t)n,
		(uint32_t)n);
	make_mask(mask, n, prefix);
	for (i = 0; i < n; i++)
		value[i] = ((const unsigned char *)addr)[i] & mask[i];
	if (prefix < n * 8)
		nft_and(t, mask, n);
	equal(t, value, n, not);
}

void nft_match_port(struct nft *t, enum nft_end end, uint16_t port)
{
	uint16_t value = htons(port);

	nft_load_payload(t, NFT_PAYLOAD_TRANSPORT_HEADER, end == NFT_SOURCE ? 0 : 2, sizeof(value));
	equal(t, &value, sizeof(value), false);
}

void nft_match_ct_state(struct nft *t, uint32_t states)
{
	static const uint32_t none;
	struct expr x = expr_begin(t, "ct");

	nl_put_be32(&t->batch, NFTA_CT_DREG, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_CT_KEY, NFT_CT_STATE);
	expr_end(t, x);
	nft_and(t, &states, sizeof(states));
	nft_compare(t, NFT_CMP_NEQ, &none, sizeof(none));
}

void nft_match_transport(struct nft *t, uint32_t offset, const void *mask, const void *value, size_t n)
{
	nft_load_payload(t, NFT_PAYLOAD_TRANSPORT_HEADER, offset, (uint32_t)n);
	nft_and(t, mask, n);
	equal(t, value, n, false);
}

static void load_fib(struct nft *t, enum nft_fib_result result)
{
	struct expr x = expr_begin(t, "fib");

	nl_put_be32(&t->batch, NFTA_FIB_DREG, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_FIB_RESULT, result);
	nl_put_be32(&t->batch, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR | NFTA_FIB_F_MARK);
	expr_end(t, x);
}

void nft_match_destination(struct nft *t, uint32_t rtn_type, bool not)
{
	load_fib(t, NFT_FIB_RESULT_ADDRTYPE);
	equal(t, &rtn_type, sizeof(rtn_type), not);
}

void nft_match_has_route(struct nft *t, bool has)
{
	static const uint32_t none;

	load_fib(t, NFT_FIB_RESULT_OIF);
	equal(t, &none, sizeof(none), has);
}

/* --- statements --------------------------------------------------------------------------------- */

void nft_set_mark(struct nft *t, uint32_t mark)
{
	struct expr x;

	load_immediate(t, NFT_REG_1, &mark, sizeof(mark));
	x = expr_begin(t, "meta");
	nl_put_be32(&t->batch, NFTA_META_KEY, NFT_META_MARK);
	nl_put_be32(&t->batch, NFTA_META_SREG, NFT_REG_1);
	expr_end(t, x);
}

void nft_notrack(struct nft *t)
{
	expr_end(t, expr_begin(t, "notrack"));
}

void nft_log(struct nft *t, uint16_t group, uint32_t snaplen)
{
	struct expr x = expr_begin(t, "log");

	nl_put_be16(&t->batch, NFTA_LOG_GROUP, group);
	nl_put_be32(&t->batch, NFTA_LOG_SNAPLEN, snaplen);
	nl_put_be16(&t->batch, NFTA_LOG_QTHRESHOLD, 1); /* each at once */
	expr_end(t, x);
}

void nft_tproxy(struct nft *t, const void *addr, size_t n, uint16_t port)
{
	uint16_t value = htons(port);
	struct expr x;

	load_immediate(t, NFT_REG_1, addr, n);
	load_immediate(t, NFT_REG_2, &value, sizeof(value));
	x = expr_begin(t, "tproxy");
	nl_put_be32(&t->batch, NFTA_TPROXY_FAMILY, n == 4 ? NFT_FAMILY_IPV4 : NFT_FAMILY_IPV6);
	nl_put_be32(&t->batch, NFTA_TPROXY_REG_ADDR, NFT_REG_1);
	nl_put_be32(&t->batch, NFTA_TPROXY_REG_PORT, NFT_REG_2);
	expr_end(t, x);
}

static void put_verdict(struct nft *t, int verdict, const char *chain)
{
	struct expr x = expr_begin(t, "immediate");
	size_t data, nest;

	nl_put_be32(&t->batch, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	data = nl_nest(&t->batch, NFTA_IMMEDIATE_DATA);
	nest = nl_nest(&t->batch, NFTA_DATA_VERDICT);
	nl_put_be32(&t->batch, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain)
		put_name(t, NFTA_VERDICT_CHAIN, chain);
	nl_nest_end(&t->batch, nest);
	nl_nest_end(&t->batch, data);
	expr_end(t, x);
}

void nft_verdict(struct nft *t, int verdict)
{
	put_verdict(t, verdict, NULL);
}

void nft_jump(struct nft *t, const char *chain)
{
	put_verdict(t, NFT_JUMP, chain);
}

void nft_masquerade(struct nft *t)
{
	expr_end(t, expr_begin(t, "masq"));
}
