/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_ns.c - subordinate ids, id maps, and a user namespace made and joined
 */
#include "unit.h"

#include "base/log.h"
#include "base/proc.h"
#include "ns/ns.h"
#include "ns/tool.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* --- lines --- */

static const struct {
	const char *line, *owner;
	int64_t start, count; /* count -1: refused */
} lines[] = {
	{ "me:100000:65536", "me", 100000, 65536 },
	{ "1000:1:1", "1000", 1, 1 },
	{ "a b:0:1", "a b", 0, 1 },
	{ "me:0:4294967295", "me", 0, 4294967295 },
	{ "me:4294967294:1", "me", 4294967294, 1 },
	{ "me:4294967294:2", "", 0, -1 },
	{ "me:4294967295:1", "", 0, -1 },
	{ "me:1:4294967295", "", 0, -1 },
	{ "me:100000:0", "", 0, -1 },
	{ "me:100000:-1", "", 0, -1 },
	{ "me:100000:+1", "", 0, -1 },
	{ "me:100000:18446744073709551617", "", 0, -1 },
	{ "me:100000:65536 ", "", 0, -1 },
	{ "me: 100000:65536", "", 0, -1 },
	{ "me:100000:65536\r", "", 0, -1 },
	{ "me:0x10:10", "", 0, -1 },
	{ "me:100000:65536:", "", 0, -1 },
	{ "me:100000", "", 0, -1 },
	{ "me:100000:", "", 0, -1 },
	{ "me::1", "", 0, -1 },
	{ ":1:1", "", 0, -1 },
	{ "::", "", 0, -1 },
	{ "me", "", 0, -1 },
	{ "", "", 0, -1 },
};

TEST(subid_lines)
{
	struct span owner;
	uint32_t start, count;
	size_t i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		struct span line = { guarded_str(lines[i].line), strlen(lines[i].line) };

		rc = subid_parse_line(line, &owner, &start, &count);
		if (lines[i].count < 0) {
			if (rc == 0)
				unit_fail(__FILE__, __LINE__, "\"%s\" was taken", lines[i].line);
			continue;
		}
		if (rc) {
			unit_fail(__FILE__, __LINE__, "\"%s\" was refused", lines[i].line);
			continue;
		}
		CHECK_MEM(owner.p, owner.n, lines[i].owner);
		CHECK_INT(start, lines[i].start);
		CHECK_INT(count, lines[i].count);
	}
}

/* --- maps --- */

static const char *subid_file(const char *name, const char *text)
{
	static char path[4200];
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s", tmp_path(), name);
	CHECK_OK(e, file_write_at(AT_FDCWD, path, text, strlen(text), 0600, 0, &e));
	return path;
}

static const struct {
	const char *what, *file, *map; /* NULL: not found */
} maps[] = {
	{ "by name", "me:100000:65536\n", "0 1000 1\n1 100000 65536\n" },
	{ "by number, no newline", "1000:100000:65536", "0 1000 1\n1 100000 65536\n" },
	{ "number with zeros", "01000:100000:10\n", "0 1000 1\n1 100000 10\n" },
	{ "file order is kept", "me:300000:100\nyou:1:1\n1000:100000:200\n",
		"0 1000 1\n1 300000 100\n101 100000 200\n" },
	{ "junk around", "\n#me:1:1\n:::\nme:x:1\nme:5:0\nme:100000:10\nmee:1:1\nm:1:1\n",
		"0 1000 1\n1 100000 10\n" },
	{ "the same twice", "me:100000:10\n1000:100000:10\n", "0 1000 1\n1 100000 10\n" },
	{ "the tail of an earlier one", "me:100:10\nme:105:10\n", "0 1000 1\n1 100 10\n11 110 5\n" },
	{ "the head of an earlier one", "me:105:10\nme:100:10\n", "0 1000 1\n1 105 10\n11 100 5\n" },
	{ "around two", "me:110:5\nme:120:5\nme:100:40\n",
		"0 1000 1\n1 110 5\n6 120 5\n11 100 10\n21 115 5\n26 125 15\n" },
	{ "own id inside", "me:998:5\n", "0 1000 1\n1 998 2\n3 1001 2\n" },
	{ "own id only", "me:1000:1\n", NULL },
	{ "all ids there are", "me:0:4294967295\n", "0 1000 1\n1 0 1000\n1001 1001 4294966294\n" },
	{ "others only", "you:100000:65536\n1001:1:1\n", NULL },
	{ "empty", "", NULL },
};

TEST(idmap_from_files)
{
	char text[IDMAP_TEXT_MAX];
	struct idmap m;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		struct err e = ERR_INIT;
		int rc = idmap_compute(subid_file("subuid", maps[i].file), 1000, "me", 1000, &m, &e);

		if ((rc == 0) != (maps[i].map != NULL))
			unit_fail(__FILE__, __LINE__, "%s: %d, %s", maps[i].what, rc, e.msg);
		CHECK(idmap_format(&m, text, sizeof(text)) > 0);
		CHECK_STR(text, maps[i].map ? maps[i].map : "0 1000 1\n");
		if (rc) {
			CHECK_INT(e.kind, ERR_NOT_FOUND);
			CHECK_STR(e.msg, "No subuid ranges found for user 1000 (\"me\")");
		}
	}
}

TEST(idmap_words_for_gids_and_absent_files)
{
	struct err e = ERR_INIT;
	struct idmap m;
	char path[4200];

	CHECK_INT(idmap_compute(subid_file("subgid", ""), 7, NULL, 8, &m, &e), -1);
	CHECK_STR(e.msg, "No subgid ranges found for user 7 (\"\")");
	snprintf(path, sizeof(path), "%s/absent/subuid", tmp_path());
	CHECK_INT(idmap_compute(path, 7, "me", 8, &m, &e), -1);
	CHECK_INT(e.kind, ERR_NOT_FOUND);
	CHECK_INT(m.n, 1);
	CHECK_INT(m.at[0].outside, 8);
	/* A file that is there but cannot be read is another matter than no ranges. */
	CHECK_INT(idmap_compute(tmp_path(), 7, "me", 8, &m, &e), -1);
	CHECK(e.kind != ERR_NOT_FOUND);
}

TEST(idmap_stays_below_the_kernels_limits)
{
	struct buf file = BUF_INIT;
	char text[IDMAP_TEXT_MAX];
	struct err e = ERR_INIT;
	struct idmap m;
	uint32_t i;

	log_set_level(LOG_ERROR);
	for (i = 0; i < 5000; i++)
		buf_addf(&file, "me:%u:1\n", 10 + i * 2);
	CHECK_OK(e, idmap_compute(subid_file("subuid", file.p), 1000, "me", 5, &m, &e));
	CHECK_INT(m.n, IDMAP_EXTENTS_MAX);
	CHECK(idmap_format(&m, text, sizeof(text)) > 0);

	buf_reset(&file);
	for (i = 0; i < 3000; i++)
		buf_addf(&file, "me:%u:1000000\n", 1000000000 + i * 1000000);
	/* Short of the extents allowed, as the page is full before. */
	CHECK_OK(e, idmap_compute(subid_file("subuid", file.p), 1000, "me", 5, &m, &e));
	CHECK(m.n > 100 && m.n < IDMAP_EXTENTS_MAX);
	CHECK(idmap_format(&m, text, sizeof(text)) > IDMAP_TEXT_MAX - 100);
	CHECK_INT(idmap_format(&m, text, 16), -1);
	buf_release(&file);
	log_set_level(LOG_INFO);
}

TEST(ranges_that_were_given)
{
	static const struct {
		uint32_t start, count;
		int covered;
	} asked[] = {
		{ 100, 10, 1 }, { 100, 30, 1 }, { 105, 20, 1 }, { 100, 31, 0 }, { 99, 2, 0 }, { 129, 1, 1 },
		{ 130, 1, 0 }, { 100, 0, 0 }, { 4294967294, 1, 1 }, { 4294967294, 4294967295, 0 }, { 0, 1, 0 },
		{ 200, 1, 0 },
	};
	const char *file = subid_file("subuid", "me:110:10\nyou:200:10\n1000:100:10\nme:115:15\nme:4294967294:1\n");
	struct err e = ERR_INIT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(asked); i++)
		CHECK_INT(subid_covers(file, 1000, "me", asked[i].start, asked[i].count, &e), asked[i].covered);
	CHECK_INT(subid_covers(file, 1000, NULL, 110, 1, &e), 0);
	CHECK_INT(subid_covers("/nonexistent/subuid", 1000, "me", 110, 1, &e), 0);
	CHECK_INT(subid_covers(tmp_path(), 1000, "me", 110, 1, &e), -1);
}

TEST(answers_of_getsubids)
{
	static const struct {
		const char *said, *want;
	} answers[] = {
		{ "0: me 100000 65536\n1: me 300000 10\n", "7:100000:65536\n7:300000:10\n" },
		{ "0: DOMAIN\\some body 5 6", "7:5:6\n" },
		{ "0: me 1 4294967296\n0: me -1 5\n0: me 1\nme 1 x\n\n  \n", "" },
		{ "Error fetching ranges\n", "" },
		{ "", "" },
	};
	struct buf text = BUF_INIT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		buf_reset(&text);
		subid_from_getsubids((struct span){ guarded_str(answers[i].said), strlen(answers[i].said) }, 7, &text);
		CHECK_STR(text.p, answers[i].want);
	}
	buf_release(&text);
}

/* --- namespaces --- */

/* A child that makes a namespace, says so, waits to be mapped, settles, and then obeys. */
struct inside {
	pid_t pid;
	int to, from; /* pipes */
};

static char ask(struct inside *in, char what)
{
	char got = 0;

	CHECK(write(in->to, &what, 1) == 1);
	CHECK(read(in->from, &got, 1) == 1);
	return got;
}

static void inside_main(int in, int out)
{
	struct err e = ERR_INIT;
	char c = ns_unshare(&e) ? 'f' : 'u';

	while (write(out, &c, 1) == 1 && read(in, &c, 1) == 1) {
		if (c == 's')
			c = ns_settle(&e) ? 'f' : 's';
		else if (c == 'i')
			c = getuid() == 0 && getgid() == 0 ? 'r' : 'n';
		else if (c == 'n')
			c = (char)('0' + (ns_ids_mapped() > 9 ? 9 : ns_ids_mapped()));
		if (*e.msg)
			printf("# %s\n", e.msg);
	}
	_exit(0);
}

static void inside_start(struct inside *in)
{
	int to[2], from[2];
	char c = 0;

	NEED(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0);
	in->pid = fork();
	if (!in->pid) {
		close(to[1]);
		close(from[0]);
		inside_main(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	in->to = to[1];
	in->from = from[0];
	NEED(read(in->from, &c, 1) == 1);
	if (c != 'u') {
		close(in->to);
		waitpid(in->pid, NULL, 0);
		SKIP("machine: no user namespaces here");
	}
}

static void inside_end(struct inside *in)
{
	close(in->to);
	close(in->from);
	waitpid(in->pid, NULL, 0);
}

TEST(one_id)
{
	struct err e = ERR_INIT;
	struct idmap uids, gids;
	struct inside in;

	inside_start(&in);
	idmap_single(geteuid(), &uids);
	idmap_single(getegid(), &gids);
	CHECK_OK(e, idmap_apply(in.pid, &uids, &gids, &e));
	CHECK_INT(ask(&in, 's'), 's');
	CHECK_INT(ask(&in, 'i'), 'r');
	CHECK_INT(ask(&in, 'n'), '1');
	/* A second map is refused, and said so. */
	CHECK_INT(idmap_apply(in.pid, &uids, &gids, &e), -1);
	CHECK(*e.msg);
	inside_end(&in);
}

TEST(several_extents_by_our_own_capabilities)
{
	struct idmap ids = { { { 0, 0, 1 }, { 1, 100000, 4 }, { 5, 200000, 2 } }, 3 };
	struct err e = ERR_INIT;
	struct inside in;

	if (geteuid() != 0 || ns_ids_mapped() < UINT32_MAX)
		SKIP("machine: not root of the first namespace");
	inside_start(&in);
	CHECK_OK(e, idmap_apply(in.pid, &ids, &ids, &e));
	CHECK_INT(ask(&in, 's'), 's');
	CHECK_INT(ask(&in, 'i'), 'r');
	CHECK_INT(ask(&in, 'n'), '7');
	inside_end(&in);
}

TEST(join)
{
	struct err e = ERR_INIT;
	struct idmap uids, gids;
	struct inside in;
	int pidfd, status;
	pid_t pid;

	inside_start(&in);
	idmap_single(geteuid(), &uids);
	idmap_single(getegid(), &gids);
	CHECK_OK(e, idmap_apply(in.pid, &uids, &gids, &e));
	CHECK_INT(ask(&in, 's'), 's');
	pidfd = proc_open(in.pid, proc_start_time(in.pid));
	CHECK(pidfd >= 0);
	pid = fork();
	if (!pid) {
		int rc = ns_join(pidfd, &e);

		printf("# %d %s\n", rc, e.msg);
		fflush(stdout);
		if (rc || getuid() || ns_ids_mapped() != 1)
			_exit(1);
		/* Now they are the same, and that is told apart from a failure. */
		_exit(ns_join(pidfd, &e) == -1 && e.kind == ERR_CONFLICT ? 0 : 2);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, 0);
	close(pidfd);
	inside_end(&in);
}

/* --- the host's helpers --- */

static void script(const char *dir, const char *name, const char *text, mode_t mode)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", tmp_path(), dir, name);
	cleanup_free char *full = xasprintf("%s/%s", tmp_path(), dir);
	struct err e = ERR_INIT;

	mkdir(full, 0755);
	CHECK_OK(e, file_write_at(AT_FDCWD, path, text, strlen(text), 0755, 0, &e));
	CHECK(chmod(path, mode) == 0);
}

TEST(tool_search)
{
	cleanup_free char *old = xstrdup(getenv("PATH")), *found = NULL;
	cleanup_free char *path = xasprintf("%s/a::%s/b:.:%s/c", tmp_path(), tmp_path(), tmp_path());
	cleanup_free char *self = xasprintf("%s/a/coracle-test-self", tmp_path());
	char exe[4096];
	ssize_t n;

	script("a", "coracle-test-tool", "not for running", 0644);
	script("b", "coracle-test-tool", "plain", 0755);
	setenv("PATH", path, 1);
	found = tool_find("coracle-test-tool");
	CHECK(found && strstr(found, "/b/coracle-test-tool"));
	script("c", "coracle-test-tool", "privileged", 04755);
	free(steal(&found));
	found = tool_find("coracle-test-tool");
	CHECK(found && strstr(found, "/c/coracle-test-tool"));
	/* A link to ourselves is not the host's. */
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	NEED(n > 0);
	exe[n] = 0;
	CHECK(symlink(exe, self) == 0);
	CHECK(!tool_find("coracle-test-self"));
	setenv("PATH", old, 1);
}

TEST(tool_output_and_status)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, NULL, NULL };
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	struct tool t;

	argv[2] = (char[]){ "echo one; echo two >&2; exit 3" };
	CHECK_OK(e, tool_start(&t, "/bin/sh", argv, &e));
	CHECK_INT(tool_finish(&t, 20000, 1024, &out, &e), 3);
	CHECK_STR(out.p, "one\ntwo\n");

	buf_reset(&out);
	argv[2] = (char[]){ "i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done" };
	CHECK_OK(e, tool_start(&t, "/bin/sh", argv, &e));
	CHECK_INT(tool_finish(&t, 20000, 1024, &out, &e), 0);
	CHECK(out.n >= 1024 && out.n < 2048);

	argv[2] = (char[]){ "exec sleep 1000" };
	CHECK_OK(e, tool_start(&t, "/bin/sh", argv, &e));
	CHECK_INT(tool_finish(&t, 50, 1024, &out, &e), -1);
	CHECK_INT(e.code, ETIMEDOUT);
	CHECK_INT(tool_start(&t, "/nonexistent/x", argv, &e), -1);
	CHECK_INT(e.code, ENOENT);
	buf_release(&out);
}
