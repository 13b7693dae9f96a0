"""What users give as input: files opened without waiting and read up to a limit, values shown in messages.

Knows nothing of what is in a file. What cannot be read is an :class:`OSError`, whose ``strerror`` says why.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

_LONGEST_SHOWN = 256
"""Most paths are shorter: an error has to name a file so that it can be found."""
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


def open_regular(path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> io.FileIO:
    """Open a regular file, unbuffered, and nothing else: a FIFO or a device of that name is not waited for.

    ``flags`` are those of open(2).
    """
    try:
        # NONBLOCK means nothing to a regular file (open(2)), and what is opened here is what is used.
        given = flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        descriptor = os.open(path, given, 0o666)
    except ValueError as error:
        raise OSError(errno.EINVAL, f"no file can have this name ({error})") from None
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a FIFO to write to that nobody reads
            raise OSError(errno.ENXIO, "is a FIFO, a socket or a device, not a regular file") from None
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "something else")
            raise OSError(errno.EINVAL, f"is {kind}, not a regular file")
        return os.fdopen(descriptor, "rb" if flags & os.O_ACCMODE == os.O_RDONLY else "r+b", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: str | os.PathLike[str], most: int) -> bytes:
    """Return what a regular file holds, which may be ``most`` bytes and no more."""
    with open_regular(path) as file:
        length = os.fstat(file.fileno()).st_size
        if length > most:
            raise OSError(errno.EFBIG, f"has {length} bytes, and {most} are the most for such a file")
        return read_exactly(file, length)


def read_exactly(file: io.FileIO, length: int) -> bytes:
    """Return ``length`` bytes, less only at the file's end; no memory is taken for what is not there."""
    left = min(length, max(os.fstat(file.fileno()).st_size - file.tell(), 0))
    parts = []
    while left and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def check_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that a file can have; raise :class:`ValueError` for any other."""
    text = os.fspath(path)
    if not isinstance(text, str):
        raise ValueError("bytes, not a text")
    if not text or "\0" in text:
        raise ValueError("not a path")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError("a character that no file name has") from None
    return Path(text)


def printable(text: str, kept: str = "") -> str:
    """Return ``text`` with what could steer a terminal, or cannot be encoded, as escapes; ``kept`` stays."""
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode()
        for each in text
    )


def shown(value: object) -> str:
    """Return a value as messages show it: on one line, and not all of it where it is long."""
    try:
        text = str(value)
    except ValueError:  # an int of more digits than Python turns into text (sys.get_int_max_str_digits)
        return "a number of thousands of digits"
    text = printable(text[: _LONGEST_SHOWN + 1])
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
