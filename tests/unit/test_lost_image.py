"""An image that is cut while it is used: the disk fails, and the process that uses it does not."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zonevm import images

_USE = """
import os, sys
from zonevm import SmrDisk, images

path, cut = sys.argv[1:]
other = images.temporary("/tmp", SmrDisk(size="16M", zone_size="1M"))
disk = images.open(path)
for each in (disk, other):
    while each.execute(bytes(6)).status:
        pass
print(disk.lost, flush=True)
os.truncate(path, 0)
if cut == "signal":
    os.kill(os.getpid(), 7)
read = bytes([0x88, *bytes(12), 8, 0, 0])
print(disk.execute(read, data_in_length=4096).sense[12:14].hex(), disk.lost)
print(other.execute(read, data_in_length=4096).status, other.lost)
disk.close()
print(disk.lost, os.path.getsize(path))
"""


def use(image: Path, cut: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", _USE, str(image), cut], capture_output=True, text=True
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    images.create(tmp_path / "disk.img", size="16M", zone_size="1M")
    return tmp_path / "disk.img"


def test_the_process_and_its_other_disks_go_on(image: Path) -> None:
    done = use(image)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["False", "4400 True", "0 False", "True 0"]


def test_a_signal_that_is_not_of_a_mapping_is_what_it_was(image: Path) -> None:
    done = use(image, "signal")
    assert done.returncode == -signal.SIGBUS
    assert "Fatal Python error: Bus error" in done.stderr
