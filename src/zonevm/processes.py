"""Processes that end with this one, however it ends, and directories that go with it: by a keeper.

keeper.py is that program; without it `kill -9` of zonevm would leave what it has started.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from zonevm import keeper, standard_streams
from zonevm.errors import HostError

KEEPER_KILLED = (
    "the process that starts others for zonevm (keeper.py) was killed, and they with it",
    "If nobody did that, the kernel may have, for want of memory: see dmesg.",
)

_TURN_SECONDS = 0.2


class Stream(Protocol):
    """A file, or a socket."""

    def fileno(self) -> int: ...


class Kept:
    """A process that a keeper has started; like :class:`subprocess.Popen`. Any thread may use it."""

    def __init__(self, argv: Sequence[str | Path], life: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.keeper_ended = False
        """Whether its keeper was killed, and it with that."""
        self._argv = argv
        self._life = life

    def poll(self) -> int | None:
        """Return the exit code, or a signal's number below zero; None while it runs."""
        self._look(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; return what :meth:`poll` then does.

        Raises :class:`subprocess.TimeoutExpired` where that does not come within ``timeout`` seconds.
        """
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            # In turns: a signal just before a wait without an end would not interrupt it.
            self._look(max(0, min(_TURN_SECONDS, end - time.monotonic())))
            if self.returncode is not None:
                return self.returncode
            if timeout is not None and time.monotonic() >= end:
                raise subprocess.TimeoutExpired([os.fspath(word) for word in self._argv], timeout)

    def kill(self) -> None:
        """Have it end by SIGKILL, with what it has started in its process group."""
        try:
            self._life.shutdown(socket.SHUT_WR)
        except OSError:  # it has ended
            return

    def _look(self, seconds: float) -> None:
        if self.returncode is not None:
            return
        ready = select.poll()
        ready.register(self._life, select.POLLIN)
        if ready.poll(seconds * 1000):
            # Stays there to be read again: an exception, or another thread, may come between.
            said = self._life.recv(keeper.ENDED.size, socket.MSG_PEEK)
            self.keeper_ended = not said
            self.returncode = keeper.ENDED.unpack(said)[0] if said else -signal.SIGKILL


class Keeper:
    """Starts processes that end with it: when it is left, and when this process ends by whatever signal.

    ``directory``: is made, and removed at the end with all that is in it, likewise. Its parent has to exist.
    Raises :class:`OSError` where it cannot be made, or no process can; :class:`HostError` where the keeper
    is killed.
    """

    def __init__(self, directory: Path | None = None) -> None:
        standard_streams.hold()
        self._directory = directory
        self._lives: list[socket.socket] = []
        self._control, theirs = socket.socketpair()
        end, self._ends = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(end), str(directory or "")],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
                pass_fds=[end],
            )
        except BaseException:
            self._control.close()
            os.close(self._ends)
            raise
        finally:
            theirs.close()
            os.close(end)
        try:
            (number,) = _received(self._control, keeper.MADE)
            if number:
                self._directory = None
                raise OSError(number, os.strerror(number), str(directory))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def start(
        self,
        argv: Sequence[str | Path],
        stdin: Stream,
        stdout: Stream,
        stderr: Stream,
        descriptors: Collection[int] = (),
    ) -> Kept:
        """Start a program in a process group of its own, with open ``descriptors`` under the same numbers.

        It stays in this session: where the kernel shares the processors out by session (autogroup, sched(7)),
        QEMU and zonevm would else wait for everybody else's turn whenever one hands something to the other.

        Raises :class:`OSError` where it cannot be executed.

        Raises :class:`HostError` where the keeper was killed.
        """
        data = b"".join(os.fsencode(word) + b"\0" for word in argv)
        head = keeper.REQUEST.pack(len(data), len(descriptors))
        numbers = b"".join(map(keeper.NUMBER.pack, descriptors))
        streams = [each.fileno() for each in (stdin, stdout, stderr)]
        life, theirs = socket.socketpair()
        try:
            with theirs, suppress(BrokenPipeError):
                socket.send_fds(self._control, [head], [theirs.fileno(), *streams, *descriptors])
                self._control.sendall(numbers + data)
            pid, number = _received(life, keeper.STARTED)
            if not pid:
                raise OSError(number, os.strerror(number), str(argv[0]))
        except BaseException:
            life.close()
            raise
        self._lives.append(life)
        return Kept(argv, life, pid)

    def close(self) -> None:
        """End all that runs, and remove the directory. Does nothing the second time."""
        for each in (*self._lives, self._control):
            each.close()
        if self._ends >= 0:
            os.close(self._ends)
            self._ends = -1
        self._process.wait()
        if self._directory:
            shutil.rmtree(self._directory, ignore_errors=True)


def _received(connection: socket.socket, what: struct.Struct) -> tuple[int, ...]:
    said = connection.recv(what.size)
    if not said:
        raise HostError(*KEEPER_KILLED)
    return tuple(what.unpack(said))
