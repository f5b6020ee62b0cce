/* SPDX-License-Identifier: MIT */
/* tests/unit/test_base_err.c - the error object: story, cut text, hostile bytes */
#include "unit.h"

#include "base/err.h"

#include <errno.h>

TEST(set_appends_the_errno_text)
{
	struct err e = ERR_INIT;

	CHECK_INT(err_set(&e, ENOENT, "opening %s", "/x"), -1);
	CHECK_STR(e.msg, "opening /x: No such file or directory");
	CHECK_INT(e.code, ENOENT);
	CHECK_INT(e.kind, ERR_FAILED);
	CHECK_INT(err_set(&e, 0, "bad tag '%s'", "X"), -1);
	CHECK_STR(e.msg, "bad tag 'X'");
}

TEST(wrap_reads_from_outer_to_inner)
{
	struct err e = ERR_INIT;

	err_set(&e, EACCES, "mounting /proc");
	err_hint(&e, "try %d", 1);
	CHECK_INT(err_wrap(&e, "starting %s", "web"), -1);
	CHECK_STR(e.msg, "starting web: mounting /proc: Permission denied");
	CHECK_INT(e.code, EACCES);
	CHECK_STR(e.hint, "try 1");
	err_set(&e, 0, "something else");
	CHECK_STR(e.hint, ""); /* a new failure does not inherit advice */
}

TEST(kind_is_kept_by_wrap)
{
	struct err e = ERR_INIT;

	CHECK_INT(err_kind(&e, ERR_NOT_FOUND, "no such image: %s", "x"), -1);
	err_wrap(&e, "pulling");
	CHECK_INT(e.kind, ERR_NOT_FOUND);
	CHECK_STR(e.msg, "pulling: no such image: x");
}

TEST(null_is_accepted)
{
	CHECK_INT(err_set(NULL, EIO, "x"), -1);
	CHECK_INT(err_kind(NULL, ERR_INVALID, "x"), -1);
	CHECK_INT(err_wrap(NULL, "x"), -1);
	CHECK_INT(err_hint(NULL, "x"), -1);
}

TEST(long_text_is_cut_and_keeps_the_context)
{
	struct err e = ERR_INIT;
	char big[3000];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	err_set(&e, ENOSPC, "%s", big);
	CHECK_INT(strlen(e.msg), sizeof(e.msg) - 1);
	err_wrap(&e, "outer");
	CHECK_INT(strlen(e.msg), sizeof(e.msg) - 1);
	CHECK(strncmp(e.msg, "outer: xxx", 10) == 0);
	err_hint(&e, "%s", big);
	CHECK_INT(strlen(e.hint), sizeof(e.hint) - 1);
}

TEST(control_bytes_cannot_drive_a_terminal)
{
	struct err e = ERR_INIT;

	err_set(&e, 0, "bad name '%s'", "\033[2J\a\x7f");
	CHECK_STR(e.msg, "bad name '?[2J?" "?'");
	err_wrap(&e, "image %s", "\033c");
	CHECK_STR(e.msg, "image ?c: bad name '?[2J?" "?'");
	err_hint(&e, "tab\tand\nline stay, \r goes");
	CHECK_STR(e.hint, "tab\tand\nline stay, ? goes");
}
