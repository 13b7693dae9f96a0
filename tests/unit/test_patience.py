"""Waits that end by what could have moved, not by the clock."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from zonevm.patience import Patience, written

HOGS = 4


@pytest.fixture
def hogs() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that want one processor, all of them the same."""
    processor = min(os.sched_getaffinity(0))
    with ExitStack() as stack:
        processes = []
        for _ in range(HOGS):
            process = subprocess.Popen(["sh", "-c", "while :; do :; done"])
            stack.enter_context(process)
            stack.callback(process.kill)
            os.sched_setaffinity(process.pid, {processor})
            processes.append(process)
        yield processes


def until_over(patience: Patience) -> float:
    begun = time.monotonic()
    while not patience.is_over():
        time.sleep(0.02)
    return time.monotonic() - begun


def test_time_without_a_processor_does_not_count(hogs: list[subprocess.Popen[bytes]]) -> None:
    assert until_over(Patience(1, hogs[0].pid)) > 2


def test_a_process_that_is_stopped_is_given_up(hogs: list[subprocess.Popen[bytes]]) -> None:
    for hog in hogs:
        hog.send_signal(signal.SIGSTOP)
    until_over(Patience(0.3, hogs[0].pid))


def test_one_that_has_ended_is_given_up() -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    until_over(Patience(0.1, process.pid))


def test_a_sign_begins_anew() -> None:
    seen: list[int] = []

    def sign() -> int:
        seen.append(min(len(seen), 5))
        return seen[-1]

    assert until_over(Patience(0.3, sign=sign)) > 0.3 + 0.3
    assert seen[-1] == 5


def test_what_is_written_is_a_sign() -> None:
    before = written(os.getpid())
    with open(os.devnull, "wb", buffering=0) as null:  # noqa: PTH123
        null.write(bytes(2 << 20))
    assert written(os.getpid()) > before
