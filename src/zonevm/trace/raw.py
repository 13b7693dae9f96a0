"""The raw trace that disks write: chunks of columns. The other side is ``crates/record/src/chunk.rs``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_HEAD = struct.Struct("<8sII")
_MOST_ROWS = 1 << 16
"""More than the writer puts into a chunk (ROWS in ``crates/record/src/trace.rs``)."""
_MAGIC = b"zvtrace3"
COLUMNS = {
    "time": 8,
    "latency": 8,
    "lba": 8,
    "blocks": 8,
    "length": 8,
    "queued": 8,
    "service": 8,
    "virtual_time": 8,
    "zone": 4,
    "sense": 4,
    "disk": 2,
    "queue": 2,
    "status": 2,
    "protocol": 4,
    "group": 1,
    "command": 64,
}
"""Bytes of a value, in the order in which a chunk has the columns."""
_ROW = sum(COLUMNS.values())


class Chunk(NamedTuple):
    """Some commands: how many, and the bytes of each column."""

    rows: int
    columns: dict[str, memoryview]


def chunks(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the whole chunks of a raw trace; one that was being written when its process died is left out."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        magic, rows, _ = _HEAD.unpack(head)
        if magic != _MAGIC or rows > _MOST_ROWS:
            return
        body = memoryview(file.read(rows * _ROW))
        if len(body) < rows * _ROW:
            return
        columns = {}
        for name, width in COLUMNS.items():
            columns[name], body = body[: rows * width], body[rows * width :]
        yield Chunk(rows, columns)
