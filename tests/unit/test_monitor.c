/* SPDX-License-Identifier: MIT */
/* core/runtime/monitor: life, streams and terminals of a container, seen by the engine's side. */
#include "unit.h"

#include "../lib/box.h"
#include "runtime/protocol.h"

/* --- life and death ------------------------------------------------------------------------------------ */

TEST(exit_codes)
{
	setup();
	run_argv(0, ARGV("/probe", "exit", "0"));
	run_argv(3, ARGV("/probe", "exit", "3"));
	run_argv(255, ARGV("/probe", "exit", "255"));
	/* PID 1 is immune to signals it does not handle, even its own: the raise returns 0 */
	run_argv(0, ARGV("/probe", "die", "15"));
}

TEST(records)
{
	struct monitor_exit x;
	struct box b;
	json_t *j;
	int mon;

	setup();
	b = box_new("records", ARGV("/probe", "wait"));
	NEED(box_start(&b, false, false));
	mon = dup(b.mon);
	CHECK_STR(read_client(b.client, "up\n"), "up\n");
	j = json_load_at(mon, "monitor.json", 4096, &b.e);
	CHECK_INT(json_int(j, "init_pid", 0), b.info.pid);
	CHECK_INT(json_int(j, "init_start_time", 0), proc_start_time(b.info.pid));
	CHECK_INT(json_int(j, "start_time", 0), proc_start_time((pid_t)json_int(j, "pid", 0)));
	CHECK_INT(json_int(j, "started_at", 0), b.info.started_at);
	json_decref(j);
	CHECK_INT(monitor_exit_record(mon, &x), -1);
	CHECK_OK(b.e, monitor_signal(b.ctl, SIGKILL, &b.e));
	CHECK_INT(box_end(&b), 137);
	CHECK(llabs(clock_real_ns() - b.exit.finished_at) < 60 * NS_PER_S);
	CHECK_INT(monitor_exit_record(mon, &x), 0);
	CHECK_INT(x.exit_code, 137);
	CHECK_INT(x.finished_at, b.exit.finished_at);
	CHECK(!fs_exists_at(mon, "monitor.sock"));
	close(mon);
}

TEST(commands_that_cannot_run)
{
	static const struct {
		const char *command, *message;
		int code;
	} cases[] = {
		{ "frobnicate", "exec: \"frobnicate\": executable file not found in $PATH", ENOENT },
		{ "/no/such", "exec: \"/no/such\": stat /no/such: no such file or directory", ENOENT },
		{ "/etc", "exec: \"/etc\": is a directory: permission denied", EACCES },
		{ "/etc/plain", "exec: \"/etc/plain\": permission denied", EACCES },
	};

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct box b = box_new("fails", ARGV(cases[i].command));

		CHECK(!box_start(&b, false, false));
		CHECK_STR(b.e.msg, cases[i].message);
		CHECK_INT(b.e.code, cases[i].code);
		CHECK(!fs_exists_at(b.mon, "monitor.sock") && !fs_exists_at(b.mon, "exit.json"));
		CHECK_STR(read_client(b.client, NULL), "");
		box_end(&b);
	}
	CHECK_STR(run_argv(255, ARGV("/etc/garbage")), "exec /etc/garbage: exec format error\n");
}

TEST(requests_that_make_no_sense)
{
	static const struct {
		const char *spec, *message;
	} cases[] = {
		{ "{}", "process is no object" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"x\"}}", "Cwd must be an absolute path" },
	};

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct box b = box_new("bad", ARGV("x"));

		json_set_new(b.request, "spec", sandbox_json(cases[i].spec));
		CHECK(!box_start(&b, false, false));
		CHECK_STR(b.e.msg, cases[i].message);
		CHECK_INT(b.e.kind, ERR_INVALID);
		box_end(&b);
	}
}

static bool gone(int pidfd)
{
	return readable(pidfd);
}

TEST(monitor_killed)
{
	struct box b;
	int init, monitor;
	json_t *j;

	setup();
	b = box_new("killed", ARGV("/probe", "wait"));
	NEED(box_start(&b, false, false));
	read_client(b.client, "up\n");
	j = json_load_at(b.mon, "monitor.json", 4096, &b.e);
	monitor = proc_open((pid_t)json_int(j, "pid", 0), (uint64_t)json_int(j, "start_time", 0));
	init = proc_open(b.info.pid, b.info.start_time);
	json_decref(j);
	NEED(monitor >= 0 && init >= 0);
	CHECK(!proc_signal(monitor, SIGKILL));
	CHECK(readable(b.ctl));
	CHECK_INT(monitor_read_exit(b.ctl, b.mon, &b.exit, &b.e), -1);
	CHECK(gone(init)); /* it went with its monitor */
	close(b.ctl);
	b.ctl = -1;
	CHECK_INT(monitor_connect(b.mon, &b.info, &b.e), -1);
	CHECK_INT(b.e.code, ESRCH);
	close(init);
	close(monitor);
	box_end(&b);
}

TEST(another_engine)
{
	struct monitor_info again;
	struct box b;

	setup();
	b = box_new("again", ARGV("/probe", "wait"));
	NEED(box_start(&b, false, false));
	read_client(b.client, "up\n");
	close(b.ctl);
	b.ctl = monitor_connect(b.mon, &again, &b.e);
	NEED(CHECK_OK(b.e, b.ctl));
	CHECK_INT(again.pid, b.info.pid);
	CHECK_INT(again.start_time, b.info.start_time);
	CHECK_INT(again.started_at, b.info.started_at);
	CHECK_OK(b.e, monitor_signal_all(b.ctl, SIGKILL, &b.e));
	CHECK(readable(b.ctl));
	CHECK_INT(box_end(&b), 137);
}

TEST(prepared)
{
	int i;

	setup();
	monitor_prepare();
	monitor_prepare(); /* one is enough */
	for (i = 0; i < 3; i++)
		run_argv(i, i == 0 ? ARGV("/probe", "exit", "0") : i == 1 ? ARGV("/probe", "exit", "1")
									   : ARGV("/probe", "exit", "2"));
}

TEST(prepared_and_killed)
{
	char name[16];
	siginfo_t si;
	pid_t pid;
	int fd;

	setup();
	/* the only child of ours that is not waited for: we are its reaper */
	while (waitpid(-1, NULL, 0) > 0)
		;
	monitor_prepare();
	fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		SKIP("no /proc/thread-self/children");
	NEED(read(fd, name, sizeof(name) - 1) > 0);
	close(fd);
	pid = atoi(name);
	NEED(pid > 1);
	kill(pid, SIGKILL);
	CHECK(!waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT));
	run_argv(5, ARGV("/probe", "exit", "5"));
}

TEST(signals_after_the_end)
{
	struct box b;

	setup();
	b = box_new("after", ARGV("/probe", "exit", "0"));
	NEED(box_start(&b, false, false));
	CHECK(readable(b.ctl));
	CHECK_INT(monitor_signal(b.ctl, SIGTERM, &b.e), -1);
	CHECK_INT(b.e.kind, ERR_CONFLICT);
	CHECK_INT(box_end(&b), 0);
}

TEST(garbage_for_the_monitor)
{
	struct msg_attach big = { MSG_HEAD(MSG_ATTACH, big), 7, 4000000000U, 300000000, 1 };
	struct msg_resize lie = { { MSG_RESIZE, 4000 }, 1, 1 };
	struct monitor_attach file = { .out = true };
	struct monitor_info info;
	struct box b;
	int s;

	setup();
	b = box_new("garbage", ARGV("/probe", "wait"));
	NEED(box_start(&b, false, false));
	read_client(b.client, "up\n");
	s = sock_connect_at(b.mon, "monitor.sock", SOCK_SEQPACKET);
	NEED(s >= 0);
	CHECK(!sock_send(s, "x", 1, NULL, 0));
	CHECK(!sock_send(s, "hello there, monitor", 20, NULL, 0));
	CHECK(!sock_send(s, &big, sizeof(big), &b.client, 1));
	CHECK(!sock_send(s, &lie, sizeof(lie), &b.client, 1));
	close(s);
	s = monitor_connect(b.mon, &info, &b.e);
	CHECK_OK(b.e, s);
	close(s);
	file.fd = b.mon;
	CHECK_INT(monitor_attach(b.ctl, &file, &b.e), -1);
	CHECK_STR(b.e.msg, "a client that is no socket");
	CHECK_OK(b.e, monitor_signal(b.ctl, SIGKILL, &b.e));
	CHECK_INT(box_end(&b), 137);
}

/* --- streams ---------------------------------------------------------------------------------------------- */

static void log_to(struct box *b, const char *name)
{
	json_t *log = sandbox_json("{\"file\":{}}");
	char path[300];

	unlinkat(dir, name, 0);
	snprintf(path, sizeof(path), "%s/%s", base_dir, name);
	json_set_str(json_obj(log, "file"), "path", path);
	json_set_new(b->request, "log", log);
}

static char *load(const char *name)
{
	static struct buf text = BUF_INIT;

	buf_reset(&text);
	CHECK(!file_read_at(dir, name, 1 << 24, &text, NULL));
	return text.p;
}

TEST(output_framed_and_logged)
{
	static const char frames[] = "\1\0\0\0\0\0\0\6out\n.!\2\0\0\0\0\0\0\4err\n";
	char *log;
	struct box b;
	size_t n = sizeof(frames) - 1;
	char got[64];

	setup();
	b = box_new("frames", ARGV("/probe", "say", "out\n.!", "err\n"));
	log_to(&b, "log-frames");
	NEED(CHECK_OK(b.e, box_start(&b, false, true) ? 0 : -1));
	CHECK_INT(fd_read_full(b.client, got, sizeof(got)), n);
	/* two pipes have no order between them */
	CHECK(!memcmp(got, frames, n) || (!memcmp(got, frames + 14, 12) && !memcmp(got + 12, frames, 14)));
	CHECK_INT(box_end(&b), 0);
	log = load("log-frames");
	CHECK(strstr(log, "{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\"20") != NULL);
	CHECK(strstr(log, "{\"log\":\"err\\n\",\"stream\":\"stderr\",\"time\":\"20") != NULL);
	CHECK(strstr(log, "{\"log\":\".!\",\"stream\":\"stdout\",\"time\":\"20") != NULL);
}

TEST(stdin_once)
{
	struct box b;

	setup();
	b = box_new("cat", ARGV("/probe", "cat"));
	json_set_bool(b.request, "stdin", true);
	json_set_bool(b.request, "stdin_once", true);
	NEED(box_start(&b, true, false));
	CHECK_INT(write(b.client, "hello\n", 6), 6);
	CHECK_STR(read_client(b.client, "\n"), "hello\n");
	CHECK_INT(write(b.client, "world", 5), 5);
	shutdown(b.client, SHUT_WR);
	CHECK_STR(read_client(b.client, NULL), "world");
	CHECK_INT(box_end(&b), 0);
}

TEST(stdin_stays_open)
{
	struct monitor_attach at = { .in = true, .out = true, .early = "second ", .early_len = 7 };
	struct box b;
	int pair[2];

	setup();
	b = box_new("open", ARGV("/probe", "cat"));
	json_set_bool(b.request, "stdin", true);
	NEED(box_start(&b, true, false));
	CHECK_INT(write(b.client, "first ", 6), 6);
	CHECK_STR(read_client(b.client, " "), "first ");
	/* a client whose input ends has left; the container has not noticed */
	shutdown(b.client, SHUT_WR);
	CHECK_STR(read_client(b.client, NULL), "");
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	at.fd = pair[1];
	CHECK_OK(b.e, monitor_attach(b.ctl, &at, &b.e));
	close(pair[1]);
	CHECK_INT(write(pair[0], "third", 5), 5);
	CHECK_STR(read_client(pair[0], "third"), "second third");
	CHECK_OK(b.e, monitor_signal(b.ctl, SIGKILL, &b.e));
	CHECK_STR(read_client(pair[0], NULL), "");
	close(pair[0]);
	CHECK_INT(box_end(&b), 137);
}

TEST(stdin_larger_than_any_buffer)
{
	enum { SIZE = 3 << 20 };
	static char block[65536];
	size_t sent = 0, got = 0;
	struct box b;

	setup();
	b = box_new("large", ARGV("/probe", "cat"));
	json_set_bool(b.request, "stdin", true);
	json_set_bool(b.request, "stdin_once", true);
	NEED(box_start(&b, true, false));
	while (got < SIZE) {
		struct pollfd p = { b.client, (short)(POLLIN | (sent < SIZE ? POLLOUT : 0)), 0 };
		ssize_t n;

		if (!CHECK(poll(&p, 1, WAIT_MS) == 1))
			break;
		if (p.revents & POLLOUT && sent < SIZE) {
			n = send(b.client, block, sizeof(block), MSG_DONTWAIT);
			sent += n > 0 ? (size_t)n : 0;
			if (sent >= SIZE)
				shutdown(b.client, SHUT_WR);
		}
		if (p.revents & POLLIN) {
			n = recv(b.client, block, sizeof(block), MSG_DONTWAIT);
			if (!n)
				break;
			got += n > 0 ? (size_t)n : 0;
		}
	}
	CHECK(got >= SIZE && got == sent);
	CHECK_INT(box_end(&b), 0);
}

static off_t size_of(const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, 0) ? 0 : st.st_size;
}

TEST(slow_client_stops_the_container)
{
	enum { SIZE = 4 << 20 };
	struct monitor_attach other = { .out = true };
	static char block[65536];
	size_t got = 0;
	ssize_t n;
	int pair[2];
	off_t before;
	struct box b;

	setup();
	b = box_new("slow", ARGV("/probe", "spew", "4194304"));
	log_to(&b, "log-slow");
	NEED(box_start(&b, false, false));
	/* wait until nothing moves: then its share of buffers is full */
	do {
		before = size_of("log-slow");
		usleep(50000);
	} while (size_of("log-slow") != before || !before);
	CHECK(before < SIZE);
	/* requests are answered all the while */
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	other.fd = pair[1];
	CHECK_OK(b.e, monitor_attach(b.ctl, &other, &b.e));
	close(pair[1]);
	close(pair[0]); /* and a client that goes takes nothing along */
	while (readable(b.client) && (n = read(b.client, block, sizeof(block))) > 0)
		got += (size_t)n;
	CHECK_INT(got, SIZE);
	CHECK_INT(box_end(&b), 0);
	CHECK(size_of("log-slow") > SIZE);
}

TEST(client_that_never_reads)
{
	struct box b;

	setup();
	/* fits into the pipe and the log: the container ends, whatever its client does */
	b = box_new("never", ARGV("/probe", "spew", "60000"));
	log_to(&b, "log-never");
	NEED(box_start(&b, false, false));
	CHECK(readable(b.ctl));
	CHECK(size_of("log-never") > 60000);
	CHECK_INT(box_end(&b), 0);
}

TEST(two_clients)
{
	struct monitor_attach at[2] = { { .out = true, .err = true }, { .out = false, .err = true } };
	int first[2], second[2];
	struct box b;

	setup();
	b = box_new("two", ARGV("/probe", "say", "out", "err"));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first));
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second));
	at[0].fd = first[1];
	at[1].fd = second[1];
	b.ctl = monitor_start(b.mon, b.request, at, 2, &b.info, &b.e);
	NEED(CHECK_OK(b.e, b.ctl));
	close(first[1]);
	close(second[1]);
	CHECK_INT(strlen(read_client(first[0], NULL)), 6);
	CHECK_STR(read_client(second[0], NULL), "err");
	close(first[0]);
	close(second[0]);
	CHECK_INT(box_end(&b), 0);
}

/* --- terminals ---------------------------------------------------------------------------------------------- */

TEST(terminal)
{
	struct box b;

	setup();
	b = box_new("tty", ARGV("/probe", "tty"));
	json_set_bool(b.request, "tty", true);
	json_set_new(b.request, "console_size", sandbox_json("[40,120]"));
	NEED(CHECK_OK(b.e, box_start(&b, false, false) ? 0 : -1));
	CHECK_STR(read_client(b.client, "\n"), "/dev/pts/0 40 120 1\r\n");
	CHECK_OK(b.e, monitor_resize(b.ctl, 55, 77, &b.e));
	CHECK_STR(read_client(b.client, "\n"), "/dev/pts/0 55 77 1\r\n");
	CHECK_INT(monitor_resize(b.ctl, 70000, 1, &b.e), -1);
	CHECK_INT(box_end(&b), 0);
}

TEST(detach_keys)
{
	struct monitor_attach at = { .in = true, .out = true, .detach_keys = "\1x" };
	struct box b;
	int pair[2];

	setup();
	b = box_new("detach", ARGV("/probe", "cat"));
	json_set_bool(b.request, "tty", true);
	json_set_bool(b.request, "stdin", true);
	NEED(box_start(&b, true, false));
	/* the beginning of the sequence is held back, and given on when it was none */
	CHECK_INT(write(b.client, "a\20b\r", 4), 4);
	CHECK_STR(read_client(b.client, "b\r\na"), "a^Pb\r\na\20b\r\n");
	CHECK_INT(write(b.client, "z\20\21q", 4), 4);
	CHECK_STR(read_client(b.client, NULL), "detached\r\n");
	/* other keys for another client; the container runs on, with the "z" before the keys */
	NEED(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	at.fd = pair[1];
	CHECK_OK(b.e, monitor_attach(b.ctl, &at, &b.e));
	close(pair[1]);
	CHECK_INT(write(pair[0], "\20\21\r", 3), 3);
	/* ctrl-q is eaten by the terminal itself, where it means "go on" */
	CHECK(strstr(read_client(pair[0], "z\20\r"), "z\20\r") != NULL);
	CHECK_INT(write(pair[0], "\1x", 2), 2);
	read_client(pair[0], NULL);
	close(pair[0]);
	CHECK_OK(b.e, monitor_signal(b.ctl, SIGKILL, &b.e));
	CHECK_INT(box_end(&b), 137);
}
