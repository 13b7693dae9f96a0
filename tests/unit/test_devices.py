"""The host's devices, on generated trees of sysfs with the odd ones in them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zonevm.errors import HostError
from zonevm.host.devices import Device, Zones, block_devices, find_device
from zonevm.host.identity import Identity
from zonevm.host.usable import Access, access, require_access, require_usable, udev_rule

MIB = 2**20


class Tree:
    """A root file system with the parts of dev, proc and sys that a test needs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for directory in ("dev", "proc", "sys/block", "sys/class/block", "sys/class/scsi_generic"):
            (root / directory).mkdir(parents=True)
        self.write("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n")

    def write(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    def link(self, path: str, target: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def block(
        self, name: str, number: str, place: str, *, mib: int = 1024, zoned: str = "none", **queue: int
    ) -> str:
        """A block device in ``place`` below /sys/devices; returns its directory."""
        directory = f"sys/devices/{place}/block/{name}"
        self.write(f"{directory}/dev", f"{number}\n")
        self.write(f"{directory}/size", f"{mib * 2048}\n")
        self.write(f"{directory}/queue/zoned", f"{zoned}\n")
        for key, value in {"logical_block_size": 512, "physical_block_size": 4096, **queue}.items():
            self.write(f"{directory}/queue/{key}", f"{value}\n")
        for view in ("block", "class/block"):
            self.link(f"sys/{view}/{name}", f"{self.root}/{directory}")
        self.write(f"dev/{name.replace('!', '/')}", b"")
        return directory

    def zoned(self, name: str, number: str, place: str, **queue: int) -> str:
        zones = {"nr_zones": 80, "chunk_sectors": 524288, "max_open_zones": 128, "max_active_zones": 0}
        return self.block(name, number, place, mib=20480, zoned="host-managed", **{**zones, **queue})

    def scsi(self, name: str, number: str, place: str, sg: str, *, kind: int = 20, smr: bool = True) -> str:
        """A SCSI disk with its SG node; returns the block device's directory."""
        device = f"sys/devices/{place}"
        make = self.zoned if smr else self.block
        directory = make(name, number, place)
        self.scsi_device(device, sg, kind)
        self.link(f"{directory}/device", f"{self.root}/{device}")
        return directory

    def scsi_device(self, device: str, sg: str, kind: int) -> None:
        self.link(f"{device}/subsystem", "../../bus/scsi")
        texts = {
            "vendor": "HGST    ",
            "model": "HSH721414ALN6M0 ",
            "rev": "L3D0",
            "wwid": "naa.5000cca0",
            "type": kind,
        }
        for key, value in texts.items():
            self.write(f"{device}/{key}", f"{value}\n")
        self.write(f"{device}/vpd_pg80", b"\x14\x80\x00\x08  VKGX5A")
        self.write(f"{device}/scsi_generic/{sg}/dev", "21:1\n")
        self.link(f"sys/class/scsi_generic/{sg}/device", f"{self.root}/{device}")
        self.write(f"dev/{sg}", b"")

    def partition(self, disk: str, name: str, number: str) -> None:
        directory = f"sys/block/{disk}/{name}"
        self.write(f"{directory}/partition", "1\n")
        self.write(f"{directory}/dev", f"{number}\n")
        self.link(f"sys/class/block/{name}", f"{self.root}/{directory}")
        self.write(f"dev/{name}", b"")

    def mount(self, number: str, point: str, source: str, kind: str = "ext4") -> None:
        line = f"31 1 {number} / {point} rw,relatime shared:1 - {kind} {source} rw\n"
        file = self.root / "proc/self/mountinfo"
        self.write("proc/self/mountinfo", (file.read_text() if file.exists() else "") + line)

    def process(self, pid: int, program: str, node: str, flags: str) -> None:
        self.write(f"proc/{pid}/comm", f"{program}\n")
        self.link(f"proc/{pid}/fd/7", node)
        self.write(f"proc/{pid}/fdinfo/7", f"pos:\t0\nflags:\t{flags}\nmnt_id:\t25\n")

    def device(self, name: str) -> Device:
        return next(device for device in block_devices(self.root) if device.name == name)

    def uses(self, name: str) -> list[str]:
        return [f"{use.on}: {use}" for use in self.device(name).uses]


SATA = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "root")


@pytest.fixture
def smr(tree: Tree) -> Tree:
    """One host-managed SATA disk, sdb with sg1."""
    tree.scsi("sdb", "8:16", SATA, "sg1")
    return tree


def test_a_host_managed_disk(smr: Tree) -> None:
    smr.link("dev/disk/by-id/wwn-0x5000cca0", "../../sdb")
    smr.link("dev/disk/by-id/wwn-0x5000cca0-part1", "../../sdb1")
    assert block_devices(smr.root) == [
        Device(
            name="sdb",
            node=Path("/dev/sdb"),
            sg_node=Path("/dev/sg1"),
            number="8:16",
            links=(Path("/dev/disk/by-id/wwn-0x5000cca0"),),
            transport="sata",
            zoned="host-managed",
            zones=Zones(count=80, size=256 * MIB, max_open=128, max_active=None),
            capacity=20480 * MIB,
            logical_block_size=512,
            physical_block_size=4096,
            identity=Identity("HGST", "HSH721414ALN6M0", "L3D0", "VKGX5A", "naa.5000cca0"),
            partitions=(),
            uses=(),
        )
    ]


def test_an_empty_tree_has_no_devices(tmp_path: Path) -> None:
    assert block_devices(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "transport"),
    [
        (SATA, "sata"),
        ("pci0000:00/host1/port-1:0/end_device-1:0/target1:0:0/1:0:0:0", "sas"),
        ("pci0000:00/host1/rport-1:0-2/target1:0:0/1:0:0:0", "fc"),
        ("platform/host2/session1/target2:0:0/2:0:0:0", "iscsi"),
        ("pci0000:00/usb3/3-1/3-1:1.0/host3/target3:0:0/3:0:0:0", "usb"),
        ("pci0000:00/0000:00:05.0/virtio2/host4/target4:0:0/4:0:0:0", "virtio-scsi"),
        ("pci0000:00/somewhere", "scsi"),
    ],
)
def test_the_transport_of_a_scsi_disk(tree: Tree, place: str, transport: str) -> None:
    tree.scsi("sda", "8:0", place, "sg0")
    assert tree.device("sda").transport == transport


@pytest.mark.parametrize(
    ("driver", "transport"), [("tcm_loopback", "loopback"), ("scsi_debug", "scsi_debug")]
)
def test_the_driver_tells_the_transport_where_the_path_does_not(
    tree: Tree, driver: str, transport: str
) -> None:
    place = "tcm_loop_0/tcm_loop_adapter_0/host6/target6:0:1/6:0:1:0"
    tree.write("sys/devices/tcm_loop_0/tcm_loop_adapter_0/host6/scsi_host/host6/proc_name", f"{driver}\n")
    tree.scsi("sda", "8:0", place, "sg0")
    assert tree.device("sda").transport == transport


def nvme(tree: Tree, transport: str = "pcie") -> None:
    directory = tree.zoned(
        "nvme0n1", "259:0", "pci0000:00/nvme/nvme0", chunk_sectors=131072, max_active_zones=32
    )
    controller = "sys/devices/pci0000:00/nvme/nvme0"
    tree.link(f"{controller}/subsystem", "../../../class/nvme")
    fields = {"model": "QEMU NVMe Ctrl", "firmware_rev": "7.2.22", "serial": "zns0", "transport": transport}
    for key, value in fields.items():
        tree.write(f"{controller}/{key}", f"{value}   \n")
    tree.write(f"{directory}/wwid", "uuid.0194\n")
    tree.link(f"{directory}/device", f"{tree.root}/{controller}")


@pytest.mark.parametrize(("over", "transport"), [("pcie", "nvme"), ("tcp", "nvme-tcp")])
def test_a_zns_namespace(tree: Tree, over: str, transport: str) -> None:
    nvme(tree, over)
    device = tree.device("nvme0n1")
    assert device.transport == transport
    assert device.sg_node is None
    assert device.identity == Identity("", "QEMU NVMe Ctrl", "7.2.22", "zns0", "uuid.0194")
    assert device.zones == Zones(80, 64 * MIB, 128, 32)


def test_the_paths_of_a_multipath_namespace_are_hidden(tree: Tree) -> None:
    nvme(tree)
    hidden = tree.block("nvme0c0n1", "0:0", "pci0000:00/nvme/nvme0")
    tree.write(f"{hidden}/hidden", "1\n")
    assert [device.name for device in block_devices(tree.root)] == ["nvme0n1"]


@pytest.mark.parametrize(
    ("name", "transport"),
    [
        ("nullb0", "null_blk"),
        ("dm-3", "dm"),
        ("loop7", "loop"),
        ("md127", "md"),
        ("zram0", "zram"),
        ("ublkb0", "ublk"),
    ],
)
def test_devices_made_by_software(tree: Tree, name: str, transport: str) -> None:
    tree.zoned(name, "250:0", "virtual")
    assert tree.device(name).transport == transport


def test_a_stacked_device_has_its_own_name(tree: Tree) -> None:
    directory = tree.zoned("dm-0", "252:0", "virtual")
    tree.write(f"{directory}/dm/name", "dmz-sdb\n")
    tree.link("dev/mapper/dmz-sdb", "../dm-0")
    device = tree.device("dm-0")
    assert device.identity == Identity(product="dmz-sdb")
    assert device.links == (Path("/dev/mapper/dmz-sdb"),)


def test_virtio_blk(tree: Tree) -> None:
    directory = tree.block("vda", "254:0", "pci0000:00/virtio1")
    tree.link("sys/devices/pci0000:00/virtio1/subsystem", "../../bus/virtio")
    tree.link(f"{directory}/device", f"{tree.root}/sys/devices/pci0000:00/virtio1")
    tree.write(f"{directory}/serial", "disk-1")
    device = tree.device("vda")
    assert (device.transport, device.zoned, device.zones) == ("virtio-blk", "none", None)
    assert device.identity == Identity(serial="disk-1")


def test_a_name_with_a_slash(tree: Tree) -> None:
    tree.block("cciss!c0d0", "104:0", "pci0000:00")
    assert tree.device("cciss!c0d0").node == Path("/dev/cciss/c0d0")


def test_zones_are_counted_where_the_kernel_does_not_count(tree: Tree) -> None:
    tree.block("nullb0", "250:0", "virtual", mib=1000, zoned="host-managed", chunk_sectors=524288)
    assert tree.device("nullb0").zones == Zones(4, 256 * MIB, None, None)


def test_order_is_by_number(tree: Tree) -> None:
    for name, number in (("sdaa", "65:160"), ("sdb", "8:16"), ("nvme0n1", "259:0")):
        tree.block(name, number, f"pci/{name}")
    assert [device.name for device in block_devices(tree.root)] == ["sdb", "sdaa", "nvme0n1"]


def test_a_zoned_disk_without_a_block_node(tree: Tree) -> None:
    tree.scsi_device(f"sys/devices/{SATA}", "sg3", 20)
    tree.scsi_device("sys/devices/pci/cdrom", "sg4", 5)
    (device,) = block_devices(tree.root)
    assert (str(device), device.node, device.sg_node, device.transport) == (
        "/dev/sg3",
        None,
        Path("/dev/sg3"),
        "sata",
    )
    assert device.identity.serial == "VKGX5A"
    assert find_device(Path("/dev/sg3"), tree.root) == device


class TestUses:
    def test_a_mount(self, smr: Tree) -> None:
        smr.mount("8:16", "/mnt/smr", "/dev/sdb")
        assert smr.uses("sdb") == ["sdb: mounted at /mnt/smr"]

    def test_a_mount_point_with_a_space(self, smr: Tree) -> None:
        smr.mount("8:16", r"/mnt/my\040disk", "/dev/sdb")
        assert smr.uses("sdb") == ["sdb: mounted at /mnt/my disk"]

    def test_a_mount_that_only_process_1_sees(self, smr: Tree) -> None:
        smr.write("proc/1/mountinfo", "31 1 8:16 / /srv rw - f2fs /dev/sdb rw\n")
        assert smr.uses("sdb") == ["sdb: mounted at /srv"]

    def test_a_mount_that_no_mountinfo_shows(self, smr: Tree) -> None:
        smr.write("sys/fs/f2fs/sdb/features", "")
        smr.write("sys/fs/f2fs/features/x", "")
        assert smr.uses("sdb") == ["sdb: mounted at a place that this process does not see (f2fs)"]

    def test_every_member_of_a_btrfs(self, smr: Tree) -> None:
        smr.block("sdc", "8:32", "pci/c")
        for name in ("sdb", "sdc"):
            smr.link(f"sys/fs/btrfs/0a1b/devices/{name}", f"../../../../block/{name}")
        smr.mount("0:48", "/mnt", "/dev/sdb", "btrfs")
        assert smr.uses("sdb") == ["sdb: mounted at /mnt"]
        assert smr.uses("sdc") == ["sdc: mounted at /mnt"]

    def test_a_partition(self, tree: Tree) -> None:
        tree.block("vda", "254:0", "pci/a")
        tree.partition("vda", "vda1", "254:1")
        tree.mount("254:1", "/", "/dev/vda1")
        assert tree.device("vda").partitions == ("vda1",)
        assert tree.uses("vda") == ["vda1: mounted at /"]
        assert tree.device("vda").system

    def test_holders_and_what_is_on_them(self, smr: Tree) -> None:
        smr.block("dm-0", "252:0", "virtual")
        smr.write("sys/class/block/sdb/holders/dm-0", "")
        smr.mount("252:0", "/mnt", "/dev/mapper/dmz")
        assert smr.uses("sdb") == ["sdb: part of dm-0", "dm-0: mounted at /mnt"]
        assert smr.uses("dm-0") == ["dm-0: mounted at /mnt"]

    def test_a_loop_device_on_a_disk(self, smr: Tree) -> None:
        smr.write(f"{smr.block('loop0', '7:0', 'virtual')}/loop/backing_file", "/dev/sdb\n")
        assert smr.uses("sdb") == ["sdb: part of loop0"]

    def test_swap(self, tree: Tree) -> None:
        tree.block("sdc", "8:32", "pci/c")
        tree.partition("sdc", "sdc2", "8:34")
        swaps = "Filename Type Size Used Priority\n/dev/sdc2 partition 99 0 -2\n/swapfile file 99 0 -3\n"
        tree.write("proc/swaps", swaps)
        assert tree.uses("sdc") == ["sdc2: swap"]

    def test_a_backstore_of_lio(self, smr: Tree) -> None:
        smr.link("dev/disk/by-id/wwn-1", "../../sdb")
        core = "sys/kernel/config/target/core"
        smr.write(f"{core}/pscsi_0/disk1/udev_path", "/dev/disk/by-id/wwn-1\n")
        smr.write(f"{core}/user_1/zbc0/udev_path", "zbc//var/local/zbc0.raw\n")
        assert smr.uses("sdb") == ["sdb: LIO pscsi_0/disk1"]

    def test_a_process_on_either_node(self, smr: Tree) -> None:
        smr.process(300, "qemu-system-x86", "/dev/sg1", "0100002")
        smr.process(20, "smartd", "/dev/sdb", "0100000")
        assert smr.uses("sdb") == [
            "sdb: open in smartd (process 20)",
            "sg1: open in qemu-system-x86 (process 300)",
        ]
        assert [use.reads_only for use in smr.device("sdb").uses] == [True, False]


class TestFinding:
    def test_by_each_of_its_names(self, smr: Tree) -> None:
        smr.link("dev/disk/by-id/wwn-1", "../../sdb")
        device = smr.device("sdb")
        for name in ("/dev/sdb", "/dev/sg1", "/dev/disk/by-id/wwn-1"):
            assert find_device(Path(name), smr.root).name == device.name

    def test_nothing_there(self, smr: Tree) -> None:
        with pytest.raises(HostError, match="/dev/sdz: No such file"):
            find_device(Path("/dev/sdz"), smr.root)

    def test_a_partition(self, smr: Tree) -> None:
        smr.partition("sdb", "sdb1", "8:17")
        with pytest.raises(HostError, match="/dev/sdb1 is a partition of /dev/sdb"):
            find_device(Path("/dev/sdb1"), smr.root)

    def test_a_file(self, smr: Tree) -> None:
        smr.write("home/disk.img", b"")
        with pytest.raises(HostError, match="a regular file, not a block device") as caught:
            find_device(Path("/home/disk.img"), smr.root)
        assert "smr,file=/home/disk.img" in caught.value.hint

    def test_a_directory(self, smr: Tree) -> None:
        with pytest.raises(HostError, match="/dev is a directory"):
            find_device(Path("/dev"), smr.root)


class TestUsable:
    def test_a_free_zoned_disk(self, smr: Tree) -> None:
        require_usable(smr.device("sdb"), root=smr.root)

    def test_a_disk_in_use(self, smr: Tree) -> None:
        smr.mount("8:16", "/mnt/smr", "/dev/sdb")
        with pytest.raises(HostError, match="/dev/sdb is in use: mounted at /mnt/smr"):
            require_usable(smr.device("sdb"), force=True, root=smr.root)

    def test_the_system_disk(self, tree: Tree) -> None:
        tree.block("vda", "254:0", "pci/a")
        tree.partition("vda", "vda1", "254:1")
        tree.mount("254:1", "/", "/dev/vda1")
        with pytest.raises(HostError, match=r"/dev/vda holds this running system \(/\)"):
            require_usable(tree.device("vda"), zoned=False, force=True, root=tree.root)

    def test_one_that_is_not_zoned(self, tree: Tree) -> None:
        tree.block("sdc", "8:32", "pci/c")
        with pytest.raises(HostError, match="/dev/sdc is not a zoned device"):
            require_usable(tree.device("sdc"), root=tree.root)
        require_usable(tree.device("sdc"), zoned=False, root=tree.root)

    def test_readers_can_be_overruled_and_writers_cannot(self, smr: Tree) -> None:
        smr.process(20, "smartd", "/dev/sdb", "0100000")
        with pytest.raises(HostError, match=r"open in smartd \(process 20\)"):
            require_usable(smr.device("sdb"), root=smr.root)
        require_usable(smr.device("sdb"), force=True, root=smr.root)
        smr.process(300, "qemu", "/dev/sg1", "0100002")
        with pytest.raises(HostError, match=r"sg1 is open in qemu \(process 300\)"):
            require_usable(smr.device("sdb"), force=True, root=smr.root)

    def test_one_that_is_claimed_exclusively(self, smr: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        def busy(path: object, flags: int) -> int:
            assert flags & os.O_EXCL
            raise OSError(16, "Device or resource busy")

        monkeypatch.setattr("zonevm.host.usable.os.open", busy)
        with pytest.raises(HostError, match="claimed it exclusively"):
            require_usable(smr.device("sdb"), root=smr.root)


class TestAccess:
    def test_a_node_that_is_ours(self, smr: Tree) -> None:
        granted = access(Path("/dev/sdb"), smr.root)
        assert (granted.readable, granted.writable) == (True, True)
        require_access(smr.device("sdb"), Path("/dev/sdb"), smr.root)

    def test_a_node_that_is_not(self, smr: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("zonevm.host.usable.access", lambda node, root: Access(True, False, "disk"))
        with pytest.raises(HostError, match=r"/dev/sdb cannot be written by .*; its group is disk") as caught:
            require_access(smr.device("sdb"), Path("/dev/sdb"), smr.root)
        assert "usermod -aG disk" in caught.value.hint
        assert "/etc/udev/rules.d/70-zonevm.rules" in caught.value.hint

    def test_the_rule_names_the_very_disk(self, smr: Tree) -> None:
        rule = 'SUBSYSTEM=="block|scsi_generic", ATTRS{wwid}=="naa.5000cca0", OWNER="ann"'
        assert udev_rule(smr.device("sdb"), "ann") == rule

    def test_the_rule_of_a_namespace(self, tree: Tree) -> None:
        nvme(tree)
        assert (
            udev_rule(tree.device("nvme0n1"), "ann")
            == 'SUBSYSTEM=="block", ATTR{wwid}=="uuid.0194", OWNER="ann"'
        )

    def test_the_rule_of_a_device_without_a_name_of_its_own(self, tree: Tree) -> None:
        tree.zoned("nullb0", "250:0", "virtual")
        assert udev_rule(tree.device("nullb0"), "ann") == 'KERNEL=="nullb0", OWNER="ann"'
