/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_log.c - a container's output, in odd pieces: each line of the log must be JSON */
#include "base/fs.h"
#include "runtime/logger.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct span text)
{
	struct err e = ERR_INIT;
	struct span line;

	while (span_token(&text, '\n', &line) && line.n) {
		cleanup_json json_t *j = json_parse(line.p, line.n, &e);

		if (!j || !json_str(j, "log", NULL) || !json_str(j, "time", NULL) || !json_str(j, "stream", NULL))
			bug("the log has %.*s: %s", (int)line.n, line.p, e.msg);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	cleanup_close int file = memfd_create("log", MFD_CLOEXEC);
	struct logger l;
	cleanup_buf struct buf text = BUF_INIT;
	const char *p = (const char *)data;
	struct err e = ERR_INIT;
	size_t piece;

	if (file < 0)
		return 0;
	logger_init(&l);
	l.file.fd = dup(file);
	/* a NUL cannot be in a JSON text of ours to read back; it can in the log */
	if (memchr(data, 0, n))
		return 0;
	for (; n; p += piece, n -= piece) {
		piece = ((size_t)(unsigned char)*p * 37) % n + 1;
		logger_feed(&l, *p & 1, p, piece);
	}
	logger_close(&l);
	lseek(file, 0, SEEK_SET);
	if (!fd_read_all(file, 1 << 28, &text, &e))
		check((struct span){ text.p, text.n });
	return 0;
}
