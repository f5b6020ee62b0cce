/* SPDX-License-Identifier: MIT */
/* tests/unit/test_docker_flags.c - the client's options, and texts it makes; as the stock client has them */
#include "unit.h"

#include "docker/flags.h"
#include "docker/moment.h"
#include "docker/table.h"
#include "docker/units.h"

#include "base/clock.h"

static struct {
	bool all, quiet;
	const char *name;
	struct strlist env;
	int64_t last, memory, swap, interval, cpus, weight;
} o;

static int check_even(const char **text, struct err *e)
{
	return strlen(*text) % 2 ? err_kind(e, ERR_INVALID, "odd") : 0;
}

static struct flag flags[] = {
	{"all", 'a', FLAG_BOOL, &o.all, "All"},
	{"quiet", 'q', FLAG_BOOL, &o.quiet, "Quiet"},
	{"name", 'n', FLAG_STRING, &o.name, "A name", .check = check_even},
	{"env", 'e', FLAG_LIST, &o.env, "Variables"},
	{"last", 0, FLAG_INT, &o.last, "Last"},
	{"memory", 'm', FLAG_BYTES, &o.memory, "Bytes"},
	{"swap", 0, FLAG_SWAP, &o.swap, "Bytes"},
	{"interval", 0, FLAG_DURATION, &o.interval, "Time"},
	{"cpus", 0, FLAG_CPUS, &o.cpus, "CPUs"},
	{"weight", 0, FLAG_UINT16, &o.weight, "Weight"},
	{"secret", 0, FLAG_BOOL, &o.all, "Not told", .hidden = true},
	FLAG_END,
};

/* Parse words separated by blanks; "" in the text is an empty word. */
static enum flags_result parse(const char *line, bool own, int *argc, char **argv, struct err *e)
{
	static char words[1024];
	struct flag *f;
	char *w;
	int n = 0;

	free(o.env.v);
	memset(&o, 0, sizeof(o));
	for (f = flags; f->name; f++)
		f->seen = false;
	snprintf(words, sizeof(words), "%s", line);
	for (w = strtok(words, " "); w; w = strtok(NULL, " "))
		argv[n++] = strcmp(w, "\"\"") ? w : w + 2;
	argv[n] = NULL;
	*argc = n;
	return flags_parse(flags, own, argc, argv, e);
}

static void refused(const char *line, const char *why)
{
	struct err e = ERR_INIT;
	char *argv[32];
	int argc;

	if (!CHECK_INT(parse(line, false, &argc, argv, &e), FLAGS_WRONG) || !CHECK_STR(e.msg, why))
		printf("# the line was '%s'\n", line);
}

TEST(ways_to_write_options)
{
	struct err e = ERR_INIT;
	char *argv[32];
	int argc;

	CHECK_INT(parse("x -aq --name=ab y -e A=1 -eB=2 --env C=3 -e=D -- -z", false, &argc, argv, &e), FLAGS_OK);
	CHECK(o.all && o.quiet && o.env.n == 4);
	CHECK_STR(o.name, "ab");
	CHECK_STR(o.env.v[0], "A=1");
	CHECK_STR(o.env.v[1], "B=2");
	CHECK_STR(o.env.v[2], "C=3");
	CHECK_STR(o.env.v[3], "D");
	if (CHECK_INT(argc, 3)) {
		CHECK_STR(argv[0], "x");
		CHECK_STR(argv[1], "y");
		CHECK_STR(argv[2], "-z");
		CHECK(!argv[3]);
	}
	CHECK(flags_seen(flags, "env") && !flags_seen(flags, "last"));
	CHECK_INT(parse("-a=false -q=true -", false, &argc, argv, &e), FLAGS_OK);
	CHECK(!o.all && o.quiet && argc == 1);
	CHECK_INT(parse("-aq=false", false, &argc, argv, &e), FLAGS_OK);
	CHECK(o.all && !o.quiet);
}

TEST(options_of_a_command_that_is_run)
{
	struct err e = ERR_INIT;
	char *argv[32];
	int argc;

	CHECK_INT(parse("-a image -q --name x --", true, &argc, argv, &e), FLAGS_OK);
	CHECK(o.all && !o.quiet);
	if (CHECK_INT(argc, 5))
		CHECK_STR(argv[4], "--");
	CHECK_INT(parse("-a --help", true, &argc, argv, &e), FLAGS_HELP);
	CHECK_INT(parse("image --help", true, &argc, argv, &e), FLAGS_OK);
}

TEST(complaints)
{
	refused("--frob", "unknown flag: --frob");
	refused("--al", "unknown flag: --al");
	refused("-qZ", "unknown shorthand flag: 'Z' in -qZ");
	refused("--name", "flag needs an argument: --name");
	refused("-qn", "flag needs an argument: 'n' in -qn");
	refused("--=x", "bad flag syntax: --=x");
	refused("---x", "bad flag syntax: ---x");
	refused("--all=perhaps",
		"invalid argument \"perhaps\" for \"-a, --all\" flag: strconv.ParseBool: parsing \"perhaps\": invalid syntax");
	refused("--name odd", "invalid argument \"odd\" for \"-n, --name\" flag: odd");
	refused("--last x", "invalid argument \"x\" for \"--last\" flag: strconv.ParseInt: parsing \"x\": invalid syntax");
	refused("--last 99999999999999999999",
		"invalid argument \"99999999999999999999\" for \"--last\" flag: strconv.ParseInt: parsing "
		"\"99999999999999999999\": value out of range");
	refused("--weight 70000",
		"invalid argument \"70000\" for \"--weight\" flag: strconv.ParseUint: parsing \"70000\": value out of range");
	refused("--weight -1",
		"invalid argument \"-1\" for \"--weight\" flag: strconv.ParseUint: parsing \"-1\": invalid syntax");
	refused("-m lots", "invalid argument \"lots\" for \"-m, --memory\" flag: invalid size: 'lots'");
	refused("-m 10x", "invalid argument \"10x\" for \"-m, --memory\" flag: invalid suffix: 'x'");
	refused("-m -5", "invalid argument \"-5\" for \"-m, --memory\" flag: invalid size: '-5'");
	refused("--interval x", "invalid argument \"x\" for \"--interval\" flag: time: invalid duration \"x\"");
	refused("--cpus x", "invalid argument \"x\" for \"--cpus\" flag: failed to parse x as a rational number");
	refused("--cpus 0.0000000001", "invalid argument \"0.0000000001\" for \"--cpus\" flag: value is too precise");
	refused("--cpus 1/3", "invalid argument \"1/3\" for \"--cpus\" flag: value is too precise");
}

TEST(numbers)
{
	struct err e = ERR_INIT;
	char *argv[32];
	int argc;

	CHECK_INT(parse("--last -1 -m 1.5g --swap -1 --interval 1m30s --cpus .5 --weight 65535", false, &argc, argv, &e), FLAGS_OK);
	CHECK_INT(o.last, -1);
	CHECK_INT(o.memory, 1610612736);
	CHECK_INT(o.swap, -1);
	CHECK_INT(o.interval, 90 * NS_PER_S);
	CHECK_INT(o.cpus, 500000000);
	CHECK_INT(o.weight, 65535);
	CHECK_INT(parse("--cpus 1/2", false, &argc, argv, &e), FLAGS_OK);
	CHECK_INT(o.cpus, 500000000);
}

TEST(help)
{
	cleanup_buf struct buf out = BUF_INIT;

	flags_help(flags, &out);
	CHECK(strstr(out.p, "  -a, --all                 All\n"));
	CHECK(strstr(out.p, "      --interval duration   Time\n"));
	CHECK(!strstr(out.p, "secret"));
}

static void sized(double bytes, int digits, const char *want)
{
	cleanup_free char *text = human_size(bytes, digits);

	CHECK_STR(text, want);
}

static void lasting(int64_t seconds, const char *want)
{
	cleanup_free char *text = human_duration(seconds * NS_PER_S);

	CHECK_STR(text, want);
}

TEST(sizes_and_ages)
{
	cleanup_free char *binary = human_size_binary(25276026880.0);

	sized(0, 3, "0B");
	sized(999, 3, "999B");
	sized(2065225, 3, "2.07MB");
	sized(2065225, 4, "2.065MB");
	sized(4260000, 3, "4.26MB");
	CHECK_STR(binary, "23.54GiB");
	lasting(0, "Less than a second");
	lasting(1, "1 second");
	lasting(59, "59 seconds");
	lasting(60, "About a minute");
	lasting(119, "About a minute");
	lasting(120, "2 minutes");
	lasting(3599, "59 minutes");
	lasting(3600, "About an hour");
	lasting(5399, "About an hour");
	lasting(5400, "2 hours");
	lasting(47 * 3600, "47 hours");
	lasting(48 * 3600, "2 days");
	lasting(14 * 86400, "2 weeks");
	lasting(60 * 86400, "2 months");
	lasting(730 * 86400, "2 years");
}

static void cut(const char *text, size_t width, const char *want)
{
	cleanup_free char *got = ellipsis(text, width);

	CHECK_STR(got, want);
}

TEST(shortened_texts)
{
	cleanup_free char *id = short_id("sha256:0123456789abcdef", true), *full = short_id("sha256:01", false);

	cut("sleep 1000", 20, "sleep 1000");
	cut("sh -c 'trap 'exit 44' USR1'", 20, "sh -c 'trap 'exit 4…");
	cut("日本語日本語", 6, "日本…");
	cut("\xff\xff\xff", 2, "\xff…");
	CHECK_STR(id, "0123456789ab");
	CHECK_STR(full, "sha256:01");
}

static void aligned(const char *text, const char *want)
{
	cleanup_buf struct buf out = BUF_INIT;

	table_align((struct span){guarded_str(text), strlen(text)}, 10, 3, &out);
	CHECK_STR(out.p, want);
}

TEST(tables)
{
	aligned("A\tB\nlong-name-here\tx\n", "A                B\nlong-name-here   x\n");
	aligned("REPOSITORY\tTAG\tID\n", "REPOSITORY   TAG       ID\n");
	aligned("ä\tb\n", "ä         b\n");
	/* a line without that column ends it */
	aligned("aaaaaaaaaaaa\tx\nbreak\nb\ty\n", "aaaaaaaaaaaa   x\nbreak\nb         y\n");
	aligned("", "");
	aligned("\n\n", "\n\n");
}

TEST(moments)
{
	struct err e = ERR_INIT;
	cleanup_free char *zero = moment_parse("0", &e), *plain = moment_parse("1136073845.5", &e);
	cleanup_free char *utc = moment_parse("2006-01-02T15:04:05Z", &e), *ago = moment_parse("10s", &e);

	CHECK_STR(zero, "0");
	CHECK_STR(plain, "1136073845.5");
	CHECK_STR(utc, "1136214245.000000000");
	if (CHECK(ago != NULL))
		CHECK(llabs(atoll(ago) + 10 - (long long)(clock_real_ns() / NS_PER_S)) < 5);
	CHECK(!moment_parse("frob", &e));
	CHECK_STR(e.msg, "failed to parse value as time or duration: \"frob\"");
}
