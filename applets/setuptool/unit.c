/* SPDX-License-Identifier: MIT */
/*
 * applets/setuptool/unit.c - the service of the user's systemd
 *
 * Theory of operation
 *   The unit is upstream's but for two lines.  KillMode=process: a stop or restart signals the
 *   supervisor, which stops containers if that is wanted; monitors of containers that are to live
 *   are in the same control group and must not be killed with it.  Wants=dbus.socket: D-Bus is used
 *   where it is there, and nothing fails without it.
 *
 *   A unit that is there may have been edited: it is left as it is.
 */
#include "setuptool.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define UNIT "docker.service"

static char *unit_path(const struct setup *s)
{
	return xasprintf("%s/systemd/user/" UNIT, s->config_dir);
}

static int unit_write(const struct setup *s, const char *path, struct err *e)
{
	cleanup_free char *dir = xasprintf("%s/systemd/user", s->config_dir);
	const char *env = getenv("PATH");
	cleanup_free char *text = xasprintf("[Unit]\n"
					    "Description=Docker Application Container Engine (Rootless)\n"
					    "Documentation=https://docs.docker.com/go/rootless/\n"
					    "Wants=dbus.socket\n"
					    "After=dbus.socket\n"
					    "\n"
					    "[Service]\n"
					    "Environment=PATH=%s:/sbin:/usr/sbin:%s\n"
					    "ExecStart=%s/dockerd-rootless.sh\n"
					    "ExecReload=/bin/kill -s HUP $MAINPID\n"
					    "TimeoutSec=0\n"
					    "RestartSec=2\n"
					    "Restart=always\n"
					    "StartLimitBurst=3\n"
					    "StartLimitInterval=60s\n"
					    "LimitNOFILE=infinity\n"
					    "LimitNPROC=infinity\n"
					    "LimitCORE=infinity\n"
					    "TasksMax=infinity\n"
					    "Delegate=yes\n"
					    "Type=notify\n"
					    "NotifyAccess=main\n"
					    "KillMode=process\n"
					    "\n"
					    "[Install]\n"
					    "WantedBy=default.target\n",
		s->bin, env ? env : "/usr/bin:/bin", s->bin);

	if (fs_mkdir_p_at(AT_FDCWD, dir, 0755, e))
		return -1;
	return file_write_at(AT_FDCWD, path, text, strlen(text), 0644, FILE_SYNC, e);
}

static int failed(const struct setup *s)
{
	say_error("Failed to start " UNIT ". Run `journalctl -n 20 --no-pager --user --unit " UNIT
		  "` to show the error log.");
	say_error("Before retrying installation, you might need to uninstall the current setup: `%s/%s uninstall -f ; "
		  "%s/rootlesskit rm -rf %s/.local/share/docker`",
		s->bin, "dockerd-rootless-setuptool.sh", s->bin, getenv("HOME"));
	return -1;
}

static int unit_start(const struct setup *s)
{
	const char *const status[] = {"systemctl", "--user", "--no-pager", "status", UNIT, NULL};
	const char *const start[] = {"systemctl", "--user", "start", UNIT, NULL};
	const char *const show[] = {"systemctl", "--user", "--no-pager", "--full", "status", UNIT, NULL};
	const char *const enable[] = {"systemctl", "--user", "enable", UNIT, NULL};
	const char *const version[] = {"/proc/self/exe", "docker", "version", NULL};
	cleanup_free char *host = xasprintf("unix://%s/docker.sock", s->run_dir);

	if (run_program(false, status)) {
		say_info("starting systemd service %s", UNIT);
		if (run_program(true, start))
			return failed(s);
	}
	if (run_program(true, show))
		return failed(s);
	setenv("DOCKER_HOST", host, 1);
	run_program(true, version);
	unsetenv("DOCKER_HOST");
	return run_program(true, enable) ? -1 : 0;
}

int unit_install(const struct setup *s)
{
	const char *const reload[] = {"systemctl", "--user", "daemon-reload", NULL};
	cleanup_free char *path = unit_path(s);
	struct err e = ERR_INIT;

	if (!access(path, F_OK)) {
		say_warning("File already exists, skipping: %s", path);
	} else {
		say_info("Creating %s", path);
		if (unit_write(s, path, &e)) {
			say_error("%s", e.msg);
			return -1;
		}
		run_program(false, reload);
	}
	if (unit_start(s))
		return -1;
	say_info("Installed " UNIT " successfully.");
	say_info("To control " UNIT ", run: `systemctl --user (start|stop|restart) " UNIT "`");
	say_info("To run " UNIT " on system startup, run: `sudo loginctl enable-linger %s`", s->user.name);
	putchar('\n');
	return 0;
}

void unit_uninstall(const struct setup *s)
{
	const char *const stop[] = {"systemctl", "--user", "stop", UNIT, NULL};
	const char *const disable[] = {"systemctl", "--user", "disable", UNIT, NULL};
	const char *const reload[] = {"systemctl", "--user", "daemon-reload", NULL};
	cleanup_free char *path = unit_path(s);

	run_program(true, stop);
	run_program(true, disable);
	unlink(path);
	run_program(false, reload);
	say_info("Uninstalled " UNIT);
}
