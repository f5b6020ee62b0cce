/* SPDX-License-Identifier: MIT */
/*
 * core/registry/useragent.c - what we call ourselves, and Basic credentials
 */
#include "registry/useragent.h"
#include "base/str.h"
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
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)userinfo;
	size_t n = strlen(userinfo), i;
	struct buf out = BUF_INIT;

	buf_adds(&out, "Basic ");
	for (i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		unsigned int v = (unsigned int)p[i] << 16;

		if (have > 1)
			v |= (unsigned int)p[i + 1] << 8;
		if (have > 2)
			v |= p[i + 2];
		buf_addc(&out, digits[v >> 18]);
		buf_addc(&out, digits[v >> 12 & 63]);
		buf_addc(&out, have > 1 ? digits[v >> 6 & 63] : '=');
		buf_addc(&out, have > 2 ? digits[v & 63] : '=');
	}
	return buf_detach(&out);
}
