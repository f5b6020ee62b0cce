/* SPDX-License-Identifier: MIT */
/*
 * applets/setuptool.c - dockerd-rootless-setuptool.sh: check, install, uninstall, nsenter
 *
 * Theory of operation
 *   init() refuses what cannot work at all, in upstream's words; check_host() then looks at the
 *   host as a whole.  install makes three things, each left alone if it is there: the unit of the
 *   user's systemd (where there is one), the client's context "rootless", and the choice of it.
 *   uninstall takes exactly these away.
 *
 * Exit status: 0, or 1.
 */
#include "applets.h"
#include "docker/context_store.h"
#include "setuptool/setuptool.h"
#include "version.h"

#include "base/fs.h"
#include "ns/tool.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT "dockerd-rootless.sh"
#define CONTEXT "rootless"
#define ENTER_WORDS_MAX 4096 /* of a command; more cannot be needed to look around */

static const char help[] =
	"Usage: %s [OPTIONS] COMMAND\n\n"
	"A setup tool for Rootless Docker (" SCRIPT ").\n\n"
	"Documentation: https://docs.docker.com/go/rootless/\n\n"
	"Options:\n"
	"  -f, --force                Ignore rootful Docker (/var/run/docker.sock), and missing uidmap and subids\n"
	"      --skip-iptables        Ignore missing iptables\n"
	"      --json                 check: print what is missing as JSON\n\n"
	"Commands:\n"
	"  check        Check prerequisites\n"
	"  install      Install systemd unit (if systemd is available) and show how to manage the service\n"
	"  uninstall    Uninstall systemd unit\n"
	"  nsenter      Run a command (or a shell) in the namespaces of the engine, for debugging\n";

/* --- what there is -------------------------------------------------------------------------- */

/* The directory our links are in: beside the running program, else where PATH has them. */
static char *find_bin(void)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	cleanup_free char *beside = NULL;
	struct span rest = span_of(getenv("PATH")), dir;

	exe[n > 0 ? n : 0] = 0;
	if (strrchr(exe, '/'))
		*strrchr(exe, '/') = 0;
	beside = xasprintf("%s/" SCRIPT, exe);
	if (!access(beside, X_OK))
		return xstrdup(exe);
	while (span_token(&rest, ':', &dir)) {
		cleanup_free char *path = xasprintf("%.*s/" SCRIPT, (int)dir.n, dir.p);

		if (dir.n && *dir.p == '/' && !access(path, X_OK))
			return span_dup(dir);
	}
	return NULL;
}

static int refuse_runtime_dir(const char *run)
{
	say_error("Aborting because systemd was detected but XDG_RUNTIME_DIR (\"%s\") is not set, does not exist, or is not writable",
		run ? run : "");
	say_error("Hint: this could happen if you changed users with 'su' or 'sudo'. To work around this:");
	say_error("- try again by first running with root privileges 'loginctl enable-linger <user>' where <user> is the "
		  "unprivileged user and export XDG_RUNTIME_DIR to the value of RuntimePath as shown by 'loginctl show-user <user>'");
	say_error("- or simply log back in as the desired unprivileged user (ssh works for remote machines, machinectl shell "
		  "works for local machines)");
	return -1;
}

/* systemd runs the machine and does not answer this user. */
static void warn_no_bus(void)
{
	say_warning("systemd runs here, and `systemctl --user` fails (\"Failed to connect to bus\").");
	say_warning("This happens after 'su' or 'sudo', or where no D-Bus for users is installed: log in by ssh or "
		    "`machinectl shell <user>@`, or run `sudo loginctl enable-linger <user>` and log in again.");
}

static bool systemd_booted(void)
{
	return !access("/run/systemd/system", F_OK);
}

static int init_runtime_dir(struct setup *s)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	struct err e = ERR_INIT;

	if (run && *run && !access(run, W_OK)) {
		s->run_dir = xstrdup(run);
		return 0;
	}
	if (s->systemd)
		return refuse_runtime_dir(run);
	s->run_dir = xasprintf("%s/run", s->docker_dir);
	if (fs_mkdir_p_at(AT_FDCWD, s->run_dir, 0700, &e)) {
		say_error("%s", e.msg);
		return -1;
	}
	setenv("XDG_RUNTIME_DIR", s->run_dir, 1);
	s->run_created = true;
	return 0;
}

/* @installing: what is to be set up must not be in the way of what is there. */
static int init(struct setup *s, bool installing)
{
	static const char *const ask_systemd[] = {"systemctl", "--user", "show-environment", NULL};
	const char *home = getenv("HOME"), *config = getenv("XDG_CONFIG_HOME"), *docker = getenv("DOCKER_CONFIG");

	if (!geteuid()) {
		say_error("Refusing to install rootless Docker as the root user");
		return -1;
	}
	s->bin = find_bin();
	if (!s->bin) {
		say_error(SCRIPT " needs to be present under $PATH");
		say_error("Hint: run `coracle --install ~/bin`, and `export PATH=~/bin:$PATH`");
		return -1;
	}
	s->systemd = !run_program(false, ask_systemd);
	if (!home || access(home, F_OK)) {
		say_error("HOME needs to be set");
		return -1;
	}
	if (access(home, W_OK)) {
		say_error("HOME needs to be writable");
		return -1;
	}
	ns_user_self(&s->user);
	s->config_dir = config && *config ? xstrdup(config) : xasprintf("%s/.config", home);
	s->docker_dir = docker && *docker ? xstrdup(docker) : xasprintf("%s/.docker", home);
	if (installing && !s->force && !access("/var/run/docker.sock", W_OK)) {
		say_error("Aborting because rootful Docker (/var/run/docker.sock) is running and accessible. Set --force to ignore.");
		return -1;
	}
	if (!s->systemd && systemd_booted())
		warn_no_bus();
	return init_runtime_dir(s);
}

/* --- check ---------------------------------------------------------------------------------- */

/* What can be gone without, if the user insists: one id is mapped then. */
static bool forgivable(const struct lacks *l)
{
	static const char *const ids[] = {"uidmap", "subuid", "subgid", NULL};
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->v[i].required && !str_in(l->v[i].id, ids))
			return false;
	return true;
}

static void recommend(const struct lacks *l)
{
	if (lacks_required(l) == l->n)
		return;
	say_warning("Recommended, not required: these commands complete the setup.");
	lacks_print(l, false);
}

static void complain_of(const struct lacks *l)
{
	say_error("Missing system requirements. Run the following commands to");
	say_error("install the requirements and run this tool again.");
	lacks_print(l, true);
}

/* 0, or -1 once what is missing has been said. */
static int require(const struct setup *s, const struct lacks *l)
{
	if (!lacks_required(l))
		return 0;
	complain_of(l);
	if (!s->force || !forgivable(l))
		return -1;
	say_warning("Going on without them, as --force asks: one id will be mapped, and what runs in containers as another "
		    "user than root will fail.");
	return 0;
}

static int check(struct setup *s)
{
	struct lacks l = {0};

	if (init(s, true))
		return 1;
	check_host(s, &l);
	if (s->json) {
		cleanup_json json_t *j = lacks_json(&l);
		cleanup_buf struct buf text = BUF_INIT;

		json_print(j, true, &text);
		fputs(text.p, stdout);
		return lacks_required(&l) ? 1 : 0;
	}
	if (lacks_required(&l))
		complain_of(&l);
	else
		say_info("Requirements are satisfied");
	recommend(&l);
	return lacks_required(&l) ? 1 : 0;
}

/* --- install -------------------------------------------------------------------------------- */

static int install_context(const struct setup *s, struct err *e)
{
	cleanup_json json_t *docker = json_object();
	cleanup_free char *host = xasprintf("unix://%s/docker.sock", s->run_dir);

	json_set_str(docker, "Host", host);
	json_set_bool(docker, "SkipTLSVerify", false);
	if (context_exists(s->docker_dir, CONTEXT)) {
		say_info("CLI context \"%s\" already exists", CONTEXT);
	} else {
		say_info("Creating CLI context \"%s\"", CONTEXT);
		if (context_create(s->docker_dir, CONTEXT, "Rootless mode", docker, NULL, e))
			return -1;
	}
	say_info("Using CLI context \"%s\"", CONTEXT);
	return context_use(s->docker_dir, CONTEXT, e);
}

static void say_exports(const struct setup *s)
{
	putchar('\n');
	say_info("Make sure the following environment variable(s) are set (or add them to ~/.bashrc):");
	if (s->run_created) {
		puts("# WARNING: systemd not found. You have to remove XDG_RUNTIME_DIR manually on every logout.");
		printf("export XDG_RUNTIME_DIR=%s\n", s->run_dir);
	}
	printf("export PATH=%s:$PATH\n\n", s->bin);
	say_info("Some applications may require the following environment variable too:");
	printf("export DOCKER_HOST=unix://%s/docker.sock\n\n", s->run_dir);
}

static int install(struct setup *s)
{
	struct err e = ERR_INIT;
	struct lacks l = {0};

	if (init(s, true))
		return 1;
	check_host(s, &l);
	if (require(s, &l))
		return 1;
	if (!s->systemd) {
		say_info("systemd not detected, " SCRIPT " needs to be started manually:");
		printf("\nPATH=%s:/sbin:/usr/sbin:$PATH " SCRIPT " \n\n", s->bin);
	} else if (unit_install(s)) {
		return 1;
	}
	if (install_context(s, &e)) {
		say_error("%s", e.msg);
		return 1;
	}
	say_exports(s);
	recommend(&l);
	return 0;
}

/* --- uninstall ------------------------------------------------------------------------------ */

static int uninstall(struct setup *s)
{
	struct err e = ERR_INIT;

	if (init(s, false))
		return 1;
	if (s->systemd)
		unit_uninstall(s);
	else
		say_info("systemd not detected, " SCRIPT " needs to be stopped manually:");
	if (context_exists(s->docker_dir, CONTEXT)) {
		if (context_remove(s->docker_dir, CONTEXT, &e)) {
			say_error("%s", e.msg);
			return 1;
		}
		say_info("Deleted CLI context \"%s\"", CONTEXT);
	}
	if (context_use(s->docker_dir, "default", &e)) {
		say_error("%s", e.msg);
		return 1;
	}
	say_info("Configured CLI to use the \"default\" context.");
	say_info("%s", "");
	say_info("Make sure to unset or update the environment PATH, DOCKER_HOST, and DOCKER_CONTEXT environment variables if "
		 "you have added them to `~/.bashrc`.");
	say_info("This uninstallation tool does NOT remove Docker binaries and data.");
	say_info("To remove data, run: `%s/rootlesskit rm -rf %s/.local/share/docker`", s->bin, getenv("HOME"));
	return 0;
}

/* --- nsenter -------------------------------------------------------------------------------- */

/* As upstream's: user, mount and network namespace, our working directory kept. */
static int enter(char **command)
{
	static const char *const options[] = {"nsenter-debug", "--preserve-credentials", "--no-fork", "-m", "-n", "-U", "-w.", "-t",
		"engine", "--"};
	char *argv[ARRAY_SIZE(options) + ENTER_WORDS_MAX + 1];
	int n = 0, i = 0;

	while (n < (int)ARRAY_SIZE(options))
		argv[n] = (char *)(uintptr_t)options[n], n++;
	if (command[0] && !strcmp(command[0], "--"))
		command++;
	while (command[i] && i < ENTER_WORDS_MAX)
		argv[n++] = command[i++];
	argv[n] = NULL;
	optind = 1;
	return nsenter_debug_main(n, argv);
}

/* --- the whole ------------------------------------------------------------------------------ */

int setuptool_main(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{"force", no_argument, NULL, 'f'},
		{"skip-iptables", no_argument, NULL, 'i'},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	static struct setup s;
	const char *command;
	int c;

	if (argc > 1 && !strcmp(argv[1], "nsenter"))
		return enter(argv + 2);
	while ((c = getopt_long(argc, argv, "hf", options, NULL)) != -1) {
		if (c == 'f') {
			s.force = true;
		} else if (c == 'i') {
			s.skip_iptables = true;
		} else if (c == 'j') {
			s.json = true;
		} else if (c == 'v') {
			printf("setuptool (coracle) %s\n", CORACLE_VERSION);
			return 0;
		} else {
			printf(help, strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0]);
			return c == 'h' ? 0 : 1;
		}
	}
	command = argv[optind];
	if (!command) {
		say_error("No command was specified. Run with --help to see the usage. Maybe you want to run `%s install`?", argv[0]);
		return 1;
	}
	if (!strcmp(command, "check"))
		return check(&s);
	if (!strcmp(command, "install"))
		return install(&s);
	if (!strcmp(command, "uninstall"))
		return uninstall(&s);
	say_error("Unknown command: %s. Run with --help to see the usage.", command);
	return 1;
}
