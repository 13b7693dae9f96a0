"""Every fault of a namespace, and what a guest's kernel makes of it over NVMe; commands without an answer."""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.waiting import until
from zonevm import Guest, ImageError, UsageError, ZnsDisk
from zonevm.faults import KINDS

from .test_faults import LOOK, READ, REPORT, RESET, WRITE, ZONE, ZONES, Case

pytestmark = [pytest.mark.guest, pytest.mark.loaded]

NODE = "/dev/nvme0n1"
ATTRIBUTES = "nvme zns report-zones {disk} -s {start} -d 1"
LINE = re.compile(r"nvme|I/O error|critical|exceeded")
FAILED = r"nvme0n1: I/O Cmd\({opcode}\) @ LBA \d+, \d+ blocks, I/O Error \(sct {type} / sc {code}\) "
CASES = [
    Case(5, "read-error", READ, errno.ENODATA, FAILED.format(opcode="0x2", type="0x2", code="0x81")),
    Case(6, "write-error", WRITE, errno.ENODATA, FAILED.format(opcode="0x1", type="0x2", code="0x80")),
    Case(7, "aborted,count=1", READ, 0),  # Linux tries again
    Case(8, "aborted", READ, errno.EIO, FAILED.format(opcode="0x2", type="0x0", code="0x7")),
    Case(9, "busy,count=2", READ, 0),
    Case(10, "busy", READ, errno.EREMOTEIO, FAILED.format(opcode="0x2", type="0x0", code="0x82")),
    Case(11, "no-zone-resources", WRITE, errno.ETOOMANYREFS, "open zones exceeded error, dev nvme0n1"),
    Case(12, "delay,milliseconds=500", READ, 0),
    Case(13, "bit-flip,seed=3", LOOK, 0, output=r"[1248]\n?"),
    Case(14, "reset-recommended", ATTRIBUTES, 0, output=r"(?s).*Attrs: 0?x?4\b"),
    Case(15, "read-only", REPORT, 0, output=r".* zcond:13\(ro\)"),
    Case(15, "read-only", READ, 0),
    Case(15, "read-only", WRITE, errno.EIO, FAILED.format(opcode="0x1", type="0x1", code="0xba")),
    Case(15, "read-only", RESET, errno.EIO, FAILED.format(opcode="0x79", type="0x1", code="0xbf")),
    Case(16, "offline", REPORT, 0, output=r".* zcond:15\(of\)"),
    Case(16, "offline", READ, errno.EIO, FAILED.format(opcode="0x2", type="0x1", code="0xbb")),
    Case(16, "offline", WRITE, errno.EIO, FAILED.format(opcode="0x1", type="0x1", code="0xbb")),
    Case(16, "offline", RESET, errno.EIO, FAILED.format(opcode="0x79", type="0x1", code="0xbf")),
]


@pytest.fixture(scope="module")
def guest(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """A guest whose namespace's zones hold a block each, and are closed."""
    image = tmp_path_factory.mktemp("faults") / "namespace.img"
    disk = ZnsDisk(size=ZONES * ZONE * 512, zone_size=ZONE * 512, block_size=512, max_open=32, file=image)
    with Guest(disks=[disk], kernel=kernel, qemu="pulled") as guest:
        guest.run(
            f"for zone in $(seq 4 34); do"
            f" dd if=/dev/zero of={NODE} bs=4096 count=1 seek=$((zone * {ZONE // 8})) oflag=direct;"
            f" blkzone close -o $((zone * {ZONE})) -c 1 {NODE}; done",
            check=True,
        )
        yield guest


def places(zone: int) -> dict[str, object]:
    start = zone * ZONE
    return {"disk": NODE, "start": start, "block": start // 8, "next": start // 8 + 1}


def test_every_kind_is_tried() -> None:
    of_scsi = {"unit-attention"}
    later = {"no-answer"}
    assert {case.fault.partition(",")[0] for case in CASES} | of_scsi | later == set(KINDS)


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
    assert re.match(case.output, done.text.strip()), done.text
    log = "\n".join(filter(LINE.search, guest.run("dmesg", check=True).text.splitlines()))
    assert re.search(case.log or "^$", log), log
    assert found.fired >= 1
    if kind == "delay":
        assert took >= 0.5


def test_there_are_no_unit_attentions(guest: Guest) -> None:
    with pytest.raises((UsageError, ImageError), match="NVMe has no unit attentions"):
        guest.faults.inject("unit-attention,zone=20")


def test_a_lost_command_is_aborted_and_tried_again(guest: Guest) -> None:
    guest.run(f"dmesg -C; echo 2000 > /sys/block/{NODE[5:]}/queue/io_timeout", check=True)
    guest.faults.inject("no-answer,zone=30,count=1")
    guest.run(READ.format(**places(30)), check=True)
    guest.faults.clear()
    log = guest.run("dmesg", check=True).text
    assert re.search(r"nvme nvme0: I/O .* timeout, aborting", log), log
    assert "Abort status: 0x0" in log, "the controller had not begun with it, and gave it back"
    assert "reset controller" not in log


def test_a_reset_of_the_controller_gives_lost_commands_back(guest: Guest) -> None:
    guest.run(f"echo 60000 > /sys/block/{NODE[5:]}/queue/io_timeout", check=True)
    guest.faults.inject("no-answer,zone=31,count=1")
    done: list[int] = []
    read = threading.Thread(
        target=lambda: done.append(guest.run(READ.format(**places(31)), timeout=120).returncode)
    )
    read.start()
    until(lambda: any(one.fired for one in guest.faults))
    guest.run("nvme reset /dev/nvme0", check=True)
    guest.run(READ.format(**places(32)), check=True)
    guest.faults.clear()
    until(partial(bool, done))
    read.join()
    assert done == [0], "it was sent again after the reset"


def test_conditions_of_zones_are_in_the_image(guest: Guest) -> None:
    zones = guest.disk(0).zones()
    assert (zones[15].condition, zones[16].condition) == ("read-only", "offline")
