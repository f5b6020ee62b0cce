/* SPDX-License-Identifier: MIT */
/*
 * core/engine/files.c - a container's /etc/hosts, /etc/hostname and /etc/resolv.conf
 *
 * Theory of operation
 *   They are ordinary files in containers/<id>/, written at each start and bind-mounted.  With
 *   the host's network they are the host's, as far as the container did not ask for its own.  A
 *   name server on a loopback address of the host cannot be reached from another network
 *   namespace, so there such lines are left out.
 */
#include "base/fs.h"
#include "engine/config_opts.h"
#include "engine/links.h"
#include "engine/spec.h"
#include "engine/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST_FILE_MAX (1 << 20) /* bytes of the host's files that are taken over */

/* In place: nobody reads them before the start that writes them, and a start that a crash cut short
 * is followed by another one. */
static int write_file(struct start *s, const char *name, const struct buf *text, struct err *e)
{
	cleanup_free char *path = xasprintf("containers/%s/%s", s->c->id, name);
	cleanup_close int fd = openat(s->en->datafd, path,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0 || fd_write_full(fd, text->p, text->n))
		return err_set(e, errno, "writing %s", path);
	return 0;
}

static void host_file(const char *path, struct buf *out)
{
	struct err e;

	if (file_read_at(AT_FDCWD, path, HOST_FILE_MAX, out, &e))
		buf_reset(out);
}

static int write_hostname(struct start *s, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;

	buf_addf(&b, "%s\n", json_str(s->c->config, "Hostname", ""));
	return write_file(s, "hostname", &b, e);
}

/* Programs look up their own name.  As long as a bridge gives no address it is loopback's. */
static void add_own_name(struct start *s, struct buf *b)
{
	const char *name = json_str(s->c->config, "Hostname", "");
	size_t first = strcspn(name, ".");

	if (strcmp(json_str(s->host, "NetworkMode", ""), "bridge") || !*name)
		return;
	buf_addf(b, "127.0.0.1\t%s", name);
	if (name[first])
		buf_addf(b, " %.*s", (int)first, name);
	buf_addc(b, '\n');
}

static int write_hosts(struct start *s, struct err *e)
{
	cleanup_buf struct buf b = BUF_INIT;
	const json_t *v;
	size_t i;

	if (spec_host_network(s))
		host_file("/etc/hosts", &b);
	else
		buf_adds(&b, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
			     "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\n"
			     "ff02::2\tip6-allrouters\n");
	json_array_foreach(json_arr(s->host, "ExtraHosts"), i, v) {
		const char *text = json_string_value(v);
		size_t at = strcspn(text, ":");
		struct span ip = span_of(text + at + 1);

		/* There is no gateway while a bridge holds nothing but lo. */
		if (span_eqs(ip, "host-gateway"))
			ip = SPAN("127.0.0.1");
		buf_addf(&b, "%.*s\t%.*s\n", (int)ip.n, ip.p, (int)at, text);
	}
	if (links_tell(s->en, s->c, s->host, NULL, &b, e))
		return -1;
	add_own_name(s, &b);
	return write_file(s, "hosts", &b, e);
}

/* Take over a host's resolv.conf line unless the container sets that itself. */
static void take_line(struct start *s, struct span line, struct buf *b)
{
	static const struct {
		const char *word, *own;
	} kinds[] = {{"nameserver", "Dns"}, {"search", "DnsSearch"}, {"options", "DnsOptions"}};
	struct span word = line, rest;
	size_t i;

	for (word.n = 0; word.n < line.n && !strchr(" \t", line.p[word.n]); word.n++)
		;
	rest = span_trim((struct span){line.p + word.n, line.n - word.n});
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!span_eqs(word, kinds[i].word) || json_array_size(json_arr(s->host, kinds[i].own)))
			continue;
		if (!i && !spec_host_network(s) && (span_starts(rest, "127.") || span_eqs(rest, "::1")))
			continue;
		buf_addf(b, "%.*s %.*s\n", (int)word.n, word.p, (int)rest.n, rest.p);
	}
}

static void add_list(struct buf *b, const char *word, const json_t *list, bool one_line)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		if (!i || !one_line)
			buf_adds(b, word);
		buf_addf(b, " %s%s", json_string_value(v),
			one_line && i + 1 < json_array_size(list) ? "" : "\n");
	}
}

static int check_servers(const json_t *servers, struct err *e)
{
	json_t *v;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)servers, i, v)
		if (!json_string_value(v) || !config_ip_ok(json_string_value(v)))
			return err_set(e, 0, "bad nameserver address %s: ParseAddr(\"%s\"): unable to parse IP",
				json_string_value(v), json_string_value(v));
	return 0;
}

static int write_resolv_conf(struct start *s, struct err *e)
{
	cleanup_buf struct buf host = BUF_INIT, b = BUF_INIT;
	const json_t *search = json_arr(s->host, "DnsSearch");
	struct span rest, line;

	if (check_servers(json_arr(s->host, "Dns"), e))
		return -1;

	buf_adds(&b, "# Made by Coracle when the container was started.\n\n");
	add_list(&b, "nameserver", json_arr(s->host, "Dns"), false);
	host_file("/etc/resolv.conf", &host);
	rest = (struct span){host.p, host.n};
	while (span_token(&rest, '\n', &line))
		take_line(s, line, &b);
	/* A single "." means: no search list at all. */
	if (json_array_size(search) != 1 || strcmp(json_string_value(json_array_get(search, 0)), "."))
		add_list(&b, "search", search, true);
	add_list(&b, "options", json_arr(s->host, "DnsOptions"), true);
	buf_addc(&b, '\n');
	return write_file(s, "resolv.conf", &b, e);
}

int spec_files(struct start *s, struct err *e)
{
	if (s->net && !spec_host_network(s))
		return 0; /* those of the container whose network it shares */
	return write_hostname(s, e) || write_hosts(s, e) || write_resolv_conf(s, e) ? -1 : 0;
}
