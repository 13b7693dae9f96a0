"""What a guest's root can reach in the share, and leave there: no /proc of the host's, no setuid file."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import zonevm as package
from zonevm import Guest
from zonevm.host import guest_python
from zonevm.kernel.kernel import kernels_dir

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
def test_the_hosts_own_is_hidden_also_where_it_is_mounted_once_more(
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
def test_the_hosts_own_is_hidden_of_an_ordinary_users_guest(kernel: str, directory: Path) -> None:
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


LEAVE = """
    cd "$1"; umask 022
    echo x > program; chmod 750 program; chmod 4755 program; install -m 4755 /bin/true other
    chmod 2750 program; install -m 2755 /bin/true another
    mkdir group; chmod 2775 group; mkdir group/below
    mknod null c 1 3; mknod disk b 8 0
    "$2" -c 'import os; os.open("made", os.O_CREAT | os.O_WRONLY, 0o4755)'
    "$2" -c 'import os; os.open("made", os.O_CREAT | os.O_WRONLY, 0o2755)'
"""


@pytest.fixture
def place(directory: Path) -> Iterator[Path]:
    """A directory in /run, beside a secret; for an ordinary user, who cannot make one there, any."""
    root = os.geteuid() == 0
    base = Path(tempfile.mkdtemp(prefix="zonevm-test", dir="/run" if root else None))
    (base / "place").mkdir()
    (base / "place" / "file").touch()
    if root:
        (base / "secret").touch()
    yield base / "place"
    shutil.rmtree(base)


def test_a_guest_sees_where_it_is_and_leaves_no_setuid_file_and_no_device(
    kernel: str, directory: Path, place: Path
) -> None:
    with Guest(kernel=kernel, rwdirs=[directory], cwd=place) as guest:
        assert guest.run("pwd; ls; ls ..", check=True).text.split() == [str(place), "file", "place"]
        done = guest.run(["sh", "-c", LEAVE, "sh", directory, guest_python()])
        outside = guest.run("cp /bin/true /tmp/true && chmod 4755 /tmp/true && mknod /tmp/null c 1 3")
    assert outside.returncode == 0, "in its own memory it may do all that"
    left = {str(each.relative_to(directory)): each.lstat().st_mode for each in directory.rglob("*")}
    assert not any(mode & stat.S_ISUID or stat.S_ISCHR(mode) or stat.S_ISBLK(mode) for mode in left.values())
    assert not any(mode & stat.S_ISGID and stat.S_ISREG(mode) for mode in left.values())
    assert left["program"] == stat.S_IFREG | 0o750
    assert left["group/below"] == stat.S_IFDIR | stat.S_ISGID | 0o755, "directories inherit their group"
    assert "chmod: changing permissions of 'program': Operation not permitted" in done.stderr.decode()


def readable(path: Path) -> bool:
    """Whether an ordinary user may enter a directory, or execute a program."""
    return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))
