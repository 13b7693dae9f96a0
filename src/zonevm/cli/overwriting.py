"""Refuses, before anything is written, outputs of a run that are one of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zonevm import outputs
from zonevm.cli.observation import Observation
from zonevm.disks import Disk
from zonevm.guest.observed import disk_places, trace_outputs
from zonevm.outputs import Named


def refuse_overwriting(
    disks: Sequence[Disk],
    inputs: Mapping[str, str | Path | None],
    observation: Observation,
    record: Path | None = None,
) -> None:
    """Raise :class:`UsageError` where an output is a disk, an input, or another output.

    ``inputs``: options and the paths that they were given, if any; what is not a file does not matter.
    ``record``: the file of --json.
    """
    written = [*([Named("--json", record)] if record else []), *trace_outputs(observation.trace)]
    written += [Named("--record", observation.recording)] if observation.recording else []
    read = [Named(option, Path(path)) for option, path in inputs.items() if path and Path(path).exists()]
    read += [Named("--faults", file) for file in observation.fault_files]
    outputs.check(written, [*disk_places(disks), *read])
