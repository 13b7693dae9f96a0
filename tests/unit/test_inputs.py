"""What users give as input: what is not a regular file, and odd values. Words, not a hang or a traceback."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zonevm import images
from zonevm.cli import execute
from zonevm.disks import KINDS, SmrShape
from zonevm.disks.option import Described, Option
from zonevm.errors import UsageError, ZonevmError
from zonevm.faults import Fault, load
from zonevm.faults import parse as parse_fault
from zonevm.inputs import open_regular, read_regular
from zonevm.lio import ZbcConfig
from zonevm.units import parse_size
from zonevm.zone_numbers import parse_zones

RUN = ["run", "--dry-run", "--accel", "tcg"]
OF_FILES = [
    [*RUN, "--image", "{}"],
    ["run", "--export", "libvirt", "--image", "{}"],
    [*RUN, "--disk", "smr,size=64M", "--faults", "{}"],
    [*RUN, "--kernel", "{}"],
    [*RUN, "--disk", "zns,file={}"],
    [*RUN, "--disk", "plain,file={}"],
    ["serve", "--disk", "smr,file={}"],
    ["serve", "--disk", "smr,size=64M", "--faults", "{}"],
    ["disk", "info", "{}"],
    ["disk", "zones", "{}"],
    ["disk", "check", "{}"],
    ["disk", "repair", "{}"],
    ["disk", "snapshot", "{}", "copy.img"],
    ["disk", "restore", "{}", "disk.img"],
    ["disk", "restore", "disk.img", "{}"],
    ["disk", "export", "{}", "disk.raw"],
    ["disk", "resize", "{}", "1G"],
    ["disk", "zone", "set", "{}", "5", "full"],
    ["disk", "import", "{}", "new.img"],
    ["disk", "import", "--from", "{}", "new.img"],
    ["trace", "summary", "{}"],
    ["target", "create", "--dry-run", "--backstore", "user:zbc", "--fabric", "loopback", "--cfgstring", "{}"],
]
"""Every verb and option that reads a file which the user names."""


def fifo(path: Path) -> None:
    os.mkfifo(path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(path))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    images.create("disk.img", size="64M", zone_size="1M")
    yield tmp_path
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"disk.img", "odd", "odd.raw"}


@pytest.mark.parametrize("make", [fifo, bound, Path.mkdir], ids=["fifo", "socket", "directory"])
@pytest.mark.parametrize("command", OF_FILES, ids=" ".join)
def test_what_is_no_regular_file_is_refused(
    here: Path, command: list[str], make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    odd = here / "odd"
    make(odd)
    assert execute([word.replace("{}", str(odd)) for word in command]) in (2, 125)
    assert str(odd) in capsys.readouterr().err


def test_a_trace_is_not_recovered_from_a_fifo(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("odd.raw")
    assert execute(["trace", "recover", "odd"]) == 2
    assert "odd.raw: is a FIFO, not a regular file" in capsys.readouterr().err


def test_a_file_is_read_only_up_to_a_limit(here: Path) -> None:
    with open("odd", "wb") as file:  # noqa: PTH123
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="1048576 are the most"):
        read_regular("odd", 1 << 20)
    with pytest.raises(UsageError, match="are the most for such a file"):
        load("odd")
    with pytest.raises(OSError, match="no file can have this name"):
        open_regular("a\0b")
    with pytest.raises(OSError, match="is a character device"):
        open_regular("/dev/null")


ODD = [
    "9" * 5000,
    "-1",
    "1.5",
    "nan",
    "inf",
    "1e400",
    "0x" + "f" * 5000,
    "\udcff",
    "\x1b[2J",
    "a" * 5000,
    "a/" * 3000,
    "",
    " ",
    "\n",
    "\u0663",
    "\u00b2",
    "=",
    ",,",
    "@",
    "/",
    "..",
    "true",
    "none",
    "5-" + "9" * 5000,
    "16777216P",
]
IMAGE_OPTIONS = [name for name in SmrShape.options() if name != "size"]
NO_QEMU = [*RUN, "--qemu=there is none"]
OF_TEXTS = [
    *(["disk", "create", "new.img", "--size=64M", f"--{name}={{}}"] for name in IMAGE_OPTIONS),
    ["disk", "create", "new.img", "--size={}"],
    ["disk", "create", "{}", "--size=64M"],
    ["disk", "info", "{}"],
    ["disk", "zones", "{}"],
    ["disk", "zone", "set", "disk.img", "{}", "full"],
    ["disk", "zone", "set", "disk.img", "5", "{}"],
    ["disk", "zone", "set", "disk.img", "5", "closed", "--written={}"],
    ["disk", "resize", "disk.img", "{}"],
    ["disk", "options", "{}"],
    ["disk", "import", "{}", "new.img"],
    ["disk", "import", "--from={}", "new.img"],
    ["disk", "snapshot", "disk.img", "{}"],
    ["disk", "export", "disk.img", "{}"],
    ["disk", "restore", "disk.img", "{}"],
    ["trace", "summary", "{}"],
    ["trace", "recover", "{}"],
    ["trace", "summary", "disk.img", "--zones={}"],
    ["completion", "{}"],
    ["{}"],
    ["power-cut", "{}"],
    ["power-cut", "--seed={}"],
    *(
        ["target", "create", "--dry-run", "--backstore=user:zbc", "--fabric=loopback", *words]
        for words in (
            ["--cfgstring={}"],
            ["--cfgstring=conv-{}@/x.raw", "--size=1G"],
            ["--cfgstring=/x.raw", "--size={}"],
            ["--cfgstring=/x.raw", "--size=1G", "--wwn={}"],
            ["--cfgstring=/x.raw", "--size=1G", "--name={}"],
        )
    ),
    ["target", "create", "--dry-run", "--backstore=pscsi", "--fabric=vhost", "--dev={}"],
    *(
        [*NO_QEMU, f"--{name}={{}}"]
        for name in ("disk", "fault", "faults", "memory", "cpus", "rwdir", "timeout", "boot-timeout")
    ),
    *(
        [*NO_QEMU, f"--disk={text}"]
        for text in (
            "smr,size=64M,{}",
            "smr,size={}",
            "smr,file={}",
            "zns,size=64M,zone-capacity={}",
            "zns,file={}",
            "plain,size=1M,serial={}",
            "plain,file={}",
            "tcmu,size=1G,wwn={}",
            "tcmu,file={}",
            "/{}",
            "iscsi://{}",
        )
    ),
    *(
        [*NO_QEMU, "--disk=smr,size=64M", f"--fault={text}"]
        for text in (
            "read-error,zone={}",
            "read-error,lba={}",
            "unit-attention,asc={}",
            "busy,command={}",
            "busy,probability={}",
            "delay,ms={}",
            "busy,disk={}",
        )
    ),
    [*RUN, "--kernel={}"],
    [*RUN, "--qemu={}"],
    ["run", "--export=libvirt", "--image={}"],
    ["run", "--export=libvirt", "--image=system.raw", "--qemu-arg={}"],
    ["run", "--export=libvirt", "--image=system.raw", "--disk=plain,size=1M,file={}"],
    [*RUN, "--image=system.raw", "--ssh-port={}"],
    [*RUN, "--image=system.raw", "--firmware={}"],
    ["serve", "--disk=smr,size=64M", "--memory={}"],
    ["serve", "--disk={}"],
]
"""Options that take a text, in commands that start no guest and serve no disk."""


def told_in_words(command: list[str], odd: str) -> str:
    """Run a command in a directory with an image and a system image, and return what it printed."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
        images.create("disk.img", size="64M", zone_size="1M")
        Path("system.raw").write_bytes(bytes(1 << 20))
        with contextlib.redirect_stdout(out):
            code = execute([word.replace("{}", odd) for word in command])
        assert code in (0, 1, 2, 124, 125)
    return out.buffer.getvalue().decode(errors="replace")


@pytest.mark.parametrize("command", OF_TEXTS, ids=" ".join)
def test_odd_values_are_told_in_words(command: list[str]) -> None:
    for odd in ODD:
        told_in_words(command, odd)


# What a command line can hold: no NUL, and of surrogates only those that stand for bytes. No slash: a file
# that a command makes has to be below the directory of the test.
BYTES = st.binary(max_size=40).map(lambda data: os.fsdecode(data.translate(None, b"\0/")))


@settings(max_examples=50)
@given(st.sampled_from(OF_TEXTS), BYTES)
def test_any_value_is_told_in_words(command: list[str], text: str) -> None:
    told_in_words(command, text)


VALUES = st.one_of(
    st.sampled_from(
        [10**5000, -(10**5000), 2**64, True, 2.5, float("nan"), None, [], {}, b"x", "\ud800", "a\0b"]
    ),
    st.sampled_from(ODD),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.datetimes(),
    st.dates(),
)


DESCRIBED: list[type[Described]] = [*KINDS.values(), Fault]
OPTIONS = [(kind, option) for kind in DESCRIBED for option in kind.options().values()]


@given(st.sampled_from(OPTIONS), VALUES)
def test_any_object_for_an_option_is_taken_or_refused(
    which: tuple[type[Described], Option[Any, Any]], value: Any
) -> None:
    kind, option = which
    kinds = ("unit-attention",) if kind is Fault else ()
    with contextlib.suppress(ZonevmError):
        str(kind(*kinds, **{option.field: value}))


@given(VALUES)
def test_any_object_for_a_number_is_taken_or_refused(value: Any) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: parse_size(value),
        lambda: parse_zones(value, 8),
    )
    for call in calls:
        with contextlib.suppress(ZonevmError):
            call()


@given(
    st.sampled_from(
        ["zone", "lba", "asc", "ascq", "command", "probability", "seed", "disk", "milliseconds", "kind"]
    ),
    st.sampled_from(
        [
            "2.5",
            "true",
            "2026-01-01",
            "12:30:00",
            "[1]",
            "{a = 1}",
            "nan",
            "-1",
            "9" * 5000,
            "0x" + "f" * 5000,
            '"\\u0000"',
            "'x'",
            "[" * 3000,
        ]
    ),
)
def test_any_value_in_a_file_of_faults_is_taken_or_refused(name: str, value: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "faults.toml")
        kind = "" if name == "kind" else 'kind = "unit-attention"\n'
        asc = "asc = 0x29\n" if name == "ascq" else ""
        file.write_text(f"[[fault]]\n{kind}{asc}{name} = {value}\n")
        with contextlib.suppress(UsageError):
            load(file)


@pytest.mark.parametrize(
    ("option", "seen"),
    [
        ("ascq = 2.5", "ascq=2.5: not a whole number"),
        ("zone = true", "zone=True: not a whole number"),
        ("zone = 2026-01-01", "zone=2026-01-01: not a whole number"),
        ("zone = " + "9" * 5000, "not TOML that can be read: Exceeds the limit"),
        ("zone = 0x" + "f" * 5000, "zone=a number of thousands of digits: more than 4294967294"),
        ("command = 2.5", "command=2.5: not a whole number"),
        ("zone = " + "[" * 3000, "nested too deep"),
    ],
)
def test_what_is_told_of_a_wrong_value_in_a_file_of_faults(tmp_path: Path, option: str, seen: str) -> None:
    file = tmp_path / "faults.toml"
    file.write_text(f'[[fault]]\nkind = "unit-attention"\nasc = 1\n{option}\n')
    with pytest.raises(UsageError) as raised:
        load(file)
    assert seen in raised.value.message


def test_numbers_that_python_does_not_read_are_told_in_words() -> None:
    digits = "9" * 5000
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(digits)
    with pytest.raises(UsageError, match=r"zone=9{256}\.\.\.: 5000 digits are too many"):
        parse_fault(f"read-error,zone={digits}")
    with pytest.raises(UsageError, match="names no zones"):
        parse_zones(digits, 8)
    with pytest.raises(UsageError, match="is not conv- and a whole number"):
        ZbcConfig.parse(f"conv-{digits}@/x.raw")


def test_a_cfgstring_that_is_not_utf_8_is_told_in_words() -> None:
    with pytest.raises(UsageError, match="is not UTF-8"):
        ZbcConfig.parse("/\udcff.raw")


def test_xml_that_cannot_be_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--export=libvirt", "--image=system.raw", "--qemu-arg={}"]
    for bad in ("\x1b", "\r", "\udcff", "\ufffe"):
        assert told_in_words(command, bad) == ""
        assert "XML cannot hold the character" in capsys.readouterr().err
    odd = "a\tb\n<&>\"'\u00e9"
    domain = ElementTree.fromstring(told_in_words(command, odd))
    arguments = domain.iter("{http://libvirt.org/schemas/domain/qemu/1.0}arg")
    assert [argument.get("value") for argument in arguments] == [odd]


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "0", "-1", "9" * 5000])
@pytest.mark.parametrize("option", ["--timeout", "--boot-timeout"])
def test_seconds_are_a_number_of_seconds(
    option: str, seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["run", f"{option}={seconds}", "--", "true"]) == 2
    assert option in capsys.readouterr().err


def test_a_name_that_is_no_text_is_printed_as_it_is(here: Path) -> None:
    name = os.fsencode("disk.img").replace(b"disk", b"\xff")
    done = subprocess.run(
        [sys.executable, "-c", "from zonevm.cli import main; main()", "disk", "snapshot", "disk.img", name],
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"\xff.img: a copy of disk.img\n"
    Path(os.fsdecode(name)).unlink()
