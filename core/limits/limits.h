/* SPDX-License-Identifier: MIT */
/*
 * core/limits/limits.h - the limits of a container, whoever holds them
 *
 * Theory of operation
 *   A limit is asked for in the words of the OCI runtime-spec ("linux.resources"), which is parsed once
 *   into the plain struct below.  Who holds it is decided for each controller of cgroup v2 apart:
 *
 *	the kernel	where the container's own cgroup has that controller: cgroup.h writes the files.
 *			systemd.h or the file system alone made that cgroup
 *	the monitor	else, for CPU time and memory: soft.h
 *	a user namespace  else, for the number of processes: the kernel counts there, too
 *			(core/runtime/pidcage.c)
 *	nobody		else, and who asked is told
 *
 *   So a user whose manager has only "memory" and "pids" gets those from the kernel, and --cpus from
 *   the monitor.
 */
#ifndef LIMITS_LIMITS_H
#define LIMITS_LIMITS_H

#include "base/err.h"
#include "base/json.h"
#include "limits/soft.h"

#include <stdbool.h>
#include <stdint.h>

/* The controllers of cgroup v2 that have limits of ours, as bits. */
enum {
	CONTROL_CPU = 1,
	CONTROL_CPUSET = 2,
	CONTROL_MEMORY = 4,
	CONTROL_PIDS = 8,
	CONTROL_IO = 16,
	CONTROL_HUGETLB = 32,
};
#define CONTROLLERS 6
/* "cpu memory pids" -> bits; others are left out */
unsigned int controllers_parse(struct span list);
/* Append the names, with @sep between. */
void controllers_print(unsigned int set, const char *sep, struct buf *out);

#define CPU_PERIOD_US 100000 /* cpu.max(cgroup-v2), as Docker's default */
#define LIMIT_NONE INT64_MAX	   /* a limit lifted: "max" */

enum io_knob { IO_WEIGHT, IO_RBPS, IO_WBPS, IO_RIOPS, IO_WIOPS };

struct io_limit {
	enum io_knob knob;
	unsigned int major, minor;
	uint64_t value;
};

struct huge_limit {
	char size[16]; /* of the pages, as the kernel names it: "2MB" */
	uint64_t bytes;
};

/* Zero, or empty: not asked for. */
struct limits {
	int64_t cpu_quota;  /* microseconds of CPU time in each period, or LIMIT_NONE */
	int64_t cpu_period; /* microseconds */
	int64_t cpu_weight; /* 1 to 10000, as cpu.weight */
	char *cpus, *mems;  /* lists as "0-3,5" */
	int64_t memory;	    /* bytes, or LIMIT_NONE */
	int64_t swap;	    /* bytes beside memory, or LIMIT_NONE */
	bool no_swap;	    /* and none at all */
	int64_t memory_low; /* bytes not taken away while others have more */
	int64_t pids;	    /* tasks, or LIMIT_NONE */
	unsigned int io_weight; /* 10 to 1000, as BFQ counts */
	struct io_limit *io;
	size_t n_io;
	struct huge_limit *huge;
	size_t n_huge;
};

/**
 * limits_parse() - Read the limits of an OCI "resources" object
 * @resources:	May be NULL: no limits
 *
 * Return: 0, release @l; or -1 with @e (kind ERR_INVALID) and nothing to release
 */
int limits_parse(const json_t *resources, struct limits *l, struct err *e);
void limits_release(struct limits *l);

/* Which controllers would be needed. */
unsigned int limits_controllers(const struct limits *l);
/* What is left to the monitor where the kernel has @controllers. */
struct soft_limits limits_soft(const struct limits *l, unsigned int controllers);

/* cpu.weight for cpu.shares of cgroup v1: the default 1024 is the default 100, 2 is 1, 262144 is 10000. */
int64_t cpu_weight_of_shares(int64_t shares);

#endif
