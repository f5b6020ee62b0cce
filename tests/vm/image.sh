# SPDX-License-Identifier: MIT
#
# tests/vm/image.sh - the disk, the kernels and the emulator of the virtual machine
#
# Sourced by lib.sh.  vm_image makes, once, below build/vm/KEY (KEY is a digest of this file and of
# the names of what goes in):
#   disk.ext4          Debian of the machine's own release, both kernels' modules inside
#   vmlinuz-KERNEL     "current": the cloud kernel of that release; "old": Debian 11's, 5.10
#   initrd-KERNEL      busybox and the few modules that reach the disk
# Tests never write to it: qemu keeps what a machine writes in a file that is gone with it.
#
# vm_emulator sees that there is a QEMU of version 8 or later: 7.2, as Debian 12 has it, crashes
# the guest's kernel.  It comes from backports then, by an apt configuration of its own.

vm_images=${VM_IMAGES:-$top/build/vm} # may be shared by checkouts
vm_release=$(. /etc/os-release && echo "$VERSION_CODENAME")
vm_old_release=bullseye
vm_packages=systemd-sysv,dbus,dbus-user-session,libpam-systemd,systemd-container,uidmap,iproute2,procps,kmod
vm_packages+=,udev,python3,libcap2-bin,sudo,util-linux,curl,slirp4netns,nftables
vm_kernels=(current old)

vm_qemu=qemu-system-x86_64
vm_emulator() {
	local major
	major=$($vm_qemu --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p')
	[ "${major:-0}" -lt 8 ] || return 0
	[ "$(id -u)" = 0 ] || { echo "QEMU 8 or later is not installed, and that needs root"; return 1; }
	local suites="$vm_release $vm_release-backports" log=$vm_images/qemu.log
	DEBIAN_FRONTEND=noninteractive debian_apt "$suites" -y -qq install -t "$vm_release-backports" \
		-o DPkg::Lock::Timeout=300 --no-install-recommends qemu-system-x86 >"$log" 2>&1 </dev/null ||
		{ tail -n 3 "$log"; return 1; }
}

# The newest cloud kernel of a release, unpacked into DIR/kernel-NAME.
vm_kernel() { # NAME SUITE DIR
	local dir=$3/kernel-$1 package apt=(debian_apt "$2")
	[ "$2" != "$vm_release" ] || apt=(apt-get) # the machine's own lists have the security updates
	mkdir -p "$dir" && cd "$dir" || return 1
	package=$("${apt[@]}" -s install --no-install-recommends linux-image-cloud-amd64 |
		sed -n 's/^Inst \(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1)
	[ -n "$package" ] || { echo "$2 has no cloud kernel"; return 1; }
	"${apt[@]}" -qq download "$package" 2>/dev/null || return 1
	dpkg-deb -x "$package"_*.deb . && rm ./*.deb
}

# What is loaded before the root file system is there, in the order it has to be.
vm_initrd() { # KERNEL-DIR OUT
	local dir=$1 tree=$1/initrd version module
	version=$(ls "$dir/lib/modules")
	mkdir -p "$tree"/{bin,dev,proc,root,modules}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	depmod -b "$dir" "$version"
	{
		echo '#!/bin/busybox sh'
		echo 'busybox mount -t devtmpfs dev /dev && busybox mount -t proc proc /proc'
		for module in virtio_pci virtio_blk ext4; do
			modprobe -d "$dir" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
		done | awk '!seen[$0]++' | while read -r module; do
			cp "$module" "$tree/modules/"
			echo "busybox insmod /modules/${module##*/}"
		done
		echo 'busybox mount -t ext4 /dev/vda /root && busybox umount /proc && exec busybox switch_root /root /sbin/init'
	} >"$tree/init"
	chmod 755 "$tree/init"
	(cd "$tree" && find . | cpio -o -H newc --quiet) | gzip -1 >"$2"
}

# Who may log in, what runs there, and what need not.
vm_settle() { # ROOT
	local root=$1 unit
	echo rootless-vm >"$root/etc/hostname"
	echo '127.0.0.1 localhost rootless-vm' >"$root/etc/hosts"
	: >"$root/etc/fstab"
	: >"$root/etc/machine-id"
	mkdir -p "$root/var/log/journal" "$root/payload"
	chroot "$root" useradd --create-home --shell /bin/bash --uid 1000 sailor
	chroot "$root" useradd --create-home --shell /bin/bash --uid 1001 idle
	printf 'sailor:100000:65536\n' | tee "$root/etc/subuid" >"$root/etc/subgid"
	cat >"$root/etc/systemd/system/coracle-agent.service" <<-END
		[Unit]
		Description=What the tests ask for
		After=systemd-user-sessions.service systemd-logind.service dbus.service
		Wants=systemd-logind.service
		[Service]
		ExecStartPre=/bin/tar -b 2048 -xf /dev/vdb -C /payload
		ExecStartPre=-/sbin/modprobe virtio_console
		ExecStart=/usr/bin/python3 /payload/agent.py
		KillMode=process
		[Install]
		WantedBy=multi-user.target
	END
	chroot "$root" systemctl -q enable coracle-agent
	ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
		fstrim.timer man-db.timer getty@tty1.service getty.target systemd-timesyncd.service \
		systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-network-generator.service \
		systemd-firstboot.service systemd-pstore.service systemd-hwdb-update.service systemd-binfmt.service \
		systemd-udev-settle.service systemd-udev-trigger.service systemd-modules-load.service \
		modprobe@{configfs,dm_mod,drm,efi_pstore,fuse,loop}.service sys-kernel-{debug,tracing,config}.mount \
		dev-hugepages.mount dev-mqueue.mount systemd-remount-fs.service; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/*
}

vm_build() { # DIR
	local dir=$1 work=$1.work root=$1.work/root k
	rm -rf --one-file-system "$work"
	mkdir -p "$dir" "$work"
	(vm_kernel current "$vm_release" "$work") || return 1
	(vm_kernel old "$vm_old_release" "$work") || rm -rf "$work/kernel-old"
	unshare --mount --propagation private debootstrap --variant=minbase --include="$vm_packages" "$vm_release" "$root" "$(debian_uri)" ||
		return 1
	vm_settle "$root"
	mkdir -p "$root/lib/modules"
	for k in "${vm_kernels[@]}"; do
		[ -e "$work/kernel-$k" ] || continue
		vm_initrd "$work/kernel-$k" "$dir/initrd-$k" || return 1
		cp "$work/kernel-$k"/boot/vmlinuz-* "$dir/vmlinuz-$k"
		cp -r "$work/kernel-$k"/lib/modules/* "$root/lib/modules/"
	done
	mkfs.ext4 -q -L root -d "$root" -E lazy_itable_init=1,lazy_journal_init=1 "$dir/disk.ext4" 4G &&
		rm -rf --one-file-system "$work"
}

vm_image() { # prints the directory, or why there is none
	local key dir
	key=$({ cat "$top/tests/vm/image.sh"; echo "$vm_release"; } | sha256sum | cut -c1-12)
	dir=$vm_images/$key
	mkdir -p "$vm_images"
	(
		flock 9
		[ ! -e "$dir/.done" ] || exit 0
		[ "$(id -u)" = 0 ] || { echo "making the image needs root"; exit 1; }
		find "$vm_images" -mindepth 1 -maxdepth 1 -type d -exec rm -rf --one-file-system {} +
		vm_build "$dir" 9>&- >"$vm_images/build.log" 2>&1 || { tail -n 3 "$vm_images/build.log"; exit 1; }
		: >"$dir/.done"
	) 9>>"$vm_images/.lock" || return 1
	echo "$dir"
}
