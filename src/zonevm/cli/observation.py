"""The options by which emulated disks fail on purpose, and by which verbs report on their commands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from zonevm.cli.options import PATH, option
from zonevm.faults import Fault, load, parse


@dataclass(frozen=True)
class Observation:
    """Faults of the disks, and what is told and recorded of their commands."""

    title: ClassVar[str] = "Disks"

    faults: tuple[str, ...] = option(
        "--fault",
        multiple=True,
        metavar="FAULT",
        help="Make an emulated disk fail on purpose: read-error,zone=5,count=1, ...",
    )
    fault_files: tuple[Path, ...] = option(
        "--faults", multiple=True, type=PATH, metavar="FILE", help="Read faults from a TOML file."
    )
    explain: bool = option(
        "--explain", is_flag=True, help="Say at the end which commands failed on the emulated disks, and why."
    )
    trace: Path | None = option(
        "--trace",
        type=PATH,
        metavar="FILE",
        help="Record all commands of the emulated disks here (Parquet).",
    )
    recording: Path | None = option(
        "--record",
        type=PATH,
        metavar="FILE",
        help="Record all that is written to the emulated disks in this new file, for crash tests.",
    )

    def seen(self, disks: int) -> set[int]:
        """Return which of so many disks zonevm has to serve itself for this, by number."""
        if self.explain or self.trace is not None or self.recording is not None:
            return set(range(disks))
        return {fault.disk for fault in self.all_faults()}

    def all_faults(self) -> list[Fault]:
        """Return the faults of the options, those of files behind."""
        return [*map(parse, self.faults), *(fault for file in self.fault_files for fault in load(file))]
