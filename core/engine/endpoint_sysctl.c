/* SPDX-License-Identifier: MIT */
/*
 * core/engine/endpoint_sysctl.c - sysctls of a namespace with links, and of one interface
 *
 * An interface's come from com.docker.network.endpoint.sysctls.  The option is a list "net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.accept_ra=2"; IFNAME
 * stands for the name that the interface has in the container.  Only an interface's own can be named:
 * five parts, each of letters, digits, "_" and "-", so that no path leads elsewhere.
 */
#include "base/fs.h"
#include "engine/container.h"
#include "engine/network_table.h"
#include "net/netns.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SYSCTLS_OPTION NETWORK_OPTION "endpoint.sysctls"
#define PARTS 5 /* net, ipv4, conf, IFNAME, log_martians */

/* --- all links ---------------------------------------------------------------------------------- */

static void put(int dirfd, const char *name, const char *value)
{
	cleanup_close int fd = dirfd < 0 ? -1 : openat(dirfd, name, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, value, strlen(value)) < 0)
		return;
}

/* The kernel keeps each namespace's "ipv4" and "ipv6" in one chain, so that a look-up takes as long as there
 * are namespaces: once is enough. */
static int set_for_links(void *arg, struct err *e)
{
	cleanup_close int ipv4 = open("/proc/sys/net/ipv4", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int ipv6 = open("/proc/sys/net/ipv6", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)arg;
	(void)e;
	/* Where /proc/sys is not ours to write, neighbours take some seconds to notice a new address, */
	put(ipv4, "conf/default/arp_notify", "1");
	put(ipv6, "conf/default/ndisc_notify", "1");
	/* and connections pay for a pace (bbr, where the host has that) on links that need none. */
	put(ipv4, "tcp_congestion_control", "reno");
	return 0;
}

int endpoint_prepare_netns(int netns, struct err *e)
{
	return netns_run(netns, set_for_links, NULL, e);
}

/* --- one interface ------------------------------------------------------------------------------- */

static bool is_word(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
			return false;
	return s.n > 0;
}

static bool is(struct span s, const char *word)
{
	return s.n == strlen(word) && !memcmp(s.p, word, s.n);
}

/* Lower-case, as the real engine reads them. */
static bool split(struct span name, struct span part[PARTS])
{
	size_t n = 0;
	struct span word;

	while (span_token(&name, '.', &word)) {
		if (n == PARTS || !is_word(word))
			return false;
		part[n++] = word;
	}
	return n == PARTS && is(part[0], "net") && is(part[3], "ifname") &&
		(is(part[1], "ipv4") || is(part[1], "ipv6") || is(part[1], "mpls"));
}

static char *option_of(const json_t *settings)
{
	char *text = xstrdup(json_str(json_obj(settings, "DriverOpts"), SYSCTLS_OPTION, ""));

	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return text;
}

static struct span name_of(struct span sysctl)
{
	const char *equals = memchr(sysctl.p, '=', sysctl.n);

	return equals ? (struct span){sysctl.p, (size_t)(equals - sysctl.p)} : sysctl;
}

void endpoint_check_sysctls(const json_t *settings, json_t *bad)
{
	cleanup_free char *text = option_of(settings);
	struct span rest = span_of(text), one, part[PARTS];

	while (*text && span_token(&rest, ',', &one)) {
		cleanup_free char *why = NULL;

		if (split(name_of(one), part))
			continue;
		why = xasprintf("unrecognised network interface sysctl '%.*s'; represent 'net.X.Y.ethN.Z=V' as "
				"'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'", (int)one.n, one.p);
		json_append_str(bad, why);
	}
}

static int set_one(const struct endpoint *ep, struct span sysctl, struct err *e)
{
	struct span name = name_of(sysctl), part[PARTS], value;
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;

	if (!split(name, part))
		return err_kind(e, ERR_INVALID, "unrecognised network interface sysctl '%.*s'", (int)sysctl.n, sysctl.p);
	if (name.n == sysctl.n)
		return err_set(e, 0, "expected sysctl '%.*s' to have format name=value", (int)sysctl.n, sysctl.p);
	value = (struct span){sysctl.p + name.n + 1, sysctl.n - name.n - 1};
	path = xasprintf("/proc/sys/net/%.*s/%.*s/%s/%.*s", (int)part[1].n, part[1].p, (int)part[2].n, part[2].p,
		ep->ifname, (int)part[4].n, part[4].p);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, 0, "%s is not a sysctl file", path);
	if (fd < 0 || write(fd, value.p, value.n) < 0)
		return err_set(e, errno, "unable to write to '%s'", path);
	return 0;
}

struct job {
	const struct endpoint *ep;
	const char *text;
};

static int set_all(void *arg, struct err *e)
{
	const struct job *job = arg;
	struct span rest = span_of(job->text), one;

	while (span_token(&rest, ',', &one))
		if (set_one(job->ep, one, e))
			return err_wrap(e, "failed to add interface %s to sandbox", job->ep->port);
	return 0;
}

int endpoint_set_sysctls(const struct endpoint *ep, const json_t *settings, int netns, struct err *e)
{
	cleanup_free char *text = option_of(settings);
	struct job job = {ep, text};

	return *text ? netns_run(netns, set_all, &job, e) : 0;
}
