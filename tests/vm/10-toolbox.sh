#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The toolbox on a booted host: the installer; the service of the user's systemd from start to
# uninstall, over a reboot; ports below 1024; and each thing that can be missing, made to be.
# test: time=1800
. "$(dirname "$0")/lib.sh"
vm_start || exit 0

root_vm 'cd /home/sailor && find . | sort >/root/before'
root_vm 'sysctl -qw net.ipv4.ip_unprivileged_port_start=1024'
inside sailor "from the installer to a service" <<'END'
has() { # NAME PART...: each is in $out
	local name=$1 part
	shift
	for part; do
		case $out in *"$part"*) ok "$name: ${part%%$'\n'*}" ;; *) not_ok "$name: ${part%%$'\n'*}" "$out" ;; esac
	done
}
check_out "cgroup v2" cgroup2fs stat -fc %T /sys/fs/cgroup
check_out "a session of logind" /run/user/1000 sh -c 'echo $XDG_RUNTIME_DIR'
run sh /payload/install.sh /payload/coracle
has "install" "[INFO] Installed docker.service successfully." "sudo loginctl enable-linger sailor" 'Using CLI context "rootless"' \
	"export PATH=$HOME/bin:" "export DOCKER_HOST=unix:///run/user/1000/docker.sock" "########## BEGIN" "/etc/systemd/system/user@.service.d/delegate.conf"
case $out in *modprobe*) not_ok "no module is asked for that is there" "$out" ;; *) ok "no module is asked for that is there" ;; esac
export PATH=$HOME/bin:$PATH
check_out "active" active systemctl --user is-active docker
check_out "enabled" enabled systemctl --user is-enabled docker
check_out "overlay2" overlay2 docker info -f '{{.Driver}}'
check_has "the stock client finds it by its context" 'Server: ' /payload/docker version
check_has "the journal has its lines" "API listen on /run/user/1000/docker.sock" journalctl --user -u docker
/payload/docker import /payload/busybox.tar busybox >/dev/null
check_has "a container" "uid=0(root)" /payload/docker run --rm busybox id
run sh /payload/install.sh /payload/coracle
has "the installer again" "File already exists, skipping" 'CLI context "rootless" already exists'

# stop and start; a restart keeps containers, if asked to; reload
mkdir -p .config/docker && echo '{"live-restore": true}' >.config/docker/daemon.json
systemctl --user restart docker
docker run -d --name keep --restart always busybox sh -c 'i=0; while :; do i=$((i+1)); echo line $i; sleep 1; done' >/dev/null
pid=$(docker inspect -f '{{.State.Pid}}' keep)
check "restart" systemctl --user restart docker
check_out "restart: the container runs on" "$pid" docker inspect -f '{{.State.Pid}}' keep
systemctl --user stop docker
check_out "stop: inactive" inactive systemctl --user is-active docker
check "stop: the container runs on" kill -0 "$pid"
check_fails "stop: nobody answers" docker version -f '{{.Server.Version}}'
check "start" systemctl --user start docker
check_out "start: the container is found" "$pid" docker inspect -f '{{.State.Pid}}' keep
check_out "no line of its log is missing" "" sh -c 'docker logs keep | awk "{ if (\$2 != NR) print NR, \$0 }"'
systemctl --user reset-failed docker # five starts in a minute are too many for systemd otherwise
main=$(systemctl --user show -P MainPID docker)
kill -KILL "$main"
until_true sh -c "[ \$(systemctl --user show -P MainPID docker) != $main ] && docker version"
check_out "killed, systemd starts it again, and the container is found" "$pid" docker inspect -f '{{.State.Pid}}' keep
echo '{"live-restore": true, "labels": ["port=home"]}' >.config/docker/daemon.json
main=$(systemctl --user show -P MainPID docker)
check "reload" systemctl --user reload docker
check "reload: what daemon.json says now counts" until_true sh -c 'docker info -f "{{.Labels}}" | grep port=home'
check_out "reload: it is the same process" "$main" systemctl --user show -P MainPID docker
rm .config/docker/daemon.json

# override.conf
mkdir -p .config/systemd/user/docker.service.d
printf '[Service]\nEnvironment=DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=frob\nEnvironment=DOCKERD_ROOTLESS_ROOTLESSKIT_NET=frob\n' \
	>.config/systemd/user/docker.service.d/override.conf
systemctl --user daemon-reload
systemctl --user restart --no-block docker
check "override.conf: a bad MTU or NET is told by name" until_true sh -c 'journalctl --user -u docker | grep -E "DOCKERD_ROOTLESS_ROOTLESSKIT_(MTU|NET)"'
printf '[Service]\nEnvironment=DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=1400\n' >.config/systemd/user/docker.service.d/override.conf
systemctl --user daemon-reload
systemctl --user reset-failed docker
check "override.conf: with a good one it starts" systemctl --user restart docker
bridges() { nsenter -U --preserve-credentials -n -m -t "$(cat $XDG_RUNTIME_DIR/docker.pid)" "$@"; }
check_has "override.conf: the relay's way out has that MTU" "mtu 1400" bridges ip route show table all
printf '[Service]\nEnvironment=DOCKERD_ROOTLESS_ROOTLESSKIT_NET=slirp4netns\nEnvironment=DOCKERD_ROOTLESS_ROOTLESSKIT_MTU=1300\n' \
	>.config/systemd/user/docker.service.d/override.conf
systemctl --user daemon-reload
systemctl --user reset-failed docker
check "override.conf: another driver" systemctl --user restart docker
check_has "override.conf: its device has the MTU" "mtu 1300" bridges ip link show dev tap0
check_has "override.conf: a container goes that way" "10.0.2.2" docker run --rm busybox traceroute -n -m 2 -q 1 -w 2 10.0.2.2
rm -r .config/systemd/user/docker.service.d
systemctl --user daemon-reload
systemctl --user reset-failed docker
systemctl --user restart docker

# a cgroup that systemd delegates, and what is in it moved into a group of its own
evac() { systemd-run --user --wait --quiet --pipe -p Delegate=yes "$HOME/bin/rootlesskit" --pidns --cgroupns --evacuate-cgroup2=evac "$@"; }
check_out "rootlesskit --evacuate-cgroup2" 0::/evac evac grep 0:: /proc/self/cgroup
check_has "... groups beside it have limits" "memory" evac cat /sys/fs/cgroup/cgroup.subtree_control
check_out "... that hold" 33554432 evac sh -c 'cd /sys/fs/cgroup && mkdir b && echo 32M >b/memory.max && cat b/memory.max && rmdir b'

# ports below 1024
check_has "-p 80:80" "cannot expose privileged port 80, you can add 'net.ipv4.ip_unprivileged_port_start=80' to /etc/sysctl.conf (currently 1024), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or choose a larger port number (>= 1024)" \
	docker run --rm -p 80:80 busybox true
END

root_vm 'setcap cap_net_bind_service=ep /home/sailor/bin/coracle && getcap /home/sailor/bin/coracle; loginctl enable-linger sailor'
inside sailor "with cap_net_bind_service" <<'END'
check "it starts" systemctl --user restart docker
check "-p 80:80" docker run -d --name web --restart always -p 80:80 busybox httpd -f -h /etc -p 80
check_has "it answers" root:x:0 curl -fsS http://127.0.0.1/passwd
check_has "the capability is not the container's" "CapEff:	0000000000000000" docker run --rm --user 1 busybox grep CapEff /proc/self/status
END

# --- a reboot -----------------------------------------------------------------------------------
check "reboot" vm_reboot
inside root "after a reboot, before anybody logs in" <<'END'
check_out "nobody is logged in" "" loginctl list-sessions --no-legend
check "the service is started" until_true sh -c '[ "$(systemctl --user -M sailor@ is-active docker)" = active ]'
check "the container of --restart always answers" until_true curl -fsS http://127.0.0.1/passwd
END

# --- what can be missing ------------------------------------------------------------------------
# Each is taken away, looked for, and put back.  The engine that runs is not disturbed: another is tried.
try='try() { dockerd-rootless.sh --data-root ~/other --exec-root $XDG_RUNTIME_DIR/other --pidfile $XDG_RUNTIME_DIR/other.pid -H unix://$XDG_RUNTIME_DIR/other.sock "$@"; }
setup() { dockerd-rootless-setuptool.sh "$@"; }
export PATH=$HOME/bin:$PATH'
lacking() { # WHAT-ROOT-DOES WHAT-ROOT-PUTS-BACK USER NAME <SCRIPT
	root_vm "$1" >/dev/null
	inside "$3" "$4" < <(echo "$try"; cat)
	root_vm "$2" >/dev/null
}
lacking 'sysctl -w kernel.unprivileged_userns_clone=0' 'sysctl -w kernel.unprivileged_userns_clone=1' sailor "R60" <<'END'
run try
case $out in *"[rootlesskit:parent] error: failed to start the child: fork/exec /proc/self/exe: operation not permitted"*) ok "R60: the message" ;; *) not_ok "R60: the message" "$out" ;; esac
case $out in *"kernel.unprivileged_userns_clone"*) ok "R60: the sysctl" ;; *) not_ok "R60: the sysctl" "$out" ;; esac
check_has "R60: the setup tool" "kernel.unprivileged_userns_clone = 1" setup check
check_status "R60: the setup tool's status" 1 setup check
check_has "R60: in JSON" '"id":"unprivileged_userns_clone"' sh -c 'dockerd-rootless-setuptool.sh check --json | tr -d " \n"'
END
lacking 'sysctl -w user.max_user_namespaces=0' 'sysctl -w user.max_user_namespaces=28633' sailor "R61" <<'END'
run try
case $out in *"no space left on device"*) ok "R61: the message" ;; *) not_ok "R61: the message" "$out" ;; esac
case $out in *"user.max_user_namespaces"*) ok "R61: the sysctl" ;; *) not_ok "R61: the sysctl" "$out" ;; esac
check_has "R61: the setup tool" "user.max_user_namespaces = 28633" setup check
END
lacking 'sysctl -w net.ipv4.ping_group_range="1 0"; mkdir -p /home/idle/bin; cp /payload/coracle /home/idle/bin/; /home/idle/bin/coracle --install /home/idle/bin; chown -R idle: /home/idle' \
	'true' idle "R62, R65 and what is recommended: a user who has nothing" <<'END'
check_has "R62: the message" '[rootlesskit:parent] error: failed to setup UID/GID map: failed to compute uid/gid map: No subuid ranges found for user 1001 ("idle")' \
	env DOCKERD_ROOTLESS_ROOTLESSKIT_FLAGS=--subid-source=static dockerd-rootless.sh
check_has "R62: the line to add" 'echo "idle:165536:65536" >> /etc/subuid' setup check
check_has "R62: for groups, too" 'echo "idle:165536:65536" >> /etc/subgid' setup check
check_has "R62: rootlesskit" 'No subuid ranges found for user 1001 ("idle")' rootlesskit true
check_has "R32: ping" "net.ipv4.ping_group_range = 0 2147483647" setup check
check_has "R31: ports" "net.ipv4.ip_unprivileged_port_start = 80" setup check
check_has "R65: lingering" "loginctl enable-linger idle" setup check
check_has "R63: no XDG_RUNTIME_DIR" "XDG_RUNTIME_DIR needs to be set and writable" env -u XDG_RUNTIME_DIR dockerd-rootless.sh
check_has "R63: the commands" 'export XDG_RUNTIME_DIR=$HOME/.docker/xrd
  rm -rf $XDG_RUNTIME_DIR
  mkdir -p $XDG_RUNTIME_DIR' env -u XDG_RUNTIME_DIR dockerd-rootless.sh
END
lacking 'chmod 755 /usr/bin/newuidmap; mv /usr/bin/newgidmap /usr/bin/newgidmap.away' \
	'chmod 4755 /usr/bin/newuidmap; mv /usr/bin/newgidmap.away /usr/bin/newgidmap' sailor "no uidmap" <<'END'
check_has "no uidmap: the setup tool" "apt-get install -y uidmap" setup check
END
inside root "R64: after su" <<'END'
run setpriv --reuid sailor --regid sailor --init-groups env -i HOME=/home/sailor USER=sailor PATH=/home/sailor/bin:/usr/bin:/bin \
	dockerd-rootless-setuptool.sh check
for part in "Failed to connect to bus" "machinectl shell" "loginctl enable-linger"; do
	case $out in *"$part"*) ok "R64: $part" ;; *) not_ok "R64: $part" "$out" ;; esac
done
check_has "R12: root" "Refusing to install rootless Docker as the root user" /home/sailor/bin/coracle setuptool install
END

# --- uninstall ----------------------------------------------------------------------------------
inside sailor "uninstall" <<'END'
export PATH=$HOME/bin:$PATH
check_has "lingering is not asked for any more" "0" sh -c 'dockerd-rootless-setuptool.sh check 2>&1 | grep -c enable-linger'
docker rm -f keep web >/dev/null
run sh /payload/install.sh --uninstall
case $out in *"Uninstalled docker.service"*) ok "the unit goes" ;; *) not_ok "the unit goes" "$out" ;; esac
check_fails "the service is gone" systemctl --user cat docker
check "the data, as it says" /payload/coracle rootlesskit rm -rf ~/.local/share/docker
END
root_vm 'rm -rf /home/sailor/other'
check_out "nothing is left at home but what clients keep" "./.docker/config.json" root_vm 'cd /home/sailor && find . ! -type d | sort | comm -13 /root/before -'
check_out "no process is left" "" root_vm 'ps -u sailor -o args= | grep -E "coracle|docker"'
check_out "no socket is left in XDG_RUNTIME_DIR" "" root_vm 'ls /run/user/1000 | grep -E "docker\.|coracle"'
check_out "no cgroup is left" "" root_vm 'find /sys/fs/cgroup/user.slice -name "*docker*"'

# --- R66: last, as the package goes ----------------------------------------------------------------
root_vm 'dpkg --force-depends -r dbus-user-session; systemctl restart user@1000'
inside sailor "R66" <<'END'
/payload/coracle --install ~/bin >/dev/null
export PATH=$HOME/bin:$PATH
run dockerd-rootless-setuptool.sh check
for part in "apt-get install -y dbus-user-session" "systemctl --user enable --now dbus"; do
	case $out in *"$part"*) ok "R66: $part" ;; *) not_ok "R66: $part" "$out" ;; esac
done
END
