/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/affinity.c - a process starts on some of the CPUs, where no cpuset holds it there
 *
 * What it starts is held by the same, but any of them may choose others (sched_setaffinity(2)).
 */
#include "runtime/inside.h"

#include <errno.h>
#include <sched.h>

int affinity_set(const char *list, struct err *e)
{
	struct span rest = span_of(list), item, last;
	uint64_t from, to;
	cpu_set_t set;
	ssize_t dash;

	CPU_ZERO(&set);
	while (span_token(&rest, ',', &item)) {
		dash = span_chr(item, '-');
		last = dash >= 0 ? span_cut(&item, (size_t)dash) : item;
		if (parse_u64(item, CPU_SETSIZE - 1, &from) || parse_u64(last, CPU_SETSIZE - 1, &to))
			return err_kind(e, ERR_INVALID, "'%.64s' is no list of CPUs", list);
		for (; from <= to; from++)
			CPU_SET(from, &set);
	}
	return sched_setaffinity(0, sizeof(set), &set) ? err_errno(e, errno, "choosing CPUs %.64s", list) : 0;
}
