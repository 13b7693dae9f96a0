"""Kernels and modules: which is found, what it needs in which order, what is said when it is not there."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard

from zonevm import KernelError, PackageError
from zonevm.guest.command_line import Machine
from zonevm.guest.kernel_boot import Files, KernelBoot
from zonevm.host import Qemu
from zonevm.kernel import kernel, pull
from zonevm.kernel.build_tree import tree_modules
from zonevm.kernel.modules import ModuleTree, module_name, read_module
from zonevm.kernel.vmlinux import image_version, unpacked
from zonevm.machine import accel

from .kernels import ELF, bzimage, install, minimal_module, vmlinux


def test_the_newest_of_a_release_is_found(cache: Path) -> None:
    for version in ("6.1.0-9-amd64", "6.1.0-10-amd64", "6.12.3-amd64"):
        install(cache / version, version)
    assert kernel.find("6.1").version == "6.1.0-10-amd64"
    assert kernel.find("6.1.0-9-amd64").version == "6.1.0-9-amd64"
    assert kernel.find().version == "6.12.3-amd64"
    assert [each.version for each in kernel.installed()] == [
        "6.12.3-amd64",
        "6.1.0-10-amd64",
        "6.1.0-9-amd64",
    ]


@pytest.mark.parametrize(
    ("version", "wanted", "matches"),
    [
        ("6.1.0-9-amd64", "6.1", True),
        ("6.12.3", "6.1", False),
        ("6.1.0", "6.1.0", True),
        ("6.1.0+deb12", "6.1.0", True),
        ("6.1.0", "6", True),
        ("6.1.0", "1.0", False),
    ],
)
def test_a_version_matches_by_whole_numbers(version: str, wanted: str, matches: bool) -> None:
    assert kernel.matches_version(version, wanted) is matches


def test_a_release_that_is_not_there(cache: Path) -> None:
    install(cache / "6.1.0", "6.1.0")
    with pytest.raises(KernelError, match=r"no kernel of version '6.9' is here; there is: 6.1.0") as caught:
        kernel.find("6.9")
    assert "zonevm kernel pull 6.9" in caught.value.hint


def test_no_kernel_at_all(cache: Path) -> None:
    with pytest.raises(KernelError, match="no kernel for the guest") as caught:
        kernel.find()
    assert "zonevm kernel pull" in caught.value.hint


def test_a_kernel_that_the_host_has_but_does_not_run_comes_last(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [kernel.Kernel(each, Path(each), None, "host") for each in ("6.1.9", "6.1.10", "6.1.8")]
    monkeypatch.setattr(kernel, "_host", lambda: iter(there))
    assert kernel.find().version == "6.1.10"
    install(cache / "5.10.1", "5.10.1")
    assert kernel.find().version == "5.10.1"
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(release="6.1.8"))
    assert kernel.find().version == "6.1.8"


def test_an_image_brings_the_modules_beside_it(cache: Path, tmp_path: Path) -> None:
    image = install(tmp_path / "unpacked", "6.6.6")
    found = kernel.find(image)
    assert (found.version, found.image, found.origin) == ("6.6.6", image, "file")
    assert found.modules == tmp_path / "unpacked/lib/modules/6.6.6"
    assert kernel.find(tmp_path / "unpacked").modules == found.modules


def test_an_image_without_modules(cache: Path, tmp_path: Path) -> None:
    assert kernel.find(bzimage(tmp_path / "bzImage", "6.6.6")).modules is None


def test_what_is_no_kernel(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(4096))
    with pytest.raises(KernelError, match="is not a Linux x86 boot image"):
        kernel.find(tmp_path / "file")
    with pytest.raises(KernelError, match="there is no kernel at"):
        kernel.find(tmp_path / "missing")
    with pytest.raises(KernelError, match=r"holds no kernel: there is no arch/x86/boot/bzImage in it"):
        kernel.find(tmp_path)


def test_a_build_tree(cache: Path, tmp_path: Path) -> None:
    tree = tmp_path / "linux"
    image = bzimage(tree / "arch/x86/boot/bzImage", "6.13.0-rc1+")
    (tree / "include/config").mkdir(parents=True)
    (tree / "include/config/kernel.release").write_text("6.13.0-rc1+\n")
    assert kernel.find(tree).modules is None
    (tree / "fs/f2fs").mkdir(parents=True)
    (tree / "fs/f2fs/f2fs.ko").write_bytes(minimal_module())
    (tree / "modules.order").write_text("fs/f2fs/f2fs.o\nfs/gone.o\n")
    (tree / "modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n")
    for choice in (tree, image):
        found = kernel.find(choice)
        assert found.image == image
        assert found.modules is not None
        (path,) = ModuleTree(found.modules).closure([("f2fs", "a test"), ("overlay", "a test")])
        assert path.resolve() == tree / "fs/f2fs/f2fs.ko"


def test_a_tree_that_depmod_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules.order").write_text("")
    monkeypatch.setattr("zonevm.kernel.module_dirs.find_program", lambda *_: "/bin/false")
    with pytest.raises(KernelError, match="depmod failed"):
        tree_modules(tmp_path, "6.6.6", tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


@pytest.fixture
def modules(tmp_path: Path) -> ModuleTree:
    (tmp_path / "modules.dep").write_text(
        "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n"
        "kernel/net/9p/9pnet.ko.xz:\n"
        "kernel/fs/netfs/netfs.ko.xz:\n"
        "kernel/drivers/md/dm-zoned.ko.xz: kernel/drivers/md/dm-mod.ko.xz\n"
        "kernel/drivers/md/dm-mod.ko.xz:\n"
    )
    (tmp_path / "modules.builtin").write_text("kernel/drivers/char/virtio_console.ko\n")
    return ModuleTree(tmp_path)


def test_modules_come_after_what_they_need_and_once(modules: ModuleTree) -> None:
    wanted = [("9p", "x"), ("dm_zoned", "x"), ("virtio-console", "x"), ("9p", "x"), ("netfs", "x")]
    names = [path.name.partition(".")[0] for path in modules.closure(wanted)]
    assert names == ["netfs", "9pnet", "9p", "dm-mod", "dm-zoned"]


def test_a_module_that_is_nowhere(modules: ModuleTree) -> None:
    with pytest.raises(KernelError, match="has no module overlay, which the guest's root needs"):
        modules.closure([("overlay", "the guest's root")])


def test_a_tree_without_indexes(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"modules\.dep is missing"):
        ModuleTree(tmp_path)


def test_module_names() -> None:
    assert module_name("kernel/drivers/md/dm-zoned.ko.zst") == "dm_zoned"
    assert module_name("virtio-rng") == "virtio_rng"


@pytest.mark.parametrize(
    ("suffix", "packed"),
    [("", ELF), (".xz", lzma.compress(ELF)), (".zst", zstandard.ZstdCompressor().compress(ELF))],
)
def test_modules_are_unpacked(tmp_path: Path, suffix: str, packed: bytes) -> None:
    path = tmp_path / f"a.ko{suffix}"
    path.write_bytes(packed)
    assert read_module(path) == ELF


@pytest.mark.parametrize("suffix", ["", ".xz", ".zst"])
def test_a_damaged_module_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.ko{suffix}"
    path.write_bytes(b"damaged")
    with pytest.raises(KernelError, match=r"a\.ko"):
        read_module(path)


@pytest.mark.parametrize(
    "pack", [lzma.compress, lambda data: zstandard.ZstdCompressor().compress(data)], ids=["xz", "zstd"]
)
def test_a_kernel_that_can_be_entered_by_pvh_is_unpacked(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    inside = vmlinux(note=18)
    image = bzimage(tmp_path / "bzImage", "6.6.6 extra", pack(inside) + b"\x01\x02\x03\x04")
    assert image_version(image) == "6.6.6"
    first = unpacked(image, tmp_path / "cache")
    assert first.read_bytes() == inside
    made = first.stat().st_ino
    assert unpacked(image, tmp_path / "cache").stat().st_ino == made


@pytest.mark.parametrize("payload", [lzma.compress(vmlinux(note=3)), b"\x02\x21\x4c\x18lz4", b""])
def test_another_kernel_is_booted_as_it_is(tmp_path: Path, payload: bytes) -> None:
    image = bzimage(tmp_path / "bzImage", "6.6.6", payload)
    assert unpacked(image, tmp_path / "cache") == image


def test_a_damaged_kernel_is_told(tmp_path: Path) -> None:
    image = bzimage(tmp_path / "bzImage", "6.6.6", b"\xfd7zXZ\0 and then nonsense")
    with pytest.raises(KernelError, match="is damaged"):
        unpacked(image, tmp_path / "cache")


LISTING = """\
linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-10-amd64 - Linux 6.1 for 64-bit PCs (signed)
linux-image-6.1.0-10-amd64-dbg - Debug symbols for linux-image-6.1.0-10-amd64
linux-image-6.1.0-10-amd64-unsigned - Linux 6.1 for 64-bit PCs
linux-image-6.1.0-11-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)
linux-image-6.1.0-11-rt-amd64 - Linux 6.1 for 64-bit PCs, PREEMPT_RT (signed)
linux-image-6.12-amd64 - Linux for 64-bit PCs (meta-package)
linux-image-6.12.9+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)
linux-image-6.8.0-45-generic - Signed kernel image generic
linux-image-6.8.0-45-lowlatency - Signed kernel image lowlatency
"""


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins for apt-cache, apt-get and dpkg-deb in front of PATH; the package is one of theirs."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (tmp_path / "listing").write_text(LISTING)
    root = tmp_path / "package"
    install(root, "6.12.9+deb12-amd64")
    scripts = {
        "apt-cache": f'case "$*" in *extra*) ;; *search*) cat {tmp_path}/listing;; esac',
        "apt-get": (
            'case "$*" in *--print-uris*) echo "\'http://x/y.deb\' y.deb 1000 SHA256:0";;'
            " *) head -c 1000 /dev/zero > y.deb;; esac"
        ),
        "dpkg-deb": f'mkdir -p "$3" && cp -r {root}/. "$3"',
    }
    for name, script in scripts.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    return programs


def test_the_kernels_that_apt_has(apt: Path) -> None:
    assert pull.available() == [
        "6.12.9+deb12-amd64",
        "6.8.0-45-generic",
        "6.1.0-10-amd64",
        "6.1.0-9-amd64",
    ]


def test_a_pull(apt: Path, cache: Path) -> None:
    told: list[tuple[int, int]] = []
    pulled = pull.pull("6.12", lambda done, total: told.append((done, total)))
    assert pulled.version == "6.12.9+deb12-amd64"
    assert pulled.image.is_relative_to(cache)
    assert told[-1] == (1000, 1000)
    assert [path.name for path in cache.iterdir()] == ["6.12.9+deb12-amd64"]
    (apt / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    assert pull.pull("6.12") == pulled


def test_a_pull_of_what_apt_does_not_have(apt: Path, cache: Path) -> None:
    with pytest.raises(KernelError, match=r"apt has no kernel of version '5.10'; it has: 6.12.9") as caught:
        pull.pull("5.10")
    assert "apt-get update" in caught.value.hint


def test_nothing_is_left_of_a_pull_that_fails(apt: Path, cache: Path) -> None:
    (apt / "apt-get").write_text("#!/bin/sh\necho 'E: no network' >&2; exit 100\n")
    with pytest.raises(PackageError, match="E: no network"):
        pull.pull()
    assert not list(cache.iterdir())


def test_nothing_is_left_of_an_interrupted_pull(
    apt: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    monkeypatch.setattr("zonevm.kernel.pull._choose", lambda *_: pull._Package("linux-image-6.1", "6.1"))
    with pytest.raises(KeyboardInterrupt):
        pull.pull()
    assert not list(cache.iterdir())


def test_the_processor_under_emulation() -> None:
    assert accel.tcg(Qemu(Path("/q"), (7, 2))).cpu == "max,-cx16"
    assert accel.tcg(Qemu(Path("/q"), (9, 0))).cpu == "max"


@pytest.mark.parametrize("version", ["6.1.0-56-amd64", "5.15.0", "6.3.13"])
def test_a_kernel_that_is_too_old_for_a_disk(version: str) -> None:
    chosen = kernel.Kernel(version, Path("bzImage"), None, "file")
    with pytest.raises(KernelError, match=f"Linux {version}; this disk needs 6.4 or later"):
        chosen.require((6, 4), "this disk")


@pytest.mark.parametrize("version", ["6.4.0", "6.12.117+deb12-amd64", "7.0-rc1", "unknown"])
def test_a_kernel_that_is_new_enough_for_a_disk(version: str) -> None:
    kernel.Kernel(version, Path("bzImage"), None, "file").require((6, 4), "this disk")


def test_paths_with_commas_are_escaped_for_qemu() -> None:
    files = Files(Path("/logs,1/console"), Path("/run,1/qmp"), Path("/run,1/agent"))
    qemu = Qemu(Path("/q"), (9, 0))
    machine = Machine(KernelBoot(Path("/k"), Path("/i"), files), qemu, accel.tcg(qemu), 2**30, 2)
    line = " ".join(machine.argv())
    assert "path=/logs,,1/console" in line
    assert "path=/run,,1/qmp,server=on" in line
    assert "memory-backend" not in line


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([], True),
        (["-device", "virtio-net-pci"], True),
        (["-device", "pcie-root-port,id=p,chassis=1"], False),
        (["-device", '{"driver":"pcie-pci-bridge","id":"p"}'], False),
    ],
)
def test_the_fast_firmware_is_for_machines_without_bridges(extra: list[str], expected: bool) -> None:
    files = Files(Path("/console"), Path("/qmp"), Path("/agent"))
    qemu = Qemu(Path("/q"), (9, 0))
    boot = KernelBoot(Path("/k"), Path("/i"), files, firmware=Path("/qboot.rom"))
    machine = Machine(boot, qemu, accel.tcg(qemu), 2**30, 2, extra=extra)
    assert ("-bios /qboot.rom" in " ".join(machine.argv())) is expected


def test_a_broken_entry_of_the_cache_is_pulled_anew(apt: Path, cache: Path) -> None:
    (cache / "6.12.9+deb12-amd64/lib/modules").mkdir(parents=True)
    assert kernel.installed() == []
    assert pull.pull("6.12").version == "6.12.9+deb12-amd64"


def test_a_package_without_a_kernel_leaves_nothing(apt: Path, cache: Path, tmp_path: Path) -> None:
    (tmp_path / "package/boot/vmlinuz-6.12.9+deb12-amd64").unlink()
    with pytest.raises(KernelError, match="hold no kernel"):
        pull.pull("6.12")
    assert not list(cache.iterdir())


def test_a_kernel_is_removed(apt: Path, cache: Path) -> None:
    pulled = pull.pull("6.12")
    with pytest.raises(KernelError, match=r"no kernel '6\.12' is in the cache; there is: 6\.12\.9"):
        pull.remove("6.12")
    pull.remove(pulled.version)
    assert kernel.installed() == []
    assert not list(cache.iterdir())


@pytest.mark.parametrize(
    ("package", "version"),
    [
        ("linux-image-7.3.4+deb13-amd64", "7.3.4+deb13-amd64"),
        ("linux-image-7.4-rc2-amd64", "7.4-rc2-amd64"),
        ("linux-image-7.3.4+deb13-cloud-amd64", None),
        ("linux-image-7.3.4+deb13-amd64-dbg", None),
        ("linux-image-7.3-amd64", None),
    ],
)
def test_names_of_packages(package: str, version: str | None) -> None:
    match = pull._IMAGE.fullmatch(package)
    assert (match and match[1]) == version
    assert kernel.version_key("7.4-rc2-amd64") < kernel.version_key("7.4.1-amd64")
