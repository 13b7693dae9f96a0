"""What an attachment does to the host, what it tells QEMU, and that nothing of it stays."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

import pytest

from zonevm import images
from zonevm.attach import Attachment, QemuDevice
from zonevm.attach.resolve import with_methods
from zonevm.disks import Disk, SmrDisk, ZnsDisk, parse
from zonevm.errors import DiskError, ImageError

M = 2**20


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    runtime = tmp_path / "run"
    runtime.mkdir()
    return runtime


def plan(disks: Iterable[Disk], runtime: Path) -> list[Attachment]:
    """The attachments of disks whose methods were chosen."""
    return with_methods(disks).attachments(runtime)


def described(runtime: Path, *disks: str | Disk) -> list[QemuDevice]:
    return [each.describe() for each in plan([parse(d) if isinstance(d, str) else d for d in disks], runtime)]


def options(device: QemuDevice, name: str) -> dict[str, str]:
    """The options of the ``-device name,...`` (or ``-blockdev driver=...``) argument."""
    (argument,) = (value for value in device.args[1::2] if value.split(",")[0] == name)
    return dict(setting.split("=", 1) for setting in argument.split(",")[1:])


def listed(path: Path) -> list[Path]:
    return sorted(path.rglob("*"))


def test_describing_creates_nothing(runtime: Path, tmp_path: Path) -> None:
    before = listed(tmp_path)
    described(runtime, "smr,size=1G", f"smr,size=1G,file={tmp_path}/new.img", "zns,via=qemu,size=1G")
    assert listed(tmp_path) == before


@pytest.mark.parametrize("text", ["smr,size=1G", "zns,via=qemu,size=1G,zone-size=64M"])
def test_entering_yields_what_was_described_and_leaving_leaves_nothing(
    text: str, runtime: Path, tmp_path: Path
) -> None:
    before = listed(tmp_path)
    (attachment,) = plan([parse(text)], runtime)
    with attachment as device:
        assert device == attachment.describe()
        assert listed(tmp_path) != before
    assert listed(tmp_path) == before


def test_names_are_distinct_in_a_plan(runtime: Path) -> None:
    devices = described(runtime, "smr,size=1G", "zns,via=qemu,size=1G", "smr,size=1G", "zns,via=qemu,size=1G")
    ids = [
        part
        for device in devices
        for value in device.args
        for part in value.split(",")
        if part.startswith("id=")
    ]
    assert len(ids) == len(set(ids)) == 6


def test_disks_that_name_a_controller_share_it(runtime: Path) -> None:
    devices = described(
        runtime,
        "smr,size=1G,controller=a",
        "smr,size=1G",
        "smr,size=1G,controller=a,queues=3",
        "zns,via=qemu,size=1G",
    )
    assert len(devices) == 3
    assert options(devices[0], "vhost-user-scsi-pci")["num_queues"] == "3"
    assert options(devices[1], "vhost-user-scsi-pci")["num_queues"] == "1"


def test_an_smr_disk_is_served_on_the_socket_that_qemu_is_told(runtime: Path) -> None:
    (attachment,) = plan([SmrDisk("1G")], runtime)
    with attachment as device:
        assert device.shared_memory
        assert device.min_qemu == (7, 2)
        path = options(device, "socket")["path"]
        assert Path(path).parent == runtime
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)


def test_a_missing_image_is_created_with_what_was_asked_for(runtime: Path, tmp_path: Path) -> None:
    image = tmp_path / "new.img"
    disk = SmrDisk("64M", "1M", 3, 4096, 5, image, serial="SERIAL", wwn="5000c500a1b2c3d4")
    (attachment,) = plan([disk], runtime)
    with attachment:
        pass
    info = images.info(image)
    assert (info["size"], info["zone_size"], info["conventional"]) == (64 * M, M, 3)
    assert (info["block_size"], info["max_open"], info["serial"]) == (4096, 5, "SERIAL")
    assert info["wwn"] == 0x5000C500A1B2C3D4


def test_an_image_is_free_again_afterwards(runtime: Path, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="64M", zone_size="1M")
    (attachment,) = plan([SmrDisk(file=image)], runtime)
    with attachment, pytest.raises(ImageError, match="in use"):
        images.open(image)
    images.open(image).close()


def test_an_image_gives_the_geometry_and_options_may_repeat_it(runtime: Path, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="64M", zone_size="1M", conventional=2, max_open=None)
    for text in ("", ",size=64M", ",zone-size=1M,conv=2,max-open=none", ",queues=2"):
        (attachment,) = plan([parse(f"smr,file={image}{text}")], runtime)
        with attachment:
            pass


@pytest.mark.parametrize(
    ("option", "has"),
    [("size=32M", "64M"), ("zone-size=256M", "1M"), ("conv=1", "2"), ("max-open=128", "none")],
)
def test_an_option_that_the_image_does_not_have_is_refused(
    option: str, has: str, runtime: Path, tmp_path: Path
) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="64M", zone_size="1M", conventional=2, max_open=None)
    (attachment,) = plan([parse(f"smr,file={image},{option}")], runtime)
    name = option.split("=", maxsplit=1)[0]
    with pytest.raises(ImageError) as caught:
        attachment.describe()
    assert option in caught.value.message
    assert f"{name}={has}" in caught.value.message
    with pytest.raises(ImageError):
        attachment.__enter__()
    images.open(image).close()


@pytest.mark.parametrize("kind", ["smr", "zns"])
def test_a_missing_file_without_a_size_says_that_a_size_creates_it(kind: str, runtime: Path) -> None:
    (attachment,) = plan([parse(f"{kind},file={runtime}/none")], runtime)
    for act in (attachment.describe, attachment.__enter__):
        with pytest.raises(ImageError, match="does not exist") as caught:
            act()
        assert "size" in caught.value.hint


def test_one_bad_disk_of_a_controller_frees_the_others(runtime: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.img"
    images.create(good, size="64M", zone_size="1M")
    (tmp_path / "bad.img").write_bytes(b"x" * 8192)
    disks = [SmrDisk(file=tmp_path / name, controller="a") for name in ("good.img", "bad.img")]
    (attachment,) = plan(disks, runtime)
    with pytest.raises(ImageError, match=r"bad\.img"):
        attachment.__enter__()
    images.open(good).close()
    assert listed(runtime) == []


def test_a_socket_path_that_is_too_long_is_an_error_with_the_limit(tmp_path: Path) -> None:
    runtime = tmp_path / ("d" * 120)
    runtime.mkdir()
    (attachment,) = plan([SmrDisk("1G")], runtime)
    with pytest.raises(ImageError, match="107"):
        attachment.__enter__()


def test_every_zns_option_reaches_qemu(runtime: Path) -> None:
    name = "2b6b8f2e-9a5c-4c39-8d2a-2f1f6f0f7c11"
    (device,) = described(
        runtime,
        "zns,via=qemu,size=1G,zone-size=64M,zone-capacity=62M,max-open=4,max-active=8,block-size=512,zasl=5,cross-read=on,"
        f"auto-transition=off,descr-ext-size=64,numzrwa=2,zrwas=64K,zrwafg=16K,uuid={name},serial=S",
    )
    controller, namespace = options(device, "nvme"), options(device, "nvme-ns")
    assert controller == {"id": "zns0", "serial": "S", "zoned.zasl": "5", "zoned.auto_transition": "off"}
    assert namespace == {
        "drive": "zns0-data",
        "bus": "zns0",
        "nsid": "1",
        "logical_block_size": "512",
        "physical_block_size": "512",
        "zoned": "true",
        "zoned.zone_size": "64M",
        "zoned.zone_capacity": "62M",
        "zoned.max_open": "4",
        "zoned.max_active": "8",
        "zoned.cross_read": "on",
        "zoned.descr_ext_size": "64",
        "zoned.numzrwa": "2",
        "zoned.zrwas": "64K",
        "zoned.zrwafg": "16K",
        "uuid": name,
    }


def test_options_that_were_not_given_are_left_to_qemu(runtime: Path) -> None:
    (device,) = described(runtime, "zns,via=qemu,size=1G")
    zoned = [name for name in options(device, "nvme-ns") if name.startswith("zoned.")]
    assert zoned == ["zoned.zone_size"]


@pytest.mark.parametrize(
    ("text", "oldest"), [("", (6, 0)), (",auto-transition=off", (6, 1)), (",zrwas=64K", (7, 0))]
)
def test_the_oldest_qemu_depends_on_what_is_used(text: str, oldest: tuple[int, int], runtime: Path) -> None:
    (device,) = described(runtime, f"zns,via=qemu,size=1G{text}")
    assert device.min_qemu == oldest
    assert not device.shared_memory


def test_a_namespace_without_a_file_has_a_sparse_one_without_a_name(runtime: Path) -> None:
    (attachment,) = plan([ZnsDisk("8G", via="qemu")], runtime)
    with attachment as device:
        data = Path(options(device, "driver=raw")["file.filename"])
        assert data.stat().st_size == 8 * 2**30
        assert data.stat().st_nlink == 0
        assert data.stat().st_blocks == 0


def test_a_namespaces_file_is_created_kept_and_found_again(runtime: Path, tmp_path: Path) -> None:
    file = tmp_path / "a,b.raw"
    (attachment,) = plan([ZnsDisk("1G", file=file, via="qemu")], runtime)
    with attachment as device:
        assert f"file.filename={tmp_path}/a,,b.raw" in device.args[1]
        with file.open("r+b") as data:
            data.write(b"data")
    (again,) = plan([ZnsDisk(file=file, via="qemu")], runtime)
    with again:
        assert file.stat().st_size == 2**30
        with file.open("rb") as data:
            assert data.read(4) == b"data"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("size=2G", ["size=2G", "1G"]),
        ("zone-size=2G", ["zone-size=2G", "multiple"]),
        ("zone-size=512M,max-open=3", ["max-open=3", "2 zones"]),
    ],
)
def test_a_namespaces_file_has_to_fit_the_options(
    option: str, words: list[str], runtime: Path, tmp_path: Path
) -> None:
    file = tmp_path / "zns.raw"
    with file.open("wb") as data:
        data.truncate(2**30)
    (attachment,) = plan([parse(f"zns,via=qemu,file={file},{option}")], runtime)
    with pytest.raises((ImageError, DiskError)) as caught:
        attachment.__enter__()
    for word in words:
        assert word in caught.value.message
    assert file.stat().st_size == 2**30


def test_a_directory_is_no_namespace(runtime: Path) -> None:
    (attachment,) = plan([ZnsDisk(file=runtime, via="qemu")], runtime)
    with pytest.raises(ImageError, match="not a regular file"):
        attachment.__enter__()


def test_no_room_for_temporary_disks_says_where(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/nowhere")
    for text in ("smr,size=1G", "zns,via=qemu,size=1G"):
        (attachment,) = plan([parse(text)], runtime)
        with pytest.raises(ImageError, match="/nowhere"):
            attachment.__enter__()
