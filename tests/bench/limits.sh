#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/bench/limits.sh - how well limits are held that no cgroup holds, and what that costs
#
# CPU: the share that 1, 4 and 16 busy processes get of what they may, over 5 seconds, and the monitor's
# own CPU time.  Memory: how far a program that writes 1 GB/s comes beyond its limit.  cpulimit beside
# Debian's, where that is installed (2.8 limits one process, and with -m starts itself once more for each
# fork, which is not for running here): ours for trees, too, and processes too short-lived to be stopped.
# Behind the table come lines for programs: NAME VALUE UNIT PEER PEER-VALUE RATIO GOAL.
# On a machine that has other work, the figures say more about that.
. "$(dirname "$0")/../integration/lib.sh"

hog=$top/build/out/obj/probe_hog
[ -x "$hog" ] || make -C "$top" build/out/obj/probe_hog >/dev/null || exit 1
cp "$hog" "$TEST_TMP/bin/hog"
engine_start || exit 1
docker import "$(image_busybox)" bb >/dev/null || exit 1
in_container=(docker run --rm --network none -v "$TEST_TMP/bin/hog:/bin/hog:ro")
tick=$(getconf CLK_TCK)

cpu_ms() { awk -v hz="$tick" '{ sub(/.*\) /, ""); print ($12 + $13) * 1000 / hz }' "/proc/$1/stat" 2>/dev/null || echo 0; }
error() { awk -v got="$1" -v want="$2" 'BEGIN { printf "%+.1f %%", (got - want) * 100 / want }'; }
lines=() # for programs
line() { lines+=("limits.$1 $2 $3 - - - $4"); } # NAME VALUE UNIT GOAL

echo "container, no cgroup: CPU time in 5 s"
for share in 0.1 0.5 1.5; do
	for n in 1 4 16; do
		docker run -d --name busy --network none --cpus $share -v "$TEST_TMP/bin/hog:/bin/hog:ro" bb hog spin $n 5 >/dev/null 2>&1
		id=$(docker inspect -f '{{.Id}}' busy)
		monitor=$(sed 's/^{"pid":\([0-9]*\).*/\1/' "$xdg/docker/$id/monitor.json")
		sleep 4.5
		own=$(cpu_ms "$monitor")
		docker wait busy >/dev/null
		got=$(docker logs busy)
		want=$(awk -v s=$share -v n=$n 'BEGIN { w = s < n ? s : n; print w * 5000 }')
		own=$(awk -v o="$own" 'BEGIN { printf "%.2f", o / 45 }')
		printf '  --cpus %-4s %2d processes: %5d of %5d ms, %s (goal: within 10 %%); monitor %s %% of a CPU (goal: 1)\n' \
			$share $n "$got" "$want" "$(error "$got" "$want")" "$own"
		line "cpus-$share-of-$n-processes" "$(awk -v g="$got" -v w="$want" 'BEGIN { printf "%.3f", g / w }')" x "0.9-1.1"
		line "cpus-$share-of-$n-processes.monitor" "$own" % "<=1"
		docker rm busy >/dev/null
	done
done

echo "container, no cgroup: memory that a program has filled when it is killed, --memory 64m"
mkdir -p "$TEST_TMP/out"
chmod 777 "$TEST_TMP/out"
for rate in 100 1000 4000; do
	"${in_container[@]}" -m 64m -v "$TEST_TMP/out:/out" bb hog fill /out/$rate $rate >/dev/null 2>&1
	got=$(od -An -tu4 -N4 "$TEST_TMP/out/$rate" | tr -d " ")
	times=$(awk -v g="${got:-0}" 'BEGIN { printf "%.2f", g / 64 }')
	printf '  at %4d MiB/s: %3d MiB, %s times the limit (goal at 1000: less than 2)\n' $rate "$got" "$times"
	line "memory-64m-at-$rate-MiB/s" "$times" x "<2"
done

echo "cpulimit --limit 50, 5 s"
theirs=$(command -v cpulimit || true)
if [ -n "$theirs" ]; then
	got=$(timeout -k 1 20 "$theirs" -q -f -l 50 -- "$TEST_TMP/bin/hog" alone 5 2>/dev/null | grep -x '[0-9]*' | tail -1)
	printf '  %-10s theirs %5d of 2500 ms, %s\n' "alone 5" "${got:-0}" "$(error "${got:-0}" 2500)"
fi
for what in "alone 5" "spin 1 5" "spin 4 5" "spin 16 5" "short 5"; do
	# shellcheck disable=SC2086
	got=$(as_user "$coracle" cpulimit -q -l 50 -i -- "$TEST_TMP/bin/hog" $what 2>/dev/null | tail -1)
	printf '  %-10s ours   %5d of 2500 ms, %s\n' "$what" "$got" "$(error "$got" 2500)"
	line "cpulimit-50.${what// /-}" "$(awk -v g="$got" 'BEGIN { printf "%.3f", g / 2500 }')" x "0.9-1.1"
done
echo
printf '%s\n' "${lines[@]}"
