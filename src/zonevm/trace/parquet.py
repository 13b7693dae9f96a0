"""Parquet files of traces: the columns, how a raw trace becomes them, and reading them back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zonevm._core import command_name
from zonevm.errors import HostError, UsageError
from zonevm.explain.commands import code
from zonevm.inputs import open_regular
from zonevm.trace.raw import Chunk, chunks

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

TIMES = ("queued", "service", "virtual_time")
"""The columns of a device's time, which traces of earlier versions lack."""
_NONE = {
    "lba": 2**64 - 1,
    "blocks": 2**64 - 1,
    "zone": 2**32 - 1,
    "queue": 2**16 - 1,
    **dict.fromkeys(TIMES, 2**64 - 1),
}
"""What stands for "none" in a raw column."""
_MOST_ROWS_A_BYTE = 64
"""No trace packs its commands, whose times all differ, as densely."""
MAGIC = b"PAR1"
"""How a Parquet file begins."""
_ROWS = 1 << 17
"""Rows of a row group: what is in memory at a time."""
COLUMNS = (
    "time",
    "disk",
    "queue",
    "protocol",
    "command",
    "operation",
    "opcode",
    "cdb",
    "lba",
    "blocks",
    "zone",
    "length",
    "status",
    "sense",
    "nvme_command",
    "nvme_status",
    "latency",
    *TIMES,
)
"""The columns of a trace, in order; docs/trace.md says what they mean."""
_ALWAYS = frozenset({"time", "disk", "command", "length", "latency"})
"""What every command has, of what is read back."""
NVME = "NVMe"
OPERATIONS = ("read", "verify", "write", "flush", "zone", "report", "other")
"""What commands are for, in the order of ``Group`` in ``crates/command/src/lib.rs``."""
_CDB = 16
_NAMED = 16
"""Bytes of a command that say how it is called."""


def need() -> None:
    """Raise :class:`HostError` where there is no pyarrow."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415
    except ImportError as error:
        raise HostError(
            f"traces need the Python package pyarrow, which is not installed ({error})",
            "Install it: pip install 'zonevm[trace]'.",
        ) from error


def convert(source: BinaryIO, target: BinaryIO) -> int:
    """Write the raw trace ``source`` to ``target`` as Parquet; return how many commands it has.

    Raises OSError where ``target`` cannot be written.
    """
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows, waiting = 0, [_table(Chunk(0, {}))]
    with pq.ParquetWriter(target, waiting[0].schema, compression="zstd") as writer:
        for chunk in chunks(source):
            waiting.append(_table(chunk))
            rows += chunk.rows
            if sum(map(len, waiting)) >= _ROWS:
                writer.write_table(pa.concat_tables(waiting).sort_by("time"))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting).sort_by("time"))
    return rows


@contextmanager
def reading(file: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Open a trace. Raises :class:`UsageError` for what is not one or, while entered, cannot be read."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with open_regular(file) as source, pq.ParquetFile(source) as trace:
            rows, length = trace.metadata.num_rows, os.fstat(source.fileno()).st_size
            if rows > length * _MOST_ROWS_A_BYTE:
                raise UsageError(
                    f"{file} speaks of {rows} commands in {length} bytes: it is damaged",
                    "Give what zonevm run --trace wrote.",
                )
            found = trace.schema_arrow.names
            if missing := [name for name in COLUMNS if name not in (*found, *TIMES)]:
                raise UsageError(
                    f"{file} is a Parquet file without the columns of a trace ({', '.join(missing)})",
                    "Give what zonevm run --trace wrote.",
                )
            yield trace
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}", "Give a file that can be read.") from error
    except (pa.ArrowException, MemoryError, OverflowError) as error:
        raise UsageError(
            f"{file} is not a Parquet file that can be read: {error}",
            "Give what zonevm run --trace wrote; `zonevm trace recover` makes it of what a killed run left.",
        ) from error


def tables(trace: pyarrow.parquet.ParquetFile, columns: Sequence[str]) -> Iterator[pyarrow.Table]:
    """Yield columns of a trace that is open, some rows at a time, at least one.

    Raises :class:`UsageError` for commands that lack what every command has.
    """
    import pyarrow as pa  # noqa: PLC0415

    for batch in trace.iter_batches(_ROWS, columns=list(columns)):
        for name in _ALWAYS.intersection(columns):
            if batch.column(name).null_count:
                raise UsageError(
                    f"the trace has commands without their {name}: it is damaged",
                    "Give what zonevm run --trace wrote.",
                )
        if batch.num_rows:
            yield pa.Table.from_batches([batch])


def _table(chunk: Chunk) -> pyarrow.Table:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    def column(name: str, kind: pyarrow.DataType) -> Any:
        buffer = pa.py_buffer(chunk.columns.get(name, b""))
        values = pa.Array.from_buffers(kind, chunk.rows, [None, buffer])
        if name not in _NONE:
            return values
        return pc.if_else(pc.equal(values, pa.scalar(_NONE[name], kind)), pa.scalar(None, kind), values)

    protocols = column("protocol", pa.binary(4)).cast(pa.string())
    of_nvme = pc.equal(protocols, NVME)
    status = column("status", pa.uint16())
    command = column("command", pa.binary(64))
    first = pc.binary_slice(command, 0, _NAMED).cast(pa.binary())
    requests = pc.binary_join_element_wise(first, protocols.cast(pa.binary()), b"").dictionary_encode()
    heads = [(each[:_NAMED], each[_NAMED:].decode()) for each in requests.dictionary.to_pylist()]
    names = [_name(head, protocol) for head, protocol in heads]
    opcodes = [head[0] for head, _ in heads]
    groups = column("group", pa.uint8())
    senses = column("sense", pa.uint32()).dictionary_encode()
    texts = [_sense(each) for each in senses.dictionary.to_pylist()]
    values = {
        "time": column("time", pa.timestamp("ns")),
        "disk": column("disk", pa.uint16()),
        "queue": column("queue", pa.uint16()),
        "protocol": protocols,
        "command": _text(names, requests.indices),
        "operation": _text(OPERATIONS, groups),
        "opcode": pa.array(opcodes, pa.uint8()).take(requests.indices),
        "cdb": pc.if_else(of_nvme, None, pc.binary_slice(command, 0, _CDB).cast(pa.binary(_CDB))),
        "lba": column("lba", pa.uint64()),
        "blocks": column("blocks", pa.uint64()).cast(pa.uint32()),
        "zone": column("zone", pa.uint32()),
        "length": column("length", pa.uint64()),
        "status": pc.if_else(of_nvme, None, status).cast(pa.uint8()),
        "sense": _text(texts, senses.indices),
        "nvme_command": pc.if_else(of_nvme, command, None),
        "nvme_status": pc.if_else(of_nvme, status, None),
        "latency": column("latency", pa.uint64()),
        **{name: column(name, pa.uint64()) for name in TIMES},
    }
    return pa.table(values)


def _name(head: bytes, protocol: str) -> str:
    name = command_name(head, protocol)
    return code(head, name) if protocol != NVME else name or f"opcode {head[0]:02X}h"


def _text(texts: Sequence[str | None], indices: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.array(texts, pa.string()).take(indices)


def _sense(code: int) -> str | None:
    return f"{code >> 16:X}/{code >> 8 & 0xFF:02X}/{code & 0xFF:02X}" if code else None
