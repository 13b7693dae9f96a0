"""What a guest's disks remember: failed commands in words, and a trace that agrees with fio. One boot."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from zonevm import Guest, SmrDisk
from zonevm.explain import KERNEL_REFUSES, Failure
from zonevm.guest import installed
from zonevm.kernel.kernel import matches_version
from zonevm.trace import DiskSummary, summarize

from .scsi import GOOD, Scsi

pytestmark = pytest.mark.guest

ZONE = 2048  # blocks of 512 bytes
OPEN = 3
JOB = (
    "fio --name=job --filename=/dev/sda --direct=1 --zonemode=zbd --ioengine=libaio --iodepth=1 --bs=64k "
    "--offset=8M --size=8M --output-format=json --rw="
)


class Run(NamedTuple):
    at_boot: list[Failure]
    failures: list[Failure]
    jobs: dict[str, Any]
    trace: Path


@pytest.fixture(scope="module")
def run(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """fio writes and reads 8 MiB; then come commands that are refused. The second disk is left alone."""
    trace = tmp_path_factory.mktemp("trace") / "trace.parquet"
    disks = [SmrDisk(size="64M", zone_size="1M", conventional=4, max_open=2, queues=2), SmrDisk(size="64M")]
    with Guest(disks=disks, kernel=kernel, cpus=2, trace=trace) as guest:
        at_boot = [failure for found in guest.failures().values() for failure in found]
        outputs = {how: guest.run(JOB + how, check=True).stdout for how in ("write", "read")}
        disk = Scsi(guest, "/dev/sda", ZONE)
        disk.write16(disk.zone(20) + 8, 8)
        assert disk.zone_out(OPEN, disk.zone(20)) is GOOD
        assert disk.zone_out(OPEN, disk.zone(21)) is GOOD
        disk.zone_out(OPEN, disk.zone(22))
    failures = [failure for failure in guest.failures()[0] if not failure.routine]
    jobs = {how: json.loads(text)["jobs"][0][how] for how, text in outputs.items()}
    yield Run(at_boot, failures, jobs, trace)


def test_all_that_a_boot_provokes_is_routine(run: Run) -> None:
    assert run.at_boot
    assert [failure.explanation for failure in run.at_boot if not failure.routine] == []


def test_refused_commands_are_explained_after_the_guest_is_gone(run: Run) -> None:
    assert [failure.explanation for failure in run.failures] == [
        "WRITE(16) of 8 blocks at LBA 40968 in zone 20: the write pointer is at 40960, so a write must start "
        "there (5/21/04 UNALIGNED WRITE COMMAND)",
        "OPEN ZONE of zone 22: 2 zones are explicitly open and 0 implicitly, and 2 may be; only implicitly "
        "open ones make room by themselves, so close or finish an explicitly open one first "
        "(7/55/0E INSUFFICIENT ZONE RESOURCES)",
    ]


def commands(disk: DiskSummary, name: str) -> tuple[int, int]:
    found = next(each for each in disk.commands if each.command == name)
    return found.count - found.failed, found.bytes


def test_the_trace_agrees_with_fio(run: Run) -> None:
    summary = summarize(run.trace)
    assert [disk.disk for disk in summary.disks] == [0, 1]
    written = commands(summary.disks[0], "WRITE(16)")
    assert written == (run.jobs["write"]["total_ios"], run.jobs["write"]["io_bytes"])
    assert written[1] == 8 << 20
    # Besides fio the kernel reads, when it looks for partitions.
    table = pq.read_table(run.trace)
    mine = pc.and_(pc.equal(table["command"], "READ(16)"), pc.greater_equal(table["zone"], 8))
    read = table.filter(pc.and_(pc.equal(table["disk"], 0), mine))
    assert len(read) == run.jobs["read"]["total_ios"]
    assert pc.sum(read["length"]).as_py() == run.jobs["read"]["io_bytes"]


def test_the_trace_has_queues_and_refusals(run: Run) -> None:
    table = pq.read_table(run.trace)
    assert set(pc.unique(table["queue"]).to_pylist()) <= {0, 1}
    refused = [sense for sense in table["sense"].to_pylist() if sense is not None]
    assert refused.count("5/21/04") == 1
    assert refused.count("7/55/0E") == 1


WRITES = """
    write() { dd if=/dev/zero of=/dev/sda bs=64k count=$1 seek=$2 oflag=direct status=none; }
    write 2 64 && write 16 80 && write 1 70
"""


@pytest.mark.parametrize(
    ("release", "told"),
    [
        (
            "6.12",
            [
                "zonevm: the emulated disks failed no command, apart from routine probes at boot",
                f"zonevm: {KERNEL_REFUSES}",
                "zonevm: disk 0 (smr,size=64M,zone-size=1M,conv=4): zones that are written:",
                "  zone 4: the write pointer is at LBA 8448, byte 4325376",
                "  zone 5: full",
            ],
        ),
        (
            "6.1",
            [
                "zonevm: disk 0 (smr,size=64M,zone-size=1M,conv=4) failed these commands:",
                "  WRITE(16) of 128 blocks at LBA 8960 in zone 4: the write pointer is at 8448, so a write "
                "must start there (5/21/04 UNALIGNED WRITE COMMAND)",
            ],
        ),
    ],
)
def test_a_misplaced_write_is_explained_whoever_refuses_it(
    zonevm: list[str], release: str, told: list[str]
) -> None:
    if not any(matches_version(each.version, release) for each in installed()):
        pytest.skip(f"there is no Linux {release} here")
    words = ["run", "--explain", "--kernel", release, "--disk", "smr,size=64M,zone-size=1M,conv=4"]
    done = subprocess.run([*zonevm, *words, "--", "sh", "-c", WRITES], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == told
