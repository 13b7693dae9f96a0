"""fio in one guest on zonevm's disks and on QEMU's own of the same protocol, one after the other.

python benches/guest.py [--rounds N] [--busy N] [--json]. Times are what the guest sees; CPU time is
that of the QEMU process and of this one together: what a command costs outside the guest is in it, and, where
the guest is emulated, what it costs inside. `plain` and null_blk stand beside them: what virtio-blk, and the
guest's block layer alone, can do here.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from zonevm import Guest, PlainDisk, SmrDisk, ZnsDisk

SIZE = "1G"
LOADS = {
    "4 KiB random read, depth 1": "--rw=randread --bs=4k --iodepth=1 --number_ios=4000",
    "4 KiB random read, depth 16": "--rw=randread --bs=4k --iodepth=16 --number_ios=8000",
    "4 KiB random write, depth 1": "--rw=randwrite --bs=4k --iodepth=1 --io_size=16M",
    "4 KiB random write, depth 16": "--rw=randwrite --bs=4k --iodepth=16 --io_size=32M",
    "128 KiB sequential write": "--rw=write --bs=128k --iodepth=1 --io_size=128M",
    "128 KiB sequential read": "--rw=read --bs=128k --iodepth=4 --io_size=128M",
}
FIO = "fio --name=b --ioengine=libaio --direct=1 --output-format=json"
ZONED = f"{FIO} --zonemode=zbd --max_open_zones=12 --size={SIZE}"
NAMES = """
for disk in sda sdb; do
    grep -q managed /sys/block/$disk/queue/zoned && name=smr || name=scsi-hd
    ln -s $disk /dev/$name
done
"""
NULL_BLK = "modprobe null_blk nr_devices=1 gb=1 memory_backed=0"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Side:
    """A disk in the guest."""

    name: str
    node: str
    zoned: bool

    def fio(self) -> str:
        """fio on it, but for the load."""
        return f"{ZONED if self.zoned else FIO + f' --size={SIZE}'} --filename={self.node}"


SIDES = {
    "smr": [
        Side("zonevm", "/dev/smr", True),
        Side("QEMU's scsi-hd", "/dev/scsi-hd", False),
        Side("plain", "/dev/vda", False),
        Side("null_blk", "/dev/nullb0", False),
    ],
    "zns": [Side("zonevm", "/dev/nvme0n1", True), Side("QEMU's nvme", "/dev/nvme1n1", True)],
}


@dataclass(frozen=True)
class Found:
    """What one run found, a command: wall and CPU time."""

    us: float
    cpu_us: float


@dataclass(frozen=True)
class Result:
    """Medians of a side's rounds; of the ratios, too: commands a second of the first side by this one's."""

    name: str
    us: float
    cpu_us: float
    ratio: float
    least: float
    most: float
    cpu_ratio: float


@dataclass(frozen=True)
class Row:
    """A load on a kind of disk."""

    kind: str
    load: str
    rounds: int
    sides: list[Result]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--busy", type=int, default=0, help="processes that keep the host busy meanwhile")
    parser.add_argument("--only", choices=SIDES, help="this kind of disk alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = [kind for kind in SIDES if options.only in (None, kind)]
    rows = []
    with machine() as guest, busy(options.busy):
        for kind, load in itertools.product(kinds, LOADS):
            found = measured(guest, SIDES[kind], load, options.rounds)
            rows.append(Row(kind, load, options.rounds, found))
            if not options.json:
                show(rows[-1])
    if options.json:
        print(json.dumps([asdict(row) for row in rows]))


@contextlib.contextmanager
def machine() -> Iterator[Guest]:
    """A guest with all disks, whose first GiB was written."""
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory, "raw")
        with raw.open("wb") as file:
            file.truncate(1 << 30)
        namespaces = [
            ZnsDisk("4G", zone_size="64M", max_open=14, max_active=14, via=via)
            for via in ("vfio-user", "qemu")
        ]
        disks = [SmrDisk("4G", zone_size="64M"), *namespaces, PlainDisk(SIZE)]
        scsi_hd = (
            *("-drive", f"if=none,id=raw,format=raw,file={raw},cache=writeback"),
            *("-device", "virtio-scsi-pci,id=qemus"),
            *("-device", "scsi-hd,bus=qemus.0,drive=raw"),
        )
        with Guest(disks=disks, qemu="pulled", kernel="6.12", cpus=1, qemu_args=scsi_hd) as guest:
            guest.run(f"{NULL_BLK} && {NAMES}", check=True)
            for side in itertools.chain(*SIDES.values()):
                guest.run(f"{side.fio()} --rw=write --bs=1M --io_size={SIZE}", check=True)
            yield guest


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that never wait."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measured(guest: Guest, sides: Sequence[Side], load: str, rounds: int) -> list[Result]:
    """Each side in turn, round by round."""
    qemu = qemu_below(os.getpid())
    found: dict[str, list[Found]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            if side.zoned and "write" in load:
                guest.run(f"blkzone reset {side.node}", check=True)
            found[side.name].append(run(guest, qemu, side, LOADS[load]))
    first = found[sides[0].name]
    return [result(name, first, runs) for name, runs in found.items()]


def result(name: str, first: Sequence[Found], runs: Sequence[Found]) -> Result:
    """Compare a side's rounds with the first's."""
    pairs = list(zip(first, runs, strict=True))
    ratios = [its.us / ours.us for ours, its in pairs]
    return Result(
        name=name,
        us=statistics.median(one.us for one in runs),
        cpu_us=statistics.median(one.cpu_us for one in runs),
        ratio=statistics.median(ratios),
        least=min(ratios),
        most=max(ratios),
        cpu_ratio=statistics.median(ours.cpu_us / its.cpu_us for ours, its in pairs),
    )


def run(guest: Guest, qemu: int, side: Side, load: str) -> Found:
    """One run of a load."""
    processes = (qemu, os.getpid())
    before = sum(map(cpu_seconds, processes))
    text = guest.run(f"{side.fio()} {load}", check=True).text
    used = sum(map(cpu_seconds, processes)) - before
    job = json.loads(text[text.index("{") :])["jobs"][0]
    commands = job["read"]["total_ios"] + job["write"]["total_ios"]
    # fio's own time is without its start.
    took = max(job["read"]["runtime"], job["write"]["runtime"]) * 1000
    return Found(took / commands, used / commands * 1e6)


def show(row: Row) -> None:
    """Print a row for people."""
    print(f"{row.kind}: {row.load}")
    for side in row.sides:
        print(
            f"  {side.name:<16}{side.us:8.1f} us{side.ratio:7.2f} times ({side.least:.2f}, {side.most:.2f});"
            f" CPU{side.cpu_us:8.1f} us, ours {side.cpu_ratio:.2f} of it",
            flush=True,
        )


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def qemu_below(ancestor: int) -> int:
    """The process id of the one QEMU below a process."""
    parents: dict[int, int] = {}
    machines = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            before, _, after = stat.read_text().rpartition(") ")
            process = int(stat.parent.name)
            parents[process] = int(after.split()[1])
            if before.partition("(")[2].startswith(("qemu", "ld-linux")):
                machines.append(process)
    for machine in machines:
        parent = machine
        while parent in parents:
            parent = parents[parent]
            if parent == ancestor:
                return machine
    raise SystemExit(f"no QEMU below process {ancestor}")


if __name__ == "__main__":
    main()
