"""NVMe commands from a guest, by ioctl or io_uring (linux/nvme_ioctl.h, linux/io_uring.h).

As a program: ``nvme.py append-uring NODE LBA COUNT BLOCK`` appends COUNT blocks one at a time to the zone at
LBA through io_uring passthrough, all in flight at once, and prints the LBAs that the completions tell.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

IO64 = 0xC0504E48
ADMIN64 = 0xC0504E47
URING_IO = 0xC0484E80
APPEND, NAMESPACE = 0x7D, 1
_COMMAND = struct.Struct("<BBHIIIQQIIIIIIIIII")
"""``struct nvme_passthru_cmd64`` up to ``timeout_ms``; the reserved word and the result follow."""
_SETUP, _ENTER = 425, 426
_SQE128, _CQE32 = 1 << 10, 1 << 11
_GETEVENTS = 1
_URING_CMD = 46
_RINGS = {"sq": 0, "cq": 0x8000000, "entries": 0x10000000}
_ENTRIES = 64


class Answer(NamedTuple):
    """How a command ended: the status field without the phase tag, the result, the data received."""

    status: int
    result: int
    data: bytes


def send(
    node: int,
    opcode: int,
    *,
    namespace: int = NAMESPACE,
    dwords: dict[int, int] | None = None,
    out: bytes = b"",
    room: int = 0,
    admin: bool = False,
) -> Answer:
    """Send a command to an open node; ``dwords``: command dwords 10 to 15 by their numbers."""
    data = ctypes.create_string_buffer(out or bytes(room), max(len(out), room, 1))
    length = len(out) or room
    address = ctypes.addressof(data) if length else 0
    words = [(dwords or {}).get(number, 0) for number in range(10, 16)]
    command = bytearray(_COMMAND.pack(opcode, 0, 0, namespace, 0, 0, 0, address, 0, length, *words, 0, 0))
    command += bytes(8)
    status = fcntl.ioctl(node, ADMIN64 if admin else IO64, command)
    (result,) = struct.unpack_from("<Q", command, 72)
    return Answer(status, result, data.raw[:room])


class Uring:
    """A ring of 128-byte entries for passthrough commands to one open generic node (``/dev/ngXnY``)."""

    def __init__(self, node: int) -> None:
        self._node = node
        self._libc = ctypes.CDLL(None, use_errno=True)
        parameters = bytearray(120)
        struct.pack_into("<I", parameters, 8, _SQE128 | _CQE32)
        raw = (ctypes.c_char * len(parameters)).from_buffer(parameters)
        self._ring = self._call(_SETUP, _ENTRIES, raw)
        (entries, completions) = struct.unpack_from("<II", parameters, 0)
        self._sq = struct.unpack_from("<10I", parameters, 40)
        self._cq = struct.unpack_from("<10I", parameters, 80)
        size = max(self._sq[6] + 4 * entries, self._cq[5] + 32 * completions)
        self._rings = mmap.mmap(self._ring, size, offset=_RINGS["sq"])
        self._entries = mmap.mmap(self._ring, 128 * entries, offset=_RINGS["entries"])

    def run(self, commands: Sequence[tuple[int, int, bytes, tuple[int, ...]]]) -> list[tuple[int, int]]:
        """Send ``(opcode, namespace, data, command dwords 10 to 15)`` at once; status and result of each."""
        kept = []
        for index, (opcode, namespace, out, words) in enumerate(commands):
            data = ctypes.create_string_buffer(out, len(out))
            kept.append(data)
            sqe = bytearray(128)
            struct.pack_into("<BBHiQ", sqe, 0, _URING_CMD, 0, 0, self._node, URING_IO)
            struct.pack_into("<Q", sqe, 32, index)
            command = _COMMAND.pack(
                opcode, 0, 0, namespace, 0, 0, 0, ctypes.addressof(data), 0, len(out), *words, 0, 0
            )
            sqe[48 : 48 + len(command)] = command
            self._entries[128 * index : 128 * (index + 1)] = bytes(sqe)
            struct.pack_into("<I", self._rings, self._sq[6] + 4 * index, index)
        struct.pack_into("<I", self._rings, self._sq[1], len(commands))
        self._call(_ENTER, self._ring, len(commands), len(commands), _GETEVENTS, None, 0)
        found = {}
        for index in range(len(commands)):
            number, status, _, result = struct.unpack_from("<QiIQ", self._rings, self._cq[5] + 32 * index)
            found[number] = (status, result)
        return [found[index] for index in range(len(commands))]

    def _call(self, number: int, *arguments: object) -> int:
        result = self._libc.syscall(number, *arguments)
        if result < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        return int(result)


def main(arguments: list[str]) -> None:
    """Append by io_uring, and print the LBAs."""
    _, node, *numbers = arguments
    lba, count, block = map(int, numbers)
    with Path(node).open("rb+", buffering=0) as opened:
        words = (lba & 0xFFFFFFFF, lba >> 32, 0, 0, 0, 0)
        commands = [(APPEND, NAMESPACE, bytes([index]) * block, words) for index in range(count)]
        for status, result in Uring(opened.fileno()).run(commands):
            print(status, result)


if __name__ == "__main__":
    main(sys.argv[1:])
