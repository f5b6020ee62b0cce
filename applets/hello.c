/* SPDX-License-Identifier: MIT */
/*
 * applets/hello.c - what the built-in image runs: say hello, and where we are
 *
 * Theory of operation
 *   Everything shown is read from /proc: who we are here and outside (uid_map), the kernel, what
 *   the root file system is, which limits hold.  What cannot be read is left out.
 *
 *   --serve answers HTTP with the same text, for trying published ports.  One poll loop, a table
 *   of connections; who is slow or sends no end loses its place to the next one when the table is
 *   full.  SIGTERM and SIGINT end it (as PID 1 nothing else would).
 */
#include "applets.h"
#include "version.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX 64
#define REQUEST_MAX 8192

static const char help[] =
	"Usage:	hello\n"
	"	hello --serve PORT\n\n"
	"Says hello, with what can be seen from here: ids inside and outside, kernel, root file\n"
	"system, limits. It is what the built-in image runs:\n\n"
	"	docker run --rm coracle\n"
	"	docker run -d -p 8080:80 coracle hello --serve 80\n\n"
	"	--serve PORT	answer HTTP requests on PORT with the same text, until SIGTERM\n";

/* --- what can be seen ----------------------------------------------------------------------------- */

static void line(struct buf *out, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void line(struct buf *out, const char *what, const char *fmt, ...)
{
	va_list ap;

	buf_addf(out, "  %-12s", what);
	va_start(ap, fmt);
	buf_vaddf(out, fmt, ap);
	va_end(ap);
	buf_addc(out, '\n');
}

/* Content of a small file of /proc; empty if it cannot be read. */
static struct buf slurp(const char *path)
{
	struct buf b = BUF_INIT;

	file_read_at(AT_FDCWD, path, 1 << 20, &b, NULL);
	return b;
}

/* The value behind "NAME:" in /proc/self/status. */
static struct span status_field(const struct buf *status, const char *name)
{
	struct span rest = {status->p, status->n}, l;
	ssize_t colon;

	while (span_token(&rest, '\n', &l)) {
		colon = span_chr(l, ':');
		if (colon < 0)
			continue;
		struct span value = span_cut(&l, (size_t)colon);

		if (span_eqs(l, name))
			return span_trim(value);
	}
	return (struct span){NULL, 0};
}

/* One line of uid_map: "inside outside count". */
static bool map_line(struct span l, uint64_t v[3])
{
	struct span word;
	int n = 0;

	while (span_token(&l, ' ', &word))
		if (word.n && (n == 3 || parse_u64(word, UINT32_MAX, &v[n++])))
			return false;
	return n == 3;
}

static bool outside_of(const char *file, uint64_t id, uint64_t *outside)
{
	cleanup_buf struct buf map = slurp(file);
	struct span rest = {map.p, map.n}, l;
	uint64_t v[3];

	while (span_token(&rest, '\n', &l)) {
		if (map_line(l, v) && id >= v[0] && id - v[0] < v[2]) {
			*outside = v[1] + (id - v[0]);
			return true;
		}
	}
	return false;
}

static void say_ids(struct buf *out)
{
	cleanup_buf struct buf map = slurp("/proc/self/uid_map");
	cleanup_buf struct buf ranges = BUF_INIT;
	struct span rest = {map.p, map.n}, l;
	uint64_t uid, gid, v[3];

	line(out, "inside", "uid %u, gid %u", getuid(), getgid());
	if (outside_of("/proc/self/uid_map", getuid(), &uid) && outside_of("/proc/self/gid_map", getgid(), &gid))
		line(out, "outside", "uid %llu, gid %llu", (unsigned long long)uid, (unsigned long long)gid);
	while (span_token(&rest, '\n', &l))
		if (map_line(l, v))
			buf_addf(&ranges, "%s%llu-%llu are %llu-%llu outside", ranges.n ? ", " : "",
				(unsigned long long)v[0], (unsigned long long)(v[0] + v[2] - 1),
				(unsigned long long)v[1], (unsigned long long)(v[1] + v[2] - 1));
	if (ranges.n)
		line(out, "user ids", "%s", ranges.p);
}

static void say_kernel(struct buf *out)
{
	struct utsname u;

	if (uname(&u))
		return;
	line(out, "hostname", "%s", u.nodename);
	line(out, "kernel", "%s %s %s", u.sysname, u.release, u.machine);
}

/* proc_pid_mountinfo(5): "ID PARENT MAJ:MIN ROOT POINT OPTIONS ... - TYPE SOURCE SUPER". */
static void say_storage(struct buf *out)
{
	cleanup_buf struct buf mounts = slurp("/proc/self/mountinfo");
	struct span rest = {mounts.p, mounts.n}, l, word, type = {NULL, 0};
	bool ro = false;

	while (span_token(&rest, '\n', &l)) {
		struct span options = {NULL, 0};
		bool root = false, behind = false;
		int field;

		for (field = 1; span_token(&l, ' ', &word); field++) {
			if (field == 5)
				root = span_eqs(word, "/");
			if (field == 6)
				options = word;
			if (behind && root) {
				type = word;
				ro = span_eqs(options, "ro") || span_starts(options, "ro,");
				break;
			}
			behind = span_eqs(word, "-");
		}
	}
	if (type.p)
		line(out, "storage", "%.*s%s", (int)type.n, type.p, ro ? ", read-only" : "");
}

static void say_limits(struct buf *out)
{
	cleanup_buf struct buf status = slurp("/proc/self/status"), cgroup = slurp("/proc/self/cgroup");
	struct span seccomp = status_field(&status, "Seccomp"), filters = status_field(&status, "Seccomp_filters");
	struct span caps = status_field(&status, "CapEff"), rest = {cgroup.p, cgroup.n}, l;
	uint64_t set = 0;

	if (span_eqs(seccomp, "2"))
		line(out, "seccomp", "filtering, %.*s filter%s", filters.p ? (int)filters.n : 1,
			filters.p ? filters.p : "a", !filters.p || span_eqs(filters, "1") ? "" : "s");
	else if (seccomp.p)
		line(out, "seccomp", "off");
	if (!parse_u64_base(caps, 16, UINT64_MAX, &set))
		line(out, "privileges", "%d capabilities%s", __builtin_popcountll(set),
			span_eqs(status_field(&status, "NoNewPrivs"), "1") ? ", no new ones" : "");
	while (span_token(&rest, '\n', &l))
		if (span_starts(l, "0::"))
			line(out, "cgroup", "version 2, %.*s", (int)l.n - 3, l.p + 3);
}

static void say_time(struct buf *out)
{
	struct timespec now;
	uint64_t started;
	int64_t ns;

	if (parse_u64(span_of(getenv("CORACLE_STARTED_NS")), INT64_MAX, &started) ||
		clock_gettime(CLOCK_BOOTTIME, &now))
		return;
	ns = now.tv_sec * NS_PER_S + now.tv_nsec - (int64_t)started;
	if (ns >= 0 && ns < 3600 * NS_PER_S)
		line(out, "started in", "%.1f ms, from the request to create this container", (double)ns / NS_PER_MS);
}

static void say_all(struct buf *out)
{
	buf_adds(out, "Hello from Coracle!\n\n");
	say_kernel(out);
	say_ids(out);
	say_storage(out);
	say_limits(out);
}

/* --- serving ---------------------------------------------------------------------------------------- */

struct conn {
	int fd; /* -1: free */
	struct buf in, out;
	size_t sent;
	int64_t since_ns;
};

static void conn_close(struct conn *c)
{
	fd_close(&c->fd);
	buf_release(&c->in);
	buf_release(&c->out);
	*c = (struct conn){.fd = -1, .in = BUF_INIT, .out = BUF_INIT};
}

static void answer(struct conn *c)
{
	cleanup_buf struct buf text = BUF_INIT;

	say_all(&text);
	buf_addf(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n", text.n);
	if (strncmp(c->in.p, "HEAD ", 5))
		buf_add(&c->out, text.p, text.n);
}

/* Read up to the end of the request's head; true when the connection is done with. */
static bool conn_read(struct conn *c)
{
	ssize_t n = read(c->fd, buf_room(&c->in, 1024), 1024);

	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	if (n == 0)
		return true;
	c->in.n += (size_t)n;
	c->in.p[c->in.n] = 0;
	if (strstr(c->in.p, "\r\n\r\n") || strstr(c->in.p, "\n\n"))
		answer(c);
	return c->in.n > REQUEST_MAX;
}

static bool conn_write(struct conn *c)
{
	ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);

	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	c->sent += (size_t)n;
	if (c->sent < c->out.n)
		return false;
	shutdown(c->fd, SHUT_WR);
	return true;
}

/* A free place, or that of the one who has been there longest. */
static struct conn *place(struct conn *conns)
{
	struct conn *oldest = conns;

	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (conns[i].fd < 0)
			return &conns[i];
		if (conns[i].since_ns < oldest->since_ns)
			oldest = &conns[i];
	}
	conn_close(oldest);
	return oldest;
}

static void take_conn(int listener, struct conn *conns)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c;

	if (fd < 0)
		return;
	c = place(conns);
	c->fd = fd;
	c->since_ns = clock_mono_ns();
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1, off = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool v6 = fd >= 0;

	if (!v6)
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four, v6 ? sizeof(six) : sizeof(four)) ||
		listen(fd, 64)) {
		fd_close(&fd);
		return -1;
	}
	return fd;
}

static void serve(int listener, int signals)
{
	struct conn conns[CONNS_MAX];
	struct pollfd fds[CONNS_MAX + 2];

	for (size_t i = 0; i < CONNS_MAX; i++)
		conns[i] = (struct conn){.fd = -1, .in = BUF_INIT, .out = BUF_INIT};
	for (;;) {
		for (size_t i = 0; i < CONNS_MAX; i++)
			fds[i] = (struct pollfd){.fd = conns[i].fd, .events = conns[i].out.n ? POLLOUT : POLLIN};
		fds[CONNS_MAX] = (struct pollfd){.fd = listener, .events = POLLIN};
		fds[CONNS_MAX + 1] = (struct pollfd){.fd = signals, .events = POLLIN};
		if (poll(fds, CONNS_MAX + 2, -1) < 0)
			continue;
		for (size_t i = 0; i < CONNS_MAX; i++)
			if (fds[i].revents && (conns[i].out.n ? conn_write(&conns[i]) : conn_read(&conns[i])))
				conn_close(&conns[i]);
		if (fds[CONNS_MAX].revents)
			take_conn(listener, conns);
		if (fds[CONNS_MAX + 1].revents)
			break;
	}
	for (size_t i = 0; i < CONNS_MAX; i++)
		conn_close(&conns[i]);
}

static int hello_serve(const char *text)
{
	cleanup_close int listener = -1, signals = -1;
	uint64_t port;
	sigset_t set;

	if (parse_u64(span_of(text), 65535, &port) || !port) {
		fprintf(stderr, "hello: bad port '%s'; try 'hello --help'\n", text);
		return 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	listener = listen_on((uint16_t)port);
	if (listener < 0 || signals < 0) {
		fprintf(stderr, "hello: listening on port %s: %s\n", text, strerror(errno));
		return 1;
	}
	printf("hello: answering HTTP on port %s\n", text);
	fflush(stdout);
	serve(listener, signals);
	return 0;
}

int hello_main(int argc, char **argv)
{
	cleanup_buf struct buf text = BUF_INIT;

	if (argc == 3 && !strcmp(argv[1], "--serve"))
		return hello_serve(argv[2]);
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		buf_adds(&text, help);
	} else if (argc == 2 && !strcmp(argv[1], "--version")) {
		buf_addf(&text, "hello (coracle %s, %s)\n", CORACLE_VERSION, CORACLE_COMMIT);
	} else if (argc > 1) {
		fprintf(stderr, "hello: %s '%s'; try 'hello --help'\n",
			strcmp(argv[1], "--serve") ? "unknown argument" : "one port must follow", argv[1]);
		return 2;
	} else {
		say_all(&text);
		say_time(&text);
	}
	if (fd_write_full(1, text.p, text.n)) {
		fprintf(stderr, "hello: writing the output: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
