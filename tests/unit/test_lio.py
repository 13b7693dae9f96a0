"""Kernel targets as far as they go without a kernel: what is planned, who owns what, what is collected."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zonevm import lio
from zonevm.attach.method import Member
from zonevm.attach.vhost_scsi import TCMU, TcmuScsi
from zonevm.cli import execute as zonevm
from zonevm.disks import TcmuDisk, parse
from zonevm.errors import DiskError, HostError, ImageError, UsageError
from zonevm.lio import backstores, fabrics, modules, processes, registry, target, tcmu_runner
from zonevm.lio.cfgstring import MIB, ZbcConfig
from zonevm.lio.registry import Record

WWN = "naa.5001405012345678"


def write_image(path: Path, *, zones: int = 16, conventional: int = 2, zone_blocks: int = 2048) -> None:
    """An image as tcmu-runner writes it: 512-byte blocks, host managed, empty."""
    capacity = zones * zone_blocks
    table = [
        struct.pack(
            "=IIQIIIIIII4x", 0x555A4243, 0x14, capacity, 512, zone_blocks, zones, conventional, 4, 0, 0
        )
    ]
    for number in range(zones):
        start = number * zone_blocks
        kind, condition = (1, 0) if number < conventional else (2, 1)
        table.append(struct.pack("=QQQBBBB36x", start, zone_blocks, start, kind, condition, 0, 0))
    with path.open("wb") as file:
        file.write(b"".join(table))
        file.truncate(-(-file.tell() // 4096) * 4096 + capacity * 512)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "zbc.raw"
    write_image(path)
    return path


# Images and backstores


def test_an_image_tells_its_geometry(image: Path) -> None:
    seen = lio.inspect(image)
    assert (seen.model, seen.size, seen.block_size, seen.zone_size) == ("HM", 16 * MIB, 512, MIB)
    assert (seen.zones, seen.conventional, seen.max_open) == (16, 2, 4)


def flip(position: int) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[position] ^= 0xFF

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip(0), "does not start with the header"),
        (flip(4), "contradicts itself"),
        (flip(8), "contradicts itself"),
        (flip(24), "contradicts itself"),
        (flip(48 + 24), "its zone 0 is damaged"),
        (lambda data: data.append(0), "bytes, and its header speaks of"),
        (lambda data: data.clear(), "shorter than a header"),
    ],
)
def test_what_tcmu_runner_would_format_is_refused(
    image: Path, damage: Callable[[bytearray], None], said: str
) -> None:
    data = bytearray(image.read_bytes())
    damage(data)
    image.write_bytes(data)
    for reinitialise in (False, True):
        with pytest.raises(ImageError) as caught:
            lio.UserZbc.plan(ZbcConfig(image), reinitialise=reinitialise)
        assert said in caught.value.message


def test_an_existing_image_is_opened_by_its_path_alone(image: Path) -> None:
    backstore = lio.UserZbc.plan(ZbcConfig(image))
    assert str(backstore.config) == str(image)
    assert backstore.size == 16 * MIB


def test_options_for_an_existing_image_are_refused_as_they_would_empty_it(image: Path) -> None:
    with pytest.raises(ImageError) as caught:
        lio.UserZbc.plan(ZbcConfig(image, conventional=2))
    assert "would empty all its zones" in caught.value.message


def test_a_size_that_is_not_the_image_s_is_refused(image: Path) -> None:
    # tcmu-runner would format the image to the new size.
    with pytest.raises(ImageError):
        lio.UserZbc.plan(ZbcConfig(image), 32 * MIB)
    assert lio.UserZbc.plan(ZbcConfig(image), 16 * MIB).size == 16 * MIB


def test_reinitialising_keeps_the_geometry_that_is_not_given(image: Path) -> None:
    backstore = lio.UserZbc.plan(ZbcConfig(image, conventional=3), reinitialise=True)
    assert str(backstore.config) == f"model-HM/lba-512/zsize-1/conv-3/open-4@{image}"
    assert str(backstore.opened().config) == str(image)


def test_a_new_image_needs_a_size(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        lio.UserZbc.plan(ZbcConfig(tmp_path / "new.raw"))
    assert "Give a size" in caught.value.hint
    backstore = lio.UserZbc.plan(ZbcConfig(tmp_path / "new.raw"), 2**30)
    assert backstore.config.formats, "a new image has to be formatted"


def test_only_scsi_devices_go_through_pscsi(tmp_path: Path) -> None:
    for path in (Path("/dev/null"), tmp_path, tmp_path / "none"):
        with pytest.raises(UsageError):
            lio.Pscsi.plan(path)


# Names


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a b", "x" * 65, "ü"])
def test_names_that_configfs_or_people_would_stumble_over_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        lio.TargetSpec(name, lio.Pscsi(Path("/dev/sdz")), "vhost", WWN)


@pytest.mark.parametrize(
    "wwn", ["5001405012345678", "naa.6001405012345678", "naa.500140501234567", "naa.500140501234567G"]
)
def test_names_that_are_no_wwn_are_refused(wwn: str) -> None:
    with pytest.raises(UsageError):
        lio.TargetSpec("a", lio.Pscsi(Path("/dev/sdz")), "vhost", wwn)


def test_a_random_wwn_is_a_wwn_and_no_two_are_alike() -> None:
    names = {lio.random_wwn() for _ in range(100)}
    assert len(names) == 100
    for wwn in names:
        assert wwn.startswith("naa.5001405")
        lio.TargetSpec("a", lio.Pscsi(Path("/dev/sdz")), "vhost", wwn)


def test_the_commands_by_hand_are_those_of_targetcli(tmp_path: Path) -> None:
    file = tmp_path / "d"
    new = lio.UserZbc.plan(ZbcConfig(file, conventional=10), 20 * 2**30)
    create = "targetcli /backstores/user:zbc create name=zonevm-z size=21474836480 cfgstring="
    assert lio.TargetSpec("z", new, "vhost", WWN).by_hand() == [
        "modprobe -a target_core_mod target_core_user vhost_scsi",
        f"{create}conv-10@{file}",
        "targetcli /backstores/user:zbc delete zonevm-z",
        f"{create}{file}",
        f"targetcli /vhost create {WWN}",
        f"targetcli /vhost/{WWN}/tpg1/luns create /backstores/user:zbc/zonevm-z",
    ]
    assert lio.TargetSpec("p", lio.Pscsi(Path("/dev/sdz")), "loopback", WWN).by_hand()[1:] == [
        "targetcli /backstores/pscsi create name=zonevm-p dev=/dev/sdz",
        f"targetcli /loopback create {WWN}",
        f"targetcli /loopback/{WWN}/luns create /backstores/pscsi/zonevm-p",
    ]


# Who owns what


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of targets of its own."""
    for function in (registry.records, registry.find, registry.save, registry.forget):
        monkeypatch.setattr(function, "__defaults__", (tmp_path / "run",))
    monkeypatch.setattr(registry.locked.__wrapped__, "__defaults__", (tmp_path / "run",))  # type: ignore[attr-defined]
    return tmp_path / "run"


@pytest.fixture
def undone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets that were taken from a kernel that is not there, by root that we are not."""
    monkeypatch.setattr(target, "require_root", lambda what: None)
    monkeypatch.setattr(tcmu_runner, "release", lambda: None)
    monkeypatch.setattr(backstores, "find", lambda plugin, name: None)
    names: list[str] = []
    monkeypatch.setattr(fabrics, "remove", lambda fabric, wwn, storage_object: names.append(wwn))
    return names


def record(name: str, owner: processes.Process | None, wwn: str = WWN) -> Record:
    return Record(name, "user", "user:zbc", f"/{name}", "vhost", wwn, owner)


def ended() -> processes.Process:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = processes.Process.of(child.pid)
    assert process is not None
    assert process.alive
    child.communicate()
    assert not process.alive
    return process


def test_records_are_kept_as_they_are(directory: Path) -> None:
    mine = record("b", processes.Process.current())
    registry.save(mine)
    registry.save(replace(record("a", None), scratch="/s"))
    assert registry.records() == [replace(record("a", None), scratch="/s"), mine]
    registry.forget(mine)
    assert registry.find("b") is None


def test_a_process_is_known_beyond_its_number() -> None:
    me = processes.Process.current()
    assert me.alive
    assert not replace(me, start=me.start + 1).alive, "another process that has the number now"
    assert not replace(me, boot="another").alive


def test_a_zombie_is_no_process() -> None:
    child = subprocess.Popen(["true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.Process.of(child.pid) is None
    finally:
        child.wait()


def test_a_process_that_does_not_want_to_end_is_killed() -> None:
    stubborn = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        process = processes.Process.of(child.pid)
        assert process is not None
        process.end(patience=0.3)
        assert not process.alive
        child.returncode = -signal.SIGKILL


def test_gc_takes_what_a_dead_process_left_and_nothing_else(undone: list[str]) -> None:
    registry.save(record("dead", ended(), "naa.5001405000000001"))
    registry.save(record("mine", processes.Process.current(), "naa.5001405000000002"))
    registry.save(record("stays", None, "naa.5001405000000003"))
    assert lio.gc() == lio.Collected(("dead",), {})
    assert undone == ["naa.5001405000000001"]
    assert [each.name for each in registry.records()] == ["mine", "stays"]


def test_gc_keeps_the_record_of_what_it_cannot_remove(
    undone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(fabric: str, wwn: str, storage_object: Path | None) -> None:
        raise HostError("in use")

    registry.save(record("dead", ended()))
    monkeypatch.setattr(fabrics, "remove", in_use)
    collected = lio.gc()
    assert collected.removed == ()
    assert collected.left["dead"].message == "in use"
    assert [each.name for each in registry.records()] == ["dead"]


def test_remove_takes_what_stays_and_what_was_abandoned_but_nothing_that_lives(undone: list[str]) -> None:
    parent = processes.Process.of(os.getppid())
    registry.save(record("dead", ended()))
    registry.save(record("alive", parent))
    registry.save(record("stays", None))
    lio.remove("dead")
    lio.remove("stays")
    with pytest.raises(HostError, match="belongs to the running zonevm process"):
        lio.remove("alive")
    with pytest.raises(UsageError, match="no target 'other'"):
        lio.remove("other")


def test_a_half_made_target_is_undone_and_forgotten(
    undone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(modules: object) -> None:
        assert registry.find("new") is not None, "the record has to be there before anything else"
        raise HostError("no such module")

    monkeypatch.setattr(modules, "prepare", fail)
    with pytest.raises(HostError, match="no such module"):
        lio.create(lio.TargetSpec("new", lio.Pscsi(Path("/dev/sdz")), "vhost", WWN))
    assert undone == [WWN]
    assert registry.records() == []


def test_one_name_or_one_source_twice_is_refused(undone: list[str]) -> None:
    registry.save(record("there", None))
    for name, source in (("there", "/other"), ("other", "/there")):
        with pytest.raises(UsageError) as caught:
            lio.create(lio.TargetSpec(name, lio.Pscsi(Path(source)), "vhost", WWN))
        assert "zonevm target remove there" in caught.value.hint
    assert undone == []


def test_a_target_of_the_user_s_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A LUN in configfs is a symbolic link to a storage object, here to one that is not ours.
    foreign = tmp_path / "core/user_0/theirs"
    foreign.mkdir(parents=True)
    lun = tmp_path / "vhost" / WWN / "tpgt_1/lun/lun_0"
    lun.mkdir(parents=True)
    (lun / "link").symlink_to(foreign)
    monkeypatch.setattr(fabrics, "TARGET", tmp_path)
    fabrics.remove("vhost", WWN, tmp_path / "core/user_1/zonevm-a")
    assert (lun / "link").is_symlink()


# The command line and the attachment


def test_without_root_it_is_said_at_once_with_the_command_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/zonevm", "target", "remove", "a b"])
    assert zonevm(["target", "remove", "a b"]) == 125
    said = capsys.readouterr().err
    assert "needs root" in said
    assert "sudo /opt/venv/bin/zonevm target remove 'a b'" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--backstore pscsi --fabric vhost", "needs --dev"),
        ("--backstore pscsi --dev /dev/sdz --size 1G --fabric vhost", "--size does not apply"),
        ("--backstore user:zbc --fabric vhost --size 1G", "needs --cfgstring"),
        ("--backstore user:zbc --fabric vhost --cfgstring /d --dev /dev/sdz", "--dev does not apply"),
        (
            "--backstore user:zbc --fabric vhost --cfgstring zsize-3@/d --size 1G",
            "a zone of 3M is not possible",
        ),
        ("--backstore user:zbc --fabric iscsi --cfgstring /d", "'iscsi' is not one of"),
        ("--backstore user:zbc --fabric vhost --cfgstring /none/d --size 1G", "/none is not a directory"),
    ],
)
def test_wrong_targets_are_refused_in_words(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert zonevm(["target", "create", *arguments.split()]) != 0
    assert said in capsys.readouterr().err


def test_a_dry_run_of_a_target_prints_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (
        f"--backstore user:zbc --size 1G --cfgstring {tmp_path}/d --fabric loopback --wwn {WWN} --name z"
    )
    assert zonevm(["target", "create", *arguments.split(), "--dry-run"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert f"targetcli /loopback create {WWN}" in printed
    assert f"targetcli /loopback delete {WWN}" in printed
    assert not (tmp_path / "d").exists()


def test_a_tcmu_disk_becomes_a_vhost_scsi_device(tmp_path: Path) -> None:
    disk = TcmuDisk(
        size="20G", zone_size="256M", conventional=10, file=tmp_path / "d", wwn=0x5001405012345678
    )
    device = TcmuScsi([Member(0, disk, TCMU)], 3, tmp_path).describe()
    assert device.args == ("-device", f"vhost-scsi-pci,id=vhost-scsi3,wwpn={WWN}")
    assert not device.shared_memory
    assert any(f"cfgstring=zsize-256/conv-10@{tmp_path}/d" in command for command in device.by_hand)
    assert not (tmp_path / "d").exists()


def test_a_tcmu_disk_has_to_agree_with_its_image(image: Path, tmp_path: Path) -> None:
    def by_hand(**options: Any) -> str:
        member = Member(0, TcmuDisk(file=image, **options), TCMU)
        return "\n".join(TcmuScsi([member], 0, tmp_path).describe().by_hand)

    assert "conv" not in by_hand(conventional=2)
    with pytest.raises(ImageError, match=r"conv=3, but .* was created with conv=2"):
        by_hand(conventional=3)
    assert "conv-3" in by_hand(conventional=3, reinitialise=True)


@pytest.mark.parametrize("text", ["tcmu", "tcmu,size=1G,zone-size=512K", "tcmu,size=1G,reinitialise=on"])
def test_tcmu_disks_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(DiskError):
        parse(text)
