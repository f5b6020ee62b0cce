/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_host.c - what is said of kernels, file systems and refusals
 */
#include "unit.h"

#include "base/log.h"
#include "ns/host.h"

#include <errno.h>

TEST(kernel_releases)
{
	static const struct {
		const char *release;
		bool ok;
	} cases[] = {
		{ "5.11.0", true }, { "5.11", true }, { "5.10.0-21-amd64", false }, { "4.19.0", false },
		{ "6.1.0-rc1+", true }, { "10.0", true }, { "5.4.0-1.el7", false }, { "6", true }, { "5", false },
		{ "5.", false }, { "5.x", false }, { "99999999999999999999.1", true }, { "", true }, { "odd", true },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		if (host_release_at_least(cases[i].release, 5, 11) != cases[i].ok)
			unit_fail(__FILE__, __LINE__, "%s", cases[i].release);
}

TEST(file_systems)
{
	const char *name;

	CHECK_INT(host_fs_judge(0x6969, &name), HOST_FS_REFUSED);
	CHECK_STR(name, "NFS");
	CHECK_INT(host_fs_judge(0xFF534D42UL, &name), HOST_FS_DOUBTFUL);
	/* f_type is signed on some machines, and then sign-extended. */
	CHECK_INT(host_fs_judge((unsigned long)(long)(int32_t)0xFE534D42, &name), HOST_FS_DOUBTFUL);
	CHECK_INT(host_fs_judge(0xEF53, &name), HOST_FS_GOOD); /* ext4 */
	CHECK_INT(host_fs_judge(0x9123683E, &name), HOST_FS_GOOD); /* btrfs */
	CHECK_INT(host_fs_judge(0x58465342, &name), HOST_FS_GOOD); /* xfs */
	CHECK_INT(host_fs_judge(0x01021994, &name), HOST_FS_GOOD); /* tmpfs */
}

TEST(a_directory_of_this_machine_will_do)
{
	struct err e = ERR_INIT;

	CHECK_OK(e, host_check_data_root(tmp_dirfd(), tmp_path(), &e));
	CHECK_INT(host_check_data_root(-1, "x", &e), -1);
	CHECK_INT(e.code, EBADF);
}

TEST(refused_namespaces_in_rootlesskits_words)
{
	static const char text[] = "[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: ";
	static const struct {
		int code;
		const char *words;
	} cases[] = { { EPERM, "operation not permitted" }, { ENOSPC, "no space left on device" },
		{ EINVAL, "invalid argument" } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *want = xasprintf("%s%s", text, cases[i].words);
		struct err e = ERR_INIT;

		err_set(&e, cases[i].code, "making a user and a mount namespace");
		host_explain_unshare(&e);
		CHECK(!strncmp(e.msg, want, strlen(want)));
		CHECK(*e.hint);
	}
	struct err other = ERR_INIT;
	err_set(&other, ENOMEM, "making a user and a mount namespace");
	host_explain_unshare(&other);
	CHECK(strstr(other.msg, "making a user"));
}
