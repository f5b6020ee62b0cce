/* SPDX-License-Identifier: MIT */
/*
 * tests/unit/unit.h - a test program in one header
 *
 * Each tests/unit/test_NAME.c includes this and holds TEST(name) { ... } bodies; main() is here
 * and runs them in the order written.  A line a test: "ok NAME", "FAIL NAME: where: what" or
 * "skip NAME: why"; the exit status is 1 if one failed.  Names on the command line select.
 *
 *   CHECK(cond)            records a failure and goes on
 *   CHECK_STR(got, want)   compares C strings (NULL equals only NULL) and shows both
 *   CHECK_INT(got, want)   compares integers and shows both
 *   CHECK_MEM(p, n, s)     compares n bytes at p with the C string s
 *   CHECK_OK(e, call)      call returns >= 0, or the message of @e is shown
 *   NEED(cond)             as CHECK, but ends this test when it fails
 *   SKIP(why)              ends this test, neither passed nor failed
 *
 *   #define UNIT_ROLES f   before including this: static int f(int argc, char **argv) is called,
 *                          as main of a role would be, when the program is started with ":NAME"
 *                          (proc_spawn_role() starts the running program)
 *
 *   guarded(p, n)          a copy of n bytes that ends exactly at an unmapped page: reading one
 *                          byte too many kills the program.  guarded_str() takes a C string;
 *                          its NUL is not copied.
 *   tmp_dirfd()            a fresh directory for the whole program, removed at its end;
 *                          tmp_path() is its name
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"

#define UNIT_TIMEOUT_S 240 /* for a whole program: a hang is a failure, a loaded machine is none */
#define UNIT_MAX 512	  /* tests in one program */

struct unit_test {
	const char *name;
	void (*fn)(void);
};

static struct unit_test unit_tests[UNIT_MAX];
static size_t unit_count;
static const char *unit_current = "";
static int unit_failures; /* of the running test */
static bool unit_skipped;
static jmp_buf unit_end;
static char unit_dir[4096];

static inline void unit_add(const char *name, void (*fn)(void))
{
	if (unit_count == UNIT_MAX)
		abort();
	unit_tests[unit_count++] = (struct unit_test){ name, fn };
}

#define TEST(id)                                                    \
	static void test_##id(void);                                \
	__attribute__((constructor)) static void unit_add_##id(void) \
	{                                                           \
		unit_add(#id, test_##id);                           \
	}                                                           \
	static void test_##id(void)

__attribute__((format(printf, 3, 4))) static inline bool unit_fail(
	const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("FAIL %s: %s:%d: ", unit_current, file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	unit_failures++;
	return false;
}

static inline bool unit_check_str(
	const char *file, int line, const char *text, const char *got, const char *want)
{
	if (got == want || (got && want && strcmp(got, want) == 0))
		return true;
	return unit_fail(file, line, "%s is \"%s\", not \"%s\"", text, got ? got : "(null)",
		want ? want : "(null)");
}

static inline bool unit_check_mem(
	const char *file, int line, const char *text, const void *p, size_t n, const char *want)
{
	if (n == strlen(want) && (n == 0 || memcmp(p, want, n) == 0))
		return true;
	return unit_fail(file, line, "%s is \"%.*s\", not \"%s\"", text, (int)n, n ? (const char *)p : "",
		want);
}

static inline bool unit_check_int(
	const char *file, int line, const char *text, int64_t got, int64_t want)
{
	if (got == want)
		return true;
	return unit_fail(file, line, "%s is %" PRId64 ", not %" PRId64, text, got, want);
}

#define CHECK(cond) ((cond) ? true : unit_fail(__FILE__, __LINE__, "%s", #cond))
#define CHECK_STR(got, want) unit_check_str(__FILE__, __LINE__, #got, (got), (want))
#define CHECK_INT(got, want) unit_check_int(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(want))
#define CHECK_MEM(p, n, s) unit_check_mem(__FILE__, __LINE__, #p, (p), (n), (s))
#define CHECK_OK(e, call) \
	((call) >= 0 ? true : unit_fail(__FILE__, __LINE__, "%s: %s", #call, (e).msg))
#define NEED(cond)                           \
	do {                                 \
		if (!CHECK(cond))            \
			longjmp(unit_end, 1); \
	} while (0)
#define SKIP(why)                                            \
	do {                                                 \
		printf("skip %s: %s\n", unit_current, (why)); \
		unit_skipped = true;                         \
		longjmp(unit_end, 1);                        \
	} while (0)

static inline char *guarded(const void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (n + page - 1) / page * page;
	char *map = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + room, page, PROT_NONE) < 0)
		abort();
	if (n)
		memcpy(map + room - n, p, n);
	return map + room - n;
}

static inline char *guarded_str(const char *s)
{
	return guarded(s, strlen(s));
}

static inline const char *tmp_path(void)
{
	const char *base = getenv("TMPDIR");

	if (*unit_dir)
		return unit_dir;
	snprintf(unit_dir, sizeof(unit_dir), "%s/coracle-unit.XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(unit_dir)) {
		perror(unit_dir);
		abort();
	}
	return unit_dir;
}

static inline int tmp_dirfd(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open(tmp_path(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		abort();
	return fd;
}

/* Only async-signal-safe calls: name the test that crashed, then die of the signal. */
static inline void unit_crashed(int sig)
{
	static const char fail[] = "FAIL ", why[] = ": killed by a signal\n";

	if (write(1, fail, sizeof(fail) - 1) > 0 && write(1, unit_current, strlen(unit_current)) > 0 &&
		write(1, why, sizeof(why) - 1) > 0)
		raise(sig);
	_exit(128 + sig);
}

static inline void unit_catch(void)
{
	struct sigaction sa = { .sa_handler = unit_crashed, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGALRM, &sa, NULL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGABRT, &sa, NULL);
#endif
}

static inline void unit_run(const struct unit_test *t)
{
	unit_current = t->name;
	unit_failures = 0;
	unit_skipped = false;
	if (setjmp(unit_end) == 0)
		t->fn();
	if (unit_failures == 0 && !unit_skipped)
		printf("ok %s\n", t->name);
	fflush(stdout);
}

static inline bool unit_selected(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return argc < 2;
}

#ifdef UNIT_ROLES
static int UNIT_ROLES(int argc, char **argv);
#endif

int main(int argc, char **argv)
{
#ifdef UNIT_ROLES
	if (argc > 1 && argv[1][0] == ':')
		return UNIT_ROLES(argc - 1, argv + 1);
#endif
	int failed = 0, ran = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	unit_catch();
	alarm(UNIT_TIMEOUT_S);
	for (size_t i = 0; i < unit_count; i++) {
		if (!unit_selected(unit_tests[i].name, argc, argv))
			continue;
		unit_run(&unit_tests[i]);
		ran++;
		failed += unit_failures > 0;
	}
	if (*unit_dir)
		fs_remove_tree_at(AT_FDCWD, unit_dir, NULL);
	printf("# %d tests, %d failed\n", ran, failed);
	return failed > 0 || ran == 0;
}

#endif
