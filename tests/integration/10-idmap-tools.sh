#!/bin/bash
# SPDX-License-Identifier: MIT
#
# newuidmap and newgidmap: as a shim for the host's, with privilege of their own, and without any.
# test: quick
#
# As root it runs in a mount namespace of its own, where /etc/subuid and /etc/subgid are copies.
if [ "$(id -u)" != 0 ]; then
	echo "skip - newuidmap and newgidmap: machine: needs root"
	exit 0
fi
if [ -z "${IDMAP_TEST_NS:-}" ]; then
	export IDMAP_TEST_NS=1
	exec unshare --mount --propagation private bash "$0" "$@"
fi
copies=$(mktemp -d) || exit 1
chmod 755 "$copies"
touch /etc/subuid /etc/subgid
touch "$copies/subuid" "$copies/subgid"
for f in subuid subgid; do mount --bind "$copies/$f" "/etc/$f" || exit 1; done
. "$(dirname "$0")/lib.sh"
at_exit 'rm -rf "$copies"'

name=$(id -un "$test_uid")
subids() { # UIDS GIDS: what the two files hold
	printf '%b' "$1" >/etc/subuid
	printf '%b' "$2" >/etc/subgid
}
cp "$top/tests/lib/unmapped.py" "$TEST_TMP/bin/"
links=$TEST_TMP/links
mkdir "$links"
for n in newuidmap newgidmap; do ln "$coracle" "$links/$n"; done
ln "$coracle" "$links/coracle"
beside() { as_user python3 "$TEST_TMP/bin/unmapped.py" "$@"; } # CMD...: with @ the pid of who waits for a map
nothing=$'uid_map \ngid_map \nsetgroups allow'

# --- with privilege of their own: each check, beside shadow's program where it is there -----------

own=$TEST_TMP/own
mkdir "$own"
for n in newuidmap newgidmap; do cp "$coracle" "$own/$n"; done
setcap cap_setuid=ep "$own/newuidmap" && setcap cap_setgid=ep "$own/newgidmap" || exit 1
mkdir "$TEST_TMP/root"
for n in newuidmap newgidmap; do cp "$coracle" "$TEST_TMP/root/$n"; done
chmod 4755 "$TEST_TMP/root"/*
peer=
[ ! -u /usr/bin/newuidmap ] || peer=/usr/bin

replacement() { # DIRECTORY HOW
	local d=$1 how=$2
	subids "$name:100000:1000\n$test_uid:101000:10\n" "$name:200000:65536\n"
	check_out "$how: own id and ranges" $'status 0\n'"uid_map 0 $test_uid 1,1 100000 1010"$'\ngid_map \nsetgroups allow' \
		beside "$d/newuidmap" @ 0 "$test_uid" 1 1 100000 1010
	check_out "$how: groups" $'status 0\nuid_map \n'"gid_map 0 $test_gid 1,1 200000 65536"$'\nsetgroups allow' \
		beside "$d/newgidmap" @ 0 "$test_gid" 1 1 200000 65536
	run beside "$d/newuidmap" @ 0 "$test_uid" 1 1 100000 1011
	case $out in "newuidmap: uid range [1-1012) -> [100000-101011) not allowed"*"status 1"$'\n'"$nothing") ok "$how: no more than was given" ;;
	*) not_ok "$how: no more than was given" "$out" ;; esac
	check_has "$how: nothing below" "uid range [1-11) -> [99999-100009) not allowed" beside "$d/newuidmap" @ 1 99999 10
	check_has "$how: not root" "uid range [0-1) -> [0-1) not allowed" beside "$d/newuidmap" @ 0 0 1
	check_has "$how: own id only once" "not allowed" beside "$d/newuidmap" @ 0 "$test_uid" 2
	check_has "$how: no group of others" "gid range [0-1) -> [0-1) not allowed" beside "$d/newgidmap" @ 0 0 1
	# CVE-2018-7169
	check_out "$how: own group alone denies setgroups" \
		$'status 0\nuid_map \n'"gid_map 0 $test_gid 1"$'\nsetgroups deny' beside "$d/newgidmap" @ 0 "$test_gid" 1
	check_has "$how: not over processes of others" "is owned by a different user: uid:$test_uid pw_uid:$test_uid st_uid:0" \
		as_user "$d/newuidmap" 1 0 "$test_uid" 1
	check_has "$how: no such process" "Could not open proc directory for target 4194304" \
		as_user "$d/newuidmap" 4194304 0 "$test_uid" 1
	check_has "$how: not twice" "write to uid_map failed: Operation not permitted" \
		beside sh -c "$d/newuidmap @ 0 $test_uid 1 && $d/newuidmap @ 0 $test_uid 1"
	check_has "$how: no empty range" $'status 1\n'"$nothing" beside "$d/newuidmap" @ 0 100000 0
	check_has "$how: no range past the end" "subuid overflow detected" beside "$d/newuidmap" @ 0 100000 4294967295
	check_status "$how: a pid that is none" 1 as_user "$d/newuidmap" abc 0 1 1
	check_has "$how: numbers that are none" $'status 1\n'"$nothing" beside "$d/newuidmap" @ 0 1x 1
	check_has "$how: too few numbers" $'status 1\n'"$nothing" beside "$d/newuidmap" @ 0 1
}
replacement "$own" "file capabilities"
replacement "$TEST_TMP/root" "set-user-ID"
if [ -n "$peer" ]; then replacement "$peer" "shadow's"; else skip "shadow's" "machine: no uidmap here"; fi
check_has "through a descriptor" "uid_map 0 $test_uid 1" beside "$own/newuidmap" fd:FD 0 "$test_uid" 1
check_has "what to add is said" "give this user a range that holds it in /etc/subuid" \
	beside "$own/newuidmap" @ 0 5 1
check_has "a descriptor of something else" "is no directory of /proc" as_user bash -c "'$own/newuidmap' fd:3 0 $test_uid 1 3</etc"

# A user that /etc/passwd does not know has ranges by number.
sed "/^$name:/d" /etc/passwd >"$copies/passwd"
mount --bind "$copies/passwd" /etc/passwd
subids "$test_uid:300000:10\n$name:100000:10\n" ""
check_has "not in passwd: by number" "uid_map 0 300000 10" beside "$own/newuidmap" @ 0 300000 10
check_has "not in passwd: the name is not his" "not allowed" beside "$own/newuidmap" @ 0 100000 10
umount /etc/passwd

# --- a name service: what the files lack is asked of it, and the caller has no say ------------------

printf '%s\n' '#!/bin/sh' 'case $* in "passwd '"$test_uid"'") echo "DOMAIN\\some body:x:'"$test_uid"':1::/:/bin/sh" ;; *) exit 2 ;; esac' >"$copies/getent"
cat >"$copies/getsubids" <<'EOF'
#!/bin/sh
# Who asks, and with what: seen by the test.  The plug-in of SSSD wants names.
{ id -u; id -g; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL=; ls /proc/self/fd | xargs; } >ASKED 2>&1
case $* in "DOMAIN\some body") echo '0: DOMAIN\some body 400000 65536' ;; "-g DOMAIN\some body") echo '0: DOMAIN\some body 500000 65536' ;;
	victim) echo "0: victim 600000 65536" ;; *) exit 1 ;; esac
EOF
sed -i "s|ASKED|$copies/asked|" "$copies/getsubids"
chmod 755 "$copies"/getent "$copies"/getsubids
: >"$copies/asked" && chmod 666 "$copies/asked"
[ -e /usr/bin/getsubids ] || : >/usr/bin/getsubids
mount --bind "$copies/getsubids" /usr/bin/getsubids && mount --bind "$copies/getent" /usr/bin/getent
echo "subid: sss" >"$copies/nsswitch.conf"
[ -e /etc/nsswitch.conf ] || : >/etc/nsswitch.conf
mount --bind "$copies/nsswitch.conf" /etc/nsswitch.conf
subids "" "other:1:1\n"
for d in "$own" "$TEST_TMP/root"; do
	how=${d##*/}
	check_has "a name service, $how: uids" "uid_map 0 $test_uid 1,1 400000 65536" beside "$d/newuidmap" @ 0 "$test_uid" 1 1 400000 65536
	check_out "... asked as root, with nothing of the caller's" "0 LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin" \
		bash -c "sed -n '1p; /=/p' '$copies/asked' | sort | xargs"
	check_has "a name service, $how: gids" "gid_map 0 $test_gid 1,1 500000 65536"$'\n'"setgroups allow" beside "$d/newgidmap" @ 0 "$test_gid" 1 1 500000 65536
	check_has "... asked out of the caller's reach" 0 sed -n '1p; 2p' "$copies/asked"
	check_has "a name service, $how: no more than it gives" "uid range [0-65537) -> [400000-465537) not allowed" beside "$d/newuidmap" @ 0 400000 65537
	check_has "a name service, $how: USER is no name" "not allowed" as_user env USER=victim LOGNAME=victim python3 "$TEST_TMP/bin/unmapped.py" "$d/newuidmap" @ 0 600000 10
done
mkdir "$TEST_TMP/liar"
printf '#!/bin/sh\necho "0: x 700000 65536"\n' >"$TEST_TMP/liar/getsubids" && chmod -R 755 "$TEST_TMP/liar"
check_has "a getsubids of the caller's is not asked" "not allowed" as_user env PATH="$TEST_TMP/liar:$PATH" python3 "$TEST_TMP/bin/unmapped.py" "$own/newuidmap" @ 0 700000 10
chmod 775 "$copies/getsubids"
check_has "... nor one that others can write" "not allowed" beside "$own/newuidmap" @ 0 400000 10
chmod 755 "$copies/getsubids"
echo "subid: files" >"$copies/nsswitch.conf"
check_has "without such a service nobody is asked" "not allowed" beside "$own/newuidmap" @ 0 400000 10
umount /etc/nsswitch.conf /usr/bin/getsubids /usr/bin/getent
[ -s /usr/bin/getsubids ] || rm -f /usr/bin/getsubids

# --- the shim -------------------------------------------------------------------------------------

subids "$name:100000:1000\n" "$name:100000:1000\n"
with_path() { as_user env PATH="$1:/usr/sbin:/usr/bin:/bin" "${@:2}"; }
if [ -n "$peer" ]; then
	check_has "the shim hands over" "uid_map 0 $test_uid 1,1 100000 1000" \
		with_path "$links" python3 "$TEST_TMP/bin/unmapped.py" newuidmap @ 0 "$test_uid" 1 1 100000 1000
	check_has "... for groups" "gid_map 0 $test_gid 1,1 100000 1000" \
		with_path "$links" python3 "$TEST_TMP/bin/unmapped.py" newgidmap @ 0 "$test_gid" 1 1 100000 1000
	check_has "... and its refusals are the host's" "uid range [0-1) -> [5-6) not allowed" \
		with_path "$links" python3 "$TEST_TMP/bin/unmapped.py" newuidmap @ 0 5 1
	for n in newuidmap newgidmap; do mount --bind /dev/null "/usr/bin/$n"; done
fi
check_has "a copy with capabilities on PATH will do" "uid_map 0 100000 10" \
	with_path "$links:$own" python3 "$TEST_TMP/bin/unmapped.py" newuidmap @ 0 100000 10
# links, symbolic links and copies of us without privilege: never a loop
mkdir "$TEST_TMP/soft" "$TEST_TMP/plain"
ln -s "$links/coracle" "$TEST_TMP/soft/newuidmap"
cp "$coracle" "$TEST_TMP/plain/newuidmap"
run with_path "$TEST_TMP/soft:$TEST_TMP/plain" timeout 60 "$links/newuidmap" $$ 0 "$test_uid" 1
for part in "mapping ids takes a privilege" "apt-get install -y uidmap" "setcap cap_setuid=ep"; do
	case $status,$out in 1,*"$part"*) ok "nobody has privilege: $part" ;; *) not_ok "nobody has privilege: $part" "$status: $out" ;; esac
done
check_has "privilege without effect is no loop" "mapping ids takes a privilege" with_path "$TEST_TMP/root:$own" \
	timeout 60 setpriv --no-new-privs "$links/newuidmap" $$ 0 "$test_uid" 1
# --- the ranges of a name service -------------------------------------------------------------------

mkdir "$TEST_TMP/sssd"
cat >"$TEST_TMP/sssd/getsubids" <<'EOF'
#!/bin/sh
case $* in "-g $NAME") echo "0: $NAME 500000 65536" ;; "$NAME") printf '0: %s 400000 65536\n1: %s 1 x\n' "$NAME" "$NAME" ;; *) exit 1 ;; esac
EOF
sed -i "s/\$NAME/$name/g" "$TEST_TMP/sssd/getsubids"
chmod 755 "$TEST_TMP/sssd/getsubids"
subids "$name:400000:65536\n" "$name:500000:65536\n"
cp "$own"/new?idmap "$TEST_TMP/sssd/" && setcap cap_setuid=ep "$TEST_TMP/sssd/newuidmap" && setcap cap_setgid=ep "$TEST_TMP/sssd/newgidmap"
asked() { # DIRECTORY FLAGS: the uid map of an engine started so
	as_user sh -c ': >"$0"' "$engine_log"
	as_user env PATH="$1:/usr/sbin:/usr/bin:/bin" DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS="${2:-}" \
		python3 "$TEST_TMP/bin/ready.py" "$test_home/engine.pid" "$engine_log" "$coracle" dockerd-rootless || return 1
	engine_pid=$(cat "$test_home/engine.pid")
	sed -E 's/ +/ /g; s/^ //' "/proc/$(cat "$xdg/docker.pid")/uid_map"
	engine_stop
}
cp "$top/tests/lib/ready.py" "$TEST_TMP/bin/ready.py"
want="0 $test_uid 1"$'\n'"1 400000 65536"
check_out "getsubids is asked where that is wanted" "$want" asked "$TEST_TMP/sssd" --subid-source=dynamic
check_has "a wrong source is refused by name" "--subid-source=ldap: not auto, dynamic or static" asked "$TEST_TMP/sssd" --subid-source=ldap
# An upgrade has put another copy of us there while an older one runs.
ln "$TEST_TMP/plain/newuidmap" "$TEST_TMP/plain/coracle" && cp -l "$TEST_TMP/plain/coracle" "$TEST_TMP/plain/newgidmap"
check_out "an installation of ours is not the host's: one id" "0 $test_uid 1" asked "$TEST_TMP/plain"
