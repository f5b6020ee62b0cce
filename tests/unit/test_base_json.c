/* SPDX-License-Identifier: MIT */
/* tests/unit/test_base_json.c - parsing, lenient getters, text that is no UTF-8 */
#include "unit.h"

#include "base/json.h"

static json_t *parse(const char *text)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(guarded_str(text), strlen(text), &e);

	if (!j)
		printf("# %s\n", e.msg);
	return j;
}

static void refused(const char *text, size_t n)
{
	struct err e = ERR_INIT;
	json_t *j = json_parse(guarded(text, n), n, &e);

	if (!CHECK(j == NULL))
		printf("# the text was '%.*s'\n", (int)n, text);
	CHECK_INT(e.kind, ERR_INVALID);
	CHECK(*e.msg);
	json_decref(j);
}

TEST(parse_refuses)
{
	static const char nul[] = "\"a\\u0000b\"", raw[] = "\"a\0b\"", utf8[] = "\"\xff\"";

	refused("", 0);
	refused("{", 1);
	refused("{} {}", 5);
	refused("{\"a\":}", 6);
	refused("[1,]", 4);
	refused("tru", 3);
	refused("\"abc", 4);
	refused(nul, sizeof(nul) - 1);
	refused(raw, sizeof(raw) - 1);
	refused(utf8, sizeof(utf8) - 1);
	refused("1e400", 5);
	refused("99999999999999999999", 20);
}

TEST(parse_bounds_nesting)
{
	enum { DEEP = 10000 };
	char *text = malloc(DEEP);

	memset(text, '[', DEEP);
	refused(text, DEEP);
	free(text);
}

TEST(parse_takes_any_value)
{
	cleanup_json json_t *n = parse(" 7 "), *s = parse("\"x\""), *z = parse("null");

	CHECK_INT(json_integer_value(n), 7);
	CHECK_STR(json_string_value(s), "x");
	CHECK(json_is_null(z));
}

TEST(duplicate_keys_last_wins)
{
	cleanup_json json_t *j = parse("{\"a\":1,\"a\":2}");

	CHECK_INT(json_int(j, "a", 0), 2);
}

TEST(getters_never_fail)
{
	cleanup_json json_t *j = parse(
		"{\"s\":\"x\",\"n\":5,\"t\":true,\"z\":null,\"a\":[1],\"o\":{\"p\":{\"q\":9}}}");

	CHECK_STR(json_str(j, "s", "d"), "x");
	CHECK_STR(json_str(j, "n", "d"), "d");
	CHECK_STR(json_str(j, "z", "d"), "d");
	CHECK_STR(json_str(j, "none", NULL), NULL);
	CHECK_INT(json_int(j, "n", -1), 5);
	CHECK_INT(json_int(j, "s", -1), -1);
	CHECK(json_bool(j, "t", false));
	CHECK(json_bool(j, "n", true));
	CHECK(json_arr(j, "a") && !json_arr(j, "o"));
	CHECK(json_obj(j, "o") && !json_obj(j, "a"));
	CHECK_INT(json_integer_value(json_path(j, "o", "p", "q", NULL)), 9);
	CHECK(json_path(j, "o", "x", "q", NULL) == NULL);
	CHECK(json_path(j, "s", "x", NULL) == NULL);
	CHECK_STR(json_str(NULL, "s", "d"), "d");
	CHECK_INT(json_int(NULL, "s", 3), 3);
}

TEST(keys_without_regard_to_case)
{
	cleanup_json json_t *j = parse("{\"HostConfig\":1,\"image\":\"a\",\"Image\":\"b\"}");

	CHECK_INT(json_integer_value(json_get_ci(j, "hostconfig")), 1);
	CHECK_INT(json_integer_value(json_get_ci(j, "HOSTCONFIG")), 1);
	CHECK_STR(json_string_value(json_get_ci(j, "Image")), "b"); /* exact goes first */
	CHECK_STR(json_string_value(json_get_ci(j, "image")), "a");
	CHECK(json_get_ci(j, "host") == NULL);
	CHECK(json_get_ci(NULL, "x") == NULL);
}

static void text_is(const char *bytes, size_t n, const char *want)
{
	cleanup_json json_t *j = json_textn(guarded(bytes, n), n);

	CHECK_STR(json_string_value(j), want);
}

TEST(bad_utf8_becomes_the_replacement_character)
{
	text_is("plain", 5, "plain");
	text_is("", 0, "");
	text_is("\xc3\xa9", 2, "\xc3\xa9");
	text_is("\xf0\x9f\x9a\xa3", 4, "\xf0\x9f\x9a\xa3");
	text_is("a\xff" "b", 3, "a\xef\xbf\xbd" "b");
	text_is("\xc3", 1, "\xef\xbf\xbd");				   /* cut off */
	text_is("\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd");		   /* overlong */
	text_is("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
	text_is("\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	text_is("\xf0\x9f\x9a", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(print_and_save_round_trip)
{
	cleanup_json json_t *j = json_object(), *back = NULL;
	cleanup_buf struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	json_set_str(j, "name", "web");
	json_set_str(j, "none", NULL);
	json_set_int(j, "n", -5);
	json_set_bool(j, "t", true);
	json_print(j, true, &b);
	CHECK_STR(b.p, "{\"name\":\"web\",\"none\":null,\"n\":-5,\"t\":true}\n");
	CHECK_OK(e, json_save_at(tmp_dirfd(), "state.json", j, FILE_SYNC, &e));
	back = json_load_at(tmp_dirfd(), "state.json", 1000, &e);
	CHECK(json_equal(j, back));
	CHECK(json_load_at(tmp_dirfd(), "state.json", 10, &e) == NULL);
	CHECK(json_load_at(tmp_dirfd(), "absent.json", 10, &e) == NULL);
	CHECK_INT(e.code, 2);
}

TEST(string_vectors)
{
	static const char *const v[] = { "a", "", "c", NULL };
	cleanup_json json_t *j = json_strv((char *const *)(uintptr_t)v), *mixed = parse("[\"x\",1,\"y\"]");
	char **back = json_to_strv(j);

	CHECK_INT(json_array_size(j), 3);
	CHECK_STR(back[0], "a");
	CHECK_STR(back[1], "");
	CHECK_STR(back[2], "c");
	CHECK(back[3] == NULL);
	strv_free(back);
	back = json_to_strv(mixed);
	CHECK_STR(back[1], "y");
	CHECK(back[2] == NULL);
	strv_free(back);
	back = json_to_strv(NULL);
	CHECK(back && back[0] == NULL);
	strv_free(back);
	strv_free(NULL);
}

TEST(mistakes_in_the_words_of_go)
{
	/* As the real engine answers them. */
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"{'a':1}", "invalid character '\\'' looking for beginning of object key string"},
		{"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"},
		{"{\"a\" \"b\"}", "invalid character '\"' after object key"},
		{"{\"a\":tru}", "invalid character '}' in literal true (expecting 'e')"},
		{"{\"a\":\"\\q\"}", "invalid escape sequence `\\q` in string"},
		{"{\"a\":\"b\nc\"}", "invalid character '\\n' in string"},
		{"{\"a\":01}", "invalid character '1' after object key:value pair"},
		{"{\"a\":-}", "invalid character '}' in numeric literal"},
		{"{\"a\":[1 2]}", "invalid character '2' after array element"},
		{"[", "unexpected EOF"}, {"{\"a", "unexpected EOF"}, {"", "unexpected EOF"},
		{"x", "invalid character 'x' looking for beginning of value"},
		{"{}", NULL}, {"[]", NULL}, {"[[],{},{\"a\":[]},\"\\u00e9\",-1.5e+3,null]", NULL},
		{"\"\\u0000\"", NULL},
	};
	char got[JSON_GO_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool bad = json_go_mistake(cases[i].text, strlen(cases[i].text), got);

		CHECK_INT(bad, cases[i].want != NULL);
		if (bad && cases[i].want)
			CHECK_STR(got, cases[i].want);
	}
}

TEST(nesting_does_not_use_our_stack)
{
	char got[JSON_GO_MAX];
	size_t n = 1 << 20;
	cleanup_free char *deep = xcalloc(1, n);

	memset(deep, '[', n);
	CHECK(json_go_mistake(deep, n, got));
	CHECK_STR(got, "exceeded max depth");
}

TEST(a_string_is_printed_as_its_value_would_be)
{
	static const char *const texts[] = {"", "plain", "a\"b\\c/", "\b\f\n\r\t", "\x01\x1f\x7f", "\xc3\xa9 \xf0\x9f\x9a\xa3",
		"a\xff" "b", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80\"", "<&>"};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		cleanup_json json_t *j = json_text(texts[i]);
		cleanup_buf struct buf want = BUF_INIT, got = BUF_INIT;

		json_print(j, false, &want);
		json_print_str(texts[i], &got);
		CHECK_STR(got.p, want.p);
	}
}

/* What was made before, what does not fit, and many values one after the other. */
TEST(one_block_for_many_values)
{
	static const char text[] = "{\"Id\":\"x\",\"Names\":[\"/y\"],\"N\":{\"a\":{},\"b\":null}}";
	json_t *before = parse("{\"a\":[1,2,3]}");
	cleanup_buf struct buf big = BUF_INIT;
	json_t *j;

	json_use_block();
	json_use_block();
	for (int i = 0; i < 20000; i++) {
		j = json_parse(text, sizeof(text) - 1, NULL);
		NEED(j && !strcmp(json_str(j, "Id", ""), "x") && json_object_size(json_obj(j, "N")) == 2);
		json_decref(j);
	}
	buf_addc(&big, '[');
	for (int i = 0; i < 50000; i++)
		buf_adds(&big, "\"0123456789\",");
	buf_adds(&big, "0]");
	j = parse(big.p);
	CHECK_INT(json_array_size(j), 50001);
	CHECK_STR(json_string_value(json_array_get(j, 49999)), "0123456789");
	json_decref(j);
	CHECK_INT(json_array_size(json_arr(before, "a")), 3);
	json_decref(before);
}
