"""The directory of a crash test: what was asked, the record, the results, the reports. Knows no guest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from zonevm.crash.test import CrashTest
from zonevm.directories import locked, numbered
from zonevm.errors import HostError, UsageError

_TEST = "test.json"
_NAME = "zonevm-crash"


class Directory:
    """A crash test's directory, in use by this process alone; a context manager that lets it go."""

    def __init__(self, path: Path, test: CrashTest, lock: int) -> None:
        self.path = path
        self.test = test
        self._lock = lock

    @classmethod
    def create(cls, path: Path | None, test: CrashTest) -> Self:
        """Make a new directory; ``path`` None: ``zonevm-crash-N`` in the current one.

        Raises :class:`UsageError` where there is something, and :class:`HostError` where none can be made.
        """
        made = None
        try:
            made = numbered(_NAME) if path is None else path
            if path is not None:
                path.mkdir()
            (made / _TEST).write_text(f"{test}\n")
        except FileExistsError as error:
            raise UsageError(
                f"{made} exists already", f"Give a new directory, or go on: zonevm crash resume {made}"
            ) from error
        except OSError as error:
            raise HostError(
                f"cannot make the directory {made}: {error.strerror}", "Give one that you can make: --dir DIR"
            ) from error
        return cls(made, test, locked(made, "zonevm crash"))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Go on with one. Raises :class:`UsageError` for what is not a crash test's, and for one in use."""
        return cls(path, asked(path), locked(path, "zonevm crash"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        os.close(self._lock)

    def remove(self) -> None:
        """Remove it, of a test that has not come to anything."""
        (self.path / _TEST).unlink()
        self.path.rmdir()

    @property
    def record(self) -> Path:
        """The record: an earlier one, or that of the test's own run."""
        return record_of(self.path, self.test)

    @property
    def results(self) -> Path:
        """The results, a line of JSON each."""
        return self.path / "results.jsonl"

    @property
    def failed(self) -> Path:
        """What is kept of failures, a directory each."""
        return self.path / "failed"

    @contextmanager
    def recording(self) -> Iterator[Path]:
        """Yield the file of a record to be made, which is :attr:`record` once the body has ended well."""
        part = self.path / "record.part"
        with suppress(FileNotFoundError):
            part.unlink()
        try:
            yield part
            part.rename(self.record)
        except OSError as error:
            raise HostError(
                f"cannot keep the record {self.record}: {error.strerror}", "Make room, and resume."
            ) from error
        finally:
            with suppress(OSError):
                part.unlink()


def asked(directory: Path) -> CrashTest:
    """Return what the crash test of a directory is; raises :class:`UsageError` where it has none."""
    try:
        text = (directory / _TEST).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{directory} is not the directory of a crash test: it has no {_TEST} that can be read",
            "Give one that zonevm crash has made.",
        ) from error
    return CrashTest.parse(text)


def record_of(directory: Path, test: CrashTest) -> Path:
    """Return the file of the record that a test of this directory has."""
    return Path(test.record) if test.record else directory / "record"
