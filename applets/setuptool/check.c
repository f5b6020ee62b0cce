/* SPDX-License-Identifier: MIT */
/*
 * applets/setuptool/check.c - what the host lacks, and what root has to run for it
 *
 * Theory of operation
 *   Everything is looked at before anything is said: who has to ask somebody for root wants to ask
 *   once.  "Required" is what no container runs properly without: user namespaces, and the ids and
 *   programs that fill them.  "Recommended" is what something people use is missing without: ping,
 *   ports below 1024, limits, a start at boot.
 *
 *   Whether user namespaces work is tried, not concluded: a child makes them, mounts in them and
 *   talks to nf_tables in one.  Settings are read to name what stood in its way.  AppArmor (Ubuntu
 *   23.10 and later) lets the namespace be made and takes its capabilities: that shows at the mount.
 */
#include "setuptool.h"

#include "base/fs.h"
#include "ns/host.h"
#include "ns/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PORT_WANTED 80 /* web servers */

static void lack(struct lacks *l, bool required, const char *id, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

static void lack(struct lacks *l, bool required, const char *id, const char *what, const char *fmt, ...)
{
	struct buf commands = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&commands, fmt, ap);
	va_end(ap);
	l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct lack){required, id, xstrdup(what), buf_detach(&commands)};
}

/* A file of /proc, /sys or /etc that is small; "" if there is none. */
static char *contents(const char *path)
{
	struct buf text = BUF_INIT;

	if (file_read_at(AT_FDCWD, path, 1 << 20, &text, NULL))
		return xstrdup("");
	return buf_detach(&text);
}

static bool is_zero(const char *path)
{
	cleanup_free char *text = contents(path);

	return *text == '0' && (!text[1] || text[1] == '\n');
}

/* --- what namespaces can do here ------------------------------------------------------------ */

enum probe { PROBE_OK, PROBE_NO_NFT, PROBE_NO_CAPS, PROBE_NO_NS };

/* In a network namespace of its own: does the kernel know nf_tables (and load it, if it is a module)? */
static bool nft_answers(void)
{
	struct {
		struct nlmsghdr head;
		struct nfgenmsg gen;
	} ask = {{sizeof(ask), NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NLM_F_REQUEST, 1, 0}, {0}};
	struct {
		struct nlmsghdr head;
		char data[256];
	} answer;
	cleanup_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || send(fd, &ask, sizeof(ask), 0) != sizeof(ask) ||
		recv(fd, &answer, sizeof(answer), 0) < (ssize_t)sizeof(answer.head))
		return false;
	return answer.head.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN);
}

static enum probe probe_inside(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return PROBE_NO_NS;
	if (mount("", "/", NULL, MS_REC | MS_SLAVE, NULL))
		return PROBE_NO_CAPS;
	mount("none", "/", "overlay", 0, ""); /* fails without options, and loads the module if there is one */
	if (unshare(CLONE_NEWNET) || !nft_answers())
		return PROBE_NO_NFT;
	return PROBE_OK;
}

static enum probe probe(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(probe_inside());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return PROBE_NO_NS;
	return WEXITSTATUS(status);
}

static void lack_sysctl(struct lacks *l, bool required, const char *id, const char *file, const char *name,
	const char *value)
{
	cleanup_free char *what = xasprintf("Set %s", name);

	lack(l, required, id, what, "cat <<EOT > /etc/sysctl.d/%s\n%s = %s\nEOT\nsysctl --system", file, name, value);
}

static void lack_apparmor(const struct setup *s, struct lacks *l)
{
	cleanup_free char *file = xasprintf("%s/coracle", *s->bin == '/' ? s->bin + 1 : s->bin);
	char *c;

	for (c = file; *c; c++)
		if (*c == '/')
			*c = '.';
	lack(l, true, "apparmor", "Add an AppArmor profile that allows user namespaces",
		"cat <<EOT > /etc/apparmor.d/%s\nabi <abi/4.0>,\ninclude <tunables/global>\n\n"
		"%s/coracle flags=(unconfined) {\n  userns,\n\n  include if exists <local/%s>\n}\nEOT\n"
		"systemctl restart apparmor.service", file, s->bin, file);
}

static void check_namespaces(const struct setup *s, struct lacks *l)
{
	enum probe p = probe();
	size_t before = l->n;

	if (is_zero("/proc/sys/kernel/unprivileged_userns_clone"))
		lack_sysctl(l, true, "unprivileged_userns_clone", "50-rootless.conf", "kernel.unprivileged_userns_clone", "1");
	if (is_zero("/proc/sys/user/max_user_namespaces"))
		lack_sysctl(l, true, "max_user_namespaces", "51-rootless.conf", "user.max_user_namespaces", "28633");
	if (p == PROBE_NO_CAPS && !is_zero("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"))
		lack_apparmor(s, l);
	else if ((p == PROBE_NO_NS || p == PROBE_NO_CAPS) && l->n == before)
		lack(l, true, "userns", "Allow user namespaces",
			"# no setting forbids them: in a container, run it with --privileged; on a host, boot a kernel with CONFIG_USER_NS");
	if (p == PROBE_NO_NFT && !s->skip_iptables)
		lack(l, false, "nf_tables", "Load nf_tables module", "modprobe nf_tables");
}

/* --- ids ------------------------------------------------------------------------------------ */

static void check_subids(const struct setup *s, bool gids, struct lacks *l)
{
	const char *file = gids ? "/etc/subgid" : "/etc/subuid";
	cleanup_free char *number = xasprintf("%u", s->user.uid);
	cleanup_free char *what = NULL;
	const char *name = *s->user.name ? s->user.name : number, *word = gids ? "subgid" : "subuid";
	uint64_t n = idmap_count_subids(&s->user, gids);
	uint32_t start = subid_free_start(file);

	if (n >= SUBIDS_USUAL)
		return;
	what = n ? xasprintf("Add %s entry for %s: %" PRIu64 " ids are fewer than images count on", word, name, n) :
		   xasprintf("Add %s entry for %s", word, name);
	lack(l, !n, word, what, "echo \"%s:%u:%u\" >> %s", name, start, SUBIDS_USUAL, file);
}

static void check_uidmap(struct lacks *l)
{
	struct err e = ERR_INIT;

	if (!idmap_can_apply(&e))
		lack(l, true, "uidmap", "Install newuidmap & newgidmap binaries", "%s", host_install_command(HOST_UIDMAP));
}

/* The two as they are found, for chmod; those that have their privilege are left out. */
static char *without_privilege(void)
{
	static const char *const names[] = {"newuidmap", "newgidmap"};
	struct buf list = BUF_INIT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = tool_find(names[i]), *good = tool_find_privileged(names[i]);

		if (path && !good)
			buf_addf(&list, " %s", path);
	}
	buf_adds(&list, "");
	return buf_detach(&list);
}

/* Can all ids be mapped?  Tried with a namespace that is thrown away, once nothing is known to be missing. */
static void check_mapping(const struct setup *s, struct lacks *l)
{
	static struct idmap uids, gids;
	cleanup_close int ours = -1, its = -1;
	struct err e = ERR_INIT;
	int pair[2], rc = -1;
	char byte;
	pid_t pid;

	if (lacks_required(l) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return;
	ours = pair[0];
	its = pair[1];
	pid = fork();
	if (!pid) {
		close(ours);
		rc = unshare(CLONE_NEWUSER) || write(its, "", 1) != 1 || read(its, &byte, 1);
		_exit(rc);
	}
	fd_close(&its);
	if (pid > 0 && read(ours, &byte, 1) == 1)
		rc = idmap_of_user(&s->user, SUBID_AUTO, &uids, &gids, &e) || idmap_apply(pid, &uids, &gids, &e) ? -1 : 0;
	fd_close(&ours);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	if (rc && *e.msg) {
		cleanup_free char *bare = without_privilege();

		if (*bare)
			lack(l, true, "uidmap", "Give newuidmap & newgidmap their privilege back", "chmod u+s%s", bare);
		else
			lack(l, true, "uidmap", "Let newuidmap & newgidmap map the ids of this user", "# %s", e.msg);
	}
}

/* --- recommended ---------------------------------------------------------------------------- */

static void check_network(const struct setup *s, struct lacks *l)
{
	cleanup_free char *range = contents("/proc/sys/net/ipv4/ping_group_range");
	cleanup_free char *port = contents("/proc/sys/net/ipv4/ip_unprivileged_port_start");
	unsigned int first, last, start;

	if (sscanf(range, "%u %u", &first, &last) == 2 && (s->user.gid < first || s->user.gid > last))
		lack_sysctl(l, false, "ping_group_range", "52-rootless.conf", "net.ipv4.ping_group_range", "0 2147483647");
	if (sscanf(port, "%u", &start) == 1 && start > FIRST_PORT_WANTED)
		lack_sysctl(l, false, "ip_unprivileged_port_start", "53-rootless.conf", "net.ipv4.ip_unprivileged_port_start",
			"80");
	if (access("/dev/net/tun", F_OK))
		lack(l, false, "tun", "Load tun module (for network drivers with a tap device)", "modprobe tun");
}

static void check_storage(struct lacks *l)
{
	cleanup_free char *filesystems = contents("/proc/filesystems");
	struct utsname u;

	if (uname(&u))
		return;
	if (host_release_at_least(u.release, 5, 11)) {
		if (!strstr(filesystems, "\toverlay\n"))
			lack(l, false, "overlay", "Load overlay module", "modprobe overlay");
	} else {
		cleanup_free char *fuse = tool_find("fuse-overlayfs");

		if (!fuse)
			lack(l, false, "fuse-overlayfs", "Install fuse-overlayfs (this kernel is older than 5.11)", "%s",
				host_install_command(HOST_FUSE_OVERLAYFS));
	}
}

static bool has_word(const char *text, const char *word)
{
	struct span rest = span_of(text), one;

	while (span_token(&rest, ' ', &one)) {
		while (one.n && one.p[one.n - 1] == '\n')
			one.n--;
		if (span_eqs(one, word))
			return true;
	}
	return false;
}

static void check_delegation(const struct setup *s, struct lacks *l)
{
	static const char *const wanted[] = {"cpu", "cpuset", "io", "memory", "pids"};
	cleanup_free char *path = xasprintf("/sys/fs/cgroup/user.slice/user-%u.slice/user@%u.service/cgroup.controllers",
		s->user.uid, s->user.uid);
	cleanup_free char *have = contents(path);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		if (has_word(have, wanted[i]))
			continue;
		lack(l, false, "delegate", "Delegate all cgroup controllers to users",
			"mkdir -p /etc/systemd/system/user@.service.d\n"
			"cat <<EOT > /etc/systemd/system/user@.service.d/delegate.conf\n"
			"[Service]\nDelegate=cpu cpuset io memory pids\nEOT\nsystemctl daemon-reload");
		return;
	}
}

/* Does somebody listen at a socket?  Its file alone may be left over. */
static bool answers(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(sa.sun_path))
		return false;
	strcpy(sa.sun_path, path);
	return fd >= 0 && !connect(fd, (struct sockaddr *)&sa, sizeof(sa));
}

static void check_systemd(const struct setup *s, struct lacks *l)
{
	cleanup_free char *linger = xasprintf("/var/lib/systemd/linger/%s", s->user.name);
	cleanup_free char *bus = xasprintf("%s/bus", s->run_dir);
	struct statfs fs;

	if (statfs("/sys/fs/cgroup", &fs) || fs.f_type != CGROUP2_SUPER_MAGIC) {
		lack(l, false, "cgroup2", "Boot with cgroup v2, so that the kernel enforces limits of containers",
			"# add to the kernel's command line: systemd.unified_cgroup_hierarchy=1");
		return;
	}
	if (!s->systemd)
		return;
	if (!answers(bus))
		lack(l, false, "dbus", "Install the D-Bus of user sessions, and start it as this user: systemctl --user enable --now dbus",
			"%s", host_install_command(HOST_DBUS_SESSION));
	check_delegation(s, l);
	if (access(linger, F_OK))
		lack(l, false, "linger", "Let services of this user run without a login (at boot, after logout)",
			"loginctl enable-linger %s", s->user.name);
}

static void check_home(const struct setup *s, struct lacks *l)
{
	struct statfs fs;
	const char *name;

	if (!statfs(getenv("HOME"), &fs) && host_fs_judge((unsigned long)fs.f_type, &name) == HOST_FS_REFUSED)
		lack(l, false, "home", "Keep images and containers out of a home directory that is a network file system",
			"# as this user: echo '{\"data-root\":\"/somewhere-out-of-nfs\"}' > %s/docker/daemon.json", s->config_dir);
}

void check_host(const struct setup *s, struct lacks *l)
{
	check_uidmap(l);
	check_namespaces(s, l);
	check_subids(s, false, l);
	check_subids(s, true, l);
	check_mapping(s, l);
	check_network(s, l);
	check_storage(l);
	check_systemd(s, l);
	check_home(s, l);
}

/* --- saying it ------------------------------------------------------------------------------ */

size_t lacks_required(const struct lacks *l)
{
	size_t i, n = 0;

	for (i = 0; i < l->n; i++)
		n += l->v[i].required;
	return n;
}

void lacks_print(const struct lacks *l, bool required)
{
	size_t i;

	puts("\n########## BEGIN ##########\nsudo sh -eux <<EOF");
	for (i = 0; i < l->n; i++)
		if (l->v[i].required == required)
			printf("# %s\n%s\n", l->v[i].what, l->v[i].commands);
	puts("EOF\n########## END ##########\n");
}

json_t *lacks_json(const struct lacks *l)
{
	json_t *j = json_object(), *lists[2] = {json_array(), json_array()};
	size_t i;

	for (i = 0; i < l->n; i++) {
		json_t *one = json_object();

		json_set_str(one, "id", l->v[i].id);
		json_set_str(one, "what", l->v[i].what);
		json_set_str(one, "commands", l->v[i].commands);
		json_array_append_new(lists[l->v[i].required], one);
	}
	json_set_bool(j, "satisfied", !json_array_size(lists[1]));
	json_set_new(j, "required", lists[1]);
	json_set_new(j, "recommended", lists[0]);
	return j;
}
