#!/usr/bin/env bash
# boot.sh WORK REPO: becomes a systemd that runs as process 1 of namespaces of its own, boots
# stint-test.target and ends with it. tests/deploy/boot.py calls it where mounts, processes, network,
# names and control groups are already unshared. The machine's files are seen through an overlay in
# memory: nothing that happens here stays, and no unit of the machine is known here.
#
# WORK/units    what stands in the unit directory      WORK/etc  laid over /etc
# WORK/stint    the program, installed as /usr/bin/stint
# WORK/out      bound to /run/stint-out                REPO      bound to /run/stint-repo, read-only
set -euo pipefail
work=$1 repo=$2

mount --make-rprivate /
mount -t tmpfs tmpfs "$work/mnt"
mkdir "$work/mnt/upper" "$work/mnt/work" "$work/mnt/root"
root=$work/mnt/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/mnt/upper,workdir=$work/mnt/work" "$root"
mount -t proc proc "$root/proc"
mount -o bind,ro "$root/proc/sys" "$root/proc/sys"  # the kernel's settings are the machine's own
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir "$root/run/stint-out" "$root/run/stint-repo"
mount --bind "$work/out" "$root/run/stint-out"
mount --rbind -o ro "$repo" "$root/run/stint-repo"

rm -rf "$root/etc/systemd/system"
mkdir -p "$root/etc/systemd/system"
for name in sysinit basic shutdown final exit network-online time-sync multi-user; do
  printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' $name >"$root/etc/systemd/system/$name.target"
done
cp -r "$work/units/." "$root/etc/systemd/system/"
cp -r "$work/etc/." "$root/etc/"
install -m 755 "$work/stint" "$root/usr/bin/stint"
chroot "$root" systemd-sysusers - <"$repo/deploy/systemd/stint.sysusers"
mkdir -p "$root/etc/credstore.encrypted"
head -c 32 /dev/urandom |
  chroot "$root" systemd-creds encrypt --with-key=host --name=stint-root-key - \
    /etc/credstore.encrypted/stint-root-key
ip link set lo up

cd "$root"
mkdir old
pivot_root . old
umount -l /old
mount --make-rshared /  # as process 1 has it on a machine: credentials are mounted by a helper
exec env -i container=stint-test SYSTEMD_UNIT_PATH=/etc/systemd/system \
  PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=stint-test.target \
  --log-target=console --show-status=no
