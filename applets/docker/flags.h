/* SPDX-License-Identifier: MIT */
/*
 * applets/docker/flags.h - the options of a command: one table for parsing and for --help
 *
 * The command line is read as the stock client reads it (pflag's rules and words): --name value,
 * --name=value, -n value, -nvalue, clusters of short booleans, "--" ends options.
 */
#ifndef DOCKER_FLAGS_H
#define DOCKER_FLAGS_H

#include "base/err.h"
#include "base/str.h"

enum flag_type {
	FLAG_BOOL,     /* bool */
	FLAG_STRING,   /* const char * */
	FLAG_INT,      /* int64_t */
	FLAG_UINT16,   /* int64_t, 0 to 65535 */
	FLAG_LIST,     /* struct strlist: may be repeated */
	FLAG_BYTES,    /* int64_t: "64m"; 1k is 1024 */
	FLAG_SWAP,     /* int64_t: FLAG_BYTES, or -1 */
	FLAG_DURATION, /* int64_t, ns: "1m30s" */
	FLAG_CPUS,     /* int64_t, billionths: "0.5" */
};

struct strlist {
	const char **v; /* items live as long as the process */
	size_t n;
};

void strlist_add(struct strlist *l, const char *item);

/* Look at a value as it is parsed; *text may be replaced by another string. -1 with @e refuses it. */
typedef int flag_check(const char **text, struct err *e);

struct flag {
	const char *name;
	char letter; /* 0: none */
	enum flag_type type;
	void *to;
	const char *help;
	const char *word;    /* stands for the value in help; NULL: by type */
	flag_check *check;   /* may be NULL */
	const char *instead; /* deprecated: the option to use; not in help */
	bool hidden;	     /* accepted, not in help */
	bool seen;	     /* set by parsing */
};

#define FLAG_END { .name = NULL }

/* What flags_parse() says. */
enum flags_result {
	FLAGS_OK,
	FLAGS_HELP,  /* --help was there; the rest was not looked at */
	FLAGS_WRONG, /* e->msg is the stock client's complaint */
};

/**
 * flags_parse() - Take the options out of a command's arguments
 * @flags:	Table, ended by FLAG_END
 * @own_args:	Options end at the first other argument (run, exec)
 * @argc, @argv: Without the command's name.  argv is reordered: *argc becomes the number of
 *		arguments that are no options, now at its front
 */
enum flags_result flags_parse(struct flag *flags, bool own_args, int *argc, char **argv,
	struct err *e);

/* Was --name given? */
bool flags_seen(const struct flag *flags, const char *name);

/* The option lines of --help, wrapped at 80 columns. */
void flags_help(const struct flag *flags, struct buf *out);

#endif
