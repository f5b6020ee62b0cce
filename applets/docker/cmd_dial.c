/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/cmd_dial.c - docker system dial-stdio: the engine's socket on our standard streams
 *
 * What "docker -H ssh://…" runs on the other machine.  Each direction ends for itself: the end of
 * standard input is a shutdown of the socket for writing, and the answer still comes.
 */
#include "docker.h"

#include "base/fs.h"
#include "base/proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_input(void *arg)
{
	int fd = (int)(intptr_t)arg;

	fd_copy(STDIN_FILENO, fd, -1, NULL);
	shutdown(fd, SHUT_WR);
}

static int dial_stdio(struct docker *d, int argc, char **argv)
{
	struct err e = ERR_INIT;
	int fd = endpoint_connect(&d->endpoint, &e), rc;

	(void)argc, (void)argv;
	if (fd < 0)
		return fail(&e);
	rc = thread_start("input", send_input, (void *)(intptr_t)fd, 256);
	if (rc) {
		err_set(&e, rc, "starting a thread");
		return fail(&e);
	}
	if (fd_copy(fd, STDOUT_FILENO, -1, NULL)) {
		err_set(&e, errno, "copying the engine's answer");
		return fail(&e);
	}
	/* The input's thread may wait for bytes that nobody wants any more. */
	_exit(0);
}

static struct command cmd_dial_stdio = {"", "Proxy the stdio stream to the daemon connection. Should not be invoked manually.",
	NULL, NULL, 0, 0, false, dial_stdio};

const struct entry entries_dial[] = {
	{"system", "dial-stdio", NULL, &cmd_dial_stdio},
	{0},
};
