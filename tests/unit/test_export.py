"""libvirt's XML: every method as libvirt has it, and a domain that libvirt's own schema accepts."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as Xml
from pathlib import Path

import pytest

from zonevm.attach import QemuDevice, libvirt
from zonevm.attach.resolve import with_methods
from zonevm.cli import execute
from zonevm.disks import parse
from zonevm.export.libvirt import System, domain, parts

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
MIB = 1 << 20

SCSI_BLOCK = QemuDevice(
    ("-device", "scsi-block"),
    libvirt=(libvirt.scsi_controller(0), libvirt.lun(Path("/dev/sdf"), 0)),
)
SCSI_GENERIC = QemuDevice(
    ("-device", "scsi-generic"),
    libvirt=(libvirt.scsi_controller(1), libvirt.scsi_device((6, 0, 1, 3), 1)),
)
VHOST_SCSI = QemuDevice(
    ("-device", "vhost-scsi-pci"),
    by_hand=("modprobe vhost_scsi", "echo 'a < b' && true"),
    libvirt=(libvirt.vhost_scsi("naa.5001405b0a1c2d3e"),),
)
VIRTIO_BLK = QemuDevice(("-device", "virtio-blk-pci"), libvirt=(libvirt.block_disk(Path("/dev/nvme0n2"), 3),))


def described(*texts: str) -> list[QemuDevice]:
    return [
        attachment.describe() for attachment in with_methods(map(parse, texts)).attachments(Path("/run/x"))
    ]


def validated(text: str, tmp_path: Path) -> Xml.Element:
    """The domain, once libvirt's schema has accepted it."""
    file = tmp_path / "domain.xml"
    file.write_text(text)
    done = subprocess.run(["virt-xml-validate", file, "domain"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}{text}"
    return Xml.fromstring(text)


def found(root: Xml.Element, path: str) -> Xml.Element:
    element = root.find(path)
    assert element is not None, path
    return element


def test_every_method_in_one_domain(tmp_path: Path) -> None:
    emulated = described("smr,size=20G", "zns,via=qemu,size=8G,zone-size=64M", "plain,size=1G")
    devices = [*emulated, SCSI_BLOCK, SCSI_GENERIC, VHOST_SCSI, VIRTIO_BLK]
    system = System(Path("/images/debian.qcow2"), "qcow2", uefi=True, transient=True)
    text = domain(
        devices,
        memory=2048 * MIB,
        cpus=4,
        kvm=True,
        system=system,
        net=True,
        emulator="/opt/qemu/bin/qemu-system-x86_64",
        more=("-device", "edu"),
    )
    root = validated(text, tmp_path)
    assert root.get("type") == "kvm"
    assert (root.findtext("memory"), root.findtext("vcpu")) == ("2048", "4")
    assert found(root, "os").get("firmware") == "efi"
    assert found(root, "memoryBacking/access").get("mode") == "shared"
    inside = found(root, "devices")
    assert inside.findtext("emulator") == "/opt/qemu/bin/qemu-system-x86_64"
    lun = found(inside, "disk[@device='lun']")
    assert found(lun, "source").get("dev") == "/dev/sdf"
    assert found(lun, "address").get("controller") == "0"
    generic = found(inside, "hostdev[@type='scsi']")
    assert found(generic, "source/adapter").get("name") == "scsi_host6"
    assert found(generic, "source/address").attrib == {"bus": "0", "target": "1", "unit": "3"}
    assert found(inside, "hostdev[@type='scsi_host']/source").get("wwpn") == "naa.5001405b0a1c2d3e"
    names = [element.get("dev") for element in inside.iterfind("disk/target")]
    assert len(set(names)) == len(names) == 3
    arguments = [element.get("value") for element in root.iterfind(f"{QEMU}commandline/{QEMU}arg")]
    assert arguments == [*(word for device in emulated for word in device.args), "-device", "edu"]


def test_what_prepares_the_disks_is_its_description(tmp_path: Path) -> None:
    root = validated(domain([VHOST_SCSI], memory=MIB, cpus=1, kvm=False), tmp_path)
    assert "modprobe vhost_scsi\necho 'a < b' && true\n" in (root.findtext("description") or "")
    assert root.get("type") == "qemu"
    assert root.find("memoryBacking") is None
    assert root.find(f"{QEMU}commandline") is None


def test_parts_for_a_domain_that_is_there() -> None:
    text = parts([*described("smr,size=20G"), SCSI_BLOCK])
    root = Xml.fromstring(f"<domain>{text}</domain>")
    assert [element.tag for element in root] == ["memoryBacking", "controller", "disk", f"{QEMU}commandline"]
    assert parts([SCSI_BLOCK]).count("qemu:") == 0


def test_names_of_many_disks_differ() -> None:
    names = {Xml.fromstring(libvirt.lun(Path("/dev/x"), index))[2].get("dev") for index in range(800)}
    assert len(names) == 800
    assert {"sda", "sdz", "sdaa", "sdzz", "sdaaa"} <= names


def test_a_path_with_quotes(tmp_path: Path) -> None:
    device = QemuDevice((), libvirt=(libvirt.lun(Path("/dev/disk/by-id/a'b\"&<c"), 0),))
    root = validated(domain([device], memory=MIB, cpus=1, kvm=False), tmp_path)
    assert found(root, "devices/disk/source").get("dev") == "/dev/disk/by-id/a'b\"&<c"


def test_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "debian.qcow2"
    image.write_bytes(b"QFI\xfb" + bytes(100))
    options = ["--accel", "tcg", "--memory", "512M", "--cpus", "3", "--disk", "smr,size=4G"]
    assert execute(["run", "--export", "libvirt", *options]) == 0
    root = validated(capfd.readouterr().out, tmp_path)
    assert (root.findtext("memory"), root.findtext("vcpu"), root.get("type")) == ("512", "3", "qemu")
    assert "zonevm serve --once --socket" in (root.findtext("description") or "")
    assert execute(["run", "--export", "libvirt", "--image", str(image), "--net", "user", *options]) == 0
    root = validated(capfd.readouterr().out, tmp_path)
    disk = found(root, "devices/disk")
    assert found(disk, "driver").get("type") == "qcow2"
    assert found(disk, "source").get("file") == str(image)
    assert disk.find("transient") is not None
    assert found(root, "devices/interface").get("type") == "user"
    assert execute(["run", "--export", "libvirt", "--image", str(image), "--image-write", *options]) == 0
    assert found(validated(capfd.readouterr().out, tmp_path), "devices/disk").find("transient") is None


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--kernel", "6.12"], "--kernel cannot be part of a domain"),
        (["--rwdir", "/"], "--rwdir"),
        (["--dry-run"], "--dry-run is of no use with --export"),
        (["--", "true"], "a command is of no use with --export"),
    ],
)
def test_what_a_domain_cannot_have(options: list[str], word: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["run", "--export", "libvirt", "--disk", "smr,size=4G", *options]) == 2
    out, err = capfd.readouterr()
    assert word in err
    assert "hint: " in err
    assert not out
