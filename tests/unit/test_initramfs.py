"""The initramfs: an archive that cpio itself reads, made anew only when something in it changes."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from zonevm.attach.methods import driver_modules
from zonevm.kernel.initramfs import Contents, Entry, Share, build, newc


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"\x7fELF a busybox")
    module = tmp_path / "overlay.ko"
    module.write_bytes(b"\x7fELF a module")
    return Contents(
        busybox=busybox,
        python=Path("/usr/bin/python3"),
        release="6.12.0",
        modules=[module],
        module_dir=Path("/lib/modules/6.12.0"),
        shares=[Share("share0", Path("/a b"))],
        net="user",
    )


def unpacked(archive: Path, into: Path) -> Path:
    """What cpio, of busybox or GNU, makes of an archive."""
    into.mkdir()
    program = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]
    with archive.open("rb") as file:
        subprocess.run([*program, "-i", "-d"], stdin=file, stderr=subprocess.DEVNULL, cwd=into, check=True)
    return into


def test_cpio_reads_the_archive(contents: Contents, tmp_path: Path) -> None:
    root = unpacked(build(contents, tmp_path / "cache"), tmp_path / "root")
    assert (root / "bin/busybox").read_bytes() == b"\x7fELF a busybox"
    assert os.access(root / "init", os.X_OK)
    assert (root / "bin/sh").readlink() == Path("busybox")
    assert (root / "zonevm/modules").read_text() == "overlay.ko\n"
    assert (root / "zonevm/modules.d/overlay.ko").read_bytes() == b"\x7fELF a module"
    assert "NET=user\n" in (root / "zonevm/config").read_text()


def test_the_format_is_newc() -> None:
    archive = newc([Entry("ab", stat.S_IFREG | 0o644, b"12345")])
    assert archive.startswith(b"070701" + b"00000001" + b"000081A4")
    assert len(archive) % 4 == 0
    assert archive.index(b"12345") % 4 == 0
    assert b"TRAILER!!!\0" in archive


def test_settings_are_quoted_for_the_shell(contents: Contents, tmp_path: Path) -> None:
    strange = b"/a 'b' $(touch broken)\"`\n\t\\ \xff\x81 "
    share = Share("share0", Path(os.fsdecode(strange)))
    config = dataclasses.replace(contents, shares=[share]).config()
    done = subprocess.run(
        ["sh", "-c", config + b'printf "%s %s" $SHARES "$share0"'], capture_output=True, cwd=tmp_path
    )
    assert done.stdout == b"share0 " + strange
    assert not (tmp_path / "broken").exists()


def test_an_archive_is_made_once_for_the_same_contents(contents: Contents, tmp_path: Path) -> None:
    first = build(contents, tmp_path / "cache")
    made = first.stat().st_ino
    assert build(contents, tmp_path / "cache").stat().st_ino == made
    assert build(dataclasses.replace(contents, net=None), tmp_path / "cache") != first
    contents.modules[0].write_bytes(b"\x7fELF another module")
    assert build(contents, tmp_path / "cache") != first


def test_old_archives_go(contents: Contents, tmp_path: Path) -> None:
    for number in range(20):
        build(dataclasses.replace(contents, hostname=f"guest{number}"), tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 12


def test_the_drivers_of_a_guests_devices() -> None:
    arguments = [
        "-device",
        "vhost-user-scsi-pci,chardev=c0",
        "-device",
        "nvme,id=n",
        "-device",
        "nvme-ns,drive=d",
    ]
    assert [name for name, _ in driver_modules(arguments)] == ["virtio_scsi", "sd_mod", "sg", "nvme", "nvme"]
    assert driver_modules(["-drive", "nvme"]) == []
