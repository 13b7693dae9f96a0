"""An iSCSI LUN, of a real target on this host, that QEMU itself connects to."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm import Guest
from zonevm.host import cache_dir, find_qemu

pytestmark = pytest.mark.guest

TOOLS = Path(__file__).parents[2] / "tools"
NAME = "iqn.2026-01.org.example:disk"


@pytest.fixture(scope="module")
def unpacked() -> Path:
    """A root with tgt, QEMU's iSCSI driver and their libraries in it."""
    directory = cache_dir() / "tests/iscsi"
    subprocess.run([TOOLS / "iscsi-target", directory], check=True)
    return directory / "root"


@pytest.fixture
def libraries(unpacked: Path) -> Path:
    return next(unpacked.rglob("qemu/block-iscsi.so")).parents[1]


@pytest.fixture
def qemu(libraries: Path, tmp_path: Path) -> str:
    """This host's QEMU with its iSCSI driver, which is not installed."""
    program = tmp_path / "qemu"
    environment = f"LD_LIBRARY_PATH={libraries} QEMU_MODULE_DIR={libraries}/qemu"
    program.write_text(f'#!/bin/sh\n{environment} exec {shlex.quote(str(find_qemu().path))} "$@"\n')
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def lun(unpacked: Path, libraries: Path, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a LUN, and the file behind it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        portal = f"127.0.0.1:{free.getsockname()[1]}"
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(64 * 2**20))
    control = tmp_path / "control"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries), "TGT_IPC_SOCKET": str(control)}
    target = subprocess.Popen(
        [unpacked / "usr/sbin/tgtd", "-f", "--iscsi", f"portal={portal}"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )

    def admin(words: str) -> None:
        program = unpacked / "usr/sbin/tgtadm"
        subprocess.run([program, "--lld", "iscsi", *words.split()], env=environment, check=True)

    try:
        until = time.monotonic() + 30
        while not control.with_name("control.0").exists():
            assert target.poll() is None, "tgtd ended"
            assert time.monotonic() < until, "tgtd has made no control socket"
            time.sleep(0.05)
        admin(f"--mode target --op new --tid 1 -T {NAME}")
        admin(f"--mode logicalunit --op new --tid 1 --lun 1 -b {disk}")
        admin("--mode target --op bind --tid 1 -I ALL")
        yield f"iscsi://{portal}/{NAME}/1", disk
    finally:
        target.kill()
        target.wait()


def test_a_lun_by_scsi_generic(kernel: str, qemu: str, lun: tuple[str, Path]) -> None:
    address, file = lun
    with Guest(disks=[address], kernel=kernel, qemu=qemu) as guest:
        listed = guest.run(["lsscsi", "-g"], check=True).text
        assert "disk    IET      VIRTUAL-DISK" in listed
        guest.run("printf 'written by the guest' | dd of=/dev/sda bs=512 conv=sync oflag=direct", check=True)
        assert [str(check) for check in guest.verify()] == [f"PASS /dev/sda: disk {address},via=scsi-generic"]
    with file.open("rb") as data:
        assert data.read(20) == b"written by the guest"
