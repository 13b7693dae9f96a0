"""Disks of `serve` added to a running guest and removed from it, by QMP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm import Guest, UsageError

pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]

ZONEVM = [sys.executable, "-c", "from zonevm.cli import main; main()"]


class Monitor:
    """A QMP connection, as a script has it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile()
        self._lines.readline()
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: object) -> None:
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        self.await_answer("return")

    def await_answer(self, key: str, value: object = None) -> None:
        for line in self._lines:
            answer = json.loads(line)
            assert "error" not in answer, line
            if key in answer and value in (None, answer[key]):
                return

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Path]:
    """The socket of a served disk."""
    path = tmp_path / "disk.sock"
    disk = f"smr,size=1G,zone-size=64M,file={tmp_path}/disk.img"
    with subprocess.Popen(
        [*ZONEVM, "serve", "--socket", str(path), "--disk", disk], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout and server.stdout.readline()
        yield path
        server.terminate()


def test_a_served_disk_is_added_and_removed(kernel: str, serving: Path, tmp_path: Path) -> None:
    qmp = tmp_path / "qmp"
    with Guest(kernel=kernel, qmp=qmp) as guest:
        monitor = Monitor(qmp)
        for port in ("spare0", "spare3"):
            address = {"type": "unix", "data": {"path": str(serving)}}
            backend = {"type": "socket", "data": {"addr": address, "server": False}}
            monitor.execute("chardev-add", id="hot", backend=backend)
            monitor.execute("device_add", driver="vhost-user-scsi-pci", id="hot", chardev="hot", bus=port)
            guest.run("until [ -e /sys/block/sd? ]; do sleep 0.1; done", timeout=300, check=True)
            guest.run(
                "for disk in /dev/sd?; do blkzone reset $disk &&"
                " dd if=/dev/urandom of=$disk bs=1M count=1 oflag=direct && blkzone report -c 1 $disk; done",
                check=True,
            )
            monitor.execute("device_del", id="hot")
            monitor.await_answer("event", "DEVICE_DELETED")
            monitor.execute("chardev-remove", id="hot")
            guest.run("while [ -e /sys/block/sd? ]; do sleep 0.1; done", timeout=300, check=True)
        monitor.close()
    assert not qmp.exists()


def test_what_is_not_a_socket_is_not_replaced(kernel: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    with socket.socket(socket.AF_UNIX) as used:
        used.bind(str(tmp_path / "used"))
        used.listen(1)
        for path, words in (
            (file, "is not a socket"),
            (tmp_path / "used", "in use by another process"),
            (tmp_path / "no/qmp", "there is no directory"),
            (tmp_path / ("x" * 110), "too long for a socket"),
        ):
            with pytest.raises(UsageError, match=words):
                Guest(kernel=kernel, qmp=path).start()
    assert file.read_text() == "mine"
