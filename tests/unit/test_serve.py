"""`zonevm serve` without a guest: what it prints, how it ends, and that nothing is left."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zonevm import images
from zonevm.cli import execute
from zonevm.trace import raw_file, summarize

SERVE = [sys.executable, "-c", "from zonevm.cli import main; main()", "serve"]
SOON = 10


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sockets go: empty again after the test."""
    path = tmp_path / "r"
    path.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    yield path
    end = time.monotonic() + SOON
    while list(path.iterdir()):
        assert time.monotonic() < end, list(path.iterdir())
        time.sleep(0.02)


def serving(*options: object) -> subprocess.Popen[str]:
    return subprocess.Popen([*SERVE, *map(str, options)], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_serves_until_it_is_told_to_end(runtime: Path, tmp_path: Path, number: signal.Signals) -> None:
    image = tmp_path / "disk.img"
    disks = ("--disk", f"smr,size=4G,file={image}", "--disk", "zns,via=qemu,size=1G")
    with serving(*disks, "--memory", "2G") as server:
        assert server.stdout
        words = shlex.split(server.stdout.readline())
        assert words[:6] == [
            *("-m", "2048M", "-object", "memory-backend-memfd,id=zonevm-memory,size=2147483648,share=on"),
            *("-machine", "memory-backend=zonevm-memory"),
        ]
        (path,) = runtime.glob("*/smr0.sock")
        assert f"socket,id=smr0-socket,path={path}" in words
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        server.send_signal(number)
        assert server.wait(SOON) == (-9 if number == signal.SIGKILL else 0)
    with images.open(image):
        pass


def test_once_ends_with_its_client_and_refuses_a_second(
    runtime: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s"
    with serving("--once", "--socket", path, "--disk", "smr,size=1G", "--disk", "smr,size=2G") as server:
        assert server.stdout
        assert server.stdout.readline().count("vhost-user-scsi-pci") == 1
        with socket.socket(socket.AF_UNIX) as client, socket.socket(socket.AF_UNIX) as second:
            client.connect(str(path))
            client.sendall(struct.pack("=3I", 1, 1, 0))  # GET_FEATURES
            assert len(client.recv(20)) == 20
            second.connect(str(path))
            assert second.recv(1) == b""
            with pytest.raises(subprocess.TimeoutExpired):
                server.wait(0.5)
        assert server.wait(SOON) == 0
    assert not path.exists()
    assert "zonevm: a second QEMU was refused" in capfd.readouterr().err


def test_disks_that_are_served_are_listed_and_lose_their_cache(
    runtime: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s"
    disk = "smr,size=1G,cache=volatile"
    with serving("--socket", path, "--disk", disk) as server:
        assert server.stdout
        server.stdout.readline()
        assert execute(["list", "--json"]) == 0
        listed = [{"run": server.pid, "disks": [disk], "command": "serve"}]
        assert json.loads(capfd.readouterr().out) == listed
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            wait_for(lambda: execute(["power-cut"]) == 2)
            assert "a QEMU uses these disks" in capfd.readouterr().err
        wait_for(lambda: execute(["power-cut"]) == 0)
        assert "disk 0: nothing was lost" in capfd.readouterr().out
        server.terminate()
        assert server.wait(SOON) == 0


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_traces_and_explains_until_it_is_told_to_end(runtime: Path, tmp_path: Path) -> None:
    trace, said = tmp_path / "trace", tmp_path / "said"
    options = ["--explain", "--trace", trace, "--disk", "smr,size=1G"]
    with said.open("w") as stderr:
        argv = [*SERVE, *map(str, options)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=stderr) as server:
            assert server.stdout
            server.stdout.readline()
            assert raw_file(trace).exists()
            server.terminate()
            assert server.wait(SOON) == 0
    assert "the emulated disks failed no command" in said.read_text()
    assert summarize(trace).count == 0


def test_the_commands_of_a_dry_run_serve_it(runtime: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = runtime.parent / "my disk.img"
    with serving("--export", "libvirt", "--disk", f"smr,size=1G,file={image}") as server:
        assert server.stdout
        assert server.stdout.readline() == "<memoryBacking>\n"
        server.terminate()
        rest = server.stdout.read()
    assert "<qemu:commandline " in rest
    assert execute(["serve", "--disk", f"smr,size=2G,file={image}"]) == 125
    assert "was created with size=1G" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--disk", "zns,via=qemu,size=1G", "--once"], 2, "--once needs an emulated disk"),
        (["--disk", "zns,via=qemu,size=1G", "--socket", "s"], 2, "a zns disk is not served on a socket"),
        (["--disk", "smr,size=1G", "--memory", "1000"], 2, "--memory 1000 is not whole MiB"),
        (["--disk", "smr,size=1G", "--socket", "x" * 120], 125, "at most 107"),
        (["--disk", "smr,size=1G", "--socket", "/proc/s"], 125, "/proc/s"),
        ([], 2, "--disk"),
    ],
)
def test_a_mistake_is_told(
    runtime: Path, options: list[str], code: int, word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert execute(["serve", *options]) == code
    out, err = capfd.readouterr()
    assert word in err
    assert not out
