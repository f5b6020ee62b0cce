/* SPDX-License-Identifier: MIT */
/* core/limits/duty.c - see duty.h */
#include "limits/duty.h"
#include "base/clock.h"

#define STEP_MIN_NS (2 * NS_PER_MS)
#define STOP_MAX_NS NS_PER_S /* a share so small that a slice takes longer gets shorter slices */

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
	return v < low ? low : v > high ? high : v;
}

/* Time until the bucket, at @rate ns per second, has gained @ns. */
static int64_t time_for(int64_t ns, int64_t rate)
{
	return (int64_t)((double)ns * NS_PER_S / (double)rate);
}

static int64_t period_ns(const struct duty *d)
{
	return (d->period_ms ? d->period_ms : DUTY_PERIOD_MS) * NS_PER_MS;
}

static void account(struct duty *d, int64_t now_ns, uint64_t used_ns)
{
	int64_t room = (int64_t)((double)d->share_ns * (double)period_ns(d) / NS_PER_S);

	if (!d->at_ns) {
		d->balance_ns = room;
	} else {
		d->balance_ns += (int64_t)((double)d->share_ns * (double)(now_ns - d->at_ns) / NS_PER_S);
		if (used_ns > d->used_ns)
			d->balance_ns -= (int64_t)(used_ns - d->used_ns);
		if (d->balance_ns > room)
			d->balance_ns = room;
	}
	d->at_ns = now_ns;
	d->used_ns = used_ns;
}

int64_t duty_step(struct duty *d, int64_t now_ns, uint64_t used_ns, unsigned int cpus)
{
	/* Half a period's worth: stops and continues twenty times a second at most. */
	int64_t slice = (int64_t)((double)d->share_ns * (double)period_ns(d) / 2 / NS_PER_S);

	int64_t drain = (int64_t)cpus * NS_PER_S - d->share_ns; /* of the bucket, if all CPUs were theirs */

	account(d, now_ns, used_ns);
	if (d->stop)
		d->stop = d->balance_ns < slice;
	else /* what is left and would not last until the next look is kept for the next slice */
		d->stop = d->balance_ns <= 0 || (drain > 0 && time_for(d->balance_ns, drain) < STEP_MIN_NS / 2);
	if (d->stop)
		return clamp(time_for(slice - d->balance_ns, d->share_ns), STEP_MIN_NS, STOP_MAX_NS);
	return drain > 0 ? clamp(time_for(d->balance_ns, drain), STEP_MIN_NS, period_ns(d)) : period_ns(d);
}
