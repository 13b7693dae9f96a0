"""Random operations on file systems: what was synced is there after a power cut, unless the disk lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaigns import file_systems

pytestmark = pytest.mark.guest


@pytest.mark.timeout(900)
def test_a_file_system_keeps_what_was_synced(kernel: str, tmp_path: Path) -> None:
    report = file_systems.trial("btrfs-smr", 1, 3, kernel, tmp_path / "kept")
    assert report.results
    assert [(result.output, report.again(result)) for result in report.failed] == []


@pytest.mark.timeout(900)
def test_a_disk_that_lies_is_found(kernel: str, tmp_path: Path) -> None:
    report = file_systems.trial("ext4-nvme", 1, 1, kernel, tmp_path / "kept", lies=True)
    assert report.failed
