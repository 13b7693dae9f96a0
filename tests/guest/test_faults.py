"""Every fault, and what a guest's kernel makes of it: its errno, its log, the sense data behind them."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.waiting import until
from zonevm import Guest, SmrDisk, ZonevmError, images

from .scsi import GOOD, Scsi, Sense

pytestmark = [pytest.mark.guest, pytest.mark.loaded]

ZONE = 2048  # blocks of 512 bytes
ZONES = 64
WRITTEN = 8  # blocks at the start of each zone
RESET = "blkzone reset -o {start} -c 1 {disk}"
REPORT = "blkzone report -o {start} -c 1 {disk}"
READ = "dd if={disk} of=/dev/null bs=4096 count=1 skip={block} iflag=direct status=none"
WRITE = "dd if=/dev/zero of={disk} bs=4096 count=1 seek={next} oflag=direct status=none"
LOOK = "dd if={disk} bs=4096 count=1 skip={block} iflag=direct status=none | od -An -v -tx1 | tr -d ' 0\\n'"


class Case(NamedTuple):
    """A fault of zone ``zone``; a command there, and what comes of it.

    ``error``: the errno that the command shows, 0 for none. ``log``: what the kernel logs, where it says
    something. ``output``: what the command prints.
    """

    zone: int
    fault: str
    command: str
    error: int
    log: str = ""
    output: str = ""


DISK = re.compile(r"\bsda\b|\bsd \d|scsi|blk_|I/O error")
MEDIUM = r"critical medium error, dev sda, sector {start} op 0x0:\(READ\)"
TARGET = r"critical target error, dev sda, sector \d+ op {op}"
CASES = [
    Case(5, "read-error", READ, errno.ENODATA, "Unrecovered read error"),
    Case(6, "read-error", READ, errno.ENODATA, MEDIUM),
    Case(7, "write-error", WRITE, errno.EIO, "Peripheral device write fault"),
    Case(8, "aborted,count=1", READ, 0),  # Linux tries again
    Case(9, "aborted", READ, errno.EIO, "Sense Key : Aborted Command"),
    Case(10, "busy,count=2", READ, 0),  # likewise, without counting
    Case(11, "unit-attention,count=1", READ, 0, "Power-on or device reset occurred"),
    Case(12, "unit-attention,asc=0x2a,ascq=0x01,count=1", READ, 0, "Mode parameters changed"),
    Case(13, "no-zone-resources", WRITE, errno.ETOOMANYREFS, "Insufficient zone resources"),
    Case(14, "delay,milliseconds=500", READ, 0),
    Case(15, "bit-flip,seed=3", LOOK, 0, output=r"[1248]\n?"),
    Case(16, "reset-recommended", REPORT, 0, output=r".* reset:1 .* 4\(cl\)"),
    Case(16, "reset-recommended", f"{RESET}; {REPORT}", 0, output=r".* reset:0 .* 1\(em\)"),
    Case(17, "read-only", REPORT, 0, output=r".* zcond:13\(ro\)"),
    Case(17, "read-only", READ, 0),
    Case(17, "read-only", WRITE, errno.EREMOTEIO, "Zone is read only"),
    Case(17, "read-only", RESET, errno.EREMOTEIO, TARGET.format(op=r"0x[0-9a-f]+:\(ZONE_RESET\)")),
    Case(18, "offline", REPORT, 0, output=r".* zcond:15\(of\)"),
    Case(18, "offline", READ, errno.EREMOTEIO, "Zone is offline"),
    Case(18, "offline", WRITE, errno.EREMOTEIO, "Zone is offline"),
    Case(18, "offline", RESET, errno.EREMOTEIO, "Zone is offline"),
]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faults") / "disk.img"
    images.create(path, size=ZONES * ZONE * 512, zone_size=ZONE * 512, conventional=4, max_open=32)
    return path


@pytest.fixture(scope="module")
def guest(kernel: str, image: Path) -> Iterator[Guest]:
    """A guest whose disk's zones hold a block each, and are closed."""
    with Guest(disks=[SmrDisk(file=image)], kernel=kernel) as guest:
        guest.run(
            f"for zone in $(seq 4 34); do"
            f" dd if=/dev/zero of=/dev/sda bs=4096 count=1 seek=$((zone * {ZONE // 8})) oflag=direct;"
            f" blkzone close -o $((zone * {ZONE})) -c 1 /dev/sda; done",
            check=True,
        )
        yield guest


def places(zone: int | None) -> dict[str, object]:
    """What commands are filled in with."""
    assert zone is not None
    start = zone * ZONE
    return {"disk": "/dev/sda", "start": start, "block": start // 8, "next": start // 8 + 1}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.fault}:{case.command.split()[0]}")
def test_what_the_kernel_shows(guest: Guest, case: Case) -> None:
    guest.run("dmesg -C", check=True)
    kind, *options = case.fault.split(",")
    injected = guest.faults.inject(",".join((kind, f"zone={case.zone}", *options)))
    begun = time.monotonic()
    done = guest.run("export LC_ALL=C; " + case.command.format(**places(case.zone)))
    took = time.monotonic() - begun
    (found,) = guest.faults
    injected.remove()
    if case.error:
        assert done.returncode
        assert os.strerror(case.error) in done.error_text
    else:
        assert (done.returncode, done.error_text) == (0, "")
    assert re.match(case.output, done.text.strip())
    # A busy host has the kernel complain of stalls, too.
    log = "\n".join(filter(DISK.search, guest.run("dmesg", check=True).text.splitlines()))
    assert re.search(case.log.format(**places(case.zone)) if case.log else "^$", log), log
    assert found.fired >= 1
    if kind == "delay":
        assert took >= 0.5


def test_the_sense_data_behind_it(guest: Guest) -> None:
    disk = Scsi(guest, "/dev/sda", ZONE)
    start, lba = disk.zone(20), disk.zone(20) + 3
    faults = guest.faults
    faults.inject(f"read-error,lba={lba}")
    answer = disk.read16(start, 8)
    assert answer.sense == Sense(3, 0x11, 0)
    assert re.search(rf"Info fld=0x{lba:x}", answer.text), answer.text
    faults.clear()
    for fault, sense in [
        ("write-error,zone=20,count=1", Sense(3, 3, 0)),
        ("aborted,zone=20,count=1", Sense(0xB, 0, 0)),
        ("unit-attention,zone=20,count=1", Sense(6, 0x29, 0)),
        ("no-zone-resources,zone=20,count=1", Sense(7, 0x55, 0xE)),
    ]:
        faults.inject(fault)
        assert disk.write16(start + WRITTEN, 8) == sense, fault
    faults.clear()
    # Not one of them has moved the write pointer.
    assert disk.zones(start)[0].write_pointer == start + WRITTEN
    # Of BUSY nothing is seen but that the kernel tries again.
    faults.inject("busy,command=test-unit-ready,count=1")
    assert disk.raw(bytes(6)).sense is GOOD
    assert [(one.matched, one.fired) for one in faults] == [(2, 1)]
    faults.clear()


@contextmanager
def stuck(guest: Guest, *faults: str) -> Iterator[None]:
    """Have a command meet each fault, and hang; all are over when the guest is reset or stopped in here."""
    threads = []

    def read(zone: int | None) -> None:
        with pytest.raises(ZonevmError):
            guest.run(READ.format(**places(zone)))

    def struck(zone: int | None) -> bool:
        return any(one.fired for one in guest.faults if one.fault.zone == zone)

    for fault in faults:
        zone = guest.faults.inject(fault).fault.zone
        threads.append(threading.Thread(target=read, args=(zone,)))
        threads[-1].start()
        until(partial(struck, zone))
    yield
    for thread in threads:
        thread.join()


def test_a_command_without_an_answer_hangs_and_the_guest_reboots(guest: Guest) -> None:
    with stuck(guest, "no-answer,zone=30,count=1"):
        # The disk goes on; only that command never ends.
        guest.run(READ.format(**places(31)), check=True)
        assert re.search(r"\(dd\) D", guest.run("cat /proc/[0-9]*/stat", check=True).text)
        guest.reboot()
    guest.run(READ.format(**places(30)), check=True)


def test_neither_a_delay_nor_a_lost_command_keeps_a_guest_from_ending(guest: Guest, image: Path) -> None:
    # In this order: the delay holds up what is behind it on the disk's one queue. It is of an hour.
    with stuck(guest, "no-answer,zone=33", "delay,zone=32,milliseconds=3600000"):
        guest.stop(sync=False)
    # What failed for good is in the image.
    conditions = {zone: images.zones(image)[zone].condition for zone in (17, 18)}
    assert conditions == {17: "read-only", 18: "offline"}


def test_from_the_command_line(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    (tmp_path / "faults.toml").write_text('[[fault]]\nkind = "offline"\nzone = 5\ndisk = 1\n')
    disks = ["--disk", "smr,size=64M,zone-size=1M", "--disk", "smr,size=64M,zone-size=1M"]
    faults = [
        "--fault",
        "read-error,zone=4",
        "--fault",
        "no-answer,zone=7",
        "--faults",
        str(tmp_path / "faults.toml"),
    ]
    script = f"{READ}; blkzone report -o {{offline}} -c 1 /dev/sdb".format(offline=5 * ZONE, **places(4))
    done = subprocess.run(
        [*zonevm, "run", "--kernel", kernel, *disks, *faults, "--", "sh", "-c", script],
        capture_output=True,
        text=True,
        env=os.environ | {"LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr
    assert os.strerror(errno.ENODATA) in done.stderr
    assert "zcond:15(of)" in done.stdout
    assert "fault read-error,zone=4: fired 1 time, 1 command matched" in done.stderr
