/* SPDX-License-Identifier: MIT */
/*
 * core/net/nl.h - netlink: sockets in any network namespace, batches of requests, replies
 *
 * A request is built with the writers into a struct nl_batch; several follow each other there and
 * go to the kernel in one sendmsg(2).  The kernel works on them in order, within that call.
 *
 *	struct nl_batch b = NL_BATCH_INIT;
 *	nl_begin(&b, RTM_NEWADDR, NLM_F_CREATE, &head, sizeof(head), "adding the address");
 *	nl_put(&b, IFA_LOCAL, &addr, sizeof(addr));
 *	nest = nl_nest(&b, …); …; nl_nest_end(&b, nest);
 *	rc = nl_send(&nl, &b, e);
 *	nl_batch_release(&b);
 *
 * Lengths need no care of the caller: what does not fit an attribute (64 KiB) or a batch
 * (NL_BATCH_MAX) makes nl_send() fail, and nothing is sent.
 */
#ifndef NET_NL_H
#define NET_NL_H

#include "base/err.h"
#include "base/str.h"

#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#define NL_BATCH_MAX (1 << 20) /* bytes */

/* --- sockets --- */
struct nl {
	int fd; /* -1: not open */
};
#define NL_INIT { -1 }

/**
 * nl_open() - Open a netlink socket
 * @netns:	Network namespace to open it in, borrowed, or -1: the calling thread's
 * @protocol:	NETLINK_ROUTE, NETLINK_NETFILTER, …
 *
 * Return: 0, nl_close() it; or -1 with @e
 */
int nl_open(struct nl *nl, int netns, int protocol, struct err *e);
void nl_close(struct nl *nl);

/* --- requests --- */
struct nl_batch {
	struct buf b;
	size_t at;	       /* offset of the last message's header */
	const char **whats;    /* one for each message */
	size_t n;	       /* messages */
	bool broken;	       /* something did not fit */
};
#define NL_BATCH_INIT { BUF_INIT, 0, NULL, 0, false }
void nl_batch_release(struct nl_batch *b);
void nl_batch_reset(struct nl_batch *b); /* empty, memory kept */

/* Begin a message: its fixed part is @n bytes at @head.  @flags are added to NLM_F_REQUEST.  @what
 * ("adding the address") begins the error's text; it must live as long as the batch. */
void nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t n,
	const char *what);
void nl_put(struct nl_batch *b, uint16_t attr, const void *p, size_t n);
void nl_put_str(struct nl_batch *b, uint16_t attr, const char *s); /* with its NUL */
void nl_put_u8(struct nl_batch *b, uint16_t attr, uint8_t v);
void nl_put_u16(struct nl_batch *b, uint16_t attr, uint16_t v);
void nl_put_u32(struct nl_batch *b, uint16_t attr, uint32_t v);
void nl_put_be16(struct nl_batch *b, uint16_t attr, uint16_t v);
void nl_put_be32(struct nl_batch *b, uint16_t attr, uint32_t v);
void nl_put_be64(struct nl_batch *b, uint16_t attr, uint64_t v);
/* An attribute of attributes (NLA_F_NESTED is added); end it with what nl_nest() returned. */
size_t nl_nest(struct nl_batch *b, uint16_t attr);
void nl_nest_end(struct nl_batch *b, size_t nest);
/* Plain bytes inside a nest, as the ifinfomsg of a veth's peer. */
void nl_raw(struct nl_batch *b, const void *p, size_t n);

/**
 * nl_send() - Send a batch and hear whether all of it was done
 *
 * A message that fails does not keep those after it from being tried, except in an nftables batch,
 * which is all or nothing.  The batch is kept, for another try.
 *
 * Return: 0; or -1 with @e from the first that failed: its @what, the kernel's own words where it
 * has some (extended acknowledgement), ->code the errno
 */
int nl_send(const struct nl *nl, const struct nl_batch *b, struct err *e);

/* Called with each message of an answer; anything but 0 ends the reading, and is returned. */
typedef int nl_reply(const struct nlmsghdr *h, void *arg, struct err *e);
/**
 * nl_ask() - Send a batch of one message, a GET, and hand over the answer
 *
 * With NLM_F_DUMP among the message's flags it is asked again, from the start, when the table
 * changed meanwhile: @fn must bear to see an entry twice.
 *
 * Return: 0, or -1 with @e
 */
int nl_ask(const struct nl *nl, const struct nl_batch *b, nl_reply *fn, void *arg, struct err *e);

/* --- answers: the kernel's, or bytes that claim to be --- */
/* Does a whole message start at @p?  Its header, or NULL. */
const struct nlmsghdr *nl_message(const void *p, size_t n);
/* Its fixed part, if it is at least @n bytes, or NULL. */
const void *nl_head(const struct nlmsghdr *h, size_t n);
/* Its attributes, behind a fixed part of @head bytes, into @out[0 … max - 1] by type; absent ones and
 * what is malformed are NULL, of several the last counts. */
void nl_attrs(const struct nlmsghdr *h, size_t head, const struct nlattr **out, size_t max);
void nl_nested(const struct nlattr *a, const struct nlattr **out, size_t max); /* @a may be NULL */
/* Its payload; empty for NULL. */
struct span nl_payload(const struct nlattr *a);
uint32_t nl_u32(const struct nlattr *a, uint32_t def); /* @def for NULL or another length */
struct span nl_text(const struct nlattr *a);	       /* up to its NUL */

#endif
