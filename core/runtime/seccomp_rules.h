/* SPDX-License-Identifier: MIT */
/*
 * core/runtime/seccomp_rules.h - private: one rule of a profile, built in or from JSON
 */
#ifndef RUNTIME_SECCOMP_RULES_H
#define RUNTIME_SECCOMP_RULES_H

#include <stddef.h>
#include <stdint.h>

#define RULE_ARGS_MAX 6

struct rule_arg {
	unsigned int index;
	int op; /* enum scmp_compare */
	uint64_t value, value_two;
};

struct rule {
	const char *names;	  /* system calls, separated by blanks */
	uint32_t action;	  /* SCMP_ACT_… */
	const char *with_caps;	  /* only if all of these are held ("CAP_SYS_ADMIN"), or NULL */
	const char *without_caps; /* only if none of these is held, or NULL */
	const char *arches;	  /* only on these ("amd64 x32"), Go's names, or NULL */
	const char *not_arches;	  /* not on these, or NULL */
	const char *min_kernel;	  /* "4.8", or NULL */
	struct rule_arg args[RULE_ARGS_MAX];
	size_t n_args;
};

/* Docker's default profile; what no rule allows fails with EPERM. */
extern const struct rule seccomp_default_rules[];
extern const size_t seccomp_default_count;

#endif
