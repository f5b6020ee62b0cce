/* SPDX-License-Identifier: MIT */
/*
 * core/base/base64.h - base64 (RFC 4648), in both its alphabets
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/str.h"

/* Append the text for @in: "+/" or, with @url, "-_"; padded. */
void base64_encode(struct span in, bool url, struct buf *out);
/* Append the bytes of @text, of either alphabet; padding may be missing. 0, or -1 if it is neither. */
int base64_decode(const char *text, struct buf *out);

#endif
