"""Descriptors 0, 1 and 2 that were closed: no file gets their numbers, and a lost result is an error."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zonevm import images

ZONEVM = f'"{sys.executable}" -c "from zonevm.cli import main; main()"'
HEADER = 4096

HELD = """
import os, zonevm
os.write(7, " ".join(os.readlink(f"/proc/self/fd/{number}") for number in range(3)).encode())
"""

FAILS = """
import os, zonevm
for act in (lambda: os.read(0, 1), lambda: os.write(1, b"x"), lambda: os.write(2, b"x")):
    try:
        os.write(7, b"%d; " % act())
    except OSError as error:
        os.write(7, error.strerror.encode() + b"; ")
"""

IMAGE_STAYS = """
import os, sys
from zonevm import images
for number in range(3):
    os.close(number)
disk = images.open(sys.argv[1])
for number in range(3):
    try:
        os.write(number, b"x")
    except OSError:
        continue
    os._exit(1)
disk.close()
images.create(sys.argv[1] + ".new", size="64M", zone_size="1M")
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="1M")
    return path


def shell(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script, "bash", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def python(program: str, closed: str) -> str:
    """What ``program`` writes to descriptor 7, run with some of the first three closed."""
    script = f'exec "$1" -c "$2" 7>&1 </dev/null >/dev/null 2>/dev/null {closed}'
    return shell(script, sys.executable, program).stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_dev_null_is_opened_where_something_is_closed(closed: str) -> None:
    assert python(HELD, closed) == "/dev/null /dev/null /dev/null"


def test_a_closed_input_or_output_fails_and_messages_are_dropped() -> None:
    assert python(FAILS, "<&- >&- 2>&-") == "Bad file descriptor; Bad file descriptor; 1; "


def test_an_image_never_gets_a_number_of_the_standard_streams(image: Path) -> None:
    before = image.read_bytes()[:HEADER]
    assert subprocess.run([sys.executable, "-c", IMAGE_STAYS, image], timeout=60).returncode == 0
    assert image.read_bytes()[:HEADER] == before


@pytest.mark.parametrize(
    "verb",
    [
        "disk info $1",
        "disk info --json $1",
        "disk zones $1",
        "disk options",
        "--help",
        "serve --disk smr,file=$1",
    ],
)
def test_a_result_that_is_lost_is_an_error(image: Path, verb: str) -> None:
    before = image.read_bytes()[:HEADER]
    done = shell(f"{ZONEVM} {verb} >&-", image)
    assert done.returncode == 125
    assert "standard output: Bad file descriptor" in done.stderr
    assert "Traceback" not in done.stderr
    assert image.read_bytes()[:HEADER] == before


def test_messages_that_nobody_wants_are_dropped(image: Path) -> None:
    before = image.read_bytes()[:HEADER]
    script = f"exec {ZONEVM} serve --disk smr,file=$1 <&- 2>&-"
    with subprocess.Popen(
        ["bash", "-c", script, "bash", image], stdout=subprocess.PIPE, text=True
    ) as serving:
        assert serving.stdout is not None
        assert serving.stdout.readline().startswith("-m ")
        serving.send_signal(signal.SIGINT)
        assert serving.stdout.read() == ""
    assert serving.returncode == 0
    assert image.read_bytes()[:HEADER] == before
