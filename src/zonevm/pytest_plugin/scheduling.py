"""A scheduler of pytest-xdist that decides when it knows the tests: by module, if some are in guests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScheduling, LoadScopeScheduling, WorkStealingScheduling

from zonevm.pytest_plugin.grouping import module, told

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController


class Undecided:
    """What xdist was asked for, until a worker tells of tests in guests; then one that knows modules."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        steals = config.getoption("dist") == "worksteal"
        self._chosen: Scheduling = WorkStealingScheduling(config) if steals else LoadScheduling(config)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Decide, and hand on what a worker has collected: all collect the same."""
        if not isinstance(self._chosen, _ByModule) and (modules := told(node)):
            by_module = _ByModule(self._config, modules)
            for known in self._chosen.nodes:
                by_module.add_node(known)
            self._chosen = by_module
        self._chosen.add_node_collection(node, collection)

    def __getattr__(self, name: str) -> Any:
        """All else is the chosen one's."""
        return getattr(self._chosen, name)


class _ByModule(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps the tests of some modules together, and spreads others."""

    def __init__(self, config: pytest.Config, modules: frozenset[str]) -> None:
        super().__init__(config)
        self._modules = modules

    def _split_scope(self, nodeid: str) -> str:
        name = module(nodeid)
        return name if name in self._modules else nodeid
