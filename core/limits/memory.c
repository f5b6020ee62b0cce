/* SPDX-License-Identifier: MIT */
/* core/limits/memory.c - see memory.h */
#include "limits/memory.h"
#include "base/clock.h"
#include "base/fs.h"

#include <stdio.h>
#include <unistd.h>

#define ROLLUP_MAX 2048			/* bytes of smaps_rollup: 25 short lines */
#define FILL_RATE (4ULL << 30)		/* bytes per second */
#define PAUSE_MIN_NS (2 * NS_PER_MS)
#define PAUSE_MAX_NS (250 * NS_PER_MS)

/* "Pss_Anon:           128 kB" -> bytes, or -1 if the line is another. */
static int64_t line_value(struct span line, const char *name)
{
	struct span value, unit;
	uint64_t kb;

	if (!span_starts(line, name))
		return -1;
	value = (struct span){line.p + strlen(name), line.n - strlen(name)};
	value = span_trim(value);
	if (!span_token(&value, ' ', &unit) || parse_u64(unit, UINT64_MAX >> 10, &kb))
		return -1;
	return (int64_t)(kb << 10);
}

uint64_t memory_parse_rollup(struct span text)
{
	int64_t pss = 0, anon = -1, shmem = 0, v;
	struct span line;

	while (span_token(&text, '\n', &line)) {
		if ((v = line_value(line, "Pss:")) >= 0)
			pss = v;
		else if ((v = line_value(line, "Pss_Anon:")) >= 0)
			anon = v;
		else if ((v = line_value(line, "Pss_Shmem:")) >= 0)
			shmem = v;
	}
	return (uint64_t)(anon < 0 ? pss : anon + shmem);
}

/* One that has ended uses nothing. */
static uint64_t used_by(int procfd, pid_t pid)
{
	char name[40], text[ROLLUP_MAX];
	cleanup_close int fd = -1;
	ssize_t n;

	snprintf(name, sizeof(name), "%d/smaps_rollup", (int)pid);
	fd = openat(procfd, name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	return n <= 0 ? 0 : memory_parse_rollup((struct span){text, (size_t)n});
}

uint64_t memory_used(int procfd, const struct members *m, uint64_t limit, size_t *largest)
{
	uint64_t sum = 0, most = 0, one;
	size_t i;

	*largest = 0;
	for (i = 0; i < m->n; i++)
		sum += m->list[i].resident; /* with files, and shared pages more than once */
	if (sum <= limit)
		return sum;
	for (i = sum = 0; i < m->n; i++) {
		one = m->list[i].resident ? used_by(procfd, m->list[i].pid) : 0;
		sum += one;
		if (one > most) {
			most = one;
			*largest = i;
		}
	}
	return sum;
}

int64_t memory_pause_ns(uint64_t used, uint64_t limit)
{
	uint64_t room = used < limit + limit / 2 ? limit + limit / 2 - used : 0;
	int64_t ns = (int64_t)((double)room * NS_PER_S / (double)FILL_RATE);

	return ns < PAUSE_MIN_NS ? PAUSE_MIN_NS : ns > PAUSE_MAX_NS ? PAUSE_MAX_NS : ns;
}
