/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz_config.c - any daemon.json and any flags: taken or refused, handed over whole
 *
 * Up to the first NUL byte the input is flags, one a line; the rest is daemon.json.
 */
#include "base/log.h"
#include "base/str.h"
#include "engine/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setenv("HOME", "/home/me", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	log_set_level(LOG_ERROR + 1);
	return !freopen("/dev/null", "w", stdout);
}

static void try(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct config c, d;
	json_t *j;
	bool help;

	if (config_load(&c, argc, argv, &help, &e)) {
		if (!*e.msg)
			abort();
		return;
	}
	if (!help) {
		j = config_to_json(&c);
		if (config_from_json(&d, j, &e) || strcmp(c.data_root, d.data_root) || *c.data_root != '/')
			abort();
		config_reload(&d, &e);
		config_release(&d);
		json_decref(j);
	}
	config_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : 0, skip = nul ? n + 1 : 0;
	char *words = xstrndup((const char *)data, n), *argv[32], *word, *save = NULL, path[64];
	int fd = memfd_create("daemon.json", MFD_CLOEXEC), argc = 0;

	if (fd < 0 || write(fd, data + skip, size - skip) != (ssize_t)(size - skip))
		abort();
	snprintf(path, sizeof(path), "--config-file=/proc/self/fd/%d", fd);
	argv[argc++] = words;
	argv[argc++] = path;
	for (word = strtok_r(words, "\n", &save); word && argc < 31; word = strtok_r(NULL, "\n", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	try(argc, argv);
	free(words);
	close(fd);
	return 0;
}
