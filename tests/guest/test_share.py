"""Nothing of the host's /proc, /sys, /dev and /run is in what a guest shares, whatever its root does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import zonevm as package
from zonevm.guest.kernel import kernels_dir

pytestmark = pytest.mark.guest

RUN = "from zonevm.cli import main; main()"
NOBODY = 65534

UNCOVER = """
    for place in run dev/pts dev/shm dev sys/fs/cgroup sys/kernel/debug sys proc; do
        while umount -l /$place 2>&-; do :; done
    done
    for place in /proc /sys /dev /run "$@"; do
        echo "$place: $(ls -A $place | tr '\\n' ' ')"
    done
    stat -c %u /etc/passwd
"""
"""Uncovers what the share has, and lists it; umount leaves a /run/mount, in the overlay."""

NOTHING = ["/proc: ", "/sys: ", "/dev: ", "/run: mount "]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with short names that every user may look into."""
    with tempfile.TemporaryDirectory(prefix="share") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def uncovered(starter: list[str], kernel: str, directory: Path, *places: Path, **env: str) -> list[str]:
    """What a guest's root finds in the share, and in ``places``; below ``directory`` it may write."""
    words = ["run", "-v", "--kernel", kernel, "--rwdir", str(directory), "--", "sh", "-c", UNCOVER, "sh"]
    done = subprocess.run(
        [*starter, *words, *map(str, places)],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, **env},
    )
    assert "can reach" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def mounting(script: str, *command: str) -> list[str]:
    """The command that mounts by ``script`` and then runs ``command``; no mount is left, whatever happens."""
    return ["unshare", "-m", "sh", "-c", f'set -e; {script}; exec "$@"', "sh", *command]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_nor_where_the_host_has_mounted_them_once_more(
    kernel: str, zonevm: list[str], directory: Path
) -> None:
    places = [directory / "chroot" / name for name in ("proc", "sys", "dev", "run", "net")]
    for place in places:
        place.mkdir(parents=True)
    (directory / "version").touch()
    starter = mounting(
        f"cd {directory}/chroot; mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; "
        "mount --bind /run run; mount --bind /sys/class net; mount --bind /proc/version ../version; cd /",
        *zonevm,
    )
    assert uncovered(starter, kernel, directory, *places) == [
        *NOTHING,
        *(f"{each}: " for each in places),
        "0",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests run as an ordinary user already")
def test_nor_of_an_ordinary_users_guest(kernel: str, directory: Path) -> None:
    candidates = (Path(sys.executable).resolve(), Path(f"/usr/bin/python3.{sys.version_info.minor}"))
    python = next((each for each in candidates if each.exists() and readable(each)), None)
    packages = [Path(path) for path in sys.path if path.endswith("site-packages")]
    source = Path(package.__file__).parents[1]
    if python is None or not all(map(readable, (*packages, source))):
        pytest.skip("this Python, or this checkout, is not for other users to read")
    home, runtime = directory / "home", directory / "run"
    cache = home / ".cache/zonevm/kernels"
    cache.mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    for path in (home, home / ".cache", cache.parent, runtime):
        os.chown(path, NOBODY, NOBODY)
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", str(python), "-c", RUN]
    found = uncovered(
        mounting(f"mount --bind {kernels_dir()} {cache}", *user),
        kernel,
        home,
        HOME=str(home),
        PATH="/usr/sbin:/usr/bin:/sbin:/bin",
        PYTHONPATH=os.pathsep.join(map(str, (source, *packages))),
        XDG_RUNTIME_DIR=str(runtime),
    )
    assert found == [*NOTHING, "0"]


def readable(path: Path) -> bool:
    """Whether an ordinary user may enter a directory, or execute a program."""
    return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))
