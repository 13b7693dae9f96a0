"""Where cells run: here, so many at the same time, or wherever an executor runs them. Schedules nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from zonevm.errors import HostError, UsageError
from zonevm.inputs import shown
from zonevm.matrix.process import Ended, Job, perform, perform_on_worker

LOG = "log.txt"
"""What a cell has written, in its directory."""

Submit = Callable[[Job], "Future[Ended]"]


@contextmanager
def here(guests: int) -> Iterator[Submit]:
    """Yield what runs cells on this machine, ``guests`` at the same time; at the end none is left."""
    stop = Event()
    with ThreadPoolExecutor(guests, thread_name_prefix="zonevm-cell") as pool:
        try:
            yield lambda job: pool.submit(_logged, job, stop)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _logged(job: Job, stop: Event) -> Ended:
    place = Path(job.place)
    place.mkdir(parents=True, exist_ok=True)
    with (place / LOG).open("wb") as log:
        return perform(job, log, stop)


@contextmanager
def on_executor(factory: Callable[[], Any]) -> Iterator[Submit]:
    """Yield what has an executor run cells: the one that ``factory`` returns, or that of its context manager.

    When this is left early, what has not begun is cancelled; what has begun is the executor's to end.
    """
    with ExitStack() as stack:
        try:
            executor = stack.enter_context(factory())
        except Exception as error:  # whatever the user's function does
            raise HostError(
                f"cannot make the executor: {type(error).__name__}: {error}",
                "Look at its function.",
            ) from error
        if not hasattr(executor, "submit"):
            raise UsageError(
                f"{shown(executor)} is not an executor: it has no submit",
                "Return a concurrent.futures.Executor.",
            )
        futures: list[Future[Ended]] = []

        def submit(job: Job) -> Future[Ended]:
            futures.append(executor.submit(perform_on_worker, job))
            return futures[-1]

        try:
            yield submit
        finally:
            for future in futures:
                future.cancel()


def factory(text: str) -> Callable[[], Any]:
    """Return what ``MODULE:NAME`` names; modules of the current directory are found too.

    Raises :class:`UsageError` where there is none, or it is nothing that can be called.
    """
    module, colon, name = text.partition(":")
    if not (module and colon and name):
        raise UsageError(f"{text!r} does not name a function", "Write MODULE:FUNCTION.")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: object = getattr(importlib.import_module(module), name)
    except Exception as error:  # whatever the user's module does
        raise UsageError(
            f"--executor {text}: {type(error).__name__}: {error}",
            "Name a module here or in Python's path, and a function of it.",
        ) from error
    if not callable(found):
        raise UsageError(f"--executor {text} cannot be called", "Name a function that returns an executor.")
    return found
