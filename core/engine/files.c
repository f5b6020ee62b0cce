/* SPDX-License-Identifier: MIT */
/*
 * core/engine/files.c - a container's /etc/hosts, /etc/hostname and /etc/resolv.conf
 *
 * Theory of operation
 *   They are ordinary files in containers/<id>/, written at each start and bind-mounted, so that later
 *   changes are written in place.  With the host's network they are the host's, as far as the
 *   container did not ask for its own.
 *
 *   resolv.conf names the engine's name server (127.0.0.11) on user-defined networks, else the host's
 *   servers.  Of those, loopback ones cannot be reached from the container's network: where
 *   systemd-resolved has the real ones in a file of its own, these are taken; where there are none at
 *   all, the engine's name server stands in, as it forwards on the host's side.  resolv.conf.hash
 *   tells whether somebody has edited the file since.
 */
#include "engine/files.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/sha256.h"
#include "engine/config_opts.h"
#include "engine/links.h"
#include "engine/network_table.h"
#include "engine/spec.h"
#include "engine/validate.h"
#include "net/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST_FILE_MAX (1 << 20) /* bytes of the host's files that are taken over */
#define HOST_RESOLV "/etc/resolv.conf"
#define SYSTEMD_RESOLV "/run/systemd/resolve/resolv.conf"

/* In place: the container's mount is of this very file. */
static int write_file(struct engine *en, const struct container *c, const char *name, const struct buf *text,
	struct err *e)
{
	cleanup_free char *path = xasprintf("containers/%s/%s", c->id, name);
	cleanup_close int fd = openat(en->datafd, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || fd_write_full(fd, text->p, text->n))
		return err_set(e, errno, "writing %s", path);
	return 0;
}

static int read_file(struct engine *en, const struct container *c, const char *name, struct buf *text,
	struct err *e)
{
	cleanup_free char *path = xasprintf("containers/%s/%s", c->id, name);

	return file_read_at(en->datafd, path, HOST_FILE_MAX, text, e);
}

static void host_file(const char *path, struct buf *out)
{
	struct err e;

	buf_reset(out);
	if (file_read_at(AT_FDCWD, path, HOST_FILE_MAX, out, &e))
		buf_reset(out);
}

static int write_hostname(struct start *s, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;

	buf_addf(&b, "%s\n", json_str(s->c->config, "Hostname", ""));
	return write_file(s->en, s->c, "hostname", &b, e);
}

/* --- hosts ------------------------------------------------------------------------------------ */

/* "name.domain name": what stands behind each of its addresses. */
static char *own_names(const struct container *c)
{
	const char *name = json_str(c->config, "Hostname", ""), *domain = json_str(c->config, "Domainname", "");
	size_t first = strcspn(name, ".");

	if (*domain)
		return xasprintf("%s.%s %s", name, domain, name);
	return name[first] ? xasprintf("%s %.*s", name, (int)first, name) : xstrdup(name);
}

static void add_own_addresses(struct container *c, struct buf *b)
{
	cleanup_free char *names = own_names(c);
	char text[INET_TEXT];

	if (!*names)
		return;
	for (const struct endpoint *ep = c->endpoints; ep; ep = ep->next)
		for (int f = 0; f < FAMILIES; f++)
			if (ep->addr[f].family)
				buf_addf(b, "%s\t%s\n", inet_format(&ep->addr[f], text), names);
}

/* "host-gateway" is daemon.json's host-gateway-ips, or the default bridge's address. */
static char *host_gateway(struct engine *en)
{
	const json_t *asked = json_array_get(json_arr(en->config.raw, "host-gateway-ips"), 0);
	struct network *n;
	char text[INET_TEXT] = "";

	if (asked)
		return xstrdup(json_string_value(asked));
	if (*json_str(en->config.raw, "host-gateway-ip", ""))
		return xstrdup(json_str(en->config.raw, "host-gateway-ip", ""));
	n = network_get(en, "bridge", NULL);
	if (n)
		inet_format(&n->family[V4].gateway, text);
	network_put(n);
	return xstrdup(text);
}

static void add_extra_hosts(struct start *s, struct buf *b)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_arr(s->host, "ExtraHosts"), i, v) {
		const char *text = json_string_value(v);
		size_t at = strcspn(text, ":");
		cleanup_free char *gateway = NULL;
		struct span ip = span_of(text + at + 1);

		if (span_eqs(ip, "host-gateway")) {
			gateway = host_gateway(s->en);
			ip = span_of(gateway);
		}
		if (ip.n)
			buf_addf(b, "%.*s\t%.*s\n", (int)ip.n, ip.p, (int)at, text);
	}
}

static int write_hosts(struct start *s, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;

	if (spec_host_network(s))
		host_file("/etc/hosts", &b);
	else
		buf_adds(&b, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
			     "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\n"
			     "ff02::2\tip6-allrouters\n");
	add_extra_hosts(s, &b);
	if (links_tell(s->en, s->c, s->host, NULL, &b, e))
		return -1;
	add_own_addresses(s->c, &b);
	return write_file(s->en, s->c, "hosts", &b, e);
}

/* The file without lines "<address>TAB<names>", or with more names behind those if @more. */
static int hosts_without(struct engine *en, struct container *c, const char *names, bool more, struct buf *out, struct err *e)
{
	cleanup_buf struct buf old = BUF_INIT;
	struct span rest, line;
	struct inet a;

	if (read_file(en, c, "hosts", &old, e))
		return -1;
	rest = (struct span){old.p, old.n};
	while (rest.n && span_token(&rest, '\n', &line)) {
		const char *tab = memchr(line.p, '\t', line.n), *its = tab ? tab + 1 : line.p;
		size_t n = line.n - (size_t)(its - line.p), known = strlen(names);

		if (tab && n >= known && !memcmp(its, names, known) && (n == known || (more && its[known] == ' ')) &&
			!inet_parse((struct span){line.p, (size_t)(tab - line.p)}, &a))
			continue;
		buf_add(out, line.p, line.n);
		buf_addc(out, '\n');
	}
	return 0;
}

/* The lines of its addresses are taken out and put in again; all else is as somebody may have left it. */
static int follow_hosts(struct engine *en, struct container *c, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_free char *names = own_names(c);

	if (hosts_without(en, c, names, false, &b, e))
		return -1;
	add_own_addresses(c, &b);
	return write_file(en, c, "hosts", &b, e);
}

int files_forget_link(struct engine *en, struct container *c, const char *alias, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;

	return hosts_without(en, c, alias, true, &b, e) || write_file(en, c, "hosts", &b, e) ? -1 : 0;
}

/* --- resolv.conf ------------------------------------------------------------------------------ */

/* What --dns… says, or else daemon.json. Borrowed, or NULL. */
static json_t *wished(struct engine *en, const json_t *host, const char *own, const char *daemons)
{
	json_t *list = json_arr(host, own);

	return json_array_size(list) ? list : json_arr(en->config.raw, daemons);
}

json_t *files_name_servers(struct engine *en, const json_t *host)
{
	json_t *list = wished(en, host, "Dns", "dns");

	return list ? json_copy(list) : json_array();
}

static bool sets_ndots(const json_t *options)
{
	const json_t *v;
	size_t i;

	json_array_foreach(options, i, v)
		if (!strncmp(json_string_value(v), "ndots:", 6))
			return true;
	return false;
}

bool files_ndots_set(struct engine *en, const json_t *host)
{
	return sets_ndots(wished(en, host, "DnsOptions", "dns-opts"));
}

/* A resolv.conf taken apart: arrays of words. */
struct resolv {
	json_t *servers, *search, *options;
};

static void resolv_release(struct resolv *r)
{
	json_decref(r->servers);
	json_decref(r->search);
	json_decref(r->options);
}

/* The next word of a line. */
static bool next_word(struct span *line, struct span *word)
{
	*line = span_trim(*line);
	for (word->p = line->p, word->n = 0; word->n < line->n && !strchr(" \t", line->p[word->n]); word->n++)
		;
	*line = (struct span){line->p + word->n, line->n - word->n};
	return word->n;
}

/* The last "search" counts; options add up (resolv.conf(5)). */
static void take_line(struct resolv *r, struct span line)
{
	struct span word;
	json_t *to;

	if (!next_word(&line, &word))
		return;
	if (span_eqs(word, "nameserver"))
		to = r->servers;
	else if (span_eqs(word, "search") || span_eqs(word, "domain"))
		to = r->search;
	else if (span_eqs(word, "options"))
		to = r->options;
	else
		return;
	if (to == r->search)
		json_array_clear(to);
	while (next_word(&line, &word)) {
		if (*word.p == '#' || *word.p == ';')
			return;
		json_array_append_new(to, json_textn(word.p, word.n));
		if (to == r->servers)
			return;
	}
}

static struct resolv parse_resolv(const char *path)
{
	struct resolv r = {json_array(), json_array(), json_array()};
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;

	host_file(path, &text);
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line))
		take_line(&r, line);
	return r;
}

json_t *files_host_servers(void)
{
	struct resolv r = parse_resolv(HOST_RESOLV);
	json_t *servers = json_incref(r.servers);

	resolv_release(&r);
	return servers;
}

static bool is_loopback(const char *server)
{
	return !strncmp(server, "127.", 4) || !strcmp(server, "::1");
}

/* Servers on the host's loopback are out of reach; those with a zone too. */
static void drop_unreachable(json_t *servers)
{
	for (size_t i = json_array_size(servers); i-- > 0;) {
		const char *server = json_string_value(json_array_get(servers, i));

		if (is_loopback(server) || strchr(server, '%'))
			json_array_remove(servers, i);
	}
}

/* The host's, as a container without the engine's name server would use it. */
static struct resolv host_resolv(const char **path)
{
	struct resolv r = parse_resolv(HOST_RESOLV);

	*path = HOST_RESOLV;
	if (json_array_size(r.servers) == 1 &&
		!strcmp(json_string_value(json_array_get(r.servers, 0)), "127.0.0.53") &&
		fs_exists_at(AT_FDCWD, SYSTEMD_RESOLV)) {
		resolv_release(&r);
		r = parse_resolv(SYSTEMD_RESOLV);
		*path = SYSTEMD_RESOLV;
	}
	return r;
}

static bool on_user_network(const struct container *c)
{
	for (const struct endpoint *ep = c->endpoints; ep; ep = ep->next)
		if (*ep->port && !network_is_predefined(ep->net->name))
			return true;
	return false;
}

bool files_needs_resolver(struct engine *en, struct container *c)
{
	cleanup_json json_t *host = container_host(c);
	struct resolv r;
	const char *path;
	bool none;

	if (on_user_network(c))
		return true;
	if (!endpoint_default(c, V4) || json_array_size(wished(en, host, "Dns", "dns")))
		return false;
	r = host_resolv(&path);
	drop_unreachable(r.servers);
	none = !json_array_size(r.servers);
	resolv_release(&r);
	return none;
}

static void add_words(struct buf *b, const char *word, const json_t *list, const char *one_more)
{
	const json_t *v;
	size_t i;

	if (!json_array_size(list) && !one_more)
		return;
	buf_adds(b, word);
	json_array_foreach(list, i, v)
		buf_addf(b, " %s", json_string_value(v));
	if (one_more)
		buf_addf(b, " %s", one_more);
	buf_addc(b, '\n');
}

static void add_servers(struct buf *b, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
		buf_addf(b, "nameserver %s\n", json_string_value(v));
}

/* Where the engine's name server forwards to: "[192.0.2.53 …]", "[host(10.0.0.1) …]". */
static void add_forwarders(struct buf *b, const json_t *list, bool of_host)
{
	const json_t *v;
	size_t i;

	buf_adds(b, "# ExtServers: [");
	json_array_foreach(list, i, v)
		buf_addf(b, of_host ? "%shost(%s)" : "%s%s", i ? " " : "", json_string_value(v));
	buf_adds(b, "]\n");
}

static void take_wish(json_t **of_host, json_t *wish, const char *name, struct buf *overrides)
{
	if (!json_array_size(wish))
		return;
	json_decref(*of_host);
	*of_host = json_copy(wish);
	buf_addf(overrides, "%s%s", overrides->n ? " " : "", name);
}

/* Its text, in Docker's layout. */
static void make_resolv(struct engine *en, struct container *c, const json_t *host, struct buf *b)
{
	bool internal = files_needs_resolver(en, c), own_servers, ndots;
	cleanup_buf struct buf overrides = BUF_INIT;
	const char *path = HOST_RESOLV;
	struct resolv r = internal ? parse_resolv(HOST_RESOLV) : host_resolv(&path);

	take_wish(&r.servers, wished(en, host, "Dns", "dns"), "nameservers", &overrides);
	own_servers = overrides.n > 0;
	take_wish(&r.search, wished(en, host, "DnsSearch", "dns-search"), "search", &overrides);
	take_wish(&r.options, wished(en, host, "DnsOptions", "dns-opts"), "options", &overrides);
	/* A single "." means: no search list at all. */
	if (json_array_size(r.search) == 1 && !strcmp(json_string_value(json_array_get(r.search, 0)), "."))
		json_array_clear(r.search);
	ndots = sets_ndots(r.options);
	if (!internal && !own_servers)
		drop_unreachable(r.servers);
	buf_adds(b, "# Generated by Docker Engine.\n"
		    "# This file can be edited; Docker Engine will not make further changes once it\n"
		    "# has been modified.\n\n");
	if (internal)
		buf_adds(b, "nameserver " DNS_ADDRESS "\n");
	else
		add_servers(b, r.servers);
	add_words(b, "search", r.search, NULL);
	add_words(b, "options", r.options, internal && !ndots ? "ndots:0" : NULL);
	buf_addf(b, "\n# Based on host file: '%s' (%s)\n", path, internal ? "internal resolver" : "legacy");
	if (internal)
		add_forwarders(b, r.servers, !own_servers);
	buf_addf(b, "# Overrides: [%s]\n", overrides.p);
	if (internal || ndots)
		buf_addf(b, "# Option ndots from: %s\n",
			!ndots ? "internal" : files_ndots_set(en, host) ? "override" : "host");
	resolv_release(&r);
}

static int check_servers(const json_t *servers, struct err *e)
{
	const json_t *v;
	size_t i;

	json_array_foreach(servers, i, v)
		if (!json_string_value(v) || !config_ip_ok(json_string_value(v)))
			return err_set(e, 0, "bad nameserver address %s: ParseAddr(\"%s\"): unable to parse IP",
				json_string_value(v), json_string_value(v));
	return 0;
}

static int write_resolv(struct engine *en, struct container *c, const json_t *host, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT, hash = BUF_INIT;
	char digest[DIGEST_MAX];

	if (check_servers(json_arr(host, "Dns"), e))
		return -1;
	make_resolv(en, c, host, &b);
	sha256_digest_of(b.p, b.n, digest);
	buf_adds(&hash, digest);
	return write_file(en, c, "resolv.conf", &b, e) || write_file(en, c, "resolv.conf.hash", &hash, e) ? -1 : 0;
}

/* With the host's network: a copy, unless something else was asked for. */
static int write_host_resolv(struct start *s, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;

	if (wished(s->en, s->host, "Dns", "dns") || wished(s->en, s->host, "DnsSearch", "dns-search") ||
		wished(s->en, s->host, "DnsOptions", "dns-opts"))
		return write_resolv(s->en, s->c, s->host, e);
	host_file(HOST_RESOLV, &b);
	return write_file(s->en, s->c, "resolv.conf", &b, e);
}

static int follow_resolv(struct engine *en, struct container *c, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT, hash = BUF_INIT;
	cleanup_json json_t *host = container_host(c);
	char digest[DIGEST_MAX];

	if (read_file(en, c, "resolv.conf", &text, e) || read_file(en, c, "resolv.conf.hash", &hash, e))
		return -1;
	sha256_digest_of(text.p, text.n, digest);
	return strcmp(digest, hash.p) ? 0 : write_resolv(en, c, host, e);
}

void files_follow(struct engine *en, struct container *c)
{
	struct err e;

	if (follow_hosts(en, c, &e) || follow_resolv(en, c, &e))
		log_err(&e, "bringing the files of container %.12s up to date", c->id);
}

int spec_files(struct start *s, struct err *e)
{
	int rc;

	if (s->net && !spec_host_network(s))
		return 0; /* those of the container whose network it shares */
	rc = write_hostname(s, e) || write_hosts(s, e) ? -1 : 0;
	if (rc)
		return rc;
	return spec_host_network(s) ? write_host_resolv(s, e) : write_resolv(s->en, s->c, s->host, e);
}
