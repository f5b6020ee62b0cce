/* SPDX-License-Identifier: MIT */
/*
 * core/engine/log_files.h - a log's files, current and rotated, while the monitor goes on rotating
 */
#ifndef ENGINE_LOG_FILES_H
#define ENGINE_LOG_FILES_H

#include <stdbool.h>

#define LOG_FILE_ID_MAX 48

struct log_file {
	int fd;	     /* -1: none */
	bool packed; /* fd is what was unpacked: a copy, or a pipe in which it comes */
	char id[LOG_FILE_ID_MAX];
};

/* The highest number there is: PATH.1 was rotated last, 0 is PATH itself. */
int log_files_oldest(const char *path);
/* Open that one in place of the one @f has.  A compressed one is unpacked while it is read, through a pipe; if @seek
 * before, into a file without a name in "tmp" of @datafd.  0, or -1: there is none. */
int log_file_open(struct log_file *f, int datafd, const char *path, int number, bool seek);
/* Is it the one that is being written? */
bool log_file_is_current(const struct log_file *f, const char *path);
/* Go on to the next younger one, whatever its number is by now; from none to the oldest.  False if there
 * is none, now. */
bool log_file_next(struct log_file *f, int datafd, const char *path);

#endif
