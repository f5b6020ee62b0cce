/* SPDX-License-Identifier: MIT */
/*
 * core/registry/useragent.h - what we call ourselves, and Basic credentials
 */
#ifndef REGISTRY_USERAGENT_H
#define REGISTRY_USERAGENT_H

/* "docker/28.5.2 coracle/1.0 os/linux arch/amd64": registries and proxies make rules by the first word. */
const char *http_user_agent(void);

/* "Basic <base64>" of "user:password"; to free(). */
char *http_basic_authorization(const char *userinfo);

#endif
