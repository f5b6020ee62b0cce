/* SPDX-License-Identifier: MIT */
/* tests/unit/test_changes.c - Dockerfile instructions change a config as the real engine changes it */
#include "unit.h"

#include "image/dockerlex.h"
#include "image/image.h"

/* The instructions, and the config they make (members without a value left out), or the refusal. */
static const struct {
	const char *text, *config, *error;
} cases[] = {
	{"SHELL [\"x\"]", .error = "SHELL is not a valid change command"},
	{"CMD a b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a b\"]}"},
	{"CMD [\"a\",\"b\"]", "{\"Cmd\":[\"a\",\"b\"]}"},
	{"cmd [\"a\"", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"[\\\"a\\\"\"]}"},
	{"CMD", "{\"Cmd\":[\"/bin/sh\",\"-c\"]}"},
	{"CMD []", "{}"},
	{"ENTRYPOINT x\nCMD y", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"y\"],\"Entrypoint\":[\"/bin/sh\",\"-c\",\"x\"]}"},
	{"CMD y\nENTRYPOINT x", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"y\"],\"Entrypoint\":[\"/bin/sh\",\"-c\",\"x\"]}"},
	{"ENV A B C", "{\"Env\":[\"A=B C\"]}"},
	{"ENV A=b C=\"d e\" D='x y' E=a\\ b", "{\"Env\":[\"A=b\",\"C=d e\",\"D=x y\",\"E=a b\"]}"},
	{"ENV A", .error = "ENV must have two arguments"},
	{"ENV A=1\nENV B=$A-${A}x${C:-def}${A:+alt}", "{\"Env\":[\"A=1\",\"B=1-1xdefalt\"]}"},
	{"ENV =x", .error = "ENV names can not be blank"},
	{"EXPOSE 80 443/tcp 53/udp 8000-8003", "{\"ExposedPorts\":{\"443/tcp\":{},\"53/udp\":{},\"80/tcp\":{},\"8000/tcp\":{},\"8001/tcp\":{},\"8002/tcp\":{},\"8003/tcp\":{}}}"},
	{"EXPOSE x", .error = "Invalid containerPort: x"},
	{"EXPOSE 80/foo", .error = "Invalid proto: foo"},
	{"EXPOSE 99999", .error = "Invalid containerPort: 99999"},
	{"EXPOSE", .error = "EXPOSE requires at least one argument"},
	{"LABEL a=b c=\"d e\"", "{\"Labels\":{\"a\":\"b\",\"c\":\"d e\"}}"},
	{"LABEL a", .error = "LABEL must have two arguments"},
	{"LABEL a b", "{\"Labels\":{\"a\":\"b\"}}"},
	{"LABEL \"a b\"=c", "{\"Labels\":{\"a b\":\"c\"}}"},
	{"USER x", "{\"User\":\"x\"}"},
	{"USER", .error = "USER requires exactly one argument"},
	{"USER a b", "{\"User\":\"a b\"}"},
	{"VOLUME /a /b", "{\"Volumes\":{\"/a\":{},\"/b\":{}}}"},
	{"VOLUME [\"/a b\"]", "{\"Volumes\":{\"/a b\":{}}}"},
	{"VOLUME", .error = "VOLUME requires at least one argument"},
	{"VOLUME [\"\"]", .error = "VOLUME specified can not be an empty string"},
	{"WORKDIR a", "{\"WorkingDir\":\"/a\"}"},
	{"WORKDIR /a\nWORKDIR b/../c", "{\"WorkingDir\":\"/a/c\"}"},
	{"WORKDIR", .error = "WORKDIR requires exactly one argument"},
	{"ONBUILD RUN x", "{\"OnBuild\":[\"RUN x\"]}"},
	{"ONBUILD ONBUILD x", .error = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"},
	{"ONBUILD FROM x", .error = "FROM isn't allowed as an ONBUILD trigger"},
	{"ONBUILD", .error = "ONBUILD requires at least one argument"},
	{"STOPSIGNAL SIGKILL", "{\"StopSignal\":\"SIGKILL\"}"},
	{"STOPSIGNAL 9", "{\"StopSignal\":\"9\"}"},
	{"STOPSIGNAL FOO", .error = "invalid signal: FOO"},
	{"HEALTHCHECK NONE", "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}"},
	{"HEALTHCHECK --interval=5s --retries=3 CMD x y", "{\"Healthcheck\":{\"Interval\":5000000000,\"Retries\":3,\"Test\":[\"CMD-SHELL\",\"x y\"]}}"},
	{"HEALTHCHECK CMD [\"a\"]", "{\"Healthcheck\":{\"Test\":[\"CMD\",\"a\"]}}"},
	{"HEALTHCHECK", .error = "HEALTHCHECK requires at least one argument"},
	{"HEALTHCHECK --foo=1 CMD x", .error = "unknown flag: --foo"},
	{"HEALTHCHECK --interval=x CMD y", .error = "time: invalid duration \"x\""},
	{"HEALTHCHECK FOO", .error = "Unknown type \"FOO\" in HEALTHCHECK (try CMD)"},
	{"HEALTHCHECK --start-period=1s --start-interval=2s --timeout=3s CMD y", "{\"Healthcheck\":{\"StartInterval\":2000000000,\"StartPeriod\":1000000000,\"Test\":[\"CMD-SHELL\",\"y\"],\"Timeout\":3000000000}}"},
	{"HEALTHCHECK --retries=-1 CMD y", .error = "--retries cannot be negative (-1)"},
	{"FOO", .error = "FOO is not a valid change command"},
	{"RUN x", .error = "RUN is not a valid change command"},
	{"# comment\nCMD x", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}"},
	{"CMD a \\\n b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a  b\"]}"},
	{"", .error = "file with no instructions"},
	{"  CMD  x  ", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}"},
	{"MAINTAINER x", .error = "MAINTAINER is not a valid change command"},
	{"ARG x", .error = "ARG is not a valid change command"},
	{"COPY a b", .error = "COPY is not a valid change command"},
	{"CMD \"a\" b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"\\\"a\\\" b\"]}"},
	{"CMD ['a']", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"['a']\"]}"},
	{"FROM x", .error = "FROM is not a valid change command"},
	{"EXPOSE $P", "{}"},
	{"ENV P=80\nEXPOSE $P/tcp", "{\"Env\":[\"P=80\"],\"ExposedPorts\":{\"80/tcp\":{}}}"},
	{"LABEL a=$HOME", "{\"Labels\":{\"a\":\"\"}}"},
	{"USER ${X}", "{}"},
	{"CMD $X", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"$X\"]}"},
	{"ENV PATH=$PATH:/x", "{\"Env\":[\"PATH=:/x\"]}"},
	{"HEALTHCHECK --interval=1ms CMD x", "{\"Healthcheck\":{\"Interval\":1000000,\"Test\":[\"CMD-SHELL\",\"x\"]}}"},
	{"HEALTHCHECK NONE x", .error = "HEALTHCHECK NONE takes no arguments"},
	{"HEALTHCHECK --interval=0 CMD x", "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]}}"},
	{"WORKDIR ..", "{\"WorkingDir\":\"/\"}"},
	{"ENTRYPOINT []", "{}"},
	{"ENV A=\"a\\\"b\" B=c\\$d", "{\"Env\":[\"A=a\\\"b\",\"B=c$d\"]}"},
	{"ENV A='$B'", "{\"Env\":[\"A=$B\"]}"},
	{"LABEL a=\"$B\" c='d", .error = "failed to process \"'d\": unexpected end of statement while looking for matching single-quote"},
	{"STOPSIGNAL", .error = "STOPSIGNAL requires exactly one argument"},
	{"STOPSIGNAL 99", "{\"StopSignal\":\"99\"}"},
	{"EXPOSE 80-79", .error = "Invalid containerPort: 80-79"},
	{"EXPOSE 80:80", "{\"ExposedPorts\":{\"80/tcp\":{}}}"},
	{"EXPOSE 127.0.0.1:80:80", "{\"ExposedPorts\":{\"80/tcp\":{}}}"},
	{"ENV A \"B C\"", "{\"Env\":[\"A=B C\"]}"},
	{"ENV A  B  C ", "{\"Env\":[\"A=B  C\"]}"},
	{"ENV A=B C", .error = "Syntax error - can't find = in \"C\". Must be of the form: name=value"},
	{"ENV A=B =C", .error = "ENV names can not be blank"},
	{"LABEL a=b c", .error = "Syntax error - can't find = in \"c\". Must be of the form: name=value"},
	{"ENV A=$B$C-${D:?msg}", .error = "failed to process \"$B$C-${D:?msg}\": D: msg"},
	{"ENV A=${B?msg}", .error = "failed to process \"${B?msg}\": B: msg"},
	{"ENV A=${B-x}y${B+z}", "{\"Env\":[\"A=xy\"]}"},
	{"ENV A=${B:=x}", .error = "failed to process \"${B:=x}\": unsupported modifier (:=) in substitution"},
	{"ENV A=$", "{\"Env\":[\"A=$\"]}"},
	{"ENV A=$$", "{\"Env\":[\"A=\"]}"},
	{"ENV A=$1x", "{\"Env\":[\"A=x\"]}"},
	{"ENV A=\\$B", "{\"Env\":[\"A=$B\"]}"},
	{"ENV A=\"\\a\"", "{\"Env\":[\"A=\\\\a\"]}"},
	{"ENV A=\\\\", "{\"Env\":[\"A=\\\\\"]}"},
	{"ENV A=\"b", .error = "failed to process \"\\\"b\": unexpected end of statement while looking for matching double-quote"},
	{"ENV B=1\nENV A=a\"$B\"c'$B'", "{\"Env\":[\"B=1\",\"A=a1c$B\"]}"},
	{"ENV A=${}", .error = "failed to process \"${}\": syntax error: bad substitution"},
	{"EXPOSE \"80\"", "{\"ExposedPorts\":{\"80/tcp\":{}}}"},
	{"EXPOSE  80  81 ", "{\"ExposedPorts\":{\"80/tcp\":{},\"81/tcp\":{}}}"},
	{"EXPOSE 80/TCP", "{\"ExposedPorts\":{\"80/tcp\":{}}}"},
	{"EXPOSE 80/", "{\"ExposedPorts\":{\"80/tcp\":{}}}"},
	{"EXPOSE /tcp", .error = "No port specified: /tcp<empty>"},
	{"EXPOSE -1", .error = "Invalid containerPort: -1"},
	{"EXPOSE 0", "{\"ExposedPorts\":{\"0/tcp\":{}}}"},
	{"EXPOSE 1-2:3-4", "{\"ExposedPorts\":{\"3/tcp\":{},\"4/tcp\":{}}}"},
	{"STOPSIGNAL sigterm", "{\"StopSignal\":\"sigterm\"}"},
	{"STOPSIGNAL RTMIN+1", "{\"StopSignal\":\"RTMIN+1\"}"},
	{"STOPSIGNAL SIGRTMIN", "{\"StopSignal\":\"SIGRTMIN\"}"},
	{"STOPSIGNAL 0", .error = "invalid signal: 0"},
	{"STOPSIGNAL -1", "{\"StopSignal\":\"-1\"}"},
	{"STOPSIGNAL TERM", "{\"StopSignal\":\"TERM\"}"},
	{"STOPSIGNAL SIGRTMAX-3", "{\"StopSignal\":\"SIGRTMAX-3\"}"},
	{"USER \"a b\"", "{\"User\":\"a b\"}"},
	{"WORKDIR \"/a b\"", "{\"WorkingDir\":\"/a b\"}"},
	{"WORKDIR /a/", "{\"WorkingDir\":\"/a\"}"},
	{"HEALTHCHECK --interval=1us CMD x", .error = "Interval \"interval\" cannot be less than 1ms"},
	{"HEALTHCHECK --interval=-1s CMD x", .error = "Interval \"interval\" cannot be less than 1ms"},
	{"HEALTHCHECK --retries=x CMD x", .error = "strconv.ParseInt: parsing \"x\": invalid syntax"},
	{"HEALTHCHECK --retries=1 --retries=2 CMD x", .error = "duplicate flag specified: --retries"},
	{"HEALTHCHECK CMD", .error = "Missing command after HEALTHCHECK CMD"},
	{"HEALTHCHECK cmd x", "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]}}"},
	{"HEALTHCHECK --interval CMD x", .error = "missing a value on flag: --interval"},
	{"HEALTHCHECK -- CMD x", "{\"Healthcheck\":{\"Test\":[\"CMD-SHELL\",\"x\"]}}"},
	{"HEALTHCHECK none", "{\"Healthcheck\":{\"Test\":[\"NONE\"]}}"},
	{"ONBUILD run x", "{\"OnBuild\":[\"run x\"]}"},
	{"onbuild   RUN   x  y", "{\"OnBuild\":[\"RUN   x  y\"]}"},
	{"ONBUILD FROB x", "{\"OnBuild\":[\"FROB x\"]}"},
	{"ONBUILD MAINTAINER x", .error = "MAINTAINER isn't allowed as an ONBUILD trigger"},
	{"ONBUILD CMD [\"a\"", "{\"OnBuild\":[\"CMD [\\\"a\\\"\"]}"},
	{"VOLUME [\"/a\", \"/b\"]", "{\"Volumes\":{\"/a\":{},\"/b\":{}}}"},
	{"VOLUME \"/a b\" c", .error = "failed to process \"\\\"/a\": unexpected end of statement while looking for matching double-quote"},
	{"VOLUME [\"/a\"", "{\"Volumes\":{\"[/a\":{}}}"},
	{"VOLUME []", .error = "VOLUME requires at least one argument"},
	{"CMD [\"a\", 1]", .error = "when using JSON array syntax, arrays must be comprised of strings only"},
	{"CMD [ \"a\" , \"b\" ]", "{\"Cmd\":[\"a\",\"b\"]}"},
	{"CMD [\"a\"] b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"[\\\"a\\\"] b\"]}"},
	{"CMD #x", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"#x\"]}"},
	{"CMD a # b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a # b\"]}"},
	{"ENV A=b # c", .error = "Syntax error - can't find = in \"#\". Must be of the form: name=value"},
	{"ENV A=1 \\\n# comment\n B=2", "{\"Env\":[\"A=1\",\"B=2\"]}"},
	{"ENV A=1 \\\n\n B=2", "{\"Env\":[\"A=1\",\"B=2\"]}"},
	{"\n\nCMD x\n\n", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}"},
	{"ENTRYPOINT", "{}"},
	{"CMD\tx\ty", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\\ty\"]}"},
	{"LABEL a.b/c-d=1", "{\"Labels\":{\"a.b/c-d\":\"1\"}}"},
	{"LABEL a=", "{\"Labels\":{\"a\":\"\"}}"},
	{"LABEL a=1\nLABEL a=2", "{\"Labels\":{\"a\":\"2\"}}"},
	{"ENV A=1\nENV A=2", "{\"Env\":[\"A=2\"]}"},
	{"ENV A=1 B=$A", "{\"Env\":[\"A=1\",\"B=\"]}"},
	{"VOLUME /a/../b", "{\"Volumes\":{\"/a/../b\":{}}}"},
	{"VOLUME a", "{\"Volumes\":{\"a\":{}}}"},
	{"VOLUME /", "{\"Volumes\":{\"/\":{}}}"},
	{"# escape=`\nCMD a `\n b", "{\"Cmd\":[\"/bin/sh\",\"-c\",\"a  b\"]}"},
};

/* Without members that say nothing: null, "", [] and {}. */
static void drop_empty(json_t *config)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe(config, next, key, v)
		if (json_is_null(v) || (json_is_string(v) && !json_string_length(v)) ||
			(json_is_array(v) && !json_array_size(v)) || (json_is_object(v) && !json_object_size(v)))
			json_object_del(config, key);
}

static int apply(json_t *config, const char *text, struct err *e)
{
	json_t *changes = json_pack("[s]", text);
	int rc = image_config_changes(config, changes, e);

	json_decref(changes);
	return rc;
}

TEST(instructions)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *config = json_object();
		struct err e = ERR_INIT;
		char *got = NULL;

		if (apply(config, cases[i].text, &e)) {
			CHECK_STR(cases[i].error ? e.msg : cases[i].text, cases[i].error ? cases[i].error : e.msg);
			CHECK_INT(e.kind, ERR_INVALID);
		} else {
			drop_empty(config);
			got = json_dumps(config, JSON_SORT_KEYS | JSON_COMPACT);
			if (strcmp(got, cases[i].config ? cases[i].config : ""))
				printf("# %s\n", cases[i].text);
			CHECK_STR(got, cases[i].config);
		}
		free(got);
		json_decref(config);
	}
}

TEST(several_changes_see_each_other)
{
	json_t *changes = json_pack("[sss]", "ENV A=1", "ENV B=$A", "WORKDIR /x\nWORKDIR $B"), *config = json_object();
	struct err e = ERR_INIT;

	CHECK_OK(e, image_config_changes(config, changes, &e));
	CHECK_STR(json_str(config, "WorkingDir", ""), "/x/1");
	json_decref(changes);
	json_decref(config);
}

/* A new ENTRYPOINT makes the CMD that was there meaningless; one given with it stays. */
TEST(entrypoint_resets_cmd)
{
	json_t *config = json_pack("{s[s]}", "Cmd", "old");
	struct err e = ERR_INIT;

	CHECK_OK(e, apply(config, "ENTRYPOINT [\"x\"]", &e));
	CHECK(json_is_null(json_object_get(config, "Cmd")));
	CHECK_OK(e, apply(config, "CMD [\"y\"]\nENTRYPOINT [\"x\"]", &e));
	CHECK_INT(json_array_size(json_object_get(config, "Cmd")), 1);
	json_decref(config);
}

TEST(expansion_is_bounded)
{
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT, word = BUF_INIT;

	for (int i = 0; i < 100000; i++)
		buf_adds(&word, "${A:-");
	CHECK(dockerlex_expand(word.p, NULL, '\\', &out, &e) < 0);
	CHECK(strstr(e.msg, "failed to process"));
	buf_release(&word);
	buf_release(&out);
}
