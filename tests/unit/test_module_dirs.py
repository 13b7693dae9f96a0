"""Where a kernel's modules are found, and what is said of places that have none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from zonevm import KernelError
from zonevm.kernel import kernel
from zonevm.kernel.builtin import require_builtin
from zonevm.kernel.modules import ModuleTree
from zonevm.kernel.vmlinux import unpacked

from .kernels import bzimage, install, minimal_module, vmlinux


def unindexed(root: Path, version: str, image: str = "boot/vmlinuz-{}") -> Path:
    """A kernel as its packages unpack, which come without depmod's indexes."""
    modules = root / "lib/modules" / version
    (modules / "kernel/fs").mkdir(parents=True)
    (modules / "kernel/fs/f2fs.ko").write_bytes(minimal_module())
    (modules / "modules.order").write_text("kernel/fs/f2fs.ko\n")
    (modules / "modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n")
    return bzimage(root / image.format(version), version, zstandard.compress(vmlinux(note=18)))


@pytest.mark.parametrize("place", ["boot/vmlinuz-{}", "lib/modules/{}/vmlinuz"])
def test_an_unpacked_package_is_indexed_in_the_cache(cache: Path, tmp_path: Path, place: str) -> None:
    root = tmp_path / "unpacked"
    image = unindexed(root, "7.3.4-amd64", place)
    before = sorted(root.rglob("*"))
    for directory in (root / "lib/modules/7.3.4-amd64", root):
        directory.chmod(0o555)
    for choice in (root, image):
        found = kernel.find(choice)
        assert found.image == image
        assert found.modules is not None
        assert found.modules.is_relative_to(cache.parent)
        tree = ModuleTree(found.modules)
        (path,) = tree.closure([("f2fs", "a test"), ("overlay", "a test")])
        assert path.resolve() == root / "lib/modules/7.3.4-amd64/kernel/fs/f2fs.ko"
    assert sorted(root.rglob("*")) == before
    (root / "lib/modules/7.3.4-amd64/kernel/fs/new.ko").write_bytes(minimal_module())
    again = kernel.find(root).modules
    assert again is not None
    assert ModuleTree(again).closure([("new", "a test")])


def test_without_a_list_of_what_is_built_in(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").touch()
    with pytest.raises(KernelError, match=r"no module overlay.*; no modules\.builtin there says"):
        ModuleTree(tmp_path).closure([("overlay", "the guest's root")])


def test_what_an_image_without_modules_lacks_is_told_before_it_boots(cache: Path, tmp_path: Path) -> None:
    inside = vmlinux(note=18)
    image = bzimage(tmp_path / "bzImage", "6.6.6", zstandard.compress(inside + b"\0virtio-pci\0"))
    chosen = kernel.find(image)
    elf = unpacked(image, tmp_path / "elf")
    wanted = [("virtio_pci", "the guest's root"), ("overlay", "the guest's root")]
    require_builtin(chosen, elf, wanted)
    with pytest.raises(KernelError) as caught:
        require_builtin(chosen, elf, [*wanted, ("9pnet_virtio", "the guest's root")])
    assert "has not built in: 9pnet_virtio (the guest's root); no modules of 6.6.6 are in" in str(
        caught.value
    )
    assert "/lib/modules/6.6.6 (No such file or directory)" in str(caught.value)
    require_builtin(chosen, image, [("9pnet_virtio", "what cannot be unpacked is not known")])


def test_a_link_to_modules_that_cannot_be_followed(cache: Path, tmp_path: Path) -> None:
    image = bzimage(tmp_path / "boot/vmlinuz-6.6.6", "6.6.6")
    link = tmp_path / "lib/modules/6.6.6"
    link.parent.mkdir(parents=True)
    link.symlink_to("/nowhere/6.6.6")
    found = kernel.find(image)
    assert found.modules is None
    assert f"{link} (a link to /nowhere/6.6.6: No such file or directory)" in found.sought


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user")
def test_what_a_user_may_not_read_is_told(tmp_path: Path) -> None:
    private = tmp_path / "private"
    install(private, "6.6.6")
    image = bzimage(tmp_path / "open/boot/vmlinuz-6.6.6", "6.6.6")
    link = tmp_path / "open/lib/modules/6.6.6"
    link.parent.mkdir(parents=True)
    link.symlink_to(private / "lib/modules/6.6.6")
    for directory in (tmp_path, *list(tmp_path.parents)[:-2]):
        directory.chmod(0o755)
    private.chmod(0o700)
    script = (
        "import os, sys; from zonevm.kernel import kernel; from zonevm import KernelError; os.setuid(65534)\n"
        "print(*kernel.find(sys.argv[1]).sought)\n"
        "try: kernel.find(sys.argv[2])\n"
        "except KernelError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, image, private / "boot"], capture_output=True, text=True
    )
    assert f"{link} (a link to {private}/lib/modules/6.6.6: Permission denied)" in done.stdout, done.stderr
    assert f"cannot read the kernel {private}/boot: Permission denied" in done.stdout
