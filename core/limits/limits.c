/* SPDX-License-Identifier: MIT */
/* core/limits/limits.c - see limits.h */
#include "limits/limits.h"
#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SHARES_MIN 2 /* the range of cpu.shares, cgroup v1 */
#define SHARES_MAX 262144
#define LIST_TEXT_MAX 4096 /* bytes of a list of CPUs */
#define DEVICES_MAX 1024   /* that have limits of their own */

static const char *const names[CONTROLLERS] = {"cpu", "cpuset", "memory", "pids", "io", "hugetlb"};

unsigned int controllers_parse(struct span list)
{
	unsigned int set = 0;
	struct span word;
	size_t i;

	while (list.n && (list.p[list.n - 1] == '\n'))
		list.n--;
	while (span_token(&list, ' ', &word))
		for (i = 0; i < CONTROLLERS; i++)
			if (span_eqs(word, names[i]))
				set |= 1U << i;
	return set;
}

void controllers_print(unsigned int set, const char *sep, struct buf *out)
{
	const char *between = "";
	size_t i;

	for (i = 0; i < CONTROLLERS; i++) {
		if (!(set & 1U << i))
			continue;
		buf_adds(out, between);
		buf_adds(out, names[i]);
		between = sep;
	}
}

/* A curve through both ends and the default, as runc has it since 1.3.2. */
int64_t cpu_weight_of_shares(int64_t shares)
{
	double l;

	if (shares <= SHARES_MIN)
		return 1;
	if (shares >= SHARES_MAX)
		return 10000;
	l = log2((double)shares);
	return (int64_t)ceil(pow(10, (l * l + 125 * l) / 612 - 7.0 / 34));
}

/* --- parsing --------------------------------------------------------------------------------------- */

/* 0 stays 0, less is no limit. */
static int64_t limit_of(const json_t *o, const char *key)
{
	int64_t v = json_int(o, key, 0);

	return v < 0 ? LIMIT_NONE : v;
}

/* "0,2-4": digits, commas and dashes, which is all that we hand on. */
static int copy_list(const json_t *o, const char *key, char **list, struct err *e)
{
	const char *text = json_str(o, key, "");

	*list = NULL;
	if (!*text)
		return 0;
	if (strlen(text) > LIST_TEXT_MAX || text[strspn(text, "0123456789,-")])
		return err_kind(e, ERR_INVALID, "cpu.%s: '%.64s' is no list of numbers", key, text);
	*list = xstrdup(text);
	return 0;
}

static int parse_cpu(const json_t *o, struct limits *l, struct err *e)
{
	int64_t shares = json_int(o, "shares", 0), period = json_int(o, "period", 0);

	l->cpu_quota = limit_of(o, "quota");
	l->cpu_period = period > 0 ? period : CPU_PERIOD_US;
	l->cpu_weight = shares > 0 ? cpu_weight_of_shares(shares) : 0;
	if (!l->cpu_quota && period > 0)
		l->cpu_quota = LIMIT_NONE; /* the period alone is settable, too */
	return copy_list(o, "cpus", &l->cpus, e) || copy_list(o, "mems", &l->mems, e) ? -1 : 0;
}

/* In OCI, "swap" is memory and swap together. */
static int parse_memory(const json_t *o, struct limits *l, struct err *e)
{
	int64_t both = limit_of(o, "swap");

	l->memory = limit_of(o, "limit");
	l->memory_low = limit_of(o, "reservation");
	if (!both)
		return 0;
	if (both == LIMIT_NONE) {
		l->swap = LIMIT_NONE;
		return 0;
	}
	if (!l->memory || l->memory == LIMIT_NONE)
		return err_kind(e, ERR_INVALID, "a limit for swap needs one for memory");
	if (both < l->memory)
		return err_kind(e, ERR_INVALID, "memory and swap together cannot be less than memory");
	l->swap = both - l->memory;
	l->no_swap = !l->swap;
	return 0;
}

static int add_devices(const json_t *o, const char *key, const char *what, enum io_knob knob,
	struct limits *l, struct err *e)
{
	const json_t *list = json_arr(o, key), *v;
	size_t i;

	if (!list)
		return 0;
	if (json_array_size(list) + l->n_io > DEVICES_MAX)
		return err_kind(e, ERR_INVALID, "blockIO.%s: more than %d devices", key, DEVICES_MAX);
	l->io = xreallocarray(l->io, l->n_io + json_array_size(list) + 1, sizeof(*l->io));
	json_array_foreach(list, i, v) {
		int64_t major = json_int(v, "major", -1), minor = json_int(v, "minor", -1);
		int64_t value = json_int(v, what, 0);

		if (major < 0 || major > UINT32_MAX || minor < 0 || minor > UINT32_MAX || value < 0)
			return err_kind(e, ERR_INVALID, "blockIO.%s: a bad device or %s", key, what);
		if (value)
			l->io[l->n_io++] = (struct io_limit){knob, (unsigned int)major, (unsigned int)minor,
				(uint64_t)value};
	}
	return 0;
}

static int parse_io(const json_t *o, struct limits *l, struct err *e)
{
	int64_t weight = json_int(o, "weight", 0);

	if (weight && (weight < 10 || weight > 1000))
		return err_kind(e, ERR_INVALID, "blockIO.weight: %lld is not between 10 and 1000",
			(long long)weight);
	l->io_weight = (unsigned int)weight;
	return add_devices(o, "weightDevice", "weight", IO_WEIGHT, l, e) ||
			add_devices(o, "throttleReadBpsDevice", "rate", IO_RBPS, l, e) ||
			add_devices(o, "throttleWriteBpsDevice", "rate", IO_WBPS, l, e) ||
			add_devices(o, "throttleReadIOPSDevice", "rate", IO_RIOPS, l, e) ||
			add_devices(o, "throttleWriteIOPSDevice", "rate", IO_WIOPS, l, e) ?
		-1 :
		0;
}

static int parse_huge(const json_t *list, struct limits *l, struct err *e)
{
	const json_t *v;
	size_t i;

	if (json_array_size(list) > 16)
		return err_kind(e, ERR_INVALID, "hugepageLimits: more sizes than there are");
	l->huge = xcalloc(json_array_size(list) + 1, sizeof(*l->huge));
	json_array_foreach(list, i, v) {
		const char *size = json_str(v, "pageSize", "");
		struct huge_limit *h = &l->huge[l->n_huge++];

		/* It becomes part of a file's name. */
		if (!*size || strlen(size) >= sizeof(h->size) || size[strspn(size, "0123456789KMGB")])
			return err_kind(e, ERR_INVALID, "hugepageLimits: a page size of '%.32s'", size);
		snprintf(h->size, sizeof(h->size), "%s", size);
		h->bytes = (uint64_t)json_int(v, "limit", 0);
	}
	return 0;
}

int limits_parse(const json_t *resources, struct limits *l, struct err *e)
{
	*l = (struct limits){0};
	l->pids = limit_of(json_obj(resources, "pids"), "limit");
	if (!parse_cpu(json_obj(resources, "cpu"), l, e) && !parse_memory(json_obj(resources, "memory"), l, e) &&
		!parse_io(json_obj(resources, "blockIO"), l, e) &&
		!parse_huge(json_arr(resources, "hugepageLimits"), l, e))
		return 0;
	limits_release(l);
	return -1;
}

void limits_release(struct limits *l)
{
	free(l->cpus);
	free(l->mems);
	free(l->io);
	free(l->huge);
	*l = (struct limits){0};
}

/* --- who holds them -------------------------------------------------------------------------------- */

unsigned int limits_controllers(const struct limits *l)
{
	return (l->cpu_quota || l->cpu_weight ? CONTROL_CPU : 0U) | (l->cpus || l->mems ? CONTROL_CPUSET : 0U) |
		(l->memory || l->swap || l->no_swap || l->memory_low ? CONTROL_MEMORY : 0U) |
		(l->pids ? CONTROL_PIDS : 0U) | (l->io_weight || l->n_io ? CONTROL_IO : 0U) |
		(l->n_huge ? CONTROL_HUGETLB : 0U);
}

struct soft_limits limits_soft(const struct limits *l, unsigned int controllers)
{
	struct soft_limits s = {0, 0};

	if (!(controllers & CONTROL_CPU) && l->cpu_quota > 0 && l->cpu_quota != LIMIT_NONE)
		s.cpu_ns = (int64_t)((double)l->cpu_quota * NS_PER_S / (double)l->cpu_period);
	if (!(controllers & CONTROL_MEMORY) && l->memory > 0 && l->memory != LIMIT_NONE)
		s.memory = (uint64_t)l->memory;
	return s;
}
