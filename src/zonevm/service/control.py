"""How another zonevm speaks to one that runs a guest or serves disks: a socket in its directory, JSON lines.

Only the same user is answered. Knows no guest: it hands requests to functions. The other side is in runs.py.
"""

from __future__ import annotations

import inspect
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from zonevm.errors import UsageError, ZonevmError
from zonevm.service import lines

NAME = "control.sock"
ANSWER_SECONDS = 60
ANSWER_BYTES = 16 << 20
"""The longest answer; a power cut lists two million blocks in it."""

_REQUEST_SECONDS = 5
_REQUEST_BYTES = 1 << 16
_MOST_CONNECTIONS = 16
_RETRY_SECONDS = 0.1

Handler = Callable[..., object]


@contextmanager
def listening(directory: Path, handlers: Mapping[str, Handler]) -> Iterator[None]:
    """Answer requests while entered. A request names a handler and its keyword arguments.

    Handlers run in threads of their own, one at a time. Leaving waits for the one that runs, and sends its
    answer first; it does not wait for a client that has connected and asked nothing.
    """
    path = directory / NAME
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen()
        server = _Server(listener, handlers)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            server.end()


class _Server:
    """Accepts connections in a thread, and reads each one's request and answers it in another."""

    def __init__(self, listener: socket.socket, handlers: Mapping[str, Handler]) -> None:
        self._listener = listener
        self._handlers = handlers
        self._places = threading.Semaphore(_MOST_CONNECTIONS)
        self._turn = threading.Lock()
        self._changing = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._ending = False
        self._thread = threading.Thread(target=self._accept, name="zonevm-control", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Accept and read no more; wait for answers in flight."""
        with self._changing:
            self._ending = True
            threads = [self._thread, *self._open.values()]
            for waiting in (self._listener, *self._open):
                with suppress(OSError):
                    waiting.shutdown(socket.SHUT_RD)
        until = time.monotonic() + ANSWER_SECONDS
        for thread in threads:
            thread.join(max(0, until - time.monotonic()))

    def _accept(self) -> None:
        while not self._ending:
            with self._places:
                pass  # wait until there is one
            try:
                connection, _ = self._listener.accept()
            except OSError:  # the end, or no descriptors are left for the moment
                time.sleep(0 if self._ending else _RETRY_SECONDS)
                continue
            if not lines.is_own(connection) or not self._started(connection):
                connection.close()

    def _started(self, connection: socket.socket) -> bool:
        thread = threading.Thread(target=self._serve, args=(connection,), name="zonevm-control", daemon=True)
        with self._changing:
            if self._ending:
                return False
            self._places.acquire()
            self._open[connection] = thread
            with suppress(RuntimeError):  # no thread can be had
                thread.start()
                return True
            self._forget(connection)
            return False

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError, lines.LineError):
                request = lines.receive(connection, _REQUEST_BYTES, _REQUEST_SECONDS)
                lines.send(connection, self._answer(request), ANSWER_SECONDS)
        finally:
            with self._changing:
                self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        del self._open[connection]
        self._places.release()

    def _answer(self, request: dict[str, object]) -> dict[str, object]:
        name = request.pop("do", None)
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            return _refusal("this run does not know the request: it is of another version of zonevm")
        try:
            inspect.signature(handler).bind(**request)
        except TypeError as error:
            return _refusal(f"the request is wrong: {error}")
        if not self._turn.acquire(timeout=ANSWER_SECONDS):
            return _failure("the run is still busy with an earlier request")
        try:
            answer = {"answer": handler(**request)}
            if len(json.dumps(answer)) < ANSWER_BYTES:
                return answer
            return _failure("it was done, but the answer is too long to be sent")
        except UsageError as error:
            return _refusal(error.message, error.hint)
        except ZonevmError as error:
            return _failure(error.message, error.hint)
        except Exception as error:
            return _failure(f"the run failed at the request: {type(error).__name__}: {error}")
        finally:
            self._turn.release()


def _refusal(message: str, hint: str = "") -> dict[str, object]:
    return {"error": message, "hint": hint, "usage": True}


def _failure(message: str, hint: str = "") -> dict[str, object]:
    return {"error": message, "hint": hint, "usage": False}
