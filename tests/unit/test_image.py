"""The image of an emulated disk: what survives, who may use it, what is refused."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from zonevm._core import CoreError, Disk, Response, inspect
from zonevm.disks import SmrShape

from . import cdbs
from .shapes import unchecked_shape

BLOCK = 4096
ZONE = 1 << 20
ZONE_BLOCKS = ZONE // BLOCK
CONVENTIONAL = 2
MEDIUM_WRITE_ERROR = (0x3, 0x0C, 0x00)
HEADER = 4096
CHECKPOINT = 3 * HEADER + (1 << 20) + 2 * HEADER
"""Where a new image's zone words are: after the header's copy, the live table, the journal, another copy."""


def create(path: Path, size: int = 32 * ZONE) -> Path:
    Disk.create(path, SmrShape(size, ZONE, CONVENTIONAL, BLOCK, max_open=8))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return create(tmp_path / "disk.img")


@contextmanager
def opened(path: Path) -> Iterator[Disk]:
    with Disk.open(path) as disk:
        make_ready(disk)
        yield disk


def make_ready(disk: Disk) -> None:
    """Receive the unit attention of power on."""
    while disk.execute(cdbs.TEST_UNIT_READY).status:
        pass


def write(disk: Disk, lba: int, data: bytes) -> Response:
    return disk.execute(cdbs.rw16(0x8A, lba, len(data) // BLOCK), data)


def read(disk: Disk, lba: int, blocks: int) -> bytes:
    response = disk.execute(cdbs.rw16(0x88, lba, blocks), b"", blocks * BLOCK)
    assert response.status == 0
    return response.data


def block_of(lba: int) -> bytes:
    return lba.to_bytes(8, "little") * (BLOCK // 8)


def child(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Start Python on ``code``, with what this file imports and defines."""
    prelude = f"import sys; from {__name__} import *\n"
    command = [sys.executable, "-c", prelude + code, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)


@contextmanager
def holding(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process has the image open; it is killed at the end."""
    code = "disk = Disk.open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with child(code, path) as process:
        assert process.stdout
        assert process.stdout.readline() == b"\n"
        try:
            yield process
        finally:
            process.kill()


def refusal(action: Callable[[], object]) -> CoreError:
    with pytest.raises(CoreError) as caught:
        action()
    return caught.value


class TestState:
    def test_survives_close_and_open(self, image: Path) -> None:
        lba = 5 * ZONE_BLOCKS
        with opened(image) as disk:
            assert write(disk, lba, block_of(1) + block_of(2)).status == 0
            assert write(disk, 3, block_of(3)).status == 0
            assert disk.zones()[5].condition == "implicitly open"
            assert inspect(image)["zones"][5].condition == "implicitly open"
        assert inspect(image)["zones"][5].condition == "closed", "no zone is open while the disk is off"
        with opened(image) as disk:
            zone = disk.zones()[5]
            assert (zone.condition, zone.write_pointer) == ("closed", lba + 2)
            assert read(disk, lba, 3) == block_of(1) + block_of(2) + bytes(BLOCK)
            assert read(disk, 3, 1) == block_of(3)

    def test_survives_kill_in_the_middle_of_writes(self, image: Path) -> None:
        code = """
with opened(sys.argv[1]) as disk:
    for lba in range(CONVENTIONAL * ZONE_BLOCKS, 32 * ZONE_BLOCKS):
        assert write(disk, lba, block_of(lba)).status == 0
        print(lba, flush=True)
"""
        with child(code, image) as process:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(3 * ZONE_BLOCKS + 17)]
            process.kill()
            lines += process.stdout.readlines()
        acknowledged = int(lines[-1] if lines[-1].endswith(b"\n") else lines[-2])
        with opened(image) as disk:
            pointers = [zone.write_pointer for zone in disk.zones()]
            current = pointers[(acknowledged + 1) // ZONE_BLOCKS]
            assert current in (acknowledged + 1, acknowledged + 2)
            first = CONVENTIONAL * ZONE_BLOCKS
            assert {zone.condition for zone in disk.zones()[CONVENTIONAL : acknowledged // ZONE_BLOCKS]} == {
                "full"
            }
            for lba in range(first, acknowledged + 1):
                assert read(disk, lba, 1) == block_of(lba)
            assert write(disk, current, block_of(current)).status == 0

    def test_an_image_knows_its_disk(self, tmp_path: Path) -> None:
        path = tmp_path / "disk.img"
        shape = unchecked_shape(
            size=20 * ZONE + BLOCK,
            block_size=512,
            zone_size=ZONE,
            conventional=3,
            max_open=None,
            urswrz=False,
            zone_capacity=ZONE - 4096,
            serial="SN 1",
            wwn=0x5000C50012345678,
        )
        Disk.create(path, shape)
        with Disk.open(path) as disk:
            info = disk.info()
            assert (info["size"], info["block_size"], info["zone_size"]) == (20 * ZONE + BLOCK, 512, ZONE)
            assert (info["zone_count"], info["conventional"], info["max_open"]) == (21, 3, None)
            assert (info["urswrz"], info["zone_capacity"]) == (False, ZONE - 4096)
            assert disk.zones()[2].length * 512 == ZONE
            assert disk.zones()[3].length * 512 == ZONE - 4096
            assert (info["serial"], info["wwn"]) == ("SN 1", 0x5000C50012345678)
            assert disk.zones()[20].length == BLOCK // 512
        assert info.items() <= inspect(path).items()


class TestLock:
    def test_the_second_user_is_told_of_the_first(self, image: Path) -> None:
        with holding(image) as process:
            error = refusal(lambda: Disk.open(image))
            assert error.kind == "in-use"
            comm = Path(f"/proc/{process.pid}/comm").read_text().strip()
            assert error.message == f"the image '{image}' is in use by process {process.pid} ({comm})"
            assert error.hint
            assert inspect(image)["user"] == {"pid": process.pid, "program": comm}

    def test_ends_with_its_process(self, image: Path) -> None:
        with holding(image):
            pass
        assert inspect(image)["user"] is None
        Disk.open(image).close()

    def test_this_process_is_named_too(self, image: Path) -> None:
        with Disk.open(image):
            assert refusal(lambda: Disk.open(image)).message.endswith("in use by this process")
            assert inspect(image)["zones"], "another look does not end the lock"
            assert refusal(lambda: Disk.open(image)).kind == "in-use"

    def test_a_closed_disk_says_so(self, image: Path) -> None:
        disk = Disk.open(image)
        disk.close()
        disk.close()
        assert refusal(disk.zones).kind == "invalid"


class TestRefusal:
    @pytest.mark.parametrize(
        ("contents", "kind"),
        [
            pytest.param(lambda image: b"", "not-an-image", id="empty"),
            pytest.param(lambda image: b"QFI\xfb" + bytes(9000), "not-an-image", id="foreign"),
            pytest.param(lambda image: image[:100], "truncated", id="within the header"),
            pytest.param(lambda image: image[:-1], "truncated", id="within the data"),
            pytest.param(lambda image: b"\x88" + image[1:], "not-an-image", id="magic"),
            pytest.param(lambda image: image[:8] + b"\x03" + image[9:], "corrupt", id="version"),
            pytest.param(lambda image: image[:72] + b"\x01" + image[73:], "corrupt", id="geometry"),
            pytest.param(lambda i: i[:CHECKPOINT] + b"\x07" + i[CHECKPOINT + 1 :], "corrupt", id="zones"),
        ],
    )
    def test_leaves_the_file_alone(self, image: Path, contents: Callable[[bytes], bytes], kind: str) -> None:
        wrong = contents(image.read_bytes())
        image.write_bytes(wrong)
        before = image.stat()
        for look in (Disk.open, inspect):
            error = refusal(lambda look=look: look(image))  # type: ignore[misc]
            assert error.kind == kind
            assert str(image) in error.message
            assert error.hint
        assert image.read_bytes() == wrong
        assert image.stat().st_mtime_ns == before.st_mtime_ns

    def test_nothing_is_overwritten(self, image: Path) -> None:
        before = image.read_bytes()
        assert refusal(lambda: create(image)).kind == "exists"
        assert image.read_bytes() == before

    def test_a_missing_file_or_directory_is_named(self, tmp_path: Path) -> None:
        assert refusal(lambda: Disk.open(tmp_path / "none")).kind == "not-found"
        assert refusal(lambda: create(tmp_path / "no" / "disk.img")).kind == "not-found"

    def test_a_directory_is_no_image(self, tmp_path: Path) -> None:
        assert refusal(lambda: Disk.open(tmp_path)).kind == "not-an-image"

    def test_an_impossible_disk_is_explained_and_not_made(self, tmp_path: Path) -> None:
        shape = unchecked_shape(size=ZONE, block_size=BLOCK, zone_size=ZONE, conventional=1)
        error = refusal(lambda: Disk.create(tmp_path / "x", shape))
        assert error.kind == "invalid"
        assert "conventional" in error.message
        assert not list(tmp_path.iterdir())


class TestSpace:
    def test_14_tb_take_none_until_written(self, tmp_path: Path) -> None:
        path = tmp_path / "disk.img"
        Disk.create(path, SmrShape(14 * 10**12, conventional=524))
        assert path.stat().st_blocks * 512 < 3 << 20
        assert len(inspect(path)["zones"]) == 52155
        with opened(path) as disk:
            last = disk.zones()[-1]
            data = bytes(range(256)) * 16
            assert disk.execute(cdbs.rw16(0x8A, last.start, 8), data).status == 0
        assert path.stat().st_blocks * 512 < 3 << 20

    def test_a_temporary_image_has_no_name_and_is_gone(self, tmp_path: Path) -> None:
        def files() -> list[str]:
            links = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
            return [str(link) for link in links if str(link).startswith(str(tmp_path))]

        with Disk.temporary(tmp_path, SmrShape(8 * ZONE, ZONE, 0, BLOCK)) as disk:
            make_ready(disk)
            assert write(disk, 0, block_of(9)).status == 0
            assert read(disk, 0, 1) == block_of(9)
            assert not list(tmp_path.iterdir())
            assert len(files()) == 1
        assert not files()

    def test_a_file_too_long_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with file_size_limit(1 << 20):
            error = refusal(lambda: create(tmp_path / "disk.img"))
        assert error.kind == "too-large"
        assert "16 TiB" in error.hint
        assert not list(tmp_path.iterdir())

    def test_a_failed_write_is_a_medium_error_and_the_disk_goes_on(self, image: Path) -> None:
        with opened(image) as disk:
            first, later = 2 * ZONE_BLOCKS, 31 * ZONE_BLOCKS
            with file_size_limit(image.stat().st_size + ZONE):
                assert write(disk, first, block_of(2)).status == 0
                response = write(disk, later, block_of(1) * 4)
                assert cdbs.sense_code(response.sense) == MEDIUM_WRITE_ERROR
                assert write(disk, first + 1, block_of(3)).status == 0
            pointer = disk.zones()[31].write_pointer
            assert pointer == later
            assert write(disk, pointer, block_of(1) * 4).status == 0
            assert read(disk, later, 4) == block_of(1) * 4

    @pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
    def test_a_full_file_system_is_a_medium_error_until_there_is_space(self, tmp_path: Path) -> None:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "none", tmp_path], capture_output=True
        )
        if mounted.returncode:
            pytest.skip(f"mounting is not allowed here: {mounted.stderr.decode().strip()}")
        try:
            ballast = tmp_path / "ballast"
            ballast.write_bytes(bytes(1 << 20))
            with opened(create(tmp_path / "disk.img")) as disk:
                codes = [code_of(write(disk, lba, block_of(lba))) for lba in range(512, 2048)]
                written = codes.index(MEDIUM_WRITE_ERROR)
                assert codes[:written] == [None] * written
                pointer = 512 + written
                assert disk.zones()[pointer // ZONE_BLOCKS].write_pointer == pointer
                ballast.unlink()
                assert write(disk, pointer, block_of(pointer)).status == 0
                for lba in range(512, pointer + 1):
                    assert read(disk, lba, 1) == block_of(lba)
            with file_size_limit(1 << 30):
                (tmp_path / "ballast").write_bytes(bytes(free_bytes(tmp_path)))
            error = refusal(lambda: create(tmp_path / "second.img"))
            assert error.kind == "no-space"
            assert not (tmp_path / "second.img").exists()
        finally:
            subprocess.run(["umount", tmp_path], check=True)


def code_of(response: Response) -> tuple[int, int, int] | None:
    return cdbs.sense_code(response.sense) if response.status else None


def free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Let no file grow over ``limit`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
