"""A machine that is interrupted; in QEMU's place is a program with a monitor that never says a word."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm.guest.machine import RunningMachine


@pytest.fixture
def silent_monitor(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "qmp.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


def test_it_stops_after_ctrl_c_while_it_connects(silent_monitor: Path, tmp_path: Path) -> None:
    machine = RunningMachine(["sleep", "100"], silent_monitor, tmp_path)

    def interrupt(*_: object) -> None:
        # On a busy host the connection is not given up yet when it is to be closed.
        machine._loop.call_soon_threadsafe(time.sleep, 0.3)
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            machine.connect()
    finally:
        machine.stop()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert not machine.alive
