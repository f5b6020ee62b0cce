/* SPDX-License-Identifier: MIT */
/*
 * core/storage/idhint.c - what to do about ids that the user namespace lacks
 *
 * Theory of operation
 *   An image with a file of user 100000 cannot be unpacked where 65536 subordinate ids are mapped:
 *   chown(2) says EINVAL, and people search the net for that.  Our map says which ids there are,
 *   /etc/subuid which nobody has yet, so the line that helps can be written down.  It adds a range
 *   of its own rather than to make the first one longer: what lies behind that may be another
 *   user's.
 *
 *   The map shows the outer ids as the parent namespace sees them; where that is not the host's
 *   (an engine in a container), the line is right for that container.
 */
#include "storage/idhint.h"
#include "base/fs.h"

#include <pwd.h>
#include <stdio.h>

#define FILE_MAX (1 << 20)
#define STEP 65536 /* ranges are given out in these */
#define FIRST_FREE 100000 /* as useradd(8) begins */

static bool blank_token(struct span *s, struct span *word)
{
	do {
		if (!span_token(s, ' ', word))
			return false;
	} while (!word->n);
	return true;
}

uint64_t idhint_present(struct span map, uint64_t *owner)
{
	struct span line, inside, outside, count;
	uint64_t first, start, n, present = 0;

	*owner = 0;
	while (span_token(&map, '\n', &line)) {
		if (!blank_token(&line, &inside) || !blank_token(&line, &outside) ||
			!blank_token(&line, &count) || parse_u64(inside, UINT32_MAX, &first) ||
			parse_u64(outside, UINT32_MAX, &start) || parse_u64(count, UINT32_MAX, &n))
			continue;
		if (!first)
			*owner = start;
		if (first == present)
			present += n;
	}
	return present;
}

uint64_t idhint_free(struct span file)
{
	uint64_t start, n, top = FIRST_FREE;
	struct span line, owner, first;

	while (span_token(&file, '\n', &line)) {
		if (!span_token(&line, ':', &owner) || !span_token(&line, ':', &first) ||
			parse_u64(first, UINT32_MAX, &start) || parse_u64(line, UINT32_MAX, &n))
			continue;
		if (start + n > top)
			top = start + n;
	}
	return top;
}

/* Hint for one kind of id; true if @id is not mapped. */
static bool hint(const char *map_path, const char *subid_path, const char *kind, uint32_t id,
	struct err *e)
{
	cleanup_buf struct buf map = BUF_INIT, file = BUF_INIT;
	uint64_t present, owner, count;
	const struct passwd *pw;
	char name[64];

	if (file_read_at(AT_FDCWD, map_path, FILE_MAX, &map, NULL))
		return false;
	present = idhint_present((struct span){ map.p, map.n }, &owner);
	if (id < present)
		return false;
	file_read_at(AT_FDCWD, subid_path, FILE_MAX, &file, NULL);
	snprintf(name, sizeof(name), "%llu", (unsigned long long)owner);
	pw = getpwuid((uid_t)owner);
	if (pw && strlen(pw->pw_name) < sizeof(name))
		snprintf(name, sizeof(name), "%s", pw->pw_name);
	count = (id - present) / STEP * STEP + STEP;
	err_hint(e,
		"the image needs %s %u, only 0 to %llu are mapped here: add the line '%s:%llu:%llu' "
		"to %s and restart the engine",
		kind, id, (unsigned long long)present - 1, name,
		(unsigned long long)idhint_free((struct span){ file.p, file.n }),
		(unsigned long long)count, subid_path);
	return true;
}

void idhint_add(uint32_t uid, uint32_t gid, struct err *e)
{
	if (!hint("/proc/self/uid_map", "/etc/subuid", "uid", uid, e))
		hint("/proc/self/gid_map", "/etc/subgid", "gid", gid, e);
}
