/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/credentials.c - what docker login remembers
 *
 * Theory of operation
 *   config.json names who keeps credentials: "credHelpers" a helper for one registry, "credsStore"
 *   one for all others; without either they are in config.json itself ("auths").  A helper is the
 *   program docker-credential-NAME on PATH, called with get, store or erase and told the rest on its
 *   standard input (github.com/docker/docker-credential-helpers).  A user name of "<token>" means that
 *   the secret is an identity token.
 *
 *   Of credentials a helper keeps, "auths" holds an empty entry, as the stock client leaves it there.
 */
#include "credentials.h"

#include "base/base64.h"
#include "base/fs.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX (1 << 20) /* bytes a helper may say */
#define CONFIG_MAX (8 << 20)

extern char **environ;

const char *credentials_key(const char *host)
{
	return !strcmp(host, "docker.io") ? "https://index.docker.io/v1/" : host;
}

void credentials_release(struct credentials *c)
{
	char *all[] = {c->username, c->password, c->identity_token};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		if (all[i])
			explicit_bzero(all[i], strlen(all[i]));
		free(all[i]);
	}
	*c = (struct credentials){0};
}

json_t *credentials_json(const struct credentials *c, const char *key)
{
	json_t *j = json_object();

	json_set_str(j, "username", c->username);
	json_set_str(j, "password", c->password);
	json_set_str(j, "serveraddress", key);
	if (*c->identity_token)
		json_set_str(j, "identitytoken", c->identity_token);
	return j;
}

/* --- helpers -------------------------------------------------------------------------------------- */

/* Name of the helper for a registry, or NULL. */
static const char *helper_of(const struct docker *d, const char *key)
{
	const char *own = json_str(json_obj(d->config, "credHelpers"), key, NULL);
	const char *all = json_str(d->config, "credsStore", "");

	return own ? own : *all ? all : NULL;
}

/* Start it with pipes: *in is written to, *out read from. */
static int start_helper(const char *program, const char *verb, pid_t *pid, int *in, int *out, struct err *e)
{
	char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)verb, NULL};
	posix_spawn_file_actions_t actions;
	int to[2], from[2], rc;

	if (pipe2(to, O_CLOEXEC))
		return err_set(e, errno, "making a pipe");
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return err_set(e, errno, "making a pipe");
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
	rc = posix_spawnp(pid, program, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(to[0]);
	close(from[1]);
	*in = to[1];
	*out = from[0];
	if (!rc)
		return 0;
	close(*in);
	close(*out);
	err_set(e, rc, "starting the credential helper %s", program);
	return err_hint(e, "config.json asks for it in \"credsStore\" or \"credHelpers\"");
}

/* Call a helper: 0 with its answer, or -1 with @e its words. */
static int call_helper(const char *helper, const char *verb, struct span told, struct buf *answer, struct err *e)
{
	cleanup_free char *program = xasprintf("docker-credential-%s", helper);
	int in = -1, out = -1, status = 0, rc;
	pid_t pid;

	if (strchr(helper, '/'))
		return err_kind(e, ERR_INVALID, "bad name of a credential helper '%s'", helper);
	if (start_helper(program, verb, &pid, &in, &out, e))
		return -1;
	fd_write_full(in, told.p, told.n); /* one that reads nothing says so by its status */
	close(in);
	rc = fd_read_all(out, ANSWER_MAX, answer, e);
	close(out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (rc || (WIFEXITED(status) && !WEXITSTATUS(status)))
		return rc;
	while (answer->n && strchr(" \n", answer->p[answer->n - 1]))
		answer->p[--answer->n] = 0;
	return err_kind(e, strstr(answer->p, "credentials not found") ? ERR_NOT_FOUND : ERR_FAILED,
		"error getting credentials - err: exit status %d, out: `%s`", WEXITSTATUS(status), answer->p);
}

static int helper_get(const char *helper, const char *key, struct credentials *c, struct err *e)
{
	cleanup_buf struct buf answer = BUF_INIT;
	cleanup_json json_t *j = NULL;
	struct err why = ERR_INIT;
	const char *secret;
	bool token;

	if (call_helper(helper, "get", span_of(key), &answer, &why)) {
		if (why.kind == ERR_NOT_FOUND)
			return 0;
		*e = why;
		return -1;
	}
	j = json_parse(answer.p, answer.n, e);
	if (!j)
		return err_wrap(e, "the credential helper %s", helper);
	secret = json_str(j, "Secret", "");
	token = !strcmp(json_str(j, "Username", ""), "<token>");
	c->username = xstrdup(token ? "" : json_str(j, "Username", ""));
	c->password = xstrdup(token ? "" : secret);
	c->identity_token = xstrdup(token ? secret : "");
	return 1;
}

static int helper_store(const char *helper, const char *key, const struct credentials *c, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT, answer = BUF_INIT;
	cleanup_json json_t *j = json_object();
	bool token = *c->identity_token;

	json_set_str(j, "ServerURL", key);
	json_set_str(j, "Username", token ? "<token>" : c->username);
	json_set_str(j, "Secret", token ? c->identity_token : c->password);
	json_print(j, false, &text);
	return call_helper(helper, "store", (struct span){text.p, text.n}, &answer, e);
}

/* --- config.json ------------------------------------------------------------------------------------ */

/* As docker login writes it today, or with a scheme, as it once did. */
static json_t *entry_of(const struct docker *d, const char *key)
{
	json_t *auths = json_obj(d->config, "auths"), *found = json_obj(auths, key);
	cleanup_free char *https = xasprintf("https://%s", key), *http = xasprintf("http://%s", key);

	if (!found)
		found = json_obj(auths, https);
	return found ? found : json_obj(auths, http);
}

static int file_get(const struct docker *d, const char *key, struct credentials *c)
{
	json_t *entry = entry_of(d, key);
	cleanup_buf struct buf pair = BUF_INIT;
	const char *token = json_str(entry, "identitytoken", "");
	struct span user, password = {"", 0};
	ssize_t colon;

	if (!entry || base64_decode(json_str(entry, "auth", ""), &pair) || (!pair.n && !*token))
		return 0;
	user = (struct span){pair.p, pair.n};
	colon = span_chr(user, ':');
	if (colon >= 0)
		password = span_cut(&user, (size_t)colon);
	c->username = span_dup(user);
	c->password = span_dup(password);
	c->identity_token = xstrdup(token);
	return 1;
}

/* The stock client ends the file without a newline and indents by tabs. */
static void print_config(const json_t *config, struct buf *out)
{
	cleanup_buf struct buf compact = BUF_INIT, blanks = BUF_INIT;
	struct span rest, line;

	json_print(config, false, &compact);
	print_indented((struct span){compact.p, compact.n}, &blanks);
	rest = (struct span){blanks.p, blanks.n};
	while (span_token(&rest, '\n', &line)) {
		if (out->n)
			buf_addc(out, '\n');
		for (; span_starts(line, "    "); line = (struct span){line.p + 4, line.n - 4})
			buf_addc(out, '\t');
		buf_add(out, line.p, line.n);
	}
}

static int save_config(struct docker *d, struct err *e)
{
	cleanup_free char *path = fs_join(d->config_dir, "config.json");
	cleanup_buf struct buf text = BUF_INIT;
	char real[PATH_MAX]; /* a symbolic link stays one */

	if (fs_mkdir_p_at(AT_FDCWD, d->config_dir, 0700, e))
		return -1;
	print_config(d->config, &text);
	return file_write_at(AT_FDCWD, realpath(path, real) ? real : path, text.p, text.n, 0600, FILE_SYNC, e);
}

static json_t *auths_of(struct docker *d)
{
	json_t *auths;

	if (!d->config)
		d->config = json_object();
	auths = json_obj(d->config, "auths");
	if (auths)
		return auths;
	json_set_new(d->config, "auths", json_object());
	return json_obj(d->config, "auths");
}

static json_t *file_entry(const struct credentials *c)
{
	cleanup_free char *pair = xasprintf("%s:%s", c->username, *c->identity_token ? "" : c->password);
	cleanup_buf struct buf text = BUF_INIT;
	json_t *entry = json_object();

	base64_encode(span_of(pair), false, &text);
	json_set_str(entry, "auth", text.p);
	if (*c->identity_token)
		json_set_str(entry, "identitytoken", c->identity_token);
	return entry;
}

/* --- either ------------------------------------------------------------------------------------------- */

int credentials_get(const struct docker *d, const char *key, struct credentials *c, struct err *e)
{
	const char *helper = helper_of(d, key);

	*c = (struct credentials){0};
	return helper ? helper_get(helper, key, c, e) : file_get(d, key, c);
}

json_t *credentials_all(const struct docker *d)
{
	static const char *const members[] = {"auths", "credHelpers"};
	json_t *all = json_object(), *value;
	struct credentials c;
	const char *key;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(members); i++)
		json_object_foreach(json_obj(d->config, members[i]), key, value) {
			struct err e = ERR_INIT;

			if (json_object_get(all, key) || credentials_get(d, key, &c, &e) <= 0)
				continue;
			json_set_new(all, key, credentials_json(&c, key));
			credentials_release(&c);
		}
	return all;
}

int credentials_store(struct docker *d, const char *key, const struct credentials *c, bool *plain, struct err *e)
{
	const char *helper = helper_of(d, key);
	json_t *entry;

	*plain = false;
	if (helper && helper_store(helper, key, c, e))
		return -1;
	entry = helper ? json_object() : file_entry(c);
	if (json_equal(entry, json_object_get(auths_of(d), key))) {
		json_decref(entry);
		return 0;
	}
	*plain = !helper;
	json_set_new(auths_of(d), key, entry);
	return save_config(d, e);
}

int credentials_erase(struct docker *d, const char *key, struct err *e)
{
	cleanup_free char *https = xasprintf("https://%s", key), *http = xasprintf("http://%s", key);
	const char *const keys[] = {key, https, http}, *helper = helper_of(d, key);
	cleanup_buf struct buf answer = BUF_INIT;
	struct err why = ERR_INIT;
	bool changed = false;
	size_t i;

	if (helper && call_helper(helper, "erase", span_of(key), &answer, &why) && why.kind != ERR_NOT_FOUND) {
		*e = why;
		return -1;
	}
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		changed |= !json_object_del(json_obj(d->config, "auths"), keys[i]);
	return changed ? save_config(d, e) : 0;
}
