"""Shell commands for file systems of a guest: that make one, mount it, and check it after a power cut."""

from __future__ import annotations

from dataclasses import dataclass

MOUNTED = "/mnt"


@dataclass(frozen=True)
class FileSystem:
    """A file system on devices of a guest, by its commands.

    ``make``: makes it. ``mount``: mounts it at :data:`MOUNTED`. ``check``: fails if it is broken; it was
    mounted, is still, and is unmounted by this. ``zones``: its files are zones.
    """

    name: str
    make: str
    mount: str
    check: str
    zones: bool = False


def btrfs(device: str, zoned: bool = True) -> FileSystem:
    """A btrfs with one copy of everything."""
    feature = "-O zoned " if zoned else ""
    # Not `btrfs check` of a zoned one: it complains of write pointers that a cut has left behind a tree.
    check = "" if zoned else f" && btrfs check {device}"
    return FileSystem(
        "btrfs",
        f"mkfs.btrfs -q -f {feature}-d single -m single {device}",
        _mount("btrfs", device),
        f"btrfs scrub start -B -r {MOUNTED} && umount {MOUNTED}{check}",
    )


def f2fs(device: str, zoned: str = "") -> FileSystem:
    """An f2fs; ``device`` is an SMR disk, or without zones, for what is overwritten, in front of ``zoned``.

    With fsync_mode=strict: else an fsync does not order what it writes, and does not what others' does.
    """
    front = f"-c {zoned} " if zoned else ""
    return FileSystem(
        "f2fs",
        f"mkfs.f2fs -q -f -m {front}{device}",
        _mount("f2fs", device, "fsync_mode=strict"),
        f"umount {MOUNTED} && fsck.f2fs --dry-run -f {device}",
    )


def xfs(device: str, mkfs: str = "mkfs.xfs", repair: str = "xfs_repair") -> FileSystem:
    """A zoned XFS on an SMR disk, by programs of xfsprogs 6.18 or later."""
    return FileSystem(
        "xfs",
        f"{mkfs} -q -f -r zoned=1 {device}",
        _mount("xfs", device),
        f"umount {MOUNTED} && {repair} -n {device}",
    )


def ext4(device: str) -> FileSystem:
    """An ext4, on a device without zones."""
    return FileSystem(
        "ext4",
        f"mkfs.ext4 -q -F -E nodiscard,lazy_itable_init=0 {device}",
        _mount("ext4", device),
        f"umount {MOUNTED} && e2fsck -fn {device}",
    )


def zonefs(device: str, mkfs: str = "mkzonefs") -> FileSystem:
    """A zonefs: its files are as long as write pointers say."""
    return FileSystem(
        "zonefs",
        f"{mkfs} {device}",
        _mount("zonefs", device),
        f"{_pointers(device)} && umount {MOUNTED}",
        zones=True,
    )


def _pointers(device: str) -> str:
    fields = r"s/.*cap \(0x[0-9a-f]*\), wptr \(0x[0-9a-f]*\) .*zcond: *\([0-9]*\).*/\1 \2 \3/"
    return f"""
        blkzone report {device} | grep SEQ_WRITE_REQUIRED | tail -n $(ls {MOUNTED}/seq | wc -l) |
        sed '{fields}' | {{
            file=0
            while read capacity pointer condition; do
                [ $condition != 14 ] || pointer=$capacity
                size=$(stat -c %s {MOUNTED}/seq/$file)
                [ $size = $((pointer * 512)) ] || break
                file=$((file + 1))
            done
            [ $file = $(ls {MOUNTED}/seq | wc -l) ] || {{ echo "seq/$file: $size bytes"; false; }}
        }}"""


def _mount(name: str, device: str, options: str = "defaults") -> str:
    return f"modprobe -q {name}; mount -t {name} -o {options} {device} {MOUNTED}"
