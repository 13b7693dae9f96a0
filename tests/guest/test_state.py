"""Zone state and data outlive the guest, QEMU and zonevm itself, however they end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns.kills import CONVENTIONAL, START, ZONE, kill, make
from zonevm import Guest, images

pytestmark = pytest.mark.guest


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    make(path)
    return path


def test_state_survives_a_clean_stop(image: Path, kernel: str) -> None:
    write = f"dd if=/dev/zero of=/dev/sda bs=64k count=4 seek={START // 65536} oflag=direct status=none"
    with Guest(disks=[f"smr,file={image}"], kernel=kernel) as guest:
        assert (
            guest.run(
                ["sh", "-c", f"{write} && blkzone finish -o {(START + ZONE) // 512} -c 1 /dev/sda"]
            ).returncode
            == 0
        )
    zones = images.zones(image)
    assert zones[CONVENTIONAL].condition == "closed", "open zones are closed by a power cycle"
    assert zones[CONVENTIONAL].write_pointer == zones[CONVENTIONAL].start + 512
    assert zones[CONVENTIONAL + 1].condition == "full"
    with Guest(disks=[f"smr,file={image}"], kernel=kernel) as guest:
        report = guest.run(["blkzone", "report", "/dev/sda"], check=True).stdout.decode().splitlines()
    assert "cl" in report[CONVENTIONAL]
    assert "fu" in report[CONVENTIONAL + 1]


@pytest.mark.parametrize(("kind", "victim"), [("smr", "both"), ("zns", "zonevm"), ("zns", "QEMU")])
def test_nothing_that_fio_saw_complete_is_lost_by_kill_9(
    tmp_path: Path, kernel: str, zonevm: list[str], kind: str, victim: str
) -> None:
    image = tmp_path / "disk.img"
    make(image, kind)
    kill(image, kernel, zonevm, at_least=24 * 2**20, kind=kind, victim=victim)
