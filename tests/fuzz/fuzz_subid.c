/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_subid.c - whatever is in /etc/subuid, a map the kernel takes comes out
 *
 * The first byte chooses who asks; the rest is the file, and what getsubids says.
 */
#include "base/log.h"
#include "base/str.h"
#include "ns/ns.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_map(const struct idmap *m, uint32_t own)
{
	char text[IDMAP_TEXT_MAX];
	uint64_t next = 0;

	if (m->n < 1 || m->n > IDMAP_EXTENTS_MAX || m->at[0].outside != own || m->at[0].count != 1)
		abort();
	if (idmap_format(m, text, sizeof(text)) < 0)
		abort();
	for (size_t i = 0; i < m->n; i++) {
		const struct idmap_extent *a = &m->at[i];

		if (!a->count || a->inside != next || (uint64_t)a->outside + a->count > UINT32_MAX)
			abort();
		next += a->count;
		if (next > UINT32_MAX)
			abort();
		for (size_t k = 0; k < i; k++) {
			const struct idmap_extent *b = &m->at[k];

			if (a->outside < (uint64_t)b->outside + b->count &&
				b->outside < (uint64_t)a->outside + a->count)
				abort();
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t own[] = { 1000, 0, 4294967294, 100005 };
	struct buf lines = BUF_INIT;
	struct idmap m;
	struct err e = ERR_INIT;
	char path[64];
	uint32_t id;
	int fd;

	if (!size)
		return 0;
	log_set_level(LOG_ERROR);
	id = own[*data % ARRAY_SIZE(own)];
	fd = memfd_create("subuid", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	idmap_compute(path, 1000, "me", id, &m, &e);
	check_map(&m, id);
	/* What the map took from the file was given there. */
	for (size_t i = 1; i < m.n; i++)
		if (subid_covers(path, 1000, "me", m.at[i].outside, m.at[i].count, &e) != 1)
			abort();
	close(fd);
	subid_from_getsubids((struct span){(const char *)data + 1, size - 1}, 1000, &lines);
	idmap_compute_text((struct span){lines.p, lines.n}, "subuid", 1000, "me", id, &m, &e);
	check_map(&m, id);
	buf_release(&lines);
	return 0;
}
