"""Kernels of other suites, in the packages that Debian makes of them, pulled from an archive of a test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zonevm import KernelError, UsageError
from zonevm.cli import execute
from zonevm.kernel import kernel, pull
from zonevm.kernel.modules import ModuleTree
from zonevm.packages import archive

from .debian_archive import DebianArchive
from .kernels import bzimage, minimal_module

STABLE, TESTING, CANDIDATE = "6.19.1+deb13-amd64", "7.3.4-amd64", "7.4-rc2-amd64"
PARTLY_GONE = ("7.3.5-amd64", "7.2.1-amd64")


def add_kernel(made: DebianArchive, suite: str, version: str) -> None:
    """Add the packages of a kernel as they are from 6.19 on."""
    modules = f"usr/lib/modules/{version}"

    def binary(tree: Path) -> None:
        bzimage(tree / modules / "vmlinuz", version)
        (tree / modules / "config").write_text("CONFIG_OVERLAY_FS=y\n")

    def loadable(tree: Path) -> None:
        (tree / modules / "kernel").mkdir(parents=True)
        (tree / modules / "kernel/f2fs.ko").write_bytes(minimal_module())
        (tree / modules / "modules.order").write_text("kernel/f2fs.ko\n")

    def base(tree: Path) -> None:
        (tree / modules).mkdir(parents=True)
        (tree / modules / "modules.builtin").write_text("kernel/fs/overlayfs/overlay.ko\n")

    parts = [f"linux-{part}-{version}" for part in ("base", "binary", "modules")]
    depends = f"dracut | linux-initramfs-tool, kmod, {', '.join(f'{part} (= 1.0-1)' for part in parts)}"
    made.add(suite, f"linux-image-{version}", lambda tree: None, depends)
    for name, fill in zip(parts, (base, binary, loadable), strict=True):
        made.add(suite, name, fill)


@pytest.fixture
def mirror(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An archive with a kernel in each of three suites, and a host without kernels whose mirror it is."""
    made = DebianArchive(tmp_path_factory.mktemp("a") / "archive")
    for suite, version in (("stable-backports", STABLE), ("testing", TESTING), ("experimental", CANDIDATE)):
        add_kernel(made, suite, version)
    for version in PARTLY_GONE:
        made.add("testing", f"linux-image-{version}", lambda tree: None, f"linux-base-{version}")
    for suite in ("stable-backports", "testing", "experimental"):
        made.publish(suite)
    made.close()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("ZONEVM_MIRROR", made.url)
    monkeypatch.setattr("zonevm.kernel.kernel._host", lambda: iter(()))
    monkeypatch.setattr(archive, "_KEYRINGS", made.keyring.parent)
    monkeypatch.setattr(archive, "_DEBIAN_NEWEST", ("stable-backports", "testing", "unstable"))
    monkeypatch.setattr(archive, "_os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    return made.url


def test_a_kernel_in_several_packages(mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["kernel", "pull", "--suite", "stable-backports"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{STABLE}\n"
    assert f"zonevm: asking {mirror} for the packages of stable-backports\n" in said.err
    (pulled,) = kernel.installed()
    assert (pulled.version, pulled.origin) == (STABLE, "cache")
    assert pulled.modules is not None
    assert ModuleTree(pulled.modules).closure([("f2fs", "a test"), ("overlay", "a test")])
    assert [path.name for path in kernel.kernels_dir().iterdir()] == [STABLE]
    assert execute(["kernel", "remove", STABLE]) == 0
    assert kernel.installed() == []


def test_the_newest_of_all_suites(mirror: str) -> None:
    assert pull.pull(newest=True).version == TESTING
    assert pull.pull("6.19", newest=True).version == STABLE
    assert pull.pull(suite="experimental").version == CANDIDATE
    with pytest.raises(KernelError, match=rf"has no kernel of version '5'; it has: {re.escape(STABLE)}, 7"):
        pull.pull("5", newest=True)
    with pytest.raises(KernelError, match=r"testing of file:.* has no kernel of version '6'"):
        pull.pull("6", suite="testing")
    with pytest.raises(KernelError, match=r"no kernel of version '7\.2' whose packages are all there"):
        pull.pull("7.2", suite="testing")
    with pytest.raises(UsageError, match="newest"):
        pull.pull(newest=True, suite="testing")
