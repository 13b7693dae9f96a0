"""Packages of other suites by a private apt: from a signed archive of the test's own, by the real apt."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm.errors import HostError, PackageError
from zonevm.packages import Apt, archive, find_archive, install_wrapper, new_entry, pull_tree
from zonevm.packages.archive import Source, choose_source, signed_by

from .debian_archive import DebianArchive

LIBC = Path("/lib/x86_64-linux-gnu")


def program(tree: Path) -> None:
    """A package with a program: true(1), and a file that only root of a real system should set up so."""
    (tree / "usr/bin").mkdir(parents=True)
    shutil.copy("/bin/echo", tree / "usr/bin/tell")
    (tree / "usr/bin/tell").chmod(0o4755)


def c_library(tree: Path) -> None:
    """A package with the loader and the C library."""
    (tree / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    for name in ("ld-linux-x86-64.so.2", "libc.so.6"):
        shutil.copy(LIBC / name, tree / "usr/lib/x86_64-linux-gnu" / name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianArchive]:
    """An archive with a release, its backports and unstable."""
    # gpg's agent has a socket there, whose path may not be long
    root = Path(os.fspath(tmp_path_factory.mktemp("a")))
    made = DebianArchive(root / "archive")
    made.add("stable", "c-library", c_library)
    made.add("stable-backports", "teller", program, "c-library, libnothing | c-library")
    made.add("unstable", "c-library", c_library)
    made.publish("stable", "trixie")
    made.publish("stable-backports", "trixie-backports")
    made.publish("unstable")
    yield made
    made.close()


@pytest.fixture
def mirror(built: DebianArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The archive's URL, on a host whose keyring verifies it and whose cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(archive, "_KEYRINGS", built.keyring.parent)
    monkeypatch.setattr(archive, "_DEBIAN_SUITES", ("stable", "stable-backports", "testing", "unstable"))
    monkeypatch.setattr(archive, "_os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    return built.url


def cached(tmp_path: Path, *parts: str) -> list[str]:
    """What is in a directory of the cache, locks aside."""
    place = tmp_path.joinpath("cache/zonevm", *parts)
    return sorted(path.name for path in place.iterdir() if path.suffix != ".lock") if place.exists() else []


def test_a_program_of_another_suite_runs_with_its_own_libraries(mirror: str, tmp_path: Path) -> None:
    noted: list[str] = []
    told: list[tuple[int, int]] = []
    tree = pull_tree(
        ["teller"], "stable-backports", mirror, lambda done, total: told.append((done, total)), noted.append
    )
    script = tree.program("tell")
    done = subprocess.run([script, "it's", "$HOME {root}"], capture_output=True, text=True)
    assert done.stdout == "it's $HOME {root}\n", done.stderr
    assert noted == [f"asking {mirror} for the packages of stable and stable-backports"]
    assert told[-1][0] == told[-1][1] > 0
    assert not (tree.root / "usr/bin/tell").stat().st_mode & stat.S_ISUID
    with pytest.raises(PackageError, match="the packages have no program mkfs"):
        tree.program("mkfs")
    moved = tree.root.parent.rename(tmp_path / "moved with spaces")
    assert subprocess.run([moved / "bin/tell", "x"], capture_output=True).stdout == b"x\n"


def test_what_is_in_the_cache_is_not_downloaded_again(mirror: str) -> None:
    first = pull_tree(["teller"], "stable-backports", mirror)
    assert pull_tree(["teller"], "stable-backports", "file:/nowhere") == first


def test_an_unknown_suite_names_those_that_there_are(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError) as caught, Apt.of_suite("buster-backports", mirror):
        pass
    assert caught.value.message == (
        f"there is no suite 'buster-backports' at {mirror}; "
        "there are: stable (trixie), stable-backports (trixie-backports), unstable"
    )
    assert cached(tmp_path, "apt") == []
    with pytest.raises(PackageError, match="is not the name of a suite"), Apt.of_suite("a b\nc", mirror):
        pass


def test_an_unknown_package_is_named(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=f"there is no package nothing in unstable of {mirror}"):
        pull_tree(["nothing"], "unstable", mirror)
    assert cached(tmp_path, "packages") == []


def test_a_mirror_that_cannot_be_reached(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"the mirror cannot be reached: .*127\.0\.0\.1") as caught:
        pull_tree(["teller"], "stable", "http://127.0.0.1:9/debian")
    assert "--mirror" in caught.value.hint
    assert cached(tmp_path, "apt") == []


def test_an_archive_that_no_keyring_verifies(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_keyrings", lambda _: (Path("/usr/share/keyrings/absent.gpg"),))
    with pytest.raises(PackageError, match="no keyring of this host verifies the archive"):
        pull_tree(["teller"], "stable-backports", mirror)


def test_the_mirror_is_a_setting_too(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONEVM_MIRROR", "http://x.invalid/debian/")
    assert find_archive().mirror == "http://x.invalid/debian"
    assert find_archive(mirror).mirror == mirror
    with pytest.raises(PackageError, match="'mirror' is not the URL of a mirror"):
        find_archive("mirror")


def test_what_another_distribution_lacks_is_named(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_host_sources", list)
    with pytest.raises(PackageError, match="name no archive") as caught:
        find_archive()
    assert "--mirror URL or ZONEVM_MIRROR" in caught.value.hint
    monkeypatch.setattr(archive, "_KEYRINGS", Path("/nowhere"))
    with pytest.raises(PackageError, match="no keyring verifies") as caught:
        find_archive(mirror)
    assert "debian-archive-keyring" in caught.value.hint
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("zonevm.host.programs._SYSTEM_DIRS", ())
    with pytest.raises(HostError, match="apt-get is not installed"):
        find_archive(mirror)


def test_a_cache_that_cannot_be_written(mirror: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(PackageError, match=r"cannot write .*cache.*: Not a directory"):
        pull_tree(["teller"], "stable-backports", mirror)


@pytest.mark.parametrize("free", [[100], [2**30, 100]], ids=["lists", "packages"])
def test_a_disk_without_room(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: list[int]
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free.pop(0)))
    with pytest.raises(PackageError, match=r"/cache/zonevm has 100 B free; the download needs"):
        pull_tree(["teller"], "stable-backports", mirror)
    assert cached(tmp_path, "packages") == []


def test_nothing_is_left_of_an_interrupted_pull(
    mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zonevm.packages.tree.unpack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pull_tree(["teller"], "stable-backports", mirror)
    assert cached(tmp_path, "packages") == []
    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt), Apt.of_suite("unstable", mirror):
        pass
    assert [name for name in cached(tmp_path, "apt") if name.startswith("unstable")] == []


def test_what_a_killed_process_left_is_removed_and_never_seen(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "entry"
    script = (
        "import os, pathlib, signal, sys; from zonevm.packages import new_entry\n"
        "with new_entry(pathlib.Path(sys.argv[1])) as work:\n"
        "    (work / 'file').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, target])
    assert len(list(target.parent.iterdir())) == 1
    assert not target.exists()
    with new_entry(target) as work:
        assert list(target.parent.iterdir()) == [work]
        with new_entry(target) as other:  # what is being made stays
            assert set(target.parent.iterdir()) == {work, other}
            (other / "first").touch()
        (work / "second").touch()
    assert [path.name for path in target.iterdir()] == ["first"]
    assert list(target.parent.iterdir()) == [target]


def test_the_hosts_apt_is_left_alone(mirror: str, tmp_path: Path) -> None:
    apt = Path("/var/lib/apt/lists"), Path("/var/cache/apt/archives")
    before = [(path.stat().st_mtime_ns, sorted(path.iterdir())) for path in apt]
    started = time.time_ns()
    pull_tree(["teller"], "stable-backports", mirror)
    assert [(path.stat().st_mtime_ns, sorted(path.iterdir())) for path in apt] == before
    assert all(time_ns < started for time_ns, _ in before)
    config = next((tmp_path / "cache/zonevm/apt").glob("*/apt.conf"))
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert "Post-Invoke" not in config.read_text()


def test_the_archive_is_told_from_others_of_the_same_release() -> None:
    sources = [
        Source("bookworm", "main", "https://apt.vendor.invalid/", "v.list:1"),
        Source("stable", "main", "https://other.invalid/debian", "w.list:1"),
        Source("bookworm-security", "main", "https://deb.invalid/debian-security/", "d.sources:2"),
        Source("bookworm", "contrib", "https://deb.invalid/debian/", "d.sources:1"),
        Source("bookworm", "main", "cdrom:[Debian]/debian/", "a.list:1"),
        Source("bookworm", "main", "https://deb.invalid/debian/", "d.sources:1"),
        Source("bookworm-updates", "main", "https://deb.invalid/debian/", "d.sources:1"),
    ]
    assert choose_source(sources, "bookworm") == sources[5]
    assert choose_source(sources[:1], "bookworm") == sources[0]
    assert choose_source(sources[2:5], "bookworm") is None


def test_keyrings_are_those_of_the_hosts_source(tmp_path: Path) -> None:
    one_line = tmp_path / "a.list"
    one_line.write_text(
        "# x\n\ndeb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] http://x/ sid main\ndeb http://y/ sid main\n"
    )
    assert signed_by(f"{one_line}:3") == (Path("/k/a.gpg"), Path("/k/b.gpg"))
    assert signed_by(f"{one_line}:4") == ()
    deb822 = tmp_path / "b.sources"
    deb822.write_text(
        "# head\n\nTypes: deb\nURIs: http://x/debian\nSuites: sid\n\n\n"
        "# more\nTypes: deb\nsigned-by:\n /k/c.gpg\n# between\n /k/d.gpg\nSuites: sid\n\n"
        "Types: deb\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n"
    )
    assert [signed_by(f"{deb822}:{number}") for number in (1, 2, 3)] == [
        (),
        (Path("/k/c.gpg"), Path("/k/d.gpg")),
        (),
    ]
    assert signed_by("/nowhere/a.list:1") == ()


def test_a_wrapper_needs_a_loader(tmp_path: Path) -> None:
    program(tmp_path)
    with pytest.raises(PackageError, match=r"no ld-linux-x86-64\.so\.2, which tell needs"):
        install_wrapper(tmp_path, "tell", tmp_path / "wrapper")
