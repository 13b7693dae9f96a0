"""Lends the caller's terminal to a command in the guest: raw mode, and its size as it changes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator


def size() -> tuple[int, int]:
    """Return the rows and columns of the caller's terminal; 24 and 80 where there is none."""
    found = shutil.get_terminal_size()
    return found.lines, found.columns


@contextlib.contextmanager
def lent(descriptor: int) -> Iterator[None]:
    """Keep terminal ``descriptor`` in raw mode while entered: every key goes to the guest, Ctrl-C too.

    Does nothing where it is not a terminal.
    """
    if not os.isatty(descriptor):
        yield
        return
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor, termios.TCSADRAIN)  # what was typed ahead stays
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def following_size(resize: Callable[[int, int], None]) -> Iterator[None]:
    """Call ``resize`` whenever the caller's terminal changes its size. Only the main thread can follow it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGWINCH, lambda *_: resize(*size()))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def standard_streams() -> tuple[int, int]:
    """Return the descriptors of the caller's standard input and output."""
    return sys.__stdin__.fileno() if sys.__stdin__ else 0, sys.__stdout__.fileno() if sys.__stdout__ else 1
