/* SPDX-License-Identifier: MIT */
/* tests/fuzz/fuzz_spec.c - OCI specs go through spec_parse(): what it takes must be usable */
#include "base/json.h"
#include "limits/limits.h"
#include "runtime/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct spec *s)
{
	const struct spec_process *p = &s->process;

	if (!p->args[0] || *p->cwd != '/' || !p->env || !*s->root_path)
		bug("spec_parse took a spec without command, directory or root");
	if (p->caps.effective & ~p->caps.permitted)
		bug("spec_parse took more effective than permitted capabilities");
	for (size_t i = 0; i < s->n_mounts; i++) {
		if (*s->mounts[i].destination != '/')
			bug("spec_parse took a relative mount destination");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *j = json_parse((const char *)data, n, &e);
	const char *pid_ns, *user_ns;
	struct limits l;
	uint64_t make;
	struct spec s;

	if (!j)
		return 0;
	spec_namespaces(j, &make, &pid_ns, &user_ns, &e);
	if (!limits_parse(json_path(j, "linux", "resources", NULL), &l, &e))
		limits_release(&l);
	if (spec_parse(j, &s, &e))
		return 0;
	check(&s);
	spec_release(&s);
	return 0;
}
