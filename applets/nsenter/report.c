/* SPDX-License-Identifier: MIT */
/*
 * applets/nsenter/report.c - the debug listing, for targets without a shell, `ip`, `nft` or even /proc
 *
 * Everything comes from the target's /proc, seen from outside through a descriptor, and from netlink in
 * the network namespace we are in: nothing of the target's file system is run or trusted.  What it names
 * itself (mount points, its command) is cleaned before it reaches a terminal.
 */
#include "nsenter.h"

#include "base/fs.h"
#include "net/show.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (4 << 20) /* bytes of one file of /proc */

static int failures;

static void heading(const char *text)
{
	printf("\n--- %s\n", text);
}

/* One line that the target may have had a hand in. */
static void put_line(struct span line)
{
	cleanup_free char *text = span_dup(line);

	err_clean(text);
	puts(text);
}

static void fail(const struct err *e)
{
	printf("(%s)\n", e->msg);
	failures++;
}

static bool load(const struct target *t, const char *name, struct buf *text)
{
	struct err e = ERR_INIT;

	if (!file_read_at(t->procfd, name, FILE_MAX, text, &e))
		return true;
	fail(&e);
	return false;
}

static void print_command(const struct target *t)
{
	cleanup_buf struct buf text = BUF_INIT;
	size_t i;

	if (file_read_at(t->procfd, "cmdline", FILE_MAX, &text, NULL))
		return;
	for (i = 0; i + 1 < text.n; i++)
		if (!text.p[i])
			text.p[i] = ' ';
	printf("%-12s", "command");
	put_line((struct span){text.p, strnlen(text.p, text.n)});
}

static void print_namespaces(const struct target *t)
{
	static const char *const names[] = {"user", "mnt", "net", "pid", "ipc", "uts", "cgroup", "time"};
	size_t i;

	heading("namespaces");
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		cleanup_free char *path = xasprintf("ns/%s", names[i]);
		char text[64] = "";

		if (readlinkat(t->procfd, path, text, sizeof(text) - 1) > 0)
			puts(text);
	}
}

/* "         0       1000          1" as "0 -> 1000 (1)". */
static void print_map(const struct target *t, const char *name)
{
	cleanup_buf struct buf text = BUF_INIT;
	unsigned int inside, outside, count;
	struct span rest, line;

	if (!load(t, name, &text))
		return;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line))
		if (sscanf(line.p, "%u %u %u", &inside, &outside, &count) == 3)
			printf("%.3s %u-%u are %u-%u here\n", name, inside, inside + (count - 1), outside, outside + (count - 1));
}

/* "36 25 0:31 / /proc rw,nosuid shared:13 - proc proc rw" as "/proc proc proc rw,nosuid | rw". */
static void print_mount(struct span line)
{
	cleanup_buf struct buf out = BUF_INIT;
	struct span word[6], rest = line, type, source, options;
	size_t n = 0;

	while (n < ARRAY_SIZE(word) && span_token(&rest, ' ', &word[n]))
		n++;
	while (n == ARRAY_SIZE(word) && span_token(&rest, ' ', &type) && !span_eqs(type, "-"))
		;
	if (n < ARRAY_SIZE(word) || !span_token(&rest, ' ', &type) || !span_token(&rest, ' ', &source)) {
		put_line(line);
		return;
	}
	options = rest;
	buf_addf(&out, "%.*s  %.*s  %.*s", (int)word[4].n, word[4].p, (int)type.n, type.p, (int)source.n, source.p);
	if (!span_eqs(word[3], "/"))
		buf_addf(&out, "[%.*s]", (int)word[3].n, word[3].p);
	buf_addf(&out, "  %.*s; %.*s", (int)word[5].n, word[5].p, (int)options.n, options.p);
	put_line((struct span){out.p, out.n});
}

static void print_lines(const struct target *t, const char *name, void (*print)(struct span line))
{
	cleanup_buf struct buf text = BUF_INIT;
	struct span rest, line;

	if (!load(t, name, &text))
		return;
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line))
		if (line.n)
			print(line);
}

static void print_status(struct span line)
{
	static const char *const wanted[] = {"State:", "Uid:", "Gid:", "Threads:", "VmRSS:", "NoNewPrivs:", "Seccomp:",
		"CapEff:", "CapBnd:"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if (span_starts(line, wanted[i]))
			put_line(line);
}

static void print_shown(const char *what, int (*show)(struct buf *out, struct err *e))
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct span rest, line;

	heading(what);
	if (show(&text, &e))
		fail(&e);
	rest = (struct span){text.p, text.n};
	while (span_token(&rest, '\n', &line))
		if (line.n)
			put_line(line);
}

int report_print(const struct target *t)
{
	printf("%-12s%s\n%-12s%d\n", "target", t->what, "pid", (int)t->pid);
	print_command(t);
	print_namespaces(t);
	heading("id maps");
	print_map(t, "uid_map");
	print_map(t, "gid_map");
	heading("mounts");
	print_lines(t, "mountinfo", print_mount);
	print_shown("addresses", show_links);
	print_shown("routes", show_routes);
	print_shown("nft rules", show_nft);
	heading("limits");
	print_lines(t, "limits", put_line);
	heading("process");
	print_lines(t, "status", print_status);
	print_lines(t, "cgroup", put_line);
	return failures ? 1 : 0;
}
