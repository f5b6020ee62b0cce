/* SPDX-License-Identifier: MIT */
/*
 * core/base/json.c - jansson, with the manners this project needs
 *
 * Theory of operation
 *   jansson refuses text that is not UTF-8; file names, environment and log lines may be such.
 *   Go replaces each bad byte by U+FFFD when it encodes, and so does json_textn().
 */
#include "base/json.h"
#include "base/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

void cleanup_json_fn(json_t **j)
{
	int saved = errno;

	json_decref(*j);
	errno = saved;
}

json_t *json_parse(const char *text, size_t n, struct err *e)
{
	json_error_t je;
	json_t *j = json_loadb(text, n, JSON_DECODE_ANY, &je);

	if (!j)
		err_kind(e, ERR_INVALID, "bad JSON at line %d, column %d: %s", je.line, je.column,
			je.text);
	return j;
}

json_t *json_load_at(int dirfd, const char *path, size_t max, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;
	json_t *j;

	if (file_read_at(dirfd, path, max, &text, e))
		return NULL;
	j = json_parse(text.p, text.n, e);
	if (!j)
		err_wrap(e, "%s", path);
	return j;
}

/* --- one block for many values ------------------------------------------------------------------ */

#define BLOCK 262144

static struct {
	_Alignas(16) char bytes[BLOCK];
	size_t used, live;
} *block;

static void *block_alloc(size_t n)
{
	void *p;

	if (n > BLOCK - block->used)
		return malloc(n);
	p = block->bytes + block->used;
	block->used += (n + 15) & ~(size_t)15;
	block->live++;
	return p;
}

static void block_free(void *p)
{
	if ((uintptr_t)p - (uintptr_t)block->bytes >= BLOCK)
		free(p);
	else if (!--block->live)
		block->used = 0;
}

void json_use_block(void)
{
	if (block)
		return;
	block = xcalloc(1, sizeof(*block));
	json_set_alloc_funcs(block_alloc, block_free);
}

/* --- text ----------------------------------------------------------------------------------------- */

/* Length of the valid UTF-8 sequence at @p, 0 if there is none (Unicode 15, table 3-7). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
	size_t len, i;

	if (p[0] < 0x80)
		return 1;
	len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > n)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
		(p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

static int sink(const char *p, size_t n, void *out)
{
	buf_add(out, p, n);
	return 0;
}

void json_print(const json_t *j, bool newline, struct buf *out)
{
	json_dump_callback(j, sink, out, JSON_COMPACT | JSON_ENCODE_ANY);
	if (newline)
		buf_addc(out, '\n');
}

/* A byte that is not written as it is: quotes, control characters, whatever is no UTF-8. */
static void escape(unsigned char c, struct buf *out)
{
	static const char named[] = {['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n',
		['\r'] = 'r', ['\t'] = 't'};

	if (c >= 0x80)
		buf_adds(out, "\xef\xbf\xbd");
	else if (c < sizeof(named) && named[c])
		buf_addf(out, "\\%c", named[c]);
	else
		buf_addf(out, "\\u%04X", c);
}

void json_print_str(const char *s, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n = s ? strlen(s) : 0, i, len, plain = 0;

	if (!s) {
		buf_adds(out, "null");
		return;
	}
	buf_addc(out, '"');
	for (i = 0; i < n; i += len ? len : 1) {
		len = p[i] < 0x20 || p[i] == '"' || p[i] == '\\' ? 0 : utf8_len(p + i, n - i);
		if (len)
			continue;
		buf_add(out, s + plain, i - plain);
		escape(p[i], out);
		plain = i + 1;
	}
	buf_add(out, s + plain, n - plain);
	buf_addc(out, '"');
}

int json_save_at(int dirfd, const char *path, const json_t *j, int flags, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT;

	json_print(j, true, &text);
	return file_write_at(dirfd, path, text.p, text.n, 0600, flags, e);
}

int json_memfd(const json_t *j, struct err *e)
{
	cleanup_close int fd = memfd_create("json", MFD_CLOEXEC);
	cleanup_buf struct buf text = BUF_INIT;

	json_print(j, false, &text);
	if (fd < 0 || fd_write_full(fd, text.p, text.n) || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(e, errno, "writing a request");
	return fd_steal(&fd);
}

json_t *json_get_ci(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);
	const char *k;
	void *it;

	if (v || !json_is_object(obj))
		return v;
	for (it = json_object_iter((json_t *)(uintptr_t)obj); it;
		it = json_object_iter_next((json_t *)(uintptr_t)obj, it)) {
		k = json_object_iter_key(it);
		if (!strcasecmp(k, key))
			v = json_object_iter_value(it);
	}
	return v;
}

const char *json_str(const json_t *obj, const char *key, const char *def)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : def;
}

int64_t json_int(const json_t *obj, const char *key, int64_t def)
{
	json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool json_bool(const json_t *obj, const char *key, bool def)
{
	json_t *v = json_object_get(obj, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

json_t *json_arr(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return json_is_array(v) ? v : NULL;
}

json_t *json_obj(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	return json_is_object(v) ? v : NULL;
}

json_t *json_path(const json_t *j, ...)
{
	json_t *at = (json_t *)(uintptr_t)j;
	const char *key;
	va_list ap;

	va_start(ap, j);
	while (at && (key = va_arg(ap, const char *)))
		at = json_object_get(at, key);
	va_end(ap);
	return at;
}

json_t *json_textn(const char *s, size_t n)
{
	json_t *j = json_stringn(s, n);
	struct buf fixed = BUF_INIT;
	size_t i = 0, len;

	if (j)
		return j;
	while (i < n) {
		len = utf8_len((const unsigned char *)s + i, n - i);
		if (len)
			buf_add(&fixed, s + i, len);
		else
			buf_adds(&fixed, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
	j = json_stringn(fixed.p, fixed.n);
	buf_release(&fixed);
	return j;
}

json_t *json_text(const char *s)
{
	return s ? json_textn(s, strlen(s)) : json_null();
}

void json_set_str(json_t *obj, const char *key, const char *value)
{
	json_set_new(obj, key, json_text(value));
}

void json_set_int(json_t *obj, const char *key, int64_t value)
{
	json_set_new(obj, key, json_integer(value));
}

void json_set_bool(json_t *obj, const char *key, bool value)
{
	json_set_new(obj, key, json_boolean(value));
}

void json_set_new(json_t *obj, const char *key, json_t *value)
{
	if (json_object_set_new_nocheck(obj, key, value))
		bug("setting JSON member %s", key);
}

void json_append_str(json_t *arr, const char *value)
{
	json_array_append_new(arr, json_text(value));
}

json_t *json_strv(char *const *v)
{
	json_t *arr;

	if (!v)
		return json_null();
	for (arr = json_array(); *v; v++)
		json_append_str(arr, *v);
	return arr;
}

char **json_to_strv(const json_t *arr)
{
	size_t i, n = json_array_size(arr), out = 0;
	char **v = xcalloc(n + 1, sizeof(*v));

	for (i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(arr, i));

		if (s)
			v[out++] = xstrdup(s);
	}
	return v;
}

void strv_free(char **v)
{
	char **p;

	for (p = v; p && *p; p++)
		free(*p);
	free(v);
}
