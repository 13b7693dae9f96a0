"""Kernels named by a directory or a file, as packages have them: with modules, and without."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from zonevm.cli import execute
from zonevm.guest import find

pytestmark = pytest.mark.guest


def test_an_unpacked_package_boots_and_is_not_changed(
    kernel: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    known = find(kernel)
    assert known.modules
    (tmp_path / "boot").mkdir()
    (tmp_path / f"boot/vmlinuz-{known.version}").symlink_to(known.image)
    modules = tmp_path / "lib/modules" / known.version
    modules.mkdir(parents=True)
    (modules / "kernel").symlink_to(known.modules / "kernel")
    for name in ("modules.order", "modules.builtin"):
        shutil.copy(known.modules / name, modules)
    before = sorted(tmp_path.rglob("*"))
    script = "uname -r; modprobe dm-zoned && grep -c ^dm_zoned /proc/modules"
    assert execute(["run", "--kernel", str(tmp_path), "--", "sh", "-c", script]) == 0
    assert capfd.readouterr().out == f"{known.version}\n1\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_an_image_without_modules_is_told_before_anything_starts(
    kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    known = find(kernel)
    image = tmp_path / "images" / "bzImage"
    image.parent.mkdir()
    shutil.copy(known.image, image)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # without the modules of this version
    assert execute(["run", "--kernel", str(image), "--", "true"]) == 125
    said = capfd.readouterr().err
    assert f"the kernel {image} has not built in: " in said
    assert "virtio_rng (the guest's random numbers)" in said
    assert f"no modules of {known.version} are in {image.parent} (no modules in it), " in said
    assert f"/lib/modules/{known.version} (No such file or directory)" in said
