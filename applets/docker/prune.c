/* SPDX-License-Identifier: MIT */
/* applets/docker/prune.c - see prune.h */
#include "prune.h"

#include "call.h"
#include "units.h"

int prune_kind(struct docker *d, const char *target, const char *title, const char *member,
	const struct strlist *filters, int64_t *reclaimed, struct err *e)
{
	cleanup_json json_t *done = NULL;
	cleanup_buf struct buf to = BUF_INIT;
	const json_t *deleted, *one;
	size_t i;

	buf_adds(&to, target);
	query_filters(&to, filters);
	if (call_post(d, to.p, NULL, &done, e))
		return -1;
	deleted = json_arr(done, member);
	if (json_array_size(deleted))
		printf("%s\n", title);
	json_array_foreach(deleted, i, one) {
		const char *untagged = json_str(one, "Untagged", NULL);

		if (json_is_string(one))
			puts(json_string_value(one));
		else
			printf("%s: %s\n", untagged ? "untagged" : "deleted", untagged ? untagged : json_str(one, "Deleted", ""));
	}
	if (json_array_size(deleted))
		putchar('\n');
	*reclaimed += json_int(done, "SpaceReclaimed", 0);
	return 0;
}

void prune_total(int64_t reclaimed)
{
	cleanup_free char *space = human_size((double)reclaimed, 4);

	printf("Total reclaimed space: %s\n", space);
}
