"""The result of a command in the guest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from zonevm.errors import GuestError


class CommandError(GuestError):
    """A command in the guest that had to succeed did not; ``completed`` is its result."""

    def __init__(self, completed: Completed) -> None:
        said = completed.stderr.decode(errors="replace").strip()
        super().__init__(
            f"{completed.args!r} ended with exit code {completed.returncode}" + (f": {said}" if said else "")
        )
        self.completed = completed


@dataclass(frozen=True)
class Completed:
    """A command that ended.

    ``returncode`` is what a shell would tell: 128 + n when killed by signal n, 127 when there is no such
    program, 126 when it cannot be executed. ``stdout`` and ``stderr`` are empty when they went elsewhere.
    """

    args: str | tuple[str, ...]
    returncode: int
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def text(self) -> str:
        """The standard output as text."""
        return self.stdout.decode(errors="replace")

    @property
    def error_text(self) -> str:
        """The standard error output as text."""
        return self.stderr.decode(errors="replace")

    def check(self) -> Self:
        """Return this. Raises :class:`CommandError` for an exit code other than 0."""
        if self.returncode:
            raise CommandError(self)
        return self
