/* SPDX-License-Identifier: MIT */
/*
 * core/limits/cgroup_knobs.c - limits as the files of a cgroup hold them
 *
 * Each value in the words of cgroup-v2(7).  Memory and swap come in the order in which a change passes:
 * swap before memory, as what does not fit into memory any more may have to go there.
 */
#include "limits/cgroup.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define TEXT_MAX 64

static const char *value_text(int64_t v, char text[static TEXT_MAX])
{
	if (v == LIMIT_NONE)
		return "max";
	snprintf(text, TEXT_MAX, "%lld", (long long)v);
	return text;
}

static int put(int dir, const char *file, const char *text, struct err *e)
{
	if (!cgroup_write(dir, file, text) || errno == ENOENT)
		return 0;
	return err_set(e, errno, "failed to write \"%s\" to the cgroup's %s", text, file);
}

static int put_number(int dir, const char *file, int64_t v, struct err *e)
{
	char text[TEXT_MAX];

	return v ? put(dir, file, value_text(v, text), e) : 0;
}

static int set_cpu(int dir, const struct limits *l, struct err *e)
{
	char quota[TEXT_MAX], text[2 * TEXT_MAX];

	if (put_number(dir, "cpu.weight", l->cpu_weight, e))
		return -1;
	if (!l->cpu_quota)
		return 0;
	snprintf(text, sizeof(text), "%s %lld", value_text(l->cpu_quota, quota), (long long)l->cpu_period);
	return put(dir, "cpu.max", text, e);
}

static int set_cpuset(int dir, const struct limits *l, struct err *e)
{
	if (l->cpus && put(dir, "cpuset.cpus", l->cpus, e))
		return -1;
	return l->mems ? put(dir, "cpuset.mems", l->mems, e) : 0;
}

static int set_memory(int dir, const struct limits *l, struct err *e)
{
	if (l->no_swap ? put(dir, "memory.swap.max", "0", e) : put_number(dir, "memory.swap.max", l->swap, e))
		return -1;
	return put_number(dir, "memory.max", l->memory, e) || put_number(dir, "memory.low", l->memory_low, e) ? -1 :
														0;
}

/* BFQ counts from 1 to 1000, io.weight from 1 to 10000. */
static int64_t io_weight(uint64_t bfq)
{
	return 1 + ((int64_t)bfq - 10) * 9999 / 990;
}

static int set_weight(int dir, const char *device, uint64_t weight, struct err *e)
{
	char text[TEXT_MAX];

	snprintf(text, sizeof(text), "%s%llu", device, (unsigned long long)weight);
	if (!faccessat(dir, "io.bfq.weight", F_OK, 0))
		return put(dir, "io.bfq.weight", text, e);
	snprintf(text, sizeof(text), "%s%lld", device, (long long)io_weight(weight));
	return put(dir, "io.weight", text, e);
}

static int set_io(int dir, const struct limits *l, struct err *e)
{
	static const char *const names[] = {"", "rbps", "wbps", "riops", "wiops"};
	char text[TEXT_MAX];
	size_t i;

	if (l->io_weight && set_weight(dir, "", l->io_weight, e))
		return -1;
	for (i = 0; i < l->n_io; i++) {
		const struct io_limit *d = &l->io[i];

		if (d->knob == IO_WEIGHT) {
			snprintf(text, sizeof(text), "%u:%u ", d->major, d->minor);
			if (set_weight(dir, text, d->value, e))
				return -1;
			continue;
		}
		snprintf(text, sizeof(text), "%u:%u %s=%llu", d->major, d->minor, names[d->knob],
			(unsigned long long)d->value);
		if (put(dir, "io.max", text, e))
			return -1;
	}
	return 0;
}

/* Reservations too, or a mapping that is never touched goes around the limit. */
static int set_huge(int dir, const struct limits *l, struct err *e)
{
	char file[TEXT_MAX], text[TEXT_MAX];
	size_t i;

	for (i = 0; i < l->n_huge; i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)l->huge[i].bytes);
		snprintf(file, sizeof(file), "hugetlb.%s.max", l->huge[i].size);
		if (put(dir, file, text, e))
			return -1;
		snprintf(file, sizeof(file), "hugetlb.%s.rsvd.max", l->huge[i].size);
		if (put(dir, file, text, e))
			return -1;
	}
	return 0;
}

int cgroup_set(int dir, const struct limits *l, unsigned int controllers, struct err *e)
{
	if ((controllers & CONTROL_CPU && set_cpu(dir, l, e)) || (controllers & CONTROL_CPUSET && set_cpuset(dir, l, e)) ||
		(controllers & CONTROL_MEMORY && set_memory(dir, l, e)) ||
		(controllers & CONTROL_PIDS && put_number(dir, "pids.max", l->pids, e)) ||
		(controllers & CONTROL_IO && set_io(dir, l, e)) || (controllers & CONTROL_HUGETLB && set_huge(dir, l, e)))
		return -1;
	return 0;
}
