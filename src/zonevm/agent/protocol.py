"""The frames that host and agent exchange over one virtio-serial port: the host's side.

The guest's is in the crate ``init``, ``agent/protocol.rs``.

A frame is a header (kind, stream, command number, payload length) and a payload. Data of a stream flows
against credit: a sender may have WINDOW bytes in the air and gets what the receiver passed on back by CREDIT,
so a slow reader stops its writer and nobody's memory grows.
"""

import struct

VERSION = 2
PORT_NAME = "zonevm.agent"
MAGIC = b"\0zonevm-agent\0"
"""What the agent sends before its first frame; the host skips what a guest before a reset left in the air."""

WINDOW = 256 * 1024
CHUNK = 32 * 1024 - 16
LIMIT = 16 * 1024 * 1024
"""The longest payload of the host's: an EXEC frame with a full argument list and environment."""
AGENT_LIMIT = CHUNK
"""The longest payload of the agent's: data of a stream."""

STDIN, STDOUT, STDERR = 0, 1, 2

HELLO = 1  # agent: payload "version release", and, as process 1, three uptimes: begin and end of stage 1, now
EXEC = 2  # host: start a command; payload by pack_exec
FAILED = 3  # agent: it did not start; payload errno and what was tried, "cwd" or "exec"
DATA = 4  # both: bytes of a stream
EOF = 5  # both: no more data on the stream
CREDIT = 6  # both: payload u32, bytes that the receiver of the stream passed on
CLOSE = 7  # both: the receiver of the stream wants no more of it
SIGNAL = 8  # host: payload u32, sent to the command's process group
RESIZE = 9  # host: payload rows and columns, u16 each
EXIT = 10  # agent: payload i32, exit code or minus the signal; after the EOF of all streams
SYNC = 11  # host: write all file systems out
SYNCED = 12  # agent: done so

HEADER = struct.Struct("<BBxxII")
U32 = struct.Struct("<I")
I32 = struct.Struct("<i")
SIZE = struct.Struct("<HH")
_EXEC_HEAD = struct.Struct("<BHHII")


class ProtocolError(Exception):
    """The other side sent what it may not send."""


def frame(kind: int, command: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return HEADER.pack(kind, stream, command, len(payload)) + payload


class Decoder:
    """Cuts a byte stream into frames."""

    def __init__(self, limit: int = LIMIT, synchronized: bool = True) -> None:
        """Start with a frame, or, not ``synchronized``, after the next MAGIC; ``limit`` is a payload's."""
        self._buffer = bytearray()
        self._limit = limit
        self._synchronized = synchronized

    def feed(self, data: bytes) -> list[tuple[int, int, int, bytes]]:
        """Return the ``(kind, command, stream, payload)`` that ``data`` completes, in order.

        Raises :class:`ProtocolError` for a payload that is too long. Keeps no more than one frame.
        """
        buffer = self._buffer
        buffer += data
        if not self._synchronized:
            at = buffer.find(MAGIC)
            if at < 0:
                del buffer[: max(0, len(buffer) - len(MAGIC) + 1)]
                return []
            del buffer[: at + len(MAGIC)]
            self._synchronized = True
        frames: list[tuple[int, int, int, bytes]] = []
        at = 0
        while len(buffer) - at >= HEADER.size:
            kind, stream, command, length = HEADER.unpack_from(buffer, at)
            if length > self._limit:
                raise ProtocolError(f"a frame of {length} bytes; at most {self._limit} are allowed")
            end = at + HEADER.size + length
            if end > len(buffer):
                break
            frames.append((kind, command, stream, bytes(buffer[at + HEADER.size : end])))
            at = end
        del buffer[:at]
        return frames


def pack_exec(argv: list[bytes], env: list[bytes], cwd: bytes, tty: tuple[int, int] | None = None) -> bytes:
    """Return the payload of EXEC; ``env`` is of ``NAME=value``, ``tty`` is (rows, columns) or None."""
    rows, columns = tty or (0, 0)
    strings = [cwd, *argv, *env]
    head = _EXEC_HEAD.pack(tty is not None, rows, columns, len(argv), len(env))
    return head + b"".join(U32.pack(len(string)) + string for string in strings)
