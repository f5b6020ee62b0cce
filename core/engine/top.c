/* SPDX-License-Identifier: MIT */
/*
 * core/engine/top.c - docker top: ps, for the processes of one container
 *
 * Theory of operation
 *   Docker runs the host's ps and picks lines.  There may be no ps here, so /proc is read directly
 *   (tasks.h).
 *
 *   ps's options are a language of their own; understood are the forms people use: "-ef", "aux",
 *   "-o a,b", "-eo a,b", "o a,b".  Numbers are as the engine sees them: pids of the host, users of
 *   the container.
 */
#include "base/fs.h"
#include "engine/container.h"
#include "engine/tasks.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS_MAX 32

struct host {
	int64_t boot_s; /* Unix time */
	int64_t mem;    /* bytes */
	long hz;
	double uptime;
};

/* --- the machine --------------------------------------------------------------------------------- */

static void read_host(struct host *h)
{
	struct timespec boot, now;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &now);
	h->boot_s = now.tv_sec - boot.tv_sec;
	h->uptime = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
	h->hz = sysconf(_SC_CLK_TCK);
	h->mem = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
}

/* --- columns ---------------------------------------------------------------------------------- */

typedef void column_fn(const struct host *h, const struct task *t, struct buf *out);

/* The name of an id in the host's passwd or group, as ps shows it; else the number. */
static void put_name(const char *file, unsigned int id, struct buf *out)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line, name, field;
	uint64_t v;

	if (!file_read_at(AT_FDCWD, file, 1 << 20, &text, NULL)) {
		rest = (struct span){text.p, text.n};
		while (span_token(&rest, '\n', &line))
			if (span_token(&line, ':', &name) && span_token(&line, ':', &field) &&
				span_token(&line, ':', &field) && !parse_u64(field, UINT32_MAX, &v) && v == id) {
				buf_add(out, name.p, name.n);
				return;
			}
	}
	buf_addf(out, "%u", id);
}

static void c_user(const struct host *h, const struct task *t, struct buf *out)
{
	put_name("/etc/passwd", t->uid, out);
}

static void c_group(const struct host *h, const struct task *t, struct buf *out)
{
	put_name("/etc/group", t->gid, out);
}

static void c_uid(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%u", t->uid);
}

static void c_gid(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%u", t->gid);
}

static void c_pid(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%d", (int)t->pid);
}

static void c_ppid(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%d", (int)t->ppid);
}

static double age(const struct host *h, const struct task *t)
{
	double s = h->uptime - (double)t->start / (double)h->hz;

	return s > 0 ? s : 0;
}

static double cpu_percent(const struct host *h, const struct task *t)
{
	double s = age(h, t);

	return s > 0 ? (double)t->ticks / (double)h->hz * 100 / s : 0;
}

static void c_c(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%d", (int)cpu_percent(h, t));
}

static void c_pcpu(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%.1f", cpu_percent(h, t));
}

static void c_pmem(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%.1f", h->mem ? (double)t->rss * 100 / (double)h->mem : 0.0);
}

static void c_vsz(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%lld", (long long)(t->vsz / 1024));
}

static void c_rss(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%lld", (long long)(t->rss / 1024));
}

static void c_stime(const struct host *h, const struct task *t, struct buf *out)
{
	time_t at = (time_t)(h->boot_s + t->start / h->hz), now = time(NULL);
	struct tm tm;
	char text[16];

	localtime_r(&at, &tm);
	strftime(text, sizeof(text), now - at < 86400 ? "%H:%M" : "%b%d", &tm);
	buf_adds(out, text);
}

static void c_tty(const struct host *h, const struct task *t, struct buf *out)
{
	/* /dev/pts: majors 136 to 143; a minor has 20 bits, around the major's 12. */
	int major = t->tty >> 8 & 0xfff, minor = (t->tty & 0xff) | (t->tty >> 12 & 0xfff00);

	if (major >= 136 && major <= 143)
		buf_addf(out, "pts/%d", (major - 136) * 256 + minor);
	else
		buf_adds(out, "?");
}

static void c_time(const struct host *h, const struct task *t, struct buf *out)
{
	int64_t s = t->ticks / h->hz;

	if (s >= 86400)
		buf_addf(out, "%lld-", (long long)(s / 86400));
	buf_addf(out, "%02lld:%02lld:%02lld", (long long)(s / 3600 % 24), (long long)(s / 60 % 60),
		(long long)(s % 60));
}

static void c_bsdtime(const struct host *h, const struct task *t, struct buf *out)
{
	int64_t s = t->ticks / h->hz;

	buf_addf(out, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
}

static void c_etime(const struct host *h, const struct task *t, struct buf *out)
{
	int64_t s = (int64_t)age(h, t);

	if (s >= 86400)
		buf_addf(out, "%lld-", (long long)(s / 86400));
	if (s >= 3600)
		buf_addf(out, "%02lld:", (long long)(s / 3600 % 24));
	buf_addf(out, "%02lld:%02lld", (long long)(s / 60 % 60), (long long)(s % 60));
}

static void c_stat(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%c%s%s", t->state, t->nice < 0 ? "<" : t->nice > 0 ? "N" : "", t->threads > 1 ? "l" : "");
}

static void c_state(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addc(out, t->state);
}

static void c_nice(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%d", t->nice);
}

static void c_nlwp(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%d", t->threads);
}

static void c_psr(const struct host *h, const struct task *t, struct buf *out)
{
	buf_addf(out, "%d", t->cpu);
}

static void c_comm(const struct host *h, const struct task *t, struct buf *out)
{
	buf_adds(out, t->comm);
}

static void c_args(const struct host *h, const struct task *t, struct buf *out)
{
	cleanup_buf struct buf text = BUF_INIT;
	char path[40];
	size_t i;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)t->pid);
	if (file_read_at(AT_FDCWD, path, 1 << 20, &text, NULL) || !text.n) {
		buf_addf(out, "[%s]", t->comm);
		return;
	}
	while (text.n && !text.p[text.n - 1])
		text.n--;
	for (i = 0; i < text.n; i++)
		if (!text.p[i])
			text.p[i] = ' ';
	text.p[text.n] = 0;
	err_clean(text.p);
	buf_adds(out, text.p);
}

static const struct column {
	const char *name, *title;
	column_fn *fn;
} columns[] = {
	{"user", "USER", c_user}, {"euser", "EUSER", c_user}, {"uname", "USER", c_user},
	{"group", "GROUP", c_group}, {"egroup", "EGROUP", c_group}, {"uid", "UID", c_uid},
	{"euid", "EUID", c_uid}, {"gid", "GID", c_gid}, {"egid", "EGID", c_gid}, {"pid", "PID", c_pid},
	{"tgid", "TGID", c_pid}, {"ppid", "PPID", c_ppid}, {"c", "C", c_c}, {"pcpu", "%CPU", c_pcpu},
	{"%cpu", "%CPU", c_pcpu}, {"pmem", "%MEM", c_pmem}, {"%mem", "%MEM", c_pmem}, {"vsz", "VSZ", c_vsz},
	{"vsize", "VSZ", c_vsz}, {"rss", "RSS", c_rss}, {"rssize", "RSS", c_rss}, {"stime", "STIME", c_stime},
	{"start_time", "START", c_stime}, {"start", "STARTED", c_stime}, {"tty", "TT", c_tty},
	{"tt", "TT", c_tty}, {"tname", "TTY", c_tty}, {"time", "TIME", c_time}, {"cputime", "TIME", c_time},
	{"etime", "ELAPSED", c_etime}, {"stat", "STAT", c_stat}, {"state", "S", c_state}, {"s", "S", c_state},
	{"ni", "NI", c_nice}, {"nice", "NI", c_nice}, {"nlwp", "NLWP", c_nlwp}, {"thcount", "THCNT", c_nlwp},
	{"psr", "PSR", c_psr}, {"comm", "COMMAND", c_comm}, {"ucmd", "CMD", c_comm}, {"cmd", "CMD", c_args},
	{"args", "COMMAND", c_args}, {"command", "COMMAND", c_args},
};

/* What "ps -ef" and "ps aux" show. */
static const struct column full[] = {{"", "UID", c_user}, {"", "PID", c_pid}, {"", "PPID", c_ppid},
	{"", "C", c_c}, {"", "STIME", c_stime}, {"", "TTY", c_tty}, {"", "TIME", c_time}, {"", "CMD", c_args}};
static const struct column bsd[] = {{"", "USER", c_user}, {"", "PID", c_pid}, {"", "%CPU", c_pcpu},
	{"", "%MEM", c_pmem}, {"", "VSZ", c_vsz}, {"", "RSS", c_rss}, {"", "TTY", c_tty}, {"", "STAT", c_stat},
	{"", "START", c_stime}, {"", "TIME", c_bsdtime}, {"", "COMMAND", c_args}};
static const struct column plain[] = {{"", "PID", c_pid}, {"", "TTY", c_tty}, {"", "TIME", c_time},
	{"", "CMD", c_comm}};

/* --- ps's arguments ----------------------------------------------------------------------------- */

struct format {
	struct column col[COLUMNS_MAX];
	size_t n;
};

static int add_columns(struct format *f, struct span list, struct err *e)
{
	struct span word;
	ssize_t eq;
	size_t i;

	while (span_token(&list, ',', &word)) {
		eq = span_chr(word, '='); /* a title of one's own */
		if (eq >= 0)
			word.n = (size_t)eq;
		for (i = 0; i < ARRAY_SIZE(columns) && !span_eqs(word, columns[i].name); i++)
			;
		if (i == ARRAY_SIZE(columns))
			return err_kind(e, ERR_INVALID, "error: unknown user-defined format specifier \"%.*s\"",
				(int)word.n, word.p);
		if (f->n == COLUMNS_MAX)
			return err_kind(e, ERR_INVALID, "ps: more than %d columns", COLUMNS_MAX);
		f->col[f->n++] = columns[i];
	}
	return 0;
}

static void set_format(struct format *f, const struct column *c, size_t n)
{
	memcpy(f->col, c, n * sizeof(*c));
	f->n = n;
}

/* A cluster of letters: which processes (all are meant anyway), and how much of each. */
static int take_letters(struct format *f, struct span letters, bool dash, bool *list_follows, struct err *e)
{
	size_t i;

	*list_follows = false;
	for (i = 0; i < letters.n; i++) {
		char c = letters.p[i];

		if (c == 'o') {
			struct span rest = {letters.p + i + 1, letters.n - i - 1};

			*list_follows = !rest.n;
			return rest.n ? add_columns(f, rest, e) : 0;
		}
		if (!dash && c == 'u')
			set_format(f, bsd, ARRAY_SIZE(bsd));
		else if (dash && (c == 'f' || c == 'F'))
			set_format(f, full, ARRAY_SIZE(full));
		else if (!strchr(dash ? "eAadNwyH" : "axwfr", c))
			return err_kind(e, ERR_INVALID, "ps: this engine does not know the option %s%c",
				dash ? "-" : "", c);
	}
	return 0;
}

static int parse_args(const char *args, struct format *f, struct err *e)
{
	struct span rest = span_of(args), word;
	bool list = false, dash;

	f->n = 0;
	while (span_token(&rest, ' ', &word)) {
		if (!word.n)
			continue;
		if (list) {
			list = false;
			if (add_columns(f, word, e))
				return -1;
			continue;
		}
		dash = *word.p == '-';
		if (dash)
			word = (struct span){word.p + 1, word.n - 1};
		if (take_letters(f, word, dash, &list, e))
			return -1;
	}
	if (!f->n)
		set_format(f, plain, ARRAY_SIZE(plain));
	return 0;
}

static bool has_pid(const struct format *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (!strcmp(f->col[i].title, "PID"))
			return true;
	return false;
}

/* --- all together --------------------------------------------------------------------------------- */

static json_t *row(const struct host *h, const struct task *t, const struct format *f)
{
	json_t *out = json_array();
	struct buf cell = BUF_INIT;
	size_t i;

	for (i = 0; i < f->n; i++) {
		buf_reset(&cell);
		f->col[i].fn(h, t, &cell);
		json_append_str(out, cell.p);
	}
	buf_release(&cell);
	return out;
}

static json_t *table(pid_t init, bool own_pids, const struct format *f, struct err *e)
{
	cleanup_close int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	json_t *titles, *rows;
	struct task *all;
	struct host h;
	size_t n, i;

	if (procfd < 0) {
		err_set(e, errno, "opening /proc");
		return NULL;
	}
	read_host(&h);
	all = tasks_read(procfd, init, own_pids, &n);
	titles = json_array();
	rows = json_array();
	for (i = 0; i < f->n; i++)
		json_append_str(titles, f->col[i].title);
	for (i = 0; i < n; i++)
		json_array_append_new(rows, row(&h, &all[i], f));
	free(all);
	return json_pack("{s:o, s:o}", "Processes", rows, "Titles", titles);
}

json_t *container_top(struct engine *en, struct container *c, const char *ps_args, struct err *e)
{
	cleanup_json json_t *host = container_host(c);
	const char *mode = json_str(host, "PidMode", "");
	struct format f;
	pid_t pid;
	json_t *j;

	pthread_mutex_lock(&c->lock);
	pid = c->status == ST_RUNNING ? c->pid : 0;
	pthread_mutex_unlock(&c->lock);
	if (!pid) {
		err_kind(e, ERR_CONFLICT, "container %s is not running", c->id);
		return NULL;
	}
	if (parse_args(ps_args && *ps_args ? ps_args : "-ef", &f, e))
		return NULL;
	if (!has_pid(&f)) {
		err_set(e, 0, "Couldn't find PID field in ps output");
		return NULL;
	}
	/* In a pid namespace shared with others, only descent tells whose a process is. */
	j = table(pid, !*mode, &f, e);
	if (j)
		container_event(en, c, "top", NULL);
	return j;
}
