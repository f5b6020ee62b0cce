/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlesskit/options.c - the options of rootlesskit: one table for parsing and for --help
 *
 * "--name value", "--name=value" and, as RootlessKit's parser takes them, "-name".  They end at the first
 * argument that is none: the command.
 */
#include "kit.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum type { BOOL, TEXT, LIST };

struct option {
	const char *name;
	char letter;
	enum type type;
	size_t at;
	const char *help;
};

#define AT(member) offsetof(struct kit, member)

static const struct option options[] = {
	{"debug", 0, BOOL, AT(debug), "debug mode"},
	{"print-semver", 0, TEXT, AT(semver), "print a version component as a decimal integer [major, minor, patch]"},
	{"help", 'h', BOOL, AT(help), "show help"},
	{"version", 'v', BOOL, AT(version), "print the version"},
	{"copy-up", 0, LIST, AT(copy_up), "mount a filesystem and copy-up the contents. e.g. \"--copy-up=/etc\""},
	{"copy-up-mode", 0, TEXT, AT(copy_up_mode), "copy-up mode [tmpfs+symlink]"},
	{"propagation", 0, TEXT, AT(propagation), "mount propagation [rprivate, rslave]"},
	{"net", 0, TEXT, AT(net), "network driver [host, none, relay, slirp4netns, pasta, vpnkit, lxc-user-nic, gvisor-tap-vsock]"},
	{"mtu", 0, TEXT, AT(mtu), "MTU for non-host network (default: 65520 for pasta and slirp4netns, no limit for relay, 1500 for others)"},
	{"cidr", 0, TEXT, AT(cidr), "CIDR for relay, pasta and slirp4netns networks (default: 10.0.2.0/24)"},
	{"ifname", 0, TEXT, AT(ifname), "network interface name (default: tap0; eth0 for lxc-user-nic)"},
	{"disable-host-loopback", 0, BOOL, AT(no_host_loopback), "prohibit connecting to 127.0.0.1:* on the host namespace"},
	{"ipv6", 0, BOOL, AT(ipv6), "enable IPv6 routing (slirp4netns and pasta; relay always has it)"},
	{"detach-netns", 0, BOOL, AT(detach_netns), "leave the command in the host's network namespace; the new one is STATE/netns"},
	{"lxc-user-nic-binary", 0, TEXT, AT(lxc_binary), "path of lxc-user-nic binary for --net=lxc-user-nic"},
	{"lxc-user-nic-bridge", 0, TEXT, AT(lxc_bridge), "lxc-user-nic bridge name (default: lxcbr0)"},
	{"pasta-binary", 0, TEXT, AT(pasta_binary), "path of pasta binary for --net=pasta"},
	{"slirp4netns-binary", 0, TEXT, AT(slirp_binary), "path of slirp4netns binary for --net=slirp4netns"},
	{"slirp4netns-sandbox", 0, TEXT, AT(slirp_sandbox), "enable slirp4netns sandbox [auto, true, false]"},
	{"slirp4netns-seccomp", 0, TEXT, AT(slirp_seccomp), "enable slirp4netns seccomp [auto, true, false]"},
	{"vpnkit-binary", 0, TEXT, AT(vpnkit_binary), "path of VPNKit binary for --net=vpnkit"},
	{"gvproxy-binary", 0, TEXT, AT(gvproxy_binary), "path of gvproxy binary for --net=gvisor-tap-vsock"},
	{"port-driver", 0, TEXT, AT(port_driver), "port driver for non-host network [none, implicit (for pasta), builtin, slirp4netns]"},
	{"publish", 'p', LIST, AT(publish), "publish ports. e.g. \"127.0.0.1:8080:80/tcp\""},
	{"pidns", 0, BOOL, AT(pidns), "create a PID namespace"},
	{"cgroupns", 0, BOOL, AT(cgroupns), "create a cgroup namespace"},
	{"utsns", 0, BOOL, AT(utsns), "create a UTS namespace"},
	{"ipcns", 0, BOOL, AT(ipcns), "create an IPC namespace"},
	{"reaper", 0, TEXT, AT(reaper), "enable process reaper. Requires --pidns. [auto,true,false]"},
	{"evacuate-cgroup2", 0, TEXT, AT(evacuate), "evacuate processes into the specified subgroup. Requires --pidns and --cgroupns"},
	{"state-dir", 0, TEXT, AT(state_dir), "state directory"},
	{"subid-source", 0, TEXT, AT(subid_source), "the source of the subids [auto,dynamic,static]"},
};

static const struct option *find(struct span name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (span_eqs(name, options[i].name) || (name.n == 1 && options[i].letter == *name.p))
			return &options[i];
	return NULL;
}

static int set_bool(bool *b, const char *name, const char *value, struct err *e)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL},
				 *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};

	if (value && !str_in(value, yes) && !str_in(value, no))
		return err_kind(e, ERR_INVALID, "invalid boolean value \"%s\" for -%s: parse error", value, name);
	*b = !value || str_in(value, yes);
	return 0;
}

static int set(struct kit *k, const struct option *o, const char *value, struct err *e)
{
	void *at = (char *)k + o->at;
	struct kit_list *list = at;

	if (o->type == BOOL)
		return set_bool(at, o->name, value, e);
	if (o->type == TEXT) {
		memcpy(at, &value, sizeof(value));
		return 0;
	}
	if (list->n == KIT_LIST_MAX)
		return err_kind(e, ERR_INVALID, "more than %d times --%s", KIT_LIST_MAX, o->name);
	list->v[list->n++] = value;
	return 0;
}

int kit_parse(struct kit *k, int argc, char **argv, struct err *e)
{
	int i;

	*k = (struct kit){.copy_up_mode = "tmpfs+symlink", .propagation = "", .net = "host", .mtu = "0", .cidr = "",
		.ifname = "", .port_driver = "none", .reaper = "auto", .evacuate = "", .state_dir = "",
		.subid_source = "auto", .slirp_binary = "slirp4netns", .slirp_sandbox = "false",
		.slirp_seccomp = "false", .pasta_binary = "pasta", .vpnkit_binary = "vpnkit", .gvproxy_binary = "gvproxy",
		.lxc_binary = "", .lxc_bridge = ""};
	for (i = 1; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		const char *p = argv[i] + (argv[i][1] == '-' ? 2 : 1), *value = strchr(p, '=');
		struct span name = {p, value ? (size_t)(value - p) : strlen(p)};
		const struct option *o = name.n ? find(name) : NULL;

		if (!name.n && !value) { /* "--" */
			i++;
			break;
		}
		if (!o)
			return err_kind(e, ERR_INVALID, "flag provided but not defined: -%.*s", (int)name.n, name.p);
		value = value ? value + 1 : NULL;
		if (o->type != BOOL && !value && i + 1 == argc)
			return err_kind(e, ERR_INVALID, "flag needs an argument: -%s", o->name);
		if (o->type != BOOL && !value)
			value = argv[++i];
		if (set(k, o, value, e))
			return -1;
	}
	k->command = argv + i;
	return 0;
}

void kit_help(void)
{
	size_t i;

	puts("NAME:\n   rootlesskit - Linux-native fakeroot using user namespaces\n\n"
	     "USAGE:\n   rootlesskit [global options] [arguments...]\n\n"
	     "EXAMPLES:\n"
	     "   rootlesskit bash                                 a shell in a new user and mount namespace\n"
	     "   rootlesskit rm -rf ~/.local/share/docker         remove what belongs to subordinate ids\n"
	     "   rootlesskit --copy-up=/etc --net=relay --disable-host-loopback \\\n"
	     "      --port-driver=builtin -p 127.0.0.1:8080:80/tcp bash\n\nOPTIONS:");
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		cleanup_free char *name = xasprintf("--%s%s%s", o->name, o->type == BOOL ? "" : " value",
			o->letter == 'p' ? ", -p value" : o->letter == 'h' ? ", -h" : o->letter == 'v' ? ", -v" : "");

		if (o->help)
			printf("   %-34s %s\n", name, o->help);
	}
}

bool kit_has_netns(const struct kit *k)
{
	return strcmp(k->net, "host") != 0;
}

void kit_words(struct err *e)
{
	const char *why = e->code ? strerror(e->code) : "";
	size_t n = strlen(e->msg), len = strlen(why);

	if (len && n > len && !strcmp(e->msg + n - len, why) && e->msg[n - len] >= 'A' && e->msg[n - len] <= 'Z')
		e->msg[n - len] |= 0x20;
}
