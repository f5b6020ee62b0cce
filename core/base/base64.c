/* SPDX-License-Identifier: MIT */
/*
 * core/base/base64.c - base64 (RFC 4648), in both its alphabets
 *
 * Theory of operation
 *   Three bytes are four digits.  Reading takes what clients of many kinds send: the alphabets are
 *   told apart by nothing, as they differ in two digits only.
 */
#include "base/base64.h"

void base64_encode(struct span in, bool url, struct buf *out)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char for_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *digits = url ? for_urls : plain;
	size_t i, k;

	for (i = 0; i < in.n; i += 3) {
		uint32_t v = 0;

		for (k = 0; k < 3; k++)
			v = v << 8 | (i + k < in.n ? (unsigned char)in.p[i + k] : 0);
		for (k = 0; k < 4; k++)
			buf_addc(out, i + k > in.n ? '=' : digits[v >> (18 - 6 * k) & 63]);
	}
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' || c == '+' ? 62 : c == '_' || c == '/' ? 63 : -1;
}

int base64_decode(const char *text, struct buf *out)
{
	uint32_t bits = 0;
	int n = 0, digit;

	for (; *text && *text != '='; text++) {
		digit = digit_value(*text);
		if (digit < 0)
			return -1;
		bits = bits << 6 | (uint32_t)digit;
		n += 6;
		if (n >= 8) {
			n -= 8;
			buf_addc(out, (char)(bits >> n));
		}
	}
	return text[strspn(text, "=")] ? -1 : 0;
}
