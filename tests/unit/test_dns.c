/* SPDX-License-Identifier: MIT */
/* Unit tests of the name server as the engine sees it: netd, and a container's network namespace. */
#include "net/dns.h"
#include "base/proc.h"
#include "net/netd.h"
#include "net/netns.h"
#include "net/peer.h"

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>

/* The program is its own netd, also before it enters the sandbox. */
static int role(int argc, char **argv)
{
	return netd_role_main(argc, argv);
}
#define UNIT_ROLES role
#include "unit.h"
#include "../lib/sandbox.h"

#define ID "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NETWORK "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ANSWER_MS 10000

static bool have_sandbox;
static struct netd *netd;
static int container = -1; /* its network namespace */

__attribute__((constructor)) static void first_of_all(void)
{
	if (sandbox_arg(1)[0] != ':')
		have_sandbox = sandbox_enter();
}

static int raise_lo(void *arg, struct err *e)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = ioctl(fd, SIOCSIFFLAGS, &lo);

	(void)arg;
	close(fd);
	return rc ? err_set(e, errno, "raising lo") : 0;
}

static void setup(void)
{
	struct err e = ERR_INIT;
	int exec_root;

	if (!have_sandbox)
		SKIP("no user namespaces here");
	if (netd)
		return;
	NEED(CHECK_OK(e, fs_mkdir_p_at(tmp_dirfd(), "exec", 0700, &e)));
	exec_root = openat(tmp_dirfd(), "exec", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	netd = netd_open(exec_root, true, NULL, NULL, &e);
	NEED(CHECK_OK(e, netd ? 0 : -1));
	container = netns_new(&e);
	NEED(CHECK_OK(e, container));
	NEED(CHECK_OK(e, netns_run(container, raise_lo, NULL, &e)));
}

static int open_sandbox(struct err *e)
{
	struct dns_sandbox s = {.id = ID, .netnsfd = container};

	return dns_sandbox_open(netd, &s, e);
}

static int set_endpoint(const char *name, struct err *e)
{
	const char *const names[] = {name, NULL};
	struct dns_endpoint ep = {.sandbox_id = ID, .network_id = NETWORK, .network_name = "n1", .names = names,
		.ip4 = "10.0.0.7"};

	return dns_endpoint_set(netd, &ep, e);
}

/* Ask in the container for the address of "web", by @type; its last byte, or minus the answer's code, or
 * -100: nobody answered. */
static int ask(int type)
{
	static const char query[] = "\0\x18\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03web\x02n1\x00\x00\x01\x00\x01";
	int skip = type == SOCK_STREAM ? 0 : 2; /* the length that TCP wants */
	unsigned char answer[600];
	struct err e = ERR_INIT;
	int fd = netns_socket(container, AF_INET, type, 0, &e);
	struct pollfd p = {fd, POLLIN, 0};
	struct peer at;
	ssize_t got = -1;

	peer_parse(DNS_ADDRESS, 53, &at);
	if (CHECK_OK(e, fd) && !connect(fd, &at.any, at.len) && 
		send(fd, query + skip, sizeof(query) - 1 - (size_t)skip, MSG_NOSIGNAL) > 0 &&
		poll(&p, 1, ANSWER_MS) == 1)
		got = recv(fd, answer, sizeof(answer), 0);
	if (fd >= 0)
		close(fd);
	if (got < 14)
		return -100;
	return answer[(2 - skip) + 3] & 15 ? -(answer[(2 - skip) + 3] & 15) : answer[got - 1];
}

TEST(a_container_is_answered)
{
	struct err e = ERR_INIT;

	setup();
	CHECK_INT(ask(SOCK_DGRAM), -100); /* refused: nobody listens */
	CHECK_OK(e, open_sandbox(&e));
	CHECK_INT(ask(SOCK_DGRAM), -2); /* no network, no server: SERVFAIL */
	CHECK_OK(e, set_endpoint("web", &e));
	CHECK_INT(ask(SOCK_DGRAM), 7);
	CHECK_INT(ask(SOCK_STREAM), 7);
	CHECK_OK(e, dns_endpoint_remove(netd, ID, NETWORK, &e));
	CHECK_INT(ask(SOCK_DGRAM), -2);
}

TEST(all_may_be_said_again)
{
	struct err e = ERR_INIT;

	setup();
	CHECK_OK(e, open_sandbox(&e));
	CHECK_OK(e, set_endpoint("other", &e));
	CHECK_OK(e, set_endpoint("web", &e));
	CHECK_OK(e, open_sandbox(&e));
	CHECK_INT(ask(SOCK_DGRAM), 7);
}

TEST(a_new_netd_is_told_again)
{
	cleanup_json json_t *about = NULL;
	struct err e = ERR_INIT;
	int pidfd;

	setup();
	NEED(CHECK_OK(e, netd_call(netd, "info", NULL, NULL, 0, &about, &e)));
	pidfd = proc_open((pid_t)json_int(about, "pid", 0), proc_start_time((pid_t)json_int(about, "pid", 0)));
	NEED(pidfd >= 0);
	CHECK_INT(proc_signal(pidfd, SIGKILL), 0);
	poll(&(struct pollfd){pidfd, POLLIN, 0}, 1, -1);
	close(pidfd);
	CHECK_OK(e, open_sandbox(&e));
	CHECK_OK(e, set_endpoint("web", &e));
	CHECK_INT(ask(SOCK_STREAM), 7);
}

TEST(nonsense_is_refused)
{
	const char *const names[] = {"", NULL}, *const servers[] = {"ns.example.org", NULL};
	struct dns_sandbox s = {.id = "../x"};
	struct dns_endpoint ep = {.sandbox_id = ID, .network_id = NETWORK, .network_name = "n1", .names = names};
	struct err e = ERR_INIT;

	setup();
	s.netnsfd = container;
	CHECK_INT(dns_sandbox_open(netd, &s, &e), -1);
	CHECK_INT(dns_endpoint_set(netd, &ep, &e), -1);
	CHECK_STR(e.msg, "bad names for the name server");
	ep.names = NULL;
	ep.ip4 = "10.0.0.256";
	CHECK_INT(dns_endpoint_set(netd, &ep, &e), -1);
	CHECK_INT(dns_host_servers(netd, servers, &e), -1);
}

TEST(closed_is_closed)
{
	struct err e = ERR_INIT;

	setup();
	CHECK_OK(e, dns_sandbox_close(netd, ID, &e));
	CHECK_OK(e, dns_sandbox_close(netd, ID, &e));
	CHECK_OK(e, dns_endpoint_remove(netd, ID, NETWORK, &e));
	CHECK_INT(ask(SOCK_DGRAM), -100);
	CHECK_OK(e, open_sandbox(&e)); /* the address is free again */
	netd_stop(netd);
}
