/* SPDX-License-Identifier: MIT */
/*
 * core/limits/driver.h - which cgroups this machine lets us make, and where a container's is
 */
#ifndef LIMITS_DRIVER_H
#define LIMITS_DRIVER_H

#include "limits/limits.h"

enum cgroup_driver_kind { CGROUP_NONE, CGROUP_SYSTEMD, CGROUP_FS };

struct cgroup_driver {
	enum cgroup_driver_kind kind;
	unsigned int controllers; /* that containers' cgroups have */
	char *base;		  /* CGROUP_FS: the cgroup that containers' are below; CGROUP_SYSTEMD: the manager's */
	struct err why;		  /* CGROUP_NONE: what is missing, and what the user can do about it */
};

/**
 * cgroup_driver_open() - Choose a driver
 * @asked:	"systemd", "cgroupfs", "none" or NULL: systemd where the user's manager answers, else
 *		cgroupfs where the cgroup that we are in is ours, else none
 *
 * For cgroupfs, all processes in our own cgroup move into a child of it, "coracle", as no cgroup has both
 * processes and children with controllers.
 *
 * Return: 0, and cgroup_driver_release() it; or -1 with @e: what was asked for cannot be had
 */
int cgroup_driver_open(struct cgroup_driver *d, const char *asked, struct err *e);
void cgroup_driver_release(struct cgroup_driver *d);
const char *cgroup_driver_name(const struct cgroup_driver *d); /* "systemd", "cgroupfs", "none" */

/* Is @parent what --cgroup-parent may be with this driver?  0, or -1 with @e (ERR_INVALID). */
int cgroup_driver_check_parent(const struct cgroup_driver *d, const char *parent, struct err *e);

/**
 * cgroup_driver_describe() - Say where a container's cgroup is to be, for its monitor
 * @parent:	Of --cgroup-parent; "": Docker's default
 *
 * Return: {"unit": "docker-<id>.scope", "slice": …} or {"path": …}; NULL without a driver
 */
json_t *cgroup_driver_describe(const struct cgroup_driver *d, const char *parent, const char *id);

/* Remove what containers left below our own cgroup that are none of @ids (NULL-terminated) any more. */
void cgroup_driver_sweep(const struct cgroup_driver *d, const char *const *ids);

#endif
