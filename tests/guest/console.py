"""The console of a booted system image: lines for its shell go in, what they print comes back."""

from __future__ import annotations

import os
import select
import time
from typing import IO

PATIENCE = 150


class Console:
    """Waits until the image is up, for at most PATIENCE seconds, as for every answer."""

    def __init__(self, keyboard: IO[bytes], screen: IO[bytes]) -> None:
        self._keyboard = keyboard
        self._screen = screen.fileno()
        self._seen = b""
        self.wait_until_up()

    def wait_until_up(self) -> None:
        """The image has booted, again."""
        code, text = self._answer()
        assert code == "up", (code, text)

    def run(self, line: str) -> str:
        """What a line for the shell prints; it has to succeed."""
        self.send(line)
        code, text = self._answer()
        assert code == "0", (line, code, text)
        return text

    def send(self, line: str) -> None:
        """A line of which no answer is awaited."""
        self._keyboard.write(line.encode() + b"\n")
        self._keyboard.flush()

    def power_off(self) -> None:
        """Everything is written out, and the machine is off."""
        self.send("sync; mount -o remount,ro /; echo o > /proc/sysrq-trigger; sleep 100")

    def _answer(self) -> tuple[str, str]:
        """The word after the next mark of the image's init, and the text before it."""
        end = time.monotonic() + PATIENCE
        while True:
            text, mark, rest = self._seen.partition(b"==> ")
            code, line_end, after = rest.partition(b"\n")
            if mark and line_end:
                self._seen = after
                return code.strip().decode(), text.replace(b"\r", b"").strip().decode(errors="replace")
            ready, _, _ = select.select([self._screen], [], [], max(0, end - time.monotonic()))
            assert ready, f"no answer in {PATIENCE} s: {self._seen!r}"
            data = os.read(self._screen, 65536)
            assert data, f"the console closed: {self._seen!r}"
            self._seen += data
