"""A matrix in real guests: two disks, and what comes of a workload on them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.guest

MATRIX = """
memory = "512M"
[kernels]
one = "KERNEL"
[disks]
smr = "smr,size=256M,zone-size=64M,conv=1"
large-blocks = "smr,size=256M,zone-size=64M,conv=1,block-size=4K"
[workloads]
in-512 = "[ $(blockdev --getss /dev/sda) = 512 ]"
"""


def test_a_matrix_of_guests(kernel: str, zonevm: list[str], tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MATRIX.replace("KERNEL", kernel))
    done = subprocess.run(
        [*zonevm, "matrix", "m.toml", "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 1, done.stderr
    assert {row["disk"]: row["exit_code"] for row in json.loads(done.stdout)} == {"smr": 0, "large-blocks": 1}
    assert "zonevm: one/large-blocks/in-512: exit code 1" in done.stderr
    report = (tmp_path / "zonevm-matrix-1/report.ktap").read_text().splitlines()
    assert report[-1] == "not ok 2 one/large-blocks/in-512 # exit code 1"
