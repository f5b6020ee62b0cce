/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/context_store.c - engines that were given a name, in the stock client's files
 *
 * Theory of operation
 *   The stock client reads and writes the same files, so their form is its: modes, the order of
 *   members, tabs in config.json.  A name becomes a directory only as its digest.  Each file is
 *   seen whole or not at all; keys are written before meta.json says that the context is there,
 *   and removed before it goes, so that no key is left that nobody knows of.
 */
#include "context_store.h"

#include "base/fs.h"
#include "base/sha256.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#define META_MAX (1 << 20)   /* bytes of a context's description */
#define CONFIG_MAX (4 << 20) /* of config.json */
#define PEM_MAX (1 << 20)    /* of a key or certificate */

static char *dir_of(const char *config_dir, const char *kind, const char *name)
{
	char digest[DIGEST_MAX];

	sha256_digest_of(name, strlen(name), digest);
	return xasprintf("%s/contexts/%s/%s", config_dir, kind, digest_hex(digest));
}

char *context_meta_dir(const char *config_dir, const char *name)
{
	return dir_of(config_dir, "meta", name);
}

char *context_tls_dir(const char *config_dir, const char *name)
{
	return dir_of(config_dir, "tls", name);
}

static char *meta_path(const char *config_dir, const char *name)
{
	cleanup_free char *dir = context_meta_dir(config_dir, name);

	return xasprintf("%s/meta.json", dir);
}

bool context_exists(const char *config_dir, const char *name)
{
	cleanup_free char *path = meta_path(config_dir, name);

	return fs_exists_at(AT_FDCWD, path);
}

json_t *context_load(const char *config_dir, const char *name, struct err *e)
{
	cleanup_free char *path = meta_path(config_dir, name);
	json_t *meta;

	if (!fs_exists_at(AT_FDCWD, path)) {
		err_kind(e, ERR_NOT_FOUND, "context \"%s\": context not found: open %s: no such file or directory",
			name, path);
		return NULL;
	}
	meta = json_load_at(AT_FDCWD, path, META_MAX, e);
	if (!meta)
		err_wrap(e, "context \"%s\"", name);
	return meta;
}

static int by_name(const void *pa, const void *pb)
{
	return strverscmp(json_str(*(json_t *const *)pa, "Name", ""), json_str(*(json_t *const *)pb, "Name", ""));
}

json_t *context_list(const char *config_dir)
{
	cleanup_free char *path = xasprintf("%s/contexts/meta", config_dir);
	cleanup_closedir DIR *d = opendir(path);
	json_t **found = NULL, *all = json_array();
	struct dirent *de;
	size_t i, n = 0;

	while (d && (de = readdir(d))) {
		cleanup_free char *file = xasprintf("%s/%s/meta.json", path, de->d_name);
		json_t *meta = is_hex64(de->d_name) ? json_load_at(AT_FDCWD, file, META_MAX, NULL) : NULL;

		if (!meta)
			continue;
		found = xreallocarray(found, n + 1, sizeof(*found));
		found[n++] = meta;
	}
	if (n)
		qsort(found, n, sizeof(*found), by_name);
	for (i = 0; i < n; i++)
		json_array_append_new(all, found[i]);
	free(found);
	return all;
}

/* --- create and remove ---------------------------------------------------------------------- */

#define NAME_RULE "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"

int context_check_name(const char *name, struct err *e)
{
	static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t n = strlen(name);

	if (!strcmp(name, "default"))
		return err_kind(e, ERR_INVALID, "\"default\" is a reserved context name");
	if (n >= 2 && strchr(alnum, name[0]) &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") == n)
		return 0;
	return err_kind(e, ERR_INVALID, "context name \"%s\" is invalid, names are validated against regexp \"%s\"",
		name, NAME_RULE);
}

int context_keep_key(const char *config_dir, const char *name, const char *file, struct span text, struct err *e)
{
	cleanup_free char *dir = context_tls_dir(config_dir, name);
	cleanup_free char *path = xasprintf("%s/docker/%s", dir, file), *parent = xasprintf("%s/docker", dir);

	if (fs_mkdir_p_at(AT_FDCWD, parent, 0700, e))
		return -1;
	return file_write_at(AT_FDCWD, path, text.p, text.n, 0600, FILE_SYNC, e);
}

static int keep_pem(const char *config_dir, const char *name, const char *as, const char *from, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct err why = ERR_INIT;

	if (!from)
		return 0;
	if (file_read_at(AT_FDCWD, from, PEM_MAX, &text, &why)) {
		const char *reason = why.code ? strerror(why.code) : why.msg; /* Go's are in lower case */

		return err_kind(e, ERR_INVALID, "unable to create docker endpoint config: open %s: %c%s", from,
			tolower((unsigned char)*reason), reason + 1);
	}
	return context_keep_key(config_dir, name, as, (struct span){text.p, text.n}, e);
}

static int keep_keys(const char *config_dir, const char *name, const struct context_tls *tls, struct err *e)
{
	cleanup_free char *dir = context_tls_dir(config_dir, name);

	if (!keep_pem(config_dir, name, "ca.pem", tls->ca, e) && !keep_pem(config_dir, name, "cert.pem", tls->cert, e) &&
		!keep_pem(config_dir, name, "key.pem", tls->key, e))
		return 0;
	fs_remove_tree_at(AT_FDCWD, dir, NULL);
	return -1;
}

int context_save(const char *config_dir, const char *name, const json_t *meta, const struct context_tls *tls,
	struct err *e)
{
	cleanup_free char *dir = context_meta_dir(config_dir, name), *keys = context_tls_dir(config_dir, name);
	cleanup_free char *path = meta_path(config_dir, name);
	cleanup_buf struct buf text = BUF_INIT;

	if (tls && (fs_remove_tree_at(AT_FDCWD, keys, e) || keep_keys(config_dir, name, tls, e)))
		return -1;
	if (fs_mkdir_p_at(AT_FDCWD, dir, 0755, e))
		return -1;
	json_print(meta, false, &text);
	return file_write_at(AT_FDCWD, path, text.p, text.n, 0644, FILE_SYNC, e);
}

int context_create(const char *config_dir, const char *name, const char *description, const json_t *docker,
	const struct context_tls *tls, struct err *e)
{
	cleanup_free char *path = meta_path(config_dir, name);
	cleanup_json json_t *meta = json_object();
	json_t *about = json_object(), *endpoints = json_object();

	json_set_str(meta, "Name", name);
	json_set_new(meta, "Metadata", about);
	json_set_new(meta, "Endpoints", endpoints);
	if (description && *description)
		json_set_str(about, "Description", description);
	if (docker)
		json_set_new(endpoints, "docker", json_deep_copy(docker));
	if (context_check_name(name, e))
		return -1;
	if (fs_exists_at(AT_FDCWD, path))
		return err_kind(e, ERR_CONFLICT, "context \"%s\" already exists", name);
	return context_save(config_dir, name, meta, tls, e);
}

int context_remove(const char *config_dir, const char *name, struct err *e)
{
	cleanup_free char *keys = context_tls_dir(config_dir, name);
	cleanup_free char *dir = context_meta_dir(config_dir, name);

	if (!strcmp(name, "default"))
		return err_kind(e, ERR_INVALID, "context \"default\" cannot be removed");
	if (!context_exists(config_dir, name))
		return err_kind(e, ERR_NOT_FOUND, "context \"%s\" does not exist", name);
	if (fs_remove_tree_at(AT_FDCWD, keys, e))
		return -1;
	return fs_remove_tree_at(AT_FDCWD, dir, e);
}

/* --- the current one ------------------------------------------------------------------------ */

static char *config_path(const char *config_dir)
{
	return xasprintf("%s/config.json", config_dir);
}

/* As Go's MarshalIndent(…, "", "\t"): one tab a level; strings hold no newlines. */
static void print_tabbed(const json_t *j, struct buf *out)
{
	cleanup_free char *text = json_dumps(j, JSON_INDENT(1));
	struct span rest = span_of(text), line;

	while (span_token(&rest, '\n', &line)) {
		size_t level = 0;

		while (level < line.n && line.p[level] == ' ')
			level++;
		if (out->n)
			buf_addc(out, '\n');
		for (size_t i = 0; i < level; i++)
			buf_addc(out, '\t');
		buf_add(out, line.p + level, line.n - level);
	}
}

int context_use(const char *config_dir, const char *name, struct err *e)
{
	cleanup_free char *path = config_path(config_dir);
	cleanup_json json_t *config = NULL;
	cleanup_buf struct buf text = BUF_INIT;
	bool none = !strcmp(name, "default");

	if (!none && !context_exists(config_dir, name)) {
		json_decref(context_load(config_dir, name, e));
		return -1;
	}
	if (fs_exists_at(AT_FDCWD, path)) {
		config = json_load_at(AT_FDCWD, path, CONFIG_MAX, e);
		if (!config) /* not to be overwritten: it may hold credentials */
			return err_wrap(e, "reading %s", path);
	} else if (none) {
		return 0;
	} else {
		config = json_object();
		json_set_new(config, "auths", json_object());
	}
	if (none)
		json_object_del(config, "currentContext");
	else
		json_set_str(config, "currentContext", name);
	print_tabbed(config, &text);
	if (fs_mkdir_p_at(AT_FDCWD, config_dir, 0700, e))
		return -1;
	return file_write_at(AT_FDCWD, path, text.p, text.n, 0600, FILE_SYNC, e);
}
