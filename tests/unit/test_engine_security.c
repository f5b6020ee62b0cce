/* SPDX-License-Identifier: MIT */
/* --cap-add, --cap-drop and --security-opt; what is wanted was looked at in the real engine. */
#include "unit.h"
#include "engine/validate.h"
#include "runtime/runtime.h"

static json_t *host_of(const char *text)
{
	return json_loads(text, 0, NULL);
}

/* Which of CHOWN (a default), NET_ADMIN (none) and KILL (a default) it gets: "cnk", "-" for each not. */
static const char *caps_of(const char *host, char out[static 4])
{
	static const char *const names[] = {"CAP_CHOWN", "CAP_NET_ADMIN", "CAP_KILL"};
	cleanup_json json_t *h = host_of(host), *caps = caps_effective(h, NULL);
	json_t *v;
	size_t i, k;

	for (i = 0; i < 3; i++) {
		out[i] = '-';
		json_array_foreach(caps, k, v)
			if (!strcmp(json_string_value(v), names[i]))
				out[i] = "cnk"[i];
	}
	out[3] = 0;
	return caps ? out : "refused";
}

TEST(capabilities)
{
	static const struct {
		const char *host, *want;
	} cases[] = {
		{"{}", "c-k"},
		{"{\"CapAdd\":[\"net_admin\"]}", "cnk"},
		{"{\"CapDrop\":[\"CAP_CHOWN\"]}", "--k"},
		{"{\"CapDrop\":[\"ALL\"]}", "---"},
		{"{\"CapDrop\":[\"all\"],\"CapAdd\":[\"chown\"]}", "c--"},
		{"{\"CapAdd\":[\"ALL\"]}", "cnk"},
		{"{\"CapAdd\":[\"ALL\"],\"CapDrop\":[\"NET_ADMIN\"]}", "c-k"},
		{"{\"CapAdd\":[\"CHOWN\"],\"CapDrop\":[\"CHOWN\"]}", "c-k"}, /* added after it was dropped */
		{"{\"Privileged\":true,\"CapDrop\":[\"ALL\"]}", "cnk"},
		{"{\"CapAdd\":[\"FROB\"]}", "refused"},
	};
	char got[4];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(caps_of(cases[i].host, got), cases[i].want);
}

TEST(security_options)
{
	static const struct {
		const char *opt, *error; /* NULL: accepted */
	} cases[] = {
		{"no-new-privileges", NULL}, {"no-new-privileges:false", NULL}, {"disable", NULL},
		{"no-new-privileges=frob", "invalid --security-opt 2: \"no-new-privileges=frob\""},
		{"label=anything", NULL}, {"apparmor=x", NULL}, {"writable-cgroups=true", NULL},
		{"writable-cgroups=frob", "invalid --security-opt 2: \"writable-cgroups=frob\""},
		{"systempaths=unconfined", "invalid --security-opt 2: \"systempaths=unconfined\""},
		{"frob", "invalid --security-opt 1: \"frob\""}, {"", "invalid --security-opt 1: \"\""},
		{"frob=x", "invalid --security-opt 2: \"frob=x\""}, {"seccomp=unconfined", NULL},
	};
	struct security s;
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_json json_t *host = json_pack("{s:[s]}", "SecurityOpt", cases[i].opt);
		int rc = security_parse(host, false, &s, &e);

		CHECK_INT(rc, cases[i].error ? -1 : 0);
		if (rc)
			CHECK_STR(e.msg, cases[i].error ? cases[i].error : "");
	}
}

TEST(security_values)
{
	cleanup_json json_t *host = host_of("{\"SecurityOpt\":[\"apparmor=mine\",\"no-new-privileges=true\","
					    "\"seccomp=builtin\",\"writable-cgroups=1\"]}");
	struct security s;

	CHECK_INT(security_parse(host, false, &s, NULL), 0);
	CHECK_STR(s.apparmor, "mine");
	CHECK(s.no_new_privileges && s.writable_cgroups && !s.seccomp);
}

TEST(sysctls_of_interfaces)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
		{"net.ipv4.conf.eth0.log_martians", false}, {"net.ipv6.neigh.eth1.x", false},
		{"net.ipv4.conf.all.log_martians", true}, {"net.core.somaxconn", true},
		{"net/ipv4/conf/eth0/x", true}, {"kernel.a.b.eth0.c", true},
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_json json_t *host = json_pack("{s:{s:s}}", "Sysctls", cases[i].name, "1");

		CHECK_INT(validate_sysctls(host, &e), cases[i].good ? 0 : -1);
	}
}
