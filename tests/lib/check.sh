# SPDX-License-Identifier: MIT
#
# tests/lib/check.sh - saying what was found, and ending well
#
# Sourced, with TEST_TMP set by tests/run (made here when a script is run by hand).
#
#   check NAME CMD...           ok if CMD succeeds
#   check_fails NAME CMD...     ok if CMD fails
#   check_out NAME WANT CMD...  ok if CMD's output (both streams) equals WANT
#   check_becomes NAME WANT CMD...   the same, once it does, for what goes on behind an answer; fails after 60 s
#   check_has NAME PART CMD...  ok if CMD's output contains PART; its status does not matter
#   check_status NAME N CMD...  ok if CMD's status is N
#   until_true CMD...           until CMD succeeds, for what has no event to wait for; fails after 60 s
#   run CMD...                  sets out and status
#   built NAME...               build/out/NAME is there, or is made now (make test has made all)
#   free_ports N                prints N numbers of ports that nobody has, TCP or UDP, nor will be given
#   ok NAME / not_ok NAME WHY / skip NAME WHY
#   at_exit CMD                 run CMD when the script ends, last given first
if [ -z "${TEST_TMP:-}" ]; then
	TEST_TMP=$(mktemp -d)
	own_tmp=$TEST_TMP
fi
chmod 711 "$TEST_TMP"
export LC_ALL=C

ok() { echo "ok - $1"; }
not_ok() { echo "not ok - $1: ${2//$'\n'/ | }"; }
skip() { echo "skip - $1: $2"; }

run() { # CMD... -> $out, $status
	out=$("$@" 2>&1 </dev/null)
	status=$?
	return 0
}
# A program that prints such lines itself: one more says that it came to its end.
plays() { # NAME COMMAND...
	local name=$1 status=0
	shift
	"$@" || status=$?
	if [ "$status" = 0 ]; then ok "$name, to its end"; else not_ok "$name, to its end" "status $status"; fi
}
check() {
	local name=$1
	shift
	run "$@"
	if [ "$status" = 0 ]; then ok "$name"; else not_ok "$name" "status $status: $out"; fi
}
check_fails() {
	local name=$1
	shift
	run "$@"
	if [ "$status" != 0 ]; then ok "$name"; else not_ok "$name" "succeeded: $out"; fi
}
check_out() {
	local name=$1 want=$2
	shift 2
	run "$@"
	if [ "$out" = "$want" ]; then ok "$name"; else not_ok "$name" "status $status, got '$out', want '$want'"; fi
}
check_becomes() {
	local end=$((SECONDS + 60))
	run "${@:3}"
	while [ "$out" != "$2" ] && [ $SECONDS -lt $end ]; do
		read -r -t 0.05 <> <(:) || :
		run "${@:3}"
	done
	if [ "$out" = "$2" ]; then ok "$1"; else not_ok "$1" "status $status, still '$out', want '$2'"; fi
}
check_has() {
	local name=$1 want=$2
	shift 2
	run "$@"
	case $out in *"$want"*) ok "$name" ;; *) not_ok "$name" "status $status, '$want' is not in '$out'" ;; esac
}
check_status() {
	local name=$1 want=$2
	shift 2
	run "$@"
	if [ "$status" = "$want" ]; then ok "$name"; else not_ok "$name" "status $status, want $want: $out"; fi
}

until_true() {
	local end=$((SECONDS + 60))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.05 <> <(:) || :
	done
}

built() {
	local name
	for name; do
		[ -e "$build_out/$name" ] || make -s -C "$build_out/../.." "build/out/$name" >&2 ||
			{ not_ok "build/out/$name" "cannot be built"; exit 1; }
	done
}

# Below those that the kernel gives out, so that no client of anybody has one the next moment; and each caller's are
# others, as scripts run beside one another.
free_ports() {
	python3 - "$1" "$ports_file" <<-'END'
		import fcntl, random, socket, sys
		with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
		    first, end = 20000, int(f.read().split()[0])
		if end < first + 1000:
		    end = 32768
		def free(port):
		    for family, any in (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"):
		        for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
		            try: s = socket.socket(family, kind)
		            except OSError: continue # no IPv6 here
		            with s:
		                if family == socket.AF_INET6:
		                    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
		                try: s.bind((any, port))
		                except OSError: return False
		    return True
		with open(sys.argv[2], "a+") as f:
		    fcntl.flock(f, fcntl.LOCK_EX)
		    f.seek(0)
		    last, found = int(f.read() or random.randrange(first, end)), []
		    while len(found) < int(sys.argv[1]):
		        last = last + 1 if first <= last < end - 1 else first
		        if free(last): found.append(last)
		    f.truncate(0)
		    f.write(str(last))
		print(*found)
	END
}
build_out=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/out
ports_file=$build_out/tests.ports

# --- what happens at the end ---------------------------------------------------------------------

exit_commands=()
at_exit() { exit_commands=("$1" "${exit_commands[@]+"${exit_commands[@]}"}"); }
finish() {
	local status=$? c
	for c in "${exit_commands[@]+"${exit_commands[@]}"}"; do eval "$c"; done
	[ -z "${own_tmp:-}" ] || rm -rf "$own_tmp"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
