/* SPDX-License-Identifier: MIT */
/*
 * tests/probes/hog.c - a program that takes what it can get
 *
 *	hog spin N SECONDS	N processes compute; prints the CPU time they got, in milliseconds
 *	hog alone SECONDS	the same without a child
 *	hog short SECONDS	one short-lived process after the other; prints the same
 *	hog fill FILE MIB_S	fill memory at that rate; FILE holds how many MiB by now, as 4 bytes
 *	hog rows		fill memory row by row, and say how many there are
 *	hog bomb		fork for ever
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(int who)
{
	struct rusage u;

	while (wait(NULL) > 0)
		;
	getrusage(who, &u);
	printf("%ld\n", u.ru_utime.tv_sec * 1000 + u.ru_utime.tv_usec / 1000 + u.ru_stime.tv_sec * 1000 +
		u.ru_stime.tv_usec / 1000);
}

static int spin(int n, double seconds)
{
	double end = now() + seconds;

	while (n-- > 0) {
		if (!fork()) {
			while (now() < end)
				;
			_exit(0);
		}
	}
	report(RUSAGE_CHILDREN);
	return 0;
}

static int alone(double seconds)
{
	double end = now() + seconds;

	while (now() < end)
		;
	report(RUSAGE_SELF);
	return 0;
}

static int brief(double seconds)
{
	double end = now() + seconds;

	while (now() < end) {
		if (!fork()) {
			double soon = now() + 0.002;

			while (now() < soon)
				;
			_exit(0);
		}
		wait(NULL);
	}
	report(RUSAGE_CHILDREN);
	return 0;
}

static int fill(const char *file, double rate)
{
	int fd = open(file, O_RDWR | O_CREAT, 0666);
	volatile uint32_t *count;
	double start = now();

	if (fd < 0 || ftruncate(fd, 4096))
		return 1;
	count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (count == MAP_FAILED)
		return 1;
	for (;;) {
		char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return 1;
		memset(p, 1, MIB);
		++*count;
		while (rate * (now() - start) < *count)
			;
	}
}

static int rows(void)
{
	for (int n = 1;; n++) {
		char *row = malloc(MIB);

		if (!row)
			return 1;
		memset(row, 'x', MIB);
		printf("row %d\n", n);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "spin"))
		return spin(atoi(argv[2]), atof(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "alone"))
		return alone(atof(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "short"))
		return brief(atof(argv[2]));
	if (argc == 4 && !strcmp(argv[1], "fill"))
		return fill(argv[2], atof(argv[3]));
	if (argc == 2 && !strcmp(argv[1], "rows"))
		return rows();
	if (argc == 2 && !strcmp(argv[1], "bomb"))
		for (;;)
			if (fork() < 0)
				usleep(50000); /* or an emulated machine does nothing else any more */
	fprintf(stderr, "usage: hog spin N SECONDS | alone SECONDS | short SECONDS | fill FILE MIB_S | rows | bomb\n");
	return 2;
}
