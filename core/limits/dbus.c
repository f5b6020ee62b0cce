/* SPDX-License-Identifier: MIT */
/* core/limits/dbus.c - see dbus.h */
#include "limits/dbus.h"
#include "base/err.h"

#define HEAD 16 /* bytes before the header fields, their length included */
#define VERSION 1
#define DEPTH_MAX 64 /* containers in each other, as the specification allows */

/* Header fields that we write or read. */
enum { FIELD_PATH = 1, FIELD_INTERFACE, FIELD_MEMBER, FIELD_ERROR, FIELD_REPLY_SERIAL, FIELD_DESTINATION,
	FIELD_SENDER, FIELD_SIGNATURE };

/* --- writing --------------------------------------------------------------------------------------------- */

static void align(struct buf *b, size_t to)
{
	while (b->n % to)
		buf_addc(b, 0);
}

static void set_u32(struct buf *b, size_t at, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		b->p[at + (size_t)i] = (char)(v >> 8 * i);
}

void dbus_put_byte(struct buf *b, uint8_t v)
{
	buf_addc(b, (char)v);
}

void dbus_put_u32(struct buf *b, uint32_t v)
{
	align(b, 4);
	buf_add(b, "\0\0\0", 4);
	set_u32(b, b->n - 4, v);
}

void dbus_put_bool(struct buf *b, bool v)
{
	dbus_put_u32(b, v);
}

void dbus_put_u64(struct buf *b, uint64_t v)
{
	align(b, 8);
	dbus_put_u32(b, (uint32_t)v);
	dbus_put_u32(b, (uint32_t)(v >> 32));
}

void dbus_put_string(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	dbus_put_u32(b, (uint32_t)n);
	buf_add(b, s, n + 1);
}

void dbus_put_signature(struct buf *b, const char *s)
{
	size_t n = strlen(s);

	if (n > UINT8_MAX)
		bug("a signature of %zu bytes", n);
	dbus_put_byte(b, (uint8_t)n);
	buf_add(b, s, n + 1);
}

void dbus_put_struct(struct buf *b)
{
	align(b, 8);
}

size_t dbus_put_array(struct buf *b, size_t to)
{
	size_t array;

	dbus_put_u32(b, 0);
	array = b->n - 4;
	align(b, to);
	return array;
}

/* The length counts from the first element, behind the padding. */
void dbus_end_array(struct buf *b, size_t array, size_t to)
{
	size_t first = (array + 4 + to - 1) / to * to;

	set_u32(b, array, (uint32_t)(b->n - first));
}

static void put_field(struct buf *b, uint8_t field, const char *type, const char *value)
{
	if (!value)
		return;
	dbus_put_struct(b);
	dbus_put_byte(b, field);
	dbus_put_signature(b, type);
	if (*type == 'g')
		dbus_put_signature(b, value);
	else
		dbus_put_string(b, value);
}

void dbus_put_call(struct buf *out, uint32_t serial, const struct dbus_call *c, const struct buf *body)
{
	cleanup_buf struct buf b = BUF_INIT; /* alignment counts from its beginning */
	size_t fields;

	buf_addc(&b, 'l');
	dbus_put_byte(&b, DBUS_CALL);
	dbus_put_byte(&b, c->flags);
	dbus_put_byte(&b, VERSION);
	dbus_put_u32(&b, body ? (uint32_t)body->n : 0);
	dbus_put_u32(&b, serial);
	fields = dbus_put_array(&b, 8);
	put_field(&b, FIELD_PATH, "o", c->path);
	put_field(&b, FIELD_INTERFACE, "s", c->interface);
	put_field(&b, FIELD_MEMBER, "s", c->member);
	put_field(&b, FIELD_DESTINATION, "s", c->destination);
	put_field(&b, FIELD_SIGNATURE, "g", c->signature);
	dbus_end_array(&b, fields, 8);
	align(&b, 8);
	buf_add(out, b.p, b.n);
	if (body)
		buf_add(out, body->p, body->n);
}

/* --- reading ---------------------------------------------------------------------------------------------- */

/* @n bytes aligned to @to, or NULL. */
static const uint8_t *take(struct dbus_reader *r, size_t n, size_t to)
{
	size_t at = (r->at + to - 1) / to * to;

	if (r->bad || at > r->n || n > r->n - at) {
		r->bad = true;
		return NULL;
	}
	r->at = at + n;
	return r->p + at;
}

static uint64_t get_number(struct dbus_reader *r, size_t n)
{
	const uint8_t *p = take(r, n, n);
	uint64_t v = 0;
	size_t i;

	for (i = 0; p && i < n; i++)
		v = v << 8 | p[r->big_endian ? i : n - 1 - i];
	return v;
}

uint8_t dbus_get_byte(struct dbus_reader *r)
{
	return (uint8_t)get_number(r, 1);
}

uint32_t dbus_get_u32(struct dbus_reader *r)
{
	return (uint32_t)get_number(r, 4);
}

uint64_t dbus_get_u64(struct dbus_reader *r)
{
	return get_number(r, 8);
}

/* @n bytes, without NUL, and the NUL behind them. */
static struct span get_text(struct dbus_reader *r, size_t n)
{
	const uint8_t *p = n < SIZE_MAX ? take(r, n + 1, 1) : NULL;

	if (!p || p[n] || memchr(p, 0, n)) {
		r->bad = true;
		return (struct span){"", 0};
	}
	return (struct span){(const char *)p, n};
}

struct span dbus_get_string(struct dbus_reader *r)
{
	uint32_t n = dbus_get_u32(r);

	return get_text(r, n);
}

struct span dbus_get_signature(struct dbus_reader *r)
{
	uint8_t n = dbus_get_byte(r);

	return get_text(r, n);
}

void dbus_get_struct(struct dbus_reader *r)
{
	take(r, 0, 8);
}

size_t dbus_get_array(struct dbus_reader *r, size_t to)
{
	uint32_t n = dbus_get_u32(r);

	take(r, 0, to);
	if (r->bad || n > r->n - r->at) {
		r->bad = true;
		return r->at;
	}
	return r->at + n;
}

/* --- skipping what nobody asked for ------------------------------------------------------------------------- */

static size_t alignment(char type)
{
	switch (type) {
	case 'y':
	case 'g':
	case 'v':
		return 1;
	case 'n':
	case 'q':
		return 2;
	case 'x':
	case 't':
	case 'd':
	case '(':
	case '{':
		return 8;
	default:
		return 4;
	}
}

static void skip(struct dbus_reader *r, struct span *type, int depth);

/* A struct's members, up to its closing bracket. */
static void skip_members(struct dbus_reader *r, struct span *type, char close, int depth)
{
	dbus_get_struct(r);
	while (!r->bad && type->n && *type->p != close)
		skip(r, type, depth);
	if (!type->n) {
		r->bad = true;
		return;
	}
	type->p++;
	type->n--;
}

/* One complete type past, without a value: an empty array has its element's type all the same. */
static void skip_type(struct span *type, int depth, bool *bad)
{
	char c;

	if (!type->n || depth > DEPTH_MAX) {
		*bad = true;
		return;
	}
	c = *type->p++;
	type->n--;
	if (c == 'a') {
		skip_type(type, depth + 1, bad);
	} else if (c == '(' || c == '{') {
		while (!*bad && type->n && *type->p != (c == '(' ? ')' : '}'))
			skip_type(type, depth + 1, bad);
		if (!type->n) {
			*bad = true;
			return;
		}
		type->p++;
		type->n--;
	}
}

static void skip_array(struct dbus_reader *r, struct span *type, int depth)
{
	struct span element = *type, again;
	size_t end;

	skip_type(type, depth, &r->bad);
	if (r->bad)
		return;
	end = dbus_get_array(r, alignment(*element.p));
	element.n -= type->n;
	while (!r->bad && r->at < end) {
		size_t before = r->at;

		again = element;
		skip(r, &again, depth);
		if (r->at == before) /* an empty struct, which there is not */
			r->bad = true;
	}
	if (r->at != end)
		r->bad = true;
}

static void skip(struct dbus_reader *r, struct span *type, int depth)
{
	struct span inner;
	char c;

	if (!type->n || depth > DEPTH_MAX) {
		r->bad = true;
		return;
	}
	c = *type->p++;
	type->n--;
	switch (c) {
	case 'y':
		take(r, 1, 1);
		break;
	case 'n':
	case 'q':
		take(r, 2, 2);
		break;
	case 'b':
	case 'i':
	case 'u':
	case 'h':
		take(r, 4, 4);
		break;
	case 'x':
	case 't':
	case 'd':
		take(r, 8, 8);
		break;
	case 's':
	case 'o':
		dbus_get_string(r);
		break;
	case 'g':
		dbus_get_signature(r);
		break;
	case 'v':
		inner = dbus_get_signature(r);
		skip(r, &inner, depth + 1);
		r->bad |= inner.n > 0;
		break;
	case 'a':
		skip_array(r, type, depth + 1);
		break;
	case '(':
		skip_members(r, type, ')', depth + 1);
		break;
	case '{':
		skip_members(r, type, '}', depth + 1);
		break;
	default:
		r->bad = true;
	}
}

/* --- messages ------------------------------------------------------------------------------------------------- */

static void read_field(struct dbus_reader *r, struct dbus_message *m)
{
	struct span type, *text;
	uint8_t field;

	dbus_get_struct(r);
	field = dbus_get_byte(r);
	type = dbus_get_signature(r);
	text = field == FIELD_MEMBER ? &m->member : field == FIELD_ERROR ? &m->error : NULL;
	if (text && span_eqs(type, "s")) {
		*text = dbus_get_string(r);
	} else if (field == FIELD_SIGNATURE && span_eqs(type, "g")) {
		m->signature = dbus_get_signature(r);
	} else if (field == FIELD_REPLY_SERIAL && span_eqs(type, "u")) {
		m->reply_serial = dbus_get_u32(r);
	} else {
		skip(r, &type, 0);
		r->bad |= type.n > 0;
	}
}

ssize_t dbus_parse(const void *p, size_t n, struct dbus_message *m)
{
	struct dbus_reader r = {.p = p, .n = n};
	uint32_t body, fields;
	size_t body_at, end;

	*m = (struct dbus_message){0};
	if (n < HEAD)
		return 0;
	r.big_endian = *r.p == 'B';
	if ((*r.p != 'l' && *r.p != 'B') || r.p[3] != VERSION)
		return -1;
	m->type = r.p[1];
	r.at = 4;
	body = dbus_get_u32(&r);
	m->serial = dbus_get_u32(&r);
	fields = dbus_get_u32(&r);
	if (body > DBUS_MESSAGE_MAX || fields > DBUS_MESSAGE_MAX)
		return -1;
	body_at = (HEAD + (size_t)fields + 7) / 8 * 8;
	if (body_at + body > DBUS_MESSAGE_MAX)
		return -1;
	if (body_at + body > n)
		return 0;
	end = HEAD + (size_t)fields;
	r.n = end;
	while (!r.bad && r.at < end)
		read_field(&r, m);
	if (r.bad || !m->serial)
		return -1;
	m->body = (struct dbus_reader){.p = (const uint8_t *)p + body_at, .n = body, .big_endian = r.big_endian};
	return (ssize_t)(body_at + body);
}
