/* SPDX-License-Identifier: MIT */
/* tests/unit/test_engine_schema.c - API objects: packed as sparse ones, expanded as inspect shows them */
#include "unit.h"

#include "engine/schema.h"

static json_t *parse(const char *text)
{
	json_t *j = json_parse(text, strlen(text), NULL);

	if (!j)
		abort();
	return j;
}

/* Pack @text and give it back as text, or the message. */
static const char *packed(const struct field *fields, const char *text)
{
	static struct buf out = BUF_INIT;
	cleanup_json json_t *in = parse(text), *sparse = NULL;
	struct err e = ERR_INIT;

	buf_reset(&out);
	sparse = schema_pack(fields, in, "container.CreateRequest", &e);
	if (sparse)
		json_print(sparse, false, &out);
	else
		buf_adds(&out, e.msg);
	return out.p;
}

TEST(absent_null_and_zero_are_not_kept)
{
	CHECK_STR(packed(schema_host, "{}"), "{}");
	CHECK_STR(packed(schema_host, "{\"Binds\":null,\"Memory\":0,\"Privileged\":false,\"PidMode\":\"\"}"), "{}");
	CHECK_STR(packed(schema_host, "{\"Tmpfs\":{},\"Mounts\":[]}"), "{}");
}

TEST(empty_lists_stay_where_inspect_tells_them_from_null)
{
	CHECK_STR(packed(schema_host, "{\"Dns\":[],\"PortBindings\":{}}"), "{\"PortBindings\":{},\"Dns\":[]}");
}

TEST(pointers_keep_their_zero)
{
	CHECK_STR(packed(schema_host, "{\"PidsLimit\":0,\"MemorySwappiness\":0,\"Init\":false}"),
		"{\"MemorySwappiness\":0,\"PidsLimit\":0,\"Init\":false}");
	CHECK_STR(packed(schema_config, "{\"StopTimeout\":0}"), "{\"StopTimeout\":0}");
}

TEST(keys_ignore_case_and_unknown_ones_are_dropped)
{
	CHECK_STR(packed(schema_config, "{\"cMD\":[\"x\"],\"frob\":{\"y\":1},\"tty\":true}"),
		"{\"Tty\":true,\"Cmd\":[\"x\"]}");
	CHECK_STR(packed(schema_host, "{\"restartpolicy\":{\"NAME\":\"always\"}}"),
		"{\"RestartPolicy\":{\"Name\":\"always\"}}");
}

TEST(a_string_is_a_command_of_one_word)
{
	CHECK_STR(packed(schema_config, "{\"Cmd\":\"ls -l\",\"Entrypoint\":\"sh\"}"),
		"{\"Cmd\":[\"ls -l\"],\"Entrypoint\":[\"sh\"]}");
	CHECK_STR(packed(schema_config, "{\"Env\":\"A=b\"}"),
		"invalid JSON: json: cannot unmarshal string into Go struct field .Env of type []string");
}

TEST(maps_are_sorted_and_sets_have_no_values)
{
	CHECK_STR(packed(schema_config, "{\"Labels\":{\"b\":\"2\",\"a\":\"1\"}}"),
		"{\"Labels\":{\"a\":\"1\",\"b\":\"2\"}}");
	CHECK_STR(packed(schema_config, "{\"Volumes\":{\"/x\":{\"y\":1}}}"), "{\"Volumes\":{\"/x\":{}}}");
	CHECK_STR(packed(schema_config, "{\"Labels\":{\"a\":null}}"), "{\"Labels\":{\"a\":\"\"}}");
}

TEST(wrong_types_are_refused_by_path)
{
	CHECK_STR(packed(schema_create, "{\"HostConfig\":{\"Memory\":\"much\"}}"),
		"invalid JSON: json: cannot unmarshal string into Go struct field .HostConfig.Memory of type int64");
	CHECK_STR(packed(schema_create, "{\"HostConfig\":{\"Memory\":1.5}}"),
		"invalid JSON: json: cannot unmarshal number 1.5 into Go struct field .HostConfig.Memory of type int64");
	CHECK_STR(packed(schema_create, "{\"HostConfig\":{\"Binds\":\"x\"}}"),
		"invalid JSON: json: cannot unmarshal string into Go struct field .HostConfig.Binds of type []string");
	CHECK_STR(packed(schema_config, "{\"Image\":5}"),
		"invalid JSON: json: cannot unmarshal number into Go struct field .Image of type string");
	CHECK_STR(packed(schema_config, "{\"Cmd\":[1]}"),
		"invalid JSON: json: cannot unmarshal array into Go value of type string");
	CHECK_STR(packed(schema_config, "{\"Env\":[\"a\",1]}"),
		"invalid JSON: json: cannot unmarshal number into .Env.1 of type string");
	CHECK_STR(packed(schema_host, "{\"PortBindings\":{\"80/tcp\":[{\"HostIp\":5}]}}"),
		"invalid JSON: json: cannot unmarshal number into Go struct field .PortBindings.80~1tcp.0.HostIp of type string");
	CHECK_STR(packed(schema_host, "{\"RestartPolicy\":{\"Name\":5}}"),
		"invalid JSON: json: cannot unmarshal number into Go struct field .RestartPolicy.Name of type container.RestartPolicyMode");
	CHECK_STR(packed(schema_host, "{\"Memory\":1.5}"),
		"invalid JSON: json: cannot unmarshal number 1.5 into Go struct field .Memory of type int64");
	CHECK_STR(packed(schema_host, "{\"PidMode\":1.5}"),
		"invalid JSON: json: cannot unmarshal number into Go struct field .PidMode of type container.PidMode");
	CHECK_STR(packed(schema_config, "{\"Labels\":{\"a\":[]}}"),
		"invalid JSON: json: cannot unmarshal array into Go struct field .Labels.a of type string");
	CHECK_STR(packed(schema_host, "{\"Mounts\":[5]}"),
		"invalid JSON: json: cannot unmarshal number into .Mounts.0 of type mount.Mount");
	CHECK_STR(packed(schema_host, "{\"ConsoleSize\":[-1,5]}"),
		"invalid JSON: json: cannot unmarshal number -1 into .ConsoleSize.0 of type uint");
	CHECK_STR(packed(schema_host, "{\"ConsoleSize\":[5,-2]}"),
		"invalid JSON: json: cannot unmarshal number -2 into .ConsoleSize.1 of type uint");
	CHECK_STR(packed(schema_host, "{\"LogConfig\":{\"Config\":{\"a\":1}}}"),
		"invalid JSON: json: cannot unmarshal number into Go struct field .LogConfig.Config.a of type string");
	CHECK_STR(packed(schema_host, "{\"OomScoreAdj\":\"x\"}"),
		"invalid JSON: json: cannot unmarshal string into Go struct field .OomScoreAdj of type int");
	CHECK_STR(packed(schema_host, "{\"BlkioWeight\":70000}"),
		"invalid JSON: json: cannot unmarshal number into Go struct field .BlkioWeight of type uint16");
}

TEST(what_is_no_object_at_all)
{
	CHECK_STR(packed(schema_config, "[]"),
		"invalid JSON: json: cannot unmarshal array into Go value of type container.CreateRequest");
	CHECK_STR(packed(schema_config, "\"x\""),
		"invalid JSON: json: cannot unmarshal string into Go value of type container.CreateRequest");
}

TEST(nested_objects)
{
	CHECK_STR(packed(schema_host,
			  "{\"Mounts\":[{\"type\":\"volume\",\"VolumeOptions\":{\"driverconfig\":{\"Name\":\"local\"}}}]}"),
		"{\"Mounts\":[{\"Type\":\"volume\",\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"local\"}}}]}");
	CHECK_STR(packed(schema_host, "{\"PortBindings\":{\"80/tcp\":[{\"hostport\":\"81\"}],\"90/tcp\":null}}"),
		"{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"81\"}],\"90/tcp\":null}}");
	CHECK_STR(packed(schema_networking, "{\"EndpointsConfig\":{\"bridge\":null,\"x\":{\"Aliases\":[\"a\"]}}}"),
		"{\"EndpointsConfig\":{\"bridge\":{},\"x\":{\"Aliases\":[\"a\"]}}}");
}

TEST(expanding_fills_in_everything_in_order)
{
	cleanup_json json_t *sparse = parse("{\"Memory\":5,\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"81\"}]}}");
	cleanup_json json_t *full = schema_expand(schema_host, sparse);
	cleanup_buf struct buf out = BUF_INIT;

	CHECK_INT(json_object_size(full), 63);
	CHECK_INT(json_int(full, "Memory", 0), 5);
	CHECK(json_is_null(json_object_get(full, "PidsLimit")));
	CHECK(!json_object_get(full, "Init") && !json_object_get(full, "Mounts"));
	CHECK_STR(json_str(json_obj(full, "LogConfig"), "Type", NULL), "");
	json_print(json_object_get(full, "PortBindings"), false, &out);
	CHECK_STR(out.p, "{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"81\"}]}");
	CHECK_STR(json_object_iter_key(json_object_iter(full)), "Binds");
}

TEST(packing_what_was_expanded_changes_nothing)
{
	static const char text[] = "{\"Hostname\":\"h\",\"Env\":[\"A=b\"],\"Healthcheck\":{\"Test\":[\"NONE\"]}}";
	cleanup_json json_t *in = parse(text), *once = NULL, *full = NULL, *again = NULL;

	once = schema_pack(schema_config, in, "x", NULL);
	full = schema_expand(schema_config, once);
	again = schema_pack(schema_config, full, "x", NULL);
	CHECK(json_equal(once, again));
}

static void prints_as_it_expands(const struct field *fields, const char *text)
{
	cleanup_json json_t *sparse = parse(text), *full = schema_expand(fields, sparse);
	cleanup_buf struct buf want = BUF_INIT, got = BUF_INIT;

	json_print(full, false, &want);
	schema_print(fields, sparse, &got);
	CHECK_STR(got.p, want.p);
}

TEST(printing_is_expanding)
{
	prints_as_it_expands(schema_endpoint, "{}");
	prints_as_it_expands(schema_endpoint, "{\"Aliases\":[\"a\"],\"MacAddress\":\"x\\\"y\",\"IPPrefixLen\":16,"
		"\"DriverOpts\":{\"k\":\"v\"},\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.1\"},\"GwPriority\":-1}");
	prints_as_it_expands(schema_host, "{}");
	prints_as_it_expands(schema_host, "{\"Memory\":5,\"PidsLimit\":0,\"Init\":false,\"ConsoleSize\":[1,2],"
		"\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"81\"}]},\"Mounts\":[{\"Type\":\"bind\"}]}");
	prints_as_it_expands(schema_config, "{\"Env\":[],\"Healthcheck\":{\"Retries\":2}}");
	prints_as_it_expands(schema_exec, "{}");
}
