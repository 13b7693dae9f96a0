"""How a verb that runs for long ends when it is told to: by an exception, so that everything is undone."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn


def undo_when_terminated() -> None:
    """Have SIGTERM and SIGHUP end the program as Ctrl-C does: with exit code 128 + the signal's number."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminated)


def _terminated(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)
