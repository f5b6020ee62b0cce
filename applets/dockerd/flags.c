/* SPDX-License-Identifier: MIT */
/*
 * applets/dockerd/flags.c - DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS
 *
 * Theory of operation
 *   The script of that name hands the words to rootlesskit; here rootlesskit's own parser reads them.  What is about
 *   subordinate ids and the network driver is taken from it.  "-p" publishes the API's port, which we need not: our
 *   sockets are the host's.  What is about namespaces that the engine does not live in is warned of.
 */
#include "supervisor.h"

#include "base/log.h"

#include <stdlib.h>

#define WORDS_MAX 256

static struct kit kit; /* its texts are views of words, kept for ever */

const struct kit *flags_kit(void)
{
	return &kit;
}

static void warn(void)
{
	const struct {
		const char *name;
		bool given;
	} idle[] = {{"copy-up", kit.copy_up.n}, {"pidns", kit.pidns}, {"cgroupns", kit.cgroupns}, {"utsns", kit.utsns},
		{"ipcns", kit.ipcns}, {"evacuate-cgroup2", *kit.evacuate}, {"propagation", *kit.propagation}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(idle); i++)
		if (idle[i].given)
			log_warn("DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS: --%s has no effect on this engine", idle[i].name);
}

int flags_load(struct err *e)
{
	const char *text = getenv("DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS");
	char *argv[WORDS_MAX + 1] = {(char *)(uintptr_t) "rootlesskit"}, *rest = NULL, *word;
	enum subid_source source;
	int n = 1;

	for (word = strtok_r(xstrdup(text ? text : ""), " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest)) {
		if (n == WORDS_MAX)
			return err_kind(e, ERR_INVALID, "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS: more than %d words", WORDS_MAX - 1);
		argv[n++] = word;
	}
	if (kit_parse(&kit, n, argv, e))
		return err_wrap(e, "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS");
	if (*kit.command)
		return err_kind(e, ERR_INVALID, "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS: \"%s\" is no flag", *kit.command);
	kit.command = NULL; /* it was on our stack */
	if (subid_source_parse(kit.subid_source, &source))
		return err_kind(e, ERR_INVALID, "DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS: --subid-source=%s: not auto, dynamic or static",
			kit.subid_source);
	warn();
	return 0;
}
