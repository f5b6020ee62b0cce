/* SPDX-License-Identifier: MIT */
/* tests/unit/test_docker_template.c - templates of the client; the wanted texts are those of the stock client */
#include "unit.h"

#include "docker/template.h"

static const char data[] =
	"{\"Name\":\"/web\",\"Id\":\"abcdef\",\"Config\":{\"Labels\":{\"a.b\":\"1\",\"z\":\"2\"},\"Env\":null,"
	"\"Cmd\":[\"sleep\",\"1\"]},\"State\":{\"Pid\":4300,\"Running\":true,\"Status\":\"running\"},"
	"\"Mounts\":[],\"Ratio\":0.1,\"Html\":\"<a&b>\",\"Options\":null}";

static const char *const maps[] = {"Labels", "Options", NULL};

static json_t *absent(const char *name)
{
	if (!strcmp(name, "Health"))
		return json_null();
	return !strcmp(name, "Env") ? json_array() : NULL;
}

static json_t *method(const json_t *dot, const char *name, const char *arg)
{
	(void)dot;
	return strcmp(name, "Label") ? NULL : json_text(strcmp(arg, "known") ? "" : "value");
}

static const struct tmpl_env typed = {.maps = maps, .absent = absent};
static const struct tmpl_env context = {.type = "*formatter.ContainerContext", .method = method};

/* Execute @text; what it printed, and behind " ! " the error. */
static void gives(const struct tmpl_env *env, const char *text, const char *want)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *dot = json_parse(data, sizeof(data) - 1, &e);
	struct tmpl *t = tmpl_parse("", guarded(text, strlen(text) + 1), &e);
	cleanup_buf struct buf out = BUF_INIT;

	if (!t || tmpl_exec(t, dot, env, &out, &e))
		buf_addf(&out, "%s! %s", out.n ? " " : "", e.msg);
	if (!CHECK_STR(out.p, want))
		printf("# the template was '%s'\n", text);
	tmpl_free(t);
}

TEST(fields)
{
	gives(&typed, "{{.Name}}", "/web");
	gives(&typed, "{{.State.Pid}} {{.State.Running}} {{.Ratio}}", "4300 true 0.1");
	gives(&typed, "{{.Config.Labels.z}} {{index .Config.Labels \"a.b\"}}", "2 1");
	gives(&typed, "{{(index .Config.Cmd 0)}}", "sleep");
	gives(&typed, "{{.Config.Labels.nope}}|{{index .Config.Labels \"nope\"}}|", "<no value>||");
	gives(&typed, "{{.Nope}}",
		"! template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\"");
	gives(&typed, "a\n{{.State.Nope}}",
		"a\n ! template: :2:8: executing \"\" at <.State.Nope>: map has no entry for key \"Nope\"");
	gives(&typed, "{{.Name.Foo}}",
		"! template: :1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type interface {}");
}

TEST(nil_and_absent)
{
	gives(&typed, "{{if .State.Health}}x{{else}}y{{end}}", "y");
	gives(&typed, "{{.State.Health}} {{.Config.Env}} {{.Options}}", "<nil> [] map[]");
	gives(&typed, "{{len .Config.Env}}", "0");
	gives(&typed, "{{json .Config.Env}}", "null");
	gives(&typed, "{{.State.Health.Status}}",
		"! template: :1:8: executing \"\" at <.State.Health.Status>: map has no entry for key \"Health\"");
	gives(NULL, "{{.Config.Env}}", "<no value>");
}

TEST(go_prints)
{
	gives(&typed, "{{.Config.Cmd}} {{.Config.Labels}}", "[sleep 1] map[a.b:1 z:2]");
	gives(&typed, "{{.State}}", "{4300 true running}");
	gives(&typed, "{{1.5}} {{1e30}} {{0.00001}} {{100000.0}} {{0x10}} {{0b11}} {{010}} {{1_000}}",
		"1.5 1e+30 1e-05 100000 16 3 8 1000");
	gives(&typed, "{{'a'}} {{\"\\u00e4\\n\"}} {{`\\n`}}", "97 ä\n \\n");
	gives(&typed, "{{json .State}} {{json .Html}}",
		"{\"Pid\":4300,\"Running\":true,\"Status\":\"running\"} \"<a&b>\"");
	gives(&typed, "{{print 1 2 \"a\" \"b\" 3}}{{println .Name}}", "1 2ab3/web\n");
}

TEST(printf_verbs)
{
	gives(&typed, "{{printf \"%q %v %s %d %x %-5s| %5.1f %t\" .Name .State.Running .Id .State.Pid 255 \"a\" 1.25 true}}",
		"\"/web\" true abcdef 4300 ff a    |   1.2 true");
	gives(&typed, "{{printf \"%05d %+d %d%%\" 42 1 7}}", "00042 +1 7%");
	gives(&typed, "{{printf \"%d\" \"x\"}} {{printf \"%s\" 5}} {{printf \"%d\"}}", "%!d(string=x) %!s(int=5) %!d(MISSING)");
	gives(&typed, "{{printf \"x\" 1}} {{printf \"%\"}} {{printf \"%T %T\" 1 .Mounts}}",
		"x%!(EXTRA int=1) %!(NOVERB) int []interface {}");
	gives(&typed, "{{printf \"%s %q\" .Config.Cmd .Config.Cmd}}", "[sleep 1] [\"sleep\" \"1\"]");
	gives(&typed, "{{printf \"%.2s|%8s|\" \"äöü\" \"ä\"}}", "äö|       ä|");
}

TEST(control)
{
	gives(&typed, "{{if eq .Id \"x\"}}1{{else if eq .Id \"abcdef\"}}2{{else}}3{{end}}", "2");
	gives(&typed, "{{range $i, $v := .Config.Cmd}}{{$i}}={{$v}};{{end}}", "0=sleep;1=1;");
	gives(&typed, "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.b=1;z=2;");
	gives(&typed, "{{range .Mounts}}x{{else}}none{{end}}", "none");
	gives(&typed, "{{range 3}}{{.}}{{end}}", "012");
	gives(&typed, "{{range .Config.Cmd}}{{.}}{{break}}{{end}}", "sleep");
	gives(&typed, "{{range .Config.Cmd}}{{if eq . \"1\"}}{{continue}}{{end}}{{.}}{{end}}", "sleep");
	gives(&typed, "{{with .Name}}{{.}}{{end}}{{with .Mounts}}x{{else}}y{{end}}", "/weby");
	gives(&typed, "{{$x := 1}}{{range .Config.Cmd}}{{$x = .}}{{end}}{{$x}}", "1");
	gives(&typed, "{{range .State.Status}}{{end}}",
		"! template: :1:8: executing \"\" at <.State.Status>: range can't iterate over running");
}

TEST(pipelines_and_space)
{
	gives(&typed, "{{.Id | printf \"%s-%s\" \"x\"}} {{.Name | len}}", "x-abcdef 4");
	gives(&typed, "{{.Name -}}   x   {{- .Name}}", "/webx/web");
	gives(&typed, "a {{- /* said aside */ -}} b{{/**/}}", "ab");
	gives(&typed, "{{1 | 2}}", "! template: :1: non executable command in pipeline stage 2");
	gives(&typed, "{{nil}}", "! template: :1:2: executing \"\" at <nil>: nil is not a command");
	gives(&typed, "{{\"x\" 1}}",
		"! template: :1:2: executing \"\" at <\"x\">: can't give argument to non-function \"x\"");
}

TEST(functions)
{
	gives(&typed, "{{\"a\" | upper}}{{title \"foo bar\"}}{{lower \"X\"}}{{pad \"x\" 2 3}}|{{pad \"\" 2 2}}|", "AFoo Barx  x   ||");
	gives(&typed, "{{truncate \"abcdef\" 3}} {{join (split \"a,b\" \",\") \"-\"}} {{len (split \"\" \",\")}}", "abc a-b 1");
	gives(&typed, "{{slice .Id 1 3}} {{slice .Config.Cmd 1}}", "bc [1]");
	gives(&typed, "{{eq 1 1}} {{eq .Id \"a\" \"abcdef\"}} {{ne 1 2}} {{lt 1 2}} {{ge \"b\" \"a\"}}", "true true true true true");
	gives(&typed, "{{and 1 0}} {{or \"\" \"x\"}} {{not true}} {{and 0 (index .Mounts 9)}}", "0 x false 0");
	gives(&typed, "{{html .Html}} {{urlquery \"a b/ä\"}}", "&lt;a&amp;b&gt; a+b%2F%C3%A4");
	gives(&typed, "{{eq 1 \"a\"}}", "! template: :1:2: executing \"\" at <eq 1 \"a\">: error calling eq: "
		"incompatible types for comparison: int and string");
	gives(&typed, "{{index .Config.Cmd 5}}", "! template: :1:2: executing \"\" at <index .Config.Cmd 5>: "
		"error calling index: reflect: slice index out of range");
	gives(&typed, "{{json}}", "! template: :1:2: executing \"\" at <json>: wrong number of args for json: want 1 got 0");
	gives(&typed, "{{if eq .Name}}x{{end}}", "! template: :1:5: executing \"\" at <eq .Name>: error calling eq: "
		"missing argument for comparison");
}

TEST(a_formatter_context)
{
	gives(&context, "{{.Name}} {{.Label \"known\"}}{{.Label \"x\"}}", "/web value");
	gives(&context, "{{.Nope}}",
		"! template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *formatter.ContainerContext");
	gives(&context, "{{.Name.X}}", "! template: :1:7: executing \"\" at <.Name.X>: can't evaluate field X in type string");
	gives(&context, "{{.Label}}", "! template: :1:2: executing \"\" at <.Label>: wrong number of args for Label: want 1 got 0");
	gives(&context, "{{.Label 1}}", "! template: :1:9: executing \"\" at <1>: expected string; found 1");
	gives(&context, "{{.Id 1}}", "! template: :1:2: executing \"\" at <.Id>: wrong number of args for Id: want 0 got 1");
}

TEST(what_does_not_parse)
{
	gives(&typed, "{{", "! template: :1: unclosed action");
	gives(&typed, "{{.Id", "! template: :1: unclosed action");
	gives(&typed, "{{end}}", "! template: :1: unexpected {{end}}");
	gives(&typed, "{{else}}", "! template: :1: unexpected {{else}}");
	gives(&typed, "{{if}}", "! template: :1: missing value for if");
	gives(&typed, "\n{{range .X}}", "! template: :2: unexpected EOF");
	gives(&typed, "{{foo .}}", "! template: :1: function \"foo\" not defined");
	gives(&typed, "{{$y}}", "! template: :1: undefined variable \"$y\"");
	gives(&typed, "{{\"open}}", "! template: :1: unterminated quoted string");
	gives(&typed, "{{`open}}", "! template: :1: unterminated raw quoted string");
	gives(&typed, "{{.}", "! template: :1: bad character U+007D '}'");
	gives(&typed, "{{ .Name }", "! template: :1: unexpected \"}\" in operand");
	gives(&typed, "{{@}}", "! template: :1: unexpected \"@\" in command");
	gives(&typed, "{{(.Name}}", "! template: :1: unclosed left paren");
	gives(&typed, "{{.Name)}}", "! template: :1: unexpected right paren");
	gives(&typed, "{{12x}}", "! template: :1: bad number syntax: \"12x\"");
	gives(&typed, "{{/* open", "! template: :1: unclosed comment");
	gives(&typed, "{{break}}", "! template: :1: {{break}} outside {{range}}");
	gives(&typed, "{{if .Id}}a{{else}}b{{else}}c{{end}}", "! template: :1: expected end; found {{else}}");
}

TEST(nesting_is_bounded)
{
	cleanup_buf struct buf deep = BUF_INIT, parens = BUF_INIT;
	struct err e = ERR_INIT;
	int i;

	for (i = 0; i < 100000; i++) {
		buf_adds(&deep, "{{if 1}}");
		buf_addc(&parens, '(');
	}
	CHECK(!tmpl_parse("", deep.p, &e));
	CHECK_STR(e.msg, "template: :1: nested more than 64 deep");
	buf_reset(&deep);
	buf_addf(&deep, "{{%s", parens.p);
	CHECK(!tmpl_parse("", deep.p, &e));
	CHECK_STR(e.msg, "template: :1: nested more than 64 deep");
}

TEST(fields_a_template_uses)
{
	struct err e = ERR_INIT;
	struct tmpl *t = tmpl_parse("", "{{range .A}}{{$.Size}}{{end}}", &e);

	CHECK(tmpl_uses(t, "Size") && tmpl_uses(t, "A") && !tmpl_uses(t, "B"));
	tmpl_free(t);
}

static void quoted(const char *text, const char *want)
{
	cleanup_buf struct buf out = BUF_INIT;

	goquote(span_of(text), &out);
	CHECK_STR(out.p, want);
}

TEST(quoting)
{
	quoted("sh -c 'a \"b\"'", "\"sh -c 'a \\\"b\\\"'\"");
	quoted("\033[2J\a\t\x7f\xff…ä\xc2\x85", "\"\\x1b[2J\\a\\t\\x7f\\xff…ä\\u0085\"");
}

TEST(the_root_may_be_assigned)
{
	gives(&typed, "{{$ = \"x\"}}{{$}} {{.Name}}", "x /web");
}
