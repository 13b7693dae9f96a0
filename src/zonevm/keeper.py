"""The keeper, a program of its own beside zonevm: starts processes for it, and ends them once zonevm is gone.

processes.py runs it. It is their parent, so that their ids cannot be given to others before it has seen
their ends; it has one thread, so that the kernel ends them with it (PR_SET_PDEATHSIG, prctl(2), goes by the
thread). It also makes a directory and removes it; its own parent, a copy of it that does nothing else, does
so where the keeper is killed. Uses Python's own library only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

REQUEST = struct.Struct("=II")
"""The length of a program's arguments, each with a null byte behind it, and how many more descriptors it has.
With it come the descriptors: a socket for this program alone, its standard ones, and those. Behind it come
their numbers in the program (:data:`NUMBER`), then the arguments."""
NUMBER = struct.Struct("=i")
STARTED = struct.Struct("=ii")
"""Sent over that socket: the process id, or 0 and why not (errno). The other side closes it to end it."""
ENDED = struct.Struct("=i")
"""Sent over that socket: the exit code, or a signal's number below zero."""
MADE = struct.Struct("=i")
"""Sent first of all: 0, or why there is no directory (errno)."""

_STANDARD = 3
_MOST_DESCRIPTORS = 250
_NO_DIRECTORY = 3
_PR_SET_PDEATHSIG = 1


class Keeper:
    """Starts what comes over ``control``, until that ends."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[socket.socket, subprocess.Popen[bytes]] = {}
        self._libc = ctypes.CDLL(None)
        self._selector = selectors.DefaultSelector()
        wake, wakes = os.pipe()
        for end in (wake, wakes):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(wake, selectors.EVENT_READ)
        self._wake = wake

    def keep(self) -> None:
        """Do it, and end the processes at last."""
        try:
            while True:
                for key, _ in self._selector.select():
                    if key.fileobj is self._control:
                        if not self._start():
                            return
                    elif key.fileobj == self._wake:
                        with suppress(BlockingIOError):
                            os.read(self._wake, 4096)
                        self._report()
                    elif isinstance(key.fileobj, socket.socket):
                        self._selector.unregister(key.fileobj)
                        _kill(self._children[key.fileobj])
        except ConnectionResetError:
            return  # zonevm was killed, and had not read all that it was told
        finally:
            for child in self._children.values():
                _kill(child)
                child.wait()

    def _start(self) -> bool:
        """Start what is asked for next; return whether anything was."""
        head, descriptors, _, _ = socket.recv_fds(self._control, REQUEST.size, _MOST_DESCRIPTORS)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        if len(head) < REQUEST.size:
            return False
        length, more = REQUEST.unpack(head)
        numbers = self._received(more * NUMBER.size)
        arguments = self._received(length)
        if numbers is None or arguments is None:
            return False
        own, *rest = descriptors
        streams, extra = rest[:_STANDARD], rest[_STANDARD:]
        wanted = [number for (number,) in NUMBER.iter_unpack(numbers)]
        life = socket.socket(fileno=own)
        held = _held(wanted)
        try:
            stdin, stdout, stderr = streams
            child = subprocess.Popen(
                arguments.split(b"\0")[:-1],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                close_fds=False,  # none of the keeper's is inheritable
                process_group=0,
                preexec_fn=self._tied(os.getpid(), extra, wanted),  # noqa: PLW1509  # there are no threads
            )
        except OSError as error:
            _tell(life, STARTED.pack(0, error.errno or 0))
            life.close()
        else:
            self._children[life] = child
            self._selector.register(life, selectors.EVENT_READ)
            _tell(life, STARTED.pack(child.pid, 0))
        finally:
            for descriptor in (*rest, *held):
                os.close(descriptor)
        return True

    def _received(self, length: int) -> bytes | None:
        """Return the next bytes of the control socket; None where it ends."""
        data = bytearray()
        while len(data) < length:
            piece = self._control.recv(length - len(data))
            if not piece:
                return None
            data += piece
        return bytes(data)

    def _tied(self, keeper: int, extra: list[int], wanted: list[int]) -> Callable[[], None]:
        """Return what makes a new process end with the keeper, which it may have outlived already.

        It also gives descriptors the numbers that they have in zonevm.
        """

        def tie() -> None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != keeper:
                os._exit(1)
            clear = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, max(wanted) + 1) for each in extra]
            for descriptor, number in zip(clear, wanted, strict=True):
                os.dup2(descriptor, number)

        return tie

    def _report(self) -> None:
        for life, child in list(self._children.items()):
            code = child.poll()
            if code is not None:
                _tell(life, ENDED.pack(code))
                del self._children[life]
                with suppress(KeyError):
                    self._selector.unregister(life)
                life.close()


def _held(numbers: list[int]) -> list[int]:
    """Take, and return, those of ``numbers`` that are free: starting a process takes some for itself."""
    held = []
    for number in numbers:
        try:
            os.fstat(number)
        except OSError:
            held.append(os.dup2(0, number, inheritable=False))
    return held


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a process, which has a group of its own, with what it has started."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _tell(life: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        life.sendall(data)


def _remove(directory: str) -> None:
    import shutil  # noqa: PLC0415  # most of the time that this file would take to start

    shutil.rmtree(directory, ignore_errors=True)


def _main(end: int, directory: str) -> int:
    """Be the keeper, over standard input. ``end``: a pipe that ends with zonevm; ``directory``: or empty."""
    control = socket.socket(fileno=0)
    keeper = os.fork() if directory else 0
    if keeper:
        control.close()
        _, status = os.waitpid(keeper, 0)
        if os.waitstatus_to_exitcode(status) == _NO_DIRECTORY:
            return _NO_DIRECTORY
        os.read(end, 1)
    else:
        os.close(end)
        try:
            if directory:
                os.mkdir(directory, 0o700)  # noqa: PTH102  # pathlib takes a while to start
        except OSError as error:
            _tell(control, MADE.pack(error.errno or -1))
            return _NO_DIRECTORY
        _tell(control, MADE.pack(0))
        Keeper(control).keep()
    if directory:
        _remove(directory)
    return 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), sys.argv[2]))
