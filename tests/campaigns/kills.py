"""kill -9 in the middle of a write: nothing that fio saw complete is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

from zonevm import Guest, SmrShape, ZnsShape, images

ZONE = 16 * 2**20
CONVENTIONAL = 2
START = CONVENTIONAL * ZONE
ACTIVE = 4
SHAPES = {
    "smr": SmrShape(size="512M", zone_size=ZONE, conventional=CONVENTIONAL),
    "zns": ZnsShape(size="512M", zone_size=ZONE, zone_capacity="15M", max_open=ACTIVE, max_active=ACTIVE),
}
NODES = {"smr": "/dev/sda", "zns": "/dev/nvme0n1"}
VICTIMS = ("both", "zonevm", "QEMU")


def make(image: Path, kind: str = "smr") -> None:
    """Create the disk's image."""
    images.create_as(image, SHAPES[kind])


def kill(
    image: Path, kernel: str, zonevm: list[str], at_least: int, *, kind: str = "smr", victim: str = "both"
) -> None:
    """Kill zonevm, QEMU or both once fio has seen ``at_least`` bytes complete; then all of them are there."""
    start = START if kind == "smr" else 0
    fio = (
        f"fio --name=w --filename={NODES[kind]} --direct=1 --bs=32k --offset={start}"
        " --verify=crc32c --verify_fatal=1 --thread"
    )
    running = subprocess.Popen(
        [
            *zonevm, "run", "--kernel", kernel, "--disk", f"{kind},file={image}", "--",
            "sh", "-c", f"{fio} --rw=write --zonemode=zbd --size=400M --do_verify=0"
            " --status-interval=1 --output-format=json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert running.stdout is not None
    try:
        seen = 0
        while seen < at_least:
            line = running.stdout.readline()
            assert line, "fio ended before it was killed"
            # of each status, the first io_bytes after "write" is what fio saw complete
            if b'"write"' in line:
                while b'"io_bytes"' not in line:
                    line = running.stdout.readline()
                seen = int(line.split(b":")[1].strip(b" ,\n"))
        qemu = qemu_below(running.pid)
        if victim != "QEMU":
            running.send_signal(signal.SIGKILL)
        if victim != "zonevm":
            with contextlib.suppress(ProcessLookupError):  # it dies with zonevm, as it should
                os.kill(qemu, signal.SIGKILL)
        running.wait()
    finally:
        running.kill()
        running.wait()
        running.stdout.close()

    size = written(image, kind)
    assert size >= seen
    with Guest(disks=[f"{kind},file={image}"], kernel=kernel) as guest:
        done = guest.run(
            # not --verify_only: in a zoned mode fio resets the zones first, in another it may not write
            ["sh", "-c", f"{_reading(fio, kind, size)} --output-format=json"],
        )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")
    text = done.stdout.decode()
    report = json.loads(text[text.index("{") :])["jobs"][0]
    assert report["error"] == 0
    assert report["read"]["io_bytes"] >= seen


def _reading(fio: str, kind: str, size: int) -> str:
    """The command that reads ``size`` bytes of data: where zones have a capacity, fio has to know zones."""
    if kind == "smr":
        return f"{fio} --rw=read --size={size}"
    return f"{fio} --rw=read --zonemode=zbd --size=400M --io_size={size}"


def written(image: Path, kind: str = "smr") -> int:
    """Bytes below the write pointers of the sequential zones, which fio fills one after the other.

    No more zones are active than may be.
    """
    total = 0
    seen_partial = False
    info = images.info(image)
    zones = [zone for zone in info["zones"] if not zone.conventional]
    active = sum(zone.condition not in ("empty", "full") for zone in zones)
    assert kind == "smr" or active <= ACTIVE
    for zone in zones:
        if zone.condition == "full":
            used = zone.length
        else:
            assert zone.write_pointer is not None
            used = zone.write_pointer - zone.start
        assert not (seen_partial and used), "a zone was written before the one in front of it was full"
        seen_partial = used < zone.length
        total += used * info["block_size"]
    return total


def qemu_below(ancestor: int) -> int:
    """The process id of the QEMU that this zonevm had its keeper start."""
    for pid in below(ancestor):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("qemu"):
                return pid
    raise AssertionError(f"no QEMU below process {ancestor}")


def below(ancestor: int) -> list[int]:
    """The processes below one."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(") ")[2].split()[1])
    found, last = [], [ancestor]
    while last:
        last = [pid for pid, parent in parents.items() if parent in last]
        found += last
    return found
