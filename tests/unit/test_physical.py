"""Disks of the host and plain disks: their descriptions, and what QEMU is told of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.unit.test_attach import listed, options, plan
from tests.unit.test_devices import SATA, Tree
from zonevm.attach import Attachment, QemuDevice, scsi_generic
from zonevm.attach.resolve import with_methods
from zonevm.disks import PhysicalDisk, PlainDisk, parse
from zonevm.errors import DiskError, HostError, ImageError
from zonevm.host.devices import find_device, scsi_address

ISCSI = "iscsi://host:3261/iqn.2026-01.org.example:disk/1"


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    runtime = tmp_path / "run"
    runtime.mkdir()
    return runtime


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """sdb with sg1 and nullb0, in the place of this host's devices."""
    tree = Tree(tmp_path / "root")
    tree.scsi("sdb", "8:16", SATA, "sg1")
    tree.zoned("nullb0", "250:0", "virtual")
    monkeypatch.setattr(scsi_generic, "scsi_address", lambda device: scsi_address(device, tree.root))
    return tree


def attached(tree: Tree, runtime: Path, *texts: str) -> list[Attachment]:
    """The attachments of disks of ``tree`` whose methods were chosen."""
    disks = [parse(text) for text in texts]
    devices = {number: find_device(disk.place, tree.root) for number, disk in enumerate(disks) if disk.place}
    return with_methods(disks, devices).attachments(runtime)


def described(tree: Tree, runtime: Path, text: str) -> QemuDevice:
    (attachment,) = attached(tree, runtime, text)
    return attachment.describe()


class TestDescription:
    @pytest.mark.parametrize(
        "text",
        [
            "/dev/sdf",
            "/dev/disk/by-id/wwn-0x5000cca0",
            "/dev/sdf,via=scsi-generic",
            "/dev/sdf,via=virtio-blk,force=on",
            "/dev/with,,comma",
            ISCSI,
            f"{ISCSI},via=scsi-generic",
        ],
    )
    def test_a_path_is_a_disk_of_the_host(self, text: str) -> None:
        disk = parse(text)
        assert isinstance(disk, PhysicalDisk)
        assert str(disk) == text
        assert parse(str(disk)) == disk

    def test_the_long_form(self) -> None:
        assert parse("physical,path=/dev/sdf") == parse("/dev/sdf") == PhysicalDisk(Path("/dev/sdf"))

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("physical", "needs its path"),
            ("physical,path=sdf", "neither an absolute path nor iscsi"),
            ("iscsi://host/target", "neither an absolute path nor iscsi"),
            ("/dev/sdf,via=scsi-bloc", "not one of scsi-block, scsi-generic, vhost-scsi, virtio-blk"),
            ("/dev/sdf,size=20G", "unknown option 'size'"),
            ("/dev/sdf,path=/dev/sdg", "path is given twice"),
            (f"{ISCSI},via=scsi-block", "an iSCSI LUN by scsi-generic only"),
            ("plain", "needs a size"),
            ("plain,size=1000", "not a multiple of 512"),
        ],
    )
    def test_wrong_ones_are_refused(self, text: str, words: str) -> None:
        with pytest.raises(DiskError, match=words) as caught:
            parse(text)
        assert caught.value.hint


class TestQemu:
    def test_scsi_block(self, tree: Tree, runtime: Path) -> None:
        device = described(tree, runtime, "/dev/sdb,via=scsi-block")
        node = options(device, "driver=host_device")
        assert (node["filename"], node["cache.direct"]) == ("/dev/sdb", "on")
        disk = options(device, "scsi-block")
        assert disk["drive"] == node["node-name"]
        assert disk["bus"] == options(device, "virtio-scsi-pci")["id"] + ".0"
        assert device.min_qemu == (4, 1)

    def test_scsi_generic_has_the_sg_node_of_the_disk(self, tree: Tree, runtime: Path) -> None:
        device = described(tree, runtime, "/dev/sdb,via=scsi-generic")
        node = options(device, "driver=host_device")
        assert node["filename"] == "/dev/sg1"
        assert "cache.direct" not in node
        assert options(device, "scsi-generic")["drive"] == node["node-name"]

    def test_virtio_blk(self, tree: Tree, runtime: Path) -> None:
        device = described(tree, runtime, "/dev/nullb0,via=virtio-blk")
        node = options(device, "driver=host_device")
        assert (node["filename"], node["cache.direct"]) == ("/dev/nullb0", "on")
        assert options(device, "virtio-blk-pci")["drive"] == node["node-name"]
        assert (device.min_qemu, device.min_kernel) == ((8, 1), (6, 4))

    def test_iscsi(self, runtime: Path) -> None:
        (device,) = (each.describe() for each in plan([parse(ISCSI)], runtime))
        drive = options(device, "if=none")
        assert (drive["file"], drive["format"]) == (ISCSI, "raw")
        assert options(device, "scsi-generic")["drive"] == drive["id"]

    def test_several_disks_have_names_of_their_own(self, tree: Tree, runtime: Path) -> None:
        disks = ("/dev/sdb,via=scsi-block", "/dev/nullb0,via=virtio-blk", ISCSI)
        devices = [attachment.describe() for attachment in attached(tree, runtime, *disks)]
        names = [part for each in devices for part in ",".join(each.args).split(",") if part[:3] == "id="]
        assert len(names) == len(set(names)) >= 3


class TestClaim:
    @pytest.mark.parametrize("text", ["/dev/sdb,via=scsi-block", "/dev/nullb0,via=virtio-blk"])
    def test_the_device_is_claimed_while_attached(
        self, tree: Tree, runtime: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        claims: list[tuple[Path, int]] = []
        reader, writer = os.pipe()

        def opened(path: Path, flags: int) -> int:
            claims.append((path, flags & os.O_EXCL))
            return reader

        (attachment,) = attached(tree, runtime, text)
        monkeypatch.setattr(os, "open", opened)
        with attachment as device:
            assert device == attachment.describe()
            assert claims == [(Path(text.partition(",")[0]), os.O_EXCL)]
            os.fstat(reader)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reader)
        os.close(writer)

    def test_a_device_that_is_taken_meanwhile(
        self, tree: Tree, runtime: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def opened(path: Path, flags: int) -> int:
            raise OSError(errno.EBUSY, "busy")

        (attachment,) = attached(tree, runtime, "/dev/sdb,via=scsi-block")
        monkeypatch.setattr(os, "open", opened)
        with pytest.raises(HostError, match="/dev/sdb has just been put to another use"):
            attachment.__enter__()


class TestPlain:
    def test_a_temporary_one_leaves_nothing(self, runtime: Path, tmp_path: Path) -> None:
        before = listed(tmp_path)
        (attachment,) = plan([PlainDisk("1G", serial="P1")], runtime)
        with attachment as device:
            node = options(device, "driver=raw")
            assert Path(node["file.filename"]).stat().st_size == 2**30
            disk = options(device, "virtio-blk-pci")
            assert (disk["drive"], disk["serial"]) == (node["node-name"], "P1")
        assert listed(tmp_path) == before

    def test_a_file_is_created_sparse_and_stays(self, runtime: Path, tmp_path: Path) -> None:
        file = tmp_path / "plain.raw"
        (attachment,) = plan([parse(f"plain,size=1G,file={file}")], runtime)
        attachment.describe()
        assert not file.exists()
        with attachment:
            pass
        status = file.stat()
        assert (status.st_size, status.st_blocks) == (2**30, 0)

    def test_a_file_that_exists_keeps_its_data(self, runtime: Path, tmp_path: Path) -> None:
        file = tmp_path / "plain.raw"
        file.write_bytes(b"x" * 4096)
        for text in (f"plain,file={file}", f"plain,size=4K,file={file}"):
            (attachment,) = plan([parse(text)], runtime)
            with attachment:
                pass
        assert file.read_bytes() == b"x" * 4096

    @pytest.mark.parametrize(
        ("length", "text", "words"),
        [
            (None, "", "does not exist"),
            (4096, ",size=8K", "size=8K, but .* has 4K"),
            (0, "", "has 0 bytes"),
            (1000, "", "has 1000 bytes, not a multiple of 512"),
        ],
    )
    def test_a_file_that_does_not_fit_is_refused(
        self, runtime: Path, tmp_path: Path, length: int | None, text: str, words: str
    ) -> None:
        file = tmp_path / "plain.raw"
        if length is not None:
            file.write_bytes(bytes(length))
        (attachment,) = plan([parse(f"plain,file={file}{text}")], runtime)
        with pytest.raises(ImageError, match=words) as caught:
            attachment.describe()
        assert caught.value.hint
