/* SPDX-License-Identifier: MIT */
/* What --link puts into the environment; expected texts are the real engine's. */
#include "unit.h"
#include "engine/links.h"

static char *env_of(const char *alias, const char *config)
{
	cleanup_json json_t *c = json_loads(config, 0, NULL), *env = json_array();
	struct buf b = BUF_INIT;
	json_t *v;
	size_t i;

	links_env(env, alias, "/web/db", "172.17.0.2", c);
	json_array_foreach(env, i, v)
		buf_addf(&b, "%s\n", json_string_value(v));
	return buf_detach(&b);
}

TEST(nothing_exposed)
{
	cleanup_free char *text = env_of("db", "{}");

	CHECK_STR(text, "DB_NAME=/web/db\n");
}

TEST(one_port_and_variables)
{
	cleanup_free char *text = env_of("my-db",
		"{\"ExposedPorts\":{\"5432/tcp\":{}},\"Env\":[\"A=1\",\"PATH=/bin\",\"HOME=/\",\"ODD\",\"B=x=y\"]}");

	CHECK_STR(text, "MY_DB_PORT=tcp://172.17.0.2:5432\n"
			"MY_DB_PORT_5432_TCP=tcp://172.17.0.2:5432\n"
			"MY_DB_PORT_5432_TCP_ADDR=172.17.0.2\n"
			"MY_DB_PORT_5432_TCP_PORT=5432\n"
			"MY_DB_PORT_5432_TCP_PROTO=tcp\n"
			"MY_DB_NAME=/web/db\n"
			"MY_DB_ENV_A=1\n"
			"MY_DB_ENV_B=x=y\n");
}

TEST(the_lowest_port_is_the_port)
{
	cleanup_free char *text = env_of("d", "{\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{},\"53/tcp\":{}}}");

	CHECK(!strncmp(text, "D_PORT=tcp://172.17.0.2:53\nD_PORT_53_TCP=tcp://172.17.0.2:53\n", 57));
	CHECK(strstr(text, "D_PORT_53_UDP_PROTO=udp\n") != NULL);
	CHECK(strstr(text, "D_PORT_80_TCP_PORT=80\n") != NULL);
}

TEST(a_port_of_tcp_goes_before_lower_ones_of_udp)
{
	cleanup_free char *text = env_of("d", "{\"ExposedPorts\":{\"53/udp\":{},\"5432/tcp\":{}}}");

	CHECK(strstr(text, "D_PORT=tcp://172.17.0.2:5432\nD_PORT_5432_TCP=") == text);
}

TEST(a_run_of_ports)
{
	cleanup_free char *text = env_of("d",
		"{\"ExposedPorts\":{\"8002/tcp\":{},\"8000/tcp\":{},\"8001/tcp\":{},\"9000/tcp\":{}}}");

	CHECK(strstr(text, "\nD_PORT_8001_TCP=tcp://172.17.0.2:8001\n") != NULL);
	CHECK(strstr(text, "\nD_PORT_8000_TCP_START=tcp://172.17.0.2:8000\n"
			   "D_PORT_8000_TCP_PORT_START=8000\n"
			   "D_PORT_8000_TCP_END=tcp://172.17.0.2:8002\n"
			   "D_PORT_8000_TCP_PORT_END=8002\n"
			   "D_NAME=/web/db\n") != NULL);
	CHECK(strstr(text, "9000_TCP_START") == NULL);
}
