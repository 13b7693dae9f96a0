"""Who may use the files that are made from images: owner, mode, access control lists, extended attributes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from zonevm import images
from zonevm.cli import execute

_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
_USER, _GROUP = 4321, 4322
_ACL, _DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_OWNER, _NAMED, _OF_GROUP, _MASK, _OTHERS = 1, 2, 4, 0x10, 0x20


def acl(*entries: tuple[int, int, int]) -> bytes:
    """A list as acl(5) has it: tag, permissions and identifier of each entry."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 2**32 - 1
NAMED = acl(
    (_OWNER, 6, NOBODY), (_NAMED, 4, 77), (_OF_GROUP, 0, NOBODY), (_MASK, 4, NOBODY), (_OTHERS, 0, NOBODY)
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    images.create(path, size="64M", zone_size="1M", conventional=1)
    with images.open(path) as disk:
        disk.execute(bytes(6))
        disk.execute(bytes([0x8A, 0]) + bytes(8) + (8).to_bytes(4, "big") + bytes(2), bytes(range(16)) * 256)
    path.chmod(0o600)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def restore(image: Path) -> None:
    kept = image.with_name("kept.img")
    kept.unlink(missing_ok=True)
    images.snapshot(image, kept)
    kept.chmod(0o644)
    images.restore(kept, image)


def resize(image: Path) -> None:
    images.resize(image, "32M")


REPLACE = pytest.mark.parametrize("replace", [restore, resize])


@REPLACE
def test_an_image_that_is_replaced_keeps_its_mode(image: Path, replace: Callable[[Path], None]) -> None:
    replace(image)
    assert mode(image) == 0o600
    image.chmod(0o2664)
    replace(image)
    assert mode(image) == 0o2664


@_ROOT
@REPLACE
def test_an_image_that_is_replaced_keeps_its_owner(image: Path, replace: Callable[[Path], None]) -> None:
    os.chown(image, _USER, _GROUP)
    replace(image)
    assert (image.stat().st_uid, image.stat().st_gid, mode(image)) == (_USER, _GROUP, 0o600)


@REPLACE
def test_an_image_that_is_replaced_keeps_its_extended_attributes(
    image: Path, replace: Callable[[Path], None]
) -> None:
    os.setxattr(image, "user.note", b"mine")
    os.setxattr(image, _ACL, NAMED)
    replace(image)
    assert os.getxattr(image, "user.note") == b"mine"
    assert os.getxattr(image, _ACL) == NAMED


def test_a_snapshot_is_at_no_moment_more_readable_than_its_image(image: Path) -> None:
    seen = []
    given = acl(
        *((tag, 7, NOBODY) for tag in (_OWNER,)),
        (_NAMED, 7, 77),
        (_OF_GROUP, 7, NOBODY),
        (_MASK, 7, NOBODY),
        (_OTHERS, 7, NOBODY),
    )
    os.setxattr(image.parent, _DEFAULT, given)

    def look(done: int, total: int) -> None:
        for descriptor in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                name = descriptor.readlink()
                if name.parent == image.parent and name != image:
                    seen.append(mode(descriptor))

    copy = image.with_name("copy.img")
    assert images.snapshot(image, copy, progress=look)
    assert seen
    assert {*seen, mode(copy)} == {0o600}
    assert _ACL not in os.listxattr(copy)


def test_a_snapshot_has_mode_and_access_control_list_of_its_image(image: Path) -> None:
    image.chmod(0o640)
    images.snapshot(image, image.with_name("plain.img"))
    assert mode(image.with_name("plain.img")) == 0o640
    os.setxattr(image, _ACL, NAMED)
    images.snapshot(image, image.with_name("listed.img"))
    assert os.getxattr(image.with_name("listed.img"), _ACL) == NAMED


@_ROOT
def test_a_snapshot_by_root_has_the_owner_of_its_image(image: Path) -> None:
    os.chown(image, _USER, _GROUP)
    copy = image.with_name("copy.img")
    assert images.snapshot(image, copy)
    assert (copy.stat().st_uid, copy.stat().st_gid, mode(copy)) == (_USER, _GROUP, 0o600)
    new = image.with_name("new.img")
    assert images.restore(copy, new)
    assert (new.stat().st_uid, new.stat().st_gid, mode(new)) == (_USER, _GROUP, 0o600)


@_ROOT
def test_who_may_not_keep_an_owner_is_told_and_gives_nobody_more(capfd: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        image, copy = Path(name, "disk.img"), Path(name, "copy.img")
        images.create(image, size="64M", zone_size="1M")
        os.chown(image, _USER, _GROUP)
        image.chmod(0o646)
        image.parent.chmod(0o777)

        def as_another() -> None:
            assert execute(["disk", "snapshot", str(image), str(copy)]) == 0
            for command in (["restore", str(copy), str(image)], ["resize", str(image), "32M"]):
                assert execute(["disk", *command]) == 125

        before = image.stat()
        # The other user need not be able to read the modules that this imports.
        assert execute(["disk", "info", str(image)]) == 0
        assert run_as(_USER + 7, as_another) == 0
        told = capfd.readouterr().err
        assert f"{copy} is yours: you may not give it to the owner of {image}" in told
        assert told.count(f"cannot replace '{image}': it belongs to user {_USER} and group {_GROUP}") == 2
        assert mode(copy) == 0o644
        assert image.stat().st_ino == before.st_ino
        assert {path.name for path in image.parent.iterdir()} == {"disk.img", "copy.img"}


def test_an_export_is_no_more_readable_than_its_image(image: Path) -> None:
    images.export(image, image.with_name("disk.raw"))
    assert mode(image.with_name("disk.raw")) == 0o600


def run_as(user: int, body: Callable[[], None]) -> int:
    """Run ``body`` in a process of another user; return its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            # /proc/self/fd belongs to root otherwise: the process was root's (prctl(2), PR_SET_DUMPABLE).
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
            body()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
