/* SPDX-License-Identifier: MIT */
/* core/limits/soft.c - see soft.h */
#include "limits/soft.h"
#include "base/clock.h"
#include "base/fs.h"
#include "limits/cgroup.h"
#include "limits/memory.h"

#include <signal.h>
#include <unistd.h>

#define MANY 8 /* processes: a look at more costs too much to have it that often */
#define SEARCHES_MAX 64 /* somebody outside could feed us new processes for ever */

static void stop_all(struct soft *s)
{
	int searches = 0;

	while (members_stop(s->procfd, &s->members) && searches++ < SEARCHES_MAX) {
		if (members_read(s->procfd, &s->members, NULL))
			return;
	}
}

static int64_t hold_cpu_of_cgroup(struct soft *s, int64_t now)
{
	bool stopped = s->duty.stop;
	uint64_t used = cgroup_read(s->cgroup, "cpu.stat", "usage_usec", 0) * 1000;
	int64_t pause = duty_step(&s->duty, now, used, (unsigned int)sysconf(_SC_NPROCESSORS_ONLN));

	if (s->duty.stop != stopped)
		cgroup_write(s->cgroup, "cgroup.freeze", s->duty.stop ? "1" : "0");
	return pause;
}

static int64_t hold_cpu(struct soft *s, int64_t now)
{
	int64_t pause;

	if (s->cgroup >= 0)
		return hold_cpu_of_cgroup(s, now);
	s->duty.period_ms = s->members.n > MANY ? 2 * DUTY_PERIOD_MS : 0;
	pause = duty_step(&s->duty, now, members_cpu_ns(&s->members), members_cpus(&s->members));

	if (s->duty.stop)
		stop_all(s);
	else
		members_continue(s->procfd, &s->members);
	return pause;
}

static int64_t hold_memory(struct soft *s)
{
	size_t largest;
	uint64_t used = memory_used(s->procfd, &s->members, s->limits.memory, &largest);

	if (used > s->limits.memory && !member_signal(s->procfd, &s->members.list[largest], SIGKILL))
		s->oom_killed = true;
	return memory_pause_ns(used, s->limits.memory);
}

void soft_step(struct soft *s)
{
	int64_t now = clock_mono_ns(), pause = INT64_MAX, one;

	s->next_ns = INT64_MAX;
	if (s->procfd < 0 || (!s->limits.cpu_ns && !s->limits.memory))
		return;
	if ((s->limits.memory || s->cgroup < 0) && members_read(s->procfd, &s->members, NULL)) {
		s->next_ns = now + NS_PER_S;
		return;
	}
	if (s->limits.memory)
		pause = hold_memory(s);
	if (s->limits.cpu_ns && (one = hold_cpu(s, now)) < pause)
		pause = one;
	s->next_ns = now + pause;
}

void soft_resume(struct soft *s)
{
	if (s->cgroup >= 0 && s->duty.stop)
		cgroup_write(s->cgroup, "cgroup.freeze", "0");
	else if (s->procfd >= 0)
		members_continue(s->procfd, &s->members);
	s->duty.stop = false;
}

void soft_change(struct soft *s, const struct soft_limits *limits)
{
	soft_resume(s);
	s->limits = *limits;
	s->duty = (struct duty){.share_ns = limits->cpu_ns};
	s->next_ns = 0;
}

void soft_init(struct soft *s, int procfd, int cgroup, const struct soft_limits *limits)
{
	*s = (struct soft){.procfd = procfd, .cgroup = cgroup};
	soft_change(s, limits);
}

void soft_release(struct soft *s)
{
	soft_resume(s);
	members_release(&s->members);
	fd_close(&s->procfd);
	s->cgroup = -1;
	s->next_ns = INT64_MAX;
}
