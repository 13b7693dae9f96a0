"""Runs a command in a guest that is up, and says in words why it could not be. Starts no guest."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zonevm.agent import terminal
from zonevm.agent.client import Client, GuestResetError
from zonevm.agent.completed import Completed
from zonevm.agent.environment import guest_environment
from zonevm.agent.protocol import STDERR, STDOUT
from zonevm.agent.remote_command import ConnectionLostError, NotStartedError, RemoteCommand
from zonevm.agent.streams import Captured, Sink, Source, Written
from zonevm.errors import GuestError, GuestTimeoutError, UsageError
from zonevm.guest.boot import lost
from zonevm.machine.machine import RunningMachine

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_ENOENT = 2

Input = bytes | BinaryIO | int | None
Output = BinaryIO | int | None


@dataclass(frozen=True)
class Command:
    """What is to be run: see :meth:`Guest.run`. ``env`` None: this process's, as far as it fits a guest.

    Raises :class:`UsageError` for what no guest could run.
    """

    argv: Sequence[str | Path] | str
    directory: Path
    env: Mapping[str, str] | None
    tty: bool

    def __post_init__(self) -> None:
        if not self.words:
            raise UsageError("there is no command to run", "Give at least the program's name.")
        if any("\0" in word for word in self.words):
            raise UsageError("a command cannot have a null character in it")

    @property
    def words(self) -> tuple[str, ...]:
        """The program and its arguments."""
        if isinstance(self.argv, str):
            return ("/bin/sh", "-c", self.argv)
        return tuple(os.fspath(word) for word in self.argv)

    def run(
        self,
        machine: RunningMachine,
        client: Client,
        *,
        stdin: Input,
        stdout: Output,
        stderr: Output,
        timeout: float | None,
    ) -> Completed:
        """Run it by the agent of ``client``, and return how it ended; see :meth:`Guest.run`."""
        out, err = _sink(stdout), _sink(stderr)
        command = client.execute(
            [os.fsencode(word) for word in self.words],
            self._environment(),
            os.fsencode(self.directory),
            source=Source(stdin),
            sinks={STDOUT: out} if self.tty else {STDOUT: out, STDERR: err},
            tty=terminal.size() if self.tty else None,
        )
        with terminal.following_size(command.resize) if self.tty else contextlib.nullcontext():
            code = self._wait(machine, client, command, timeout)
        args = self.argv if isinstance(self.argv, str) else self.words
        return Completed(args, code, _captured(out), _captured(err))

    def _environment(self) -> list[bytes]:
        variables = guest_environment(os.environ) if self.env is None else self.env
        return [os.fsencode(f"{name}={value}") for name, value in variables.items()]

    def _wait(
        self, machine: RunningMachine, client: Client, command: RemoteCommand, timeout: float | None
    ) -> int:
        try:
            code = command.wait(timeout)
        except NotStartedError as problem:
            if problem.doing == "cwd":
                raise GuestError(
                    f"the guest has no directory {self.directory}: {os.strerror(problem.number)}",
                    f"/dev, /proc, /sys and /run are the guest's own. Share it: --rwdir {self.directory}",
                ) from None
            return _NOT_FOUND if problem.number == _ENOENT else _NOT_EXECUTABLE
        except GuestResetError:
            raise GuestError(
                f"the guest was reset, or its power cut, while {self.words[0]} ran in it",
                "Commands do not survive that; a disk with an image has what was flushed.",
            ) from None
        except ConnectionLostError:
            raise lost(machine, client) from None
        except BaseException:
            command.abandon()
            raise
        if code is None:
            command.abandon()
            raise GuestTimeoutError(f"{' '.join(self.words)} did not end within {timeout:g} s in the guest")
        return 128 - code if code < 0 else code


def _sink(target: Output) -> Captured | Written:
    return Captured() if target is None else Written(target)


def _captured(sink: Sink) -> bytes:
    return sink.value() if isinstance(sink, Captured) else b""
