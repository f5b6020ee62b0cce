# SPDX-License-Identifier: MIT
#
# tests/lib/check.sh - saying what was found, and ending well
#
# Sourced, with TEST_TMP set by tests/run (made here when a script is run by hand).
#
#   check NAME CMD...           ok if CMD succeeds
#   check_fails NAME CMD...     ok if CMD fails
#   check_out NAME WANT CMD...  ok if CMD's output (both streams) equals WANT
#   check_has NAME PART CMD...  ok if CMD's output contains PART; its status does not matter
#   check_status NAME N CMD...  ok if CMD's status is N
#   until_true CMD...           until CMD succeeds, for what has no event to wait for; fails after 30 s
#   run CMD...                  sets out and status
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
	local end=$((SECONDS + 30))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.05 <> <(:) || :
	done
}

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
