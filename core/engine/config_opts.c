/* SPDX-License-Identifier: MIT */
/*
 * core/engine/config_opts.c - the table of options, and --help
 *
 * Names, letters and types are dockerd's (28.5); the effects are ours. An option that nothing here
 * reads is not dropped in silence, unless it tunes a thing that this engine does not have at all.
 */
#include "engine/config_opts.h"

#include <stdio.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

/* clang-format off */
const struct opt config_opts[] = {
	{"add-runtime", 0, "runtimes", OPT_RUNTIMES, OPT_IGNORED, "runtime", "Name another OCI runtime (no effect: the runtime is built in)"},
	{"allow-direct-routing", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Published ports may be reached at container addresses"},
	{"authorization-plugin", 0, "authorization-plugins", OPT_LIST, OPT_REFUSED, "list", "Plugins that authorise requests (not supported)"},
	{"bip", 0, NULL, OPT_STRING, OPT_USED, "string", "Address and prefix of the default bridge"},
	{"bip6", 0, NULL, OPT_STRING, OPT_USED, "string", "IPv6 address and prefix of the default bridge"},
	{"bridge", 'b', NULL, OPT_STRING, OPT_USED, "string", "Bridge for containers; 'none' for no default network"},
	{"cdi-spec-dir", 0, "cdi-spec-dirs", OPT_LIST, OPT_IGNORED, "list", "Directories with CDI specifications (no effect)"},
	{"cgroup-parent", 0, NULL, OPT_STRING, OPT_USED, "string", "Cgroup that holds those of containers"},
	{"config-file", 0, NULL, OPT_STRING, OPT_USED, "string", "Configuration file (default \"$XDG_CONFIG_HOME/docker/daemon.json\")"},
	{"containerd", 0, NULL, OPT_STRING, OPT_IGNORED, "string", "Address of containerd (no effect: there is none)"},
	{"containerd-namespace", 0, NULL, OPT_STRING, OPT_MOOT, "string", "Namespace in containerd"},
	{"containerd-plugins-namespace", 0, NULL, OPT_STRING, OPT_MOOT, "string", "Namespace for plugins in containerd"},
	{"cpu-rt-period", 0, NULL, OPT_INT, OPT_IGNORED, "int", "Real-time period of the parent cgroup (no effect)"},
	{"cpu-rt-runtime", 0, NULL, OPT_INT, OPT_IGNORED, "int", "Real-time runtime of the parent cgroup (no effect)"},
	{"cri-containerd", 0, NULL, OPT_BOOL, OPT_IGNORED, NULL, "Start containerd with CRI (no effect: there is none)"},
	{"data-root", 0, NULL, OPT_STRING, OPT_USED, "string", "Directory for images, containers and volumes (default \"$XDG_DATA_HOME/docker\")"},
	{"debug", 'D', NULL, OPT_BOOL, OPT_USED, NULL, "Log more"},
	{"default-address-pool", 0, "default-address-pools", OPT_POOLS, OPT_USED, "base=CIDR,size=N", "Pool that new networks take their subnets from"},
	{"default-cgroupns-mode", 0, NULL, OPT_STRING, OPT_USED, "string", "Cgroup namespace of containers (\"host\" | \"private\")"},
	{"default-gateway", 0, NULL, OPT_IP, OPT_USED, "ip", "IPv4 gateway of the default bridge"},
	{"default-gateway-v6", 0, NULL, OPT_IP, OPT_USED, "ip", "IPv6 gateway of the default bridge"},
	{"default-ipc-mode", 0, NULL, OPT_STRING, OPT_USED, "string", "IPC namespace of containers (\"shareable\" | \"private\")"},
	{"default-network-opt", 0, "default-network-opts", OPT_MAPMAP, OPT_USED, "driver=key=value", "Options for new networks of a driver"},
	{"default-runtime", 0, NULL, OPT_STRING, OPT_IGNORED, "string", "OCI runtime for containers (no effect: the runtime is built in)"},
	{"default-shm-size", 0, NULL, OPT_BYTES, OPT_USED, "bytes", "Size of /dev/shm (default 64m)"},
	{"default-ulimit", 0, "default-ulimits", OPT_ULIMITS, OPT_USED, "name=soft:hard", "Resource limit for containers"},
	{"dns", 0, NULL, OPT_IPS, OPT_USED, "ip", "DNS server for containers"},
	{"dns-opt", 0, "dns-opts", OPT_LIST, OPT_USED, "list", "resolv.conf options for containers"},
	{"dns-search", 0, NULL, OPT_LIST, OPT_USED, "list", "DNS search domains for containers"},
	{"exec-opt", 0, "exec-opts", OPT_LIST, OPT_USED, "list", "Options of execution (native.cgroupdriver=...)"},
	{"exec-root", 0, NULL, OPT_STRING, OPT_USED, "string", "Directory for state of running containers (default \"$XDG_RUNTIME_DIR/docker\")"},
	{"experimental", 0, NULL, OPT_BOOL, OPT_USED, NULL, "Offer experimental features"},
	{"feature", 0, "features", OPT_FEATURES, OPT_USED, "name=bool", "Turn a feature on or off"},
	{"firewall-backend", 0, NULL, OPT_STRING, OPT_MOOT, "string", "Firewall to use"},
	{"fixed-cidr", 0, NULL, OPT_STRING, OPT_USED, "string", "Part of the default bridge's subnet that containers get"},
	{"fixed-cidr-v6", 0, NULL, OPT_STRING, OPT_USED, "string", "The same for IPv6"},
	{"group", 'G', NULL, OPT_STRING, OPT_USED, "string", "Group of the unix sockets"},
	{"help", 0, NULL, OPT_BOOL, OPT_USED, NULL, "Print this"},
	{"host", 'H', "hosts", OPT_LIST, OPT_USED, "list", "Socket to listen on (default \"unix://$XDG_RUNTIME_DIR/docker.sock\")"},
	{"host-gateway-ip", 0, "host-gateway-ips", OPT_ADDRS, OPT_USED, "ip", "Address that host-gateway of --add-host stands for"},
	{"http-proxy", 0, NULL, OPT_STRING, OPT_USED, "string", "Proxy for HTTP"},
	{"https-proxy", 0, NULL, OPT_STRING, OPT_USED, "string", "Proxy for HTTPS"},
	{"icc", 0, NULL, OPT_BOOL, OPT_USED, NULL, "Containers of the default bridge may talk to each other (default true)"},
	{"init", 0, NULL, OPT_BOOL, OPT_USED, NULL, "Run an init in containers that forwards signals and reaps"},
	{"init-path", 0, NULL, OPT_STRING, OPT_IGNORED, "string", "Path of docker-init (no effect: it is built in)"},
	{"insecure-registry", 0, "insecure-registries", OPT_LIST, OPT_USED, "list", "Registry that may be talked to without verified TLS"},
	{"ip", 0, NULL, OPT_IP, OPT_USED, "ip", "Address that ports are published at (default 0.0.0.0)"},
	{"ip-forward", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Turn on IP forwarding"},
	{"ip-forward-no-drop", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Leave the forwarding policy alone"},
	{"ip-masq", 0, NULL, OPT_BOOL, OPT_USED, NULL, "Give containers of the default bridge a way out (default true)"},
	{"ip6tables", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Use ip6tables"},
	{"iptables", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Use iptables"},
	{"ipv6", 0, NULL, OPT_BOOL, OPT_USED, NULL, "IPv6 on the default bridge"},
	{"label", 0, "labels", OPT_LIST, OPT_USED, "key=value", "Label of the engine"},
	{"live-restore", 0, NULL, OPT_BOOL, OPT_USED, NULL, "Leave containers running when the engine is stopped"},
	{"log-driver", 0, NULL, OPT_STRING, OPT_USED, "string", "Log driver of containers (default \"" CONFIG_LOG_DRIVER "\")"},
	{"log-format", 0, NULL, OPT_STRING, OPT_USED, "string", "Form of the engine's log (\"text\")"},
	{"log-level", 'l', NULL, OPT_STRING, OPT_USED, "string", "Level of the engine's log (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\") (default \"info\")"},
	{"log-opt", 0, "log-opts", OPT_MAP, OPT_USED, "key=value", "Option for the log driver of containers"},
	{"max-concurrent-downloads", 0, NULL, OPT_INT, OPT_USED, "int", "Layers of a pull that are fetched at once (default " TEXT(CONFIG_MAX_DOWNLOADS) ")"},
	{"max-concurrent-uploads", 0, NULL, OPT_INT, OPT_USED, "int", "Layers of a push that are sent at once (default 5)"},
	{"max-download-attempts", 0, NULL, OPT_INT, OPT_USED, "int", "Tries for each layer of a pull (default 5)"},
	{"metrics-addr", 0, NULL, OPT_STRING, OPT_IGNORED, "string", "Address to serve metrics at (no effect)"},
	{"mtu", 0, NULL, OPT_INT, OPT_USED, "int", "MTU of the default bridge (default 1500)"},
	{"network-control-plane-mtu", 0, NULL, OPT_INT, OPT_MOOT, "int", "MTU of Swarm's control plane"},
	{"no-new-privileges", 0, NULL, OPT_BOOL, OPT_USED, NULL, "no-new-privileges for new containers"},
	{"no-proxy", 0, NULL, OPT_STRING, OPT_USED, "string", "Hosts to reach without the proxy"},
	{"node-generic-resource", 0, "node-generic-resources", OPT_LIST, OPT_IGNORED, "list", "Resources to advertise in a Swarm (no effect)"},
	{"pidfile", 'p', NULL, OPT_STRING, OPT_USED, "string", "File for the engine's pid (default \"$XDG_RUNTIME_DIR/docker.pid\")"},
	{"raw-logs", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Full times and no colours in the engine's log"},
	{"registry-mirror", 0, "registry-mirrors", OPT_LIST, OPT_USED, "list", "Mirror of Docker Hub"},
	{"require-subids", 0, NULL, OPT_BOOL, OPT_OURS, NULL, "Do not start without subordinate ids (else one id is mapped)"},
	{"rootless", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Rootless mode; always on"},
	{"seccomp-profile", 0, NULL, OPT_STRING, OPT_USED, "string", "Path of a profile, \"unconfined\", or \"builtin\" (default \"builtin\")"},
	{"selinux-enabled", 0, NULL, OPT_BOOL, OPT_IGNORED, NULL, "SELinux labels for containers (no effect)"},
	{"shutdown-timeout", 0, NULL, OPT_INT, OPT_USED, "int", "Seconds that containers have to stop (default " TEXT(CONFIG_SHUTDOWN_TIMEOUT_S) ")"},
	{"single-id", 0, NULL, OPT_BOOL, OPT_OURS, NULL, "Map one id, even if there are subordinate ids"},
	{"storage-driver", 's', NULL, OPT_STRING, OPT_USED, "string", "Storage driver (default: the best that works)"},
	{"storage-opt", 0, "storage-opts", OPT_LIST, OPT_USED, "list", "Options of the storage driver"},
	{"swarm-default-advertise-addr", 0, NULL, OPT_STRING, OPT_IGNORED, "string", "Address to advertise in a Swarm (no effect)"},
	{"tls", 0, NULL, OPT_BOOL, OPT_USED, NULL, "TLS on tcp:// sockets, for any client; --tlsverify is what you want"},
	{"tlscacert", 0, NULL, OPT_STRING, OPT_USED, "string", "CA that client certificates must come from"},
	{"tlscert", 0, NULL, OPT_STRING, OPT_USED, "string", "Certificate of the engine"},
	{"tlskey", 0, NULL, OPT_STRING, OPT_USED, "string", "Key of the engine"},
	{"tlsverify", 0, NULL, OPT_BOOL, OPT_USED, NULL, "TLS on tcp:// sockets, for clients with a certificate from --tlscacert"},
	{"userland-proxy", 0, NULL, OPT_BOOL, OPT_MOOT, NULL, "Use docker-proxy for published ports"},
	{"userland-proxy-path", 0, NULL, OPT_STRING, OPT_MOOT, "string", "Path of docker-proxy"},
	{"userns-remap", 0, NULL, OPT_STRING, OPT_REFUSED, "string", "User namespace for containers (not in rootless mode)"},
	{"validate", 0, NULL, OPT_BOOL, OPT_USED, NULL, "Check the configuration and exit"},
	{"version", 'v', NULL, OPT_BOOL, OPT_USED, NULL, "Print the version"},
	/* daemon.json only; the last four are accepted for old files */
	{NULL, 0, "builder", OPT_OBJECT, OPT_USED, NULL, NULL},
	{NULL, 0, "proxies", OPT_OBJECT, OPT_USED, NULL, NULL},
	{NULL, 0, "host-gateway-ip", OPT_IP, OPT_USED, NULL, NULL},
	{NULL, 0, "api-cors-header", OPT_STRING, OPT_USED, NULL, NULL},
	{NULL, 0, "deprecated-key-path", OPT_STRING, OPT_MOOT, NULL, NULL},
	{NULL, 0, "allow-nondistributable-artifacts", OPT_LIST, OPT_IGNORED, NULL, NULL},
	{NULL, 0, NULL, OPT_BOOL, OPT_USED, NULL, NULL},
};
/* clang-format on */

const char *const config_proxy_keys[] = {"http-proxy", "https-proxy", "no-proxy", NULL};

const char *config_opt_key(const struct opt *o)
{
	return o->key ? o->key : o->flag;
}

const struct opt *config_opt_by_flag(struct span name)
{
	const struct opt *o;

	for (o = config_opts; o->flag || o->key; o++)
		if (o->flag && span_eqs(name, o->flag))
			return o;
	return NULL;
}

const struct opt *config_opt_by_letter(char letter)
{
	const struct opt *o;

	for (o = config_opts; o->flag || o->key; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

const struct opt *config_opt_by_key(const char *key)
{
	const struct opt *o;

	for (o = config_opts; o->flag || o->key; o++)
		if (o->effect != OPT_OURS && !strcmp(config_opt_key(o), key))
			return o;
	return NULL;
}

void config_print_help(void)
{
	const struct opt *o;
	char left[64];

	printf("Usage:  dockerd-rootless [OPTIONS]   (also as dockerd and dockerd-rootless.sh)\n\n"
	       "The engine: Docker's API for this user, without root.\n\nOptions:\n");
	for (o = config_opts; o->flag; o++) {
		snprintf(left, sizeof(left), "--%s %s", o->flag, o->word ? o->word : "");
		if (o->letter)
			printf("  -%c, %-36s %s\n", o->letter, left, o->help);
		else
			printf("      %-36s %s\n", left, o->help);
	}
	printf("\nThe same can stand in daemon.json, lists there having the plural name.\n");
}
