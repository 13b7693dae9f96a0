"""The examples: each right variant passes in all states, each planted bug is found, on SMR and on ZNS."""

from __future__ import annotations

from pathlib import Path

import pytest

from zonevm.crash import explore

pytestmark = pytest.mark.guest

STORE = Path(__file__).parents[2] / "examples/append-only-store"
DISKS = {"/dev/sda": "smr,size=256M,zone-size=16M,conv=1", "/dev/nvme0n1": "zns,size=256M,zone-size=16M"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("device", "bug", "told"),
    [
        ("/dev/sda", "", ""),
        ("/dev/sda", "ignore-write-pointer", "another record cannot be stored"),
        ("/dev/nvme0n1", "", ""),
        ("/dev/nvme0n1", "no-fsync", "was stored, and is lost"),
    ],
)
def test_append_only_store(device: str, bug: str, told: str, kernel: str, tmp_path: Path) -> None:
    bugs = [bug] if bug else []
    report = explore(
        [DISKS[device]],
        work=["python3", "work.py", device, *bugs],
        check=["python3", "check.py", device, *bugs],
        cwd=STORE,
        directory=tmp_path / "kept",
        states=4,
        points=4,
        guests=1,
        kernel=kernel,
    )
    assert report.results
    if bug:
        assert any(told in result.output for result in report.failed)
    else:
        assert [(result.output, report.again(result)) for result in report.failed] == []
