"""A program of its own: operations on files, and what a power cut must have left of them.

    file_program.py work DIRECTORY OPERATIONS       does them, with a mark after each fsync and sync
    file_program.py compare DIRECTORY OPERATIONS    says what is not as the last mark promises

It runs in a guest, on a mounted file system. OPERATIONS are separated by semicolons, and numbered from 1:

    create F, mkdir D, write F OFFSET LENGTH, append F LENGTH, truncate F LENGTH, rename F G, link F G,
    unlink F, fsync F or D, sync
    zone F            F is there, empty: a zone of a zonefs
    direct F LENGTH   append to it in one direct write

A mark is the number of the operation that has returned, and its text. Which rules :func:`findings` goes by,
and where they come from, is in docs/crash-workloads.md. Standard library only: it runs isolated (-I -S).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

ROOT = "."
_UNIT = 16
_SECTOR = 512
_REPORTED = 9

Actual = Mapping[str, bytes | None]
"""What is there: the data of files, None for directories, by their names from the file system's root."""


class Tree(NamedTuple):
    """A file system as its user sees it. An inode is the number of the operation that made it.

    ``contents``: None for directories; also of files that have no name any more.
    """

    names: dict[str, int]
    contents: dict[int, bytes | None]


def parent(name: str) -> str:
    """Return the directory that a name is in."""
    return os.path.dirname(name) or ROOT  # noqa: PTH120


def parsed(operations: str) -> list[list[str]]:
    """Return the words of each operation."""
    return [each.split() for each in operations.split(";") if each.strip()]


def data(number: int, start: int, length: int) -> bytes:
    """Return what an operation writes at a place of a file: it says so itself, every 16 bytes."""
    first = start // _UNIT * _UNIT
    text = b"".join(b"%7d %7d\n" % (number, at) for at in range(first, start + length, _UNIT))
    return text[start - first : start - first + length]


def applied(tree: Tree, number: int, operation: Sequence[str]) -> Tree:
    """Return the file system after an operation that succeeds."""
    kind, *words = operation
    names, contents = dict(tree.names), dict(tree.contents)
    if kind in ("create", "zone"):
        names[words[0]], contents[number] = number, b""
    elif kind == "mkdir":
        names[words[0]], contents[number] = number, None
    elif kind == "rename":
        names[words[1]] = names.pop(words[0])
    elif kind == "link":
        names[words[1]] = names[words[0]]
    elif kind == "unlink":
        del names[words[0]]
    elif kind not in ("fsync", "sync"):
        inode = names[words[0]]
        contents[inode] = _changed(contents[inode] or b"", number, kind, *map(int, words[1:]))
    return Tree(names, contents)


def _changed(old: bytes, number: int, kind: str, *numbers: int) -> bytes:
    if kind == "truncate":
        return old[: numbers[0]].ljust(numbers[0], b"\0")
    start, length = numbers if kind == "write" else (len(old), numbers[0])
    return old[:start].ljust(start, b"\0") + data(number, start, length) + old[start + length :]


def trees(operations: Sequence[Sequence[str]]) -> list[Tree]:
    """Return the file system after none of the operations, after the first, and so on."""
    found = [Tree({}, {})]
    for number, operation in enumerate(operations, 1):
        found.append(applied(found[-1], number, operation))
    return found


def promises(operation: Sequence[str]) -> bool:
    """Whether something is promised once an operation has returned."""
    return operation[0] in ("fsync", "sync")


class Promised:
    """What holds in a file system since operation ``done`` has returned, a mark, up to the next mark."""

    def __init__(self, operations: Sequence[Sequence[str]], done: int) -> None:
        self._operations = operations
        self._trees = trees(operations)
        self._done = done
        later = (at for at in range(done + 1, len(operations) + 1) if promises(operations[at - 1]))
        self._end = next(later, len(operations))

    def findings(self, actual: Actual) -> Iterator[str]:
        """Yield what is not as promised."""
        tree = self._trees[self._done]
        for inode, content in tree.contents.items():
            if content is not None:
                yield from self._file(inode, actual)
        for directory in sorted({ROOT, *(name for name in tree.names if self._is_directory(name))}):
            yield from self._entries(directory, actual)

    def _is_directory(self, name: str) -> bool:
        tree = self._trees[self._done]
        return tree.contents[tree.names[name]] is None

    def _file(self, inode: int, actual: Actual) -> Iterator[str]:
        """A file that was synced has its data, under a name that it has had since the last sync of all."""
        since = self._file_since(inode)
        if since is None or any(inode not in tree.names.values() for tree in self._window(since)):
            return
        known = self._window(self._synced(since))
        names = sorted({name for tree in known for name, held in tree.names.items() if held == inode})
        if not any(self._may_be(inode, actual[name]) for name in names if name in actual):
            there = ", ".join(f"{name}: {_described(actual.get(name, 'nothing'))}" for name in names)
            wanted = " or ".join(sorted({_described(each) for each in self._versions(inode, since)}))
            yield f"the file that operation {since} made stable has to have {wanted}; there is {there}"

    def _entries(self, directory: str, actual: Actual) -> Iterator[str]:
        """A directory that was synced has the entries it had, but for later changes."""
        since = self._directory_since(directory)
        if since is None:
            return
        for name in sorted(
            {name for tree in self._trees for name in tree.names if parent(name) == directory}
        ):
            first = self._synced(since) if self._was_moved_out(name, since) else since
            holders = [tree.names.get(name) for tree in self._window(first)]
            if name not in actual:
                if None not in holders:
                    yield f"{name} is not there, which operation {since} made stable"
            elif set(holders) == {None}:
                yield f"{name} is there again; that it is gone operation {since} made stable"
            elif not any(inode is not None and self._may_be(inode, actual[name]) for inode in holders):
                found = _described(actual[name])
                yield f"{name} is none of the files that it may be since operation {since}: {found}"

    def _window(self, first: int) -> list[Tree]:
        """The file system as it may be now, if nothing since operation ``first`` is stable."""
        return self._trees[first : self._end + 1]

    def _last(self, upto: int, *wanted: list[str]) -> int | None:
        """The last operation up to this one that is among these."""
        return next((at for at in range(upto, 0, -1) if list(self._operations[at - 1]) in wanted), None)

    def _synced(self, upto: int) -> int:
        return self._last(upto, ["sync"]) or 0

    def _file_since(self, inode: int) -> int | None:
        """The last operation that made a file's data stable."""
        for at in range(self._done, 0, -1):
            kind, *words = self._operations[at - 1]
            tree = self._trees[at]
            if inode not in tree.contents:
                return None
            if kind == "sync" or (kind == "fsync" and tree.names.get(words[0]) == inode):
                return at
        return None

    def _directory_since(self, directory: str) -> int | None:
        since = self._last(self._done, ["sync"], ["fsync", directory])
        # One that was not made yet has nothing to promise.
        there = since is not None and (directory == ROOT or directory in self._trees[since].names)
        return since if there else None

    def _was_moved_out(self, name: str, upto: int) -> bool:
        """Whether a name went to another directory since the last sync of all: of that one is not enough."""
        moves = [words for kind, *words in self._operations[self._synced(upto) : upto] if kind == "rename"]
        return any(old == name and parent(new) != parent(old) for old, new in moves)

    def _versions(self, inode: int, since: int) -> list[bytes | None]:
        return [tree.contents[inode] for tree in self._window(since) if inode in tree.contents]

    def _may_be(self, inode: int, found: bytes | None) -> bool:
        """Whether this may be what there is of an inode."""
        is_directory = self._trees[self._end].contents[inode] is None
        if is_directory or found is None:
            return is_directory and found is None
        since = self._file_since(inode)
        return since is None or is_mixture(found, [each or b"" for each in self._versions(inode, since)])


def is_mixture(found: bytes, versions: Sequence[bytes]) -> bool:
    """Whether a file's data may be what is between its versions: each byte one of theirs, or a hole's."""
    least = min(map(len, versions))
    if not least <= len(found) <= max(map(len, versions)):
        return False
    for first in range(0, len(found), _SECTOR):
        part = slice(first, first + _SECTOR)
        if any(found[part] == each[part] for each in versions):
            continue
        for at, byte in enumerate(found[part], first):
            if (at < least or byte) and all(at >= len(each) or each[at] != byte for each in versions):
                return False
    return True


def findings(operations: str, done: int, actual: Actual) -> list[str]:
    """Return what is not as it has to be once operation ``done`` has returned; 0: none has."""
    return list(Promised(parsed(operations), done).findings(actual))


def _described(found: bytes | str | None) -> str:
    """What a file has, in few words: its size, and which operation wrote what."""
    if not isinstance(found, bytes):
        return found or "a directory"
    runs: list[str] = []
    said = ""
    for at in range(0, len(found), _UNIT):
        unit = found[at : at + _UNIT]
        words = unit.decode("ascii", "replace").split()
        what = f"operation {words[0]}" if words and words[0].isdigit() else "other data"
        what = what if unit.strip(b"\0") else "zeros"
        if what != said:
            runs.append(f"{what} from {at} on")
            said = what
    return f"{len(found)} bytes" + (f" ({', '.join(runs[:_REPORTED])})" if runs else "")


_CALLS: Mapping[str, Callable[..., None]] = {
    "mkdir": os.mkdir,
    "rename": os.rename,
    "link": os.link,
    "unlink": os.unlink,
    "sync": os.sync,
}


def do(number: int, operation: Sequence[str]) -> None:
    """Do an operation in the working directory. Raises OSError."""
    kind, *words = operation
    if kind == "create":
        os.close(os.open(words[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
    elif kind in ("write", "append", "direct"):
        _write(number, kind, words[0], *map(int, words[1:]))
    elif kind == "truncate":
        os.truncate(words[0], int(words[1]))
    elif kind == "fsync":
        file = os.open(words[0], os.O_RDONLY)
        os.fsync(file)
        os.close(file)
    elif kind in _CALLS:
        _CALLS[kind](*words)


def _write(number: int, kind: str, name: str, *numbers: int) -> None:
    file = os.open(name, os.O_WRONLY | (os.O_DIRECT if kind == "direct" else 0))
    start, length = numbers if kind == "write" else (os.fstat(file).st_size, numbers[0])
    written: bytes | memoryview = data(number, start, length)
    if kind == "direct":
        import mmap  # noqa: PLC0415

        # Aligned, as direct I/O wants it.
        with mmap.mmap(-1, length) as buffer:
            buffer[:] = bytes(written)
            done = os.pwrite(file, buffer, start)
    else:
        done = os.pwrite(file, written, start)
    os.close(file)
    if done != length:
        raise OSError(f"{done} bytes were written, not {length}")


def _mark(text: str) -> None:
    if os.spawnlp(os.P_WAIT, "zonevm-mark", "zonevm-mark", text):
        sys.exit("zonevm-mark failed")


def _work(operations: Sequence[Sequence[str]]) -> None:
    for number, operation in enumerate(operations, 1):
        try:
            do(number, operation)
        except OSError as error:
            sys.exit(f"operation {number}, {' '.join(operation)}: {error}")
        if promises(operation):
            _mark(f"{number}: {' '.join(operation)}")


def _fail(error: OSError) -> None:
    raise error


def _actual() -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for directory, directories, files in os.walk(ROOT, onerror=_fail):
        for name in directories + files:
            path = os.path.normpath(os.path.join(directory, name))  # noqa: PTH118
            found[path] = None if name in directories else _read(path)
    return found


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()


def _compare(operations: str) -> None:
    mark = os.environ.get("ZONEVM_LAST_MARK", "").partition(":")[0]
    try:
        wrong = findings(operations, int(mark) if mark.isdigit() else 0, _actual())
    except OSError as error:
        sys.exit(f"what is there cannot be read: {error}")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    verb, where, what = sys.argv[1:]
    os.chdir(where)
    if verb == "work":
        _work(parsed(what))
    else:
        _compare(what)
