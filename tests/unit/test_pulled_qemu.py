"""A QEMU from packages: pulled, named, taken by itself, removed. The program is a small one, run for real."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from zonevm import Disk, QemuError, SmrDisk
from zonevm.attach import resolve
from zonevm.cli import execute
from zonevm.cli.app import app
from zonevm.host import find_qemu
from zonevm.host.qemu import pulled_dir
from zonevm.packages import archive

from .debian_archive import DebianArchive
from .test_packages import c_library

MODULES = "/usr/lib/x86_64-linux-gnu/qemu"
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **arguments) {
    puts("QEMU emulator version %s (a test)");
    puts(getenv("QEMU_MODULE_DIR"));
    puts("compiled in: %s");
    for (int i = 1; i < count; i++) puts(arguments[i]);
    return 0;
}
"""


def add_qemu(made: DebianArchive, suite: str, version: str) -> None:
    """Add a QEMU that tells its version, where it looks for modules, and how it was called."""

    def fill(tree: Path) -> None:
        (tree / "usr/bin").mkdir(parents=True)
        source = SOURCE % (version, MODULES)
        command = ["cc", "-x", "c", "-o", str(tree / "usr/bin/qemu-system-x86_64"), "-"]
        subprocess.run(command, input=source, text=True, check=True)

    made.add(suite, "qemu-system-x86", fill, "c-library", f"1:{version}+ds-1")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> DebianArchive:
    made = DebianArchive(tmp_path_factory.mktemp("a") / "archive")
    made.add("trixie", "c-library", c_library)
    add_qemu(made, "trixie-backports", "99.1.3")
    made.add("sid", "c-library", c_library)
    add_qemu(made, "sid", "100.0.0")
    made.add("old", "qemu-system-x86", lambda tree: None)
    for suite in ("trixie", "trixie-backports", "sid", "old"):
        made.publish(suite)
    made.publish("stable-backports", "trixie-backports")
    made.close()
    return made


@pytest.fixture
def mirror(built: DebianArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An archive with two QEMUs, on a host whose own is of version 7.1 and whose cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(archive, "_KEYRINGS", built.keyring.parent)
    monkeypatch.setattr(archive, "_os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    own = tmp_path / "bin/qemu-system-x86_64"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho QEMU emulator version 7.1.0\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(own.parent), prepend=os.pathsep)
    return built.url


def test_a_pulled_qemu_has_its_own_libraries_firmware_and_modules(
    mirror: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["qemu", "pull", "--mirror", mirror]) == 0
    path = pulled_dir() / "99.1.3+ds-1/bin/qemu-system-x86_64"
    assert capsys.readouterr().out == f"{path}\n"
    found = find_qemu("pulled")
    assert (found.path, found.version) == (path, (99, 1))
    lines = subprocess.run([path, "-m", "a b"], capture_output=True, text=True).stdout.splitlines()
    root = path.parents[1] / "root"
    assert Path(lines[1]).resolve() == root / MODULES[1:]
    assert lines[2] != f"compiled in: {MODULES}"  # those are of the host's QEMU, of another version
    assert [Path(word).resolve() for word in lines[4:9:2]] == [
        root / place for place in ("usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu")
    ]
    assert lines[9:] == ["-m", "a b"]


def test_the_newest_is_taken_and_each_can_be_removed(mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    for suite in ("sid", "trixie-backports"):
        assert execute(["qemu", "pull", "--mirror", mirror, "--suite", suite]) == 0
    capsys.readouterr()
    assert find_qemu("pulled").version == (100, 0)
    assert execute(["qemu", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "100.0.0+ds-1",
        "99.1.3+ds-1",
    ]
    assert execute(["qemu", "remove", "100"]) == 125
    assert "no QEMU '100' was pulled; there is: 100.0.0+ds-1, 99.1.3+ds-1" in capsys.readouterr().err
    assert execute(["qemu", "remove", "100.0.0+ds-1"]) == 0
    assert find_qemu("pulled").version == (99, 1)
    assert [each.name for each in pulled_dir().iterdir()] == ["99.1.3+ds-1"]


def test_nothing_is_left_of_a_qemu_that_is_none(mirror: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["qemu", "pull", "--mirror", mirror, "--suite", "old"]) == 125
    assert "the packages have no program qemu-system-x86_64" in capsys.readouterr().err
    assert list(pulled_dir().iterdir()) == []
    with pytest.raises(QemuError, match="no QEMU was pulled") as caught:
        find_qemu("pulled")
    assert "zonevm qemu pull" in caught.value.hint


def settled(disks: list[SmrDisk], named: str | None = None) -> tuple[tuple[Disk, ...], str | None]:
    found = resolve(disks, named)
    return tuple(found), found.qemu


def test_a_pulled_qemu_is_taken_where_a_disk_needs_it(mirror: str) -> None:
    needy = SmrDisk(size="1G")
    assert settled([needy]) == ((needy,), None)  # nothing was pulled: the error comes with the guest
    assert execute(["qemu", "pull", "--mirror", mirror]) == 0
    assert settled([]) == ((), None)
    chosen, qemu = settled([needy])
    assert qemu == str(find_qemu("pulled").path)
    (note,) = chosen[0].notes
    assert note.startswith("using the pulled QEMU, since ")
    assert note.endswith("is QEMU 7.1; a disk of this guest needs 7.2 or later")
    assert settled([needy], "qemu-system-x86_64") == ((needy,), "qemu-system-x86_64")


def test_an_old_qemu_names_the_way_to_a_newer_one(mirror: str) -> None:
    with pytest.raises(QemuError) as caught:
        find_qemu().require((8, 1), "a disk")
    assert "zonevm qemu pull" in caught.value.hint


def test_pulled_is_completed() -> None:
    completion = ShellComplete(app, {}, "zonevm", "_ZONEVM_COMPLETE")
    assert [item.value for item in completion.get_completions(["run", "--qemu"], "pu")] == ["pulled", "pu"]
