"""A small bootable Debian, built without root from Debian's packages, once for each version of this file.

One disk for BIOS and UEFI: GRUB in the gap before the first partition and in an EFI system partition. Its
init is a loop that runs the lines it gets on its console (see ``console.py``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

PACKAGES = "linux-image-cloud-amd64,initramfs-tools,dropbear-bin,iproute2,kmod,util-linux"
LABEL = "test-root"
ESP_MIB = 8

INIT = """#!/bin/sh
stty -echo
modprobe -a virtio_scsi sd_mod nvme 2> /dev/null
ip link set lo up
if ip link set eth0 up 2> /dev/null; then
    ip address add 10.0.2.15/24 dev eth0
    dropbear -R -s
fi
echo "==> up"
while read -r line; do
    eval "$line"
    echo "==> $?"
done
"""

BOOT = f"""search.fs_label {LABEL} root
linux /vmlinuz root=LABEL={LABEL} rw console=ttyS0 net.ifnames=0 init=/test-init quiet
initrd /initrd.img
boot
"""


@dataclass(frozen=True)
class SystemImage:
    """The disk, raw, and the key that its root's ssh accepts."""

    disk: Path
    key: Path


def system_image() -> SystemImage:
    """The image from the cache, built where there is none of this recipe; one process builds it at a time."""
    name = f"system-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}"
    target = platformdirs.user_cache_path("zonevm-tests") / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            for old in target.parent.glob("system-*"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=target.parent, ignore_cleanup_errors=True) as work:
                built = Path(work) / "built"
                built.mkdir()
                _build(Path(work), built)
                built.rename(target)
    return SystemImage(target / "disk.raw", target / "key")


def _build(work: Path, built: Path) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", built / "key")
    suite, mirror = _source()
    init = work / "init"
    init.write_text(INIT)
    root, tar, esp = work / "root.ext2", work / "root.tar", work / "esp.fat"
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={PACKAGES}",
        *(f"--dpkgopt=path-exclude=/usr/share/{directory}/*" for directory in ("doc", "man", "locale")),
        f"--customize-hook=upload {init} /test-init",
        '--customize-hook=chmod 755 "$1/test-init"',
        '--customize-hook=mkdir -p "$1/root/.ssh" "$1/etc/dropbear"',
        f"--customize-hook=upload {built / 'key.pub'} /root/.ssh/authorized_keys",
        '--customize-hook=chmod -R go= "$1/root"',
        suite,
        tar,
        mirror,
    )
    blocks = tar.stat().st_size // 4096
    run("genext2fs", "-B", 4096, "-b", blocks * 5 // 4, "-N", 40000, "-L", LABEL, "-a", tar, root)
    _boot_loader(work, built / "disk.raw", esp)
    with (built / "disk.raw").open("ab") as disk:
        for part in (esp, root):
            with part.open("rb") as content:
                shutil.copyfileobj(content, disk)
    partitions = f"label: dos\n1M,{ESP_MIB}M,ef\n{1 + ESP_MIB}M,,83,*\n"
    run("sfdisk", "--quiet", built / "disk.raw", stdin=partitions)


def _source() -> tuple[str, str]:
    """The Debian release of this host, and the mirror that its apt takes it from."""
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    targets = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Release: {suite}"
    )
    return suite, targets.split()[0]


def _boot_loader(work: Path, disk: Path, esp: Path) -> None:
    config, core, efi = work / "boot.cfg", work / "core.img", work / "BOOTX64.EFI"
    config.write_text(BOOT)
    modules = ("part_msdos", "ext2", "linux", "search_label")
    for target, output, more in (("i386-pc", core, ("biosdisk",)), ("x86_64-efi", efi, ())):
        run("grub-mkimage", "-O", target, "-p", "/", "-c", config, "-o", output, *more, *modules)
    # GRUB's manual, "BIOS installation": boot.img's code goes to the MBR and reads core.img from sector 1 on.
    first = Path("/usr/lib/grub/i386-pc/boot.img").read_bytes()[:440].ljust(512, b"\0")
    disk.write_bytes((first + core.read_bytes()).ljust(1 << 20, b"\0"))
    with esp.open("wb") as file:
        file.truncate(ESP_MIB << 20)
    run("mkfs.vfat", esp)
    run("mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", esp, efi, "::/EFI/BOOT/")


def run(*argv: object, stdin: str | None = None) -> str:
    """What a command prints; it has to succeed."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    done = subprocess.run(
        [str(word) for word in argv],
        input=stdin,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, f"{argv}:\n{done.stdout}"
    return done.stdout
