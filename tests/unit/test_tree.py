"""What of the host's mounts is covered before they are shared, and that a copy of them outlives its maker."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.waiting import until
from zonevm.errors import HostError, UsageError
from zonevm.guest.plan import Plan
from zonevm.host import checks_guest, tree, tree_program
from zonevm.host.checks import Host, Status
from zonevm.host.tree import UNCOVERED, covered
from zonevm.processes import Keeper

_PR_SET_DUMPABLE = 4

OWN = ["/proc", "/sys", "/dev", "/run"]

HOST = r"""
27 1 254:0 /@ / rw,relatime shared:1 - btrfs /dev/vda rw
22 27 0:21 / /proc rw - proc proc rw
23 27 0:22 / /sys rw - sysfs sysfs rw
24 27 0:6 / /dev rw - devtmpfs devtmpfs rw
25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw
30 27 0:30 / /tmp rw - tmpfs tmpfs rw
31 27 0:31 / /home/a\040b rw - nfs server:/home rw
32 27 0:21 / /srv/chroot/proc rw - proc proc rw
33 27 0:6 /net /srv/net rw - devtmpfs devtmpfs rw
34 27 0:23 /sub /srv/shm rw - tmpfs tmpfs rw
35 27 254:0 / /mnt/all rw - btrfs /dev/vda rw
36 27 254:0 /@/run/lock /srv/lock rw - btrfs /dev/vda rw
37 27 254:0 /@/srv /srv/again rw - btrfs /dev/vda rw
38 27 0:40 / /run/media/usb rw - ext4 /dev/sdb rw
39 27 0:40 / /mnt/usb rw - ext4 /dev/sdb rw
40 27 0:41 net:[4026532] /srv/ns/one rw - nsfs nsfs rw
41 27 0:42 / /debug rw - debugfs debugfs rw
""".strip()
"""A host whose /run is a directory of its root, a btrfs subvolume."""


def test_what_shows_the_hosts_own_is_hidden_and_nothing_else() -> None:
    found = tree_program.hidden(tree_program.mounts(HOST), OWN)
    assert found == {
        *OWN,
        "/dev/shm",
        "/srv/chroot/proc",
        "/srv/net",
        "/srv/shm",
        "/mnt/all/@/run",
        "/srv/lock",
        "/srv/ns/one",
        "/debug",
    }


def test_of_several_mounts_in_a_place_the_last_counts() -> None:
    lines = "1 0 8:1 / / rw - ext4 a rw\n2 1 0:5 / /a rw - proc p rw\n3 1 8:2 / /a rw - ext4 b rw"
    assert tree_program.hidden(tree_program.mounts(lines), ["/proc"]) == {"/proc"}


def test_a_name_with_a_space_is_read() -> None:
    assert tree_program.mounts(HOST)["/home/a b"] == tree_program.Mount("0:31", "/", "nfs")


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir())


@pytest.fixture
def shm() -> Iterator[list[Path]]:
    """A directory with a file, and a file, in /dev/shm."""
    base = Path("/dev/shm", f"zonevm-test-{os.getpid()}")
    (base / "dir").mkdir(parents=True)
    (base / "dir" / "inside").touch()
    (base / "file").touch()
    yield [base / "dir", base / "file"]
    shutil.rmtree(base)


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    with Keeper() as one:
        yield one


def test_a_copy_holds_and_shows_nothing_of_the_hosts_own(keeper: Keeper, tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    with covered(keeper, [tmp_path]) as found:
        for place in OWN:
            assert names(found.root / place[1:]) == []
        (shared,) = found.directories
        assert names(shared) == ["here"]
        (shared / "new").touch()
        with pytest.raises(OSError, match="Read-only"):
            (found.root / str(tmp_path)[1:] / "newer").touch()
        assert (found.root / "etc/passwd").stat().st_uid == Path("/etc/passwd").stat().st_uid
        assert not os.path.ismount("/srv")
    assert names(tmp_path) == ["here", "new"]
    assert not any(Path(f"/proc/self/fd/{each}").exists() for each in found.descriptors)


def test_what_was_asked_for_is_shown_in_a_covered_place(keeper: Keeper, shm: list[Path]) -> None:
    directory, file = shm
    with covered(keeper, [directory], [file]) as found:
        assert names(found.root / "dev") == ["shm"]
        assert names(found.root / "dev/shm" / directory.parent.name) == ["dir", "file"]
        (found.directories[0] / "written").touch()
        with pytest.raises(OSError, match="Read-only"):
            (found.root / "dev/other").touch()
    assert names(directory) == ["inside", "written"]


def test_a_directory_of_the_kernels_is_not_shared(keeper: Keeper) -> None:
    with (
        pytest.raises(UsageError, match="/proc/self/task cannot be shared"),
        covered(keeper, [Path("/proc/self/task")]),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="this user is an ordinary one: the test above did it")
def test_an_ordinary_user_can_have_it_too() -> None:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1)  # as it is after exec, without which /proc is root's
            os.dup2(theirs.fileno(), 1)
            sys.stdout = os.fdopen(1, "w")
            tree_program.main(["/tmp"], [])
        finally:
            os._exit(0)
    theirs.close()
    with ours:
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 2)
    os.waitpid(pid, 0)
    assert len(descriptors) == 2
    root = Path(f"/proc/self/fd/{descriptors[0]}")
    for place in OWN:
        assert names(root / place[1:]) == []
    assert (root / "etc/passwd").stat().st_uid == 0
    for each in descriptors:
        os.close(each)


FORBIDDEN = """
import sys
from zonevm.errors import HostError
from zonevm.host.tree import covered
from zonevm.processes import Keeper
try:
    with Keeper() as keeper, covered(keeper, ()):
        pass
except HostError as error:
    print(error.message)
    print(error.hint)
"""


def test_a_host_that_forbids_it_is_told_with_its_remedy() -> None:
    # A user namespace has a limit of its own for those in it.
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set -all "$@"'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", script, "sh", sys.executable, "-c", FORBIDDEN],
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "the host's mounts cannot be copied for the guest: unshare: No space left on device",
        "sudo sysctl user.max_user_namespaces=15000",
    ], done.stderr


def test_the_error_of_a_guest_is_not_taken_for_a_missing_copy(keeper: Keeper) -> None:
    plan = SimpleNamespace(_shared=(), shown=(), uncovered_tree=lambda: UNCOVERED)
    with (
        pytest.raises(HostError, match="another"),
        Plan.tree(plan, SimpleNamespace(keeper=keeper), pytest.fail),  # type: ignore[arg-type]
    ):
        raise HostError("another")


def test_a_copy_that_is_interrupted_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, program = tmp_path / "pid", tmp_path / "program.py"
    program.write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"open({str(begun)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(tree, "_PROGRAM", program)

    main = threading.get_ident()

    def interrupt() -> None:
        until(lambda: begun.exists() and begun.read_text())
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt), Keeper() as keeper, covered(keeper, ()):
        pass
    thread.join()
    assert not Path("/proc", begun.read_text()).exists()


class TestWithoutACopy:
    @pytest.fixture(autouse=True)
    def forbidden(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        program = tmp_path / "program.py"
        program.write_text("import sys; sys.exit('unshare: Operation not permitted')")
        monkeypatch.setattr(tree, "_PROGRAM", program)

    def test_a_guest_gets_the_root_as_it_is_and_its_user_is_told(self, keeper: Keeper) -> None:
        said: list[str] = []
        plan = SimpleNamespace(_shared=(), shown=(), uncovered_tree=lambda: UNCOVERED)
        with Plan.tree(plan, SimpleNamespace(keeper=keeper), said.append) as found:  # type: ignore[arg-type]
            assert found == UNCOVERED
        assert "unshare: Operation not permitted; " in said[0]

    def test_doctor_says_so(self) -> None:
        finding = checks_guest.covered_root(Host((), lambda: "6.12", lambda: "tcg"))
        assert not finding.fails
        assert finding.status is not Status.OK
        assert "root in the guest can reach" in finding.seen


def test_a_mount_may_have_any_white_space_in_its_name() -> None:
    odd = "/a\x0b\x0c\x85\u2028b"
    lines = f"1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {odd} rw - proc proc rw\n"
    assert tree_program.mounts(lines)[odd] == tree_program.Mount("0:2", "/", "proc")
