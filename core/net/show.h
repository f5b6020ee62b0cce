/* SPDX-License-Identifier: MIT */
/*
 * core/net/show.h - a network namespace in words: for people who look for what is wrong
 *
 * What `ip` and `nft list ruleset` would print, for places where no such program is.  Nothing parses it.
 */
#ifndef NET_SHOW_H
#define NET_SHOW_H

#include "base/err.h"
#include "base/str.h"

/* Add the interfaces with their addresses to @out, of the calling thread's network namespace; the routes,
 * all tables but "local", with the rules that choose among them; the nftables rules.  Any user may ask
 * for the first two, the rules need CAP_NET_ADMIN there.  0, or -1 with @e. */
int show_links(struct buf *out, struct err *e);
int show_routes(struct buf *out, struct err *e);
int show_nft(struct buf *out, struct err *e);

/* One nftables expression as the kernel tells it: its name and its NFTA_EXPR_DATA, appended to the words of
 * the rule so far.  @state begins as {0} with each rule. */
struct nlattr;
struct show_rule {
	char left[24][64]; /* what each register holds, in words */
};
void show_nft_expr(struct show_rule *state, struct span name, const struct nlattr *data, struct buf *out);

#endif
