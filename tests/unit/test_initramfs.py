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
from zonevm.errors import HostError
from zonevm.kernel import initramfs
from zonevm.kernel.initramfs import PROGRAM, Contents, Entry, Share, build, newc


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    module = tmp_path / "overlay.ko"
    module.write_bytes(b"\x7fELF a module")
    return Contents(
        release="6.12.0",
        modules=[module],
        module_dir=Path("/lib/modules/6.12.0"),
        shares=[Share("share0", Path("/a b"))],
        net="user",
    )


def unpacked(archive: Path, into: Path) -> Path:
    """What cpio, of GNU or busybox, makes of an archive."""
    into.mkdir()
    program = ["cpio"] if shutil.which("cpio") else ["busybox", "cpio"]
    with archive.open("rb") as file:
        subprocess.run([*program, "-i", "-d"], stdin=file, stderr=subprocess.DEVNULL, cwd=into, check=True)
    return into


def test_cpio_reads_the_archive(contents: Contents, tmp_path: Path) -> None:
    root = unpacked(build(contents, tmp_path / "cache"), tmp_path / "root")
    assert (root / "init").read_bytes() == PROGRAM.read_bytes()
    assert os.access(root / "init", os.X_OK)
    assert (root / "zonevm/modules/overlay.ko").read_bytes() == b"\x7fELF a module"
    assert {b"NET=user", b"MODULE=overlay"} <= set((root / "zonevm/settings").read_bytes().split(b"\0"))


def test_the_format_is_newc() -> None:
    archive = newc([Entry("ab", stat.S_IFREG | 0o644, b"12345")])
    assert archive.startswith(b"070701" + b"00000001" + b"000081A4")
    assert len(archive) % 4 == 0
    assert archive.index(b"12345") % 4 == 0
    assert b"TRAILER!!!\0" in archive


def test_settings_may_have_any_bytes_of_a_path(contents: Contents) -> None:
    strange = b"/a 'b' $(touch broken)\"`\n\t\\ =:\xff\x81 "
    share = Share("share0", Path(os.fsdecode(strange)))
    settings = dataclasses.replace(contents, shares=[share]).settings()
    assert settings.endswith(b"\0SHARE=share0:" + strange + b"\0")


def test_a_first_program_that_was_not_built_is_told(
    contents: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initramfs, "PROGRAM", tmp_path / "zonevm-init")
    with pytest.raises(HostError, match=r"first program, .*/zonevm-init: No such file") as caught:
        build(contents, tmp_path / "cache")
    assert "make setup" in caught.value.hint


def test_the_first_program_needs_nothing_else() -> None:
    headers = subprocess.run(["readelf", "-lW", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert "INTERP" not in headers
    done = subprocess.run([PROGRAM], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "zonevm-init: this is the first program of a guest of zonevm's\n",
    )


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
