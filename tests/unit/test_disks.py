"""What a disk may be, and how it is written."""

from __future__ import annotations

import dataclasses
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm.disks import KINDS, Disk, NvmeDisk, SmrDisk, ZnsDisk, parse
from zonevm.disks.profiles import NVME_PROFILES, PROFILES, ZNS_PROFILES
from zonevm.errors import DiskError

M, G = 2**20, 2**30


def test_an_smr_disk_from_text() -> None:
    disk = parse("smr,size=20G,zone-size=64M,conv=10,max-open=none,block-size=4096,queues=2,controller=a")
    assert disk == SmrDisk(20 * G, 64 * M, 10, 4096, None, queues=2, controller="a")


def test_a_zns_disk_from_text() -> None:
    disk = parse("zns,size=8G,zone-size=64M,zone-capacity=62M,max-open=16,max-active=32,cross-read=on")
    assert disk == ZnsDisk("8G", "64M", "62M", max_open=16, max_active=32, cross_read=True)


def test_values_are_normalised_whatever_their_form() -> None:
    disk = SmrDisk("1.5G", "16MiB", "3", "4096", "7", "d.img", serial="S", wwn="0x5000c500a1b2c3d4")
    assert (disk.size, disk.zone_size, disk.conventional, disk.block_size) == (3 * G // 2, 16 * M, 3, 4096)
    assert (disk.max_open, disk.file, disk.wwn) == (7, Path("d.img"), 0x5000C500A1B2C3D4)


def test_defaults() -> None:
    disk = SmrDisk("1G")
    assert (disk.zone_size, disk.conventional, disk.block_size, disk.max_open) == (256 * M, 0, 512, 128)
    assert disk.given == {"size"}
    namespace = ZnsDisk("1G")
    assert (namespace.zone_size, namespace.capacity_of_zone, namespace.block_size) == (128 * M, 128 * M, 4096)


@pytest.mark.parametrize("spelling", ["conv", "conventional"])
def test_aliases(spelling: str) -> None:
    assert parse(f"smr,size=4G,{spelling}=2") == SmrDisk("4G", conventional=2)


def test_underscores_are_as_good_as_dashes() -> None:
    assert parse("zns,size=1G,zone_size=64M") == ZnsDisk("1G", "64M")


def test_a_doubled_comma_is_a_comma_in_a_value() -> None:
    disk = parse("smr,file=a,,b.img,size=1G")
    assert isinstance(disk, SmrDisk)
    assert disk.file == Path("a,b.img")
    assert str(disk) == "smr,size=1G,file=a,,b.img"


def test_text_has_what_was_given_and_nothing_else() -> None:
    assert str(SmrDisk("1G", zone_size="256M")) == "smr,size=1G,zone-size=256M"
    assert str(SmrDisk("1G")) == "smr,size=1G"


def test_a_disk_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SmrDisk("1G").size = 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["smr", "zns"]),
        ("smrr,size=1G", ["'smrr'", "Did you mean smr?"]),
        ("size=1G", ["kind", "smr,size=20G"]),
        ("smr", ["size", "file"]),
        ("zns", ["size", "file"]),
        ("smr,sise=1G", ["'sise'", "Did you mean size?", "zone-size"]),
        ("smr,zonesize=1G", ["'zonesize'", "Did you mean zone-size?"]),
        ("smr,max-active=1G,size=1G", ["'max-active'", "max-open"]),
        ("smr,size=1G,zone-capacity=257M", ["zone-capacity=257M", "at most 256M"]),
        ("smr,size=1000M,zone-capacity=255M", ["size=1000M", "zone-size=256M", "size=1G"]),
        ("smr,size=1G,zone-capacity=6000", ["zone-capacity=6000", "4096", "zone-capacity=8K"]),
        ("smr,size=1G,zone-capacity=0", ["zone-capacity=0"]),
        ("smr,size=1G,urswrz=2", ["urswrz=2", "on or off"]),
        ("smr,size=1G,model=drive-managed", ["model=drive-managed", "host-managed, host-aware"]),
        ("smr,size=1G,model=host-aware,urswrz=off", ["urswrz=off", "host-aware"]),
        ("smr,size=1G,model=host-aware,zone-capacity=255M", ["zone-capacity=255M", "host-aware"]),
        ("smr,size=1G,", ["empty option"]),
        ("smr,size", ["size has no value", "20G"]),
        ("smr,size=", ["size has no value"]),
        ("smr,size=1G,size=2G", ["size is given twice"]),
        ("smr,size=4G,conv=1,conventional=1", ["conv is given twice"]),
        ("smr,size=big", ["size=big", "20G"]),
        ("smr,size=-1G", ["size=-1G"]),
        ("smr,size=0", ["size=0"]),
        ("smr,size=6000", ["4096", "size=8K"]),
        ("smr,size=1G,zone-size=48M", ["zone-size=48M", "power of two", "32M", "64M"]),
        ("smr,size=1G,zone-size=2K", ["zone-size=2K", "4K"]),
        ("smr,size=1P,zone-size=2T", ["zone-size=2T", "1T"]),
        ("smr,size=1P,zone-size=4K", ["zone-size=4K", "larger zones"]),
        ("smr,size=1G,zone-size=64M,conv=16", ["conv=16", "16 zones", "at most 15"]),
        ("smr,size=1G,conv=x", ["conv=x", "whole number"]),
        ("smr,size=1G,block-size=1024", ["block-size=1024", "512 or 4096"]),
        ("smr,size=1G,max-open=0", ["max-open=0", "none"]),
        ("smr,size=1G,queues=65", ["queues=65", "1 to 64"]),
        ("smr,size=1G,serial=é", ["serial=é", "ASCII"]),
        (f"smr,size=1G,serial={'x' * 33}", ["33 characters", "1 to 32"]),
        ("smr,size=1G,wwn=12", ["wwn=12", "16 hexadecimal digits"]),
        ("smr,size=1G,wwn=1000000000000000", ["wwn=1000000000000000", "3 or 5"]),
        ("zns,size=1G,zone-size=48M", ["zone-size=48M", "power of two"]),
        ("zns,size=1G,zone-size=2K", ["zone-size=2K", "block"]),
        ("zns,size=1G,zone-size=64M,zone-capacity=65M", ["zone-capacity=65M", "at most 64M"]),
        ("zns,size=1G,zone-size=64M,zone-capacity=1000", ["zone-capacity=1000", "4096"]),
        ("zns,size=1G,zone-size=64M,max-open=4,max-active=2", ["max-open=4", "max-active=2"]),
        ("zns,size=1G,zone-size=64M,max-open=17", ["max-open=17", "16 zones"]),
        ("zns,size=1G,zone-size=64M,max-active=17", ["max-active=17", "16 zones"]),
        ("zns,size=1G,zasl=8", ["zasl=8", "0 to 7"]),
        ("zns,size=1G,descr-ext-size=65", ["descr-ext-size=65", "multiple of 64"]),
        ("zns,size=1G,descr-ext-size=16384", ["descr-ext-size=16384", "16320"]),
        ("zns,size=1G,cross-read=maybe", ["cross-read=maybe", "on or off"]),
        ("zns,via=qemu,size=1G,numzrwa=1", ["numzrwa=1", "zrwas"]),
        ("zns,via=qemu,size=1G,zrwafg=4K", ["zrwafg=4K", "zrwas"]),
        ("zns,via=qemu,size=1G,zrwas=1000", ["zrwas=1000", "multiple of 4096"]),
        ("zns,via=qemu,size=1G,zrwas=64K,zrwafg=48K", ["zrwas=64K", "zrwafg=48K"]),
        ("zns,via=qemu,size=1G,zrwas=1G,zrwafg=1G", ["zrwas=1G", "65535"]),
        ("zns,via=qemu,size=1G,zrwas=64K,numzrwa=3,max-active=2", ["numzrwa=3", "max-active=2"]),
        ("zns,via=qemu,size=1G,uuid=1", ["uuid=1", "UUID"]),
        ("zns,size=1G,serial=123456789012345678901", ["21 characters", "1 to 20"]),
    ],
)
def test_a_wrong_disk_is_told_what_is_wrong_and_what_would_be_right(text: str, words: list[str]) -> None:
    with pytest.raises(DiskError) as caught:
        parse(text)
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


def test_values_of_a_wrong_type_are_refused_like_wrong_texts() -> None:
    with pytest.raises(DiskError, match="block-size=None"):
        SmrDisk("1G", block_size=None)  # type: ignore[arg-type]
    with pytest.raises(DiskError, match=r"size=1\.5"):
        SmrDisk(1.5)  # type: ignore[arg-type]


def test_a_namespace_has_whole_zones_and_says_when_it_was_rounded() -> None:
    disk = ZnsDisk("1000M", "64M")
    assert disk.size == 1024 * M
    assert disk.notes == ("zns: size=1000M rounded up to 1G, whole zones of 64M",)
    assert ZnsDisk("1G", "64M").notes == ()


def test_a_namespace_with_a_file_says_that_zone_state_is_lost() -> None:
    (note,) = ZnsDisk("1G", file="zns.raw", via="qemu").notes
    assert "zns.raw" in note
    assert "no zone state" in note


def test_geometry_is_left_to_an_image_that_may_exist() -> None:
    assert SmrDisk(file="d.img", conventional=1000).size is None


@pytest.mark.parametrize("kind", KINDS.values())
def test_every_option_is_described(kind: type[Disk]) -> None:
    assert kind.options()
    for option in kind.options().values():
        assert option.help
        assert option.value.allowed


@pytest.mark.parametrize("kind", [SmrDisk, ZnsDisk, NvmeDisk])
def test_every_option_is_in_the_docs(kind: type[Disk]) -> None:
    text = (Path(__file__).parents[2] / "docs/disks.md").read_text()
    chapter = text.split(f"## Options of {kind.kind}\n")[1].split("\n## ")[0]
    rows = {line.split("|")[1].strip() for line in chapter.splitlines() if line.startswith("| `")}
    assert rows == {", ".join(f"`{name}`" for name in (o.name, *o.aliases)) for o in kind.options().values()}


paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(
    lambda text: Path("x" + text)
)
names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@st.composite
def smr_disks(draw: st.DrawFn) -> SmrDisk:
    zone_size = 2 ** draw(st.integers(12, 40))
    zones = draw(st.integers(1, 2**16))
    options: dict[str, Any] = {
        "size": draw(st.integers((zones - 1) * zone_size // 4096 + 1, zones * zone_size // 4096)) * 4096,
        "zone_size": zone_size,
    }
    optional: dict[str, st.SearchStrategy[Any]] = {
        "conventional": st.integers(0, zones - 1),
        "block_size": st.sampled_from([512, 4096]),
        "max_open": st.none() | st.integers(1, 2**32 - 2),
        "file": paths,
        "serial": names,
        "wwn": st.integers(0, 2**60 - 1).map(lambda low: 5 << 60 | low),
        "queues": st.integers(1, 64),
        "controller": names,
        "profile": st.sampled_from(list(PROFILES)),
    }
    return SmrDisk(**options | draw(st.fixed_dictionaries({}, optional=optional)))


@st.composite
def zns_disks(draw: st.DrawFn) -> ZnsDisk:
    block = draw(st.sampled_from([512, 4096]))
    zone_size = 2 ** draw(st.integers(12, 40))
    zones = draw(st.integers(1, 2**16))
    active = draw(st.integers(1, zones))
    options: dict[str, Any] = {"size": zones * zone_size, "zone_size": zone_size, "block_size": block}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "zone_capacity": st.integers(1, zone_size // 4096).map(lambda blocks: blocks * 4096),
        "max_open": st.integers(0, active),
        "max_active": st.just(active),
        "file": paths,
        "cross_read": st.booleans(),
        "descr_ext_size": st.integers(0, 255).map(lambda units: units * 64),
        "serial": names,
    }
    own: dict[str, st.SearchStrategy[Any]] = {
        "wwn": st.integers(0, 2**60 - 1).map(lambda low: 5 << 60 | low),
        "queues": st.integers(1, 64),
        "controller": names,
        "cache": st.sampled_from(["host", "volatile", "lying"]),
        "profile": st.sampled_from(list(ZNS_PROFILES)),
        "via": st.just("vfio-user"),
    }
    of_qemu: dict[str, st.SearchStrategy[Any]] = {
        "zone_capacity": st.integers(1, zone_size // block).map(lambda blocks: blocks * block),
        "zasl": st.integers(0, 7),
        "auto_transition": st.booleans(),
        "zrwas": st.integers(0, 65535).map(lambda blocks: blocks * block),
        "uuid": st.uuids(),
    }
    if draw(st.booleans()):
        options["via"] = "qemu"
        return ZnsDisk(**options | draw(st.fixed_dictionaries({}, optional=optional | of_qemu)))
    return ZnsDisk(**options | draw(st.fixed_dictionaries({}, optional=optional | own)))


@st.composite
def nvme_disks(draw: st.DrawFn) -> NvmeDisk:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "block_size": st.sampled_from([512, 4096]),
        "file": paths,
        "serial": names,
        "controller": names,
        "profile": st.sampled_from(list(NVME_PROFILES)),
    }
    size = draw(st.integers(1, 2**40)) * 4096
    return NvmeDisk(size=size, **draw(st.fixed_dictionaries({}, optional=optional)))


@given(smr_disks() | zns_disks() | nvme_disks())
def test_a_disks_text_reads_back_as_the_same_disk(disk: Disk) -> None:
    again = parse(str(disk))
    assert again == disk
    assert again.given == disk.given
    assert str(again) == str(disk)


def test_uuid_objects_are_taken() -> None:
    name = uuid.UUID("2b6b8f2e-9a5c-4c39-8d2a-2f1f6f0f7c11")
    assert ZnsDisk("1G", via="qemu", uuid=name) == ZnsDisk("1G", via="qemu", uuid=str(name))


@given(st.text(max_size=60))
def test_any_text_is_a_disk_or_a_disk_error(text: str) -> None:
    try:
        parse(text)
    except DiskError as error:
        assert error.hint


@given(
    st.lists(
        st.sampled_from(
            ["size=1G", "zone-size=64M", "conv=1", "max-open=3", "zasl=2", "x=1", "file=f", "=", ""]
        )
    )
)
def test_any_list_of_options_is_a_disk_or_a_disk_error(options: list[str]) -> None:
    for kind in KINDS:
        try:
            parse(",".join([kind, *options]))
        except DiskError as error:
            assert error.hint
