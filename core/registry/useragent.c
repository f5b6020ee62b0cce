/* SPDX-License-Identifier: MIT */
/*
 * core/registry/useragent.c - what we call ourselves, and Basic credentials
 */
#include "registry/useragent.h"
#include "base/base64.h"
#include "version.h"

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#elif defined(__arm__)
#define ARCH "arm"
#elif defined(__riscv)
#define ARCH "riscv64"
#elif defined(__powerpc64__)
#define ARCH "ppc64le"
#elif defined(__s390x__)
#define ARCH "s390x"
#elif defined(__i386__)
#define ARCH "386"
#else
#define ARCH "unknown"
#endif

const char *http_user_agent(void)
{
	return "docker/28.5.2 coracle/" CORACLE_VERSION " os/linux arch/" ARCH;
}

char *http_basic_authorization(const char *userinfo)
{
	struct buf out = BUF_INIT;

	buf_adds(&out, "Basic ");
	base64_encode(span_of(userinfo), false, &out);
	return buf_detach(&out);
}
