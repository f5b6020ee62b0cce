/* SPDX-License-Identifier: MIT */
/*
 * applets/setuptool/setuptool.h - the steps of the setup tool (private to it)
 */
#ifndef APPLETS_SETUPTOOL_SETUPTOOL_H
#define APPLETS_SETUPTOOL_SETUPTOOL_H

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "ns/ns.h"

struct setup {
	bool force, skip_iptables, json;
	bool systemd;	  /* the user's systemd answers */
	bool run_created; /* XDG_RUNTIME_DIR was not there: one was made */
	char *bin;	  /* directory of dockerd-rootless.sh */
	char *config_dir; /* ~/.config */
	char *docker_dir; /* ~/.docker */
	char *run_dir;	  /* XDG_RUNTIME_DIR */
	struct ns_user user;
};

/* --- say.c: lines as upstream's script prints them --- */
void say_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));    /* stdout */
void say_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* stderr */
void say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Run a program: @loud shows "+ words" on stderr first, else its output is thrown away.  Its status as a
 * shell counts it; 127 if there is no such program. */
int run_program(bool loud, const char *const argv[]);

/* --- check.c --- */
struct lack {
	bool required;
	const char *id;	 /* "uidmap": for programs that read --json */
	char *what;	 /* "Install newuidmap & newgidmap binaries" */
	char *commands;	 /* for root, lines separated by '\n' */
};

struct lacks {
	struct lack *v;
	size_t n;
};

/* Everything the host lacks, each with what root has to run. */
void check_host(const struct setup *s, struct lacks *l);
size_t lacks_required(const struct lacks *l);
/* One block of commands to run with sudo; one JSON object. */
void lacks_print(const struct lacks *l, bool required);
json_t *lacks_json(const struct lacks *l);

/* --- unit.c: the service of the user's systemd --- */
int unit_install(const struct setup *s);
void unit_uninstall(const struct setup *s);

#endif
