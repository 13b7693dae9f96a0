"""System images without a boot: the QEMU command, the firmware, the console's relay, and wrong requests."""

from __future__ import annotations

import json
import os
import pty
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from zonevm import HostError, ImageError, UsageError
from zonevm.cli import execute
from zonevm.disks import parse
from zonevm.faults import parse as parse_fault
from zonevm.guest.image_guest import ImageGuest
from zonevm.host.firmware import find_uefi
from zonevm.machine.console import relay

DESCRIPTORS = "usr/share/qemu/firmware"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "my,image.qcow2"
    path.write_bytes(b"QFI\xfb" + bytes(100))
    return path


def script(*options: str, capfd: pytest.CaptureFixture[str]) -> str:
    assert execute(["run", "--accel", "tcg", "--dry-run", *options]) == 0
    return capfd.readouterr().out


def test_the_command(image: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = str(image)
    text = script("--image", path, "--disk", "smr,size=4G", "--ssh-port", "2222", capfd=capfd)
    doubled = path.replace(",", ",,")
    assert f"if=none,id=system,file={doubled},format=qcow2,snapshot=on" in text
    assert "hostfwd=tcp:127.0.0.1:2222-:22" in text
    assert "vhost-user-scsi-pci" in text
    assert "memory-backend=mem" in text
    assert "pflash" not in text
    text = script("--image", path, "--image-write", "--firmware", "uefi", "--net", "user", capfd=capfd)
    assert "snapshot=off" in text
    assert text.count("if=pflash") == 2
    assert "-netdev user,id=net0 " in text


@pytest.mark.parametrize(
    ("start", "name"), [(b"QFI\xfb", "qcow2"), (b"KDMV", "vmdk"), (b"vhdxfile", "vhdx"), (b"", "raw")]
)
def test_formats(tmp_path: Path, start: bytes, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "image"
    path.write_bytes(start + bytes(512))
    assert f"format={name}" in script("--image", str(path), capfd=capfd)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--kernel", "6.12"], "--kernel is not for a system image"),
        (["--append", "quiet"], "--append"),
        (["--rwdir", "/"], "--rwdir"),
        (["--verify"], "--verify"),
        (["--timeout", "3", "--", "true"], "is not for a system image"),
        (["--", "true"], "a command is not for a system image"),
        (["--ssh-port", "70000"], "70000 is not a port"),
        (["--memory", "100"], "100 bytes of memory"),
    ],
)
def test_what_an_image_cannot_have(
    image: Path, options: list[str], word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", "--image", str(image), *options]) == 2
    _, err = capfd.readouterr()
    assert word in err
    assert "hint: " in err


@pytest.mark.parametrize("options", [["--image-write"], ["--firmware", "uefi"], ["--ssh-port", "22"]])
def test_what_only_an_image_has(options: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert execute(["run", *options, "--", "true"]) == 2
    assert f"{options[0]} is for a system image only" in capfd.readouterr().err


def test_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        ImageGuest(tmp_path / "missing")
    with pytest.raises(ImageError, match="is a directory"):
        ImageGuest(tmp_path)
    with pytest.raises(UsageError, match="not a firmware"):
        ImageGuest(tmp_path, firmware="coreboot")


def test_disks_of_an_image_are_told_by_hand(image: Path) -> None:
    guest = ImageGuest(image, [parse("smr,size=4G")], accel="tcg")
    first, second, *_ = guest.script()
    assert first.startswith("zonevm serve --once --socket ")
    assert second.startswith("until [ -S ")


def test_disks_of_an_image_fail_on_purpose_where_kvm_has_to_be_proved(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path == "/dev/kvm" or real(path, mode))
    guest = ImageGuest(image, [parse("smr,size=4G")], faults=[parse_fault("read-error,zone=5")])
    assert "--fault read-error,zone=5" in guest.script()[0]


# Firmware


def descriptor(
    root: Path, name: str, place: str = DESCRIPTORS, interfaces: Sequence[str] = ("uefi",), **changes: Any
) -> Path:
    code, variables = root / f"{name}.code", root / f"{name}.vars"
    code.touch()
    variables.touch()
    described = {
        "interface-types": interfaces,
        "mapping": {
            "device": "flash",
            "executable": {"filename": str(code), "format": "raw"},
            "nvram-template": {"filename": str(variables), "format": "raw"},
        },
        "targets": [{"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]}],
        "features": ["acpi-s3"],
        **changes,
    }
    file = root / place / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(described))
    return code


def test_uefi_is_found_by_its_descriptor(tmp_path: Path) -> None:
    descriptor(tmp_path, "10-secure", features=["secure-boot", "requires-smm"])
    descriptor(tmp_path, "20-arm", targets=[{"architecture": "aarch64", "machines": ["virt-*"]}])
    descriptor(tmp_path, "30-bios", interfaces=("bios",))
    descriptor(tmp_path, "40-old", mapping={"device": "memory", "filename": "x"})
    (tmp_path / "usr/share/qemu/firmware/50-broken.json").write_text("{")
    with pytest.raises(HostError, match="no UEFI firmware") as caught:
        find_uefi(tmp_path)
    assert "ovmf" in caught.value.hint
    code = descriptor(tmp_path, "60-good")
    assert find_uefi(tmp_path).code == code
    own = descriptor(tmp_path, "60-good", "etc/qemu/firmware")
    assert find_uefi(tmp_path).code == own
    code.unlink()
    with pytest.raises(HostError):
        find_uefi(tmp_path)


# The console


def test_the_relay_moves_bytes_both_ways() -> None:
    ours, theirs = socket.socketpair()
    (keyboard, typing), (screen, shown) = os.pipe(), os.pipe()
    sent, said = os.urandom(1 << 20), os.urandom(1 << 20)

    def guest() -> None:
        got = b""
        with theirs:
            theirs.sendall(said)
            while len(got) < len(sent):
                got += theirs.recv(65536)
        assert got == sent

    def user() -> None:
        os.write(typing, sent[:100])
        with open(typing, "wb") as file:  # noqa: PTH123
            file.write(sent[100:])

    seen = bytearray()

    def watch() -> None:
        while len(seen) < len(said):
            seen.extend(os.read(screen, 65536))

    threads = [threading.Thread(target=target) for target in (guest, user, watch)]
    for thread in threads:
        thread.start()
    assert relay(ours, keyboard, shown, lambda: True) is True
    for thread in threads:
        thread.join()
    assert seen == said
    for descriptor in (keyboard, screen, shown):
        os.close(descriptor)
    ours.close()


def test_the_key_leaves_only_on_a_terminal() -> None:
    terminal, user = pty.openpty()
    ours, theirs = socket.socketpair()
    screen = os.open(os.devnull, os.O_WRONLY)
    os.write(terminal, b"\x1d\n")
    assert relay(ours, user, screen, lambda: True) is False
    keyboard, typing = os.pipe()
    os.write(typing, b"a\x1db")
    os.close(typing)
    threading.Timer(0.2, theirs.shutdown, (socket.SHUT_WR,)).start()
    assert relay(ours, keyboard, screen, lambda: True) is True
    assert theirs.recv(10) == b"a\x1db"
    for descriptor in (terminal, user, keyboard, screen):
        os.close(descriptor)
    ours.close()
    theirs.close()


def test_the_relay_ends_with_a_machine_that_broke() -> None:
    ours, theirs = socket.socketpair()
    keyboard = os.open(os.devnull, os.O_RDONLY)
    with ours, theirs:
        assert relay(ours, keyboard, 1, lambda: False) is True
    os.close(keyboard)
