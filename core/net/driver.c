/* SPDX-License-Identifier: MIT */
/*
 * core/net/driver.c - choosing, starting and ending a network driver's program
 *
 * Theory of operation
 *   Programs are started in the user's own namespaces and told the place by the pid of a process in it; a
 *   namespace kept at a path is reached through that process's root, as the mount is its alone.
 *	slirp4netns	is ready when it writes a byte to descriptor 3, and ends when 4 hangs up
 *	pasta		goes into the background when it is ready; its pid is in a file
 *	vpnkit, gvproxy	listen on a socket in our directory; ":tap" (driver_tap.c) is connected to it
 *	lxc-user-nic	puts a link into the namespace of ":tap", and ends
 *   The descriptors are ours alone, so that a caller that is killed takes its network along; vpnkit, gvproxy
 *   and lxc-user-nic's ":tap" are told by theirs, or die with the parent.
 */
#include "net/driver.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"
#include "ns/host.h"
#include "ns/tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define DEFAULT_CIDR "10.0.2.0/24"
#define BIG_MTU 65520
#define SMALL_MTU 1500
#define MTU_MAX 65521 /* slirp4netns' */
#define READY_MS 10000
#define TAP_MS 30000  /* DHCP is in it */
#define HELP_MS 5000
#define OUTPUT_MAX 16384
#define PAUSE_MS 5

enum kind { SLIRP, PASTA, VPNKIT, GVPROXY, LXC };

static const struct known {
	const char *name, *binary;
	enum host_package package;
	unsigned int mtu;
} drivers[] = {
	[SLIRP] = {"slirp4netns", "slirp4netns", HOST_SLIRP4NETNS, BIG_MTU},
	[PASTA] = {"pasta", "pasta", HOST_PASST, BIG_MTU},
	[VPNKIT] = {"vpnkit", "vpnkit", HOST_VPNKIT, SMALL_MTU},
	[GVPROXY] = {"gvisor-tap-vsock", "gvproxy", HOST_GVPROXY, SMALL_MTU},
	[LXC] = {"lxc-user-nic", "lxc-user-nic", HOST_LXC, SMALL_MTU},
};

static int kind_of(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(drivers[i].name, name))
			return (int)i;
	return -1;
}

bool driver_known(const char *name)
{
	return kind_of(name) >= 0;
}

/* --- what was asked for ------------------------------------------------------------------------------- */

static const char *or(const char *text, const char *def)
{
	return text && *text ? text : def;
}

int driver_address(const char *cidr, uint8_t n, char out[INET_TEXT], unsigned int *len, struct err *e)
{
	struct subnet s;
	struct inet a;

	cidr = or(cidr, DEFAULT_CIDR);
	if (subnet_parse(span_of(cidr), &s) || s.addr.family != AF_INET)
		return err_kind(e, ERR_INVALID, "invalid CIDR address: %s", cidr);
	if (s.len > 25)
		return err_kind(e, ERR_INVALID, "CIDR %s is too small: at least /25 is needed", cidr);
	a = subnet_first(&s);
	a.bytes[3] = (uint8_t)(a.bytes[3] + n);
	if (len)
		*len = s.len;
	inet_format(&a, out);
	return 0;
}

static unsigned int mtu_of(const struct driver_options *o)
{
	uint64_t mtu = 0;

	parse_u64(span_of(o->mtu), MTU_MAX, &mtu);
	return mtu ? (unsigned int)mtu : drivers[kind_of(o->name)].mtu;
}

static const char *ifname_of(const struct driver_options *o)
{
	return or(o->ifname, kind_of(o->name) == LXC ? "eth0" : "tap0");
}

static bool switch_ok(const char *s)
{
	static const char *const values[] = {"", "auto", "true", "false", NULL};

	return !s || str_in(s, values);
}

int driver_check(const struct driver_options *o, struct err *e)
{
	char address[INET_TEXT];
	uint64_t mtu = 0;

	if (o->mtu && *o->mtu && parse_u64(span_of(o->mtu), INT32_MAX, &mtu))
		return err_kind(e, ERR_INVALID, "invalid value \"%s\" for flag -mtu: parse error", o->mtu);
	if (mtu > MTU_MAX)
		return err_kind(e, ERR_INVALID, "mtu must be <= %d, got %llu", MTU_MAX, (unsigned long long)mtu);
	if (strlen(or(o->ifname, "")) > 15)
		return err_kind(e, ERR_INVALID, "ifname \"%s\" is longer than 15 characters", o->ifname);
	if (!switch_ok(o->sandbox))
		return err_kind(e, ERR_INVALID, "unsupported slirp4netns-sandbox mode: \"%s\"", o->sandbox);
	if (!switch_ok(o->seccomp))
		return err_kind(e, ERR_INVALID, "unsupported slirp4netns-seccomp mode: \"%s\"", o->seccomp);
	return driver_address(o->cidr, 0, address, NULL, e);
}

/* --- the program -------------------------------------------------------------------------------------- */

/* lxc-user-nic is on nobody's PATH. */
static char *find_lxc(void)
{
	struct utsname u = {0};
	cleanup_free char *multiarch = NULL;
	const char *places[] = {"/usr/libexec/lxc/lxc-user-nic", NULL, "/usr/lib/lxc/lxc-user-nic"};
	size_t i;

	uname(&u);
	multiarch = xasprintf("/usr/lib/%s-linux-gnu/lxc/lxc-user-nic", u.machine);
	places[1] = multiarch;
	for (i = 0; i < ARRAY_SIZE(places); i++)
		if (!access(places[i], X_OK))
			return xstrdup(places[i]);
	return tool_find("lxc-user-nic");
}

static char *find_program(const struct driver_options *o, struct err *e)
{
	int kind = kind_of(o->name);
	const struct known *k = &drivers[kind];
	const char *name = or(o->binary, k->binary);
	char *path = strchr(name, '/') ? xstrdup(name) : kind == LXC && !strcmp(name, k->binary) ? find_lxc() : tool_find(name);

	if (path && !access(path, X_OK))
		return path;
	free(path);
	err_kind(e, ERR_NOT_FOUND, strchr(name, '/') ? "exec: \"%s\": stat %s: no such file or directory" :
							"exec: \"%s\": executable file not found in $PATH", name, name);
	err_hint(e, "as root: %s", host_install_command(k->package));
	return NULL;
}

/* As dockerd-rootless.sh asks: one that has --netns-type is 0.4.0 or newer. */
static int check_slirp(const char *path, struct err *e)
{
	cleanup_buf struct buf said = BUF_INIT;
	const char *const argv[] = {"slirp4netns", "--help", NULL};
	struct tool t;

	if (tool_start(&t, path, (char *const *)(uintptr_t)argv, e) || tool_finish(&t, HELP_MS, OUTPUT_MAX, &said, e) < 0)
		return err_wrap(e, "asking %s for its version", path);
	if (strstr(said.p, "--netns-type"))
		return 0;
	err_kind(e, ERR_NOT_SUPPORTED, "slirp4netns found but seems older than v0.4.0");
	return err_hint(e, "as root: %s", host_install_command(HOST_SLIRP4NETNS));
}

int driver_installed(const struct driver_options *o, struct err *e)
{
	cleanup_free char *path = find_program(o, e);

	if (!path)
		return -1;
	return kind_of(o->name) == SLIRP ? check_slirp(path, e) : 0;
}

/* --- starting a program ------------------------------------------------------------------------------- */

struct words {
	const char *v[32];
	size_t n;
	char *kept[16]; /* texts that were made */
	size_t n_kept;
};

static void words_release(struct words *w)
{
	while (w->n_kept)
		free(w->kept[--w->n_kept]);
}

static void add(struct words *w, const char *text)
{
	if (w->n + 1 < ARRAY_SIZE(w->v))
		w->v[w->n++] = text;
}

static void add2(struct words *w, const char *option, const char *value)
{
	if (w->n_kept == ARRAY_SIZE(w->kept))
		bug("too many words for %s", w->v[0]);
	w->kept[w->n_kept] = xasprintf("%s%s", option, value);
	add(w, w->kept[w->n_kept++]);
}

static void add_number(struct words *w, const char *option, unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	add2(w, option, text);
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

/* @ready, @watched: what become 3 and 4, or -1. */
static int spawn(const char *path, struct words *w, bool debug, int ready, int watched, pid_t *pid, struct err *e)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (ready >= 0)
		posix_spawn_file_actions_adddup2(&actions, ready, 3);
	if (watched >= 0)
		posix_spawn_file_actions_adddup2(&actions, watched, 4);
	if (!debug) /* it talks much where all is well */
		posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	rc = posix_spawn(pid, path, &actions, &attr, (char *const *)(uintptr_t)w->v, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc ? err_set(e, rc, "executing %s", path) : 0;
}

static char *userns_of(const struct driver_place *p)
{
	return xasprintf("/proc/%d/ns/user", (int)p->pid);
}

static char *netns_of(const struct driver_place *p)
{
	return xasprintf("/proc/%d/root%s", (int)p->pid, p->netns);
}

static bool wants(const char *setting)
{
	return setting && (!strcmp(setting, "true") || !strcmp(setting, "auto"));
}

/* --- slirp4netns -------------------------------------------------------------------------------------- */

static void slirp_words(struct words *w, struct driver *d, const struct driver_options *o, const struct driver_place *p)
{
	cleanup_free char *userns = userns_of(p), *netns = p->netns ? netns_of(p) : NULL;

	add(w, "slirp4netns");
	add(w, "--configure");
	add(w, "--ready-fd=3");
	add(w, "--exit-fd=4");
	add_number(w, "--mtu=", mtu_of(o));
	if (o->cidr && *o->cidr)
		add2(w, "--cidr=", o->cidr);
	if (o->no_host_loopback)
		add(w, "--disable-host-loopback");
	if (o->ipv6)
		add(w, "--enable-ipv6");
	/* Told a path, it cannot become root of the user namespace for it (1.2): "auto" then goes without. */
	if (wants(o->sandbox) && (!p->netns || strcmp(o->sandbox, "auto")))
		add(w, "--enable-sandbox");
	if (wants(o->seccomp))
		add(w, "--enable-seccomp");
	if (*d->api)
		add2(w, "--api-socket=", d->api);
	if (p->netns) {
		add(w, "--netns-type=path");
		add2(w, "--userns-path=", userns);
		add2(w, "", netns);
	} else {
		add_number(w, "", (unsigned int)p->pid);
	}
	add(w, d->ifname);
}

static int start_slirp(struct driver *d, const char *path, const struct driver_options *o, const struct driver_place *p,
	struct err *e)
{
	cleanup_close int reader = -1, writer = -1, watched = -1;
	struct words w = {.n = 0};
	char byte;
	int rc;

	if (o->api)
		snprintf(d->api, sizeof(d->api), "%s/.s4nn.sock", p->dir);
	unlink(d->api);
	if (high_pipe(&reader, &writer) || high_pipe(&watched, &d->exit_fd))
		return err_set(e, errno, "making a pipe");
	slirp_words(&w, d, o, p);
	rc = spawn(path, &w, o->debug, writer, watched, &d->program, e);
	words_release(&w);
	if (rc)
		return -1;
	fd_close(&writer);
	if (fd_read_full(reader, &byte, 1) == 1)
		return 0;
	err_kind(e, ERR_FAILED, "%s ended before the network was there", path);
	return err_hint(e, access("/dev/net/tun", R_OK | W_OK) ? "it needs /dev/net/tun, which this user cannot open" :
								 "with --debug it says why");
}

/* --- pasta -------------------------------------------------------------------------------------------- */

static void pasta_words(struct words *w, struct driver *d, const struct driver_options *o, const struct driver_place *p,
	const char *pidfile, unsigned int len)
{
	cleanup_free char *userns = userns_of(p), *netns = p->netns ? netns_of(p) : NULL;

	add(w, "pasta");
	add(w, "--quiet");
	add2(w, "--pid=", pidfile);
	add(w, "--config-net");
	add2(w, "--ns-ifname=", d->ifname);
	add_number(w, "--mtu=", mtu_of(o));
	add(w, "--no-dhcp");
	add(w, "--no-ra");
	add2(w, "--address=", d->child_ip);
	add_number(w, "--netmask=", len);
	add2(w, "--gateway=", d->gateway);
	add2(w, "--dns-forward=", d->dns);
	if (o->no_host_loopback)
		add(w, "--no-map-gw");
	if (!o->ipv6)
		add(w, "--ipv4-only");
	add(w, o->implicit ? "--tcp-ports=auto" : "--tcp-ports=none");
	add(w, o->implicit ? "--udp-ports=auto" : "--udp-ports=none");
	if (p->netns) {
		add2(w, "--userns=", userns);
		add2(w, "--netns=", netns);
	} else {
		add_number(w, "", (unsigned int)p->pid);
	}
}

/* A pasta whose parent was killed stays, where the namespace does: the next start ends it. */
static void end_old_pasta(const char *pidfile)
{
	cleanup_buf struct buf number = BUF_INIT, comm = BUF_INIT;
	cleanup_free char *path = NULL;
	uint64_t pid;

	if (file_read_at(AT_FDCWD, pidfile, 32, &number, NULL) ||
		parse_u64((struct span){number.p, strcspn(number.p, "\n")}, INT32_MAX, &pid))
		return;
	path = xasprintf("/proc/%llu/comm", (unsigned long long)pid);
	if (!file_read_at(AT_FDCWD, path, 64, &comm, NULL) && !strncmp(comm.p, "pasta", 5))
		kill((pid_t)pid, SIGKILL);
}

static int start_pasta(struct driver *d, const char *path, const struct driver_options *o, const struct driver_place *p,
	struct err *e)
{
	cleanup_free char *pidfile = fs_join(p->dir, "pasta.pid");
	cleanup_buf struct buf out = BUF_INIT, number = BUF_INIT;
	struct words w = {.n = 0};
	unsigned int len = 0;
	uint64_t pid;
	struct tool t;
	int rc;

	end_old_pasta(pidfile);
	if (driver_address(o->cidr, 100, d->child_ip, &len, e))
		return -1;
	pasta_words(&w, d, o, p, pidfile, len);
	rc = tool_start(&t, path, (char *const *)(uintptr_t)w.v, e);
	if (!rc)
		rc = tool_finish(&t, READY_MS, OUTPUT_MAX, &out, e);
	words_release(&w);
	if (rc > 0)
		return err_kind(e, ERR_FAILED, "pasta failed: %s", out.p);
	if (rc < 0 || file_read_at(AT_FDCWD, pidfile, 32, &number, e))
		return -1;
	if (!parse_u64((struct span){number.p, strcspn(number.p, "\n")}, INT32_MAX, &pid))
		d->program = (pid_t)pid; /* a child of ours: callers are subreapers */
	return 0;
}

/* --- those with a helper of ours ------------------------------------------------------------------------ */

static int await_tap(struct driver *d, struct tap_ready *r, struct err *e)
{
	struct pollfd p = {.fd = d->tap_fd, .events = POLLIN};
	size_t n;
	int rc;

	do
		rc = poll(&p, 1, TAP_MS);
	while (rc < 0 && errno == EINTR);
	if (rc <= 0)
		return err_set(e, ETIMEDOUT, "waiting for the network");
	if (sock_recv(d->tap_fd, r, sizeof(*r), NULL, 0, &n) != sizeof(*r))
		return err_kind(e, ERR_FAILED, "the tap device's process ended");
	if (!r->ok)
		*e = r->err;
	return r->ok ? 0 : -1;
}

static int start_tap(struct driver *d, const char *kind, const struct driver_options *o, const struct driver_place *p,
	const char *filter, int stream, struct err *e)
{
	cleanup_free char *pid = xasprintf("%d", (int)p->pid), *mtu = xasprintf("%u", mtu_of(o));
	const char *const argv[] = {":tap", kind, pid, p->netns ? p->netns : "", d->ifname, mtu, filter, NULL};

	d->tap_fd = proc_spawn_talking(argv, &stream, stream < 0 ? 0 : 1, &d->tap, NULL, e);
	return d->tap_fd < 0 ? -1 : 0;
}

static void take_addresses(struct driver *d, const struct tap_ready *r)
{
	snprintf(d->dns, sizeof(d->dns), "%s", r->dns);
	snprintf(d->child_ip, sizeof(d->child_ip), "%s", r->ip);
	snprintf(d->gateway, sizeof(d->gateway), "%s", r->gateway);
}

/* Connect to the socket a program is about to make. */
static int connect_soon(struct driver *d, const char *path, struct err *e)
{
	int64_t deadline = clock_mono_ns() + READY_MS * NS_PER_MS;
	static const struct timespec pause = {0, PAUSE_MS * NS_PER_MS};
	int fd;

	for (;;) {
		fd = sock_connect_at(AT_FDCWD, path, SOCK_STREAM);
		if (fd >= 0)
			return fd;
		if (waitpid(d->program, NULL, WNOHANG) == d->program) {
			d->program = 0;
			return err_kind(e, ERR_FAILED, "the program ended before the network was there");
		}
		if (clock_mono_ns() > deadline)
			return err_set(e, ETIMEDOUT, "connecting to %s", path);
		nanosleep(&pause, NULL); /* it tells nobody when it listens */
	}
}

/* gvproxy forwards a port of the host's loopback to the guest's ssh, and cannot be kept from it: some free
 * one, where nothing listens inside. */
static unsigned int unused_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(sa);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, n) || getsockname(fd, (struct sockaddr *)&sa, &n))
		return 2222;
	return ntohs(sa.sin_port);
}

static void frames_words(struct words *w, enum kind kind, const struct driver_options *o, const char *sock)
{
	if (kind == VPNKIT) {
		add(w, "vpnkit");
		add(w, "--ethernet");
		add(w, sock);
		add(w, "--mtu");
		add_number(w, "", mtu_of(o));
		if (o->no_host_loopback) {
			add(w, "--host-ip");
			add(w, "0.0.0.0");
		}
		return;
	}
	add(w, "gvproxy");
	add_number(w, "-mtu=", mtu_of(o));
	add2(w, "-listen-vpnkit=unix://", sock);
	add_number(w, "-ssh-port=", unused_port());
}

/* The program is to end with us, however we end: it does not watch a descriptor. */
static int spawn_mortal(const char *path, struct words *w, bool debug, pid_t *pid, struct err *e)
{
	pid_t us = getpid();
	sigset_t none;
	int null;

	*pid = fork();
	if (*pid < 0)
		return err_set(e, errno, "starting %s", path);
	if (*pid)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = open("/dev/null", O_RDWR);
	if (getppid() != us || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || (!debug && dup2(null, 2) < 0))
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	execv(path, (char *const *)(uintptr_t)w->v);
	_exit(127);
}

static int start_frames(struct driver *d, const char *path, enum kind kind, const struct driver_options *o,
	const struct driver_place *p, struct err *e)
{
	cleanup_free char *sock = fs_join(p->dir, "vpnkit-ethernet.sock");
	cleanup_close int stream = -1;
	struct words w = {.n = 0};
	const char *filter = kind != GVPROXY ? "" : o->no_host_loopback ? "host" : "gateway";
	struct tap_ready r;
	int rc;

	unlink(sock);
	frames_words(&w, kind, o, sock);
	rc = spawn_mortal(path, &w, o->debug, &d->program, e);
	words_release(&w);
	stream = rc ? -1 : connect_soon(d, sock, e);
	if (stream < 0 || start_tap(d, "vpnkit", o, p, filter, stream, e) || await_tap(d, &r, e))
		return -1;
	take_addresses(d, &r);
	return 0;
}

static int start_lxc(struct driver *d, const char *path, const struct driver_options *o, const struct driver_place *p,
	struct err *e)
{
	const char *bridge = or(o->bridge, "lxcbr0");
	cleanup_buf struct buf out = BUF_INIT;
	cleanup_free char *pid = NULL;
	struct tap_ready r;
	struct tool t;
	int rc;

	if (start_tap(d, "dhcp", o, p, "", -1, e) || await_tap(d, &r, e))
		return -1;
	/* ":tap" is in the namespace, also where no process else is. */
	pid = xasprintf("%d", (int)d->tap);
	const char *const argv[] = {"lxc-user-nic", "create", "/dev/null", "dummy", pid, "veth", bridge, d->ifname, NULL};
	if (tool_start(&t, path, (char *const *)(uintptr_t)argv, e))
		return -1;
	rc = tool_finish(&t, READY_MS, OUTPUT_MAX, &out, e);
	if (rc > 0) {
		err_kind(e, ERR_FAILED, "%s failed: %s", path, out.p);
		return err_hint(e, "root has to allow it: a line \"USER veth %s 1\" in /etc/lxc/lxc-usernet", bridge);
	}
	if (rc < 0 || (send(d->tap_fd, "", 1, MSG_NOSIGNAL) != 1 && err_set(e, errno, "telling the link's process")) ||
		await_tap(d, &r, e))
		return -1;
	take_addresses(d, &r);
	return 0;
}

/* --- bridges behind it -------------------------------------------------------------------------------- */

int driver_forward(struct driver *d, const struct driver_options *o, const struct driver_place *p, struct err *e)
{
	struct driver helper = DRIVER_INIT;
	struct tap_ready r;
	int rc;

	snprintf(helper.ifname, sizeof(helper.ifname), "%s", d->ifname);
	/* slirp4netns answers whoever asks; the others know one address. */
	rc = start_tap(&helper, kind_of(o->name) == SLIRP ? "forward" : "masquerade", o, p, d->gateway, -1, e) ||
		await_tap(&helper, &r, e);
	driver_stop(&helper);
	return rc ? err_wrap(e, "leading containers to %s", o->name) : 0;
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static int start_kind(struct driver *d, enum kind kind, const char *path, const struct driver_options *o,
	const struct driver_place *p, struct err *e)
{
	switch (kind) {
	case SLIRP:
		return start_slirp(d, path, o, p, e);
	case PASTA:
		return start_pasta(d, path, o, p, e);
	case LXC:
		return start_lxc(d, path, o, p, e);
	default:
		return start_frames(d, path, kind, o, p, e);
	}
}

int driver_start(struct driver *d, const struct driver_options *o, const struct driver_place *p, struct err *e)
{
	cleanup_free char *path = find_program(o, e);
	int kind = kind_of(o->name);

	*d = (struct driver)DRIVER_INIT;
	snprintf(d->ifname, sizeof(d->ifname), "%s", ifname_of(o));
	if (kind == SLIRP || kind == PASTA)
		if (driver_address(o->cidr, 2, d->gateway, NULL, e) || driver_address(o->cidr, 3, d->dns, NULL, e) ||
			driver_address(o->cidr, 100, d->child_ip, NULL, e))
			return -1;
	if (path && !start_kind(d, (enum kind)kind, path, o, p, e))
		return 0;
	driver_stop(d);
	return err_wrap(e, "failed to setup network %s", o->name);
}

static void end(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

void driver_stop(struct driver *d)
{
	fd_close(&d->exit_fd);
	fd_close(&d->tap_fd);
	end(&d->tap);
	end(&d->program);
}

bool driver_reaped(struct driver *d, pid_t pid)
{
	pid_t *which = pid == d->program ? &d->program : pid == d->tap ? &d->tap : NULL;

	if (!which || pid <= 0)
		return false;
	*which = 0;
	return true;
}
