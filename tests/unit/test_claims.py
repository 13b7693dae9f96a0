"""Files that claim more than they hold: no memory is taken for what is not there."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from zonevm import images

MEMORY = 400 << 20
"""Bytes that a command may have; without pyarrow it needs less than half."""


def run(*arguments: object, memory: int = MEMORY) -> subprocess.CompletedProcess[str]:
    """Run a command of zonevm that cannot get more memory."""
    return subprocess.run(
        [sys.executable, "-c", "from zonevm.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)),
    )


def test_an_image_of_four_million_zones_is_looked_at_in_little_memory(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    made = run("disk", "create", image, "--size=2T", "--zone-size=512K", "--conv=9")
    assert made.returncode == 0, made.stderr
    info = run("disk", "info", image)
    assert "zones        4194304 of 512K, 9 conventional" in info.stdout, info.stderr
    shown = run("disk", "zones", image, "--svg", tmp_path / "map.svg")
    assert shown.returncode == 0, shown.stderr
    shown = run("disk", "zones", image)
    assert "empty           4194295" in shown.stdout, shown.stderr
    for verb in (["check", image], ["snapshot", image, tmp_path / "copy.img"], ["resize", image, "1T"]):
        done = run("disk", *verb)
        assert done.returncode == 0, done.stderr


def test_of_a_zone_table_in_ruins_not_every_zone_is_listed(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="2G", zone_size="512K")
    with image.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xff" * 4096 * 8)
    found = images.check(image)
    assert len(found) == 1001
    assert (found[-1]["part"], found[-1]["zone"]) == ("live table", None)
    assert found[-1]["problem"] == "3096 more zones, likewise"
    images.repair(image)
    assert images.check(image) == []


def tcmu_image(file: Path, zones: int, first: bytes = b"") -> Path:
    """A sparse file whose header has it that it is tcmu-runner's image of so many zones, a block each."""
    file.write_bytes(struct.pack("=IIQIIIIIII4x", 0x555A4243, 0x14, zones, 512, 1, zones, 0, 0, 0, 0) + first)
    table = -(-(48 + zones * 64) // 4096) * 4096
    with file.open("r+b") as data:
        data.truncate(table + zones * 512)
    return file


@pytest.mark.parametrize("zones", [1 << 22, 1 << 24, (1 << 32) - 1])
def test_a_sparse_file_that_speaks_of_many_zones_is_refused(tmp_path: Path, zones: int) -> None:
    image = tcmu_image(tmp_path / "zbc.raw", zones)
    done = run("disk", "import", image, tmp_path / "disk.img")
    assert done.returncode == 125, done.stderr
    assert "its zone 0 is damaged" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["zbc.raw"]


def test_a_raw_trace_that_speaks_of_many_commands_has_none(tmp_path: Path) -> None:
    raw = tmp_path / "odd.raw"
    raw.write_bytes(struct.pack("<8sII", b"zvtrace3", 0xFFFFFFFF, 0))
    with raw.open("r+b") as data:
        data.truncate(1 << 42)
    done = run("trace", "recover", tmp_path / "odd", memory=4 << 30)  # pyarrow reserves much of it
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("odd: 0 commands\n")


def bzimage(file: Path, payload: bytes, length: int) -> Path:
    """A boot image by its header (Documentation/arch/x86/boot.rst) with a compressed kernel."""
    setup = bytearray(1024)
    setup[0x1F1] = 1
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, 0x20F)
    struct.pack_into("<H", setup, 0x20E, 0x180)
    setup[0x380:0x386] = b"6.1.0 "
    struct.pack_into("<II", setup, 0x248, 0, length)
    file.write_bytes(bytes(setup) + payload)
    return file


@pytest.mark.parametrize(
    ("payload", "length", "told"),
    [
        (zstandard.compress(bytes(600 << 20)), 1 << 20, "is larger than 512 MiB unpacked"),
        (zstandard.compress(bytes(1000))[:12], 1 << 20, None),
        (b"nothing that is known", 0xFFFFFFFF, None),
    ],
    ids=["bomb", "cut", "long"],
)
def test_a_kernel_is_unpacked_up_to_a_limit(
    tmp_path: Path, payload: bytes, length: int, told: str | None
) -> None:
    image = bzimage(tmp_path / "bzImage", payload, length)
    with image.open("r+b") as data:
        data.truncate(1 << 40 if length > 1 << 30 else image.stat().st_size)
    script = (
        "import sys; from pathlib import Path; from zonevm.kernel.vmlinux import unpacked\n"
        "from zonevm.errors import KernelError\n"
        "try: print(unpacked(Path(sys.argv[1]), Path(sys.argv[2])))\n"
        "except KernelError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, image, tmp_path / "cache"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)),
    )
    assert (told or str(image)) in done.stdout, done
