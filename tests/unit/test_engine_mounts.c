/* SPDX-License-Identifier: MIT */
/* tests/unit/test_engine_mounts.c - -v, --mount and volumes, to mount points or to Docker's words */
#include "unit.h"

#include "engine/mounts.h"
#include "engine/schema.h"
#include "engine/volume.h"

static struct engine en;

static void set_up(void)
{
	struct err e;

	if (en.events)
		return;
	en.config.data_root = xstrdup(tmp_path());
	en.datafd = tmp_dirfd();
	en.events = events_open(-1);
	pthread_rwlock_init(&en.lock, NULL);
	pthread_mutex_init(&en.volumes_lock, NULL);
	fs_mkdir_p_at(en.datafd, "tmp", 0700, NULL);
	NEED(!volumes_load(&en, &e));
}

/* The points of a HostConfig as "type:source-or-name:destination:mode:rw", or the message. */
static const char *points_of(const char *host_text, const char *config_text)
{
	static struct buf out = BUF_INIT;
	cleanup_json json_t *raw = json_parse(host_text, strlen(host_text), NULL), *host = NULL, *points = NULL;
	cleanup_json json_t *config = json_parse(config_text, strlen(config_text), NULL);
	struct err e = ERR_INIT;
	json_t *p;
	size_t i;

	set_up();
	buf_reset(&out);
	host = schema_pack(schema_host, raw, "x", &e);
	points = host ? mounts_build(&en, "c1", config, host, &e) : NULL;
	if (!points)
		buf_addf(&out, "%d %s", e.kind == ERR_INVALID ? 400 : e.kind == ERR_NOT_FOUND ? 404 : 500, e.msg);
	json_array_foreach(points, i, p)
		buf_addf(&out, "%s%s:%s:%s:%s:%s", i ? " " : "", json_str(p, "Type", ""),
			json_str(p, "Name", json_str(p, "Source", "")), json_str(p, "Destination", ""),
			json_str(p, "Mode", ""), json_bool(p, "RW", false) ? "rw" : "ro");
	if (points)
		mounts_drop(&en, "c1", points, true);
	return out.p;
}

static const char *bind(const char *text)
{
	static char host[512];

	snprintf(host, sizeof(host), "{\"Binds\":[\"%s\"]}", text);
	return points_of(host, "{}");
}

TEST(binds)
{
	CHECK_STR(bind("/tmp:/x"), "bind:/tmp:/x::rw");
	CHECK_STR(bind("/tmp:/x:ro"), "bind:/tmp:/x:ro:ro");
	CHECK_STR(bind("/tmp//y/:/x/../z:rslave,z"), "bind:/tmp/y:/z:rslave,z:rw");
	CHECK_STR(bind("vol:/x"), "volume:vol:/x:z:rw");
	CHECK_STR(bind("vol:/x:ro,nocopy"), "volume:vol:/x:ro,nocopy:ro");
}

TEST(binds_that_are_none)
{
	CHECK_STR(bind(""), "500 invalid volume specification: ''");
	CHECK_STR(bind(":/x"), "500 invalid volume specification: ':/x'");
	CHECK_STR(bind("/tmp:"), "500 invalid volume specification: '/tmp:'");
	CHECK_STR(bind("/tmp:ro"), "500 invalid volume specification: '/tmp:ro'");
	CHECK_STR(bind("/tmp:/x:ro:rw"), "500 invalid volume specification: '/tmp:/x:ro:rw'");
	CHECK_STR(bind("/tmp:/x:frob"), "500 invalid mode: frob");
	CHECK_STR(bind("/tmp:/x:ro,rw"), "500 invalid mode: ro,rw");
	CHECK_STR(bind("vol:/x:rshared"), "500 invalid volume specification: 'vol:/x:rshared': invalid mount config for type "
				      "\"volume\": field BindOptions must not be specified");
	CHECK_STR(bind("/tmp:rel"),
		"500 invalid volume specification: '/tmp:rel': invalid mount config for type \"bind\": invalid mount "
		"path: 'rel' mount path must be absolute");
	CHECK_STR(bind("/tmp:/x/.."),
		"500 invalid volume specification: '/tmp:/x/..': invalid mount config for type \"bind\": invalid "
		"specification: destination can't be '/'");
	CHECK_STR(bind("rel/path:/x"),
		"400 create rel/path: \"rel/path\" includes invalid characters for a local volume name, only "
		"\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute "
		"path");
}

TEST(one_destination_twice)
{
	CHECK_STR(points_of("{\"Binds\":[\"/tmp:/x\",\"/etc:/x/\"]}", "{}"), "400 Duplicate mount point: /x");
	CHECK_STR(points_of("{\"Binds\":[\"/tmp:/x\"],\"Tmpfs\":{\"/x/\":\"\"}}", "{}"), "400 Duplicate mount point: /x");
	CHECK_STR(points_of("{\"Binds\":[\"/tmp:/x\"],\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/x\"}]}", "{}"),
		"400 Duplicate mount point: /x");
}

static const char *mount(const char *text)
{
	static char host[1024];

	snprintf(host, sizeof(host), "{\"Mounts\":[{%s}]}", text);
	return points_of(host, "{}");
}

TEST(mounts)
{
	CHECK_STR(mount("\"Type\":\"bind\",\"Source\":\"/tmp\",\"Target\":\"/x\",\"ReadOnly\":true"), "bind:/tmp:/x::ro");
	CHECK_STR(mount("\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/x\""), "volume:vol:/x:z:rw");
	CHECK_STR(mount("\"Type\":\"tmpfs\",\"Target\":\"/x\",\"TmpfsOptions\":{\"SizeBytes\":5}"), "tmpfs::/x::rw");
}

TEST(mounts_that_are_none)
{
	CHECK_STR(mount("\"Type\":\"frob\",\"Target\":\"/x\""),
		"400 invalid mount config for type \"frob\": mount type unknown");
	CHECK_STR(mount("\"Type\":\"bind\",\"Source\":\"/tmp\""),
		"400 invalid mount config for type \"bind\": field Target must not be empty");
	CHECK_STR(mount("\"Type\":\"bind\",\"Source\":\"/tmp\",\"Target\":\"x\""),
		"400 invalid mount config for type \"bind\": invalid mount path: 'x' mount path must be absolute");
	CHECK_STR(mount("\"Type\":\"bind\",\"Target\":\"/x\""),
		"400 invalid mount config for type \"bind\": field Source must not be empty");
	CHECK_STR(mount("\"Type\":\"bind\",\"Source\":\"/no/such/dir\",\"Target\":\"/x\""),
		"400 invalid mount config for type \"bind\": bind source path does not exist: /no/such/dir");
	CHECK_STR(mount("\"Type\":\"bind\",\"Source\":\"/tmp\",\"Target\":\"/x\",\"BindOptions\":{\"Propagation\":\"frob\"}"),
		"400 invalid mount config for type \"bind\": invalid propagation mode: frob");
	CHECK_STR(mount("\"Type\":\"tmpfs\",\"Source\":\"/s\",\"Target\":\"/x\""),
		"400 invalid mount config for type \"tmpfs\": field Source must not be specified");
	CHECK_STR(mount("\"Type\":\"volume\",\"Source\":\"v\",\"Target\":\"/x\",\"BindOptions\":{}"),
		"400 BindOptions must not be specified on mount type \"volume\"");
	CHECK_STR(mount("\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/x\",\"VolumeOptions\":{\"Subpath\":\"a/../../up\"}"),
		"400 invalid mount config for type \"volume\": subpath must be a relative path within the volume");
	CHECK_STR(mount("\"Type\":\"volume\",\"Source\":\"vol9\",\"Target\":\"/x\",\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"no\"}}"),
		"404 create vol9: error looking up volume plugin no: plugin \"no\" not found");
}

TEST(volumes_of_the_image_yield)
{
	const char *got = points_of("{\"Binds\":[\"/tmp:/a\"]}", "{\"Volumes\":{\"/a\":{},\"/b/\":{}}}");

	CHECK(!strncmp(got, "bind:/tmp:/a::rw volume:", 24));
	CHECK(strstr(got, ":/b::rw"));
}

TEST(uses_are_counted)
{
	cleanup_json json_t *host = json_pack("{s:[s,s]}", "Binds", "shared:/a", "shared:/b"), *config = json_object();
	cleanup_json json_t *points = NULL;
	struct err e = ERR_INIT;

	set_up();
	points = mounts_build(&en, "c2", config, host, &e);
	NEED(points);
	CHECK(volume_remove(&en, "shared", true, &e));
	CHECK_STR(e.msg, "remove shared: volume is in use - [c2]");
	mounts_drop(&en, "c2", points, true);
	CHECK_OK(e, volume_remove(&en, "shared", false, &e)); /* named: only by name */
	CHECK(volume_remove(&en, "shared", false, &e));
	CHECK_STR(e.msg, "get shared: no such volume");
}

TEST(volumes_are_found_again)
{
	struct volume_spec spec = {.name = "keep"};
	static struct engine again; /* like en: to the end of the process */
	cleanup_json json_t *labels = json_pack("{s:s}", "a", "1"), *j = NULL;
	struct err e = ERR_INIT;

	set_up();
	spec.labels = labels;
	CHECK_OK(e, volume_create(&en, &spec, NULL, NULL, &e));
	again.events = events_open(-1);
	again.config.data_root = en.config.data_root;
	again.datafd = en.datafd;
	pthread_mutex_init(&again.volumes_lock, NULL);
	CHECK_OK(e, volumes_load(&again, &e));
	j = volume_inspect(&again, "keep", &e);
	NEED(j);
	CHECK_STR(json_str(json_obj(j, "Labels"), "a", NULL), "1");
}

TEST(tmpfs_options)
{
	cleanup_json json_t *o = mounts_tmpfs_options("size=1m,mode=700,exec", NULL), *none = NULL;
	struct err e;

	CHECK_INT(json_array_size(o), 6);
	none = mounts_tmpfs_options("frob=1", &e);
	CHECK(!none);
	CHECK_STR(e.msg, "invalid tmpfs option \"frob=1\"");
}
