/* SPDX-License-Identifier: MIT */
/* tests/unit/test_dockerfile.c - Dockerfiles: instructions, mistakes in the real builder's words, changes */
#include "unit.h"

#include "image/dockerfile.h"

static int parse(const char *text, struct dockerfile *f, struct err *e)
{
	*e = (struct err)ERR_INIT;
	return dockerfile_parse(span_of(text), f, e);
}

TEST(instructions_are_told_apart)
{
	struct dockerfile f;
	struct err e;

	NEED(!parse("# a comment\nARG T=1\n\nfrom a:$T As one\nCOPY --from=x --chown=1:2 a b \\\n  # between\n  /c/\nRUN <<E\nx\nE\nCMD [\"a\"]\n", &f,
		&e));
	CHECK_INT(f.n, 5);
	CHECK_STR(f.lines[0].name, "ARG");
	CHECK_STR(f.lines[1].name, "FROM");
	CHECK_STR(f.lines[1].original, "from a:$T As one");
	CHECK_INT(f.lines[1].number, 4);
	CHECK_STR(json_str(f.lines[2].flags, "from", ""), "x");
	CHECK_STR(json_str(f.lines[2].flags, "chown", ""), "1:2");
	CHECK_STR(f.lines[2].args, "a b   /c/");
	CHECK_STR(f.lines[3].args, "<<E");
	CHECK_STR(f.lines[4].args, "[\"a\"]");
	CHECK_INT(f.lines[4].number, 11);
	dockerfile_release(&f);
}

TEST(mistakes_are_told_as_the_real_builder_does)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"FROM a\nFROB x\n", "dockerfile parse error on line 2: unknown instruction: FROB (did you mean FROM?)"},
		{"FROM a\nXYZZYX x\n", "dockerfile parse error on line 2: unknown instruction: XYZZYX"},
		{"RUN true\n", "no build stage in current context"},
		{"# nothing\n", "failed to parse Dockerfile: file with no instructions"},
		{"FROM a\nCOPY x\n", "dockerfile parse error on line 2: COPY requires at least two arguments, but only one "
				     "was provided. Destination could not be determined"},
		{"FROM a\n\n\nENV\n", "dockerfile parse error on line 4: ENV requires at least one argument"},
		{"FROM a\nCOPY --frob=1 a b\n",
			"dockerfile parse error on line 2: unknown flag: --frob (did you mean from?)"},
		{"# escape=x\nFROM a\n", "failed to parse Dockerfile: invalid escape token 'x' does not match ` or \\"},
	};
	struct dockerfile f;
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		CHECK(parse(cases[i].text, &f, &e));
		CHECK_STR(e.msg, cases[i].message);
	}
}

/* What history has of @text, applied to a config with A=b and the shell /bin/sh. */
static char *said_of(const char *text)
{
	json_t *config = json_pack("{s:[s]}", "Env", "A=b"), *args = json_pack("[s, s]", "A=other", "ARG=value");
	const struct dockerfile_change how = {args, NULL, &(bool){false}};
	struct dockerfile_line line;
	struct buf said = BUF_INIT;
	struct err e = ERR_INIT;

	if (dockerfile_parse_line(text, '\\', &line, &e) || dockerfile_change(config, &line, '\\', &how, &said, &e)) {
		buf_reset(&said);
		buf_adds(&said, e.msg);
	}
	dockerfile_line_release(&line);
	json_decref(args);
	json_decref(config);
	return buf_detach(&said);
}

TEST(history_has_the_words_of_the_real_builder)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"ENV X=${A}-$ARG Y='$A'", "ENV X=b-value Y=$A"}, {"ENV X two words", "ENV X=two words"},
		{"LABEL made=here", "LABEL made=here"}, {"CMD [\"cat\", \"hello\"]", "CMD [\"cat\" \"hello\"]"},
		{"CMD x $A", "CMD [\"/bin/sh\" \"-c\" \"x $A\"]"}, {"VOLUME /a /b", "VOLUME [/a /b]"},
		{"EXPOSE 80 $ARG", "Invalid containerPort: value"}, {"EXPOSE 80 81/udp", "EXPOSE 80 81/udp"},
		{"USER $ARG", "USER value"}, {"WORKDIR a/../b", "WORKDIR /b"}, {"STOPSIGNAL INT", "STOPSIGNAL INT"},
		{"SHELL [\"/bin/sh\", \"-ec\"]", "SHELL [/bin/sh -ec]"},
		{"SHELL sh", "SHELL requires the arguments to be in JSON form"},
		{"HEALTHCHECK --interval=5s CMD true", "HEALTHCHECK {[\"CMD-SHELL\" \"true\"] \"5s\" \"0s\" \"0s\" \"0s\" '\\x00'}"},
		{"ONBUILD RUN echo $A", "ONBUILD RUN echo $A"},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *said = said_of(cases[i].text);

		CHECK_STR(said, cases[i].said);
	}
}

