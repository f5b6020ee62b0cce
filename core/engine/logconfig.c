/* SPDX-License-Identifier: MIT */
/*
 * core/engine/logconfig.c - log drivers and their options: checked, and made a request to the monitor
 *
 * Theory of operation
 *   As in Docker the names of options are checked when a container is created, and the values of most
 *   when it starts, each driver in its own words.
 *
 *   json-file and local are the same file under another name and with other limits.  What goes to
 *   syslog or journald cannot be read back from there, so it goes to a file as well (Docker's
 *   "dual logging"), which docker logs reads; cache-disabled=true does without.
 */
#include "engine/logconfig.h"
#include "base/fs.h"
#include "engine/logsyslog.h"
#include "engine/schema.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOCAL_SIZE "20m"
#define LOCAL_FILES "5"
#define FILES_MAX 1000
#define BUFFER_SIZE (1 << 20) /* of mode=non-blocking */
#define JOURNAL "/run/systemd/journal/socket"

/* --- names --------------------------------------------------------------------------------------- */

static const char *const attr_options[] = {"labels", "labels-regex", "env", "env-regex", "tag", NULL};
static const char *const file_options[] = {"max-file", "max-size", "compress", NULL};
static const char *const syslog_options[] = {"syslog-address", "syslog-facility", "syslog-format",
	"syslog-tls-ca-cert", "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify", NULL};
static const char *const all_options[] = {"mode", "max-buffer-size", "cache-disabled", "cache-max-size",
	"cache-max-file", "cache-compress", NULL};

static const struct driver {
	const char *name;
	const char *const *own;
	bool attrs;
	const char *unknown; /* what it says of an option it does not know */
} drivers[] = {
	{"json-file", file_options, true, "unknown log opt '%s' for json-file log driver"},
	{"local", file_options, false, "unknown log opt '%s' for log driver local"},
	{"syslog", syslog_options, true, "unknown log opt '%s' for syslog log driver"},
	{"journald", NULL, true, "unknown log opt '%s' for journald log driver"},
};

static const struct driver *find_driver(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strcmp(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

static int check_mode(const json_t *options, struct err *e)
{
	const char *mode = json_str(options, "mode", ""), *size = json_str(options, "max-buffer-size", NULL);
	int64_t bytes;

	if (*mode && strcmp(mode, "blocking") && strcmp(mode, "non-blocking"))
		return err_kind(e, ERR_INVALID, "logger: logging mode not supported: %s", mode);
	if (size && strcmp(mode, "non-blocking"))
		return err_kind(e, ERR_INVALID,
			"logger: max-buffer-size option is only supported with 'mode=non-blocking'");
	if (size && parse_size(size, &bytes))
		return err_kind(e, ERR_INVALID, "error parsing option max-buffer-size: invalid size: '%s'", size);
	return 0;
}

int logconfig_check(const char *driver, const json_t *options, struct err *e)
{
	const struct driver *d = find_driver(driver);
	const char *key;
	json_t *v;

	if (!strcmp(driver, "none"))
		return 0;
	if (!d)
		return err_kind(e, ERR_INVALID, "error looking up logging plugin %s: plugin \"%s\" not found",
			driver, driver);
	if (check_mode(options, e))
		return -1;
	json_object_foreach((json_t *)(uintptr_t)options, key, v)
		if (!(d->own && str_in(key, d->own)) && !(d->attrs && str_in(key, attr_options)) &&
			!str_in(key, all_options))
			return err_kind(e, ERR_INVALID, d->unknown, key);
	return !strcmp(driver, "syslog") ? logsyslog_check(options, e) : 0;
}

/* --- the file ------------------------------------------------------------------------------------ */

static int parse_bool(const char *text, bool *v)
{
	static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True", NULL};
	static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False", NULL};

	*v = str_in(text, yes);
	return *v || str_in(text, no) ? 0 : -1;
}

struct size_limits {
	int64_t size, files;
	bool compress;
};

static int json_file_limits(const json_t *options, struct size_limits *l, struct err *e)
{
	const char *size = json_str(options, "max-size", NULL), *files = json_str(options, "max-file", NULL);
	const char *compress = json_str(options, "compress", NULL);

	*l = (struct size_limits){0, 1, false};
	if (size && parse_size_decimal(size, &l->size))
		return err_set(e, 0, "invalid size: '%s'", size);
	if (size && !l->size)
		return err_set(e, 0, "max-size must be a positive number");
	if (files && parse_i64(span_of(files), INT64_MIN, INT64_MAX, &l->files))
		return err_set(e, 0, "strconv.Atoi: parsing \"%s\": invalid syntax", files);
	if (l->files < 1)
		return err_set(e, 0, "max-file cannot be less than 1");
	if (compress && parse_bool(compress, &l->compress))
		return err_set(e, 0, "strconv.ParseBool: parsing \"%s\": invalid syntax", compress);
	if (l->compress && (l->files < 2 || !l->size))
		return err_set(e, 0, "compress cannot be true when max-file is less than 2 or max-size is not set");
	return 0;
}

static int local_limits(const char *size, const char *files, const char *compress, struct size_limits *l,
	struct err *e)
{
	if (parse_size_decimal(size, &l->size))
		return err_set(e, 0, "invalid value for max-size: %s: invalid size: '%s'", size, size);
	if (!l->size)
		return err_set(e, 0, "max-size must be a positive number");
	if (parse_i64(span_of(files), INT64_MIN, INT64_MAX, &l->files))
		return err_set(e, 0, "invalid value for max-file: %s: strconv.Atoi: parsing \"%s\": invalid syntax",
			files, files);
	if (parse_bool(compress, &l->compress))
		return err_set(e, 0,
			"error reading compress log option: strconv.ParseBool: parsing \"%s\": invalid syntax", compress);
	if (l->compress && l->files < 2)
		return err_set(e, 0, "compression cannot be enabled when max file count is 1");
	return l->files < 1 ? err_set(e, 0, "max file count cannot be less than 1") : 0;
}

json_t *logconfig_file(const char *driver, const json_t *options, struct err *e)
{
	struct size_limits l = {0};
	bool off = false;
	int rc;

	if (!strcmp(driver, "json-file")) {
		rc = json_file_limits(options, &l, e);
	} else if (!strcmp(driver, "local")) {
		rc = local_limits(json_str(options, "max-size", LOCAL_SIZE), json_str(options, "max-file", LOCAL_FILES),
			json_str(options, "compress", "true"), &l, e);
	} else {
		if (parse_bool(json_str(options, "cache-disabled", "false"), &off))
			off = false;
		rc = local_limits(json_str(options, "cache-max-size", LOCAL_SIZE),
			json_str(options, "cache-max-file", LOCAL_FILES), json_str(options, "cache-compress", "true"), &l,
			e);
	}
	if (rc)
		return NULL;
	if (l.files > FILES_MAX)
		l.files = FILES_MAX;
	return off ? json_null() :
		     json_pack("{s:I, s:I, s:b}", "max_size", (json_int_t)l.size, "max_file", (json_int_t)l.files,
			     "compress", l.compress);
}

char *container_log_path(struct engine *en, struct container *c, const json_t *host)
{
	const json_t *log = json_obj(host, "LogConfig"), *options = json_obj(log, "Config");
	const char *driver = json_str(log, "Type", "json-file");
	cleanup_free char *own = NULL;
	const char *file;
	bool off;

	if (!strcmp(driver, "json-file"))
		file = own = xasprintf("%s-json.log", c->id);
	else if (!strcmp(driver, "local"))
		file = "local.log";
	else if (!strcmp(driver, "none") || (!parse_bool(json_str(options, "cache-disabled", "false"), &off) && off))
		return NULL;
	else
		file = "cache.log";
	return container_path(en, c, file);
}

/* --- attributes ------------------------------------------------------------------------------------ */

/* What decides about a label or variable: a list of names and an expression. */
struct chooser {
	const char *list;
	bool has_regex;
	regex_t regex;
};

static int chooser_init(struct chooser *ch, const json_t *options, const char *list, const char *regex,
	struct err *e)
{
	const char *text = json_str(options, regex, "");
	char why[128];
	int rc;

	*ch = (struct chooser){.list = json_str(options, list, "")};
	if (!*text)
		return 0;
	rc = regcomp(&ch->regex, text, REG_EXTENDED | REG_NOSUB);
	ch->has_regex = !rc;
	if (!rc)
		return 0;
	regerror(rc, &ch->regex, why, sizeof(why));
	return err_set(e, 0, "error parsing regexp: %s: `%s`", rc == REG_EPAREN ? "missing closing )" : why, text);
}

static void chooser_release(struct chooser *ch)
{
	if (ch->has_regex)
		regfree(&ch->regex);
}

static bool chooses(const struct chooser *ch, const char *key)
{
	struct span rest = span_of(ch->list), word;

	while (span_token(&rest, ',', &word))
		if (span_eqs(word, key))
			return true;
	return ch->has_regex && !regexec(&ch->regex, key, 0, NULL, 0);
}

static int add_labels(const struct container *c, const json_t *options, json_t *attrs, struct err *e)
{
	struct chooser ch;
	const char *key;
	json_t *v;

	if (chooser_init(&ch, options, "labels", "labels-regex", e))
		return -1;
	json_object_foreach(json_obj(c->config, "Labels"), key, v)
		if (chooses(&ch, key))
			json_object_set(attrs, key, v);
	chooser_release(&ch);
	return 0;
}

static int add_env(const struct container *c, const json_t *options, json_t *attrs, struct err *e)
{
	struct chooser ch;
	const json_t *v;
	const json_t *env = json_arr(c->config, "Env");
	size_t i;

	if (!json_array_size(env))
		return 0; /* Docker does not look at the expression either */
	if (chooser_init(&ch, options, "env", "env-regex", e))
		return -1;
	json_array_foreach(env, i, v) {
		const char *text = json_string_value(v), *eq = strchr(text, '=');
		cleanup_free char *name = eq ? xstrndup(text, (size_t)(eq - text)) : NULL;

		if (name && chooses(&ch, name))
			json_set_str(attrs, name, eq + 1);
	}
	chooser_release(&ch);
	return 0;
}

/* --- tags -------------------------------------------------------------------------------------------- */

static json_t *tag_fields(struct engine *en, const struct container *c)
{
	cleanup_free char *slashed = xasprintf("/%s", c->name), *command = NULL;
	cleanup_json json_t *args = container_args(c);
	cleanup_buf struct buf b = BUF_INIT;
	const char *image_id = c->image_id;
	json_t *f = json_object(), *v;
	char host[65] = "";
	size_t i;

	json_array_foreach(args, i, v)
		buf_addf(&b, i ? " %s" : "%s", json_string_value(v));
	gethostname(host, sizeof(host) - 1);
	if (!strncmp(image_id, "sha256:", 7))
		image_id += 7;
	json_set_new(f, "ID", json_textn(c->id, 12));
	json_set_str(f, "FullID", c->id);
	json_set_str(f, "ContainerID", c->id);
	json_set_str(f, "Name", c->name);
	json_set_str(f, "ContainerName", slashed);
	json_set_new(f, "ImageID", json_textn(image_id, strnlen(image_id, 12)));
	json_set_str(f, "ImageFullID", c->image_id);
	json_set_str(f, "ContainerImageID", c->image_id);
	json_set_str(f, "ImageName", json_str(c->config, "Image", ""));
	json_set_str(f, "ContainerImageName", json_str(c->config, "Image", ""));
	json_set_str(f, "DaemonName", "docker");
	json_set_str(f, "Command", b.p);
	json_set_str(f, "Hostname", host);
	return f;
}

char *logconfig_tag(const char *text, const json_t *fields, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT;
	const char *at, *open, *close;

	for (at = text; (open = strstr(at, "{{")); at = close + 2) {
		struct span action;
		cleanup_free char *name = NULL;

		close = strstr(open, "}}");
		if (!close) {
			err_set(e, 0, "template: log-tag:1: unclosed action");
			return NULL;
		}
		action = span_trim((struct span){open + 2, (size_t)(close - open - 2)});
		name = span_dup(action);
		if (*name != '.' || strspn(name + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") !=
				strlen(name + 1)) {
			err_set(e, 0, "template: log-tag:1: \"%s\": a log tag takes fields only, as in {{.Name}}", name);
			return NULL;
		}
		if (!json_str(fields, name + 1, NULL)) {
			err_set(e, 0,
				"template: log-tag:1:%zu: executing \"log-tag\" at <%s>: can't evaluate field %s in type *logger.Info",
				(size_t)(action.p - text), name, name + 1);
			return NULL;
		}
		buf_add(&out, at, (size_t)(open - at));
		buf_adds(&out, json_str(fields, name + 1, ""));
	}
	buf_adds(&out, at);
	return buf_detach(&out);
}

/* --- the request ------------------------------------------------------------------------------------- */

static json_t *journald_socket(json_t *fields, const json_t *attrs, const char *tag, struct err *e)
{
	json_t *out, *v;
	const char *key;

	if (access(JOURNAL, W_OK)) {
		err_set(e, 0, "journald is not enabled on this host");
		return NULL;
	}
	out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "CONTAINER_ID", json_str(fields, "ID", ""),
		"CONTAINER_ID_FULL", json_str(fields, "FullID", ""), "CONTAINER_NAME", json_str(fields, "Name", ""),
		"CONTAINER_TAG", tag, "IMAGE_NAME", json_str(fields, "ImageName", ""), "SYSLOG_IDENTIFIER", tag);
	/* journald wants capitals, digits and underscores. */
	json_object_foreach((json_t *)(uintptr_t)attrs, key, v) {
		cleanup_free char *name = xstrdup(key);
		char *c;

		for (c = name; *c; c++)
			*c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
		c = name + strspn(name, "_0123456789");
		if (*c)
			json_object_set(out, c, v);
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "kind", "journald", "type", "dgram", "path", JOURNAL, "fields",
		out);
}

static json_t *make_socket(const char *driver, const json_t *options, json_t *fields, const json_t *attrs,
	struct err *e)
{
	cleanup_free char *tag = NULL;
	int64_t buffer = BUFFER_SIZE;
	json_t *s;

	tag = logconfig_tag(json_str(options, "tag", "{{.ID}}"), fields, e);
	if (!tag)
		return NULL;
	s = !strcmp(driver, "syslog") ? logsyslog_socket(options, tag, e) :
					 journald_socket(fields, attrs, tag, e);
	if (s && !strcmp(json_str(options, "mode", ""), "non-blocking")) {
		parse_size(json_str(options, "max-buffer-size", ""), &buffer);
		json_set_int(s, "buffer", buffer > 0 ? buffer : BUFFER_SIZE);
	}
	return s;
}

static int add_tag(const json_t *options, const json_t *fields, json_t *attrs, struct err *e)
{
	const char *text = json_str(options, "tag", "");
	cleanup_free char *tag = logconfig_tag(text, fields, e);

	if (tag && *text)
		json_set_str(attrs, "tag", tag);
	return tag ? 0 : -1;
}

static json_t *make(struct engine *en, struct container *c, const json_t *host, struct err *e)
{
	const json_t *log = json_obj(host, "LogConfig"), *options = json_obj(log, "Config");
	const char *driver = json_str(log, "Type", "json-file");
	cleanup_free char *path = container_log_path(en, c, host);
	cleanup_json json_t *fields = tag_fields(en, c), *attrs = json_object(), *file = NULL;
	bool json_file = !strcmp(driver, "json-file");
	json_t *out, *socket = NULL;

	if (!strcmp(driver, "none"))
		return json_null();
	file = logconfig_file(driver, options, e);
	if (!file || add_labels(c, options, attrs, e) || add_env(c, options, attrs, e) ||
		(json_file && add_tag(options, fields, attrs, e)))
		return NULL;
	if (!json_file && strcmp(driver, "local") &&
		!(socket = make_socket(driver, options, fields, attrs, e)))
		return NULL;
	out = json_object();
	if (json_is_object(file)) {
		json_set_str(file, "path", path);
		json_set_new(file, "attrs", json_sorted(attrs));
		json_object_set(out, "file", file);
	}
	if (socket)
		json_set_new(out, "socket", socket);
	return out;
}

json_t *logconfig_request(struct engine *en, struct container *c, const json_t *host, struct err *e)
{
	json_t *j = make(en, c, host, e);

	if (!j)
		err_wrap(e, "failed to create task for container: failed to initialize logging driver");
	return j;
}
