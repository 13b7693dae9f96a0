#!/bin/busybox sh
# The guest's first program: loads modules, puts the host's root together, becomes the agent.
# Reads /zonevm/config (VAR=value; SHARES are variables that hold paths) and /zonevm/modules (in load order).
# Knows nothing of the commands that will run.

export PATH=/bin

die() {
    echo "zonevm: stage 1: $*" > /dev/console
    reboot -f
}

# sd and nvme probe their disks in parallel (PROBE_PREFER_ASYNCHRONOUS), so that chance would tell which one is
# sda. Bound through sysfs they are probed one after the other: by host and LUN, by PCI slot.
bind_in_order() { # bus, driver
    ls "/sys/bus/$1/devices" | sort -V | while read -r device; do
        echo "$device" > "/sys/bus/$1/drivers/$2/bind" || : # it is not this driver's
    done 2> /dev/null
}

load() { # a module's name
    file=/zonevm/modules.d/$1.ko
    case $1 in
    scsi_mod)
        insmod "$file" scan=sync && echo 0 > /sys/bus/scsi/drivers_autoprobe
        ;;
    sd_mod)
        insmod "$file" && bind_in_order scsi sd && echo 1 > /sys/bus/scsi/drivers_autoprobe
        ;;
    nvme)
        echo 0 > /sys/bus/pci/drivers_autoprobe
        insmod "$file" && bind_in_order pci nvme
        loaded=$?
        echo 1 > /sys/bus/pci/drivers_autoprobe
        [ $loaded = 0 ]
        ;;
    *)
        insmod "$file"
        ;;
    esac || echo "zonevm: stage 1: module $1 did not load" > /dev/console
}

try_mount() { # what it is for, then mount's arguments
    what=$1; shift
    mount "$@" || die "cannot mount $what"
}

in_root() {
    chroot /newroot /run/zonevm/busybox "$@"
}

# The nodes whose opening loads a module, as kmod-static-nodes.service has them made: "module node c10:237".
make_static_nodes() {
    while read -r module node number; do
        case $module in \#*) continue ;; esac
        [ -e "/newroot/dev/$node" ] && continue
        major=${number%:*}
        mkdir -p "/newroot/dev/${node%"${node##*/}"}"
        mknod -m 600 "/newroot/dev/$node" "${number%"${number#?}"}" "${major#?}" "${number#*:}"
    done
}

show_kernel_config() {
    if [ -z "$CONFIG" ] && [ -e /proc/config.gz ]; then
        CONFIG=/run/zonevm/config
        zcat /proc/config.gz > "/newroot$CONFIG"
    fi
    [ -n "$CONFIG" ] || return
    in_root mkdir -p /boot "/lib/modules/$RELEASE"
    for place in "/boot/config-$RELEASE" "/lib/modules/$RELEASE/config"; do
        in_root test -e "$place" || in_root ln -s "$CONFIG" "$place"
    done
}

# virtio_9p and virtiofs cannot be suspended: their devices are reset and never set up again. So no state is
# offered, and writing one fails: the root would be gone.
refuse_sleep() {
    [ -e /newroot/sys/power/state ] || return
    : > /newroot/run/zonevm/sleep-states
    in_root mount --bind /run/zonevm/sleep-states /sys/power/state
    in_root mount -o remount,bind,ro /run/zonevm/sleep-states /sys/power/state
}

busybox mkdir -p /proc /sys /dev /lower /upper /newroot
busybox mount -t proc proc /proc
read -r began _ < /proc/uptime
busybox --install -s /bin
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

read -r command_line < /proc/cmdline
case " $command_line " in
*" zonevm.probe "*)
    echo "zonevm: probe passed" > /dev/console
    reboot -f
    ;;
esac

. /zonevm/config
while read -r module; do
    load "${module%.ko}"
done < /zonevm/modules

nine="trans=virtio,version=9p2000.L,access=any,msize=$MSIZE"
case $ROOT in
virtiofs) try_mount "the host's root by virtiofs" -t virtiofs -o ro root /lower ;;
*) try_mount "the host's root by 9p" -t 9p -o "ro,cache=loose,$nine" root /lower ;;
esac
try_mount "a tmpfs" -t tmpfs -o mode=755 tmpfs /upper
mkdir /upper/data /upper/work
try_mount "the overlay" -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work overlay /newroot

for directory in proc sys dev run tmp; do
    [ -d /newroot/$directory ] || mkdir /newroot/$directory
done
mount -t proc proc /newroot/proc
mount -t sysfs sysfs /newroot/sys
mount -t devtmpfs devtmpfs /newroot/dev
[ "$FRESH_RUN" = 0 ] || mount -t tmpfs -o mode=755 tmpfs /newroot/run
mkdir -p /newroot/run/zonevm /newroot/run/lock
mount -t tmpfs -o mode=755 tmpfs /newroot/run/zonevm
cp /bin/busybox /zonevm/agent/* /newroot/run/zonevm
for extra in cgroup2:fs/cgroup debugfs:kernel/debug tracefs:kernel/tracing configfs:kernel/config; do
    mount -t "${extra%%:*}" "${extra%%:*}" "/newroot/sys/${extra#*:}" 2> /dev/null # not in every kernel
done
refuse_sleep

in_root mkdir -p /dev/pts /dev/shm
in_root mount -t devpts -o mode=620,ptmxmode=666,gid=5 devpts /dev/pts
in_root mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mkdir /newroot/dev/hugepages && mount -t hugetlbfs hugetlbfs /newroot/dev/hugepages 2> /dev/null
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    ln -sf "${link#*:}" "/newroot/dev/${link%%:*}"
done
if [ -n "$MODULES" ]; then
    in_root mkdir -p "/lib/modules/$RELEASE"
    in_root mount --bind "$MODULES" "/lib/modules/$RELEASE" || die "cannot show the kernel's modules: $MODULES"
    make_static_nodes < "/newroot/lib/modules/$RELEASE/modules.devname"
fi
chmod 666 /newroot/dev/fuse /newroot/dev/net/tun 2> /dev/null # as 50-udev-default.rules has them
show_kernel_config
for tag in $SHARES; do
    eval "path=\$$tag"
    in_root mkdir -p "$path"
    in_root mount -t 9p -o "rw,cache=mmap,$nine" "$tag" "$path" || die "cannot mount the shared directory $path"
done

hostname "$HOSTNAME"
ip link set lo up
if [ "$NET" = user ]; then
    # The addresses of QEMU's user network (-netdev user).
    ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2 ||
        die "cannot set up the network"
    in_root rm -f /etc/resolv.conf
    echo "nameserver 10.0.2.3" > /newroot/etc/resolv.conf
fi

read -r ended _ < /proc/uptime
export ZONEVM_CLOCK="$began $ended"
umount /proc /sys /dev
set -- "$PYTHON" -I -S -E -B /run/zonevm/agent.pyc
[ -z "$UDEVD" ] || set -- /run/zonevm/busybox sh /run/zonevm/udev.sh "$UDEVD" "$@"
exec switch_root -c /dev/console /newroot "$@"
