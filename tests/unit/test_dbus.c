/* SPDX-License-Identifier: MIT */
/* tests/unit/test_dbus.c - D-Bus as it is on the wire, and limits as the runtime-spec has them */
#include "unit.h"

#include "limits/cgroup.h"
#include "limits/dbus_conn.h"
#include "limits/limits.h"

/* A JobRemoved signal of a service manager, in both byte orders. */
static void put_signal(struct buf *b, bool big)
{
	static const char head_l[] = "l\4\1\1\x3c\0\0\0\x2a\0\0\0\x89\0\0\0", head_b[] = "B\4\1\1\0\0\0\x3c\0\0\0\x2a\0\0\0\x89";

	buf_add(b, big ? head_b : head_l, 16);
}

TEST(a_call_is_written_as_the_specification_has_it)
{
	static const char want[] =
		"l\1\0\1\0\0\0\0\1\0\0\0\x6d\0\0\0"
		"\1\1o\0\x15\0\0\0/org/freedesktop/DBus\0\0\0"
		"\2\1s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0"
		"\3\1s\0\5\0\0\0Hello\0\0\0"
		"\6\1s\0\x14\0\0\0org.freedesktop.DBus\0\0\0\0";
	static const struct dbus_call hello = {"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello",
		NULL, 0};
	cleanup_buf struct buf out = BUF_INIT;

	dbus_put_call(&out, 1, &hello, NULL);
	CHECK_INT(out.n, sizeof(want) - 1);
	CHECK(out.n == sizeof(want) - 1 && !memcmp(out.p, want, out.n));
}

TEST(values_are_aligned)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct dbus_reader r;
	size_t array;

	dbus_put_byte(&b, 1);
	dbus_put_u64(&b, 0x1122334455667788);
	dbus_put_string(&b, "abc");
	array = dbus_put_array(&b, 8);
	dbus_put_struct(&b);
	dbus_put_string(&b, "k");
	dbus_put_bool(&b, true);
	dbus_end_array(&b, array, 8);
	r = (struct dbus_reader){.p = (const uint8_t *)b.p, .n = b.n};
	CHECK_INT(dbus_get_byte(&r), 1);
	CHECK(dbus_get_u64(&r) == 0x1122334455667788);
	CHECK(span_eqs(dbus_get_string(&r), "abc"));
	CHECK_INT(dbus_get_array(&r, 8), b.n);
	dbus_get_struct(&r);
	CHECK(span_eqs(dbus_get_string(&r), "k"));
	CHECK_INT(dbus_get_u32(&r), 1);
	CHECK(!r.bad && r.at == r.n);
	dbus_get_byte(&r);
	CHECK(r.bad);
}

TEST(a_message_that_is_cut_off_wants_more)
{
	static const struct dbus_call call = {"a.b", "/", "a.b", "C", "s", 0};
	cleanup_buf struct buf body = BUF_INIT, out = BUF_INIT;
	struct dbus_message m;
	size_t n;

	dbus_put_string(&body, "text");
	dbus_put_call(&out, 5, &call, &body);
	for (n = 0; n < out.n; n++)
		CHECK_INT(dbus_parse(guarded(out.p, n), n, &m), 0);
	CHECK_INT(dbus_parse(guarded(out.p, out.n), out.n, &m), out.n);
	CHECK(span_eqs(m.member, "C"));
	CHECK(span_eqs(dbus_get_string(&m.body), "text"));
}

TEST(what_is_no_message_is_refused)
{
	static const struct dbus_call call = {"a.b", "/", "a.b", "C", NULL, 0};
	cleanup_buf struct buf out = BUF_INIT;
	struct dbus_message m;

	dbus_put_call(&out, 5, &call, NULL);
	out.p[0] = 'x';
	CHECK_INT(dbus_parse(out.p, out.n, &m), -1);
	out.p[0] = 'l';
	out.p[3] = 2; /* version */
	CHECK_INT(dbus_parse(out.p, out.n, &m), -1);
	out.p[3] = 1;
	out.p[8] = 0; /* serial */
	CHECK_INT(dbus_parse(out.p, out.n, &m), -1);
	out.p[8] = 5;
	out.p[7] = 1; /* a body of 16 MiB */
	CHECK_INT(dbus_parse(out.p, out.n, &m), -1);
	out.p[7] = 0;
	out.p[20] = 0x7f; /* a path that is longer than the header */
	CHECK_INT(dbus_parse(out.p, out.n, &m), -1);
}

TEST(either_byte_order_is_read)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct dbus_message m;

	put_signal(&b, false);
	CHECK_INT(dbus_parse(b.p, b.n, &m), 0);
	buf_reset(&b);
	put_signal(&b, true);
	CHECK_INT(dbus_parse(b.p, b.n, &m), 0);
	CHECK_INT(m.serial, 42);
}

TEST(addresses_of_a_bus)
{
	static const char *const cases[][2] = {
		{"unix:path=/run/user/1000/bus", "/run/user/1000/bus"},
		{"tcp:host=x;unix:guid=1,path=/a%2fb", "/a/b"},
		{"unix:abstract=/tmp/dbus-x,guid=1", "@/tmp/dbus-x"},
		{"unix:path=/a%00b", NULL},
		{"unixexec:path=x", NULL},
		{"", NULL},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *path = dbus_address_path(cases[i][0]);

		CHECK_STR(path, cases[i][1]);
	}
}

/* --- limits ------------------------------------------------------------------------------------------- */

static int parse(const char *text, struct limits *l)
{
	cleanup_json json_t *j = json_parse(text, strlen(text), NULL);

	return j ? limits_parse(j, l, NULL) : -1;
}

TEST(resources_are_parsed)
{
	struct limits l;

	NEED(!parse("{\"cpu\":{\"shares\":512,\"quota\":50000,\"period\":100000,\"cpus\":\"0-1\"},"
		    "\"memory\":{\"limit\":33554432,\"swap\":67108864,\"reservation\":16777216},\"pids\":{\"limit\":-1},"
		    "\"blockIO\":{\"weight\":500,\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":1,\"rate\":1048576}]},"
		    "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4194304}]}", &l));
	CHECK_INT(l.cpu_quota, 50000);
	CHECK_INT(l.cpu_weight, 59);
	CHECK_STR(l.cpus, "0-1");
	CHECK_INT(l.memory, 33554432);
	CHECK_INT(l.swap, 33554432);
	CHECK_INT(l.memory_low, 16777216);
	CHECK(l.pids == LIMIT_NONE);
	CHECK_INT(l.n_io, 1);
	CHECK_INT(l.io[0].knob, IO_RBPS);
	CHECK_INT(l.n_huge, 1);
	CHECK_INT(limits_controllers(&l), 63);
	CHECK_INT(limits_soft(&l, CONTROL_MEMORY).cpu_ns, 500000000);
	CHECK_INT(limits_soft(&l, CONTROL_MEMORY).memory, 0);
	CHECK_INT(limits_soft(&l, 0).memory, 33554432);
	limits_release(&l);
	NEED(!limits_parse(NULL, &l, NULL));
	CHECK_INT(limits_controllers(&l), 0);
	limits_release(&l);
}

TEST(resources_that_make_no_sense_are_refused)
{
	static const char *const bad[] = {
		"{\"memory\":{\"swap\":1000}}",
		"{\"memory\":{\"limit\":2000,\"swap\":1000}}",
		"{\"cpu\":{\"cpus\":\"0\\n1\"}}",
		"{\"blockIO\":{\"weight\":5}}",
		"{\"blockIO\":{\"weightDevice\":[{\"major\":-1,\"minor\":0,\"weight\":500}]}}",
		"{\"hugepageLimits\":[{\"pageSize\":\"../x\",\"limit\":1}]}",
		"{\"hugepageLimits\":[{\"pageSize\":\"1234567890123456\",\"limit\":1}]}",
	};
	struct limits l;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(parse(bad[i], &l) < 0);
}

TEST(shares_become_a_weight)
{
	CHECK_INT(cpu_weight_of_shares(2), 1);
	CHECK_INT(cpu_weight_of_shares(1024), 100);
	CHECK_INT(cpu_weight_of_shares(262144), 10000);
	CHECK_INT(cpu_weight_of_shares(1 << 30), 10000);
	CHECK(cpu_weight_of_shares(2048) > 100 && cpu_weight_of_shares(512) < 100);
}

TEST(files_of_a_cgroup_are_read)
{
	static const char events[] = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\n";

	CHECK_INT(cgroup_parse((struct span){events, sizeof(events) - 1}, "oom_kill", 0), 2);
	CHECK_INT(cgroup_parse((struct span){events, sizeof(events) - 1}, "oom", 0), 3);
	CHECK_INT(cgroup_parse((struct span){events, sizeof(events) - 1}, "nothing", 7), 7);
	CHECK(cgroup_parse(SPAN("max\n"), NULL, 0) == UINT64_MAX);
	CHECK_INT(cgroup_parse(SPAN("4096\n"), NULL, 0), 4096);
	CHECK_INT(cgroup_parse(SPAN(""), NULL, 5), 5);
	CHECK_INT(controllers_parse(SPAN("cpuset cpu rdma pids misc\n")), CONTROL_CPU | CONTROL_CPUSET | CONTROL_PIDS);
}
