/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_ports.c - ports to publish and to expose
 *
 * Theory of operation
 *   "[ip:][hostport:]port[/proto]" is cut at its colons from the right, as an IPv6 address in front
 *   has colons too.  Ranges publish port by port, but a range of host ports for one port is a
 *   choice left to the engine.  "target=80,published=8080" is rewritten into the short form first.
 */
#include "run_spec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct range {
	uint64_t first, last;
};

static int port_parse(struct span s, uint64_t *v, struct err *e)
{
	if (!parse_u64(s, UINT16_MAX, v))
		return 0;
	return err_kind(e, ERR_INVALID, "strconv.ParseUint: parsing \"%.*s\": %s", (int)s.n, s.n ? s.p : "",
		s.n && strspn(s.p, "0123456789") >= s.n ? "value out of range" : "invalid syntax");
}

static int range_parse(const char *text, struct range *r, struct err *e)
{
	struct span rest = span_of(text), first, last;

	if (!*text)
		return err_kind(e, ERR_INVALID, "empty string specified for ports");
	span_token(&rest, '-', &first);
	if (port_parse(first, &r->first, e))
		return -1;
	r->last = r->first;
	if (!span_token(&rest, '-', &last))
		return 0;
	if (port_parse(last, &r->last, e))
		return -1;
	if (r->last < r->first)
		return err_kind(e, ERR_INVALID, "Invalid range specified for the Port: %s", text);
	return 0;
}

/* "80/UDP" into "80" (cut in place) and "udp". */
static const char *proto_cut(char *port)
{
	char *slash = strchr(port, '/'), *p;

	if (!slash)
		return "tcp";
	*slash++ = 0;
	for (p = slash; *p; p++)
		*p = *p == '/' ? 0 : (char)tolower((unsigned char)*p);
	return *slash ? slash : "tcp";
}

static bool proto_ok(const char *proto)
{
	return !strcmp(proto, "tcp") || !strcmp(proto, "udp") || !strcmp(proto, "sctp");
}

static void bind_port(json_t *bindings, json_t *exposed, const char *key, const char *ip,
	const char *host)
{
	json_t *list = json_object_get(bindings, key), *one = json_object();

	json_set_new(exposed, key, json_object());
	if (!list) {
		list = json_array();
		json_set_new(bindings, key, list);
	}
	json_set_str(one, "HostIp", ip);
	json_set_str(one, "HostPort", host);
	json_array_append_new(list, one);
}

/* The address as Go's SplitHostPort takes it: brackets or no colon in it. */
static int ip_check(char *ip, struct err *e)
{
	unsigned char addr[sizeof(struct in6_addr)];
	size_t n = strlen(ip);

	if (*ip == '[') {
		if (!strchr(ip, ']'))
			return err_kind(e, ERR_INVALID, "Invalid ip address %s: address %s:: missing ']' in address",
				ip, ip);
		if (ip[n - 1] == ']') {
			memmove(ip, ip + 1, n - 2);
			ip[n - 2] = 0;
		}
	} else if (strchr(ip, ':')) {
		return err_kind(e, ERR_INVALID, "Invalid ip address %s: address %s:: too many colons in address",
			ip, ip);
	}
	if (*ip && inet_pton(AF_INET, ip, addr) != 1 && inet_pton(AF_INET6, ip, addr) != 1)
		return err_kind(e, ERR_INVALID, "Invalid ip address: %s", ip);
	return 0;
}

struct port_spec {
	char *ip, *host, *port; /* into one copy of the text */
	const char *proto;
	struct range inside, outside;
};

static int spec_check(struct port_spec *s, const char *text, struct err *e)
{
	struct err why = ERR_INIT;

	if (ip_check(s->ip, e))
		return -1;
	if (!*s->port)
		return err_kind(e, ERR_INVALID, "No port specified: %s<empty>", text);
	if (range_parse(s->port, &s->inside, &why))
		return err_kind(e, ERR_INVALID, "Invalid containerPort: %s", s->port);
	if (*s->host && range_parse(s->host, &s->outside, &why))
		return err_kind(e, ERR_INVALID, "Invalid hostPort: %s", s->host);
	if (*s->host && s->inside.last != s->inside.first &&
		s->inside.last - s->inside.first != s->outside.last - s->outside.first)
		return err_kind(e, ERR_INVALID,
			"Invalid ranges specified for container and host Ports: %s and %s", s->port, s->host);
	if (!proto_ok(s->proto))
		return err_kind(e, ERR_INVALID, "Invalid proto: %s", s->proto);
	return 0;
}

static void spec_bind(const struct port_spec *s, json_t *bindings, json_t *exposed)
{
	char key[32], host[16];
	uint64_t i;

	for (i = 0; i <= s->inside.last - s->inside.first; i++) {
		snprintf(key, sizeof(key), "%llu/%s", (unsigned long long)(s->inside.first + i), s->proto);
		snprintf(host, sizeof(host), "%llu", (unsigned long long)(s->outside.first + i));
		if (s->inside.first == s->inside.last)
			bind_port(bindings, exposed, key, s->ip, s->host);
		else
			bind_port(bindings, exposed, key, s->ip, *s->host ? host : "");
	}
}

static int publish(const char *text, json_t *bindings, json_t *exposed, struct err *e)
{
	static char none[1];
	cleanup_free char *copy = xstrdup(text);
	struct port_spec s = {.ip = none, .host = none, .port = copy};
	char *colon = strrchr(copy, ':');

	if (colon) {
		*colon = 0;
		s.port = colon + 1;
		s.host = copy;
		colon = strrchr(copy, ':');
		if (colon) {
			*colon = 0;
			s.host = colon + 1;
			s.ip = copy;
		}
	}
	s.proto = proto_cut(s.port);
	if (spec_check(&s, text, e))
		return -1;
	spec_bind(&s, bindings, exposed);
	return 0;
}

/* "target=80,published=8080,protocol=udp" as "8080:80/udp"; to free(), NULL with @e. */
static char *short_form(const char *text, struct err *e)
{
	cleanup_free char *target = xstrdup(""), *published = xstrdup(""), *protocol = xstrdup("tcp");
	struct span rest = span_of(text), field, value;

	while (span_token(&rest, ',', &field)) {
		cleanup_free char *shown = span_dup(field);
		ssize_t equals = span_chr(field, '=');
		char **into;

		if (equals <= 0) {
			err_kind(e, ERR_INVALID,
				"invalid publish opts format (should be name=value but got '%s')", shown);
			return NULL;
		}
		value = span_cut(&field, (size_t)equals);
		into = span_eqs(field, "target") ? &target : span_eqs(field, "published") ? &published :
			span_eqs(field, "protocol") ? &protocol : NULL;
		if (into) {
			free(*into);
			*into = span_dup(value);
		}
	}
	return xasprintf("%s:%s/%s", published, target, protocol);
}

static int expose(const char *text, json_t *exposed, struct err *e)
{
	cleanup_free char *copy = xstrdup(text);
	const char *proto = proto_cut(copy);
	struct err why = ERR_INIT;
	struct range r;

	if (strchr(text, ':'))
		return err_kind(e, ERR_INVALID, "invalid port format for --expose: %s", text);
	if (range_parse(copy, &r, &why))
		return err_kind(e, ERR_INVALID, "invalid range format for --expose: %s, error: %s", text, why.msg);
	for (; r.first <= r.last; r.first++) {
		cleanup_free char *key = xasprintf("%llu/%s", (unsigned long long)r.first, proto);

		json_set_new(exposed, key, json_object());
	}
	return 0;
}

int run_ports(const struct run_opts *o, json_t **bindings, json_t **exposed, struct err *e)
{
	size_t i;

	*bindings = json_object();
	*exposed = json_object();
	for (i = 0; i < o->publish.n; i++) {
		const char *text = o->publish.v[i];
		cleanup_free char *plain = strchr(text, '=') ? short_form(text, e) : xstrdup(text);

		if (!plain || publish(plain, *bindings, *exposed, e))
			return -1;
	}
	for (i = 0; i < o->expose.n; i++)
		if (expose(o->expose.v[i], *exposed, e))
			return -1;
	return 0;
}
