/* SPDX-License-Identifier: MIT */
/*
 * core/engine/system.h - facts about the host that info, version and start-up checks tell
 */
#ifndef ENGINE_SYSTEM_H
#define ENGINE_SYSTEM_H

#include <stdbool.h>

/* Is the cgroup tree at /sys/fs/cgroup the unified one (v2)? */
bool system_cgroup_v2(void);

#endif
