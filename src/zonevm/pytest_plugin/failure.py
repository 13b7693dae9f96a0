"""What is known of a test that failed in a guest: sections of its report, files, parts of an HTML report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import import_module

import pytest

from zonevm import evidence
from zonevm.errors import GuestPanicError, ZonevmError
from zonevm.guest import Guest
from zonevm.guest.verify import expected
from zonevm.inputs import printable
from zonevm.pytest_plugin.running import Running

_LAST_LINES = 20


def attach(report: pytest.TestReport, error: BaseException, test: Running, *, html: bool) -> None:
    """Attach to the report of a failed test what is known; ``html``: for pytest-html too."""
    if isinstance(error, ZonevmError) and error.hint:
        _section(report, "what to do", [error.hint])
    if test.guest is None:
        if isinstance(error, GuestPanicError):
            _section(report, "kernel", error.console.splitlines())
        return
    for number, lines in evidence.failed_commands(test.guest, test.begun).items():
        _section(report, f"failed commands of disk {number}", lines)
    files = dict(_files(test, test.guest))
    _section(report, "kernel", files["console.txt"][test.heard :].splitlines())
    try:
        test.keep(files)
    except OSError as failure:
        _section(report, "evidence", [f"cannot be kept in {test.place}: {failure.strerror}"])
    else:
        names = [*files, *([test.trace.name] if test.asked.trace else [])]
        _section(report, "evidence", [f"{test.place}: {', '.join(names)}"])
    if html:
        extras = import_module("pytest_html.extras")
        drawn = (extras.svg if name.endswith(".svg") else extras.text for name in files)
        more = [draw(text, name) for draw, (name, text) in zip(drawn, files.items(), strict=True)]
        report.extras = [*getattr(report, "extras", ()), *more]  # type: ignore[attr-defined]


def _files(test: Running, guest: Guest) -> Iterator[tuple[str, str]]:
    yield "console.txt", guest.console()
    yield from evidence.of_guest(guest, test.begun)
    # A test may have stopped its guest, which has no disks then.
    with suppress(ZonevmError):
        for number in guest.failures():
            zones = guest.disk(number).zones()
            block_size = int(expected(test.disks[number])["logical block size"])
            yield from evidence.of_zones(number, zones, block_size, f"{test.name}, disk {number}")


def _section(report: pytest.TestReport, name: str, lines: Sequence[str]) -> None:
    """Add a section that terminals and JUnit show: a part of the failure, which both have."""
    if lines:
        text = "\n".join(printable(line, kept="\t") for line in lines[-_LAST_LINES:])
        add = getattr(report.longrepr, "addsection", None)
        if add is None:
            report.sections.append((f"zonevm: {name}", text))
        else:
            add(f"zonevm: {name}", text)
