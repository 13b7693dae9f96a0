"""What tests without a guest have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm.kernel import kernel


@pytest.fixture(scope="session", autouse=True)
def runs() -> Iterator[None]:
    """No run of this user is seen: `power-cut` would be of the only one."""
    with tempfile.TemporaryDirectory(prefix="runs") as directory, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", directory)
        yield


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of kernels, on a host that has none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("zonevm.kernel.kernel._host", lambda: iter(()))
    return kernel.kernels_dir()
