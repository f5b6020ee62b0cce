/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_flags.h - the options that docker run and docker create share
 *
 * A list of initialisers over one `static struct run_opts o`, for two tables: each command keeps
 * its own notes of what was given.
 */
#ifndef DOCKER_RUN_FLAGS_H
#define DOCKER_RUN_FLAGS_H

#define RUN_DEFAULTS \
	.memory_swappiness = -1, .restart = "no", .pull = "missing", .sig_proxy = true, \
	.disable_content_trust = true

#define RUN_FLAGS_A_TO_D \
	{"add-host", 0, FLAG_LIST, &o.add_host, "Add a line to /etc/hosts: name:ip, or name:host-gateway", \
		.check = check_add_host}, \
	{"annotation", 0, FLAG_LIST, &o.annotation, "Add an annotation for the OCI runtime: key=value", "map"}, \
	{"attach", 'a', FLAG_LIST, &o.attach, "Attach to STDIN, STDOUT or STDERR (default: the latter two)", \
		.check = check_attach}, \
	{"blkio-weight", 0, FLAG_UINT16, &o.blkio_weight, "Block IO weight, 10 to 1000; 0 disables"}, \
	{"blkio-weight-device", 0, FLAG_LIST, &o.blkio_weight_device, "The same for one device: path:weight", \
		.check = check_weight}, \
	{"cap-add", 0, FLAG_LIST, &o.cap_add, "Add Linux capabilities: NET_ADMIN, or ALL"}, \
	{"cap-drop", 0, FLAG_LIST, &o.cap_drop, "Drop Linux capabilities"}, \
	{"cgroup-parent", 0, FLAG_STRING, &o.cgroup_parent, "Parent cgroup"}, \
	{"cgroupns", 0, FLAG_STRING, &o.cgroupns, "Cgroup namespace: host or private"}, \
	{"cidfile", 0, FLAG_STRING, &o.cidfile, "Write the container's id to this file, which must not exist"}, \
	{"cpu-count", 0, FLAG_INT, &o.windows, "", .hidden = true}, \
	{"cpu-percent", 0, FLAG_INT, &o.windows, "", .hidden = true}, \
	{"cpu-period", 0, FLAG_INT, &o.cpu_period, "Length of a CPU quota's period, microseconds"}, \
	{"cpu-quota", 0, FLAG_INT, &o.cpu_quota, "CPU time in each period, microseconds"}, \
	{"cpu-rt-period", 0, FLAG_INT, &o.cpu_rt_period, "Real-time period, microseconds"}, \
	{"cpu-rt-runtime", 0, FLAG_INT, &o.cpu_rt_runtime, "Real-time runtime, microseconds"}, \
	{"cpu-shares", 'c', FLAG_INT, &o.cpu_shares, "CPU weight relative to others (1024 is normal)"}, \
	{"cpus", 0, FLAG_CPUS, &o.cpus, "Number of CPUs: 0.5, 2"}, \
	{"cpuset-cpus", 0, FLAG_STRING, &o.cpuset_cpus, "CPUs to run on: 0-3, 0,1"}, \
	{"cpuset-mems", 0, FLAG_STRING, &o.cpuset_mems, "Memory nodes to use: 0-3, 0,1"}

#define RUN_FLAGS_D_TO_L \
	{"device", 0, FLAG_LIST, &o.device, "Give it a device: /dev/x[:/dev/inside[:rwm]]"}, \
	{"device-cgroup-rule", 0, FLAG_LIST, &o.device_cgroup_rule, "Allow devices by a rule: 'c 1:3 rwm'", \
		.check = check_device_rule}, \
	{"device-read-bps", 0, FLAG_LIST, &o.device_read_bps, "Limit reading from a device: path:bytes a second", \
		.check = check_rate}, \
	{"device-read-iops", 0, FLAG_LIST, &o.device_read_iops, "Limit reading from a device: path:operations a second", \
		.check = check_count}, \
	{"device-write-bps", 0, FLAG_LIST, &o.device_write_bps, "Limit writing to a device: path:bytes a second", \
		.check = check_rate}, \
	{"device-write-iops", 0, FLAG_LIST, &o.device_write_iops, "Limit writing to a device: path:operations a second", \
		.check = check_count}, \
	{"disable-content-trust", 0, FLAG_BOOL, &o.disable_content_trust, "", .hidden = true}, \
	{"dns", 0, FLAG_LIST, &o.dns, "DNS server", .check = check_dns}, \
	{"dns-opt", 0, FLAG_LIST, &o.dns_option, "", .hidden = true}, \
	{"dns-option", 0, FLAG_LIST, &o.dns_option, "DNS option for resolv.conf: ndots:1"}, \
	{"dns-search", 0, FLAG_LIST, &o.dns_search, "DNS search domain", .check = check_dns_search}, \
	{"domainname", 0, FLAG_STRING, &o.domainname, "NIS domain name"}, \
	{"entrypoint", 0, FLAG_STRING, &o.entrypoint, "Program to run instead of the image's ENTRYPOINT"}, \
	{"env", 'e', FLAG_LIST, &o.env, "Set a variable: NAME=VALUE, or NAME to pass ours on", .check = check_env}, \
	{"env-file", 0, FLAG_LIST, &o.env_file, "Set variables from a file, one a line"}, \
	{"expose", 0, FLAG_LIST, &o.expose, "Say that it listens on a port: 80, 8000-8010/udp"}, \
	{"gpus", 0, FLAG_LIST, &o.gpus, "Devices of a vendor's driver: all, a number, device=ID", \
		"gpu-request", check_gpus}, \
	{"group-add", 0, FLAG_LIST, &o.group_add, "Add a supplementary group"}, \
	{"health-cmd", 0, FLAG_STRING, &o.health_cmd, "Command that tells whether it is healthy (status 0)"}, \
	{"health-interval", 0, FLAG_DURATION, &o.health_interval, "Time between checks: 30s, 1m"}, \
	{"health-retries", 0, FLAG_INT, &o.health_retries, "Failures in a row that make it unhealthy"}, \
	{"health-start-interval", 0, FLAG_DURATION, &o.health_start_interval, "Time between checks during the start period"}, \
	{"health-start-period", 0, FLAG_DURATION, &o.health_start_period, "Time in which failures do not count"}, \
	{"health-timeout", 0, FLAG_DURATION, &o.health_timeout, "Time a check may take"}, \
	{"hostname", 'h', FLAG_STRING, &o.hostname, "Host name (default: the container's id)"}, \
	{"init", 0, FLAG_BOOL, &o.init, "Run an init inside that reaps processes and passes signals on"}, \
	{"interactive", 'i', FLAG_BOOL, &o.interactive, "Keep its standard input open, and pass ours to it"}, \
	{"io-maxbandwidth", 0, FLAG_BYTES, &o.windows, "", .hidden = true}, \
	{"io-maxiops", 0, FLAG_INT, &o.windows, "", .hidden = true}, \
	{"ip", 0, FLAG_STRING, &o.ip, "IPv4 address in its network"}, \
	{"ip6", 0, FLAG_STRING, &o.ip6, "IPv6 address in its network"}, \
	{"ipc", 0, FLAG_STRING, &o.ipc, "IPC namespace: host, private, shareable, container:NAME"}, \
	{"isolation", 0, FLAG_STRING, &o.isolation, "", .hidden = true}, \
	{"kernel-memory", 0, FLAG_BYTES, &o.kernel_memory, "", .hidden = true}

#define RUN_FLAGS_L_TO_P \
	{"label", 'l', FLAG_LIST, &o.label, "Set a label: key=value", .check = check_label}, \
	{"label-file", 0, FLAG_LIST, &o.label_file, "Set labels from a file, one a line"}, \
	{"link", 0, FLAG_LIST, &o.link, "Add a legacy link to another container: name[:alias]", .check = check_link}, \
	{"link-local-ip", 0, FLAG_LIST, &o.link_local_ip, "Link-local address"}, \
	{"log-driver", 0, FLAG_STRING, &o.log_driver, "Where its output is kept: json-file, local, none, …"}, \
	{"log-opt", 0, FLAG_LIST, &o.log_opt, "Option of the log driver: max-size=10m"}, \
	{"mac-address", 0, FLAG_STRING, &o.mac_address, "Ethernet address: 92:d0:c6:0a:29:33"}, \
	{"memory", 'm', FLAG_BYTES, &o.memory, "Memory limit: 64m, 1.5g"}, \
	{"memory-reservation", 0, FLAG_BYTES, &o.memory_reservation, "Memory kept for it when there is little"}, \
	{"memory-swap", 0, FLAG_SWAP, &o.memory_swap, "Limit of memory and swap together; -1: no limit of swap"}, \
	{"memory-swappiness", 0, FLAG_INT, &o.memory_swappiness, "Readiness to swap, 0 to 100 (-1: the host's)"}, \
	{"mount", 0, FLAG_LIST, &o.mount, "Mount something: type=bind,source=/dir,target=/inside,readonly; type=volume; type=tmpfs", \
		"mount", check_mount}, \
	{"name", 0, FLAG_STRING, &o.name, "Name for the container (default: an invented one)"}, \
	{"net", 0, FLAG_LIST, &o.network, "", "network", check_network, .hidden = true}, \
	{"net-alias", 0, FLAG_LIST, &o.network_alias, "", .hidden = true}, \
	{"network", 0, FLAG_LIST, &o.network, "Network: bridge (default), host, none, container:NAME or a name", \
		"network", check_network}, \
	{"network-alias", 0, FLAG_LIST, &o.network_alias, "Further DNS name in its network"}, \
	{"no-healthcheck", 0, FLAG_BOOL, &o.no_healthcheck, "Ignore the image's HEALTHCHECK"}, \
	{"oom-kill-disable", 0, FLAG_BOOL, &o.oom_kill_disable, "Do not kill it when memory is short"}, \
	{"oom-score-adj", 0, FLAG_INT, &o.oom_score_adj, "How soon to kill it when memory is short, -1000 to 1000"}, \
	{"pid", 0, FLAG_STRING, &o.pid, "PID namespace: host, container:NAME"}, \
	{"pids-limit", 0, FLAG_INT, &o.pids_limit, "Largest number of processes; -1: no limit"}, \
	{"platform", 0, FLAG_STRING, &o.platform, "Platform of the image: linux/arm64"}, \
	{"privileged", 0, FLAG_BOOL, &o.privileged, "All capabilities and devices, no seccomp filter"}, \
	{"publish", 'p', FLAG_LIST, &o.publish, "Publish a port: [ip:][hostport:]port[/udp], ranges too"}, \
	{"publish-all", 'P', FLAG_BOOL, &o.publish_all, "Publish all exposed ports on free ports"}

#define RUN_FLAGS_P_TO_Z \
	{"pull", 0, FLAG_STRING, &o.pull, "When to pull the image: always, missing (default), never"}, \
	{"quiet", 'q', FLAG_BOOL, &o.quiet, "No progress of the pull"}, \
	{"read-only", 0, FLAG_BOOL, &o.read_only, "Make its root filesystem read-only"}, \
	{"restart", 0, FLAG_STRING, &o.restart, "Start it again when it ends: no (default), always, on-failure[:n], unless-stopped"}, \
	{"rm", 0, FLAG_BOOL, &o.auto_remove, "Remove it, and its anonymous volumes, when it ends"}, \
	{"runtime", 0, FLAG_STRING, &o.runtime, "OCI runtime to use"}, \
	{"security-opt", 0, FLAG_LIST, &o.security_opt, "seccomp=unconfined, seccomp=PROFILE.json, no-new-privileges, …"}, \
	{"shm-size", 0, FLAG_BYTES, &o.shm_size, "Size of /dev/shm (default 64m)"}, \
	{"stop-signal", 0, FLAG_STRING, &o.stop_signal, "Signal that docker stop sends (default SIGTERM)"}, \
	{"stop-timeout", 0, FLAG_INT, &o.stop_timeout, "Seconds docker stop waits before it kills"}, \
	{"storage-opt", 0, FLAG_LIST, &o.storage_opt, "Storage driver option: size=10G"}, \
	{"sysctl", 0, FLAG_LIST, &o.sysctl, "Set a namespaced sysctl: net.core.somaxconn=1024", "map", check_sysctl}, \
	{"tmpfs", 0, FLAG_LIST, &o.tmpfs, "Mount a tmpfs: /dir[:size=64m,mode=1777]"}, \
	{"tty", 't', FLAG_BOOL, &o.tty, "Give it a terminal"}, \
	{"ulimit", 0, FLAG_LIST, &o.ulimit, "Set a limit: nofile=1024[:2048]", "ulimit", check_ulimit}, \
	{"use-api-socket", 0, FLAG_BOOL, &o.use_api_socket, "", .hidden = true}, \
	{"user", 'u', FLAG_STRING, &o.user, "Run as this user: name or id[:group]"}, \
	{"userns", 0, FLAG_STRING, &o.userns, "User namespace: host"}, \
	{"uts", 0, FLAG_STRING, &o.uts, "UTS namespace: host"}, \
	{"volume", 'v', FLAG_LIST, &o.volume, "Mount a volume or a directory: name:/inside, /dir:/inside[:ro]"}, \
	{"volume-driver", 0, FLAG_STRING, &o.volume_driver, "Driver of volumes that are made"}, \
	{"volumes-from", 0, FLAG_LIST, &o.volumes_from, "Mount the volumes of another container: name[:ro]"}, \
	{"workdir", 'w', FLAG_STRING, &o.workdir, "Directory to start in"}

#define RUN_FLAGS RUN_FLAGS_A_TO_D, RUN_FLAGS_D_TO_L, RUN_FLAGS_L_TO_P, RUN_FLAGS_P_TO_Z

#endif
