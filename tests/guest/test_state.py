"""Zone state and data outlive the guest, QEMU and zonevm itself, however they end."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from zonevm import Guest, images

pytestmark = pytest.mark.guest

ZONE = 16 * 2**20
CONVENTIONAL = 2
START = CONVENTIONAL * ZONE


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    images.create(path, size="512M", zone_size=ZONE, conventional=CONVENTIONAL)
    return path


def written(image: Path) -> int:
    """Bytes below the write pointers of the sequential zones, which fio fills one after the other."""
    total = 0
    seen_partial = False
    for zone in images.zones(image)[CONVENTIONAL:]:
        if zone.condition == "full":
            used = zone.length
        else:
            assert zone.write_pointer is not None
            used = zone.write_pointer - zone.start
        assert not (seen_partial and used), "a zone was written before the one in front of it was full"
        seen_partial = used < zone.length
        total += used * 512
    return total


def qemu_child(parent: int) -> int:
    """The process id of the QEMU that this zonevm started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = re.fullmatch(r"\d+ \((.*)\) (.*)", stat.read_text().strip(), re.S).groups()  # type: ignore[union-attr]
        except OSError:
            continue
        if name.startswith("qemu") and int(rest.split()[1]) == parent:
            return int(stat.parent.name)
    raise AssertionError(f"no QEMU below process {parent}")


def test_state_survives_a_clean_stop(image: Path, kernel: str) -> None:
    write = f"dd if=/dev/zero of=/dev/sda bs=64k count=4 seek={START // 65536} oflag=direct status=none"
    with Guest(disks=[f"smr,file={image}"], kernel=kernel) as guest:
        assert (
            guest.run(
                ["sh", "-c", f"{write} && blkzone finish -o {(START + ZONE) // 512} -c 1 /dev/sda"]
            ).returncode
            == 0
        )
    zones = images.zones(image)
    assert zones[CONVENTIONAL].condition == "closed", "open zones are closed by a power cycle"
    assert zones[CONVENTIONAL].write_pointer == zones[CONVENTIONAL].start + 512
    assert zones[CONVENTIONAL + 1].condition == "full"
    with Guest(disks=[f"smr,file={image}"], kernel=kernel) as guest:
        report = guest.run(["blkzone", "report", "/dev/sda"], check=True).stdout.decode().splitlines()
    assert "cl" in report[CONVENTIONAL]
    assert "fu" in report[CONVENTIONAL + 1]


def test_nothing_that_fio_saw_complete_is_lost_by_kill_9(image: Path, kernel: str, zonevm: list[str]) -> None:
    fio = (
        f"fio --name=w --filename=/dev/sda --direct=1 --bs=32k --offset={START}"
        " --verify=crc32c --verify_fatal=1 --thread"
    )
    running = subprocess.Popen(
        [
            *zonevm, "run", "--kernel", kernel, "--disk", f"smr,file={image}", "--",
            "sh", "-c", f"{fio} --rw=write --zonemode=zbd --size=400M --do_verify=0"
            " --status-interval=1 --output-format=json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert running.stdout is not None
    try:
        seen = 0
        until = time.monotonic() + 120
        while seen < 24 * 2**20:
            assert time.monotonic() < until, f"fio wrote {seen} bytes in two minutes"
            line = running.stdout.readline()
            assert line, "fio ended before it was killed"
            # of each status, the first io_bytes after "write" is what fio saw complete
            if b'"write"' in line:
                while b'"io_bytes"' not in line:
                    line = running.stdout.readline()
                seen = int(line.split(b":")[1].strip(b" ,\n"))
        qemu = qemu_child(running.pid)
        running.send_signal(signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):  # it dies with zonevm, as it should
            os.kill(qemu, signal.SIGKILL)
    finally:
        running.kill()
        running.wait()
        running.stdout.close()

    size = written(image)
    assert size >= seen
    with Guest(disks=[f"smr,file={image}"], kernel=kernel) as guest:
        done = guest.run(
            # not --verify_only: in a zoned mode fio resets the zones first, in another it may not write
            ["sh", "-c", f"{fio} --rw=read --size={size} --output-format=json"],
            timeout=240,
        )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    text = done.stdout.decode()
    report = json.loads(text[text.index("{") :])["jobs"][0]
    assert report["error"] == 0
    assert report["read"]["io_bytes"] >= seen
