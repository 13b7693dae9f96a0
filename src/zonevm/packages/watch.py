"""Tells how much of a download has arrived, by the sizes of its files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

Progress = Callable[[int, int], None]
"""Is told the bytes downloaded so far and the bytes in all."""

_POLL_SECONDS = 0.1


class Watch:
    """Tells a callback how much of ``total`` bytes has arrived in ``directory`` while it is entered."""

    def __init__(self, directory: Path, total: int, progress: Progress | None) -> None:
        self._directory = directory
        self._total = total
        self._progress = progress
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        if self._progress:
            self._thread.start()

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        if self._progress:
            self._thread.join()
            self._tell()

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self._tell()

    def _tell(self) -> None:
        assert self._progress
        arrived = 0
        for file in self._directory.rglob("*.deb*"):
            try:
                arrived += file.stat().st_size
            except FileNotFoundError:  # renamed by apt meanwhile
                continue
        self._progress(min(arrived, self._total), self._total)
