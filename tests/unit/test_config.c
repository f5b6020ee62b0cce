/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/test_config.c - daemon.json and flags: what is taken, and in which words the rest is not
 */
#include "unit.h"

#include "base/log.h"
#include "engine/config.h"

#define FILE_ERR "unable to configure the Docker daemon with file %: "
#define MERGED FILE_ERR "merged configuration validation from file and command line flags failed: "
#define TYPE FILE_ERR "invalid JSON: json: cannot unmarshal "
#define BOTH FILE_ERR "the following directives are specified both as a flag and in the configuration file: "
#define UNKNOWN FILE_ERR "the following directives don't match any configuration option: "

static char *json_file(void)
{
	return xasprintf("%s/daemon.json", tmp_path());
}

static void places_set(void)
{
	setenv("HOME", "/home/me", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("XDG_DATA_HOME");
	log_set_level(LOG_ERROR);
}

/* Load with this file (NULL: none) and flags separated by blanks. */
static int load(struct config *c, const char *file, const char *flags, bool *help, struct err *e)
{
	cleanup_free char *path = json_file(), *words = xstrdup(flags ? flags : ""), *opt = NULL;
	char *argv[64], *word, *save = NULL;
	int argc = 0;

	places_set();
	argv[argc++] = words;
	if (file) {
		struct err we = ERR_INIT;

		CHECK_OK(we, file_write_at(AT_FDCWD, path, file, strlen(file), 0600, 0, &we));
		opt = xasprintf("--config-file=%s", path);
		argv[argc++] = opt;
	}
	for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return config_load(c, argc, argv, help, e);
}

/* @want with '%' replaced by the path of daemon.json. */
static char *expand(const char *want)
{
	cleanup_free char *path = json_file();
	const char *at = strchr(want, '%');

	return at ? xasprintf("%.*s%s%s", (int)(at - want), want, path, at + 1) : xstrdup(want);
}

/* From here on, messages are what dockerd 28.5 said to the same input. */
static const struct {
	const char *file, *flags, *want; /* NULL: taken */
} cases[] = {
	{ "{\"foo\":1}", 0, UNKNOWN "foo" },
	{ "{\"foo\":1,\"bar\":2}", 0, UNKNOWN "foo, bar" },
	{ "{\"Debug\":true}", 0, UNKNOWN "Debug" },
	{ "{\"foo\":{\"bar\":1}}", 0, UNKNOWN "bar" },
	{ "{\"proxies\":{\"foo\":1}}", 0, UNKNOWN "foo" },
	{ "{\"require-subids\":true}", 0, UNKNOWN "require-subids" },
	{ "{\"graph\":\"/x\"}", 0, UNKNOWN "graph" },

	{ "{\"debug\":\"yes\"}", 0, TYPE "string into Go struct field Config.debug of type bool" },
	{ "{\"debug\":1}", 0, TYPE "number into Go struct field Config.debug of type bool" },
	{ "{\"labels\":\"x\"}", 0, TYPE "string into Go struct field Config.labels of type []string" },
	{ "{\"labels\":[1,2],\"debug\":1}", 0, TYPE "number into Config.labels.0 of type string" },
	{ "{\"mtu\":true}", 0, TYPE "bool into Go struct field Config.mtu of type int" },
	{ "{\"shutdown-timeout\":1.5}", 0,
		TYPE "number 1.5 into Go struct field Config.shutdown-timeout of type int" },
	{ "{\"log-opts\":\"a\"}", 0,
		TYPE "string into Go struct field Config.log-opts of type map[string]string" },
	{ "{\"log-opts\":{\"max-size\":1}}", 0,
		TYPE "number into Go struct field Config.log-opts.max-size of type string" },
	{ "{\"features\":{\"buildkit\":\"x\"}}", 0,
		TYPE "string into Go struct field Config.features.buildkit of type bool" },
	{ "{\"default-ulimits\":{\"nofile\":{\"Hard\":\"a\"}}}", 0,
		TYPE "string into Go struct field Config.default-ulimits.nofile.Hard of type int64" },
	{ "{\"default-ulimits\":[]}", 0,
		TYPE "array into Go struct field Config.default-ulimits of type map[string]*units.Ulimit" },
	{ "{\"default-network-opts\":{\"a\":{\"b\":1}}}", 0,
		TYPE "number into Go struct field Config.default-network-opts.a.b of type string" },
	{ "{\"runtimes\":{\"x\":1}}", 0,
		TYPE "number into Go struct field Config.runtimes.x of type system.Runtime" },
	{ "{\"proxies\":{\"http-proxy\":1}}", 0,
		TYPE "number into Go struct field Config.proxies.http-proxy of type string" },
	{ "{\"dns\":[\"1.2.3\"]}", 0, FILE_ERR "invalid JSON: invalid IP address: 1.2.3" },
	{ "{\"host-gateway-ips\":[\"x\"]}", 0,
		FILE_ERR "invalid JSON: ParseAddr(\"x\"): unable to parse IP" },
	{ "{\"default-shm-size\":\"x\"}", 0, FILE_ERR "invalid JSON: invalid size: 'x'" },
	{ "{\"default-address-pools\":[{\"base\":\"x\",\"size\":24}]}", 0,
		FILE_ERR "invalid JSON: netip.ParsePrefix(\"x\"): no '/'" },
	{ "[]", 0, TYPE "array into Go value of type map[string]interface {}" },
	{ "\"x\"", 0, TYPE "string into Go value of type map[string]interface {}" },

	{ "{\"debug\":true}", "--debug", BOTH "debug: (from flag: true, from file: true)" },
	{ "{\"debug\":true,\"hosts\":[\"unix:///tmp/x\"]}", "-D -H unix:///tmp/y",
		BOTH "debug: (from flag: true, from file: true), "
		     "hosts: (from flag: [unix:///tmp/y], from file: [unix:///tmp/x])" },
	{ "{\"labels\":[\"a=1\"]}", "--label b=2 --label c=3",
		BOTH "labels: (from flag: [b=2 c=3], from file: [a=1])" },
	{ "{\"log-opts\":{\"max-size\":\"1m\"}}", "--log-opt max-size=2m",
		BOTH "log-opts: (from flag: map[max-size:2m], from file: map[max-size:1m])" },
	{ "{\"default-ulimits\":{}}", "--default-ulimit nofile=1:2",
		BOTH "default-ulimits: (from flag: [nofile=1:2], from file: map[])" },
	{ "{\"proxies\":{\"http-proxy\":\"http://x\"}}", "--http-proxy http://y",
		BOTH "http-proxy: (from flag: http://y, from file: http://x)" },
	{ "{\"debug\":null}", "--debug", BOTH "debug: (from flag: true, from file: <nil>)" },
	{ "{\"shutdown-timeout\":2}", "--shutdown-timeout=3",
		BOTH "shutdown-timeout: (from flag: 3, from file: 2)" },
	{ "{\"runtimes\":{\"a\":{\"path\":\"x\"}}}", "--add-runtime a=b", NULL },

	{ "{\"labels\":[\"x\"]}", 0, MERGED "bad attribute format: x" },
	{ "{\"labels\":[null]}", 0, MERGED "bad attribute format: " },
	{ "{\"labels\":[\"x=1\",\"x=2\"]}", 0, "conflict labels for x=2 and x=1" },
	{ "{\"labels\":[\"x=1\",\"x=1\"]}", 0, NULL },
	{ "{\"max-concurrent-downloads\":-1}", 0, MERGED "invalid max concurrent downloads: -1" },
	{ "{\"mtu\":-1}", 0, MERGED "invalid default MTU: -1" },
	{ "{\"dns-search\":[\"a b\"]}", 0, MERGED "a b is not a valid domain" },
	{ "{\"dns-search\":[\".\",\"a.example\",\"b.c-d.\"]}", 0, NULL },
	{ "{\"registry-mirrors\":[\"foo\"]}", 0,
		MERGED "invalid mirror: no scheme specified for \"foo\": must use either 'https://' or 'http://'" },
	{ "{\"registry-mirrors\":[\"ftp://x\"]}", 0,
		MERGED "invalid mirror: unsupported scheme \"ftp\" in \"ftp://x\": must use either 'https://' or 'http://'" },
	{ "{\"registry-mirrors\":[\"http://foo/bar?x=1\"]}", 0,
		MERGED "invalid mirror: query or fragment at end of the URI \"http://foo/bar?x=1\"" },
	{ "{\"registry-mirrors\":[\"http://u:secret@foo\"]}", 0,
		MERGED "invalid mirror: username/password not allowed in URI \"http://xxxxx@foo\"" },
	{ "{\"exec-opts\":[\"foo\"]}", 0, MERGED "invalid exec-opt (foo): must be formatted 'opt=value'" },
	{ "{\"exec-opts\":[\"foo=bar\"]}", 0, MERGED "invalid exec-opt (foo=bar): unknown option: 'foo'" },
	{ "{\"log-level\":\"foo\"}", 0, MERGED "invalid logging level: foo" },
	{ "{\"log-format\":\"foo\"}", 0, MERGED "invalid log format: foo" },
	{ "{\"hosts\":[\"foo://bar\"]}", 0, MERGED "invalid bind address (foo://bar): unsupported proto 'foo'" },
	{ "{\"hosts\":[\"/tmp/x\"]}", 0, MERGED "invalid bind address (/tmp/x): should not contain a path element" },
	{ "{\"default-ipc-mode\":\"x\"}", 0,
		MERGED "default IPC mode setting (x) is invalid; use \"shareable\" or \"private\"" },
	{ "{\"default-cgroupns-mode\":\"x\"}", 0,
		MERGED "invalid default cgroup namespace (x): use \"host\" or \"private\"" },
	{ "", 0, NULL },
	{ " \n\t ", 0, NULL },
	{ "null", 0, NULL },
	{ "{}", 0, NULL },
	{ "\xef\xbb\xbf{\"debug\":true}", 0, NULL },
	{ "{\"debug\":null,\"labels\":null}", 0, NULL },
	{ "{\"debug\":true,\"debug\":false}", 0, NULL },
	{ "{\"default-ulimits\":{\"nofile\":{\"Name\":\"nofile\",\"Hard\":1,\"Soft\":2}}}", 0, NULL },
	{ "{\"host\":[\"unix:///x\"]}", 0, NULL },

	{ "{}", "--foo", "unknown flag: --foo" },
	{ "{}", "--d", "unknown flag: --d" },
	{ "{}", "-x", "unknown shorthand flag: 'x' in -x" },
	{ "{}", "--debug=foo",
		"invalid argument \"foo\" for \"-D, --debug\" flag: strconv.ParseBool: parsing \"foo\": invalid syntax" },
	{ "{}", "--shutdown-timeout foo",
		"invalid argument \"foo\" for \"--shutdown-timeout\" flag: strconv.ParseInt: parsing \"foo\": invalid syntax" },
	{ "{}", "--shutdown-timeout 99999999999999999999",
		"invalid argument \"99999999999999999999\" for \"--shutdown-timeout\" flag: strconv.ParseInt: parsing "
		"\"99999999999999999999\": value out of range" },
	{ "{}", "--shutdown-timeout", "flag needs an argument: --shutdown-timeout" },
	{ "{}", "-H", "flag needs an argument: 'H' in -H" },
	{ "{}", "--label foo", "invalid argument \"foo\" for \"--label\" flag: bad attribute format: foo" },
	{ "{}", "-H foo://",
		"invalid argument \"foo://\" for \"-H, --host\" flag: invalid bind address (foo://): unsupported proto 'foo'" },
	{ "{}", "--dns x", "invalid argument \"x\" for \"--dns\" flag: invalid string being converted to IP address: x" },
	{ "{}", "--ip x", "invalid argument \"x\" for \"--ip\" flag: failed to parse IP: \"x\"" },
	{ "{}", "--default-ulimit x", "invalid argument \"x\" for \"--default-ulimit\" flag: invalid ulimit argument: x" },
	{ "{}", "--default-ulimit foo=1", "invalid argument \"foo=1\" for \"--default-ulimit\" flag: invalid ulimit type: foo" },
	{ "{}", "--default-ulimit nofile=2:1",
		"invalid argument \"nofile=2:1\" for \"--default-ulimit\" flag: ulimit soft limit must be less than or equal "
		"to hard limit: 2 > 1" },
	{ "{}", "--default-ulimit nofile=1:2:3",
		"invalid argument \"nofile=1:2:3\" for \"--default-ulimit\" flag: too many limit value arguments - 1:2:3, can "
		"only have up to two, `soft[:hard]`" },
	{ "{}", "--default-ulimit nofile=-1", NULL },
	{ "{}", "--default-ulimit nofile=1:-1", NULL },
	{ "{}", "--default-address-pool x",
		"invalid argument \"x\" for \"--default-address-pool\" flag: invalid field 'x' must be a key=value pair" },
	{ "{}", "--add-runtime runc=x", "invalid argument \"runc=x\" for \"--add-runtime\" flag: runtime name 'runc' is reserved" },
	{ "{}", "--default-network-opt x",
		"invalid argument \"x\" for \"--default-network-opt\" flag: invalid value \"x\" for map option, should be "
		"root-key=key=value" },
	{ "{}", "--feature foo=bar",
		"invalid argument \"foo=bar\" for \"--feature\" flag: strconv.ParseBool: parsing \"bar\": invalid syntax" },
	{ "{}", "--default-shm-size x", "invalid argument \"x\" for \"--default-shm-size\" flag: invalid size: 'x'" },
	{ "{}", "-Dlinfo --log-opt foo -H tcp:// --", NULL },
	{ "{}", "-D -l=info --icc=false --feature foo --storage-opt a", NULL },
	/* Ours: what cannot be honoured and must not be passed over. */
	{ "{\"authorization-plugins\":[\"x\"]}", 0, "'authorization-plugins' is not supported by this engine" },
	{ "{\"userns-remap\":\"default\"}", 0, "'userns-remap' is not supported by this engine" },
	{ "{}", "--require-subids --single-id", "--require-subids and --single-id contradict each other" },
	{ "{}", "--label a=\xff", "argument 'a=\xff' is not UTF-8" },
	{ "{}", "extra", "\"dockerd\" accepts no arguments: 'extra'" },
	{ "{}", "-- extra", "\"dockerd\" accepts no arguments: 'extra'" },
};

TEST(dockerds_words)
{
	struct config c;
	size_t i;
	bool help;
	int rc;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		cleanup_free char *want = cases[i].want ? expand(cases[i].want) : NULL;

		rc = load(&c, cases[i].file, cases[i].flags, &help, &e);
		if (!want && rc)
			unit_fail(__FILE__, __LINE__, "%s %s: %s", cases[i].file, cases[i].flags, e.msg);
		else if (want && !rc)
			unit_fail(__FILE__, __LINE__, "%s %s was taken", cases[i].file, cases[i].flags);
		else if (want)
			CHECK_STR(e.msg, want);
		config_release(&c);
	}
}

TEST(broken_json_and_files)
{
	static const char *const broken[] = { "{", "{\"debug\":tru}", "{\"debug\":true,}", "{\"debug\":true} x",
		"{\"a\":\"\xff\"}", "{\"labels\":[\"a\\u0000=b\"]}" };
	cleanup_free char *want = expand(FILE_ERR "invalid JSON: ");
	struct config c;
	bool help;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(broken); i++) {
		struct err e = ERR_INIT;

		CHECK_INT(load(&c, broken[i], NULL, &help, &e), -1);
		CHECK(!strncmp(e.msg, want, strlen(want)));
	}
	/* Asked for and absent is an error; the default place may be empty. */
	struct err e = ERR_INIT;
	CHECK_INT(load(&c, NULL, "--config-file /nonexistent/d.json", &help, &e), -1);
	CHECK(strstr(e.msg, "unable to configure the Docker daemon with file /nonexistent/d.json: "));
	CHECK_OK(e, load(&c, NULL, NULL, &help, &e));
	config_release(&c);
}

TEST(defaults)
{
	struct err e = ERR_INIT;
	struct config c;
	bool help;

	NEED(load(&c, NULL, NULL, &help, &e) == 0);
	CHECK_STR(c.data_root, "/home/me/.local/share/docker");
	CHECK_STR(c.exec_root, "/run/user/7/docker");
	CHECK_STR(c.pidfile, "/run/user/7/docker.pid");
	CHECK_STR(c.config_file, "/home/me/.config/docker/daemon.json");
	CHECK_STR(c.hosts[0], "unix:///run/user/7/docker.sock");
	CHECK_STR(c.hosts[1], NULL);
	CHECK_STR(c.log_driver, "json-file");
	CHECK_STR(c.storage_driver, NULL);
	CHECK_INT(c.shutdown_timeout_s, 15);
	CHECK_INT(c.max_concurrent_downloads, 3);
	CHECK_INT(config_log_level(&c), LOG_INFO);
	CHECK(!c.debug && !c.live_restore && !c.labels);
	config_release(&c);

	setenv("XDG_CONFIG_HOME", "/cfg", 1);
	setenv("XDG_DATA_HOME", "/data", 1);
	char *argv[] = { (char[]){ "dockerd" }, NULL };
	NEED(config_load(&c, 1, argv, &help, &e) == 0);
	CHECK_STR(c.data_root, "/data/docker");
	CHECK_STR(c.config_file, "/cfg/docker/daemon.json");
	config_release(&c);
	unsetenv("XDG_RUNTIME_DIR");
	CHECK_INT(config_load(&c, 1, argv, &help, &e), -1);
	CHECK_STR(e.msg, "XDG_RUNTIME_DIR needs to be set and writable");
}

TEST(values_of_both_kinds)
{
	static const char file[] = "{\"labels\":[\"a=1\",\"b=2\"],\"log-opts\":{\"max-size\":\"1m\"},"
		"\"proxies\":{\"http-proxy\":\"http://p\"},\"runtimes\":{\"x\":{\"path\":\"/x\"}},"
		"\"storage-driver\":\"vfs\",\"max-concurrent-downloads\":0,\"log-level\":\"WARN\"}";
	static const char flags[] = "--data-root /a/../b --exec-root rel -p /p -H unix:///s -H tcp://:5 -H tcp://[::1] "
		"-H fd:// --default-ulimit nofile=10:20 --default-ulimit nproc=5 --no-proxy n --add-runtime y=/y "
		"--default-address-pool base=10.0.0.0/8,size=24 --shutdown-timeout -1 --live-restore=1 "
		"--default-network-opt bridge=a=b=c --feature f --require-subids --init";
	char cwd[4096];
	struct err e = ERR_INIT;
	struct config c, d;
	bool help;

	NEED(load(&c, file, flags, &help, &e) == 0);
	NEED(getcwd(cwd, sizeof(cwd)));
	cleanup_json json_t *j = config_to_json(&c);
	config_release(&c);
	NEED(config_from_json(&d, j, &e) == 0); /* what the engine gets is what was said */
	CHECK_STR(d.data_root, "/b");
	CHECK(!strncmp(d.exec_root, cwd, strlen(cwd)) && strstr(d.exec_root, "/rel"));
	CHECK_STR(d.pidfile, "/p");
	CHECK_STR(d.hosts[0], "unix:///s");
	CHECK_STR(d.hosts[1], "tcp://127.0.0.1:5");
	CHECK_STR(d.hosts[2], "tcp://[::1]:2375");
	CHECK_STR(d.hosts[3], "fd://");
	CHECK_STR(d.hosts[4], NULL);
	CHECK_INT(json_array_size(d.labels), 2);
	CHECK_STR(json_str(d.log_opts, "max-size", NULL), "1m");
	CHECK_STR(d.storage_driver, "vfs");
	CHECK_INT(d.max_concurrent_downloads, 3);
	CHECK_INT(d.shutdown_timeout_s, -1);
	CHECK_INT(json_int(json_obj(d.default_ulimits, "nofile"), "Soft", 0), 10);
	CHECK_INT(json_int(json_obj(d.default_ulimits, "nofile"), "Hard", 0), 20);
	CHECK_INT(json_int(json_obj(d.default_ulimits, "nproc"), "Hard", 0), 5);
	CHECK_STR(json_string_value(json_path(d.raw, "proxies", "http-proxy", NULL)), "http://p");
	CHECK_STR(json_string_value(json_path(d.raw, "proxies", "no-proxy", NULL)), "n");
	CHECK_STR(json_string_value(json_path(d.raw, "runtimes", "x", "path", NULL)), "/x");
	CHECK_STR(json_string_value(json_path(d.raw, "runtimes", "y", "path", NULL)), "/y");
	CHECK_STR(json_string_value(json_path(d.raw, "default-network-opts", "bridge", "a", NULL)), "b=c");
	CHECK(json_is_true(json_path(d.raw, "features", "f", NULL)));
	CHECK_INT(json_array_size(json_arr(d.raw, "default-address-pools")), 1);
	CHECK(d.live_restore && d.init && d.require_subids && !d.want_single_id);
	CHECK_INT(config_log_level(&d), LOG_WARN);
	config_release(&d);
}

TEST(handed_over_rubbish_is_refused)
{
	cleanup_json json_t *j = json_pack("{s:{}, s:{}}", "raw", "flags");
	struct err e = ERR_INIT;
	struct config c;

	CHECK_INT(config_from_json(&c, j, &e), -1);
}

static void rewrite(const char *text)
{
	cleanup_free char *path = json_file();
	struct err e = ERR_INIT;

	CHECK_OK(e, file_write_at(AT_FDCWD, path, text, strlen(text), 0600, 0, &e));
}

TEST(reload)
{
	struct err e = ERR_INIT;
	struct config c;
	json_t *before;
	bool help;

	NEED(load(&c, "{\"labels\":[\"a=1\"],\"max-concurrent-downloads\":7,\"mtu\":1400,\"insecure-registries\":[\"x\"]}",
		     "--shutdown-timeout 3 --max-concurrent-uploads 9", &help, &e) == 0);
	before = c.labels;
	rewrite("{\"labels\":[\"b=2\"],\"debug\":true,\"live-restore\":true,\"mtu\":9000,\"registry-mirrors\":[\"http://m\"]}");
	CHECK_OK(e, config_reload(&c, &e));
	CHECK_STR(json_string_value(json_array_get(c.labels, 0)), "b=2");
	CHECK_STR(json_string_value(json_array_get(before, 0)), "a=1"); /* readers of the old one live on */
	CHECK(c.debug && c.live_restore);
	CHECK_INT(c.max_concurrent_downloads, 3);
	CHECK_INT(c.shutdown_timeout_s, 3);
	CHECK_INT(json_int(c.raw, "max-concurrent-uploads", 0), 9);
	CHECK_INT(json_int(c.raw, "mtu", 0), 1400); /* not for a running engine */
	CHECK_INT(json_array_size(c.insecure_registries), 1);
	CHECK_INT(json_array_size(c.registry_mirrors), 1);

	/* A bad file changes nothing. */
	rewrite("{\"labels\":[\"c=3\"],\"debug\":false,\"foo\":1}");
	CHECK_INT(config_reload(&c, &e), -1);
	rewrite("{\"labels\":[\"c\"],\"debug\":false}");
	CHECK_INT(config_reload(&c, &e), -1);
	CHECK_STR(e.msg, "file configuration validation failed: bad attribute format: c");
	rewrite("{\"shutdown-timeout\":5,\"debug\":false}");
	CHECK_INT(config_reload(&c, &e), -1);
	CHECK(strstr(e.msg, "both as a flag"));
	CHECK(c.debug);
	CHECK_STR(json_string_value(json_array_get(c.labels, 0)), "b=2");
	config_release(&c);
}

TEST(answered_at_once)
{
	struct err e = ERR_INIT;
	struct config c;
	bool help;

	CHECK_OK(e, load(&c, "{", "--help", &help, &e));
	CHECK(help);
	config_release(&c);
	CHECK_OK(e, load(&c, "{", "-v", &help, &e));
	CHECK(help);
	config_release(&c);
	CHECK_OK(e, load(&c, "{}", "--validate", &help, &e));
	CHECK(help);
	config_release(&c);
	CHECK_INT(load(&c, "{", "--validate", &help, &e), -1);
	CHECK(!help);
}
