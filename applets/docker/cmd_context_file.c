/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_context_file.c - docker context export, import: a context as a file
 *
 * Theory of operation
 *   The stock client's format, a tar of meta.json and tls/docker/{ca,cert,key}.pem.  Such a file may come
 *   from anybody: other names in it are passed over, sizes are bounded, and all of it is read before
 *   anything is kept.
 */
#include "context_store.h"
#include "docker.h"

#include "base/fs.h"
#include "storage/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (1 << 20) /* bytes of a key, or of meta.json */

static const char *const keys[] = {"ca.pem", "cert.pem", "key.pem"};

/* --- export ---------------------------------------------------------------------------------------------- */

static int put(struct tar_writer *w, char type, const char *name, mode_t mode, struct span text, struct err *e)
{
	struct tar_entry en = {.type = type, .path = name, .mode = mode, .size = (int64_t)text.n, .real_size = (int64_t)text.n,
		.atime_ns = INT64_MIN};

	return tar_write_entry(w, &en, e) || tar_write_data(w, text.p, text.n, e) ? -1 : 0;
}

static int put_keys(struct tar_writer *w, const char *dir, struct err *e)
{
	size_t i;

	if (put(w, '5', "tls", 0700, SPAN(""), e) || put(w, '5', "tls/docker", 0700, SPAN(""), e))
		return -1;
	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		cleanup_free char *path = xasprintf("%s/docker/%s", dir, keys[i]), *name = xasprintf("tls/docker/%s", keys[i]);
		cleanup_buf struct buf text = BUF_INIT;

		if (fs_exists_at(AT_FDCWD, path) && (file_read_at(AT_FDCWD, path, FILE_MAX, &text, e) ||
							 put(w, '0', name, 0600, (struct span){text.p, text.n}, e)))
			return -1;
	}
	return 0;
}

static int write_context(struct docker *d, const char *name, int fd, struct err *e)
{
	cleanup_free char *dir = context_tls_dir(d->config_dir, name);
	cleanup_json json_t *meta = context_load(d->config_dir, name, e);
	cleanup_buf struct buf text = BUF_INIT;
	struct tar_writer *w;
	int rc;

	if (!meta)
		return -1;
	json_print(meta, false, &text);
	w = tar_writer_new(fd);
	rc = put(w, '0', "meta.json", 0644, (struct span){text.p, text.n}, e) ||
		(fs_exists_at(AT_FDCWD, dir) && put_keys(w, dir, e)) || tar_write_end(w, e);
	tar_writer_free(w);
	return rc ? -1 : 0;
}

static int export(struct docker *d, int argc, char **argv)
{
	cleanup_free char *usual = xasprintf("%s.dockercontext", argv[0]);
	const char *file = argc > 1 ? argv[1] : usual;
	bool to_stdout = !strcmp(file, "-");
	struct err e = ERR_INIT;
	int fd = STDOUT_FILENO;

	if (to_stdout && is_terminal(fd)) {
		err_kind(&e, ERR_INVALID, "cowardly refusing to export to a terminal, specify a file path");
		return fail(&e);
	}
	if (!strcmp(argv[0], "default") || !context_exists(d->config_dir, argv[0])) {
		cleanup_json json_t *none = strcmp(argv[0], "default") ? context_load(d->config_dir, argv[0], &e) : NULL;

		if (!e.msg[0])
			err_kind(&e, ERR_INVALID, "default context cannot be exported: it is what the environment says");
		return fail(&e);
	}
	if (!to_stdout)
		fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) {
		err_set(&e, 0, "open %s: %s", file, errno == EEXIST ? "file exists" : strerror(errno));
		return fail(&e);
	}
	if (write_context(d, argv[0], fd, &e) || (!to_stdout && close(fd))) {
		if (!to_stdout)
			unlink(file);
		return fail(&e);
	}
	if (!to_stdout)
		fprintf(stderr, "Written file \"%s\"\n", file);
	return 0;
}

/* --- import ---------------------------------------------------------------------------------------------- */

struct parts {
	struct buf meta, keys[ARRAY_SIZE(keys)];
};

static struct buf *part_of(struct parts *p, const char *path)
{
	size_t i;

	path += !strncmp(path, "./", 2) ? 2 : 0;
	if (!strcmp(path, "meta.json"))
		return &p->meta;
	if (strncmp(path, "tls/docker/", 11))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(path + 11, keys[i]))
			return &p->keys[i];
	return NULL;
}

static int read_parts(int fd, struct parts *p, struct err *e)
{
	const struct tar_entry *entry;
	struct fd_stream in;
	struct tar_reader *t;
	ssize_t n;
	int rc;

	fd_stream_init(&in, fd, NULL);
	t = tar_reader_new(&in.s);
	while ((rc = tar_next(t, &entry, e)) > 0) {
		struct buf *part = entry->type == '0' ? part_of(p, entry->path) : NULL;

		if (!part)
			continue;
		buf_reset(part);
		if (entry->real_size > FILE_MAX) {
			rc = err_kind(e, ERR_INVALID, "%s is larger than %d bytes", entry->path, FILE_MAX);
			break;
		}
		while ((n = tar_read(t, buf_room(part, 4096), 4096, e)) > 0) {
			part->n += (size_t)n;
			part->p[part->n] = 0;
		}
		if (n < 0) {
			rc = -1;
			break;
		}
	}
	tar_reader_free(t);
	return rc;
}

static int keep(struct docker *d, const char *name, struct parts *p, struct err *e)
{
	cleanup_json json_t *meta = json_parse(p->meta.p, p->meta.n, e);
	size_t i;

	if (!p->meta.n)
		return err_kind(e, ERR_INVALID, "it has no meta.json");
	if (!meta || !json_is_object(meta) || !json_obj(meta, "Endpoints"))
		return err_kind(e, ERR_INVALID, "its meta.json is none of a context");
	if (!json_obj(meta, "Metadata"))
		json_set_new(meta, "Metadata", json_object());
	json_set_str(meta, "Name", name);
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (p->keys[i].n &&
			context_keep_key(d->config_dir, name, keys[i], (struct span){p->keys[i].p, p->keys[i].n}, e))
			return -1;
	return context_save(d->config_dir, name, meta, NULL, e);
}

static int import(struct docker *d, int argc, char **argv)
{
	struct parts p = {BUF_INIT, {BUF_INIT, BUF_INIT, BUF_INIT}};
	bool from_stdin = !strcmp(argv[1], "-");
	struct err e = ERR_INIT;
	int fd = from_stdin ? STDIN_FILENO : open(argv[1], O_RDONLY | O_CLOEXEC);

	(void)argc;
	if (context_check_name(argv[0], &e))
		return fail(&e);
	if (context_exists(d->config_dir, argv[0]))
		err_kind(&e, ERR_CONFLICT, "context \"%s\" already exists", argv[0]);
	else if (fd < 0)
		err_set(&e, 0, "open %s: %s", argv[1], errno == ENOENT ? "no such file or directory" : strerror(errno));
	else if (read_parts(fd, &p, &e) || keep(d, argv[0], &p, &e))
		err_wrap(&e, "importing %s", from_stdin ? "a context" : argv[1]);
	if (e.msg[0])
		return fail(&e);
	puts(argv[0]);
	fprintf(stderr, "Successfully imported context \"%s\"\n", argv[0]);
	return 0;
}

/* --- the commands ------------------------------------------------------------------------------------------ */

static struct command cmd_export = {"CONTEXT [FILE|-]", "Export a context to a tar archive FILE or a tar stream on STDOUT.",
	"Without FILE it is CONTEXT.dockercontext. Its keys go along: keep it safe.\n", NULL, 1, 2, false, export};
static struct command cmd_import = {"CONTEXT FILE|-", "Import a context from a tar file",
	"Example:\n  docker context export far - | ssh other docker context import far -\n", NULL, 2, 2, false, import};

const struct entry entries_context_file[] = {
	{"context", "export", NULL, &cmd_export},
	{"context", "import", NULL, &cmd_import},
	{0},
};
