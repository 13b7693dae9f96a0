"""What tests of kernels have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from zonevm.kernel import kernel


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of kernels, on a host that has none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("zonevm.kernel.kernel._host", lambda: iter(()))
    return kernel.kernels_dir()
