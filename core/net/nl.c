/* SPDX-License-Identifier: MIT */
/*
 * core/net/nl.c - netlink: sockets in any network namespace, batches of requests, replies
 *
 * Theory of operation
 *   The kernel serves a request inside sendmsg(2): when that returns, all answers are in our
 *   receive queue (but for the later parts of a dump, which recvmsg(2) itself produces).  Errors
 *   come unasked; so no acknowledgement is asked for, and an empty queue means that all went
 *   well.  It also means that we never sleep in recvmsg.  NETLINK_EXT_ACK has errors carry words,
 *   NETLINK_CAP_ACK keeps them from carrying our request.
 *
 *   Numbers are in the byte order of the machine; nftables wants the _be writers.
 */
#include "net/nl.h"
#include "base/fs.h"
#include "net/netns.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ERRNO_MAX 4095 /* MAX_ERRNO of linux/err.h */
#define READ_MAX (64 << 10)	/* bytes of one recvmsg: dumps come in parts of at most 32 KiB */
#define DUMP_TRIES 16		/* a table that changes under each of them is another's problem */
#define ATTR_TYPE(a) ((a)->nla_type & NLA_TYPE_MASK)

/* --- sockets ---------------------------------------------------------------------------------- */

int nl_open(struct nl *nl, int netns, int protocol, struct err *e)
{
	int on = 1;

	nl->fd = netns_socket(netns, AF_NETLINK, SOCK_RAW, protocol, e);
	if (nl->fd < 0)
		return err_wrap(e, protocol == NETLINK_NETFILTER ? "nftables" : "routing");
	/* Both are of Linux 4.12 and for nicer errors alone. */
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	on = NL_BATCH_MAX * 2;
	if (setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUFFORCE, &on, sizeof(on)))
		setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUF, &on, sizeof(on));
	return 0;
}

void nl_close(struct nl *nl)
{
	fd_close(&nl->fd);
}

/* --- requests --------------------------------------------------------------------------------- */

void nl_batch_release(struct nl_batch *b)
{
	buf_release(&b->b);
	free(b->whats);
	*b = (struct nl_batch)NL_BATCH_INIT;
}

void nl_batch_reset(struct nl_batch *b)
{
	buf_reset(&b->b);
	b->n = 0;
	b->broken = false;
}

/* Copy @n bytes to the end and pad to 4; false, and the batch is broken, if they do not fit. */
static bool append(struct nl_batch *b, const void *p, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);

	if (b->broken || n > NL_BATCH_MAX || b->b.n + padded > NL_BATCH_MAX) {
		b->broken = true;
		return false;
	}
	buf_room(&b->b, padded);
	if (n)
		memcpy(b->b.p + b->b.n, p, n);
	memset(b->b.p + b->b.n + n, 0, padded - n);
	b->b.n += padded;
	return true;
}

/* The last message, or the attribute at @at, reaches to the end now. */
static void fix_lengths(struct nl_batch *b)
{
	uint32_t len = (uint32_t)(b->b.n - b->at);

	memcpy(b->b.p + b->at, &len, sizeof(len)); /* nlmsg_len */
}

void nl_begin(struct nl_batch *b, uint16_t type, uint16_t flags, const void *head, size_t n,
	const char *what)
{
	struct nlmsghdr h = {.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = (uint32_t)b->n + 1};
	size_t at = b->b.n;

	b->whats = xreallocarray(b->whats, b->n + 1, sizeof(*b->whats));
	b->whats[b->n++] = what;
	if (!append(b, &h, sizeof(h)))
		return;
	b->at = at;
	append(b, head, n);
	fix_lengths(b);
}

void nl_raw(struct nl_batch *b, const void *p, size_t n)
{
	if (append(b, p, n))
		fix_lengths(b);
}

void nl_put(struct nl_batch *b, uint16_t attr, const void *p, size_t n)
{
	struct nlattr a = {.nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = attr};

	if (n > UINT16_MAX - NLA_HDRLEN) {
		b->broken = true;
		return;
	}
	if (append(b, &a, sizeof(a)) && append(b, p, n))
		fix_lengths(b);
}

void nl_put_str(struct nl_batch *b, uint16_t attr, const char *s)
{
	nl_put(b, attr, s, strlen(s) + 1);
}

void nl_put_u8(struct nl_batch *b, uint16_t attr, uint8_t v)
{
	nl_put(b, attr, &v, sizeof(v));
}

void nl_put_u16(struct nl_batch *b, uint16_t attr, uint16_t v)
{
	nl_put(b, attr, &v, sizeof(v));
}

void nl_put_u32(struct nl_batch *b, uint16_t attr, uint32_t v)
{
	nl_put(b, attr, &v, sizeof(v));
}

void nl_put_be16(struct nl_batch *b, uint16_t attr, uint16_t v)
{
	nl_put_u16(b, attr, htons(v));
}

void nl_put_be32(struct nl_batch *b, uint16_t attr, uint32_t v)
{
	nl_put_u32(b, attr, htonl(v));
}

void nl_put_be64(struct nl_batch *b, uint16_t attr, uint64_t v)
{
	v = htobe64(v);
	nl_put(b, attr, &v, sizeof(v));
}

size_t nl_nest(struct nl_batch *b, uint16_t attr)
{
	size_t at = b->b.n;

	nl_put(b, attr | NLA_F_NESTED, NULL, 0);
	return at;
}

void nl_nest_end(struct nl_batch *b, size_t nest)
{
	size_t n = b->b.n - nest;
	uint16_t len = (uint16_t)n;

	if (b->broken || n > UINT16_MAX) {
		b->broken = true;
		return;
	}
	memcpy(b->b.p + nest, &len, sizeof(len)); /* nla_len */
}

/* --- answers ---------------------------------------------------------------------------------- */

const struct nlmsghdr *nl_message(const void *p, size_t n)
{
	const struct nlmsghdr *h = p;

	return n >= sizeof(*h) && h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= n ? h : NULL;
}

const void *nl_head(const struct nlmsghdr *h, size_t n)
{
	return h->nlmsg_len >= NLMSG_HDRLEN + n ? (const char *)h + NLMSG_HDRLEN : NULL;
}

static void parse_attrs(const char *p, size_t n, const struct nlattr **out, size_t max)
{
	memset(out, 0, max * sizeof(*out));
	while (n >= sizeof(struct nlattr)) {
		const struct nlattr *a = (const void *)p;
		size_t step;

		if (a->nla_len < NLA_HDRLEN || a->nla_len > n)
			return;
		if (ATTR_TYPE(a) < max)
			out[ATTR_TYPE(a)] = a;
		step = NLA_ALIGN(a->nla_len);
		if (step >= n)
			return;
		p += step;
		n -= step;
	}
}

void nl_attrs(const struct nlmsghdr *h, size_t head, const struct nlattr **out, size_t max)
{
	size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(head);

	if (h->nlmsg_len < skip)
		skip = h->nlmsg_len;
	parse_attrs((const char *)h + skip, h->nlmsg_len - skip, out, max);
}

struct span nl_payload(const struct nlattr *a)
{
	return a ? (struct span){(const char *)a + NLA_HDRLEN, a->nla_len - (size_t)NLA_HDRLEN} : SPAN("");
}

void nl_nested(const struct nlattr *a, const struct nlattr **out, size_t max)
{
	struct span s = nl_payload(a);

	parse_attrs(s.p, s.n, out, max);
}

uint32_t nl_u32(const struct nlattr *a, uint32_t def)
{
	struct span s = nl_payload(a);

	if (s.n == sizeof(def))
		memcpy(&def, s.p, sizeof(def));
	return def;
}

struct span nl_text(const struct nlattr *a)
{
	struct span s = nl_payload(a);

	return (struct span){s.p, strnlen(s.p, s.n)};
}

/* The words of an error, if the kernel sent some. */
static struct span error_words(const struct nlmsghdr *h)
{
	const struct nlattr *attrs[NLMSGERR_ATTR_MSG + 1];
	const struct nlmsgerr *m = nl_head(h, sizeof(*m));
	size_t head = sizeof(*m);

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return SPAN("");
	/* Without NLM_F_CAPPED our request stands between the error and its attributes. */
	if (!(h->nlmsg_flags & NLM_F_CAPPED)) {
		if (m->msg.nlmsg_len < sizeof(m->msg) || m->msg.nlmsg_len > h->nlmsg_len)
			return SPAN("");
		head += m->msg.nlmsg_len - sizeof(m->msg);
	}
	nl_attrs(h, head, attrs, ARRAY_SIZE(attrs));
	return nl_text(attrs[NLMSGERR_ATTR_MSG]);
}

/* -errno as the kernel sends it. */
static int errno_of(int32_t code)
{
	return code < 0 && code >= -ERRNO_MAX ? -code : EPROTO;
}

/* What an NLMSG_ERROR says: 0 an acknowledgement, -1 with @e. */
static int check_error(const struct nlmsghdr *h, const struct nl_batch *b, struct err *e)
{
	const struct nlmsgerr *m = nl_head(h, sizeof(*m));
	const char *what = h->nlmsg_seq && h->nlmsg_seq <= b->n ? b->whats[h->nlmsg_seq - 1] : "netlink";
	struct span words;

	if (!m)
		return err_set(e, EPROTO, "%s: a short error from the kernel", what);
	if (!m->error)
		return 0;
	words = error_words(h);
	if (!words.n)
		return err_set(e, errno_of(m->error), "%s", what);
	return err_set(e, errno_of(m->error), "%s: %.*s", what, (int)words.n, words.p);
}

/* --- talking ---------------------------------------------------------------------------------- */

static void drop_answers(const struct nl *nl)
{
	char c;

	while (recv(nl->fd, &c, 1, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
}

static int transmit(const struct nl *nl, const struct nl_batch *b, struct err *e)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const char *what = b->n ? b->whats[0] : "netlink";
	ssize_t n;

	if (b->broken)
		return err_set(e, EMSGSIZE, "%s: building the request", what);
	drop_answers(nl); /* of a reading that ended early */
	do
		n = sendto(nl->fd, b->b.p, b->b.n, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_set(e, errno, "%s: asking the kernel", what) : 0;
}

struct reading {
	const struct nl_batch *b;
	nl_reply *fn; /* NULL: only errors are of interest */
	void *arg;
	bool changed; /* the table, while it was being dumped */
};

/* The end of a dump, which may be an error's. */
static int check_done(const struct nlmsghdr *h, const struct reading *r, struct err *e)
{
	const int32_t *code = nl_head(h, sizeof(*code));

	return code && *code < 0 ? err_set(e, errno_of(*code), "%s", r->b->whats[0]) : 0;
}

static int one_answer(struct reading *r, const struct nlmsghdr *h, struct err *e)
{
	r->changed |= (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (h->nlmsg_type == NLMSG_DONE)
		return check_done(h, r, e);
	if (h->nlmsg_type == NLMSG_ERROR)
		return check_error(h, r->b, e);
	return h->nlmsg_type >= NLMSG_MIN_TYPE && r->fn ? r->fn(h, r->arg, e) : 0;
}

/* All that is there; after a failure the rest is only taken off the queue. */
static int read_answers(const struct nl *nl, struct reading *r, struct err *e)
{
	cleanup_free char *text = xmalloc(READ_MAX);
	int rc = 0;

	for (;;) {
		ssize_t n = recv(nl->fd, text, READ_MAX, MSG_DONTWAIT);
		const struct nlmsghdr *h;
		char *p = text;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return rc;
		if (n < 0)
			return rc ? rc : err_set(e, errno, "reading the kernel's answer");
		while (!rc && (h = nl_message(p, (size_t)n))) {
			size_t step = NLMSG_ALIGN(h->nlmsg_len);

			rc = one_answer(r, h, e);
			if (step >= (size_t)n)
				break;
			p += step;
			n -= (ssize_t)step;
		}
	}
}

int nl_send(const struct nl *nl, const struct nl_batch *b, struct err *e)
{
	struct reading r = {.b = b};

	if (!b->n)
		return 0;
	if (transmit(nl, b, e))
		return -1;
	return read_answers(nl, &r, e);
}

int nl_ask(const struct nl *nl, const struct nl_batch *b, nl_reply *fn, void *arg, struct err *e)
{
	int tries, rc;

	for (tries = 0; tries < DUMP_TRIES; tries++) {
		struct reading r = {.b = b, .fn = fn, .arg = arg};

		if (transmit(nl, b, e))
			return -1;
		rc = read_answers(nl, &r, e);
		if (rc || !r.changed)
			return rc;
	}
	return err_set(e, EAGAIN, "%s: it keeps changing", b->whats[0]);
}
