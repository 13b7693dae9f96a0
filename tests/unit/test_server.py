"""The vhost-user-scsi server as Python sees it: its socket's life, its errors, its disks."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from zonevm._core import CoreError, Disk, Server
from zonevm.disks import SmrShape


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk.img"
    Disk.create(path, SmrShape("16M", "1M", 1, 4096))
    with Disk.open(path) as disk:
        yield disk


def test_the_socket_lives_as_long_as_the_server(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "socket"
    with Server(path, [disk], queues=2) as server:
        assert path.is_socket()
        assert path.stat().st_mode & 0o777 == 0o600
        assert server.last_error is None
        server.stop()
        assert not path.exists()
        server.stop()
    assert server.last_error is None


def test_the_last_error_outlives_the_server(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "socket"
    with Server(path, [disk]) as server, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"this is not a vhost-user message" * 10)
        with suppress(ConnectionResetError):
            assert client.recv(1) == b""
    assert server.last_error


def test_clients_are_counted_when_they_leave(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "socket"
    with Server(path, [disk]) as server:
        for left in range(3):
            assert server.clients_gone == left
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(struct.pack("=3I", 1, 1, 0))  # GET_FEATURES
                assert len(client.recv(20)) == 20
                assert server.clients_gone == left
            while server.clients_gone == left:
                time.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(path))
    assert server.clients_gone == 3
    assert server.clients_refused == 0


def test_a_second_client_is_refused(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "socket"
    with (
        Server(path, [disk]) as server,
        socket.socket(socket.AF_UNIX) as first,
        socket.socket(socket.AF_UNIX) as second,
    ):
        first.connect(str(path))
        second.settimeout(60)
        while not server.connected:
            time.sleep(0.01)
        second.connect(str(path))
        assert second.recv(1) == b""
        assert server.clients_refused == 1
    assert server.clients_refused == 1


def test_a_served_disk_keeps_its_image_until_the_server_stops(tmp_path: Path, disk: Disk) -> None:
    image = tmp_path / "disk.img"
    with Server(tmp_path / "socket", [disk]):
        disk.close()
        with pytest.raises(CoreError, match="in use by this process"):
            Disk.open(image)
    Disk.open(image).close()


@pytest.mark.parametrize(
    ("name", "queues", "kind"),
    [
        pytest.param("x" * 120, 1, "invalid", id="path too long"),
        pytest.param("disk.img", 1, "exists", id="no socket"),
        pytest.param("no/socket", 1, "not-found", id="no directory"),
        pytest.param("socket", 0, "invalid", id="no queues"),
    ],
)
def test_a_wrong_request_is_explained(tmp_path: Path, disk: Disk, name: str, queues: int, kind: str) -> None:
    with pytest.raises(CoreError) as caught:
        Server(tmp_path / name, [disk], queues)
    assert caught.value.kind == kind
    assert caught.value.message


def test_a_closed_disk_cannot_be_served(tmp_path: Path, disk: Disk) -> None:
    disk.close()
    with pytest.raises(CoreError, match="closed"):
        Server(tmp_path / "socket", [disk])
