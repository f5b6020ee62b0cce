/* SPDX-License-Identifier: MIT */
/* core/runtime/start: what a container's program finds itself in; execs. */
#include "unit.h"

#include "../lib/box.h"

/* --- what it finds itself in -------------------------------------------------------------------------------- */

TEST(identity)
{
	struct box b;

	setup();
	b = box_new("root", ARGV("/probe", "status"));
	json_set_str(b.request, "user_text", "");
	CHECK_STR(run(&b, 0),
		"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 \nCapInh:\t0000000000000000\n"
		"CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n"
		"CapAmb:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n");
}

TEST(other_users)
{
	struct box b;

	setup();
	if (ids < 2000)
		SKIP("only few ids are mapped");
	b = box_new("user", ARGV("/probe", "status"));
	json_set_str(b.request, "user_text", "bob");
	json_set_bool(box_process(&b), "noNewPrivileges", true);
	CHECK_STR(run(&b, 0),
		"Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t10 1000 \n"
		"CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		"CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n");
	b = box_new("user", ARGV("/probe", "env", "HOME"));
	json_set_str(b.request, "user_text", "1000:7");
	CHECK_STR(run(&b, 0), "HOME=/home/bob\n");
	b = box_new("user", ARGV("/probe", "env", "HOME"));
	json_set_str(b.request, "user_text", "nope");
	CHECK(!box_start(&b, false, false));
	CHECK_STR(b.e.msg, "unable to find user nope: no matching entries in passwd file");
	CHECK_INT(b.e.kind, ERR_INVALID);
	box_end(&b);
	b = box_new("user", ARGV("/probe", "env", "HOME"));
	json_set_str(b.request, "user_text", "4000000");
	CHECK(!box_start(&b, false, false));
	CHECK_STR(b.e.msg,
		"unable to setup user: cannot setuid to unmapped uid 4000000 in user namespace");
	box_end(&b);
}

TEST(ambient_capabilities)
{
	json_t *caps, *list = sandbox_json("[\"CAP_NET_BIND_SERVICE\"]");
	struct box b;

	setup();
	if (ids < 2000)
		SKIP("only few ids are mapped");
	b = box_new("ambient", ARGV("/probe", "status"));
	caps = json_obj(box_process(&b), "capabilities");
	json_object_set(caps, "inheritable", list);
	json_set_new(caps, "ambient", list);
	json_set_str(b.request, "user_text", "bob");
	CHECK(strstr(run(&b, 0), "CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\n"
				 "CapEff:\t0000000000000400\nCapBnd:\t00000000a80425fb\n"
				 "CapAmb:\t0000000000000400\n") != NULL);
}

TEST(what_is_refused)
{
	char want[256];

	setup();
	snprintf(want, sizeof(want),
		"unshare %d\nmount %d\nhostname %d\nclone3 %d\nkeyctl %d\nwrite 0\nsysctl %d\n", EPERM, EPERM,
		EPERM, ENOSYS, EPERM, EROFS);
	CHECK_STR(run_argv(0, ARGV("/probe", "try")), want);
	unlinkat(dir, "rootfs/x", 0);
}

TEST(mounts)
{
	/* What the real engine's container shows, less what engines add, and cgroups. */
	static const char *const want[] = { "/proc rw,nosuid,nodev,noexec,relatime proc\n",
		"/dev rw,nosuid tmpfs\n", "/dev/pts rw,nosuid,noexec,relatime devpts\n",
		"/sys ro,nosuid,nodev,noexec,relatime sysfs\n",
		"/dev/mqueue rw,nosuid,nodev,noexec,relatime mqueue\n",
		"/dev/shm rw,nosuid,nodev,noexec,relatime tmpfs\n", "/dev/null rw,", "/dev/random rw,",
		"/dev/full rw,", "/dev/tty rw,", "/dev/zero rw,", "/dev/urandom rw,",
		"/proc/sys ro,nosuid,nodev,noexec,relatime proc\n",
		"/proc/bus ro,nosuid,nodev,noexec,relatime proc\n" };
	char *got;

	setup();
	got = run_argv(0, ARGV("/probe", "mounts"));
	CHECK(!strncmp(got, "/ rw,", 5));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		if (!CHECK(strstr(got, want[i]) != NULL))
			printf("     %s", want[i]);
	}
	CHECK(strstr(got, base_dir) == NULL); /* nothing of outside is left */
}

TEST(binds_and_tmpfs)
{
	char source[300];
	struct box b;
	char *got;

	setup();
	rootfs_file("shared", "content\n", 0644);
	snprintf(source, sizeof(source), "%s/shared", base_dir);
	b = box_new("binds", ARGV("/probe", "mounts"));
	box_mount(&b, "bind", source, "/made/here/file", "ro");
	box_mount(&b, "bind", base_dir, "/all", "rbind");
	box_mount(&b, "tmpfs", "tmpfs", "/t", "ro");
	box_mount(&b, "tmpfs", "tmpfs", "/t/below", "mode=700");
	json_set_bool(json_obj(box_spec(&b), "root"), "readonly", true);
	got = run(&b, 0);
	CHECK(!strncmp(got, "/ ro,", 5));
	CHECK(strstr(got, "\n/made/here/file ro,") != NULL);
	CHECK(strstr(got, "\n/all rw,") != NULL);
	CHECK(strstr(got, "\n/t ro,relatime tmpfs\n") != NULL);
	CHECK(strstr(got, "\n/t/below rw,relatime tmpfs\n") != NULL);
	b = box_new("binds", ARGV("/probe", "show", "/f"));
	box_mount(&b, "bind", source, "/f", "ro");
	CHECK_STR(run(&b, 0), "content\n");
}

TEST(mounts_refused)
{
	struct box b;
	char plain[700];

	setup();
	b = box_new("refused", ARGV("/probe", "exit", "0"));
	box_mount(&b, "bind", base_dir, "/proc/1", "rbind");
	CHECK(!box_start(&b, false, false));
	CHECK(strstr(b.e.msg, "\"/proc/1\" cannot be mounted because it is inside /proc") != NULL);
	box_end(&b);
	b = box_new("refused", ARGV("/probe", "exit", "0"));
	box_mount(&b, "bind", base_dir, "/proc", "rbind");
	CHECK(!box_start(&b, false, false));
	CHECK(strstr(b.e.msg, "\"/proc\" cannot be mounted because it is not of type proc") != NULL);
	box_end(&b);
	b = box_new("refused", ARGV("/probe", "exit", "0"));
	box_mount(&b, "bind", base_dir, "/etc/plain", "rbind");
	CHECK(!box_start(&b, false, false));
	snprintf(plain, sizeof(plain), "error mounting \"%s\" to rootfs at \"/etc/plain\": mount src=%s",
		base_dir, base_dir);
	CHECK(!strncmp(b.e.msg, plain, strlen(plain)));
	CHECK(strstr(b.e.msg, "flags=MS_BIND|MS_REC: not a directory") != NULL);
	CHECK_INT(b.e.code, ENOTDIR);
	box_end(&b);
	b = box_new("refused", ARGV("/probe", "exit", "0"));
	box_mount(&b, "tmpfs", "tmpfs", "/t", "frob=1");
	CHECK(!box_start(&b, false, false));
	CHECK(strstr(b.e.msg, "frob") != NULL && strstr(b.e.msg, "invalid argument") != NULL);
	box_end(&b);
}

TEST(mount_point_is_a_link)
{
	struct box b;

	setup();
	/* An image that wants to see what is mounted outside of it. */
	unlinkat(dir, "rootfs/evil", 0);
	NEED(!symlinkat("../../../../../../../../tmp", dir, "rootfs/evil"));
	b = box_new("link", ARGV("/probe", "show", "/tmp/inside/etc/plain"));
	box_mount(&b, "bind", base_dir, "/evil/inside", "rbind");
	/* base_dir holds rootfs/etc/plain */
	json_array_set_new(json_arr(box_process(&b), "args"), 2,
		json_string("/tmp/inside/rootfs/etc/plain"));
	CHECK_STR(run(&b, 0), "no program\n");
	unlinkat(dir, "rootfs/evil", 0);
}

TEST(the_rest)
{
	struct box b;

	setup();
	CHECK_STR(run_argv(0, ARGV("/probe", "fds")), "0 1 2 ");
	b = box_new("rest", ARGV("/probe", "where"));
	json_set_str(box_process(&b), "cwd", "/made/for/it");
	CHECK_STR(run(&b, 0), "/made/for/it box 1\n");
	b = box_new("rest", ARGV("/probe", "limits"));
	json_set_new(box_process(&b), "rlimits",
		sandbox_json("[{\"type\":\"RLIMIT_NOFILE\",\"soft\":100,\"hard\":200}]"));
	CHECK_STR(run(&b, 0), "100 200\n");
	b = box_new("rest", ARGV("/probe", "show", "/proc/sys/net/core/somaxconn"));
	json_set_str(json_obj(json_obj(box_spec(&b), "linux"), "sysctl"), "net.core.somaxconn", "33");
	CHECK_STR(run(&b, 0), "33\n");
	b = box_new("rest", ARGV("/probe", "show", "/proc/sys/net/core/somaxconn"));
	json_set_str(json_obj(json_obj(box_spec(&b), "linux"), "sysctl"), "net.frob", "33");
	CHECK(!box_start(&b, false, false));
	CHECK_STR(b.e.msg, "open sysctl net.frob file: no such file or directory");
	box_end(&b);
	b = box_new("rest", ARGV("/probe", "show", "/proc/self/oom_score_adj"));
	json_set_int(box_process(&b), "oomScoreAdj", 321);
	CHECK_STR(run(&b, 0), "321\n");
}

TEST(init)
{
	struct box b;

	setup();
	b = box_new("init", ARGV("/probe", "where"));
	json_set_bool(b.request, "init", true);
	CHECK_STR(run(&b, 0), "/ box 2\n");
	/* it is read-only in there, whoever asks */
	b = box_new("init", ARGV("/probe", "mounts"));
	json_set_bool(b.request, "init", true);
	CHECK(strstr(run(&b, 0), "\n/sbin/docker-init ro,nosuid,nodev") != NULL);
	b = box_new("init", ARGV("/probe", "die", "15"));
	json_set_bool(b.request, "init", true);
	run(&b, 143);
}

TEST(privileged)
{
	json_t *caps, *all = runtime_all_caps();
	struct box b;
	char *got;

	setup();
	b = box_new("privileged", ARGV("/probe", "status"));
	caps = json_obj(box_process(&b), "capabilities");
	json_object_set(caps, "bounding", all);
	json_object_set(caps, "effective", all);
	json_set_new(caps, "permitted", all);
	json_set_new(b.request, "seccomp", json_null());
	got = run(&b, 0);
	CHECK(strstr(got, "CapEff:\t000001ffffffffff\n") != NULL);
	CHECK(strstr(got, "Seccomp:\t0\n") != NULL);
}

static void without_namespace(struct box *b, const char *type)
{
	json_t *list = json_arr(json_obj(box_spec(b), "linux"), "namespaces"), *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		if (!strcmp(json_str(v, "type", ""), type))
			json_array_remove(list, i);
	}
}

TEST(namespaces_of_outside)
{
	struct box b;
	char *got;

	setup();
	b = box_new("host", ARGV("/probe", "mounts"));
	without_namespace(&b, "network");
	/* the sysctl is the host's to set */
	json_object_del(json_obj(box_spec(&b), "linux"), "sysctl");
	got = run(&b, 0);
	CHECK(strstr(got, "\n/sys ro,") != NULL);
	b = box_new("host", ARGV("/probe", "where"));
	without_namespace(&b, "pid");
	got = run(&b, 0);
	CHECK(!strncmp(got, "/ box ", 6) && atoi(got + 6) > 1);
}

static void join_namespace(struct box *b, const char *type, pid_t pid, const char *file)
{
	json_t *ns = json_object();
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, file);
	json_set_str(ns, "type", type);
	json_set_str(ns, "path", path);
	without_namespace(b, type);
	json_array_append_new(json_arr(json_obj(box_spec(b), "linux"), "namespaces"), ns);
}

TEST(namespaces_of_another)
{
	struct box first, b;

	setup();
	first = box_new("first", ARGV("/probe", "wait"));
	NEED(box_start(&first, false, false));
	read_client(first.client, "up\n");
	b = box_new("second", ARGV("/probe", "where"));
	json_object_del(box_spec(&b), "hostname");
	join_namespace(&b, "pid", first.info.pid, "pid");
	join_namespace(&b, "network", first.info.pid, "net");
	join_namespace(&b, "uts", first.info.pid, "uts");
	json_object_del(json_obj(box_spec(&b), "linux"), "sysctl");
	CHECK_STR(run(&b, 0), "/ box 2\n");
	b = box_new("second", ARGV("/probe", "where"));
	join_namespace(&b, "network", 999999999, "net");
	CHECK(!box_start(&b, false, false));
	CHECK_STR(b.e.msg, "joining namespace /proc/999999999/ns/net: no such file or directory");
	box_end(&b);
	CHECK_OK(first.e, monitor_signal(first.ctl, SIGKILL, &first.e));
	CHECK_INT(box_end(&first), 137);
}

/* --- exec ------------------------------------------------------------------------------------------------------ */

static struct box box_exec(const char *name, const struct box *in, const char *const *argv)
{
	struct box b = box_new(name, argv);
	json_t *process = json_incref(box_process(&b)), *join = json_object();

	json_object_del(b.request, "spec");
	json_object_del(b.request, "rootfs");
	json_set_new(b.request, "process", process);
	json_set_int(join, "pid", in->info.pid);
	json_set_int(join, "start_time", (int64_t)in->info.start_time);
	json_set_new(b.request, "join", join);
	return b;
}

TEST(exec)
{
	struct box c, b;

	setup();
	c = box_new("container", ARGV("/probe", "wait"));
	NEED(box_start(&c, false, false));
	read_client(c.client, "up\n");

	b = box_exec("exec", &c, ARGV("/probe", "status"));
	CHECK(strstr(run(&b, 0), "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n") != NULL);
	b = box_exec("exec", &c, ARGV("/probe", "exit", "42"));
	run(&b, 42);
	b = box_exec("exec", &c, ARGV("/probe", "die", "9"));
	run(&b, 137);
	b = box_exec("exec", &c, ARGV("/probe", "fds"));
	CHECK_STR(run(&b, 0), "0 1 2 ");
	b = box_exec("exec", &c, ARGV("frob"));
	CHECK(!box_start(&b, false, false));
	CHECK_STR(b.e.msg, "exec: \"frob\": executable file not found in $PATH");
	box_end(&b);
	b = box_exec("exec", &c, ARGV("/probe", "exit", "0"));
	json_set_str(json_obj(b.request, "process"), "cwd", "/no/such");
	CHECK(!box_start(&b, false, false));
	CHECK_STR(b.e.msg,
		"chdir to cwd (\"/no/such\") set in config.json failed: no such file or directory");
	CHECK_INT(b.e.code, ENOENT);
	box_end(&b);
	/* a terminal of its own */
	b = box_exec("exec", &c, ARGV("/probe", "tty"));
	json_set_bool(b.request, "tty", true);
	NEED(CHECK_OK(b.e, box_start(&b, false, false) ? 0 : -1));
	CHECK_STR(read_client(b.client, "\n"), "/dev/pts/0 0 0 1\r\n");
	CHECK_OK(b.e, monitor_resize(b.ctl, 55, 77, &b.e));
	CHECK_STR(read_client(b.client, "\n"), "/dev/pts/0 55 77 1\r\n");
	CHECK_INT(box_end(&b), 0);
	/* a child in the background keeps its output open: waited for, but not for ever */
	b = box_exec("exec", &c, ARGV("/probe", "background"));
	CHECK_STR(run(&b, 4), "left one behind\n");

	/* the end of the container is the end of what runs in it */
	b = box_exec("exec", &c, ARGV("/probe", "wait"));
	NEED(box_start(&b, false, false));
	read_client(b.client, "up\n");
	CHECK_OK(c.e, monitor_signal(c.ctl, SIGKILL, &c.e));
	CHECK_INT(box_end(&b), 137);
	CHECK(readable(c.ctl));
	b = box_exec("exec", &c, ARGV("/probe", "exit", "0"));
	CHECK(!box_start(&b, false, false));
	CHECK_STR(b.e.msg, "cannot exec in a stopped container");
	CHECK_INT(b.e.kind, ERR_CONFLICT);
	box_end(&b);
	CHECK_INT(box_end(&c), 137);
}
