# Starts udev in the guest, then becomes the program that its arguments name: UDEVD PROGRAM ARGUMENT...
# Runs in the guest's root, once that is in place: udevadm does nothing in a chroot. Its PATH is the host's.

udevd=$1; shift
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
/run/zonevm/busybox mkdir -p /run/udev
if "$udevd" --daemon; then
    udevadm trigger --type=subsystems --action=add
    udevadm trigger --type=devices --action=add
    udevadm settle
else
    echo "zonevm: stage 1: $udevd did not start" > /dev/console
    /run/zonevm/busybox reboot -f
fi > /dev/console 2>&1 < /dev/null
exec "$@"
