"""The pytest plugin: tests that have a guest with zoned disks. Its hooks; what they need they import late.

It is loaded in every pytest of an environment that has zonevm: it must cost nothing there and change nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from zonevm.pytest_plugin import grouping, options
from zonevm.pytest_plugin.asked import MARK
from zonevm.pytest_plugin.fixtures import (
    GUESTS,
    zoned_crash,
    zoned_disk,
    zoned_disks,
    zoned_guest,
    zoned_guests,
    zoned_kernel,
    zoned_power_cut,
    zoned_test,
)
from zonevm.pytest_plugin.running import KEY, SeenDisk

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

__all__ = [
    "SeenDisk",
    "zoned_crash",
    "zoned_disk",
    "zoned_disks",
    "zoned_guest",
    "zoned_guests",
    "zoned_kernel",
    "zoned_power_cut",
    "zoned_test",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", MARK)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have tests in guests run with each kernel and each disk that the session is to run over."""
    for fixture, values in options.variants(metafunc.config).items():
        if fixture in metafunc.fixturenames and values:
            ids = [options.name(value) for value in values]
            metafunc.parametrize(fixture, values, ids=ids, indirect=True, scope="module")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a module together that share a guest."""
    grouping.mark(config, [item for item in items if GUESTS in getattr(item, "fixturenames", ())])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a worker of xdist whether its tests are kept together here."""
    grouping.tell(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config) -> Scheduling | None:
    """Return what keeps tests together, where xdist was not told how to spread them."""
    return grouping.scheduler(config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what is known of a failure in a guest."""
    report = yield
    if report.failed and call.excinfo is not None and (test := item.stash.get(KEY, None)):
        from zonevm.pytest_plugin import failure  # noqa: PLC0415

        failure.attach(report, call.excinfo.value, test, html=item.config.pluginmanager.hasplugin("html"))
    return report
