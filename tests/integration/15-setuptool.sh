#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The setup tool: what it refuses, what it says is missing, what it makes and takes away; and that the
# stock client finds its contexts in what ours and the tool write.
# test: quick
#
# As root it runs in a mount namespace of its own, in which the host is what a test wants it to be.
if [ "$(id -u)" != 0 ]; then
	echo "skip - the setup tool: machine: needs root"
	exit 0
fi
if [ -z "${SETUP_TEST_NS:-}" ]; then
	export SETUP_TEST_NS=1
	exec unshare --mount --propagation private bash "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"

name=$(id -un "$test_uid")
bin=$TEST_TMP/installed
"$coracle" --install "$bin" >/dev/null || exit 1
cp "$top/tests/lib/deny.py" "$TEST_TMP/bin/"
fake=$TEST_TMP/fake # programs of the host that a test wants there
mkdir "$fake"
path=$bin:$fake:/usr/sbin:/usr/bin:/sbin:/bin
setup() { as_user env -u DOCKER_HOST PATH="$path" "$bin/dockerd-rootless-setuptool.sh" "$@"; }
mount -t tmpfs -o mode=755 tmpfs /run || exit 1
has_all() { # NAME OUTPUT PART...
	local what=$1 text=$2 part
	shift 2
	for part; do
		case $text in *"$part"*) ok "$what: ${part%%$'\n'*}" ;; *) not_ok "$what: ${part%%$'\n'*}" "$text" ;; esac
	done
}
printf '%s:100000:65536\n' "$name" >"$TEST_TMP/subids"
: >"$TEST_TMP/empty"
for f in subuid subgid; do mount --bind "$TEST_TMP/subids" "/etc/$f" || exit 1; done
# A newuidmap with privilege there is on every machine that passes.
if ! [ -u /usr/bin/newuidmap ]; then
	for n in newuidmap newgidmap; do cp "$coracle" "$fake/$n"; chmod 4755 "$fake/$n"; done
fi

# --- refusals -------------------------------------------------------------------------------------

check_has "--help" "A setup tool for Rootless Docker (dockerd-rootless.sh)." setup --help
check_has "no command" "[ERROR] No command was specified. Run with --help to see the usage. Maybe you want to run" setup
check_has "an unknown command" "[ERROR] Unknown command: frob. Run with --help to see the usage." setup frob
check_status "an unknown command, status" 1 setup frob
check_out "root" "[ERROR] Refusing to install rootless Docker as the root user" "$bin/setuptool" install
cp "$coracle" "$TEST_TMP/bin/alone"
check_has "no links" "[ERROR] dockerd-rootless.sh needs to be present under \$PATH" as_user "$TEST_TMP/bin/alone" setuptool check
check_out "no HOME" "[ERROR] HOME needs to be set" as_user env -u HOME "$bin/setuptool" check
check_out "HOME is not ours" "[ERROR] HOME needs to be writable" as_user env HOME=/proc "$bin/setuptool" check
touch /run/docker.sock && chmod 666 /run/docker.sock
rootful="[ERROR] Aborting because rootful Docker (/var/run/docker.sock) is running and accessible. Set --force to ignore."
check_out "rootful Docker" "$rootful" setup install
check_status "rootful Docker, status" 1 setup check
check_has "rootful Docker, --force" "Requirements are satisfied" setup -f check
rm /run/docker.sock

# R63: no XDG_RUNTIME_DIR, no systemd: one is made, and said
run as_user env -u XDG_RUNTIME_DIR -u DOCKER_HOST "$bin/setuptool" install
has_all "no XDG_RUNTIME_DIR" "$out" "# WARNING: systemd not found. You have to remove XDG_RUNTIME_DIR manually on every logout." \
	"export XDG_RUNTIME_DIR=$test_home/.docker/run" "export DOCKER_HOST=unix://$test_home/.docker/run/docker.sock"
check_out "no XDG_RUNTIME_DIR: it is private" "700 $name" stat -c '%a %U' "$test_home/.docker/run"
as_user rm -rf "$test_home/.docker"

# R64: systemd is there, and does not answer this user
mkdir -p /run/systemd/system
run setup check
has_all "no bus" "$out" "Failed to connect to bus" "machinectl shell" "loginctl enable-linger" "Requirements are satisfied"
rm -r /run/systemd

# --- what is missing ------------------------------------------------------------------------------

check_status "nothing required is missing" 0 setup check
check_has "nothing required is missing: said" "[INFO] Requirements are satisfied" setup check

# Everything at once, in namespaces that are thrown away; each is caused, none is pretended.
lacking() { # COMMANDS that make the host so, CMD...
	local make=$1
	shift
	unshare --mount --propagation private bash -c "$make"'; shift 0; exec "$@"' - "$@"
}
kernel='mkdir "$T/kernel" 2>/dev/null; echo 0 >"$T/kernel/unprivileged_userns_clone"; mount --bind "$T/kernel" /proc/sys/kernel'
no_ids='mount --bind "$T/empty" /etc/subuid; mount --bind "$T/empty" /etc/subgid'
no_uidmap='for n in newuidmap newgidmap; do for d in /usr/bin '"$fake"'; do [ ! -e $d/$n ] || mount --bind /dev/null $d/$n; done; done'
no_apt='[ ! -e /usr/bin/apt-get ] || mount --bind /dev/null /usr/bin/apt-get'
sysctls='echo 0 >"$T/zero"; mount --bind "$T/zero" /proc/sys/user/max_user_namespaces; printf "1\t0\n" >"$T/range"
	mount --bind "$T/range" /proc/sys/net/ipv4/ping_group_range; echo 1024 >"$T/port"
	mount --bind "$T/port" /proc/sys/net/ipv4/ip_unprivileged_port_start'
export T=$TEST_TMP
as() { setpriv --reuid "$test_uid" --regid "$test_gid" --clear-groups env -i HOME="$test_home" USER="$name" XDG_RUNTIME_DIR="$xdg" PATH="$path" "$@"; }
export -f as
export test_uid test_gid test_home name xdg path bin
all="$kernel; $no_ids; $no_uidmap; $sysctls"
run lacking "$all" bash -c 'as "$bin/setuptool" check'
[ "$status" = 1 ] && ok "all missing: status" || not_ok "all missing: status" "$status"
has_all "all missing" "$out" "[ERROR] Missing system requirements. Run the following commands to
[ERROR] install the requirements and run this tool again." "########## BEGIN ##########
sudo sh -eux <<EOF
# Install newuidmap & newgidmap binaries" "cat <<EOT > /etc/sysctl.d/50-rootless.conf
kernel.unprivileged_userns_clone = 1
EOT
sysctl --system" "user.max_user_namespaces = 28633" "# Add subuid entry for $name
echo \"$name:100000:65536\" >> /etc/subuid" "echo \"$name:100000:65536\" >> /etc/subgid" \
	"[WARNING] Recommended, not required" "net.ipv4.ping_group_range = 0 2147483647" \
	"net.ipv4.ip_unprivileged_port_start = 80"
required=${out%%Recommended*}
case $required in *ping_group*) not_ok "required and recommended are apart" "$required" ;; *) ok "required and recommended are apart" ;; esac

json() { lacking "$all" bash -c 'as "$bin/setuptool" check --json' | python3 -c 'import json, sys
j = json.load(sys.stdin)
print(j["satisfied"], *[x["id"] for x in j["required"]])
print({"ping_group_range", "ip_unprivileged_port_start"} <= {x["id"] for x in j["recommended"]})
assert all(x["what"] and x["commands"] for x in j["required"] + j["recommended"])'; }
check_out "--json" "False uidmap unprivileged_userns_clone max_user_namespaces subuid subgid"$'\nTrue' json
check_status "--json, status" 1 lacking "$all" bash -c 'as "$bin/setuptool" check --json'

# Each distribution by its os-release; what stands on this machine's PATH does not matter.
while IFS='|' read -r id like want; do
	printf 'ID=%s\nID_LIKE="%s"\n' "$id" "$like" >"$TEST_TMP/os-release"
	check_has "uidmap on $id" "$want" lacking "$no_uidmap; mount --bind $TEST_TMP/os-release /etc/os-release" \
		bash -c 'as "$bin/setuptool" check'
	check_has "... in JSON" "\"commands\":\"$want\"" lacking "$no_uidmap; mount --bind $TEST_TMP/os-release /etc/os-release" \
		bash -c 'as "$bin/setuptool" check --json'
done <<'END'
debian||apt-get install -y uidmap
linuxmint|ubuntu debian|apt-get install -y uidmap
fedora||dnf install -y shadow-utils
rocky|rhel centos fedora|dnf install -y shadow-utils
opensuse-leap|suse opensuse|zypper install -y shadow
alpine||apk add shadow-subids
arch||pacman -S --noconfirm shadow
END
printf '#!/bin/sh\n' >"$fake/yum" && chmod 755 "$fake/yum"
printf 'ID=centos\n' >"$TEST_TMP/os-release"
check_has "uidmap on an old centos" "yum install -y shadow-utils" lacking "$no_uidmap; mount --bind $TEST_TMP/os-release /etc/os-release" \
	bash -c 'as "$bin/setuptool" check'
rm "$fake/yum"
printf 'ID=unheard-of\n' >"$TEST_TMP/os-release"
for m in "dnf:dnf install -y shadow-utils" "yum:yum install -y shadow-utils" "zypper:zypper install -y shadow" \
	"apk:apk add shadow-subids" "pacman:pacman -S --noconfirm shadow"; do
	printf '#!/bin/sh\n' >"$fake/${m%%:*}" && chmod 755 "$fake/${m%%:*}"
	check_has "an unknown distribution with ${m%%:*}" "${m#*:}" lacking "$no_apt; $no_uidmap; mount --bind $TEST_TMP/os-release /etc/os-release" \
		bash -c 'as "$bin/setuptool" check'
	rm "$fake/${m%%:*}"
done
check_has "no package manager" "install the package that has newuidmap" lacking \
	"$no_apt; $no_uidmap; mount --bind $TEST_TMP/os-release /etc/os-release" bash -c 'as "$bin/setuptool" check'

# AppArmor as Ubuntu has it: the namespace is made, and has no capabilities
apparmor='mkdir "$T/aa"; echo 1 >"$T/aa/apparmor_restrict_unprivileged_userns"; mount --bind "$T/aa" /proc/sys/kernel'
run lacking "$apparmor" bash -c 'as python3 "$T/bin/deny.py" mount EACCES "$bin/setuptool" check'
has_all "AppArmor" "$out" "cat <<EOT > /etc/apparmor.d/$(tr / . <<<"${bin#/}").coracle" "$bin/coracle flags=(unconfined) {
  userns," "systemctl restart apparmor.service"
check_has "namespaces are refused, and no setting says why" "Allow user namespaces" \
	as python3 "$TEST_TMP/bin/deny.py" unshare EPERM "$bin/setuptool" check
check_status "... not even --force goes on" 1 as python3 "$TEST_TMP/bin/deny.py" unshare EPERM "$bin/setuptool" -f install
check_status "no subids: refused" 1 lacking "$no_ids" bash -c 'as "$bin/setuptool" install'
run lacking "$no_ids" bash -c 'as "$bin/setuptool" -f install'
has_all "no subids: --force" "$out" "one id will be mapped" 'Creating CLI context "rootless"'
as_user rm -rf "$test_home/.docker"

# --- install and uninstall ------------------------------------------------------------------------

cat >"$fake/systemctl" <<'EOF'
#!/bin/sh
# What the tool asks of the user's systemd, written down.
echo "$*" >>"$HOME/systemctl.log"
case $* in "--user --no-pager status docker.service") [ -e "$HOME/started" ] ;; "--user start docker.service") : >"$HOME/started" ;; esac
EOF
chmod 755 "$fake/systemctl"
run as_user env -u XDG_RUNTIME_DIR PATH="$path" "$bin/setuptool" install
has_all "su: XDG_RUNTIME_DIR" "$out" "Aborting because systemd was detected but XDG_RUNTIME_DIR (\"\") is not set, does not exist, or is not writable" \
	"this could happen if you changed users with 'su' or 'sudo'" "loginctl enable-linger <user>" "machinectl shell works for local machines"
unit=$test_home/.config/systemd/user/docker.service
as_user rm -f "$test_home/systemctl.log"
run setup install --skip-iptables
[ "$status" = 0 ] && ok "install" || not_ok "install" "$out"
has_all "install" "$out" "[INFO] Creating $unit" "[INFO] starting systemd service docker.service" "+ systemctl --user start docker.service" \
	"[INFO] Installed docker.service successfully." "[INFO] To control docker.service, run: \`systemctl --user (start|stop|restart) docker.service\`" \
	"[INFO] To run docker.service on system startup, run: \`sudo loginctl enable-linger $name\`" \
	'[INFO] Creating CLI context "rootless"' '[INFO] Using CLI context "rootless"' "export PATH=$bin:\$PATH" \
	"export DOCKER_HOST=unix://$xdg/docker.sock"
check_out "the unit starts us" "ExecStart=$bin/dockerd-rootless.sh" grep ^ExecStart= "$unit"
check_out "the unit's PATH" "Environment=PATH=$bin:/sbin:/usr/sbin:$path" grep ^Environment= "$unit"
check_out "systemd was asked" "--user show-environment
--user daemon-reload
--user --no-pager status docker.service
--user start docker.service
--user --no-pager --full status docker.service
--user enable docker.service" cat "$test_home/systemctl.log"
stock() { as_user env -u DOCKER_HOST "$docker_cli" "$@"; }
check_out "the stock client is in the context" rootless stock context show
check_out "the stock client finds the engine there" "unix://$xdg/docker.sock" stock context inspect -f '{{.Endpoints.docker.Host}}'
everything() { as_user find "$test_home" -type f ! -name systemctl.log -exec ls -li --full-time {} + ; }
before=$(everything)
run setup install
has_all "again" "$out" "[WARNING] File already exists, skipping: $unit" '[INFO] CLI context "rootless" already exists'
check_out "again: nothing changes but the choice" "$(sed '/config.json/d' <<<"$before")" bash -c "$(declare -f as_user everything); test_home='$test_home' test_uid=$test_uid test_gid=$test_gid test_user=$name xdg='$xdg'; everything | sed '/config.json/d'"
as_user rm "$test_home/systemctl.log"
run setup uninstall
has_all "uninstall" "$out" "+ systemctl --user stop docker.service" "[INFO] Uninstalled docker.service" \
	'[INFO] Deleted CLI context "rootless"' '[INFO] Configured CLI to use the "default" context.' \
	"[INFO] To remove data, run: \`$bin/rootlesskit rm -rf $test_home/.local/share/docker\`"
check_out "uninstall: nothing is left" "$test_home/.docker/config.json" as_user find "$test_home" -type f ! -name systemctl.log ! -name started
check_out "uninstall: the stock client is back" default stock context show
check_status "uninstall twice" 0 setup uninstall
rm "$fake/systemctl"

# --- contexts: ours beside the stock client's -----------------------------------------------------

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$TEST_TMP/bin/k.pem" -out "$TEST_TMP/bin/c.pem" \
	-days 2 -subj /CN=x 2>/dev/null
chmod 644 "$TEST_TMP"/bin/?.pem
pem=$TEST_TMP/bin
both() { # ARG...: the same from both, each with files of its own
	local a b
	a=$(as_user "$docker_cli" --config "$test_home/one" "$@" 2>&1; echo "status $?")
	b=$(as_user "$bin/docker" --config "$test_home/two" "$@" 2>&1; echo "status $?")
	if [ "${a//home\/one/home\/two}" = "$b" ]; then ok "as the stock client: $*"; else not_ok "as the stock client: $*" "$a / $b"; fi
}
both context ls
both context show
both context create first --docker host=unix:///run/first.sock --description "The first"
both context create secure --docker "host=tcp://h:2376,ca=$pem/c.pem,cert=$pem/c.pem,key=$pem/k.pem,skip-tls-verify=true"
both context create copy --from secure
both context create empty
both context create first
both context create default
both context create 'a b'
both context create bad --docker frob=1
both context create bad --docker "host=tcp://h:1,ca=/nonexistent"
both context use secure
both context use nope
both context ls -q
both context ls --format '{{.Name}} {{.Current}} {{.DockerEndpoint}} {{.Description}}'
both context ls --format json
both context inspect
both context inspect first copy
both context inspect nope
both context inspect -f '{{.Name}} {{.Endpoints.docker.Host}} {{json .TLSMaterial}}' secure
both context update first --description "The first, again"
both context update first --docker host=unix:///run/other.sock
both context update secure --docker "host=tcp://h:2377,ca=$pem/c.pem"
both context update nope --description x
both context update 'a b' --description x
both context export nope -
both context import first /nonexistent
both context import other /nonexistent
# Each takes what the other wrote.
check_has "export" "Written file" as_user "$docker_cli" --config "$test_home/one" context export copy "$test_home/theirs"
check_has "export, ours" "Written file" as_user "$bin/docker" --config "$test_home/two" context export copy "$test_home/ours"
check_has "export does not overwrite" "file exists" as_user "$bin/docker" --config "$test_home/two" context export copy "$test_home/ours"
check_out "import" "moved"$'\n''Successfully imported context "moved"' as_user "$docker_cli" --config "$test_home/one" context import moved "$test_home/ours"
check_out "import, ours" "moved"$'\n''Successfully imported context "moved"' as_user "$bin/docker" --config "$test_home/two" context import moved "$test_home/theirs"
check_has "import of what is none" "importing a context" as_user sh -c 'head -c 2000 /dev/urandom | "$0" --config "$1" context import bad -' "$bin/docker" "$test_home/two"
both context rm secure
both context rm nope
both context rm default
files() { (cd "$1" && find . -type d -printf '%p %m\n' -o -printf '%p %m ' -exec md5sum {} \; | sed 's/  .*//' | sort); }
check_out "the same files, byte for byte" "$(files "$test_home/one")" files "$test_home/two"
both context rm -f secure first
both context show
check_out "... after removing, too" "$(files "$test_home/one")" files "$test_home/two"
