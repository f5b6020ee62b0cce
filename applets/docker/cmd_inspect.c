/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_inspect.c - docker inspect, and inspect of containers, images, volumes, networks
 *
 * Theory of operation
 *   What the engine answers is printed with its bytes kept, only indented.  With -f the answer is
 *   parsed and a template executed on it.
 *
 *   docker inspect without --type tries kinds in turn, until one has the name.
 */
#include "call.h"
#include "context_store.h"
#include "format.h"
#include "gotypes.h"
#include "template.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

#define EXIT_TEMPLATE 64 /* a template that does not parse */

/* --- kinds -------------------------------------------------------------------------------- */

struct kind {
	const char *name;
	const char *target;
	bool has_size;
	int (*get)(struct docker *d, const char *name, struct buf *out, struct err *e); /* instead of @target */
};

static const struct kind kinds[] = {
	{"container", "/containers/%s/json", true},
	{"image", "/images/%s/json", false},
	{"network", "/networks/%s", false},
	{"volume", "/volumes/%s", false},
	/* Of a swarm: the engine answers that it is none. */
	{"service", "/services/%s", false},
	{"task", "/tasks/%s", false},
	{"node", "/nodes/%s", false},
	{"plugin", "/plugins/%s/json", false},
	{"secret", "/secrets/%s", false},
	{"config", "/configs/%s", false},
};

#define LOCAL_KINDS 4 /* of them, these are asked without --type */

static struct {
	const char *format, *type;
	bool size, verbose;
} o;

static const struct kind *find_kind(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static int get(struct docker *d, const struct kind *k, const char *name, struct buf *out, struct err *e)
{
	cleanup_free char *path = NULL;
	cleanup_buf struct buf to = BUF_INIT;

	if (k->get)
		return k->get(d, name, out, e);
	if (!*name)
		return err_kind(e, ERR_NOT_FOUND, "invalid %s name or ID: value is empty", k->name);
	path = target(k->target, name);
	buf_adds(&to, path);
	if (o.size && k->has_size)
		target_query(&to, "size", "1");
	if (o.verbose && !strcmp(k->name, "network"))
		target_query(&to, "verbose", "1");
	return call_text(d, to.p, out, e);
}

/* Whichever kind has that name. */
static int get_any(struct docker *d, const char *name, struct buf *out, struct err *e)
{
	struct err why = ERR_INIT;
	size_t i;

	if (!*name)
		return get(d, &kinds[0], name, out, e);
	for (i = 0; i < LOCAL_KINDS; i++) {
		buf_reset(out);
		if (!get(d, &kinds[i], name, out, &why)) {
			if (o.size && !kinds[i].has_size)
				fprintf(stderr, "WARNING: --size ignored for %s\n", kinds[i].name);
			return 0;
		}
		if (why.kind != ERR_NOT_FOUND && why.kind != ERR_INVALID) {
			*e = why;
			return -1;
		}
	}
	return err_kind(e, ERR_NOT_FOUND, "Error: No such object: %s", name);
}

/* --- printing ----------------------------------------------------------------------------- */

static void trim(struct buf *b)
{
	while (b->n && (b->p[b->n - 1] == '\n' || b->p[b->n - 1] == '\r' || b->p[b->n - 1] == ' '))
		b->p[--b->n] = 0;
}

/* Append what the template makes of one answer; nothing if it fails. */
static int format_one(const struct tmpl *t, const struct buf *text, struct buf *out, struct err *e)
{
	cleanup_json json_t *j = json_parse(text->p, text->n, e);
	cleanup_buf struct buf one = BUF_INIT;

	if (!j || tmpl_exec(t, j, &go_env, &one, e))
		return err_wrap(e, "template parsing error");
	buf_addf(out, "%s\n", one.p);
	return 0;
}

/* Inspect all names: @k NULL is any kind. */
static int inspect_all(struct docker *d, const struct kind *k, int argc, char **argv)
{
	cleanup_buf struct buf text = BUF_INIT, out = BUF_INIT, errors = BUF_INIT, pretty = BUF_INIT;
	bool json = !o.format || !*o.format || !strcmp(o.format, "json");
	bool compact = json && o.format && *o.format;
	cleanup_free char *format = json ? NULL : format_unescape(o.format);
	struct tmpl *t = NULL;
	struct err e = ERR_INIT;
	int i, status = 0, found = 0;

	if (format && !(t = tmpl_parse("", format, &e))) {
		err_wrap(&e, "template parsing error");
		fail(&e);
		return EXIT_TEMPLATE;
	}
	if (k && o.size && !k->has_size)
		fprintf(stderr, "WARNING: --size ignored for %s\n", k->name);
	for (i = 0; i < argc; i++) {
		buf_reset(&text);
		if (k ? get(d, k, argv[i], &text, &e) : get_any(d, argv[i], &text, &e)) {
			buf_addf(&errors, "%s\n", e.msg);
			status = 1;
			continue;
		}
		trim(&text);
		if (t && format_one(t, &text, &out, &e)) {
			buf_addf(&errors, "%s\n", e.msg);
			status = 1;
		}
		if (!t)
			buf_addf(&out, "%c%s", found++ ? ',' : '[', text.p);
	}
	if (t && !out.n)
		buf_addc(&out, '\n');
	tmpl_free(t);
	if (json)
		buf_adds(&out, found ? "]" : "[]");
	if (json && !compact) {
		print_indented((struct span){out.p, out.n}, &pretty);
		buf_addc(&pretty, '\n');
	}
	fwrite(json && !compact ? pretty.p : out.p, 1, json && !compact ? pretty.n : out.n, stdout);
	if (compact)
		putchar('\n');
	fflush(stdout);
	fputs(errors.p, stderr);
	return status;
}

static int inspect(struct docker *d, int argc, char **argv)
{
	const struct kind *k = o.type && *o.type ? find_kind(o.type) : NULL;

	if (o.type && *o.type && !k) {
		fprintf(stderr, "unknown type: \"%s\": must be one of \"config\", \"container\", \"image\", \"network\", "
			"\"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"\n", o.type);
		return 1;
	}
	return inspect_all(d, k, argc, argv);
}

static int inspect_container(struct docker *d, int argc, char **argv)
{
	return inspect_all(d, find_kind("container"), argc, argv);
}

static int inspect_image(struct docker *d, int argc, char **argv)
{
	return inspect_all(d, find_kind("image"), argc, argv);
}

static int inspect_volume(struct docker *d, int argc, char **argv)
{
	return inspect_all(d, find_kind("volume"), argc, argv);
}

static int inspect_network(struct docker *d, int argc, char **argv)
{
	return inspect_all(d, find_kind("network"), argc, argv);
}

/* --- the commands ------------------------------------------------------------------------- */

#define FORMAT_FLAG {"format", 'f', FLAG_STRING, &o.format, \
	"'json', or a Go template: '{{.State.Status}} {{json .Config.Labels}}'"}

static struct flag any_flags[] = {
	FORMAT_FLAG,
	{"size", 's', FLAG_BOOL, &o.size, "Count what a container has written, too"},
	{"type", 0, FLAG_STRING, &o.type, "Look at things of this type only: container, image, volume, network"},
	FLAG_END,
};

static struct flag container_flags[] = {
	FORMAT_FLAG,
	{"size", 's', FLAG_BOOL, &o.size, "Count what it has written, too"},
	FLAG_END,
};

static struct flag plain_flags[] = {FORMAT_FLAG, FLAG_END};

static struct flag network_flags[] = {
	FORMAT_FLAG,
	{"verbose", 'v', FLAG_BOOL, &o.verbose, "Say more"},
	FLAG_END,
};

#define EXAMPLES "Examples of -f:\n" \
	"  '{{.State.Status}} {{.State.ExitCode}}'\n" \
	"  '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}'\n" \
	"  '{{range $port, $to := .NetworkSettings.Ports}}{{$port}} {{json $to}}{{println}}{{end}}'\n" \
	"  '{{index .Config.Labels \"com.example.version\"}}'\n"

/* --- contexts ------------------------------------------------------------------------------- */

static json_t *keys_of(const char *dir)
{
	static const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
	json_t *material = json_object(), *found = json_array();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		cleanup_free char *path = xasprintf("%s/docker/%s", dir, files[i]);

		if (fs_exists_at(AT_FDCWD, path))
			json_append_str(found, files[i]);
	}
	if (json_array_size(found))
		json_object_set(material, "docker", found);
	json_decref(found);
	return material;
}

static json_t *default_context(struct docker *d, struct err *e)
{
	struct endpoint ep;

	if (endpoint_find(&ep, NULL, "default", d->config_dir, NULL, NULL, e))
		return NULL;
	return json_pack("{s:s,s:{},s:{s:{s:s,s:b}}}", "Name", "default", "Metadata", "Endpoints", "docker", "Host",
		ep.url, "SkipTLSVerify", 0);
}

static int get_context(struct docker *d, const char *name, struct buf *out, struct err *e)
{
	bool is_default = !strcmp(name, "default");
	cleanup_json json_t *j = is_default ? default_context(d, e) : context_load(d->config_dir, name, e);
	cleanup_free char *meta = context_meta_dir(d->config_dir, name), *tls = context_tls_dir(d->config_dir, name);
	json_t *storage = json_object();

	json_set_str(storage, "MetadataPath", is_default ? "<IN MEMORY>" : meta);
	json_set_str(storage, "TLSPath", is_default ? "<IN MEMORY>" : tls);
	if (!j) {
		json_decref(storage);
		return -1;
	}
	json_set_new(j, "TLSMaterial", is_default ? json_object() : keys_of(tls));
	json_set_new(j, "Storage", storage);
	gojson_print(j, true, out);
	return 0;
}

static int inspect_context(struct docker *d, int argc, char **argv)
{
	static const struct kind context = {"context", NULL, false, get_context};
	char *current[] = {d->endpoint.context};

	return argc ? inspect_all(d, &context, argc, argv) : inspect_all(d, &context, 1, current);
}

static struct command cmd_any = {
	.usage = "[OPTIONS] NAME|ID [NAME|ID...]",
	.brief = "Return low-level information on Docker objects",
	.more = EXAMPLES,
	.flags = any_flags,
	.min = 1,
	.max = -1,
	.run = inspect,
};

static struct command cmd_container = {
	.usage = "[OPTIONS] CONTAINER [CONTAINER...]",
	.brief = "Display detailed information on one or more containers",
	.more = EXAMPLES,
	.flags = container_flags,
	.min = 1,
	.max = -1,
	.run = inspect_container,
};

static struct command cmd_image = {
	.usage = "[OPTIONS] IMAGE [IMAGE...]",
	.brief = "Display detailed information on one or more images",
	.flags = plain_flags,
	.min = 1,
	.max = -1,
	.run = inspect_image,
};

static struct command cmd_volume = {
	.usage = "[OPTIONS] VOLUME [VOLUME...]",
	.brief = "Display detailed information on one or more volumes",
	.flags = plain_flags,
	.min = 1,
	.max = -1,
	.run = inspect_volume,
};

static struct command cmd_network = {
	.usage = "[OPTIONS] NETWORK [NETWORK...]",
	.brief = "Display detailed information on one or more networks",
	.flags = network_flags,
	.min = 1,
	.max = -1,
	.run = inspect_network,
};

static struct command cmd_context = {
	.usage = "[OPTIONS] [CONTEXT] [CONTEXT...]",
	.brief = "Display detailed information on one or more contexts",
	.flags = plain_flags,
	.min = 0,
	.max = -1,
	.run = inspect_context,
};

const struct entry entries_inspect[] = {
	{"", "inspect", NULL, &cmd_any},
	{"container", "inspect", NULL, &cmd_container},
	{"image", "inspect", NULL, &cmd_image},
	{"volume", "inspect", NULL, &cmd_volume},
	{"network", "inspect", NULL, &cmd_network},
	{"context", "inspect", NULL, &cmd_context},
	{0},
};
