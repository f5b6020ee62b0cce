/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_registry.c - docker push, login, logout, search: what is between us and a registry
 */
#include "call.h"
#include "credentials.h"
#include "format.h"
#include "image_ref.h"
#include "progress.h"
#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define HUB "https://index.docker.io/v1/"
#define SECRET_MAX (64 << 10) /* bytes of a password from standard input */

/* --- push --------------------------------------------------------------------------------- */

static struct {
	bool all, quiet, no_trust;
	const char *platform;
} ps = {.no_trust = true};

static struct flag push_flags[] = {
	{"all-tags", 'a', FLAG_BOOL, &ps.all, "Push all tags of an image to the repository"},
	{"disable-content-trust", 0, FLAG_BOOL, &ps.no_trust, "", .hidden = true},
	{"platform", 0, FLAG_STRING, &ps.platform, "Refuse an image that is for another platform"},
	{"quiet", 'q', FLAG_BOOL, &ps.quiet, "No progress, only the name"},
	FLAG_END,
};

/* "linux/arm64/v8" as the API wants it, a JSON object; NULL with @e. */
static char *platform_param(const char *text, struct err *e)
{
	cleanup_json json_t *j = json_object();
	struct buf out = BUF_INIT;
	struct platform p;

	if (platform_parse(text, &p, e)) {
		err_wrap(e, "invalid platform");
		return NULL;
	}
	json_set_str(j, "architecture", p.arch);
	json_set_str(j, "os", p.os);
	if (*p.variant)
		json_set_str(j, "variant", p.variant);
	json_print(j, false, &out);
	return buf_detach(&out);
}

static int push_ref(struct docker *d, const struct imgref *ref, struct err *e)
{
	cleanup_free char *repo = imgref_familiar_repo(ref), *auth = registry_auth(d, ref);
	cleanup_free char *path = target("/images/%s/push", repo), *platform = NULL;
	cleanup_buf struct buf to = BUF_INIT;
	struct client *c;
	int rc;

	buf_adds(&to, path);
	if (ref->tag)
		target_query(&to, "tag", ref->tag);
	if (ps.platform && *ps.platform) {
		platform = platform_param(ps.platform, e);
		if (!platform)
			return -1;
		target_query(&to, "platform", platform);
	}
	c = call_open(d, &(struct call){.method = "POST", .target = to.p, .auth = auth ? auth : "e30="}, false, e);
	if (!c)
		return -1;
	rc = progress_show(c, ps.quiet ? NULL : stdout, e);
	client_close(c);
	return rc;
}

static int push(struct docker *d, int argc, char **argv)
{
	cleanup_free char *name = NULL;
	struct err e = ERR_INIT;
	struct imgref ref;
	int rc;

	(void)argc;
	if (!ps.no_trust) {
		err_kind(&e, ERR_NOT_SUPPORTED, "content trust is not part of this client");
		return fail(&e);
	}
	if (imgref_parse(argv[0], &ref, &e))
		return fail(&e);
	if (ps.all && (ref.tag || ref.digest)) {
		err_kind(&e, ERR_INVALID, "tag can't be used with --all-tags/-a");
		return fail(&e);
	}
	if (!ps.all && !ref.tag && !ref.digest) {
		imgref_default_tag(&ref);
		if (!ps.quiet)
			printf("Using default tag: %s\n", ref.tag);
	}
	if (ref.digest) {
		err_kind(&e, ERR_INVALID, "cannot push a digest reference");
		return fail(&e);
	}
	rc = push_ref(d, &ref, &e);
	fflush(stdout);
	if (rc)
		return fail(&e);
	name = ref.tag ? imgref_canonical(&ref) : xasprintf("%s/%s", ref.host, ref.repo);
	if (ps.quiet)
		printf("%s\n", name);
	return 0;
}

/* --- login ---------------------------------------------------------------------------------- */

static struct {
	const char *username, *password;
	bool from_stdin;
} lg;

static struct flag login_flags[] = {
	{"password", 'p', FLAG_STRING, &lg.password, "Password or Personal Access Token (PAT)"},
	{"password-stdin", 0, FLAG_BOOL, &lg.from_stdin, "Take the Password or Personal Access Token (PAT) from stdin"},
	{"username", 'u', FLAG_STRING, &lg.username, "Username"},
	FLAG_END,
};

/* What is typed for a registry: its host, whatever stands around it. */
static char *key_of(const char *server)
{
	const char *host;

	if (!server || !*server)
		return xstrdup(HUB);
	host = strstr(server, "://") ? strstr(server, "://") + 3 : server;
	if (!strncmp(host, "index.docker.io", 15) || !strcmp(host, "docker.io") || !strcmp(host, "registry-1.docker.io"))
		return xstrdup(HUB);
	return xstrndup(host, strcspn(host, "/"));
}

/* One line from the terminal; NULL at its end. */
static char *ask(const char *question, bool secret)
{
	struct termios before, quiet;
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	fputs(question, stdout);
	fflush(stdout);
	if (secret && !tcgetattr(STDIN_FILENO, &before)) {
		quiet = before;
		quiet.c_lflag &= (tcflag_t)~ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	n = getline(&line, &room, stdin);
	if (secret) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		putchar('\n');
	}
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		line[--n] = 0;
	if (n >= 0)
		return line;
	free(line);
	return NULL;
}

static char *password_from_stdin(void)
{
	cleanup_free char *text = xmalloc(SECRET_MAX + 1);
	size_t n = fread(text, 1, SECRET_MAX, stdin);

	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	return xstrndup(text, n);
}

static int check_login_flags(struct err *e)
{
	if (flags_seen(login_flags, "password")) {
		if (lg.from_stdin)
			return err_kind(e, ERR_INVALID,
				"conflicting options: cannot specify both --password and --password-stdin");
		fputs("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n", stderr);
	}
	if (lg.from_stdin && (!lg.username || !*lg.username))
		return err_kind(e, ERR_INVALID, "the --password-stdin option requires --username to be set");
	return 0;
}

/* Ask the engine to ask the registry; an identity token it gave replaces the password. */
static int try_login(struct docker *d, const char *key, struct credentials *c, char **status, struct err *e)
{
	cleanup_json json_t *body = credentials_json(c, key), *answer = NULL;
	const char *token;

	if (call_post(d, "/auth", body, &answer, e))
		return -1;
	token = json_str(answer, "IdentityToken", "");
	if (*token) {
		free(c->identity_token);
		c->identity_token = xstrdup(token);
	}
	*status = xstrdup(json_str(answer, "Status", "Login Succeeded"));
	return 0;
}

/* With what is remembered: 1 if that worked, 0 to go on and ask. */
static int login_again(struct docker *d, const char *key, struct credentials *c, char **status, struct err *e)
{
	if (lg.username || lg.password || lg.from_stdin || credentials_get(d, key, c, e) <= 0)
		return 0;
	fprintf(stderr, "Authenticating with existing credentials... [Username: %s]\n\n"
		" Info -> To login with a different account, run 'docker logout' followed by 'docker login'\n\n\n",
		c->username);
	if (!try_login(d, key, c, status, e))
		return 1;
	fprintf(stderr, "Login did not succeed, error: %s\n", e->msg);
	credentials_release(c);
	return 0;
}

static int ask_credentials(struct credentials *c, struct err *e)
{
	if (lg.from_stdin)
		lg.password = password_from_stdin();
	c->identity_token = xstrdup("");
	c->username = xstrdup(lg.username ? lg.username : "");
	c->password = xstrdup(lg.password ? lg.password : "");
	if (*c->username && *c->password)
		return 0;
	if (!is_terminal(STDIN_FILENO))
		return err_kind(e, ERR_INVALID, "Error: Cannot perform an interactive login from a non TTY device");
	if (!*c->username) {
		free(c->username);
		c->username = ask("Username: ", false);
	}
	if (!c->username || !*c->username)
		return err_kind(e, ERR_INVALID, "username is required");
	if (!*c->password) {
		free(c->password);
		c->password = ask("Password: ", true);
	}
	if (!c->password || !*c->password)
		return err_kind(e, ERR_INVALID, "password is required");
	return 0;
}

static int login(struct docker *d, int argc, char **argv)
{
	cleanup_free char *key = key_of(argc ? argv[0] : NULL), *status = NULL;
	struct credentials c = {0};
	struct err e = ERR_INIT;
	bool plain;

	if (check_login_flags(&e))
		return fail(&e);
	if (!login_again(d, key, &c, &status, &e) && (ask_credentials(&c, &e) || try_login(d, key, &c, &status, &e)))
		return fail(&e);
	if (credentials_store(d, key, &c, &plain, &e)) {
		err_wrap(&e, "error storing credentials");
		return fail(&e);
	}
	if (plain)
		fprintf(stderr, "\nWARNING! Your credentials are stored unencrypted in '%s/config.json'.\n"
			"Configure a credential helper to remove this warning. See\n"
			"https://docs.docker.com/go/credential-store/\n\n", d->config_dir);
	printf("%s\n", status);
	credentials_release(&c);
	return 0;
}

static int logout(struct docker *d, int argc, char **argv)
{
	cleanup_free char *key = key_of(argc ? argv[0] : NULL);
	struct err e = ERR_INIT;

	printf("Removing login credentials for %s\n", key);
	fflush(stdout);
	if (!credentials_erase(d, key, &e))
		return 0;
	fprintf(stderr, "WARNING: could not erase credentials:\n%s: %s\n", key, e.msg);
	return 0;
}

/* --- search ----------------------------------------------------------------------------------- */

static struct {
	bool no_trunc;
	const char *format;
	int64_t limit;
	struct strlist filters;
} se;

static struct flag search_flags[] = {
	{"filter", 'f', FLAG_LIST, &se.filters, "Only what matches: is-official=true, stars=3", "filter", check_filter},
	{"format", 0, FLAG_STRING, &se.format, "'table', 'table TEMPLATE', 'json' or a Go template"},
	{"limit", 0, FLAG_INT, &se.limit, "Max number of search results"},
	{"no-trunc", 0, FLAG_BOOL, &se.no_trunc, "Don't shorten descriptions"},
	FLAG_END,
};

static const struct field search_fields[] = {
	{"Name", "NAME"}, {"Description", "DESCRIPTION"}, {"StarCount", "STARS"}, {"IsOfficial", "OFFICIAL"},
	{"IsAutomated", "AUTOMATED"}, {0},
};

static const struct listing search_kind = {
	.fields = search_fields,
	.table = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
	.type = "*registry.searchContext",
	.parse_error = "template parsing error",
	.exec_error = "template parsing error",
};

#define DESCRIPTION_WIDTH 45

static json_t *search_row(const json_t *found)
{
	cleanup_free char *text = xstrdup(json_str(found, "description", "")), *shown = NULL;
	cleanup_free char *stars = xasprintf("%lld", (long long)json_int(found, "star_count", 0));
	json_t *row = json_object();
	char *p;

	for (p = text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	shown = se.no_trunc ? xstrdup(text) : ellipsis(text, DESCRIPTION_WIDTH);
	json_set_str(row, "Name", json_str(found, "name", ""));
	json_set_str(row, "Description", shown);
	json_set_str(row, "StarCount", stars);
	json_set_str(row, "IsOfficial", json_bool(found, "is_official", false) ? "[OK]" : "");
	json_set_str(row, "IsAutomated", json_bool(found, "is_automated", false) ? "[OK]" : "");
	return row;
}

static int search(struct docker *d, int argc, char **argv)
{
	cleanup_buf struct buf to = BUF_INIT;
	cleanup_json json_t *list = NULL;
	cleanup_free char *limit = xasprintf("%lld", (long long)se.limit), *auth = NULL;
	struct imgref ref;
	struct err e = ERR_INIT;
	struct list l;
	size_t i;

	(void)argc;
	buf_adds(&to, "/images/search");
	target_query(&to, "term", argv[0]);
	if (se.limit)
		target_query(&to, "limit", limit);
	query_filters(&to, &se.filters);
	if (!imgref_parse(argv[0], &ref, NULL))
		auth = registry_auth(d, &ref);
	if (call_json(d, &(struct call){.method = "GET", .target = to.p, .auth = auth}, &list, &e) ||
		list_begin(&l, &search_kind, se.format, false, &e))
		return fail(&e);
	for (i = 0; i < json_array_size(list); i++)
		if (list_row(&l, search_row(json_array_get(list, i)), &e))
			return fail(&e);
	list_end(&l);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------- */

static struct command cmd_push = {
	.usage = "[OPTIONS] NAME[:TAG]",
	.brief = "Upload an image to a registry",
	.more = "Example:\n"
		"  docker tag app localhost:5000/me/app:1.2 && docker push localhost:5000/me/app:1.2\n",
	.flags = push_flags,
	.min = 1,
	.max = 1,
	.run = push,
};

static struct command cmd_login = {
	.usage = "[OPTIONS] [SERVER]",
	.brief = "Authenticate to a registry",
	.more = "Defaults to Docker Hub if no server is specified.\n",
	.flags = login_flags,
	.max = 1,
	.run = login,
};

static struct command cmd_logout = {
	.usage = "[SERVER]",
	.brief = "Log out from a registry",
	.max = 1,
	.run = logout,
};

static struct command cmd_search = {
	.usage = "[OPTIONS] TERM",
	.brief = "Search Docker Hub for images",
	.flags = search_flags,
	.min = 1,
	.max = 1,
	.run = search,
};

const struct entry entries_registry[] = {
	{"", "push", NULL, &cmd_push},
	{"image", "push", NULL, &cmd_push},
	{"", "login", NULL, &cmd_login},
	{"", "logout", NULL, &cmd_logout},
	{"", "search", NULL, &cmd_search},
	{0},
};
