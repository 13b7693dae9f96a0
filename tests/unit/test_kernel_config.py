"""Where the configuration of a kernel is found: beside its image, with its modules, in its build tree."""

from __future__ import annotations

from pathlib import Path

from zonevm.kernel.kernel import Kernel
from zonevm.kernel.kernel_config import find_config


def test_where_a_kernels_configuration_is(tmp_path: Path) -> None:
    def made(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return path

    modules = tmp_path / "usr/lib/modules/6.9"
    image = made("boot/vmlinuz-6.9")
    assert find_config(Kernel("6.9", image, None, "file")) is None
    beside_modules = made("usr/lib/modules/6.9/config")
    assert find_config(Kernel("6.9", image, modules, "file")) == beside_modules
    beside_image = made("boot/config-6.9")
    assert find_config(Kernel("6.9", image, modules, "file")) == beside_image
    with_modules = made("usr/lib/modules/6.9/vmlinuz")
    assert find_config(Kernel("6.9", with_modules, None, "file")) == beside_modules
    built = made("tree/arch/x86/boot/bzImage")
    made("tree/include/config/kernel.release")
    assert find_config(Kernel("6.9", built, None, "file")) is None
    config = made("tree/.config")
    assert find_config(Kernel("6.9", built, None, "file")) == config
