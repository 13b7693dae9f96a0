"""What zonevm writes where a user says: never over an input, whole or not at all, and pipes as pipes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from zonevm import HostError, UsageError, images
from zonevm.cli import execute
from zonevm.outputs import Draft
from zonevm.trace import recording

from .cdbs import TEST_UNIT_READY
from .test_trace import new_disk

ZONEVM = f'"{sys.executable}" -c "from zonevm.cli import main; main()"'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: ``a.img`` is an image, ``raw`` zeroes, ``kernel`` and ``faults`` are texts."""
    monkeypatch.chdir(tmp_path)
    images.create("a.img", size="8M", zone_size="1M")
    Path("symbolic").symlink_to("a.img")
    Path("hard").hardlink_to("a.img")
    Path("raw").write_bytes(bytes(2**20))
    Path("tcmu").write_bytes(int.from_bytes(b"UZBC", "big").to_bytes(4, sys.byteorder) + bytes(100))
    Path("hard.raw").write_bytes(b"")
    Path("kernel").write_text("a kernel")
    Path("faults").write_text("")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


RUN = "run --disk smr,file=a.img"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (f"{RUN} --json a.img", "a.img is the same file as the disk smr,file=a.img"),
        (f"{RUN} --json symbolic", "same file"),
        (f"{RUN} --json hard", "same file"),
        (f"{RUN} --trace a.img", "same file"),
        (f"{RUN} --trace ./hard", "same file"),
        ("run --disk smr,file=hard --json symbolic", "same file"),
        ("run --disk smr,file=new,size=1G --json ./new", "same file"),
        ("run --disk zns,via=qemu,file=t.raw,size=1G --disk smr,size=1G --trace t", "same file"),
        (f"{RUN} --json out --trace out", "same file"),
        (f"{RUN} --json t.raw --trace t", "same file"),
        (f"{RUN} --json kernel --kernel kernel", "same file as --kernel"),
        (f"{RUN} --json faults --faults faults", "same file as --faults"),
        (f"{RUN} --image raw --json raw", "same file as --image"),
        ("serve --disk smr,file=a.img --trace symbolic", "same file"),
        (f"{RUN} --json raw -- true", "raw is not a text file"),
        ("run --disk smr,size=1G --json hard -- true", "hard is the image of an emulated disk"),
        ("run --disk smr,size=1G --json tcmu -- true", "tcmu is an image of tcmu-runner"),
        ("serve --disk smr,size=1G --trace raw", "raw is not a text file"),
        ("disk zones a.img --svg a.img", "a.img is the same file as the image"),
        ("disk zones a.img --svg hard", "same file"),
        ("disk zones a.img --svg tcmu", "tcmu is an image of tcmu-runner"),
        ("disk zones a.img --svg .", "is a directory"),
        ("trace recover hard", "hard is the image of an emulated disk"),
    ],
)
def test_an_output_never_overwrites_an_input_or_an_image(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, says: str
) -> None:
    before = contents(folder)
    assert execute(arguments.split()) == 2
    message = capsys.readouterr().err
    assert says in message
    assert "hint: " in message
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("disk export a.img raw", "exists"),
        ("disk export a.img a.img", "exists"),
        ("disk snapshot a.img hard", "exists"),
        ("disk import tcmu a.img", "exists"),
        ("disk create a.img --size 1G", "exists"),
        ("disk restore a.img a.img", "in use"),
        ("disk restore a.img raw", "not a zonevm disk image"),
        ("disk restore hard symbolic", "in use"),
        ("run --disk zns,via=qemu,file=hard", "the image of an emulated disk"),
        ("run --disk plain,file=tcmu", "an image of tcmu-runner"),
        ("run --image a.img --image-write", "the image of an emulated disk"),
    ],
)
def test_what_is_there_stays(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, says: str
) -> None:
    before = contents(folder)
    assert execute(arguments.split()) == 125
    assert says in capsys.readouterr().err
    assert contents(folder) == before


@pytest.mark.parametrize("stream", ["", "2"])
def test_standard_output_is_not_the_disk_either(folder: Path, stream: str) -> None:
    before = contents(folder)
    done = subprocess.run(["bash", "-c", f"{ZONEVM} {RUN} -- true {stream}>> a.img"], timeout=60)
    assert done.returncode == 2
    text = contents(folder)
    assert text["a.img"].startswith(before["a.img"]) or stream
    assert text["a.img"][: 2**20] == before["a.img"][: 2**20]


def test_a_run_that_does_not_begin_replaces_no_record(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = folder / "run.json"
    arguments = ["run", "--kernel", "no-such-kernel", "--json", str(record), "--", "true"]
    record.write_text("before")
    assert execute(arguments) == 125
    assert record.read_text() == "before"
    record.unlink()
    assert execute(arguments) == 125
    assert json.loads(record.read_text())["reason"] == "failed"
    assert "no-such-kernel" in capsys.readouterr().err


def test_a_trace_without_a_command_replaces_none(folder: Path) -> None:
    trace = folder / "trace"
    trace.write_text("before")
    with pytest.raises(RuntimeError), recording(trace):
        raise RuntimeError
    assert trace.read_text() == "before"
    with new_disk(folder) as disk, pytest.raises(RuntimeError), recording(trace) as recorder:
        disk.trace_to(recorder, 0)
        disk.execute(TEST_UNIT_READY)
        raise RuntimeError
    assert trace.read_bytes().startswith(b"PAR1")
    with recording(trace):
        pass
    assert not list(folder.glob("trace*.raw"))


def test_a_replaced_file_keeps_its_mode_and_its_links(folder: Path) -> None:
    real, link = folder / "real.svg", folder / "link.svg"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    assert execute(["disk", "zones", "a.img", "--svg", str(link)]) == 0
    assert link.is_symlink()
    assert real.read_text().startswith("<svg")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    dangling = folder / "dangling.svg"
    dangling.symlink_to("new.svg")
    assert execute(["disk", "zones", "a.img", "--svg", str(dangling)]) == 0
    assert (folder / "new.svg").read_text().startswith("<svg")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((folder / "new.svg").stat().st_mode) == 0o666 & ~mask


def test_a_draft_appears_whole_or_not_at_all(folder: Path) -> None:
    before = contents(folder)
    with Draft(folder / "out") as draft:
        draft.file.write(b"half")
        draft.file.flush()
        assert contents(folder) == before
    assert contents(folder) == before
    with Draft(folder / "out") as draft:
        draft.file.write(b"whole")
        draft.publish()
    assert contents(folder) == before | {"out": b"whole"}


def test_a_file_in_a_directory_that_is_closed_to_us_is_written_in_place() -> None:
    program = """
import os, sys
from pathlib import Path
from zonevm.outputs import Draft
os.geteuid() or os.setuid(65534)
with Draft(Path(sys.argv[1])) as draft:
    draft.file.write(b"new")
    draft.publish()
"""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "file")
        file.write_text("long before")
        file.chmod(0o666)
        Path(directory).chmod(0o555)
        subprocess.run([sys.executable, "-c", program, file], check=True, timeout=60)
        assert file.read_text() == "new"
        Path(directory).chmod(0o755)


@pytest.mark.parametrize("place", ["/nowhere/out", "text/out", f"{'x' * 300}"])
def test_where_nothing_can_be_written(folder: Path, place: str) -> None:
    Path("text").write_text("text")
    with pytest.raises((HostError, UsageError), match="cannot write"), Draft(Path(place)) as draft:
        draft.publish()
    assert not list(folder.glob(".zonevm*"))


def test_pipes_devices_and_descriptors_are_written_and_stay_what_they_are(folder: Path) -> None:
    svg = f"{ZONEVM} disk zones a.img --svg"
    script = (
        f"{svg} /dev/stdout 2>/dev/null | head -c 4; {svg} /dev/fd/3 3>&1 2>/dev/null | head -c 4;"
        f"{svg} /dev/null; {svg} >(head -c 4 > substituted); wait $!;"
        f"(echo first; {svg} /dev/stdout 2>/dev/null) > file; head -c 10 file"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "<svg<svgfirst\n<svg"
    assert Path("substituted").read_text() == "<svg"
    assert Path("/dev/null").is_char_device()


def test_a_trace_goes_through_a_pipe(folder: Path) -> None:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    with recording(fifo):
        assert not list(folder.glob("fifo*.raw"))
    reader.join()
    assert read[0].startswith(b"PAR1")
    assert fifo.is_fifo()
