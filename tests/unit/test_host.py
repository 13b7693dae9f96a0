"""What is found of QEMU and other programs, and what is said when something is missing."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from zonevm import HostError, QemuError, agent
from zonevm.agent.environment import guest_environment
from zonevm.host import cache_dir, find_program, find_qemu, find_virtiofsd, guest_python, programs
from zonevm.host.answers import answer
from zonevm.host.qemu import Qemu
from zonevm.machine import accel
from zonevm.service.rundir import RuntimeDir, make_log_dir


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with no programs but those in this directory."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_SYSTEM_DIRS", ())
    monkeypatch.setattr(programs, "_VIRTIOFSD_DIRS", ())
    return tmp_path


def test_a_program_that_is_missing(bare: Path) -> None:
    with pytest.raises(HostError, match="depmod is not installed; it is needed to index modules") as caught:
        find_program("depmod", "index modules", "kmod")
    assert "apt-get install kmod" in caught.value.hint


def test_qemu_tells_its_version(bare: Path) -> None:
    path = script(bare / "qemu-system-x86_64", "echo 'QEMU emulator version 9.2.1 (somewhere)'")
    assert find_qemu() == Qemu(path, (9, 2))
    assert find_qemu(str(path)).version == (9, 2)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, HostError, "qemu-system-x86_64 is not installed"),
        ("echo something else", QemuError, "does not report its version as QEMU does: 'something else'"),
        ("echo QEMU emulator version 5.2.0", QemuError, r"is QEMU 5\.2; zonevm needs 6\.0 or later"),
    ],
)
def test_a_qemu_that_cannot_be_used(
    bare: Path, text: str | None, error: type[Exception], message: str
) -> None:
    if text:
        script(bare / "qemu-system-x86_64", text)
    with pytest.raises(error, match=message):
        find_qemu()


def test_a_qemu_too_old_for_something() -> None:
    with pytest.raises(QemuError, match=r"/q is QEMU 7\.2; a disk needs 8\.1 or later"):
        Qemu(Path("/q"), (7, 2)).require((8, 1), "a disk")


def test_a_virtiofsd_that_cannot_refuse_writes_is_passed_over(bare: Path) -> None:
    assert find_virtiofsd() is None
    path = script(bare / "virtiofsd", "echo --shared-dir")
    assert find_virtiofsd() is None
    script(path, "echo --shared-dir --readonly --no-announce-submounts")
    assert find_virtiofsd() == path


def test_the_guests_python_is_the_real_one() -> None:
    assert not guest_python().is_symlink()
    assert guest_python().name.startswith("python")
    assert Path(sys.base_prefix).resolve() in guest_python().parents


def test_the_files_that_a_qemu_comes_with(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/qboot.rom").touch()
    qemu = Qemu(script(tmp_path / "qemu", f"printf '%s\\n' {tmp_path}/a {tmp_path}/b"), (9, 0))
    assert qemu.data_file("qboot.rom") == tmp_path / "b/qboot.rom"
    assert qemu.data_file("other.rom") is None
    assert Qemu(tmp_path / "none", (9, 0)).data_file("qboot.rom") is None


def test_a_binary_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    echo = Path(shutil.copy2(shutil.which("echo") or "", tmp_path / "echo"))
    assert answer(echo, "one") == b"one\n"
    assert answer(echo, "two") == b"two\n"
    for kept in (cache_dir() / "answers").iterdir():
        kept.write_text("kept")
    assert answer(echo, "one") == b"kept"
    os.utime(echo, ns=(1, 1))
    assert answer(echo, "one") == b"one\n"


def test_a_script_is_asked_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    asked = script(tmp_path / "script", f"cat {tmp_path}/text")
    for text in ("before\n", "after\n"):
        (tmp_path / "text").write_text(text)
        assert answer(asked) == text.encode()


def test_answers_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    echo = Path(shutil.which("echo") or "")
    assert answer(echo, "one") == answer(echo, "one") == b"one\n"


def test_kvm_is_used_only_where_a_guest_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: True)
    says = "echo 'zonevm: probe passed'"
    for number, (text, name) in enumerate(
        [(says, "kvm"), ("echo 'KVM internal error. Suberror: 1'; sleep 60", "tcg"), ("exit 1", "tcg")]
    ):
        path = script(tmp_path / f"qemu{number}", text)
        qemu, cache = Qemu(path, (9, 0)), tmp_path / f"cache{number}"
        chosen = accel.choose("auto", qemu, Path("/k"), Path("/i"), cache)
        assert chosen.name == name
        (verdict,) = cache.iterdir()
        verdict.write_text("works\n")
        assert accel.choose("auto", qemu, Path("/k"), Path("/i"), cache).name == "kvm"


def test_an_accelerator_that_is_none_or_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = Qemu(Path("/q"), (9, 0))
    monkeypatch.setattr("os.access", lambda *_: False)
    assert accel.choose("auto", qemu, Path("/k"), Path("/i"), Path("/c")).name == "tcg"
    with pytest.raises(HostError, match="/dev/kvm is not there or not for this user"):
        accel.choose("kvm", qemu, Path("/k"), Path("/i"), Path("/c"))
    with pytest.raises(Exception, match="'xen' is not an accelerator"):
        accel.choose("xen", qemu, Path("/k"), Path("/i"), Path("/c"))


def test_the_environment_that_goes_along() -> None:
    own = Path(agent.__file__).parent / "bin"
    seen = guest_environment({"PATH": "/opt/bin:/usr/bin", "A": "1", "DISPLAY": ":0", "USER": "someone"})
    assert seen == {
        "PATH": f"/opt/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin:{own}",
        "A": "1",
        "USER": "root",
        "LOGNAME": "root",
    }


def test_old_logs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonevm.service.rundir.runs_dir", lambda: tmp_path)
    for day in range(1, 31):
        (tmp_path / f"202501{day:02}-000000-999999999").mkdir()
    newest = make_log_dir()
    assert make_log_dir() != newest
    assert len(list(tmp_path.iterdir())) <= 21
    assert newest.exists()
    assert not (tmp_path / "20250101-000000-999999999").exists()


def test_a_runtime_directory_goes_with_its_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonevm.service.rundir.runtime_base", lambda: Path("/tmp"))
    with RuntimeDir() as runtime:
        assert runtime.path.stat().st_mode & 0o777 == 0o700
        (runtime.path / "a.sock").touch()
    assert not runtime.path.exists()


def test_a_directory_too_long_for_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonevm.service.rundir.runtime_base", lambda: Path("/" + "a" * 90))
    with pytest.raises(HostError, match="is too long for sockets in it"):
        RuntimeDir()
