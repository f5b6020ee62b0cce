/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/docker.h - what the commands of the client share
 *
 * A command is a table of options (flags.h), a line of usage, bounds on its arguments, and a
 * function that makes one or more calls (call.h) and prints.  It returns the process's exit
 * status.  docker.c finds the command, reads its options, and gives help.
 *
 * Output goes to stdio's stdout, messages to stderr, both in the stock client's words.  The client
 * is one short-lived process: what lives as long as a command is not freed.
 */
#ifndef DOCKER_DOCKER_H
#define DOCKER_DOCKER_H

#include "endpoint.h"
#include "flags.h"

#include "base/json.h"

/* Exit statuses of docker run and exec; above 128 it is 128 + the signal. */
enum {
	EXIT_USAGE = 125,      /* wrong options; the engine refused */
	EXIT_CANNOT_RUN = 126, /* the command is there and cannot be executed */
	EXIT_NOT_FOUND = 127,
};

struct docker {
	struct endpoint endpoint;
	char *config_dir;
	json_t *config;		/* config.json; NULL if there is none */
	char *api_version;	/* "1.51", or less where the engine is older */
	bool version_pinned;	/* by DOCKER_API_VERSION: do not change it */
	bool debug;
	struct client *idle;	/* a connection to use again, or NULL */
};

struct command {
	const char *usage; /* what follows its name: "[OPTIONS] CONTAINER [CONTAINER...]" */
	const char *brief; /* one line */
	const char *more;  /* examples and what is good to know, for --help; or NULL */
	struct flag *flags;
	int min, max;	   /* number of arguments; max -1: any */
	bool own_args;	   /* options end at the first argument */
	int (*run)(struct docker *d, int argc, char **argv);
};

/* Where commands are called: "docker GROUP NAME"; group "" is the top. */
struct entry {
	const char *group;
	const char *name;
	const char *aliases; /* separated by blanks; or NULL */
	struct command *cmd;
};

/* Each cmd_*.c has a table, ended by an entry with a NULL name. */
extern const struct entry entries_build[], entries_context_file[], entries_space[], entries_run[], entries_attach[], entries_update[], entries_logs[], entries_containers[], entries_ps[], entries_stats[], entries_images[],
	entries_transfer[], entries_cp[], entries_changes[], entries_registry[],
	entries_volumes[], entries_networks[], entries_network_create[], entries_inspect[], entries_system[], entries_context[],
	entries_dial[];

/* Print @e->msg as a line on stderr, and the hint if there is one. Returns 1. */
int fail(const struct err *e);
/* That hint alone, or what is known of such a message; for who prints the message otherwise. */
void show_hint(const struct err *e);

/* --- small things several commands need --- */
bool is_terminal(int fd);
/* Ask on stdout until the answer is clear; true for yes. */
bool confirm(const char *question);
/* Print JSON as Go indents it: four blanks a level. The bytes of strings and numbers are kept. */
void print_indented(struct span json, struct buf *out);
/* --filter NAME=VALUE: checked while parsing, and put into a target as the API wants them. */
flag_check check_filter;
json_t *filters_json(const struct strlist *filters); /* {"name":{"value":true}} */
void query_filters(struct buf *target, const struct strlist *filters);
#endif
