"""CPU time a command of an NVMe namespace: zonevm's beside QEMU's own, in one guest, one after the other.

python benches/nvme_cpu.py [--rounds N] [--json]. The time is that of the QEMU process and of this one
together, so that what a command costs outside the guest is in it, and under emulation what it costs inside.
A ratio above 1 says that zonevm's takes more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import time
from pathlib import Path

from zonevm import Guest, ZnsDisk

NODES = {"zonevm": "/dev/nvme0n1", "QEMU": "/dev/nvme1n1"}
LOADS = {
    "4 KiB random read, depth 1": "--rw=randread --bs=4k --iodepth=1 --number_ios=8000",
    "4 KiB random read, depth 16": "--rw=randread --bs=4k --iodepth=16 --number_ios=16000",
    "4 KiB random write, depth 1": "--rw=randwrite --bs=4k --iodepth=1 --io_size=32M",
    "4 KiB random write, depth 16": "--rw=randwrite --bs=4k --iodepth=16 --io_size=64M",
    "128 KiB sequential write": "--rw=write --bs=128k --iodepth=1 --io_size=256M",
    "128 KiB sequential read": "--rw=read --bs=128k --iodepth=4 --io_size=256M",
}
FIO = (
    "fio --name=b --ioengine=libaio --direct=1 --zonemode=zbd --max_open_zones=12 --size=1G"
    " --output-format=json"
)
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def microseconds(guest: Guest, qemu: int, node: str, load: str) -> tuple[float, float]:
    """CPU time a command, and wall time a command, of one run."""
    processes = (qemu, os.getpid())
    before, begun = sum(map(cpu_seconds, processes)), time.monotonic()
    done = guest.run(f"{FIO} --filename={node} {load}", check=True)
    took, used = time.monotonic() - begun, sum(map(cpu_seconds, processes)) - before
    text = done.text
    report = json.loads(text[text.index("{") :])["jobs"][0]
    commands = report["read"]["total_ios"] + report["write"]["total_ios"]
    return used / commands * 1e6, took / commands * 1e6


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    disks = [
        ZnsDisk("4G", zone_size="64M", max_open=14, max_active=14, via=via) for via in ("vfio-user", "qemu")
    ]
    rows = []
    with Guest(disks=disks, qemu="pulled", kernel="6.12", cpus=1) as guest:
        qemu = qemu_below(os.getpid())
        for node in NODES.values():
            guest.run(f"{FIO} --filename={node} --rw=write --bs=1M --io_size=1G", check=True)
        for load, arguments in LOADS.items():
            found: dict[str, list[float]] = {name: [] for name in NODES}
            for _ in range(options.rounds):
                for name, node in NODES.items():
                    if "write" in load:
                        guest.run(f"blkzone reset {node}", check=True)
                    found[name].append(microseconds(guest, qemu, node, arguments)[0])
            ratios = [ours / theirs for ours, theirs in zip(found["zonevm"], found["QEMU"], strict=True)]
            rows.append(
                {
                    "load": load,
                    "ratio": statistics.median(ratios),
                    "least": min(ratios),
                    "most": max(ratios),
                    **{name: statistics.median(times) for name, times in found.items()},
                }
            )
            if not options.json:
                row = rows[-1]
                print(
                    f"{load:<30} {row['zonevm']:7.1f} us, QEMU's {row['QEMU']:7.1f} us: {row['ratio']:.2f}"
                    f" ({row['least']:.2f} to {row['most']:.2f})",
                    flush=True,
                )
    if options.json:
        print(json.dumps(rows))


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
