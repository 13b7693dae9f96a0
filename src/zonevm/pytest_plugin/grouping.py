"""Under pytest-xdist: keeps the tests of a module on one worker, so that they share a guest. Boots none.

xdist does so by itself where it was told how: by file, by scope, by group. Where it spreads tests as it likes
(``-n 4``) the workers tell which modules have tests in guests, by files, and a scheduler keeps to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

_SPREAD = ("load", "worksteal")
_DIRECTORY = pytest.StashKey[Path]()
_TOLD = "zonevm_modules"


def module(test: str) -> str:
    """Return the module that the ID of a test names."""
    return test.partition("::")[0]


def mark(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Keep together, in a worker, those tests of a module that share its guest."""
    worker = getattr(config, "workerinput", None)
    if worker is None:
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(module(item.nodeid)))
    # A worker on another host has no such directory.
    if (file := worker.get(_TOLD)) and Path(file).parent.is_dir():
        Path(file).write_text("\n".join({module(item.nodeid) for item in items}))


def tell(node: WorkerController) -> None:
    """Tell a worker where :func:`scheduler` wants to read which modules have tests in guests."""
    config = node.config
    if config.getoption("dist") not in _SPREAD:
        return
    if _DIRECTORY not in config.stash:
        directory = TemporaryDirectory(prefix="zonevm-")
        config.add_cleanup(directory.cleanup)
        config.stash[_DIRECTORY] = Path(directory.name)
    node.workerinput[_TOLD] = str(config.stash[_DIRECTORY] / node.gateway.id)


def told(node: WorkerController) -> frozenset[str]:
    """Return the modules that a worker has found, which has collected its tests."""
    file = Path(node.workerinput[_TOLD])
    return frozenset(file.read_text().splitlines() if file.exists() else ())


def scheduler(config: pytest.Config) -> Scheduling | None:
    """Return a scheduler for tests in guests and others, where xdist would spread them as it likes."""
    if config.getoption("dist") not in _SPREAD:
        return None
    from zonevm.pytest_plugin.scheduling import Undecided  # noqa: PLC0415  # xdist may not be there

    return Undecided(config)
