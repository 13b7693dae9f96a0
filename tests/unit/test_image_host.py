"""A host that fails under a disk in use, with a real file system: full, read-only, the file gone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.limits import unwritable_files
from tests.waiting import until
from zonevm import images
from zonevm.errors import ImageError

from .test_image import CONVENTIONAL, ZONE_BLOCKS, block_of, create, opened, read, write


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB, which an image's state fills to a quarter."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4M", "none", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounting needs root: {mounted.stderr.strip()}")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_nothing_is_left_of_a_copy_for_which_there_is_no_space(small: Path) -> None:
    image = create(small / "disk.img")
    with opened(image) as disk:
        for lba in range(CONVENTIONAL * ZONE_BLOCKS, CONVENTIONAL * ZONE_BLOCKS + 400):
            assert write(disk, lba, block_of(lba)).status == 0
    for copy in (images.snapshot, images.export):
        with pytest.raises(ImageError, match="full"):
            copy(image, small / "copy")
    assert [path.name for path in small.iterdir()] == ["disk.img"]


def test_an_image_on_a_read_only_file_system_is_looked_at_and_copied(
    small: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = create(small / "disk.img")
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    with pytest.raises(ImageError, match="read-only"):
        images.open(image)
    with pytest.raises(ImageError, match="read-only"):
        images.set_zones(image, 5, "full")
    assert images.check(image) == []
    copy = tmp_path_factory.mktemp("copies") / "disk.img"
    images.snapshot(image, copy)
    images.open(copy).close()


def test_a_file_that_is_unlinked_serves_its_disk_until_it_is_closed(tmp_path: Path) -> None:
    image = create(tmp_path / "disk.img")
    lba = 5 * ZONE_BLOCKS
    with opened(image) as disk:
        assert write(disk, lba, block_of(1)).status == 0
        image.unlink()
        assert write(disk, lba + 1, block_of(2)).status == 0
        disk.sync()
        assert read(disk, lba, 2) == block_of(1) + block_of(2)
        create(image)
    assert images.zones(image)[5].condition == "empty", "the new image of that name was not touched"


def test_what_the_host_refuses_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = tmp_path / "disk.img"
    images.create(image, "64M", zone_size="8M", conventional=0)
    with images.open(image) as disk:
        last = disk.zones()[-1].start
        write = bytes([0x8A, 0, *last.to_bytes(8, "big"), *(8).to_bytes(4, "big"), 0, 0])
        disk.execute(bytes(6))
        with unwritable_files():
            senses = [disk.execute(write, bytes(8 * 512)).sense for _ in range(3)]
        until(lambda: bool(caplog.records))
    assert all(sense[2] == 3 for sense in senses)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("zonevm.image", "WARNING")
    assert f"cannot write '{image}'" in record.getMessage()
