"""Logs that whatever QEMU and a guest say stay small, and say so themselves."""

from __future__ import annotations

from pathlib import Path

from tests.waiting import until
from zonevm.machine.capped import HEAD, LEFT_OUT, LIMIT, TAIL, capped


def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    with path.open("ab", buffering=0) as log, capped(tmp_path):
        for number in range(3):
            # The line alone makes it too long: what is written while it is cut may be lost.
            log.write(b"first\n".ljust(LIMIT - path.stat().st_size, b"x"))
            log.write(b"a line %d\n" % number)
            # Between the two steps of a cut it is as long as its beginning.
            until(lambda: HEAD + TAIL < path.stat().st_size < LIMIT)
            log.write(b"last %d\n" % number)
    text = path.read_bytes()
    assert text.startswith(b"first\nxx")
    assert text.endswith(b"a line 2\nlast 2\n")
    assert text.count(LEFT_OUT) == 1
    assert len(text) <= LIMIT


def test_a_short_log_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "qemu.log").write_text("short")
    with capped(tmp_path):
        pass
    assert (tmp_path / "qemu.log").read_text() == "short"
