/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/caps.c - capability names and sets, and what Docker gives a container by default
 *
 * Theory of operation
 *   A set is a 64-bit mask.  The kernel's own highest capability is asked once (PR_CAPBSET_READ
 *   fails past it): a kernel older than our table has fewer, a newer one may have more, which
 *   have no name here and so are never granted.
 */
#include "runtime/caps.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
	"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

/* In the order in which the real engine writes them into a container's spec. */
static const char *const defaults[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW",
	"CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE",
	"CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE", NULL,
};

/* Of Docker 28.5; interrupts can be timed to spy on keys pressed outside. */
static const char *const masked[] = {
	"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
	"/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap", NULL,
};

static const char *const readonly[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};

int cap_number(const char *name)
{
	if (strncasecmp(name, "CAP_", 4) == 0)
		name += 4;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcasecmp(names[i] + 4, name) == 0)
			return (int)i;
	}
	return -1;
}

const char *cap_name(unsigned int n)
{
	return n < ARRAY_SIZE(names) ? names[n] : NULL;
}

uint64_t cap_known(void)
{
	static uint64_t known; /* the same whichever thread computes it */
	unsigned int has = 0, hasnt = ARRAY_SIZE(names);

	if (known)
		return known;
	/* Nearly always the kernel has them all: one call, else a few. */
	if (prctl(PR_CAPBSET_READ, hasnt - 1, 0, 0, 0) >= 0)
		has = hasnt - 1;
	while (hasnt - has > 1) {
		unsigned int n = (has + hasnt) / 2;

		if (prctl(PR_CAPBSET_READ, n, 0, 0, 0) >= 0)
			has = n;
		else
			hasnt = n;
	}
	return known = CAP_BIT(hasnt) - 1;
}

int cap_mask(const json_t *list, uint64_t *mask, struct err *e)
{
	uint64_t m = 0;
	size_t i;

	*mask = 0;
	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_kind(e, ERR_INVALID, "capabilities are no list");
	for (i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		int n;

		if (!name)
			return err_kind(e, ERR_INVALID, "a capability is no string");
		n = cap_number(name);
		if (n >= 0)
			m |= CAP_BIT(n);
	}
	*mask = m & cap_known();
	return 0;
}

int cap_set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
			(uint32_t)(inheritable >> 32) },
	};

	return (int)syscall(SYS_capset, &h, d);
}

int cap_get(uint64_t *effective, uint64_t *permitted, uint64_t *inheritable)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return -1;
	*effective = d[0].effective | (uint64_t)d[1].effective << 32;
	*permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	*inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	return 0;
}

/* --- as OCI lists ----------------------------------------------------------------------------- */

static json_t *list_of(const char *const *v)
{
	json_t *list = json_array();

	for (; *v; v++)
		json_append_str(list, *v);
	return list;
}

json_t *runtime_default_caps(void)
{
	return list_of(defaults);
}

json_t *runtime_all_caps(void)
{
	json_t *list = json_array();
	uint64_t known = cap_known();
	unsigned int n;

	/* What is not in our own bounding set cannot be given to anybody. */
	for (n = 0; cap_name(n); n++) {
		if ((known & CAP_BIT(n)) && prctl(PR_CAPBSET_READ, n, 0, 0, 0) == 1)
			json_append_str(list, cap_name(n));
	}
	return list;
}

json_t *runtime_masked_paths(void)
{
	return list_of(masked);
}

json_t *runtime_readonly_paths(void)
{
	return list_of(readonly);
}
