/* SPDX-License-Identifier: MIT */
/* core/limits/systemd.c - see systemd.h */
#include "limits/systemd.h"
#include "limits/dbus_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define ATTEMPTS 5 /* to start a scope whose name was in use */
#define CPU_MAX 8192 /* numbers in a list of CPUs */

static const char advice[] =
	"install dbus-user-session (Debian, Ubuntu) or dbus-daemon (Fedora), log in again, and run: "
	"systemctl --user enable --now dbus";

/* --- reaching it ------------------------------------------------------------------------------------- */

static int open_at(struct dbus *d, char *path, bool is_bus, struct err *e)
{
	int rc = path ? dbus_open(d, path, is_bus, e) : err_set(e, 0, "no bus is known");

	free(path);
	return rc;
}

static int open_manager(struct dbus *d, struct err *e)
{
	const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *dir = getenv("XDG_RUNTIME_DIR");
	struct err unheard;

	if (address && *address && !open_at(d, dbus_address_path(address), true, e))
		return 0;
	if (!dir || !*dir)
		return address && *address ? -1 : err_set(e, 0, "XDG_RUNTIME_DIR is not set");
	if (!(address && *address) && !open_at(d, xasprintf("%s/bus", dir), true, e))
		return 0;
	return open_at(d, xasprintf("%s/systemd/private", dir), false, &unheard);
}

static int open_or_advise(struct dbus *d, struct err *e)
{
	if (!open_manager(d, e))
		return 0;
	err_wrap(e, "failed to connect to the user's systemd");
	err_hint(e, "%s", advice);
	return -1;
}

static struct dbus_call manager_call(const char *member, const char *signature)
{
	return (struct dbus_call){NAME, PATH, MANAGER, member, signature, 0};
}

/* A property that is a string. */
static char *property(struct dbus *d, const char *name, struct err *e)
{
	static const struct dbus_call get = {NAME, PATH, "org.freedesktop.DBus.Properties", "Get", "ss", 0};
	cleanup_buf struct buf body = BUF_INIT;
	struct dbus_message m;
	struct span type, text;

	dbus_put_string(&body, MANAGER);
	dbus_put_string(&body, name);
	if (dbus_ask(d, &get, &body, &m, e))
		return NULL;
	type = dbus_get_signature(&m.body);
	text = dbus_get_string(&m.body);
	if (m.body.bad || !span_eqs(type, "s")) {
		err_set(e, EPROTO, "asking systemd for its %s", name);
		return NULL;
	}
	return span_dup(text);
}

char *systemd_find(struct err *e)
{
	struct dbus d;
	char *path;

	if (open_or_advise(&d, e))
		return NULL;
	path = property(&d, "ControlGroup", e);
	dbus_close(&d);
	return path;
}

/* --- properties ---------------------------------------------------------------------------------------- */

static void put_name(struct buf *b, const char *name, const char *type)
{
	dbus_put_struct(b);
	dbus_put_string(b, name);
	dbus_put_signature(b, type);
}

static void put_string(struct buf *b, const char *name, const char *value)
{
	put_name(b, name, "s");
	dbus_put_string(b, value);
}

static void put_bool(struct buf *b, const char *name, bool value)
{
	put_name(b, name, "b");
	dbus_put_bool(b, value);
}

static void put_number(struct buf *b, const char *name, int64_t value)
{
	put_name(b, name, "t");
	dbus_put_u64(b, value == LIMIT_NONE ? UINT64_MAX : (uint64_t)value);
}

static void put_limit(struct buf *b, const char *name, int64_t value)
{
	if (value)
		put_number(b, name, value);
}

/* A list of CPUs as a set of bits, the lowest first. */
static void put_set(struct buf *b, const char *name, const char *list)
{
	uint8_t set[CPU_MAX / 8] = {0};
	struct span rest = span_of(list), item, last;
	uint64_t from, to, max = 0, i;
	ssize_t dash;
	size_t array;

	if (!list)
		return;
	while (span_token(&rest, ',', &item)) {
		dash = span_chr(item, '-');
		last = dash >= 0 ? span_cut(&item, (size_t)dash) : item;
		if (parse_u64(item, CPU_MAX - 1, &from) || parse_u64(last, CPU_MAX - 1, &to))
			return; /* the kernel will say what it thinks of it */
		for (i = from; i <= to; i++)
			set[i / 8] |= (uint8_t)(1U << i % 8);
		max = to > max ? to : max;
	}
	put_name(b, name, "ay");
	array = dbus_put_array(b, 1);
	for (i = 0; i <= max / 8; i++)
		dbus_put_byte(b, set[i]);
	dbus_end_array(b, array, 1);
}

/* systemd takes a quota in microseconds of each second, in steps of 1 %. */
static void put_quota(struct buf *b, const struct limits *l)
{
	uint64_t us;

	if (!l->cpu_quota)
		return;
	put_number(b, "CPUQuotaPeriodUSec", l->cpu_period);
	if (l->cpu_quota == LIMIT_NONE) {
		put_number(b, "CPUQuotaPerSecUSec", LIMIT_NONE);
		return;
	}
	us = (uint64_t)((double)l->cpu_quota * 1000000 / (double)l->cpu_period);
	put_number(b, "CPUQuotaPerSecUSec", (int64_t)((us + 9999) / 10000 * 10000));
}

static void put_limits(struct buf *b, const struct limits *l)
{
	put_limit(b, "MemoryMax", l->memory);
	put_limit(b, "MemoryLow", l->memory_low);
	if (l->no_swap)
		put_number(b, "MemorySwapMax", 0);
	else
		put_limit(b, "MemorySwapMax", l->swap);
	put_limit(b, "TasksMax", l->pids);
	put_limit(b, "CPUWeight", l->cpu_weight);
	put_quota(b, l);
	put_set(b, "AllowedCPUs", l->cpus);
	put_set(b, "AllowedMemoryNodes", l->mems);
	if (l->io_weight)
		put_number(b, "IOWeight", 1 + ((int64_t)l->io_weight - 10) * 9999 / 990);
}

/* --- scopes ---------------------------------------------------------------------------------------------- */

static void put_scope(struct buf *b, const char *slice, const char *what, pid_t pid)
{
	static const char *const accounting[] = {"CPUAccounting", "MemoryAccounting", "IOAccounting", "TasksAccounting"};
	size_t array, i;

	put_string(b, "Description", what);
	put_string(b, "Slice", slice);
	put_bool(b, "Delegate", true);
	put_bool(b, "DefaultDependencies", false);
	put_string(b, "CollectMode", "inactive-or-failed");
	for (i = 0; i < ARRAY_SIZE(accounting); i++)
		put_bool(b, accounting[i], true);
	put_name(b, "PIDs", "au");
	array = dbus_put_array(b, 4);
	dbus_put_u32(b, (uint32_t)pid);
	dbus_end_array(b, array, 4);
}

/* Signals come to whoever asked for them; straight from the manager, in any case. */
static int subscribe(struct dbus *d, struct err *e)
{
	static const struct dbus_call match = {"org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
		"AddMatch", "s", DBUS_NO_REPLY};
	struct dbus_call call = manager_call("Subscribe", NULL);
	cleanup_buf struct buf body = BUF_INIT;

	if (!d->is_bus)
		return 0;
	call.flags = DBUS_NO_REPLY;
	dbus_put_string(&body, "type='signal',sender='" NAME "',interface='" MANAGER "',member='JobRemoved'");
	return dbus_send(d, &match, &body, e) && dbus_send(d, &call, NULL, e) ? 0 : -1;
}

/* JobRemoved(u id, o job, s unit, s result): is it about @unit?  Its result, or empty. */
static struct span job_result(struct dbus_message *m, const char *unit)
{
	struct span name, result;

	if (m->type != DBUS_SIGNAL || !span_eqs(m->member, "JobRemoved") || !span_eqs(m->signature, "uoss"))
		return (struct span){"", 0};
	dbus_get_u32(&m->body);
	dbus_get_string(&m->body);
	name = dbus_get_string(&m->body);
	result = dbus_get_string(&m->body);
	return !m->body.bad && span_eqs(name, unit) ? result : (struct span){"", 0};
}

/* Wait for the answer to @serial and the end of the job it began, in either order. */
static int wait_job(struct dbus *d, uint32_t serial, const char *unit, struct err *e)
{
	bool answered = false, ended = false;
	struct dbus_message m;
	struct span result;

	while (!answered || !ended) {
		if (dbus_next(d, &m, e))
			return -1;
		if (m.reply_serial == serial && m.type == DBUS_ERROR) {
			dbus_error(&m, e);
			e->code = span_eqs(m.error, NAME ".UnitExists") ? EEXIST : 0;
			return -1;
		}
		answered |= m.reply_serial == serial && m.type == DBUS_REPLY;
		result = job_result(&m, unit);
		ended |= result.n > 0;
		if (result.n && !span_eqs(result, "done"))
			return err_set(e, 0, "systemd says its job came to '%.*s'", (int)result.n, result.p);
	}
	return 0;
}

static int start_scope(struct dbus *d, const char *unit, const char *slice, const char *what, pid_t pid,
	const struct limits *l, struct err *e)
{
	struct dbus_call call = manager_call("StartTransientUnit", "ssa(sv)a(sa(sv))");
	cleanup_buf struct buf body = BUF_INIT;
	uint32_t serial;
	size_t array;

	dbus_put_string(&body, unit);
	dbus_put_string(&body, "replace");
	array = dbus_put_array(&body, 8);
	put_scope(&body, slice, what, pid);
	put_limits(&body, l);
	dbus_end_array(&body, array, 8);
	array = dbus_put_array(&body, 8);
	dbus_end_array(&body, array, 8);
	serial = subscribe(d, e) ? 0 : dbus_send(d, &call, &body, e);
	return serial ? wait_job(d, serial, unit, e) : -1;
}

/* A scope of that name that the manager has not done away with yet. */
static int end_scope(struct dbus *d, const char *unit)
{
	struct dbus_call stop = manager_call("StopUnit", "ss"), reset = manager_call("ResetFailedUnit", "s");
	cleanup_buf struct buf body = BUF_INIT, name = BUF_INIT;
	struct dbus_message m;
	uint32_t serial;
	struct err e;

	dbus_put_string(&body, unit);
	dbus_put_string(&body, "replace");
	serial = dbus_send(d, &stop, &body, &e);
	if (!serial)
		return -1;
	wait_job(d, serial, unit, &e); /* an error: it has gone meanwhile */
	dbus_put_string(&name, unit);
	dbus_ask(d, &reset, &name, &m, &e);
	return 0;
}

int systemd_start_scope(const char *unit, const char *slice, const char *what, pid_t pid, const struct limits *l,
	struct err *e)
{
	struct dbus d;
	int rc, left;

	if (open_or_advise(&d, e))
		return err_wrap(e, "unable to start unit \"%s\"", unit);
	for (left = ATTEMPTS; (rc = start_scope(&d, unit, slice, what, pid, l, e)) && e->code == EEXIST && left; left--) {
		if (end_scope(&d, unit))
			break;
	}
	dbus_close(&d);
	return rc ? err_wrap(e, "unable to start unit \"%s\" in %s", unit, slice) : 0;
}

static int ask_manager(const struct dbus_call *call, const struct buf *body, struct err *e)
{
	struct dbus_message m;
	struct dbus d;
	int rc;

	if (open_or_advise(&d, e))
		return -1;
	rc = dbus_ask(&d, call, body, &m, e);
	dbus_close(&d);
	return rc;
}

int systemd_set(const char *unit, const struct limits *l, struct err *e)
{
	struct dbus_call call = manager_call("SetUnitProperties", "sba(sv)");
	cleanup_buf struct buf body = BUF_INIT;
	size_t array;

	dbus_put_string(&body, unit);
	dbus_put_bool(&body, true); /* until it ends */
	array = dbus_put_array(&body, 8);
	put_limits(&body, l);
	dbus_end_array(&body, array, 8);
	return ask_manager(&call, &body, e) ? err_wrap(e, "setting the limits of unit \"%s\"", unit) : 0;
}

int systemd_attach(const char *unit, pid_t pid, struct err *e)
{
	struct dbus_call call = manager_call("AttachProcessesToUnit", "ssau");
	cleanup_buf struct buf body = BUF_INIT;
	size_t array;

	dbus_put_string(&body, unit);
	dbus_put_string(&body, "");
	array = dbus_put_array(&body, 4);
	dbus_put_u32(&body, (uint32_t)pid);
	dbus_end_array(&body, array, 4);
	return ask_manager(&call, &body, e) ? err_wrap(e, "moving a process into unit \"%s\"", unit) : 0;
}
