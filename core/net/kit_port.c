/* SPDX-License-Identifier: MIT */
/*
 * core/net/kit_port.c - ports as RootlessKit speaks of them
 */
#include "net/kit_port.h"

#include <errno.h>
#include <stdio.h>

static const char *const protos[] = {"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", NULL};

static bool is_v6(const struct kit_port *p)
{
	return *p->proto && p->proto[3] == '6';
}

json_t *kit_port_to_json(const struct kit_port *p)
{
	json_t *spec = json_object(), *j = json_object();

	json_set_str(spec, "proto", p->proto);
	if (*p->parent_ip)
		json_set_str(spec, "parentIP", p->parent_ip);
	json_set_int(spec, "parentPort", p->parent_port);
	if (*p->child_ip)
		json_set_str(spec, "childIP", p->child_ip);
	json_set_int(spec, "childPort", p->child_port);
	json_set_int(j, "id", p->id);
	json_set_new(j, "spec", spec);
	return j;
}

int kit_port_from_json(const json_t *spec, struct kit_port *p, struct err *e)
{
	int64_t parent = json_int(spec, "parentPort", 0), child = json_int(spec, "childPort", 0);
	const char *proto = json_str(spec, "proto", ""), *parent_ip = json_str(spec, "parentIP", ""),
		   *child_ip = json_str(spec, "childIP", "");

	*p = (struct kit_port){0};
	if (!str_in(proto, protos))
		return err_kind(e, ERR_INVALID, "unknown proto: \"%.20s\"", proto);
	if (strlen(parent_ip) >= sizeof(p->parent_ip) || strlen(child_ip) >= sizeof(p->child_ip))
		return err_kind(e, ERR_INVALID, "invalid address");
	if (parent < 0 || parent > UINT16_MAX || child < 0 || child > UINT16_MAX)
		return err_kind(e, ERR_INVALID, "invalid port");
	strcpy(p->proto, proto);
	strcpy(p->parent_ip, parent_ip);
	strcpy(p->child_ip, child_ip);
	p->parent_port = (uint16_t)parent;
	p->child_port = (uint16_t)child;
	return 0;
}

int kit_port_check(const struct kit_port *p, const struct kit_port *list, size_t n, struct peer *target, struct err *e)
{
	const char *ip = *p->child_ip ? p->child_ip : is_v6(p) ? "::1" : "127.0.0.1";
	struct peer parent;
	size_t i;

	if (!str_in(p->proto, protos))
		return err_kind(e, ERR_INVALID, "unknown proto: \"%s\"", p->proto);
	if (*p->parent_ip && peer_parse(p->parent_ip, 1, &parent))
		return err_kind(e, ERR_INVALID, "invalid ParentIP: \"%s\"", p->parent_ip);
	if (!p->parent_port)
		return err_kind(e, ERR_INVALID, "invalid ParentPort: '\\x00'");
	if (peer_parse(ip, p->child_port, target))
		return err_kind(e, ERR_INVALID, "invalid ChildIP: \"%s\"", p->child_ip);
	if (!p->child_port)
		return err_kind(e, ERR_INVALID, "invalid ChildPort: '\\x00'");
	for (i = 0; i < n; i++)
		if (list[i].parent_port == p->parent_port && !strcmp(list[i].proto, p->proto) &&
			!strcmp(list[i].parent_ip, p->parent_ip))
			return err_kind(e, ERR_CONFLICT, "conflict with ID %d", list[i].id);
	return 0;
}

struct port kit_port_host(const struct kit_port *p)
{
	struct port at = {.proto = *p->proto == 'u' ? PORT_UDP : PORT_TCP, .host_port = p->parent_port};

	snprintf(at.host_ip, sizeof(at.host_ip), "%s", *p->parent_ip ? p->parent_ip : is_v6(p) ? "::" : "0.0.0.0");
	return at;
}

int kit_port_bind(const struct kit_port *p, int (*bind)(struct port *p, struct err *e), struct err *e)
{
	struct port at = kit_port_host(p);
	int fd = bind(&at, e), code = e->code;

	if (fd >= 0)
		return fd;
	/* The protocol as it was asked for; port_bind() names the address' own. */
	err_kind(e, ERR_FAILED, strchr(at.host_ip, ':') ? "listen %s [%s]:%u: bind: %s" : "listen %s %s:%u: bind: %s", p->proto, at.host_ip,
		at.host_port, port_bind_reason(code));
	e->code = code;
	if (code == EACCES)
		port_explain_privileged(&at, e);
	return -1;
}

/* --- "[IP:]PORT:[IP:]PORT/PROTO" ---------------------------------------------------------------- */

static int bad_spec(const char *what, const char *text, struct err *e)
{
	return err_kind(e, ERR_INVALID, "%s in PortSpec string: \"%s\"", what, text);
}

static int take_ip(struct span s, char out[46])
{
	if (s.n > 1 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = (struct span){s.p + 1, s.n - 2};
	if (s.n > 45)
		return -1;
	memcpy(out, s.p, s.n);
	out[s.n] = 0;
	return 0;
}

/* The next field from the right; in brackets it may hold colons. */
static bool field(struct span *rest, struct span *out)
{
	ssize_t colon = span_rchr(*rest, ':');
	struct span all = *rest;

	if (rest->n && rest->p[rest->n - 1] == ']') {
		ssize_t open = span_rchr(*rest, '[');

		colon = open > 0 && rest->p[open - 1] == ':' ? open - 1 : -1;
	}
	if (colon < 0) {
		*out = all;
		*rest = (struct span){all.p, 0};
		return all.n > 0;
	}
	*out = span_cut(rest, (size_t)colon);
	return true;
}

int kit_port_parse(const char *text, struct kit_port *p, struct err *e)
{
	struct span rest = span_of(text), proto, child, ip, parent, parent_ip;
	ssize_t slash = span_rchr(rest, '/');
	struct peer peer;
	uint64_t n;

	*p = (struct kit_port){0};
	if (slash < 0)
		return bad_spec("missing proto", text, e);
	proto = span_cut(&rest, (size_t)slash);
	if (!proto.n || proto.n >= sizeof(p->proto))
		return bad_spec("unexpected proto", text, e);
	memcpy(p->proto, proto.p, proto.n);
	if (!str_in(p->proto, protos))
		return err_kind(e, ERR_INVALID, "invalid PortSpec string: \"%s\": unknown proto: \"%s\"", text, p->proto);
	if (!field(&rest, &child) || parse_u64(child, 65535, &n) || !n)
		return bad_spec("unexpected ChildPort", text, e);
	p->child_port = (uint16_t)n;
	if (!field(&rest, &parent))
		return bad_spec("unexpected ParentPort", text, e);
	if (parse_u64(parent, 65535, &n)) { /* a child's address is in between */
		ip = parent;
		if (take_ip(ip, p->child_ip) || peer_parse(p->child_ip, 1, &peer) || !field(&rest, &parent) ||
			parse_u64(parent, 65535, &n))
			return bad_spec("unexpected ParentPort", text, e);
	}
	p->parent_port = (uint16_t)n;
	if (!field(&rest, &parent_ip) || rest.n || take_ip(parent_ip, p->parent_ip) || peer_parse(p->parent_ip, 1, &peer))
		return bad_spec("unexpected ParentIP", text, e);
	return 0;
}
