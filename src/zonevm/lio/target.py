"""Targets, from nothing to a LUN and back. The order of steps, and who may undo what; no step itself."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from zonevm.errors import HostError, UsageError, ZonevmError
from zonevm.lio import backstores, fabrics, modules, registry, tcmu_runner
from zonevm.lio.privileges import require_root
from zonevm.lio.processes import Process
from zonevm.lio.registry import Record
from zonevm.lio.spec import TargetSpec, UserZbc


@dataclass(frozen=True)
class Collected:
    """What :func:`gc` did: the names it removed, and for each it could not remove the reason."""

    removed: tuple[str, ...]
    left: dict[str, ZonevmError]


def create(spec: TargetSpec, *, stays: bool = False, scratch: Path | None = None) -> Path | None:
    """Make a target; return the node of its disk on this host if its fabric is ``loopback``.

    It lives for this process, or until :func:`remove` if it ``stays``. ``scratch`` is a directory to remove
    with it. Raises :class:`HostError` and leaves nothing behind when any step fails.
    """
    require_root("a kernel target")
    with registry.locked(), ExitStack() as undo:
        _check_new(spec)
        record = _record(spec, scratch)
        registry.save(record)
        undo.callback(_undo, record)
        modules.prepare(spec.modules)
        _check_free(spec)
        fabrics.create(spec.fabric, spec.wwn, _backstore(spec))
        node = fabrics.wait_for_device(spec.wwn) if spec.fabric == "loopback" else None
        if stays:
            registry.save(replace(record, owner=None))
        undo.pop_all()
    return node


def remove(name: str) -> None:
    """Remove a target of ours. Raises :class:`UsageError` if there is none, :class:`HostError` if in use."""
    require_root("removing a kernel target")
    with registry.locked():
        record = registry.find(name)
        if record is None:
            there = ", ".join(record.name for record in registry.records()) or "none"
            raise UsageError(f"there is no target {name!r} of zonevm's", f"Targets: {there}.")
        if record.owner is not None and record.owner.alive and record.owner != Process.current():
            raise HostError(
                f"the target {name} belongs to the running zonevm process {record.owner.pid}",
                "End that process, and the target is removed.",
            )
        _undo(record)


def gc() -> Collected:
    """Remove the targets whose process is no more, and a tcmu-runner that none of them needs any longer.

    Neither targets that were made to stay nor any that zonevm did not make are touched.
    """
    require_root("removing kernel targets")
    removed, left = [], {}
    with registry.locked():
        for record in registry.records():
            if record.abandoned:
                try:
                    _undo(record)
                    removed.append(record.name)
                except ZonevmError as error:
                    left[record.name] = error
        tcmu_runner.release()
    return Collected(tuple(removed), left)


def device_of(record: Record) -> Path | None:
    """Return the node of a loopback target's disk on this host, or None."""
    return fabrics.device(record.wwn) if record.fabric == "loopback" else None


def _record(spec: TargetSpec, scratch: Path | None) -> Record:
    backstore = spec.backstore
    return Record(
        name=spec.name,
        plugin=backstore.plugin,
        kind=backstore.kind,
        source=backstore.source,
        fabric=spec.fabric,
        wwn=spec.wwn,
        owner=Process.current(),
        scratch=None if scratch is None else str(scratch),
    )


def _check_new(spec: TargetSpec) -> None:
    source = spec.backstore.source
    for record in registry.records():
        way_out = "zonevm target gc" if record.abandoned else f"zonevm target remove {record.name}"
        if record.name == spec.name:
            raise UsageError(f"there is a target {spec.name!r} already", f"Remove it with: {way_out}")
        if Path(record.source).resolve() == Path(source).resolve():
            raise UsageError(
                f"{source} is the backstore of the target {record.name!r} already",
                f"Remove it with: {way_out}",
            )


def _check_free(spec: TargetSpec) -> None:
    """Raise unless the names are free, so that undoing can only hit what is ours."""
    if fabrics.exists(spec.fabric, spec.wwn):
        raise UsageError(f"there is a {spec.fabric} target {spec.wwn} already", "Give another wwn, or none.")
    if backstores.find(spec.backstore.plugin, spec.object_name) is not None:
        raise UsageError(f"there is a storage object {spec.object_name} already", "Give another name.")


def _backstore(spec: TargetSpec) -> Path:
    if not isinstance(spec.backstore, UserZbc):
        return backstores.create(spec.object_name, spec.backstore)
    tcmu_runner.ensure()
    with tcmu_runner.explained():
        if spec.backstore.config.formats:
            backstores.remove(backstores.create(spec.object_name, spec.backstore))
        return backstores.create(spec.object_name, spec.backstore.opened())


def _undo(record: Record) -> None:
    """Remove whatever there is of a target, then its record. Can be done again where it failed."""
    storage_object = backstores.find(record.plugin, record.object_name)
    fabrics.remove(record.fabric, record.wwn, storage_object)
    if storage_object is not None:
        backstores.remove(storage_object)
    tcmu_runner.release()
    if record.scratch is not None:
        shutil.rmtree(record.scratch, ignore_errors=True)
    registry.forget(record)
