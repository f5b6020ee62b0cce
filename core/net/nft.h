/* SPDX-License-Identifier: MIT */
/*
 * core/net/nft.h - nftables spoken over netlink: build one change, have it done whole or not at all
 *
 *	struct nft t = NFT_INIT;
 *	nft_table(&t, NFT_FAMILY_IPV4, "coracle");		what follows is about this table
 *	nft_base_chain(&t, "forward", "filter", NFT_FORWARD, 0, NFT_ACCEPT);
 *	nft_flush(&t, "forward");
 *	nft_rule(&t, "forward");			a rule: expressions, in order
 *		nft_match_iif(&t, "br-1", false);
 *		nft_match_oif(&t, "br-1", true);
 *		nft_verdict(&t, NFT_DROP);
 *	rc = nft_commit(&t, &nl, e);
 *
 * A rule ends where the next thing begins.  A match that is not met ends the rule's evaluation, as in
 * the nft language; `not` inverts it.  Names are at most NFT_NAME_MAX - 1 bytes: longer ones, and
 * expressions outside a rule, are bugs.
 *
 * The primitives load into, and work on, register 1, so that "load, then compare" reads as written.
 */
#ifndef NET_NFT_H
#define NET_NFT_H

#include "net/nl.h"

#include <linux/netfilter/nf_tables.h>

#define NFT_NAME_MAX 128

/* <linux/netfilter.h>'s numbers; that header cannot stand beside musl's <netinet/in.h>. */
enum { NFT_DROP = 0, NFT_ACCEPT = 1 };
enum { NFT_FAMILY_INET = 1, NFT_FAMILY_IPV4 = 2, NFT_FAMILY_BRIDGE = 7, NFT_FAMILY_IPV6 = 10 };
enum nft_hook { NFT_PREROUTING, NFT_INPUT, NFT_FORWARD, NFT_OUTPUT, NFT_POSTROUTING };

struct nft {
	struct nl_batch batch;
	uint8_t family;
	char table[NFT_NAME_MAX];
	size_t rule, exprs; /* open nests; 0: no rule is being built */
	uint32_t next_id;   /* of sets, within the change */
};
#define NFT_INIT { NL_BATCH_INIT, 0, "", 0, 0, 0 }
void nft_release(struct nft *t);

/**
 * nft_commit() - Do all that was built
 * @nl:		A NETLINK_NETFILTER socket of the namespace meant
 *
 * Return: 0, or -1 with @e and nothing changed; ->code ENOENT or EOPNOTSUPP where the kernel lacks
 * something, named in the text.  @t is empty after, either way.
 */
int nft_commit(struct nft *t, const struct nl *nl, struct err *e);

/* --- tables, chains, sets: making what is there already is success --- */
/* Make it, and speak of it from here on.  @family: NFT_FAMILY_… */
void nft_table(struct nft *t, uint8_t family, const char *name);
void nft_table_delete(struct nft *t, uint8_t family, const char *name); /* which must be there */
/* Is it there?  To ask costs nothing; a change that changes nothing waits for all processors (RCU), some 10 ms. */
bool nft_table_exists(const struct nl *nl, uint8_t family, const char *name);
void nft_chain(struct nft *t, const char *name);
/* @type "filter", "nat", "route"; @policy NFT_ACCEPT or NFT_DROP. */
void nft_base_chain(struct nft *t, const char *name, const char *type, enum nft_hook hook, int32_t priority,
	uint32_t policy);
void nft_chain_delete(struct nft *t, const char *name); /* empty, and there */
void nft_flush(struct nft *t, const char *chain);	 /* remove its rules */

enum nft_key { NFT_KEY_IPV4 = 7, NFT_KEY_IPV6 = 8, NFT_KEY_IFNAME = 41 }; /* nft(8)'s numbers of types */
/* A set of addresses, of networks too (@intervals), or of interface names. */
void nft_set(struct nft *t, const char *name, enum nft_key key, bool intervals);
void nft_set_delete(struct nft *t, const char *name);
/* Bytes as packets have them; interface names padded to IFNAMSIZ: nft_element_iface().  Adding what is
 * there is success, deleting what is not is an error. */
void nft_element(struct nft *t, const char *set, const void *key, size_t n, bool remove);
void nft_element_iface(struct nft *t, const char *set, const char *iface, bool remove);
/* Addresses @addr/@prefix, in a set with intervals. */
void nft_element_network(struct nft *t, const char *set, const void *addr, size_t n, unsigned int prefix,
	bool remove);

/* --- rules --- */
void nft_rule(struct nft *t, const char *chain);

/* Matches. */
void nft_match_iif(struct nft *t, const char *iface, bool not);
void nft_match_oif(struct nft *t, const char *iface, bool not);
void nft_match_iif_set(struct nft *t, const char *set, bool not);
void nft_match_oif_set(struct nft *t, const char *set, bool not);
void nft_match_mark(struct nft *t, uint32_t mark, bool not);
void nft_match_l4proto(struct nft *t, uint8_t protocol);
/* Source or destination within @addr/@prefix; @n is 4 or 16, as the table's family has it. */
enum nft_end { NFT_SOURCE, NFT_DESTINATION };
void nft_match_address(struct nft *t, enum nft_end end, const void *addr, size_t n, unsigned int prefix,
	bool not);
/* Port of TCP or UDP; after nft_match_l4proto(). */
void nft_match_port(struct nft *t, enum nft_end end, uint16_t port);
/* Any of conntrack's states: NF_CT_STATE bits as <linux/netfilter/nf_conntrack_common.h> has them. */
void nft_match_ct_state(struct nft *t, uint32_t states);
/* @n bytes of the transport header at @offset, masked, equal @value. */
void nft_match_transport(struct nft *t, uint32_t offset, const void *mask, const void *value, size_t n);
/* What routing says of the destination, the packet's mark considered: an RTN_ type, or (has_route) that
 * some device other than lo leads there. */
void nft_match_destination(struct nft *t, uint32_t rtn_type, bool not);
void nft_match_has_route(struct nft *t, bool has);

/* Statements. */
void nft_set_mark(struct nft *t, uint32_t mark);
void nft_notrack(struct nft *t);
/* Copies of packets, whole headers to @snaplen bytes, to netlink group @group (NFLOG). */
void nft_log(struct nft *t, uint16_t group, uint32_t snaplen);
/* To a local transparent socket at @addr:@port, @n bytes of address. */
void nft_tproxy(struct nft *t, const void *addr, size_t n, uint16_t port);
/* NFT_ACCEPT, NFT_DROP, NFT_RETURN. */
void nft_verdict(struct nft *t, int verdict);
void nft_jump(struct nft *t, const char *chain);
void nft_masquerade(struct nft *t);

/* --- primitives, for what is not above --- */
void nft_load_meta(struct nft *t, enum nft_meta_keys key);
void nft_load_payload(struct nft *t, enum nft_payload_bases base, uint32_t offset, uint32_t n);
void nft_and(struct nft *t, const void *mask, size_t n); /* reg 1 &= mask */
void nft_compare(struct nft *t, enum nft_cmp_ops op, const void *value, size_t n);
void nft_lookup(struct nft *t, const char *set, bool not);

#endif
