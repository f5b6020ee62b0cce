/* SPDX-License-Identifier: MIT */
/*
 * core/api/routes_system.c - /_ping, /version, /info, /events, /system/df
 */
#include "api/http.h"
#include "base/clock.h"
#include "engine/engine.h"

static void ping(struct http *h)
{
	http_set_header(h, "Builder-Version", "2");
	http_set_header(h, "Cache-Control", "no-cache, no-store, must-revalidate");
	http_set_header(h, "Pragma", "no-cache");
	http_set_header(h, "Swarm", "inactive");
	http_text(h, 200, "text/plain; charset=utf-8", "OK", strcmp(http_method(h), "HEAD") ? 2 : 0);
}

static void version(struct http *h)
{
	http_json(h, 200, engine_version(http_engine(h)));
}

/* Older clients read older shapes: the list of names before 1.25, bridge-nf before 1.50. */
static void info(struct http *h)
{
	json_t *j = engine_info(http_engine(h)), *options, *v;
	int minor = http_api_minor(h);
	size_t i;

	if (minor < 50) {
		json_set_bool(j, "BridgeNfIptables", false);
		json_set_bool(j, "BridgeNfIp6tables", false);
	}
	if (minor < 25) {
		options = json_array();
		json_array_foreach(json_object_get(j, "SecurityOptions"), i, v) {
			struct span name = span_of(json_string_value(v));
			cleanup_free char *word = NULL;

			name.p += strlen("name=");
			name.n -= strlen("name=");
			if (span_chr(name, ',') >= 0)
				name.n = (size_t)span_chr(name, ',');
			word = span_dup(name);
			json_append_str(options, word);
		}
		json_set_new(j, "SecurityOptions", options);
	}
	http_json(h, 200, j);
}

/* --- events ---------------------------------------------------------------------------------- */

/* "since" and "until": Unix seconds with an optional fraction. 0 if absent. */
static int time_param(struct http *h, const char *name, int64_t *ns, struct err *e)
{
	const char *text = http_query(h, name);

	*ns = 0;
	if (!text || !*text)
		return 0;
	if (strspn(text, "-0123456789.") != strlen(text) || clock_parse(text, ns))
		return err_set(e, 0, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
	return 0;
}

static int events_times(struct http *h, int64_t *since, int64_t *until, struct err *e)
{
	if (time_param(h, "since", since, e) || time_param(h, "until", until, e))
		return -1;
	if (*until && *since > *until)
		return err_kind(e, ERR_INVALID, "`since` time (%s) cannot be after `until` time (%s)",
			http_query(h, "since"), http_query(h, "until"));
	return 0;
}

/* That an image was made is told since 1.46. */
static bool is_known(struct http *h, const json_t *event)
{
	return http_api_minor(h) >= 46 || strcmp(json_str(event, "Type", ""), "image") ||
		strcmp(json_str(event, "Action", ""), "create");
}

static void events(struct http *h)
{
	cleanup_json json_t *filters = NULL;
	int64_t since, until, deadline = -1;
	struct events_sub *sub;
	struct err e;
	json_t *event;

	if (events_times(h, &since, &until, &e) || !(filters = http_filters(h, &e))) {
		http_fail(h, &e);
		return;
	}
	if (until) {
		deadline = clock_mono_ns() + until - clock_real_ns();
		if (deadline < 0)
			deadline = 0;
		/* A time that has passed asks for what is remembered, from the start unless told. */
		if (!since)
			since = 1;
	}
	sub = events_subscribe(http_engine(h), since, filters);
	http_stream_begin(h, 200, "application/json");
	while ((event = events_next(sub, deadline, http_fd(h)))) {
		int gone = 0;

		if (is_known(h, event) && (!until || json_int(event, "timeNano", 0) <= until))
			gone = http_stream_json(h, event, "\n");
		json_decref(event);
		if (gone)
			break;
	}
	events_unsubscribe(sub);
}

/* --- disk usage -------------------------------------------------------------------------------- */

static int wanted(struct http *h, struct disk_usage_wanted *want, struct err *e)
{
	char **types = http_query_all(h, "type");

	*want = (struct disk_usage_wanted){0};
	if (!*types)
		*want = (struct disk_usage_wanted){true, true, true, true};
	for (; *types; types++) {
		if (!strcmp(*types, "image"))
			want->images = true;
		else if (!strcmp(*types, "container"))
			want->containers = true;
		else if (!strcmp(*types, "volume"))
			want->volumes = true;
		else if (!strcmp(*types, "build-cache"))
			want->build_cache = true;
		else
			return err_kind(e, ERR_INVALID, "unknown object type: %s", *types);
	}
	return 0;
}

static void disk_usage(struct http *h)
{
	struct disk_usage_wanted want;
	struct err e;
	json_t *j = NULL;

	if (wanted(h, &want, &e) || !(j = engine_disk_usage(http_engine(h), &want, &e)))
		http_fail(h, &e);
	else
		http_json(h, 200, j);
}

const struct route routes_system[] = {
	{"GET", "/_ping", ping},
	{"HEAD", "/_ping", ping},
	{"GET", "/version", version},
	{"GET", "/info", info},
	{"GET", "/events", events},
	{"GET", "/system/df", disk_usage},
	{NULL, NULL, NULL},
};
