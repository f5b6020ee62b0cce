/* SPDX-License-Identifier: MIT */
/* tests/unit/test_engine_logs.c - json-file lines, and tails of rotated files */
#include "unit.h"

#include "engine/logs.h"

/* --- one line -------------------------------------------------------------------------------- */

static int parse(const char *text, struct log_line *l)
{
	return log_line_parse(guarded_str(text), strlen(text), l);
}

TEST(each_line_has_its_own_time)
{
	struct log_line l = {0};

	NEED(!parse("{\"log\":\"a\",\"time\":\"1970-01-01T00:00:01Z\"}", &l));
	CHECK_INT(l.time, NS_PER_S);
	NEED(!parse("{\"log\":\"b\",\"time\":\"1970-01-01T00:00:01Z\"}", &l));
	CHECK_INT(l.time, NS_PER_S);
	NEED(!parse("{\"log\":\"c\",\"time\":\"1970-01-01T00:00:02Z\"}", &l));
	CHECK_INT(l.time, 2 * NS_PER_S);
	CHECK(parse("{\"log\":\"d\"}", &l));
	CHECK(parse("{\"log\":\"e\",\"time\":\"never\"}", &l));
	CHECK(parse("{\"log\":\"e\",\"time\":\"\"}", &l));
}

TEST(a_line_as_the_monitor_writes_it)
{
	struct log_line l = {0};

	NEED(!parse("{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05.000000006Z\"}", &l));
	CHECK_MEM(l.text.p, l.text.n, "hello\n");
	CHECK_MEM(l.stream.p, l.stream.n, "stdout");
	CHECK_INT(l.time % NS_PER_S, 6);
	CHECK_INT(l.attrs.n, 0);
}

TEST(members_in_any_order_and_with_attributes)
{
	struct log_line l = {0};

	NEED(!parse("{ \"time\":\"2026-01-02T03:04:05Z\", \"attrs\":{\"a\":\"}\\\"\",\"b\":{}}, \"stream\":\"stderr\","
		    "\"log\":\"x\" }",
		&l));
	CHECK_MEM(l.attrs.p, l.attrs.n, "{\"a\":\"}\\\"\",\"b\":{}}");
	CHECK_MEM(l.text.p, l.text.n, "x");
	CHECK_MEM(l.stream.p, l.stream.n, "stderr");
}

TEST(escapes)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
		{"a\\\"b\\\\c\\/d", "a\"b\\c/d"}, {"\\b\\f\\n\\r\\t", "\b\f\n\r\t"}, {"\\u0041\\u00e9\\u20ac", "A\xc3\xa9\xe2\x82\xac"},
		{"\\ud83d\\ude00", "\xf0\x9f\x98\x80"}, {"\\ud83dx", "\xef\xbf\xbdx"}, {"\\ude00", "\xef\xbf\xbd"},
		{"", ""},
	};
	struct log_line l = {0};
	char text[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(text, sizeof(text), "{\"log\":\"%s\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}",
			cases[i].json);
		if (CHECK(!parse(text, &l)))
			CHECK_MEM(l.text.p, l.text.n, cases[i].text);
	}
}

TEST(a_nul_in_a_line_is_a_byte)
{
	struct log_line l = {0};

	NEED(!parse("{\"log\":\"a\\u0000b\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}", &l));
	CHECK_INT(l.text.n, 3);
	CHECK(!memcmp(l.text.p, "a\0b", 3));
}

TEST(what_is_no_line)
{
	static const char *const bad[] = {"", "{", "{}", "x", "{\"log\"", "{\"log\":", "{\"log\":\"", "{\"log\":\"a\\",
		"{\"log\":\"a\\u00", "{\"log\":\"a\\x\"}", "{\"log\":\"a\"", "{\"log\":\"a\",", "{\"log\":5}",
		"{\"log\":\"a\",\"stream\":\"stdout\"}", "{\"log\":\"a\",\"time\":\"yesterday\"}", "{\"attrs\":{",
		"{\"attrs\":{\"a\":\"b\"", "[\"log\"]", "{\"log\":\"a\"}x", "{\"time\":\"2026-01-02T03:04:05Z\""};
	struct log_line l = {0};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (!parse(bad[i], &l))
			unit_fail(__FILE__, __LINE__, "taken for a line: %s", bad[i]);
}

/* --- files ----------------------------------------------------------------------------------- */

static struct engine en;
static struct container *c;
static struct buf got = BUF_INIT;

static int collect(void *arg, const void *p, size_t n)
{
	buf_add(&got, p, n);
	return 0;
}

static void write_log(const char *suffix, int first, int last)
{
	cleanup_buf struct buf b = BUF_INIT;
	char path[512];
	int i;

	for (i = first; i <= last; i++)
		buf_addf(&b, "{\"log\":\"%d\\n\",\"stream\":\"%s\",\"time\":\"2026-01-02T03:04:%02d.500000000Z\"}\n", i,
			i % 3 ? "stdout" : "stderr", i % 60);
	snprintf(path, sizeof(path), "containers/%s/%s-json.log%s", c->id, c->id, suffix);
	if (file_write_at(tmp_dirfd(), path, b.p, b.n, 0600, 0, NULL))
		abort();
}

static void set_up(void)
{
	char dir[128];

	if (c)
		return;
	en.config.data_root = xstrdup(tmp_path());
	c = container_new();
	random_id(c->id);
	c->config = json_pack("{s:b}", "Tty", 1);
	c->host = json_pack("{s:{s:s}}", "LogConfig", "Type", "json-file");
	snprintf(dir, sizeof(dir), "containers/%s", c->id);
	fs_mkdir_p_at(tmp_dirfd(), dir, 0700, NULL);
	write_log(".2", 1, 10);
	write_log(".1", 11, 20);
	write_log("", 21, 30);
}

static const char *logs(struct logs_options o)
{
	struct err e = ERR_INIT;

	set_up();
	o.out = true;
	buf_reset(&got);
	if (logs_read(&en, c, &o, -1, collect, NULL, &e))
		buf_adds(&got, e.msg);
	return got.p;
}

TEST(all_lines_of_all_files)
{
	int i, lines = 0;

	logs((struct logs_options){.err = true, .tail = -1});
	for (i = 0; got.p[i]; i++)
		lines += got.p[i] == '\n';
	CHECK_INT(lines, 30);
	CHECK(!strncmp(got.p, "1\n2\n3\n", 6));
	CHECK_STR(got.p + got.n - 6, "29\n30\n");
}

TEST(tails_reach_into_rotated_files)
{
	CHECK_STR(logs((struct logs_options){.err = true, .tail = 0}), "");
	CHECK_STR(logs((struct logs_options){.err = true, .tail = 1}), "30\n");
	CHECK_STR(logs((struct logs_options){.err = true, .tail = 3}), "28\n29\n30\n");
	CHECK_STR(logs((struct logs_options){.err = true, .tail = 12}), "19\n20\n21\n22\n23\n24\n25\n26\n27\n28\n29\n30\n");
	logs((struct logs_options){.err = true, .tail = 10});
	CHECK(!strncmp(got.p, "21\n", 3));
	logs((struct logs_options){.err = true, .tail = 20});
	CHECK(!strncmp(got.p, "11\n", 3));
	logs((struct logs_options){.err = true, .tail = 30});
	CHECK(!strncmp(got.p, "1\n", 2));
	logs((struct logs_options){.err = true, .tail = 1000});
	CHECK(!strncmp(got.p, "1\n", 2));
}

TEST(streams_times_and_stamps)
{
	CHECK_STR(logs((struct logs_options){.tail = 4}), "28\n29\n");
	CHECK_STR(logs((struct logs_options){.err = true, .timestamps = true, .tail = 1}),
		"2026-01-02T03:04:30.500000000Z 30\n");
	int64_t since, until;

	clock_parse("2026-01-02T03:04:27Z", &since);
	clock_parse("2026-01-02T03:04:28.9Z", &until);
	CHECK_STR(logs((struct logs_options){.err = true, .since = since, .until = until, .tail = -1}), "27\n28\n");
}

TEST(frames_without_a_terminal)
{
	set_up();
	json_set_bool(c->config, "Tty", false);
	logs((struct logs_options){.err = true, .tail = 1});
	json_set_bool(c->config, "Tty", true);
	CHECK_INT(got.n, 11);
	CHECK(!memcmp(got.p, "\2\0\0\0\0\0\0\3" "30\n", 11));
}

TEST(tail_over_many_blocks)
{
	set_up();
	write_log("", 1, 20000);
	CHECK_STR(logs((struct logs_options){.err = true, .tail = 2}), "19999\n20000\n");
	logs((struct logs_options){.err = true, .tail = 15000});
	CHECK(!strncmp(got.p, "5001\n", 5));
	write_log("", 21, 30);
}
