"""A machine whose monitor is silent, or answers with garbage; in QEMU's place is another program."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm import QemuError
from zonevm.machine import machine as machine_module
from zonevm.machine import monitor as monitor_module
from zonevm.machine.machine import RunningMachine
from zonevm.service.rundir import RuntimeDir


@pytest.fixture
def silent_monitor(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "qmp.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


@pytest.fixture
def runtime() -> Iterator[RuntimeDir]:
    with RuntimeDir() as runtime:
        yield runtime


def test_it_stops_after_ctrl_c_while_it_connects(
    silent_monitor: Path, tmp_path: Path, runtime: RuntimeDir
) -> None:
    machine = RunningMachine(["sleep", "100"], silent_monitor, tmp_path, runtime)

    def interrupt(*_: object) -> None:
        # On a busy host the connection is not given up yet when it is to be closed.
        machine._monitor._loop.call_soon_threadsafe(time.sleep, 0.3)
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


VERSION = b'{"qemu": {"major": 9, "minor": 0, "micro": 0}, "package": ""}'
GREETING = b'{"QMP": {"version": %s, "capabilities": []}}\n' % VERSION
NO_QMP = {
    "no JSON": b"hello\n",
    "no UTF-8": b'{"\xff": 1}\n',
    "no object": b"[1]\n",
    "an abyss": b"[" * 200000 + b"\n",
    "a line without an end": b" " * (11 << 20),
    "an error of nothing": b'{"error": {}}\n',
}


@pytest.fixture
def monitor(tmp_path: Path, runtime: RuntimeDir) -> Iterator[tuple[RunningMachine, list[bytes]]]:
    """A machine, and what its monitor says: first of all, and for each line that it gets then."""
    path = tmp_path / "qmp.sock"
    says: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(says.pop(0))
            while connection.recv(1 << 16):  # a message each, without an end of line
                if says:
                    connection.sendall(says.pop(0))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        machine = RunningMachine(["sleep", "1000"], path, tmp_path, runtime)
        yield machine, says
        machine.stop()
        thread.join()


@pytest.mark.parametrize("name", NO_QMP)
def test_a_monitor_that_speaks_no_qmp_is_told(monitor: tuple[RunningMachine, list[bytes]], name: str) -> None:
    machine, says = monitor
    says += [GREETING, b'{"return": {}}\n', NO_QMP[name]]
    machine.connect()
    with pytest.raises(QemuError, match=r"answers with what is not QMP: .+"):
        machine.qmp("query-status")
    assert not machine.alive


def test_a_greeting_that_is_no_qmp_is_told_at_once(monitor: tuple[RunningMachine, list[bytes]]) -> None:
    machine, says = monitor
    says.append(b"220 mail.example.org ESMTP\n")
    with pytest.raises(QemuError, match="answers with what is not QMP"):
        machine.connect()


def test_events_are_not_kept(monitor: tuple[RunningMachine, list[bytes]]) -> None:
    machine, says = monitor
    event = (
        b'{"event": "RTC_CHANGE", "data": {"offset": 1}, "timestamp": {"seconds": 1, "microseconds": 1}}\n'
    )
    answer = b'{"return": {}, "id": "__qmp#00000"}\n'
    says += [GREETING, b'{"return": {}}\n', event * 100 + event.replace(b"RTC_CHANGE", b"SHUTDOWN") + answer]
    machine.connect()
    assert machine.qmp("query-status") == {}
    assert machine._monitor._client.events.empty()


def test_a_monitor_that_says_nothing_more_is_given_up(
    monitor: tuple[RunningMachine, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, says = monitor
    says += [GREETING, b'{"return": {}}\n']
    machine.connect()
    monkeypatch.setattr(monitor_module, "_COMMAND_SECONDS", 0.3)
    with pytest.raises(QemuError, match=r"refused the command stop: no answer in 0.3 s"):
        machine.qmp("stop")


def test_a_qemu_that_is_stopped_is_given_up(
    silent_monitor: Path, tmp_path: Path, runtime: RuntimeDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_module, "_CONNECT_SECONDS", 0.3)
    machine = RunningMachine(["sleep", "100"], silent_monitor, tmp_path, runtime)
    os.kill(machine.pid, signal.SIGSTOP)
    with pytest.raises(QemuError, match="does not answer on its monitor"):
        machine.connect()
    machine.stop()
