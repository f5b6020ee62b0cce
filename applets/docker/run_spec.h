/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/run_spec.h - the options of docker run and create, and the request they make
 *
 * run_flags.h is the table that fills struct run_opts; run_spec() turns it into the body of
 * POST /containers/create.  The body has every member the stock client sends, with its values, so
 * that docker inspect of the result shows the same.
 *
 * Private to run_*.c, cmd_run.c and cmd_update.c.
 */
#ifndef DOCKER_RUN_SPEC_H
#define DOCKER_RUN_SPEC_H

#include "flags.h"

#include "base/json.h"

struct run_opts {
	/* the container's config */
	struct strlist attach, env, env_file, expose, label, label_file, volume;
	const char *domainname, *entrypoint, *hostname, *stop_signal, *user, *workdir;
	bool interactive, tty, no_healthcheck;
	const char *health_cmd;
	int64_t health_interval, health_retries, health_start_interval, health_start_period,
		health_timeout, stop_timeout;

	/* how it is run */
	struct strlist add_host, annotation, blkio_weight_device, cap_add, cap_drop, device,
		device_cgroup_rule, device_read_bps, device_read_iops, device_write_bps,
		device_write_iops, dns, dns_option, dns_search, gpus, group_add, link, log_opt, mount, publish,
		security_opt, storage_opt, sysctl, tmpfs, ulimit, volumes_from;
	const char *cgroup_parent, *cgroupns, *cpuset_cpus, *cpuset_mems, *ipc, *isolation, *log_driver,
		*pid, *restart, *runtime, *userns, *uts, *volume_driver;
	bool auto_remove, init, oom_kill_disable, privileged, publish_all, read_only;
	int64_t blkio_weight, cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime, cpu_shares, cpus,
		kernel_memory, memory, memory_reservation, memory_swap, memory_swappiness, oom_score_adj,
		pids_limit, shm_size, windows;

	/* its networks */
	struct strlist network, network_alias, link_local_ip;
	const char *ip, *ip6, *mac_address;

	/* what the client itself does with it */
	const char *cidfile, *name, *platform, *pull;
	bool disable_content_trust, quiet, use_api_socket;
	bool detach, sig_proxy;
	const char *detach_keys;
};

/* Which streams are attached, after -a, -i and -d were looked at. */
struct run_streams {
	bool in, out, err;
};

/**
 * run_spec() - Make the body of a create request
 * @flags:	The table that was parsed into @o (tells what was given)
 * @argc, @argv: Image, and the command
 * @streams:	What to attach to
 *
 * Return: new reference, or NULL with @e set in the stock client's words
 */
json_t *run_spec(const struct run_opts *o, const struct flag *flags, int argc, char **argv,
	struct run_streams *streams, struct err *e);

/* run_config.c: "on-failure:3" into @j, a RestartPolicy. */
int restart_policy(json_t *j, const char *policy, struct err *e);

/* --- its parts, by file ------------------------------------------------------------------- */

/* run_ports.c: publish and expose, into PortBindings and ExposedPorts (new references). */
int run_ports(const struct run_opts *o, json_t **bindings, json_t **exposed, struct err *e);

/* run_mounts.c: one --mount, a new reference; volumes sorted into Binds and Volumes. */
json_t *mount_parse(const char *text, struct err *e);
int run_volumes(const struct run_opts *o, json_t **binds, json_t **volumes, struct err *e);
flag_check check_mount;

/* run_gpus.c: one --gpus, a DeviceRequest (new reference). */
json_t *gpus_parse(const char *text, struct err *e);

/* run_network.c: NetworkMode and EndpointsConfig. */
int run_networks(const struct run_opts *o, const char **mode, json_t **endpoints, struct err *e);
flag_check check_network;

/* run_env.c: NAME=VALUE lists, from options and files.  A name without a value is taken from our
 * environment in files; options had that done by check_env. */
json_t *env_list(const struct strlist *files, const struct strlist *given, struct err *e);
json_t *label_map(const struct strlist *files, const struct strlist *given, struct err *e);
json_t *pairs_map(const struct strlist *pairs); /* {"a":"b"}; without '=' the value is "" */

/* run_check.c: values looked at while parsing. */
flag_check check_add_host, check_attach, check_device_rule, check_dns, check_dns_search, check_env,
	check_gpus, check_label, check_link, check_rate, check_count, check_sysctl, check_ulimit,
	check_weight;
/* {"Path":…, key: number} of a checked "path:number", new reference. */
json_t *device_rate(const char *text, const char *key);
json_t *ulimit_parse(const char *text, struct err *e);
bool mac_ok(const char *text);
/* One field of comma separated values (quotes as in CSV) off the front of *rest; to free(); NULL at
 * the end. */
char *csv_field(const char **rest);
/* "linux/amd64" from what people write ("amd64", "LINUX/x86_64"); to free(); NULL with @e. */
char *platform_normalise(const char *text, struct err *e);

#endif
