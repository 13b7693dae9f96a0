"""Wrong invocations: each gives one clear message and a non-zero exit; no traceback, nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from zonevm import _core, images

pytestmark = [pytest.mark.guest, pytest.mark.loaded]


@dataclass(frozen=True)
class Wrong:
    """An invocation, the exit code and words that the message must have.

    ``{tmp}`` in arguments and environment is a folder that ``prepare`` may put things into.
    """

    name: str
    argv: list[str]
    code: int
    says: list[str]
    prepare: Callable[[Path], object] = lambda tmp: None
    env: dict[str, str] = field(default_factory=dict)


def image(tmp: Path, size: str = "64M") -> Path:
    """A good image of 64 zones."""
    path = tmp / "disk.img"
    images.create(path, size=size, zone_size="1M", conventional=1)
    return path


def flip_a_header_byte(tmp: Path) -> None:
    path = image(tmp)
    raw = bytearray(path.read_bytes()[:4096])
    raw[40] ^= 1
    with path.open("r+b") as file:
        file.write(raw)


def truncate(tmp: Path) -> None:
    os.truncate(image(tmp), 5000)


def unreadable(tmp: Path) -> None:
    # root reads everything: a folder is what nobody can read as an image
    (tmp / "disk.img").mkdir()


def old_qemu(tmp: Path) -> None:
    script = tmp / "qemu-old"
    script.write_text('#!/bin/sh\necho "QEMU emulator version 6.1.0 (Debian 1:6.1+dfsg-8)"\n')
    script.chmod(0o755)


SMR = ["run", "--disk"]
TRUE = ["--", "true"]
IMAGE = ["run", "--disk", "smr,file={tmp}/disk.img", *TRUE]

CASES = [
    Wrong("no such verb", ["rnu"], 2, ["rnu"]),
    Wrong("no such option", ["run", "--dsk", "smr"], 2, ["--dsk", "--disk"]),
    Wrong("no such kind of disk", [*SMR, "smrr,size=1G", *TRUE], 2, ["smrr", "smr"]),
    Wrong("no such disk option", [*SMR, "smr,size=1G,zonesize=64M", *TRUE], 2, ["zonesize", "zone-size"]),
    Wrong("disk option without a value", [*SMR, "smr,size", *TRUE], 2, ["size"]),
    Wrong("disk option twice", [*SMR, "smr,size=1G,size=2G", *TRUE], 2, ["size", "twice"]),
    Wrong("not a size", [*SMR, "smr,size=big", *TRUE], 2, ["big", "20G"]),
    Wrong("negative size", [*SMR, "smr,size=-1G", *TRUE], 2, ["-1G"]),
    Wrong("zone size not a power of two", [*SMR, "smr,size=1G,zone-size=48M", *TRUE], 2, ["48M", "power of two"]),
    Wrong("more conventional zones than zones", [*SMR, "smr,size=1G,zone-size=64M,conv=16", *TRUE], 2, ["16", "15"]),
    Wrong("logical block size", [*SMR, "smr,size=1G,block-size=1024", *TRUE], 2, ["1024", "512", "4096"]),
    Wrong("neither size nor file", [*SMR, "smr", *TRUE], 2, ["size"]),
    Wrong("zone capacity above zone size", [*SMR, "zns,size=1G,zone-size=64M,zone-capacity=65M", *TRUE], 2, ["65M", "64M"]),
    Wrong("max open above max active", [*SMR, "zns,size=1G,zone-size=64M,max-open=4,max-active=2", *TRUE], 2, ["4", "2"]),
    Wrong("missing kernel", ["run", "--kernel", "{tmp}/nothing", *TRUE], 125, ["nothing"]),
    Wrong("file that is not a kernel", ["run", "--kernel", "{tmp}/text", *TRUE], 125, ["text"], lambda tmp: (tmp / "text").write_text("hello")),
    Wrong("no kernel of that version", ["run", "--kernel", "9.99", *TRUE], 125, ["9.99"]),
    Wrong("memory that is not a size", ["run", "--memory", "much", *TRUE], 2, ["much"]),
    Wrong("missing image without a size", IMAGE, 125, ["disk.img", "size"]),
    Wrong("image that is something else", IMAGE, 125, ["disk.img"], lambda tmp: (tmp / "disk.img").write_bytes(b"x" * 100000)),
    Wrong("image with a broken header", IMAGE, 125, ["disk.img"], flip_a_header_byte),
    Wrong("truncated image", IMAGE, 125, ["disk.img", "5000"], truncate),
    Wrong("unreadable image", IMAGE, 125, ["disk.img"], unreadable),
    Wrong("image of another zone size", [*SMR, "smr,file={tmp}/disk.img,zone-size=2M", *TRUE], 125, ["2M", "1M"], image),
    Wrong("image in a missing folder", ["disk", "create", "{tmp}/none/disk.img", "--size", "1G"], 125, ["none"]),
    Wrong("image that exists", ["disk", "create", "{tmp}/disk.img", "--size", "1G"], 125, ["disk.img"], image),
    Wrong("socket path too long", [*SMR, "smr,size=1G", *TRUE], 125, ["107"], lambda tmp: (tmp / ("d" * 120)).mkdir(mode=0o700), {"XDG_RUNTIME_DIR": "{tmp}/" + "d" * 120}),
    Wrong("QEMU missing", ["run", "--qemu", "{tmp}/qemu-none", *TRUE], 125, ["qemu-none"]),
    Wrong("QEMU too old", [*SMR, "smr,size=1G", "--qemu", "{tmp}/qemu-old", *TRUE], 125, ["6.1", "7.2"], old_qemu),
    Wrong("shared folder that is not there", ["run", "--rwdir", "{tmp}/none", *TRUE], 2, ["none"]),
    Wrong("argument that QEMU refuses", ["run", "--qemu-arg=-nosuch", *TRUE], 125, ["nosuch"]),
    Wrong("no such network", ["run", "--net", "bridge", *TRUE], 2, ["bridge", "user"]),
]  # fmt: skip


@pytest.mark.parametrize("wrong", CASES, ids=lambda wrong: wrong.name)
def test_a_wrong_invocation_is_told_so(wrong: Wrong, tmp_path: Path, zonevm: list[str]) -> None:
    wrong.prepare(tmp_path)
    before = sorted(tmp_path.rglob("*"))

    def filled(text: str) -> str:
        return text.replace("{tmp}", str(tmp_path))

    done = subprocess.run(
        [*zonevm, *map(filled, wrong.argv)],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        env=os.environ | {key: filled(value) for key, value in wrong.env.items()},
    )
    assert done.returncode == wrong.code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in wrong.says:
        assert word in done.stderr, done.stderr
    assert sorted(tmp_path.rglob("*")) == before, "something was left behind"


def test_an_image_in_use_names_its_user(tmp_path: Path, zonevm: list[str]) -> None:
    path = image(tmp_path)
    held = _core.Disk.open(str(path))
    try:
        done = subprocess.run(
            [*zonevm, "run", "--disk", f"smr,file={path}", "--", "true"],
            capture_output=True,
            text=True,
        )
    finally:
        held.close()
    assert done.returncode == 125
    assert str(os.getpid()) in done.stderr


@pytest.mark.skipif(not shutil.which("unshare"), reason="util-linux has unshare")
def test_a_full_host_file_system_is_a_medium_error(tmp_path: Path, zonevm: list[str], kernel: str) -> None:
    """The guest's write fails with a medium error; zonevm, the guest and the zones before it live on."""
    script = f"""
    mount -t tmpfs -o size=24m full {tmp_path}
    {" ".join(zonevm)} disk create {tmp_path}/disk.img --size 256M --zone-size 16M --conv 1 &&
    {" ".join(zonevm)} run --kernel {kernel} --disk smr,file={tmp_path}/disk.img -- sh -c '
        dd if=/dev/zero of=/dev/sda bs=64k seek=256 count=64 oflag=direct status=none || exit 50
        dd if=/dev/zero of=/dev/sda bs=1M seek=32 count=64 oflag=direct status=none && exit 51
        dmesg | grep -i "medium error" || exit 52
        blkzone reset -o 32768 /dev/sda && blkzone reset -o 65536 /dev/sda || exit 53
        dd if=/dev/zero of=/dev/sda bs=64k seek=256 count=64 oflag=direct status=none || exit 54
        echo survived
    '
    """
    done = subprocess.run(
        ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-root-user"]), "sh", "-c", script],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "survived" in done.stdout
