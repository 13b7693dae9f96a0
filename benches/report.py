"""`make bench`: all benchmarks in one run, as JSON, a page of tables and plots.

python benches/report.py [--guest-rounds N] [DIRECTORY]. Ratios say how many times as fast as another tool
zonevm is: above 1 it is the faster one. They come of rounds in which all took turns; the page has the least
and the most of the rounds beside each median. What limits each row is in docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from chart import Bar, Group, chart

from zonevm import Guest

ROOT = Path(__file__).parent.parent
PROTOCOLS = {"SCSI": "zonevm-vhost-user-scsi", "NVMe": "zonevm-vfio-user-nvme"}

Row = dict[str, Any]


def main() -> None:
    """Run all, write the directory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--guest-rounds", type=int, default=7)
    parser.add_argument("directory", type=Path, nargs="?", default=ROOT / "target/bench")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    begun = facts()
    tables = {
        f"{protocol} without a guest, page cache": commands(crate) for protocol, crate in PROTOCOLS.items()
    }
    guest = program("guest.py", "--rounds", str(options.guest_rounds))
    for kind in ("smr", "zns"):
        tables[f"{kind} in a guest"] = [row for row in guest if row["kind"] == kind]
    boot = booted()
    machine = begun | {"load average at the end": load()}
    report = {"machine": machine, "tables": tables, "boot": boot}
    (options.directory / "results.json").write_text(json.dumps(report, indent=1) + "\n")
    page = [f"- {name}: {value}" for name, value in machine.items()]
    for title, rows in tables.items():
        file = options.directory / f"{title.lower().replace(' ', '-').replace(',', '')}.svg"
        file.write_text(chart(f"{title}: times as fast as", list(map(group, rows))))
        page += ["", f"## {title}", "", f"![{title}]({file.name})", "", *table(rows)]
    page += ["", "## Start: `zonevm run -- true`, seconds", "", *boot_table(boot)]
    (options.directory / "report.md").write_text("\n".join(["# Benchmark", "", *page, ""]))
    print(f"wrote {options.directory}/report.md, results.json and {len(tables)} plots")


def commands(crate: str) -> list[Row]:
    """Return the rows of a benchmark of commands without a guest."""
    say(f"{crate}: commands without a guest")
    rows = output("cargo", "bench", "--quiet", "-p", crate, "--bench", "commands", "--", "--json")
    return list(json.loads(rows))


def program(name: str, *arguments: str) -> list[Row]:
    """Return the rows of a benchmark beside this one."""
    say(f"{name} {' '.join(arguments)}")
    return list(json.loads(output(sys.executable, str(ROOT / "benches" / name), *arguments, "--json")))


def booted() -> dict[str, list[float]]:
    """Return the seconds of each start, by tool."""
    say("boot.py")
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "boot.json")
        output(sys.executable, str(ROOT / "benches/boot.py"), "--json", str(file))
        return dict(json.loads(file.read_text()))


def facts() -> dict[str, str]:
    """Return what of this machine the figures depend on."""
    fields = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    model = next((value.strip() for name, _, value in fields if name.strip() == "model name"), "unknown")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "processors": f"{len(os.sched_getaffinity(0))} of {model}",
        "memory": f"{memory:.1f} GiB",
        "Linux": platform.release(),
        "guests": accelerator(),
        "QEMU": output("qemu-system-x86_64", "--version").splitlines()[0],
        "file system of temporary files": output("stat", "-f", "-c", "%T", tempfile.gettempdir()).strip(),
        "compiler": output("rustc", "--version").strip(),
        "load average at the start": load(),
    }


def accelerator() -> str:
    """Return how guests run here."""
    argv = Guest().command()
    return {"kvm": "KVM"}.get(argv[argv.index("-accel") + 1], "emulated (TCG)")


def load() -> str:
    """Return the load average of the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def output(*command: str) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with exit code {done.returncode}")
    return done.stdout


def say(what: str) -> None:
    """Tell people what goes on."""
    print(f"bench: {what}", file=sys.stderr, flush=True)


def name_of(row: Row) -> str:
    """Return what people call a load."""
    if "bytes" not in row:
        return str(row["load"])
    return f"{row['bytes'] // 1024} KiB {row['load']}, depth {row['depth']}"


def group(row: Row) -> Group:
    """Return the bars of the other sides of a row."""
    bars = [Bar(side["name"], side["ratio"], side["least"], side["most"]) for side in row["sides"][1:]]
    return Group(name_of(row), bars)


def table(rows: Sequence[Row]) -> Iterable[str]:
    """Return a table in Markdown: our time a command, and the ratio to each other side."""
    names = list(dict.fromkeys(side["name"] for row in rows for side in row["sides"][1:]))
    yield f"| load | zonevm, us a command | {' | '.join(names)} |"
    yield "|---" * (2 + len(names)) + "|"
    for row in rows:
        ours, *others = row["sides"]
        ratios = {
            side["name"]: f"{side['ratio']:.2f} ({side['least']:.2f}-{side['most']:.2f})" for side in others
        }
        cells = " | ".join(ratios.get(name, "") for name in names)
        yield f"| {name_of(row)} | {ours['us']:.2f} | {cells} |"


def boot_table(boot: dict[str, list[float]]) -> Iterable[str]:
    """Return a table in Markdown: least, median, most."""
    yield "| | least | median | most |"
    yield "|---|---|---|---|"
    for name, seconds in boot.items():
        ordered = sorted(seconds)
        yield f"| {name} | {ordered[0]:.2f} | {ordered[len(ordered) // 2]:.2f} | {ordered[-1]:.2f} |"


if __name__ == "__main__":
    main()
