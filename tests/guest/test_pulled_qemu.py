"""Guests on a QEMU that was pulled: named, and taken by itself for a disk that the host's cannot have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zonevm import Guest
from zonevm.cli import execute
from zonevm.host import find_qemu

pytestmark = pytest.mark.guest

TRY = "dd if=/dev/zero of=/dev/sda bs=1M count=4 oflag=direct status=none && blkzone report -c 1 /dev/sda"


def test_a_guest_on_a_qemu_that_was_pulled(kernel: str) -> None:
    disks = ["smr,size=1G,zone-size=64M", "zns,size=1G,zone-size=64M", "plain,size=100M"]
    with Guest(qemu="pulled", disks=disks, kernel=kernel, net="user") as guest:
        assert guest.qemu_command[0] == str(find_qemu("pulled").path)
        assert [str(check) for check in guest.verify() if not str(check).startswith("PASS")] == []
        done = guest.run(TRY, check=True)
        assert "wptr 0x002000" in done.text


def test_it_is_taken_by_itself_where_a_disk_needs_it(
    kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "qemu-system-x86_64"
    own.write_text("#!/bin/sh\necho QEMU emulator version 7.1.0\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    disk = ["--disk", "smr,size=1G,zone-size=64M"]
    assert execute(["run", "--kernel", kernel, *disk, "--", "sh", "-c", TRY]) == 0
    said = capfd.readouterr()
    assert "wptr 0x002000" in said.out
    assert f"zonevm: using the pulled QEMU, since {own} is QEMU 7.1; " in said.err
