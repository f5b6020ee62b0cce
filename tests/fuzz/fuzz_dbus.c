/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_dbus.c - D-Bus messages: what is read stays in bounds, what we write reads back */
#include "base/err.h"
#include "limits/dbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Texts of a message lie within it. */
static void check_span(struct span s, const uint8_t *data, size_t n)
{
	const uint8_t *p = (const uint8_t *)s.p;

	if (s.n && (p < data || s.n > n - (size_t)(p - data)))
		bug("%zu bytes that are not in the message", s.n);
}

static void read_all(struct dbus_reader r)
{
	while (!r.bad && r.at < r.n) {
		switch (r.at % 5) {
		case 0:
			dbus_get_string(&r);
			break;
		case 1:
			dbus_get_u64(&r);
			break;
		case 2:
			dbus_get_array(&r, 8);
			break;
		case 3:
			dbus_get_signature(&r);
			break;
		default:
			dbus_get_byte(&r);
		}
	}
	if (r.at > r.n)
		bug("read %zu of %zu bytes", r.at, r.n);
}

/* A call with the input as its texts. */
static void write_and_read(const uint8_t *data, size_t n)
{
	cleanup_free char *text = xstrndup((const char *)data, n);
	const struct dbus_call call = {text, text, text, text, "sau", 0};
	cleanup_buf struct buf body = BUF_INIT, out = BUF_INIT;
	struct dbus_message m;
	size_t array;

	dbus_put_string(&body, text);
	array = dbus_put_array(&body, 4);
	dbus_put_u32(&body, 7);
	dbus_end_array(&body, array, 4);
	dbus_put_call(&out, 9, &call, &body);
	if (dbus_parse(out.p, out.n, &m) != (ssize_t)out.n || m.type != DBUS_CALL || m.serial != 9)
		bug("our own call does not read back");
	if (!span_eqs(m.member, text) || !span_eqs(m.signature, "sau") || !span_eqs(dbus_get_string(&m.body), text) ||
		dbus_get_array(&m.body, 4) != body.n || dbus_get_u32(&m.body) != 7 || m.body.bad)
		bug("its values do not read back");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct dbus_message m;
	ssize_t used = dbus_parse(data, n, &m);

	if (used > 0) {
		if ((size_t)used > n)
			bug("a message of %zd bytes in %zu", used, n);
		check_span(m.member, data, n);
		check_span(m.error, data, n);
		check_span(m.signature, data, n);
		read_all(m.body);
	}
	if (n < 4096)
		write_and_read(data, n);
	return 0;
}
