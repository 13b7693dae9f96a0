"""The fixtures. Of zonevm they import what they use, when they are used: most tests use none."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zonevm.errors import HostError, UsageError, ZonevmError
from zonevm.pytest_plugin import options
from zonevm.pytest_plugin.asked import asked
from zonevm.pytest_plugin.running import KEY, Running, SeenDisk

if TYPE_CHECKING:
    from zonevm._core import PowerCut
    from zonevm.crash import Report
    from zonevm.guest import Guest
    from zonevm.pytest_plugin.guests import Guests

GUESTS = "_zoned_guests"
"""The fixture that tests have which share a guest."""


@pytest.fixture(name=options.KERNEL, scope="module")
def zoned_kernel(request: pytest.FixtureRequest) -> str | None:
    """The kernel that tests are run with in place of their own."""
    return getattr(request, "param", None)


@pytest.fixture(name=options.DISK, scope="module")
def zoned_disk(request: pytest.FixtureRequest) -> str | None:
    """The disk that tests are run with in place of their own."""
    return getattr(request, "param", None)


@pytest.fixture(name=GUESTS, scope="module")
def zoned_guests() -> Iterator[Guests]:
    """The guests of a module, one at a time."""
    from zonevm.pytest_plugin.guests import Guests  # noqa: PLC0415

    guests = Guests()
    yield guests
    guests.end()


@pytest.fixture(name="_zoned_test")
def zoned_test(
    request: pytest.FixtureRequest, _zoned_kernel: str | None, _zoned_disk: str | None, tmp_path: Path
) -> Running:
    """The test, for the other fixtures."""
    item = request.node
    test = Running.of(item, asked(item, _zoned_kernel, _zoned_disk), tmp_path)
    item.stash[KEY] = test
    return test


@pytest.fixture
def zoned_guest(
    request: pytest.FixtureRequest, _zoned_test: Running, _zoned_guests: Guests
) -> Iterator[Guest]:
    """A zonevm.Guest with the disks of the test's mark, which are as new. Tests of a module share one.

    What a test has changed outside the disks stays. After one that kills the guest the next has a new one.
    """
    with _possible(request.config):
        guest = _zoned_guests.lease(_zoned_test)
    yield guest
    _zoned_guests.give_back(_zoned_test)


@pytest.fixture
def zoned_disks(zoned_guest: Guest, _zoned_guests: Guests) -> list[SeenDisk]:
    """The disks of zoned_guest as the guest has them: each with its number, its node, its description."""
    return _zoned_guests.seen()


@pytest.fixture
def zoned_power_cut(zoned_guest: Guest, _zoned_test: Running) -> Callable[..., dict[int, PowerCut]]:
    """Cuts the power of guest and disks and boots again: zonevm.Guest.power_cut.

    Its seed comes from the test's name: the same test loses the same. The next cut of a test has another one.
    Only a disk with cache=volatile loses anything.
    """
    seeds = count(zlib.crc32(_zoned_test.name.encode()))

    def cut(loss: str = "random", seed: int | None = None) -> dict[int, PowerCut]:
        return zoned_guest.power_cut(loss, next(seeds) if seed is None else seed)

    return cut


@pytest.fixture
def zoned_crash(request: pytest.FixtureRequest, _zoned_test: Running) -> Callable[..., Report]:
    """Runs a crash test on the disks of the test's mark: zonevm.crash.explore, with its arguments.

    Fails the test with what was found, or returns the report. All of it is in the test's tmp_path.
    """
    from zonevm.pytest_plugin import crashing  # noqa: PLC0415

    def explore(**arguments: Any) -> Report:
        with _possible(request.config):
            crashing.check(_zoned_test)
        alone = not hasattr(request.config, "workerinput")
        report, text = crashing.explore(_zoned_test, arguments, alone=alone)
        if report.failed:
            pytest.fail(text, pytrace=False)
        return report

    return explore


@contextmanager
def _possible(config: pytest.Config) -> Iterator[None]:
    """What the host cannot do skips the test, or fails it where that is required."""
    try:
        yield
    except HostError as error:
        if not options.required(config):
            raise pytest.skip.Exception(_said(error)) from None
        raise pytest.fail.Exception(_said(error), pytrace=False) from None
    except UsageError as error:
        raise pytest.fail.Exception(_said(error), pytrace=False) from None


def _said(error: ZonevmError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message
