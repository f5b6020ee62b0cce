/* SPDX-License-Identifier: MIT */
/*
 * applets/rootlessctl.c - rootlessctl: ask and change a running rootlesskit through its api.sock
 *
 * Exit status: 0, or 1.
 */
#include "applets.h"
#include "docker/client_http.h"
#include "docker/table.h"
#include "rootlesskit/kit.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>

#define ANSWER_MAX (1 << 20) /* bytes */

static const char help[] =
	"NAME:\n   rootlessctl - RootlessKit API client\n\n"
	"USAGE:\n   rootlessctl [global options] command [command options] [arguments...]\n\n"
	"COMMANDS:\n"
	"   list-ports [--json]          List ports\n"
	"   add-ports [--json] PORT...   Add ports, such as 127.0.0.1:8080:80/tcp\n"
	"   remove-ports ID...           Remove ports\n"
	"   info [--json]                Show info\n\n"
	"GLOBAL OPTIONS:\n"
	"   --socket value  Path to api.sock, defaults to $ROOTLESSKIT_STATE_DIR/api.sock\n"
	"   --help, -h      show help\n"
	"   --version, -v   print the version\n";

static char *sock;

static int fail(const struct err *e)
{
	fprintf(stderr, "error: %s\n", e->msg);
	return 1;
}

/* One request; *out is a new reference, or NULL if the answer has no body. */
static int ask(const char *method, const char *target, const json_t *body, json_t **out, struct err *e)
{
	struct endpoint ep = {.path = sock, .url = sock};
	cleanup_buf struct buf text = BUF_INIT, sent = BUF_INIT;
	struct request r = {.method = method, .target = target};
	struct client *c;
	int status;

	*out = NULL;
	if (!fs_exists_at(AT_FDCWD, sock))
		return err_kind(e, ERR_NOT_FOUND, "stat %s: no such file or directory", sock);
	if (body) {
		json_print(body, false, &sent);
		r.content_type = "application/json";
		r.body = sent.p;
		r.len = sent.n;
	}
	c = client_open(&ep, e);
	status = !c || client_request(c, &r, e) ? -1 : client_response(c, e);
	if (status < 0 || client_read_all(c, ANSWER_MAX, &text, e)) {
		client_close(c);
		return -1;
	}
	client_close(c);
	if (text.n)
		*out = json_parse(text.p, text.n, e);
	if (status < 400)
		return text.n && !*out ? -1 : 0;
	err_kind(e, ERR_FAILED, "%s", json_str(*out, "message", text.p));
	json_decref(*out);
	*out = NULL;
	return -1;
}

static void print_json(const json_t *j, bool indent)
{
	char *text = json_dumps(j, indent ? JSON_INDENT(4) | JSON_PRESERVE_ORDER : JSON_COMPACT | JSON_PRESERVE_ORDER);

	puts(text);
	free(text);
}

/* --- commands ------------------------------------------------------------------------------------ */

static void add_row(const json_t *port, struct buf *out)
{
	const json_t *spec = json_obj(port, "spec");

	buf_addf(out, "%lld\t%s\t%s\t%lld\t%s\t%lld\t\n", (long long)json_int(port, "id", 0), json_str(spec, "proto", ""),
		json_str(spec, "parentIP", ""), (long long)json_int(spec, "parentPort", 0), json_str(spec, "childIP", ""),
		(long long)json_int(spec, "childPort", 0));
}

static int list_ports(bool json, char **args)
{
	cleanup_buf struct buf rows = BUF_INIT, text = BUF_INIT;
	cleanup_json json_t *ports = NULL;
	struct err e = ERR_INIT;
	json_t *port;
	size_t i;

	(void)args;
	if (ask("GET", "/v1/ports", NULL, &ports, &e))
		return fail(&e);
	buf_adds(&rows, "ID\tPROTO\tPARENTIP\tPARENTPORT\tCHILDIP\tCHILDPORT\t\n");
	json_array_foreach(ports, i, port) {
		if (json)
			print_json(port, false);
		else
			add_row(port, &rows);
	}
	if (json)
		return 0;
	table_align((struct span){rows.p, rows.n}, 4, 4, &text);
	fputs(text.p, stdout);
	return 0;
}

static int add_ports(bool json, char **args)
{
	struct err e = ERR_INIT;
	struct kit_port p;

	if (!*args)
		return err_kind(&e, ERR_INVALID, "no port specified"), fail(&e);
	for (; *args; args++) {
		cleanup_json json_t *body = NULL, *made = NULL;

		if (kit_port_parse(*args, &p, &e))
			return fail(&e);
		body = kit_port_to_json(&p);
		if (ask("POST", "/v1/ports", json_obj(body, "spec"), &made, &e))
			return fail(&e);
		if (json)
			print_json(made, false);
		else
			printf("%lld\n", (long long)json_int(made, "id", 0));
	}
	return 0;
}

static int remove_ports(bool json, char **args)
{
	struct err e = ERR_INIT;
	uint64_t id;

	(void)json;
	if (!*args)
		return err_kind(&e, ERR_INVALID, "no ID specified"), fail(&e);
	for (; *args; args++) {
		cleanup_json json_t *nothing = NULL;
		cleanup_free char *target = NULL;

		if (parse_u64(span_of(*args), INT32_MAX, &id))
			return err_kind(&e, ERR_INVALID, "strconv.Atoi: parsing \"%s\": invalid syntax", *args), fail(&e);
		target = xasprintf("/v1/ports/%s", *args);
		if (ask("DELETE", target, NULL, &nothing, &e))
			return fail(&e);
		puts(*args);
	}
	return 0;
}

/* "[a b]", as Go prints slices. */
static void print_slice(const char *name, const json_t *list)
{
	const json_t *v;
	size_t i;

	printf("  - %s: [", name);
	json_array_foreach(list, i, v)
		printf("%s%s", i ? " " : "", json_string_value(v));
	puts("]");
}

static int info(bool json, char **args)
{
	cleanup_json json_t *j = NULL;
	struct err e = ERR_INIT;
	const json_t *net, *port;

	(void)args;
	if (ask("GET", "/v1/info", NULL, &j, &e))
		return fail(&e);
	if (json)
		return print_json(j, true), 0;
	printf("- REST API version: %s\n- Implementation version: %s\n- State Directory: %s\n- Child PID: %lld\n",
		json_str(j, "apiVersion", ""), json_str(j, "version", ""), json_str(j, "stateDir", ""),
		(long long)json_int(j, "childPID", 0));
	net = json_obj(j, "networkDriver");
	port = json_obj(j, "portDriver");
	if (net) {
		printf("- Network Driver: %s\n", json_str(net, "driver", ""));
		print_slice("DNS", json_arr(net, "dns"));
		if (*json_str(net, "childIP", ""))
			printf("  - IP: %s\n", json_str(net, "childIP", ""));
	}
	if (port) {
		printf("- Port Driver: %s\n", json_str(port, "driver", ""));
		print_slice("Supported protocols", json_arr(port, "protos"));
	}
	return 0;
}

/* --- the whole ----------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	int (*run)(bool json, char **args);
} commands[] = {{"list-ports", list_ports}, {"add-ports", add_ports}, {"remove-ports", remove_ports}, {"info", info}};

static int run_command(char **args)
{
	bool json = args[1] && !strcmp(args[1], "--json");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(args[0], commands[i].name))
			return commands[i].run(json, args + 1 + json);
	fprintf(stderr, "No help topic for '%s'\n", args[0]);
	return 3;
}

int rootlessctl_main(int argc, char **argv)
{
	const char *state = getenv("ROOTLESSKIT_STATE_DIR");
	struct err e = ERR_INIT;
	int i, status;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strncmp(argv[i], "--socket=", 9)) {
			sock = xstrdup(argv[i] + 9);
		} else if (!strcmp(argv[i], "--socket") && argv[i + 1]) {
			sock = xstrdup(argv[++i]);
		} else if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-v")) {
			puts("rootlessctl version " KIT_VERSION);
			return 0;
		} else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			fputs(help, stdout);
			return 0;
		} else if (strcmp(argv[i], "--debug")) {
			return err_kind(&e, ERR_INVALID, "flag provided but not defined: %s", argv[i]), fail(&e);
		}
	}
	if (i == argc || !strcmp(argv[i], "help")) {
		fputs(help, stdout);
		return 0;
	}
	if (!sock && (!state || !*state))
		return err_kind(&e, ERR_INVALID, "please specify --socket or set $ROOTLESSKIT_STATE_DIR"), fail(&e);
	if (!sock)
		sock = fs_join(state, "api.sock");
	status = run_command(argv + i);
	free(sock);
	return fflush(stdout) ? 1 : status;
}
