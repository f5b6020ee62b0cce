/* SPDX-License-Identifier: MIT */
/*
 * core/registry/reg_error.h - what a registry says when it refuses
 */
#ifndef REGISTRY_REG_ERROR_H
#define REGISTRY_REG_ERROR_H

#include "registry/http_client.h"

/**
 * reg_error() - Put the refusal in a response into words
 *
 * Reads the body.  Kinds: ERR_FORBIDDEN for DENIED, ERR_UNAUTHORIZED, ERR_NOT_FOUND for what is
 * unknown, else ERR_FAILED.  The text is Docker's: "manifest unknown: manifest unknown",
 * "received unexpected HTTP status: 500 Internal Server Error".
 *
 * Return: -1
 */
int reg_error(struct http_response *rs, struct err *e);

/* The same from what reg_error() reads: status line and fields in @h, and the body. */
int reg_error_parse(const struct response_head *h, struct span body, struct err *e);

#endif
