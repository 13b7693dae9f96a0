"""QEMU's abilities: of the real one here, and of programs that only claim to be QEMU."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zonevm.attach.methods import MODELS
from zonevm.errors import QemuError
from zonevm.host import Qemu, find_qemu
from zonevm.host.abilities import Abilities

ANSWERS = """#!{python}
import json, sys
with open({log!r}, "a") as log:
    print("started", file=log)
print(json.dumps({{"QMP": {{}}}}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    command, arguments = request["execute"], request["arguments"]
    answer = {{"return": {{}}}}
    if command == "device-list-properties":
        answer = {{"return": [{{"name": "serial"}}]}}
        if arguments["typename"] not in ("nvme", "scsi-block"):
            answer = {{"error": {{"class": "DeviceNotFound", "desc": "Device not found"}}}}
    elif command == "blockdev-add":
        missing = arguments["driver"] == "iscsi" and not {iscsi}
        words = "Unknown driver 'iscsi'" if missing else "Could not open ''"
        answer = {{"error": {{"class": "GenericError", "desc": words}}}}
    print(json.dumps({{"event": "SOMETHING"}}), flush=True)
    print(json.dumps(answer), flush=True)
"""


class FakeQemu:
    """A program that answers over QMP as a QEMU with few devices does, and notes how often it was started."""

    def __init__(self, directory: Path, script: str = ANSWERS) -> None:
        self.log = directory / "starts"
        self.qemu = Qemu(directory / "qemu", (7, 2))
        self.cache = directory / "cache"
        self.write(script)

    def write(self, script: str = ANSWERS, *, iscsi: bool = False) -> None:
        python = shutil.which("python3")
        self.qemu.path.write_text(script.format(python=python, log=str(self.log), iscsi=iscsi))
        self.qemu.path.chmod(0o755)

    def abilities(self) -> Abilities:
        return Abilities.of(self.qemu, ("nvme", "scsi-block", "vhost-scsi-pci"), self.cache)

    @property
    def starts(self) -> int:
        return len(self.log.read_text().splitlines())


@pytest.fixture
def fake(tmp_path: Path) -> FakeQemu:
    return FakeQemu(tmp_path)


def test_the_real_one(tmp_path: Path) -> None:
    abilities = Abilities.of(find_qemu(), MODELS, tmp_path)
    abilities.require_device("vhost-user-scsi-pci", "chardev", "num_queues")
    abilities.require_device("nvme-ns", "zoned", "zoned.zone_capacity", "zoned.max_open")
    abilities.require_driver("host_device")
    assert Abilities.of(find_qemu(), MODELS, tmp_path) == abilities


def test_one_start_answers_everything(fake: FakeQemu) -> None:
    abilities = fake.abilities()
    assert abilities.has_device("scsi-block")
    assert abilities.has_device("nvme", "serial")
    assert not abilities.has_device("nvme", "serial", "colour")
    assert not abilities.has_device("vhost-scsi-pci")
    assert fake.starts == 1


def test_the_same_binary_is_not_asked_twice(fake: FakeQemu) -> None:
    assert fake.abilities() == fake.abilities()
    assert fake.starts == 1


def test_a_changed_binary_is_asked_again(fake: FakeQemu) -> None:
    fake.abilities()
    os.utime(fake.qemu.path, ns=(1, 1))
    fake.abilities()
    assert fake.starts == 2


def test_a_damaged_cache_is_not_believed(fake: FakeQemu) -> None:
    store = fake.abilities().store
    for text in ("", "[]", "{", '{"properties": []}', '{"properties": {}}'):
        store.write_text(text)
        assert fake.abilities().has_device("nvme")


def test_a_cache_that_cannot_be_written_is_done_without(fake: FakeQemu) -> None:
    fake.cache.write_text("a file where the directory should be")
    assert fake.abilities().has_device("nvme")


def test_a_driver_that_came_later_is_found(fake: FakeQemu) -> None:
    abilities = fake.abilities()
    assert not abilities.has_driver("iscsi")
    fake.write(iscsi=True)
    assert abilities.has_driver("iscsi")


def test_a_missing_device_is_an_error_that_names_the_package(fake: FakeQemu) -> None:
    with pytest.raises(QemuError, match="has no vhost-scsi-pci") as caught:
        fake.abilities().require_device("vhost-scsi-pci")
    assert "apt-get install qemu-system-x86" in caught.value.hint


def test_a_missing_property_is_named(fake: FakeQemu) -> None:
    with pytest.raises(QemuError, match="has no property colour of the device nvme"):
        fake.abilities().require_device("nvme", "serial", "colour")


def test_a_missing_driver_is_an_error_that_names_the_package(fake: FakeQemu) -> None:
    with pytest.raises(QemuError, match="has no block driver iscsi") as caught:
        fake.abilities().require_driver("iscsi")
    assert "apt-get install qemu-block-extra" in caught.value.hint


@pytest.mark.parametrize("script", ["#!/bin/true\n", "#!/bin/sh\necho 'no machine for you' >&2\nexit 1\n"])
def test_a_program_that_does_not_answer(tmp_path: Path, script: str) -> None:
    fake = FakeQemu(tmp_path, script)
    with pytest.raises(QemuError, match=r"when asked what it can do: (no message|no machine for you)"):
        fake.abilities()


def test_a_program_that_is_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonevm.host.abilities._SECONDS", 0.2)
    fake = FakeQemu(tmp_path, "#!/bin/sh\nexec sleep 60\n")
    with pytest.raises(QemuError, match="said nothing for"):
        fake.abilities()


def test_a_program_that_is_asked_ends_with_who_asks(tmp_path: Path) -> None:
    running = tmp_path / "running"
    fake = FakeQemu(
        tmp_path, f"#!/bin/sh\necho $$ >{running}.new && mv {running}.new {running}\nexec sleep 1000\n"
    )
    ask = (
        "import sys; from pathlib import Path; from zonevm.host import Qemu;"
        "from zonevm.host.abilities import Abilities;"
        "Abilities.of(Qemu(Path(sys.argv[1]), (9, 0)), ['nvme'], Path(sys.argv[2]))"
    )
    with subprocess.Popen([sys.executable, "-c", ask, str(fake.qemu.path), str(tmp_path / "c")]) as asking:
        while not running.exists():
            time.sleep(0.01)
        asking.kill()
    process = Path("/proc", running.read_text().strip())
    while process.exists():
        time.sleep(0.01)
