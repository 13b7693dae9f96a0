"""Panics that do not end the machine: a capture kernel runs afterwards, or nothing does."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from zonevm import Guest, GuestPanicError
from zonevm.guest import find
from zonevm.kernel import initramfs
from zonevm.kernel.initramfs import Entry
from zonevm.machine import panic

pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir /proc
/bin/busybox mount -t proc proc /proc
/bin/busybox ls -l /proc/vmcore > /dev/console
echo the dump is done > /dev/console
/bin/busybox reboot -f
"""
CRASH = "echo c > /proc/sysrq-trigger"


def test_a_capture_kernel_may_finish(kernel: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = tmp_path / "capture.cpio"
    archive.write_bytes(
        initramfs.newc(
            [
                Entry("bin", 0o40755),
                Entry("dev", 0o40755),
                Entry("bin/busybox", 0o100755, Path("/bin/busybox").read_bytes()),
                Entry("init", 0o100755, INIT.encode()),
            ]
        )
    )
    load = (
        f"kexec -p {find(kernel).image} --initrd={archive} "
        "--append='console=ttyS0 nr_cpus=1 reset_devices no_timer_check panic=-1'"
    )
    guest = Guest(kernel=kernel, append="crashkernel=256M", memory="1G")
    with guest, caplog.at_level(logging.WARNING):
        guest.run(load, check=True)
        with pytest.raises(GuestPanicError, match="sysrq triggered crash") as caught:
            guest.run(CRASH)
        assert "panicked: sysrq triggered crash. The machine runs on" in caplog.text
        console = guest.console()
    assert "/proc/vmcore" in console
    assert "the dump is done" in console
    assert caught.value.exit_code == 125
    assert "the dump is done" not in caught.value.console


def test_a_machine_that_stands_still_after_a_panic_ends(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panic, "_STILL_SECONDS", 3)
    with Guest(kernel=kernel) as guest, pytest.raises(GuestPanicError, match="sysrq triggered crash"):
        guest.run(f"echo 0 > /proc/sys/kernel/panic && {CRASH}")
