"""The host's side of the guest's port for marks: whatever comes, in bounded memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm.errors import HostError, QemuError
from zonevm.guest import marks


@pytest.fixture
def taken() -> list[str]:
    return []


@pytest.fixture
def guest(tmp_path: Path, taken: list[str]) -> Iterator[socket.socket]:
    """The guest's end of the port."""

    def mark(text: str) -> None:
        if text == "full":
            raise HostError("no room\nat all")
        taken.append(text)

    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with marks.answered(path, mark):
            end, _ = listener.accept()
            end.settimeout(20)
            with end:
                yield end
    assert not [thread for thread in threading.enumerate() if thread.name == "zonevm-marks"]


def line(guest: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"\n"):
        got += guest.recv(1)
    return got


def test_each_mark_is_answered_once_it_is_taken(guest: socket.socket, taken: list[str]) -> None:
    for part in (b"fir", b"st\nsecond\nthi", b"rd\n\n", b"\xff\n"):
        guest.sendall(part)
    assert [line(guest) for _ in range(5)] == [b"ok\n"] * 5
    assert taken == ["first", "second", "third", "", "\ufffd"]


def test_one_that_is_not_taken_is_told_why(guest: socket.socket, taken: list[str]) -> None:
    guest.sendall(b"full\nnext\n")
    assert [line(guest), line(guest)] == [b"no room at all\n", b"ok\n"]
    assert taken == ["next"]


def test_a_mark_without_end_is_not_kept(guest: socket.socket, taken: list[str]) -> None:
    for _ in range(100):
        guest.sendall(b"x" * marks.LIMIT)
    guest.sendall(b"\nshort\n")
    assert [line(guest), line(guest)] == [b"a mark has at most 32768 bytes\n", b"ok\n"]
    assert taken == ["short"]


def test_no_port(tmp_path: Path) -> None:
    with (
        pytest.raises(QemuError, match="cannot reach the guest's port for marks"),
        marks.answered(tmp_path / "none", print),
    ):
        pass
