/* SPDX-License-Identifier: MIT */
/* tests/unit/test_limits.c - counting processes, their CPU time and memory, and when to stop them */
#include "unit.h"

#include "base/clock.h"
#include "limits/duty.h"
#include "limits/members.h"
#include "limits/memory.h"
#include "limits/soft.h"

#include <signal.h>
#include <sys/wait.h>

static const char stat_line[] =
	"4242 (a) R 1 (b) S 7 4242 4242 0 -1 4194304 1500 900 0 0 150 50 30 20 20 0 3 0 12345 1000000 "
	"512 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

static int parse(const char *text, struct member *m)
{
	char *p = guarded(text, strlen(text));

	return member_parse((struct span){p, strlen(text)}, m);
}

TEST(stat_is_parsed_behind_the_name)
{
	struct member m;

	NEED(!parse(stat_line, &m));
	CHECK_INT(m.pid, 4242);
	CHECK_INT(m.state, 'S');
	CHECK_INT(m.parent, 7);
	CHECK_INT(m.start_time, 12345);
	CHECK_INT(m.threads, 3);
	CHECK_INT(m.resident, 512 * sysconf(_SC_PAGESIZE));
	CHECK_INT(m.own_ns, 200 * NS_PER_S / sysconf(_SC_CLK_TCK));
	CHECK_INT(m.reaped_ns, 50 * NS_PER_S / sysconf(_SC_CLK_TCK));
}

TEST(stat_that_is_cut_off_is_refused)
{
	struct member m;
	char text[sizeof(stat_line)];
	size_t n;

	for (n = 0; n < strlen("4242 (a) R 1 (b) S 7 4242 4242 0 -1 4194304 1500"); n++) {
		memcpy(text, stat_line, n);
		text[n] = 0;
		CHECK_INT(parse(text, &m), -1);
	}
	CHECK_INT(parse("x (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22", &m), -1);
}

TEST(rollup)
{
	static const char now[] = "00400000-7fff0000 ---p 00000000 00:00 0 [rollup]\nRss:   900 kB\nPss:  700 kB\n"
				  "Pss_Dirty: 1 kB\nPss_Anon:  300 kB\nPss_File: 350 kB\nPss_Shmem:   50 kB\n";
	static const char before[] = "Rss:   900 kB\nPss:  700 kB\n";

	CHECK_INT(memory_parse_rollup(span_of(now)), 350 << 10);
	CHECK_INT(memory_parse_rollup(span_of(before)), 700 << 10);
	CHECK_INT(memory_parse_rollup(span_of("Pss_Anon:  kB\nPss_Anon: 99999999999999999999 kB\nPss_Anon:")), 0);
}

TEST(memory_is_looked_at_in_time)
{
	/* At 4 GB/s nobody gets beyond twice the limit, from anywhere below it. */
	static const uint64_t limits[] = {6 << 20, 64 << 20, 1ULL << 30, 1ULL << 40};
	size_t i, step;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		for (step = 0; step <= 8; step++) {
			uint64_t used = limits[i] / 8 * step;
			int64_t pause = memory_pause_ns(used, limits[i]);

			CHECK(pause >= 2 * NS_PER_MS && pause <= 250 * NS_PER_MS);
			CHECK(pause == 2 * NS_PER_MS ||
				(double)used + (double)pause / NS_PER_S * (double)(4ULL << 30) <= (double)limits[i] * 1.51);
		}
	}
}

/* Run @busy CPUs against a limit for an hour of made-up time; what they got, in per cent of it.
 * The machine is @late ns late with every step, and tells CPU time in ticks of 10 ms. */
static int64_t simulate(int64_t share_ns, unsigned int busy, int64_t late)
{
	struct duty d = {.share_ns = share_ns};
	int64_t now = NS_PER_S, end = now + 3600 * NS_PER_S, pause;
	uint64_t used = 0;

	while (now < end) {
		pause = duty_step(&d, now, used / 10000000 * 10000000, busy) + late;
		if (!d.stop)
			used += (uint64_t)pause * busy;
		now += pause;
	}
	return (int64_t)((double)used * 100 / ((double)share_ns * 3600));
}

TEST(duty_holds_the_average)
{
	static const int64_t shares[] = {NS_PER_S / 100, NS_PER_S / 20, NS_PER_S / 2, NS_PER_S * 3 / 2};
	static const int64_t late[] = {0, NS_PER_MS, 13 * NS_PER_MS};
	size_t i, j;
	unsigned int busy;

	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		for (j = 0; j < ARRAY_SIZE(late); j++) {
			for (busy = 2; busy <= 16; busy *= 2) {
				int64_t got = simulate(shares[i], busy, late[j]);

				if (got < 95 || got > 105)
					unit_fail(__FILE__, __LINE__, "share %lld, %u busy, %lld late: %lld%%",
						(long long)shares[i], busy, (long long)late[j], (long long)got);
			}
		}
	}
}

/* Each look costs: two a slice, and slices of half a period. */
TEST(duty_looks_seldom)
{
	struct duty d = {.share_ns = NS_PER_S / 2};
	int64_t now = NS_PER_S, end = now + 60 * NS_PER_S, pause;
	unsigned int looks = 0;
	uint64_t used = 0;

	for (; now < end; now += pause, looks++) {
		pause = duty_step(&d, now, used, 1);
		if (!d.stop)
			used += (uint64_t)pause;
	}
	CHECK(looks <= 60 * 21);
}

TEST(duty_leaves_alone_who_stays_below)
{
	struct duty d = {.share_ns = NS_PER_S / 2};
	int64_t now = NS_PER_S;
	uint64_t used = 0;

	for (int i = 0; i < 1000; i++) {
		int64_t pause = duty_step(&d, now, used, 2);

		CHECK(!d.stop);
		now += pause;
		used += (uint64_t)pause / 3;
	}
	/* Counters that fall, as a process took its own along, are no credit and no debt. */
	duty_step(&d, now, 0, 2);
	CHECK(!d.stop);
}

/* --- real processes ------------------------------------------------------------------------------------ */

static pid_t start_tree(int *hold)
{
	int fds[2], ready[2];
	pid_t pid;
	char c;

	NEED(!pipe2(fds, O_CLOEXEC) && !pipe2(ready, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		close(fds[1]);
		if (!fork()) {
			if (write(ready[1], "", 1) == 1 && read(fds[0], &c, 1) >= 0)
				_exit(0);
		}
		while (wait(NULL) > 0)
			;
		_exit(0);
	}
	CHECK_INT(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	close(fds[0]);
	*hold = fds[1];
	return pid;
}

TEST(a_tree_is_read_stopped_and_goes_on)
{
	int procfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), hold, status;
	struct members m = {NULL, 0, 0};
	pid_t root = start_tree(&hold);
	struct err e = ERR_INIT;

	CHECK_OK(e, members_read_tree(procfd, root, &m, &e));
	CHECK_INT(m.n, 2);
	CHECK_INT(members_threads(&m), 2);
	CHECK_INT(members_stop(procfd, &m), 2);
	CHECK_INT(waitpid(root, &status, WUNTRACED), root);
	CHECK(WIFSTOPPED(status));
	CHECK_OK(e, members_read_tree(procfd, root, &m, &e));
	CHECK_INT(members_stop(procfd, &m), 0); /* remembered */
	members_continue(procfd, &m);
	CHECK_INT(waitpid(root, &status, WCONTINUED), root);
	CHECK(WIFCONTINUED(status));
	close(hold);
	CHECK_INT(waitpid(root, &status, 0), root);
	m.list[0].pid = root; /* whoever it is now, it is not he */
	CHECK_INT(member_signal(procfd, &m.list[0], SIGKILL), -1);
	CHECK_OK(e, members_read_tree(procfd, root, &m, &e));
	CHECK_INT(m.n, 0);
	members_release(&m);
	close(procfd);
}
