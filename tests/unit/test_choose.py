"""Which method is chosen for a disk of the host, what is said of it, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.test_devices import SATA, Tree
from zonevm.attach import physical, resolve
from zonevm.attach.methods import MODELS, OF_HOST
from zonevm.attach.resolve import with_methods
from zonevm.disks import PhysicalDisk, SmrDisk, parse
from zonevm.disks.physical import METHODS as VIA
from zonevm.errors import HostError, QemuError, UsageError
from zonevm.host import Qemu, devices
from zonevm.host.abilities import Abilities
from zonevm.host.devices import Device, find_device

ISCSI = "iscsi://host/iqn.2026-01.org.example:disk/1"


def qemu(major: int, minor: int, *, without: str = "", drivers: tuple[str, ...] = ()) -> Abilities:
    properties: Mapping[str, frozenset[str]] = {name: frozenset() for name in MODELS if name != without}
    return Abilities(Qemu(Path("/qemu"), (major, minor)), MODELS, properties, frozenset(drivers), Path("/x"))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """sdb with sg1, a host-managed SATA disk, and nullb0, a zoned null_blk."""
    tree = Tree(tmp_path / "root")
    tree.scsi("sdb", "8:16", SATA, "sg1")
    tree.zoned("nullb0", "250:0", "virtual")
    return tree


def closed(monkeypatch: pytest.MonkeyPatch, *nodes: str) -> None:
    """Make ``nodes`` such that this user may not open them."""

    def require(device: Device, node: Path, root: Path) -> None:
        if str(node) in nodes:
            raise HostError(f"{node} cannot be read by ann", "Join that group.")

    monkeypatch.setattr(physical, "require_access", require)


def chosen(tree: Tree, text: str, abilities: Abilities) -> PhysicalDisk:
    disk = parse(text)
    assert isinstance(disk, PhysicalDisk)
    found, device = physical.choose(disk, abilities, tree.root)
    assert (device is None) == disk.iscsi
    return found


class TestTheBest:
    def test_of_a_scsi_disk_is_its_block_node(self, tree: Tree) -> None:
        disk = chosen(tree, "/dev/sdb", qemu(7, 2))
        assert disk.via == "scsi-block"
        (note,) = disk.notes
        assert note.startswith("/dev/sdb by scsi-block: it is a SCSI disk, and ")
        assert note.endswith("may read and write /dev/sdb")
        assert str(disk) == "/dev/sdb,via=scsi-block"

    def test_before_qemu_4_1_is_the_sg_node(self, tree: Tree) -> None:
        disk = chosen(tree, "/dev/sdb", qemu(4, 0))
        assert disk.via == "scsi-generic"
        (note,) = disk.notes
        assert "not scsi-block, since /qemu is QEMU 4.0; scsi-block for a zoned disk needs 4.1" in note

    def test_where_the_block_node_is_closed_is_the_sg_node(
        self, tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed(monkeypatch, "/dev/sdb")
        disk = chosen(tree, "/dev/sdb", qemu(7, 2))
        assert disk.via == "scsi-generic"
        assert "not scsi-block, since /dev/sdb cannot be read by ann" in disk.notes[0]

    def test_where_there_is_no_block_node_is_the_sg_node(self, tree: Tree) -> None:
        tree.scsi_device("sys/devices/pci/host9/target9:0:0/9:0:0:0", "sg7", 20)
        assert chosen(tree, "/dev/sg7", qemu(7, 2)).via == "scsi-generic"

    def test_of_a_disk_named_by_its_sg_node_is_that_node(self, tree: Tree) -> None:
        (tree.root / "dev/changer").symlink_to("sg1")
        for named in ("/dev/sg1", "/dev/changer"):
            disk = chosen(tree, named, qemu(7, 2))
            assert (disk.path, disk.via) == (named, "scsi-generic")
            assert disk.notes[0].startswith(f"{named} by scsi-generic: it is named by its SG node, and ")
            assert disk.notes[0].endswith("may read and write /dev/sg1")
        assert chosen(tree, "/dev/sg1,via=scsi-block", qemu(7, 2)).via == "scsi-block"

    def test_of_a_qemu_without_scsi_block_is_the_sg_node(self, tree: Tree) -> None:
        assert chosen(tree, "/dev/sdb", qemu(7, 2, without="scsi-block")).via == "scsi-generic"

    def test_of_another_zoned_device_is_virtio_blk(self, tree: Tree) -> None:
        disk = chosen(tree, "/dev/nullb0", qemu(8, 1))
        assert disk.via == "virtio-blk"
        assert "it is not a SCSI disk (null_blk)" in disk.notes[0]

    def test_of_an_iscsi_lun_is_scsi_generic(self, tree: Tree) -> None:
        disk = chosen(tree, ISCSI, qemu(7, 2, drivers=("iscsi",)))
        assert (disk.path, disk.via) == (ISCSI, "scsi-generic")

    def test_keeps_force(self, tree: Tree) -> None:
        tree.process(42, "smartd", "/dev/sdb", "0100000")
        disk = chosen(tree, "/dev/sdb,force=on", qemu(7, 2))
        assert str(disk) == "/dev/sdb,via=scsi-block,force=on"


class TestAsked:
    @pytest.mark.parametrize("via", ["scsi-block", "scsi-generic", "vhost-scsi", "virtio-blk"])
    def test_what_was_asked_for_is_taken(self, tree: Tree, via: str) -> None:
        disk = chosen(tree, f"/dev/sdb,via={via}", qemu(8, 1))
        assert (disk.via, disk.notes) == (via, ())

    def test_vhost_scsi_opens_no_node(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        closed(monkeypatch, "/dev/sdb", "/dev/sg1")
        assert chosen(tree, "/dev/sdb,via=vhost-scsi", qemu(7, 2)).via == "vhost-scsi"

    @pytest.mark.parametrize("via", ["scsi-block", "scsi-generic", "vhost-scsi"])
    def test_scsi_methods_are_for_scsi_disks(self, tree: Tree, via: str) -> None:
        with pytest.raises(HostError, match=r"/dev/nullb0 is not a SCSI disk \(null_blk\)") as caught:
            chosen(tree, f"/dev/nullb0,via={via}", qemu(8, 1))
        assert "virtio-blk" in caught.value.hint

    def test_a_node_that_is_not_there(self, tree: Tree) -> None:
        tree.scsi_device("sys/devices/pci/host9/target9:0:0/9:0:0:0", "sg7", 20)
        with pytest.raises(HostError, match="/dev/sg7 has no block node") as caught:
            chosen(tree, "/dev/sg7,via=scsi-block", qemu(7, 2))
        assert "via=scsi-generic" in caught.value.hint


def test_a_user_can_ask_for_each_method() -> None:
    assert sorted(VIA) == sorted(OF_HOST)


class TestRefused:
    def test_an_old_qemu_for_virtio_blk(self, tree: Tree) -> None:
        with pytest.raises(QemuError, match=r"is QEMU 7\.2; virtio-blk for a zoned disk needs 8\.1 or later"):
            chosen(tree, "/dev/nullb0", qemu(7, 2))

    def test_an_sg_node_that_is_closed_though_the_block_node_is_not(
        self, tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed(monkeypatch, "/dev/sg1")
        with pytest.raises(HostError, match="/dev/sg1 cannot be read by ann"):
            chosen(tree, "/dev/sg1", qemu(7, 2))

    def test_nodes_that_are_all_closed(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        closed(monkeypatch, "/dev/sdb", "/dev/sg1")
        with pytest.raises(HostError, match="/dev/sdb cannot be read by ann") as caught:
            chosen(tree, "/dev/sdb", qemu(7, 2))
        assert caught.value.hint == "Join that group."

    def test_a_disk_without_zones(self, tree: Tree) -> None:
        tree.block("sdc", "8:32", "virtual")
        with pytest.raises(HostError, match="/dev/sdc is not a zoned device"):
            chosen(tree, "/dev/sdc", qemu(7, 2))

    def test_a_disk_in_use(self, tree: Tree) -> None:
        tree.mount("8:16", "/srv", "/dev/sdb", "btrfs")
        with pytest.raises(HostError, match="/dev/sdb is in use: mounted at /srv"):
            chosen(tree, "/dev/sdb,force=on", qemu(7, 2))

    def test_a_disk_that_is_read_without_force(self, tree: Tree) -> None:
        tree.process(42, "smartd", "/dev/sdb", "0100000")
        with pytest.raises(HostError, match=r"open in smartd \(process 42\)"):
            chosen(tree, "/dev/sdb", qemu(7, 2))

    def test_nothing_at_all(self, tree: Tree) -> None:
        with pytest.raises(HostError, match="/dev/sdz: No such file"):
            chosen(tree, "/dev/sdz", qemu(7, 2))

    def test_iscsi_without_qemus_driver(self, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Abilities, "has_driver", lambda *_: False)
        with pytest.raises(QemuError, match="no block driver iscsi") as caught:
            chosen(tree, ISCSI, qemu(7, 2))
        assert "qemu-block-extra" in caught.value.hint

    def test_attaching_without_a_choice(self) -> None:
        with pytest.raises(HostError, match="no method was chosen for /dev/sdb"):
            with_methods([PhysicalDisk("/dev/sdb")])


def test_without_a_disk_of_the_host_qemu_is_not_asked() -> None:
    disks = (SmrDisk("1G"), parse("zns,size=1G,via=qemu"))
    assert tuple(resolve(disks, "/no/such/qemu")) == disks


def test_a_device_is_looked_for_once(tree: Tree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    looks: list[Path] = []

    def look(path: Path, root: Path) -> Device:
        looks.append(path)
        return find_device(path, tree.root)

    def never(root: Path) -> list[Device]:
        raise AssertionError("the host's devices were listed again")

    monkeypatch.setattr(Abilities, "of", lambda *_: qemu(7, 2))
    monkeypatch.setattr(physical, "find_device", look)
    closed(monkeypatch)
    disks = resolve([parse("/dev/sdb")], "qemu-system-x86_64")
    monkeypatch.setattr(devices, "block_devices", never)
    assert resolve(disks) is disks
    disks.check()
    (attachment,) = disks.attachments(tmp_path)
    with attachment as device:
        assert device == attachment.describe()
    assert looks == [Path("/dev/sdb")]


def test_disks_that_name_a_controller_are_one_group() -> None:
    one, two, three = SmrDisk("1G", controller="a"), parse("plain,size=1G"), SmrDisk("2G", controller="a")
    groups = resolve([one, two, three], "/no/such/qemu").groups
    assert [[member.disk for member in group] for group in groups] == [[one, three], [two]]
    assert [[member.number for member in group] for group in groups] == [[0, 2], [1]]


def _kinds(*texts: str) -> list[list[str]]:
    groups = with_methods([parse(text) for text in texts]).groups
    return [[str(member.disk) for member in group] for group in groups]


def test_few_smr_disks_have_a_controller_each() -> None:
    assert _kinds(*["smr,size=1G"] * 16) == [["smr,size=1G"]] * 16


def test_many_smr_disks_share_controllers_in_their_order() -> None:
    smr = [f"smr,size={number}G" for number in range(1, 41)]
    assert _kinds(*smr) == [smr[:16], smr[16:32], smr[32:]]


def test_names_keep_their_order_where_many_disks_share_controllers() -> None:
    own = [f"smr,size=1G,controller=c{number}" for number in range(16)]
    texts = ["smr,size=1G", "zns,size=1G", "smr,size=2G", *own, "plain,size=1G", "smr,size=3G"]
    first, zns, *named, plain, last = _kinds(*texts)
    assert (first, zns) == (["smr,size=1G", "smr,size=2G"], ["zns,size=1G"])
    assert named == [[text] for text in own]
    assert (plain, last) == (["plain,size=1G"], ["smr,size=3G"])


def test_more_disks_than_a_guest_can_have() -> None:
    resolve([parse("smr,size=1G")] * 256, "/no/such/qemu")
    with pytest.raises(UsageError, match="there are 257 disks, and a guest has 256 at most"):
        resolve([parse("smr,size=1G")] * 257, "/no/such/qemu")
