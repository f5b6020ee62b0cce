/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/network.c - the program that connects the new network namespace to the host's
 *
 * Theory of operation
 *   slirp4netns and pasta are the host's programs: they make a tap device inside, give it an address
 *   and a route, and carry packets.  They are started in the user's own namespaces, and told the
 *   namespaces by the child's pid; with --detach-netns by the path of the pinned one, through the
 *   child's root, as that mount is the child's alone.  slirp4netns says on a descriptor that it is ready;
 *   pasta goes into the background when it is.
 */
#include "kit.h"

#include "base/fs.h"
#include "net/inet.h"
#include "ns/tool.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define DEFAULT_CIDR "10.0.2.0/24"
#define DEFAULT_MTU 65520
#define MTU_MAX 65521 /* slirp4netns' */
#define READY_MS 10000
#define OUTPUT_MAX 4096

static bool is(const char *a, const char *b)
{
	return !strcmp(a, b);
}

/* The @n-th address of the network, as RootlessKit gives them out: 2 the gateway, 3 DNS, 100 the child. */
static int nth_address(const struct kit *k, uint8_t n, char out[INET_TEXT], unsigned int *len, struct err *e)
{
	const char *cidr = *k->cidr ? k->cidr : DEFAULT_CIDR;
	struct subnet s;
	struct inet a;

	if (subnet_parse(span_of(cidr), &s) || s.addr.family != AF_INET)
		return err_kind(e, ERR_INVALID, "invalid CIDR address: %s", cidr);
	if (s.len > 25)
		return err_kind(e, ERR_INVALID, "CIDR %s is too small: at least /25 is needed", cidr);
	a = subnet_first(&s);
	a.bytes[3] = (uint8_t)(a.bytes[3] + n);
	*len = s.len;
	inet_format(&a, out);
	return 0;
}

static int check_net(const struct kit *k, struct err *e)
{
	static const char *const known[] = {"host", "none", "slirp4netns", "pasta", NULL},
				 *const foreign[] = {"vpnkit", "lxc-user-nic", "gvisor-tap-vsock", NULL};
	char address[INET_TEXT];
	unsigned int len;
	uint64_t mtu;

	if (str_in(k->net, foreign))
		return err_kind(e, ERR_NOT_SUPPORTED, "network mode %s is not supported; use slirp4netns or pasta", k->net);
	if (!str_in(k->net, known))
		return err_kind(e, ERR_INVALID, "unknown network mode: %s", k->net);
	if (parse_u64(span_of(k->mtu), INT32_MAX, &mtu))
		return err_kind(e, ERR_INVALID, "invalid value \"%s\" for flag -mtu: parse error", k->mtu);
	if (mtu > MTU_MAX)
		return err_kind(e, ERR_INVALID, "mtu must be <= %d, got %llu", MTU_MAX, (unsigned long long)mtu);
	return nth_address(k, 0, address, &len, e);
}

int kit_network_check(const struct kit *k, struct err *e)
{
	const char *driver = k->port_driver;

	if (check_net(k, e))
		return -1;
	if (!is(driver, "none") && !is(driver, "builtin") && !is(driver, "implicit") && !is(driver, "slirp4netns"))
		return err_kind(e, ERR_INVALID, "unknown port driver: %s", driver);
	if (!is(driver, "none") && !kit_has_netns(k))
		return err_kind(e, ERR_INVALID, "port driver requires non-host network");
	if (is(driver, "implicit") && !is(k->net, "pasta"))
		return err_kind(e, ERR_INVALID, "port driver requires pasta network");
	if (is(k->net, "pasta") && !is(driver, "implicit") && !is(driver, "none"))
		return err_kind(e, ERR_INVALID, "network \"pasta\" requires port driver \"none\" or \"implicit\"");
	if (is(driver, "slirp4netns"))
		return err_kind(e, ERR_NOT_SUPPORTED, "port driver slirp4netns is not supported; builtin is faster");
	if (k->publish.n && !is(driver, "builtin"))
		return err_kind(e, ERR_INVALID, "port driver \"%s\" does not support publishing ports", driver);
	return 0;
}

/* --- starting ----------------------------------------------------------------------------------- */

struct words {
	const char *v[32];
	size_t n;
	json_t *kept; /* texts that were made */
};

static void add(struct words *w, const char *text)
{
	if (w->n + 1 < ARRAY_SIZE(w->v))
		w->v[w->n++] = text;
}

static void addf(struct words *w, const char *option, const char *value)
{
	cleanup_free char *text = xasprintf("%s%s", option, value);

	json_append_str(w->kept, text);
	add(w, json_string_value(json_array_get(w->kept, json_array_size(w->kept) - 1)));
}

static char *find_program(const char *name, struct err *e)
{
	char *path = strchr(name, '/') ? xstrdup(name) : tool_find(name);

	if (!path)
		err_kind(e, ERR_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
	return path;
}

static uint64_t mtu_of(const struct kit *k)
{
	uint64_t mtu = 0;

	parse_u64(span_of(k->mtu), MTU_MAX, &mtu);
	return mtu ? mtu : DEFAULT_MTU;
}

static bool wants(const char *setting)
{
	return is(setting, "true") || is(setting, "auto");
}

/* Both ends out of the way of 3 and 4: dup2 of one to itself would leave it to be closed by exec. */
static int high_pipe(int *reader, int *writer)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -1;
	*reader = fcntl(fds[0], F_DUPFD_CLOEXEC, 10);
	*writer = fcntl(fds[1], F_DUPFD_CLOEXEC, 10);
	close(fds[0]);
	close(fds[1]);
	return *reader < 0 || *writer < 0 ? -1 : 0;
}

/* It is ready when it writes a byte to descriptor 3; the end of file before means it has failed. It ends
 * when descriptor 4 hangs up: with us, however that happens. */
static int spawn_ready(const char *path, struct words *w, bool debug, pid_t *pid, struct err *e)
{
	cleanup_close int reader = -1, writer = -1, watched = -1;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int ours = -1, rc;
	sigset_t none;
	char byte;

	if (high_pipe(&reader, &writer) || high_pipe(&watched, &ours)) /* ours stays open */
		return err_set(e, errno, "making a pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, watched, 4);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, writer, 3);
	if (!debug) /* it talks much where all is well */
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(pid, path, &actions, &attr, (char *const *)(uintptr_t)w->v, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (rc)
		return err_set(e, rc, "executing %s", path);
	fd_close(&writer);
	if (fd_read_full(reader, &byte, 1) == 1)
		return 0;
	waitpid(*pid, NULL, 0);
	*pid = 0;
	err_kind(e, ERR_FAILED, "%s ended before the network was there", path);
	return err_hint(e, "with --debug it says why");
}

static int start_slirp(struct kit_network *n, const struct kit *k, pid_t child, const char *state_dir, struct err *e)
{
	cleanup_free char *path = find_program(k->slirp_binary, e);
	cleanup_json json_t *kept = json_array();
	struct words w = {.kept = kept};
	cleanup_free char *mtu = xasprintf("%llu", (unsigned long long)mtu_of(k)), *pid = xasprintf("%d", (int)child);
	cleanup_free char *inside = xasprintf("/proc/%s/root%s/netns", pid, state_dir);
	cleanup_free char *userns = xasprintf("/proc/%s/ns/user", pid);

	if (!path)
		return -1;
	add(&w, "slirp4netns");
	add(&w, "--configure");
	add(&w, "--ready-fd=3");
	add(&w, "--exit-fd=4");
	addf(&w, "--mtu=", mtu);
	if (*k->cidr)
		addf(&w, "--cidr=", k->cidr);
	if (k->no_host_loopback)
		add(&w, "--disable-host-loopback");
	if (k->ipv6)
		add(&w, "--enable-ipv6");
	if (wants(k->slirp_sandbox))
		add(&w, "--enable-sandbox");
	if (wants(k->slirp_seccomp))
		add(&w, "--enable-seccomp");
	if (k->detach_netns) {
		add(&w, "--netns-type=path");
		addf(&w, "--userns-path=", userns);
	}
	add(&w, k->detach_netns ? inside : pid);
	add(&w, k->ifname);
	return spawn_ready(path, &w, k->debug, &n->pid, e);
}

static int start_pasta(struct kit_network *n, const struct kit *k, pid_t child, const char *state_dir, struct err *e)
{
	cleanup_free char *path = find_program(k->pasta_binary, e), *pid = xasprintf("%d", (int)child);
	cleanup_free char *mtu = xasprintf("%llu", (unsigned long long)mtu_of(k));
	cleanup_free char *inside = xasprintf("/proc/%s/root%s/netns", pid, state_dir);
	cleanup_free char *userns = xasprintf("/proc/%s/ns/user", pid);
	char address[INET_TEXT], gateway[INET_TEXT], dns[INET_TEXT];
	cleanup_free char *pidfile = fs_join(state_dir, "pasta.pid");
	cleanup_buf struct buf out = BUF_INIT, number = BUF_INIT;
	cleanup_json json_t *kept = json_array();
	struct words w = {.kept = kept};
	unsigned int len;
	uint64_t daemon;
	struct tool t;
	int rc;

	if (!path || nth_address(k, 100, address, &len, e) || nth_address(k, 2, gateway, &len, e) ||
		nth_address(k, 3, dns, &len, e))
		return -1;
	cleanup_free char *mask = xasprintf("%u", len);

	add(&w, "pasta");
	add(&w, "--quiet");
	addf(&w, "--pid=", pidfile);
	add(&w, "--config-net");
	addf(&w, "--ns-ifname=", k->ifname);
	addf(&w, "--mtu=", mtu);
	add(&w, "--no-dhcp");
	add(&w, "--no-ra");
	addf(&w, "--address=", address);
	addf(&w, "--netmask=", mask);
	addf(&w, "--gateway=", gateway);
	addf(&w, "--dns-forward=", dns);
	if (k->no_host_loopback)
		add(&w, "--no-map-gw");
	if (!k->ipv6)
		add(&w, "--ipv4-only");
	add(&w, is(k->port_driver, "implicit") ? "--tcp-ports=auto" : "--tcp-ports=none");
	add(&w, is(k->port_driver, "implicit") ? "--udp-ports=auto" : "--udp-ports=none");
	if (k->detach_netns) {
		addf(&w, "--userns=", userns);
		addf(&w, "--netns=", inside);
	} else {
		add(&w, pid);
	}
	if (tool_start(&t, path, (char *const *)(uintptr_t)w.v, e))
		return -1;
	rc = tool_finish(&t, READY_MS, OUTPUT_MAX, &out, e);
	if (rc > 0)
		return err_kind(e, ERR_FAILED, "pasta failed: %s", out.p);
	if (rc < 0 || file_read_at(AT_FDCWD, pidfile, 32, &number, e))
		return -1;
	if (!parse_u64((struct span){number.p, strcspn(number.p, "\n")}, INT32_MAX, &daemon))
		n->pid = (pid_t)daemon; /* a child of ours: we are a subreaper */
	return 0;
}

int kit_network_start(struct kit_network *n, const struct kit *k, pid_t child, const char *state_dir, struct err *e)
{
	bool slirp = is(k->net, "slirp4netns");
	unsigned int len;

	if (!slirp && !is(k->net, "pasta"))
		return 0;
	if (slirp ? start_slirp(n, k, child, state_dir, e) : start_pasta(n, k, child, state_dir, e))
		return err_wrap(e, "failed to setup network %s", k->net);
	return nth_address(k, 3, n->dns, &len, e) || nth_address(k, 100, n->child_ip, &len, e);
}
