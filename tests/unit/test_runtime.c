/* SPDX-License-Identifier: MIT */
/* core/runtime: what needs no container: names, specs, users, log files, mount points. */
#include "unit.h"

#include "base/json.h"
#include "runtime/caps.h"
#include "runtime/inside.h"
#include "runtime/logger.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <zlib.h>

static json_t *js(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(text, strlen(text), &e);

	if (!j)
		unit_fail(__FILE__, __LINE__, "%s: %s", text, e.msg);
	return j;
}

static void put(const char *path, const char *text)
{
	CHECK(!file_write_at(tmp_dirfd(), path, text, strlen(text), 0644, 0, NULL));
}

/* --- names ---------------------------------------------------------------------------------- */

TEST(signals)
{
	static const struct {
		const char *name;
		int number;
	} cases[] = {
		{ "SIGTERM", SIGTERM }, { "TERM", SIGTERM }, { "term", SIGTERM }, { "sigKill", SIGKILL },
		{ "15", 15 }, { "64", 64 }, { "0", -1 }, { "65", -1 }, { "-9", -1 }, { "9x", -1 },
		{ "", -1 }, { "SIG", -1 }, { "SIGFROB", -1 }, { "RTMIN", 34 }, { "SIGRTMIN+1", 35 },
		{ "RTMIN+30", 64 }, { "RTMIN+31", -1 }, { "RTMIN-1", -1 }, { "RTMAX-1", 63 },
		{ "RTMAX", 64 }, { "RTMAX+1", -1 }, { "RTMIN+", -1 }, { "IOT", SIGABRT },
		{ "CLD", SIGCHLD }, { "99999999999999999999", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (!CHECK_INT(signal_number(cases[i].name), cases[i].number))
			printf("     for %s\n", cases[i].name);
	}
}

TEST(capabilities)
{
	struct err e = ERR_INIT;
	json_t *list = runtime_default_caps();
	uint64_t mask;

	CHECK_INT(json_array_size(list), 14);
	CHECK_OK(e, cap_mask(list, &mask, &e));
	CHECK(mask == 0xa80425fbU); /* what the real engine's containers show in /proc/self/status */
	json_decref(list);
	CHECK_INT(cap_number("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
	CHECK_INT(cap_number("net_raw"), CAP_NET_RAW);
	CHECK_INT(cap_number("CAP_FROB"), -1);
	CHECK_STR(cap_name(CAP_LAST_CAP), "CAP_CHECKPOINT_RESTORE");
	CHECK(cap_name(64) == NULL);
	list = js("[\"CAP_FROB\",\"CAP_KILL\"]");
	CHECK_OK(e, cap_mask(list, &mask, &e));
	CHECK(mask == CAP_BIT(CAP_KILL));
	json_decref(list);
	list = js("[5]");
	CHECK(cap_mask(list, &mask, &e) < 0 && !mask);
	json_decref(list);
}

/* --- the spec --------------------------------------------------------------------------------- */

#define PROCESS "\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"}"
#define ROOT "\"root\":{\"path\":\"/r\"}"
#define MNT "\"namespaces\":[{\"type\":\"mount\"}]"

TEST(spec_refusals)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "{}", "process is no object" },
		{ "[]", "the spec is no object" },
		{ "{\"process\":{\"cwd\":\"/\"}," ROOT "}", "args must not be empty" },
		{ "{\"process\":{\"args\":[],\"cwd\":\"/\"}," ROOT "}", "args must not be empty" },
		{ "{\"process\":{\"args\":[1],\"cwd\":\"/\"}," ROOT "}", "args is no list of texts" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"etc\"}}", "Cwd must be an absolute path" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"uid\":-1}}}",
			"user: uid is no number from 0 to 4294967294" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\",\"user\":{\"additionalGids\":[4294967295]}}}",
			"user: additionalGids is no list of group ids" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\",\"rlimits\":[{\"type\":\"RLIMIT_X\","
		  "\"soft\":1,\"hard\":1}]}}", "invalid rlimit type: RLIMIT_X" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\",\"oomScoreAdj\":1001}}",
			"oomScoreAdj is no number from -1000 to 1000" },
		{ "{" PROCESS ",\"linux\":{" MNT "}}", "root.path is missing" },
		{ "{" PROCESS "," ROOT "}", "a container needs a mount namespace of its own" },
		{ "{" PROCESS "," ROOT ",\"linux\":{\"namespaces\":[{\"type\":\"frob\"}]}}",
			"linux: unknown namespace type 'frob'" },
		{ "{" PROCESS "," ROOT ",\"mounts\":[{\"destination\":\"x\"}]}",
			"mount destination x is no absolute path" },
		{ "{" PROCESS "," ROOT ",\"mounts\":[7]}", "mounts is no list of objects" },
		{ "{" PROCESS "," ROOT ",\"linux\":{" MNT ",\"sysctl\":{\"a\":1}}}", "linux: a is no text" },
		{ "{" PROCESS "," ROOT ",\"linux\":{" MNT ",\"rootfsPropagation\":\"x\"}}",
			"linux: rootfsPropagation=x is not supported" },
		{ "{" PROCESS "," ROOT ",\"linux\":{" MNT ",\"maskedPaths\":\"/x\"}}",
			"linux: maskedPaths is no list" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		json_t *j = js(cases[i].text);
		struct spec s;

		CHECK_INT(spec_parse(j, &s, &e), -1);
		CHECK_STR(e.msg, cases[i].message);
		json_decref(j);
	}
}

TEST(spec_whole)
{
	json_t *j = js("{\"process\":{\"terminal\":true,\"args\":[\"a\",\"b\"],\"env\":[\"A=1\"],"
		       "\"cwd\":\"/w\",\"user\":{\"uid\":5,\"gid\":6,\"additionalGids\":[6,7]},"
		       "\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_CHOWN\"],\"effective\":"
		       "[\"CAP_CHOWN\",\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"]},\"noNewPrivileges\":true,"
		       "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":100,\"hard\":-1},"
		       "{\"type\":\"RLIMIT_CORE\",\"soft\":1,\"hard\":18446744073709551615.0}]}," ROOT ","
		       "\"hostname\":\"h\",\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},"
		       "{\"type\":\"network\",\"path\":\"/n\"},{\"type\":\"user\"}],"
		       "\"sysctl\":{\"a.b\":\"1\"},\"devices\":[{\"path\":\"/dev/x\"},"
		       "{\"path\":\"/dev/y\",\"x-source\":\"/dev/z\"}],\"maskedPaths\":null}}");
	struct err e = ERR_INIT;
	struct spec s;

	if (CHECK_OK(e, spec_parse(j, &s, &e))) {
		CHECK(s.process.tty && s.process.no_new_privs);
		CHECK_STR(s.process.args[1], "b");
		CHECK(s.process.args[2] == NULL);
		CHECK_INT(s.process.uid, 5);
		CHECK_INT(s.process.gid, 6);
		CHECK_INT(s.process.n_groups, 2);
		CHECK_INT(s.process.umask, -1);
		/* effective is cut to permitted: capset would refuse the rest */
		CHECK(s.process.caps.effective == CAP_BIT(CAP_KILL));
		CHECK_INT(s.process.rlimits[0].soft, 100);
		CHECK(s.process.rlimits[0].hard == RLIM_INFINITY);
		CHECK(s.process.rlimits[1].hard == RLIM_INFINITY);
		CHECK(s.new_namespaces == (CLONE_NEWNS | CLONE_NEWPID));
		CHECK_INT(s.n_joins, 1);
		CHECK_STR(s.joins[0].path, "/n");
		CHECK_STR(s.devices[0].source, "/dev/x");
		CHECK_STR(s.devices[1].source, "/dev/z");
		CHECK_STR(s.sysctls[0].name, "a.b");
		CHECK(s.masked_paths == NULL);
		spec_release(&s);
	}
	json_decref(j);
}

/* --- users -------------------------------------------------------------------------------------- */

static int rootfs_with(const char *passwd, const char *group)
{
	fs_remove_tree_at(tmp_dirfd(), "r", NULL);
	CHECK(!fs_mkdir_p_at(tmp_dirfd(), "r/etc", 0755, NULL));
	if (passwd)
		put("r/etc/passwd", passwd);
	if (group)
		put("r/etc/group", group);
	return openat(tmp_dirfd(), "r", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n# a comment\n\n"
			     "bob:x:1000:1001:Bob:/home/bob:/bin/sh\n"
			     "broken\nodd:x:notanumber:5::/:\n7:x:77:78::/seven:\n"
			     "last:x:2000:2000::/home/last:/bin/sh";
static const char groups[] = "root:x:0:\nwheel:x:10:root,bob\nvideo:x:44:bob\nbob:x:1001:\nbad:x:y:bob\n";

TEST(user_lookup)
{
	static const struct {
		const char *text, *want; /* "uid gid groups", or a message */
	} cases[] = {
		{ "", "0 0 0 10" }, { "root", "0 0 0 10" }, { "bob", "1000 1001 1001 10 44" },
		{ "1000", "1000 1001 1001 10 44" }, { "bob:video", "1000 44 44" },
		{ "bob:44", "1000 44 44" }, { "12:wheel", "12 10 10" }, { "1234", "1234 0 0" },
		{ "1234:5678", "1234 5678 5678" }, { "last", "2000 2000 2000" }, { ":10", "0 10 10" },
		{ "bob:", "1000 1001 1001 10 44" }, { "7", "7 0 0" },
		{ "nope", "unable to find user nope: no matching entries in passwd file" },
		{ "odd", "unable to find user odd: no matching entries in passwd file" },
		{ "broken", "unable to find user broken: no matching entries in passwd file" },
		{ "bob:nope", "unable to find group nope: no matching entries in group file" },
		{ "2147483647", "2147483647 0 0" },
		{ "2147483648", "uids and gids must be in range 0-2147483647" },
		{ "0:99999999999999999999", "uids and gids must be in range 0-2147483647" },
	};
	int root = rootfs_with(passwd, groups);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		struct runtime_user u;
		struct buf got = BUF_INIT;

		if (runtime_user_lookup(root, cases[i].text, NULL, &u, &e)) {
			buf_adds(&got, e.msg);
		} else {
			buf_addf(&got, "%u %u", u.uid, u.gid);
			for (size_t g = 0; g < u.n_groups; g++)
				buf_addf(&got, " %u", u.groups[g]);
			runtime_user_release(&u);
		}
		CHECK_STR(got.p, cases[i].want);
		buf_release(&got);
	}
	close(root);
}

TEST(user_groups_added)
{
	char video[] = "video", twenty[] = "20", nope[] = "nope";
	char *add[] = { video, twenty, NULL }, *bad[] = { nope, NULL };
	int root = rootfs_with(passwd, groups);
	struct err e = ERR_INIT;
	struct runtime_user u;

	if (CHECK_OK(e, runtime_user_lookup(root, "1000:10", add, &u, &e))) {
		CHECK_INT(u.n_groups, 3);
		CHECK_INT(u.groups[1], 44);
		CHECK_INT(u.groups[2], 20);
		runtime_user_release(&u);
	}
	CHECK_INT(runtime_user_lookup(root, "", bad, &u, &e), -1);
	CHECK_STR(e.msg, "unable to find group nope: no matching entries in group file");
	close(root);
}

TEST(user_hostile_files)
{
	struct err e = ERR_INIT;
	struct runtime_user u;
	int root;

	/* none at all: numbers work, names do not */
	root = rootfs_with(NULL, NULL);
	if (CHECK_OK(e, runtime_user_lookup(root, "5:6", NULL, &u, &e)))
		runtime_user_release(&u);
	CHECK_INT(runtime_user_lookup(root, "root", NULL, &u, &e), -1);
	close(root);
	/* a FIFO must not hang us */
	root = rootfs_with(NULL, NULL);
	CHECK(!mkfifoat(tmp_dirfd(), "r/etc/passwd", 0644));
	CHECK_INT(runtime_user_lookup(root, "bob", NULL, &u, &e), -1);
	CHECK_STR(e.msg, "unable to find user bob: no matching entries in passwd file");
	close(root);
	/* a link out of the root leads nowhere */
	root = rootfs_with(NULL, NULL);
	put("outside", "bob:x:1:1::/:\n");
	CHECK(!symlinkat("../../outside", tmp_dirfd(), "r/etc/passwd"));
	CHECK_INT(runtime_user_lookup(root, "bob", NULL, &u, &e), -1);
	close(root);
}

TEST(user_home)
{
	int root = rootfs_with(passwd, groups);
	char *home = user_home(root, 1000);

	CHECK_STR(home, "/home/bob");
	free(home);
	home = user_home(root, 31337);
	CHECK_STR(home, "/");
	free(home);
	close(root);
}

/* --- commands -------------------------------------------------------------------------------------- */

TEST(command_lookup)
{
	char path[4200], *env[] = { path, NULL }, *found;
	struct err e = ERR_INIT;

	CHECK(!fs_mkdir_p_at(tmp_dirfd(), "bin/dir", 0755, NULL));
	put("bin/tool", "#!/bin/sh\n");
	CHECK(!fchmodat(tmp_dirfd(), "bin/tool", 0755, 0));
	snprintf(path, sizeof(path), "PATH=/nonexistent:.:%s/bin", tmp_path());
	found = process_lookup("tool", env, &e);
	NEED(found != NULL);
	CHECK(strlen(found) > 9 && !strcmp(found + strlen(found) - 9, "/bin/tool"));
	free(found);
	CHECK(process_lookup("dir", env, &e) == NULL);
	CHECK_STR(e.msg, "exec: \"dir\": executable file not found in $PATH");
	CHECK_INT(e.code, ENOENT);
	CHECK(process_lookup("", env, &e) == NULL);
	CHECK_STR(e.msg, "exec: \"\": executable file not found in $PATH");
	CHECK(process_lookup("/no/such", env, &e) == NULL);
	CHECK_STR(e.msg, "exec: \"/no/such\": stat /no/such: no such file or directory");
	CHECK_INT(e.code, ENOENT);
	CHECK(process_lookup("/etc", env, &e) == NULL);
	CHECK_STR(e.msg, "exec: \"/etc\": is a directory: permission denied");
	CHECK_INT(e.code, EACCES);
	CHECK(process_lookup("/etc/passwd", env, &e) == NULL);
	CHECK_STR(e.msg, "exec: \"/etc/passwd\": permission denied");
	CHECK_INT(e.code, EACCES);
}

/* --- mount points ------------------------------------------------------------------------------------ */

TEST(mountpoint_missing)
{
	int root = rootfs_with(NULL, NULL), fd;
	struct stat st;
	bool made;

	fd = mountpoint_open(root, "/etc", true, &made);
	CHECK(fd >= 0 && !made);
	close(fd);
	fd = mountpoint_open(root, "/a/./b/../c", true, &made);
	CHECK(fd >= 0 && made);
	close(fd);
	CHECK(!fstatat(tmp_dirfd(), "r/a/c", &st, 0) && S_ISDIR(st.st_mode));
	fd = mountpoint_open(root, "/a/f", false, &made);
	CHECK(fd >= 0 && made);
	CHECK(!fstat(fd, &st) && S_ISREG(st.st_mode));
	close(fd);
	CHECK(mountpoint_open(root, "/a/f/g", true, &made) < 0);
	CHECK_INT(errno, ENOTDIR);
	close(root);
}

TEST(mountpoint_stays_inside)
{
	static const struct {
		const char *link, *target, *path, *want;
	} cases[] = {
		{ "r/up", "../../../..", "/up/x", "r/x" },
		{ "r/abs", "/made", "/abs/y", "r/made/y" },
		{ "r/run", "/var/run", "/run/docker.sock", "r/var/run/docker.sock" },
		{ "r/etc/mtab", "../proc/mounts", "/etc/mtab", "r/proc/mounts" },
		{ "r/chain", "abs", "/chain/z", "r/made/z" },
		{ "r/dots", "/../../../..", "/dots/../../q", "r/q" },
	};
	int root = rootfs_with(NULL, NULL), fd;
	struct stat st, want;
	bool made;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK(!symlinkat(cases[i].target, tmp_dirfd(), cases[i].link));
		fd = mountpoint_open(root, cases[i].path, true, &made);
		if (CHECK(fd >= 0) && CHECK(!fstatat(tmp_dirfd(), cases[i].want, &want, 0)) &&
			CHECK(!fstat(fd, &st)))
			CHECK(st.st_ino == want.st_ino);
		close(fd);
	}
	CHECK(!symlinkat("loop", tmp_dirfd(), "r/loop"));
	CHECK(mountpoint_open(root, "/loop/x", true, &made) < 0);
	CHECK_INT(errno, ELOOP);
	close(root);
}

/* --- the log ---------------------------------------------------------------------------------------------- */

static void log_open(struct logger *l, const char *options)
{
	char text[4400];
	struct err e = ERR_INIT;
	json_t *j;

	unlinkat(tmp_dirfd(), "log", 0);
	snprintf(text, sizeof(text), "{\"file\":{\"path\":\"%s/log\"%s}}", tmp_path(), options);
	j = js(text);
	logger_init(l);
	CHECK_OK(e, logger_open(l, j, &e));
	json_decref(j);
}

/* The file with its times cut out. */
static char *log_text(const char *name)
{
	static char out[200000];
	struct buf b = BUF_INIT;
	char *at, *to = out;

	if (file_read_at(tmp_dirfd(), name, sizeof(out) - 1, &b, NULL))
		return NULL;
	for (at = b.p; *at;) {
		if (!strncmp(at, "\"time\":\"20", 10) && strchr(at, '}'))
			at = strchr(at, '}');
		*to++ = *at++;
	}
	*to = 0;
	buf_release(&b);
	return out;
}

TEST(log_format)
{
	struct logger l;

	log_open(&l, ",\"attrs\":{\"a\":\"b\"}");
	logger_feed(&l, STREAM_STDOUT, "one\ntw", 6);
	logger_feed(&l, STREAM_STDERR, "err\n", 4);
	logger_feed(&l, STREAM_STDOUT, "o\n\nend", 6);
	logger_close(&l);
	CHECK_STR(log_text("log"),
		"{\"log\":\"one\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},}\n"
		"{\"log\":\"err\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\"},}\n"
		"{\"log\":\"two\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},}\n"
		"{\"log\":\"\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},}\n"
		"{\"log\":\"end\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},}\n");
}

TEST(log_escapes)
{
	/* What the real engine wrote for the same bytes. */
	static const char in[] = "a\tb\\ \"q\" <&> \342\200\250 \377\001\177 \303\251\r\n",
			  want[] = "{\"log\":\"a\\u0009b\\\\ \\\"q\\\" \\u003c\\u0026\\u003e \\u2028 "
				   "\\ufffd\\u0001\177 \303\251\\r\\n\",\"stream\":\"stdout\",}\n";
	static const char bad[] = "\300\200\355\240\200\364\220\200\200\360\237\230\200\342\202\n";
	struct logger l;

	log_open(&l, "");
	logger_feed(&l, STREAM_STDOUT, in, sizeof(in) - 1);
	logger_close(&l);
	CHECK_STR(log_text("log"), want);
	log_open(&l, "");
	logger_feed(&l, STREAM_STDOUT, bad, sizeof(bad) - 1);
	logger_close(&l);
	CHECK_STR(log_text("log"),
		"{\"log\":\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\360\237\230\200"
		"\\ufffd\\ufffd\\n\",\"stream\":\"stdout\",}\n");
}

TEST(log_long_lines)
{
	/* 40000 = 2 * 16384 + 7232, and "\n" is two bytes as JSON */
	static const size_t lengths[] = { 16384, 16384, 7232 + 2, 16384, 2 };
	static char line[40001];
	struct logger l;
	char *text, *nl;
	size_t i;

	memset(line, 'x', sizeof(line));
	line[40000] = '\n';
	log_open(&l, "");
	for (i = 0; i < sizeof(line); i += 1000) /* in pieces, as a pipe gives them */
		logger_feed(&l, STREAM_STDOUT, line + i, i + 1000 < sizeof(line) ? 1000 : sizeof(line) - i);
	/* exactly as long as an entry can be: its newline comes alone */
	logger_feed(&l, STREAM_STDOUT, line + 40000 - 16384, 16385);
	logger_close(&l);
	text = log_text("log");
	for (i = 0; i < ARRAY_SIZE(lengths) && (nl = strchr(text, '\n')); text = nl + 1, i++)
		CHECK_INT(strcspn(text + strlen("{\"log\":\""), "\""), lengths[i]);
	CHECK_INT(i, 5);
	CHECK_STR(text, "");
}

TEST(log_rotation)
{
	struct logger l;
	int i;

	log_open(&l, ",\"max_size\":100,\"max_file\":3");
	for (i = 0; i < 5; i++)
		logger_feed(&l, STREAM_STDOUT, "0123456789\n0123456789\n", 22);
	logger_close(&l);
	/* each file takes two entries of 75 bytes: 100 is not reached by the first */
	CHECK_INT(strlen(log_text("log")) > 0, 1);
	CHECK(log_text("log.1") && log_text("log.2"));
	CHECK(!fs_exists_at(tmp_dirfd(), "log.3"));
	log_open(&l, ",\"max_size\":100");
	for (i = 0; i < 5; i++)
		logger_feed(&l, STREAM_STDOUT, "0123456789\n0123456789\n", 22);
	logger_close(&l);
	CHECK_INT(strlen(log_text("log")), 2 * strlen("{\"log\":\"0123456789\\n\",\"stream\":\"stdout\",}\n"));
}

TEST(log_compression)
{
	static const char entry[] = "{\"log\":\"0123456789\\n\",\"stream\":\"stdout\",}\n";
	struct logger l;
	struct buf packed = BUF_INIT;
	char text[4200];
	z_stream z;
	json_t *j;
	int i;

	log_open(&l, ",\"max_size\":50,\"max_file\":3,\"compress\":true");
	for (i = 0; i < 5; i++)
		logger_feed(&l, STREAM_STDOUT, "0123456789\n", 11);
	logger_close(&l);
	CHECK_STR(log_text("log"), entry);
	CHECK(!fs_exists_at(tmp_dirfd(), "log.1") && !fs_exists_at(tmp_dirfd(), "log.1.gz.tmp"));
	CHECK(fs_exists_at(tmp_dirfd(), "log.2.gz") && !fs_exists_at(tmp_dirfd(), "log.3.gz"));
	/* one that a crash left uncompressed moves on with the others, and off the end */
	CHECK(!renameat(tmp_dirfd(), "log.1.gz", tmp_dirfd(), "log.2"));
	snprintf(text, sizeof(text), "%s/log", tmp_path());
	logger_init(&l);
	j = json_pack("{s:s, s:i, s:i, s:b}", "path", text, "max_size", 50, "max_file", 3, "compress", 1);
	CHECK(!logfile_open(&l.file, j, NULL));
	json_decref(j);
	logger_feed(&l, STREAM_STDOUT, "end\n", 4);
	logger_close(&l);
	CHECK(!fs_exists_at(tmp_dirfd(), "log.2") && !fs_exists_at(tmp_dirfd(), "log.2.gz"));
	NEED(!file_read_at(tmp_dirfd(), "log.1.gz", 4096, &packed, NULL));
	z = (z_stream){ .next_in = (unsigned char *)packed.p, .avail_in = (unsigned int)packed.n,
		.next_out = (unsigned char *)text, .avail_out = sizeof(text) };
	NEED(inflateInit2(&z, 15 + 16) == Z_OK);
	CHECK_INT(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	CHECK(!strncmp(text, entry, 20));
	buf_release(&packed);
}

/* The text of a log file, compressed or not; NULL: there is none, or both. */
static char *rotated_text(const char *name)
{
	enum { TEXT_MAX = 1 << 20 };
	cleanup_free char *packed_name = xasprintf("%s.gz", name);
	cleanup_buf struct buf packed = BUF_INIT;
	bool is_packed = fs_exists_at(tmp_dirfd(), packed_name);
	z_stream z = { .zalloc = Z_NULL };
	char *text;

	if (is_packed == fs_exists_at(tmp_dirfd(), name) ||
		file_read_at(tmp_dirfd(), is_packed ? packed_name : name, TEXT_MAX, &packed, NULL))
		return NULL;
	if (!is_packed)
		return xstrdup(packed.p);
	text = xmalloc(TEXT_MAX);
	z.next_in = (unsigned char *)packed.p;
	z.avail_in = (unsigned int)packed.n;
	z.next_out = (unsigned char *)text;
	z.avail_out = TEXT_MAX - 1;
	CHECK(inflateInit2(&z, 15 + 16) == Z_OK && inflate(&z, Z_FINISH) == Z_STREAM_END);
	text[z.total_out] = 0;
	inflateEnd(&z);
	return text;
}

/* The first and last number in it; its entries count by one, or it is false. */
static bool counts(const char *name, int *first, int *last)
{
	cleanup_free char *text = rotated_text(name);
	const char *p = text;
	bool ok = text && *text;
	int n;

	*first = *last = -1;
	for (; ok && *p; p = strchr(p, '\n') + 1) {
		ok = sscanf(p, "{\"log\":\"%d ", &n) == 1 && (*last < 0 || n == *last + 1) && strchr(p, '\n');
		*first = *first < 0 ? n : *first;
		*last = n;
	}
	return ok;
}

TEST(log_compression_is_outrun)
{
	static const char *const names[] = { "log", "log.1", "log.2", "log.3" };
	enum { LINES = 20000 };
	struct logger l;
	char line[80];
	int i, first, last, next = LINES - 1;

	log_open(&l, ",\"max_size\":50000,\"max_file\":4,\"compress\":true");
	for (i = 0; i < LINES; i++)
		logger_feed(&l, STREAM_STDOUT, line, (size_t)snprintf(line, sizeof(line), "%d rotated again\n", i));
	logger_close(&l);
	for (i = 0; i < 4; i++) {
		CHECK(counts(names[i], &first, &last));
		CHECK_INT(last, next);
		next = first - 1;
	}
	CHECK(!fs_exists_at(tmp_dirfd(), "log.4") && !fs_exists_at(tmp_dirfd(), "log.4.gz"));
	CHECK(!fs_exists_at(tmp_dirfd(), "log.gz.tmp"));
	CHECK(fs_exists_at(tmp_dirfd(), "log.1.gz"));
}

/* The messages that a datagram socket at @path has got, '|' between them, digits as they are. */
static char *received(int fd)
{
	static char out[4096];
	char piece[2048];
	ssize_t n;
	size_t at = 0;

	while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) >= 0)
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%.*s", at ? "|" : "", (int)n, piece);
	out[at] = 0;
	return out;
}

static int log_peer(const char *name, int type)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type, 0);

	unlinkat(tmp_dirfd(), name, 0);
	CHECK((size_t)snprintf(un.sun_path, sizeof(un.sun_path), "%.90s/%.16s", tmp_path(), name) <
		sizeof(un.sun_path));
	CHECK(!bind(fd, (struct sockaddr *)&un, sizeof(un)));
	CHECK(type == SOCK_DGRAM || !listen(fd, 4));
	return fd;
}

static void socket_open(struct logger *l, const char *name, const char *options)
{
	char text[4400];
	struct err e = ERR_INIT;
	json_t *j;

	snprintf(text, sizeof(text), "{\"socket\":{\"path\":\"%s/%s\"%s}}", tmp_path(), name, options);
	j = js(text);
	logger_init(l);
	CHECK_OK(e, logger_open(l, j, &e));
	json_decref(j);
}

TEST(log_to_syslog)
{
	static const struct {
		const char *format, *begin, *end;
	} cases[] = {
		{ "", "<30>", " t[%d]: hello\n|<27>" },
		{ "rfc3164", "<30>", " %s t[%d]: hello\n|<27>" },
		{ "rfc5424", "<30>1 20", " %s t %d t - hello\n|<27>1 20" },
		{ "rfc5424micro", "<30>1 20", " %s t %d t - hello\n|<27>1 20" },
	};
	char options[128], want[256], host[65] = "";

	gethostname(host, sizeof(host) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int peer = log_peer("peer", SOCK_DGRAM);
		struct logger l;
		char *got;

		snprintf(options, sizeof(options), ",\"kind\":\"syslog\",\"facility\":3,\"tag\":\"t\",\"format\":\"%s\"",
			cases[i].format);
		socket_open(&l, "peer", options);
		logger_feed(&l, STREAM_STDOUT, "hello\n\n", 7); /* an empty line is no message */
		logger_feed(&l, STREAM_STDERR, "oh", 2);
		logger_close(&l);
		got = received(peer);
		if (strstr(cases[i].end, "%s"))
			snprintf(want, sizeof(want), cases[i].end, host, (int)getpid());
		else
			snprintf(want, sizeof(want), cases[i].end, (int)getpid());
		CHECK(!strncmp(got, cases[i].begin, strlen(cases[i].begin)));
		CHECK(strstr(got, want) && !strcmp(got + strlen(got) - 4, " oh\n"));
		close(peer);
	}
}

TEST(log_to_journald)
{
	int peer = log_peer("peer", SOCK_DGRAM);
	struct logger l;
	const char *got;

	socket_open(&l, "peer", ",\"kind\":\"journald\",\"fields\":{\"CONTAINER_NAME\":\"web\",\"BAD\":\"a\\nB=c\"}");
	logger_feed(&l, STREAM_STDERR, "two\nend", 7);
	logger_close(&l);
	got = received(peer);
	CHECK(!strncmp(got, "CONTAINER_NAME=web\nPRIORITY=3\nSYSLOG_TIMESTAMP=20", 48));
	CHECK(strstr(got, "CONTAINER_LOG_ORDINAL=1\nMESSAGE\n\003")); /* then seven NUL bytes */
	close(peer);
}

/* A stream that nobody reads: the container has to wait, or what has no room is lost. */
TEST(log_peer_that_does_not_read)
{
	static char line[10001];
	struct logger l;
	int peer, i;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	peer = log_peer("peer", SOCK_STREAM);
	socket_open(&l, "peer", ",\"kind\":\"syslog\",\"type\":\"stream\"");
	for (i = 0; i < 1000 && !logsocket_blocking(&l.socket); i++)
		logger_feed(&l, STREAM_STDOUT, line, sizeof(line));
	CHECK(logsocket_blocking(&l.socket));
	close(peer);
	logger_close(&l);
	peer = log_peer("peer", SOCK_STREAM);
	socket_open(&l, "peer", ",\"kind\":\"syslog\",\"type\":\"stream\",\"buffer\":50000");
	for (i = 0; i < 1000; i++)
		logger_feed(&l, STREAM_STDOUT, line, sizeof(line));
	CHECK(!logsocket_blocking(&l.socket) && logsocket_waiting(&l.socket));
	CHECK(l.socket.queue.n <= 50000);
	close(peer);
	logger_close(&l);
}

/* Nobody there: output is lost, and the container runs on. */
TEST(log_peer_that_is_gone)
{
	struct logger l;
	int peer;

	unlinkat(tmp_dirfd(), "peer", 0);
	socket_open(&l, "peer", ",\"kind\":\"syslog\",\"tag\":\"t\"");
	logger_feed(&l, STREAM_STDOUT, "lost\n", 5);
	CHECK(!logsocket_waiting(&l.socket));
	l.socket.retry_at = 0; /* a second later */
	peer = log_peer("peer", SOCK_DGRAM);
	logger_feed(&l, STREAM_STDOUT, "one\n", 4);
	CHECK(strstr(received(peer), "]: one\n"));
	close(peer);
	peer = log_peer("peer", SOCK_DGRAM); /* restarted */
	logger_feed(&l, STREAM_STDOUT, "two\n", 4);
	CHECK(strstr(received(peer), "]: two\n"));
	close(peer);
	logger_close(&l);
}

TEST(log_refusals)
{
	static const char *const bad[] = {
		"{\"file\":{\"path\":\"rel\"}}", "{\"file\":{\"path\":\"/nonexistent/dir/log\"}}",
		"{\"socket\":{\"ip\":\"localhost\"}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = ERR_INIT;
		struct logger l;
		json_t *j = js(bad[i]);

		logger_init(&l);
		CHECK_INT(logger_open(&l, j, &e), -1);
		CHECK(*e.msg);
		logger_close(&l);
		json_decref(j);
	}
}
