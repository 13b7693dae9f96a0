"""What a guest writes is recorded, with marks from inside and outside; a state of it is a disk of a guest."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.campaigns.crash_kills import STORE
from zonevm import Guest, UsageError, images
from zonevm._core import Disk
from zonevm.crash import Record, State

pytestmark = pytest.mark.guest

SMR = "smr,size=512M,zone-size=16M,conv=4,max-open=8,block-size=4K"
ZNS = "zns,size=256M,zone-size=16M,max-active=8,max-open=8"
MIB = 2**20
BLOCK = 4096
DIRECT = "bs=1M oflag=direct status=none"


@pytest.fixture(scope="module")
def record(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    """Writes to two disks, some of them flushed, with marks."""
    file = tmp_path_factory.mktemp("crash") / "record"
    with Guest([SMR, ZNS, "nvme,size=64M"], kernel=kernel, qemu="pulled", record=file) as guest:
        with pytest.raises(UsageError, match="would not be in the record"):
            guest.power_cut()
        work = f"""
            set -e
            tr '\\0' a </dev/zero | dd of=/dev/sda iflag=fullblock seek=64 count=2 {DIRECT}
            blockdev --flushbufs /dev/sda && sync /dev/sda
            zonevm-mark 'a is safe'
            tr '\\0' b </dev/zero | dd of=/dev/sda iflag=fullblock seek=66 count=2 {DIRECT}
            tr '\\0' c </dev/zero | dd of=/dev/nvme0n1 iflag=fullblock seek=16 count=1 {DIRECT}
            for number in 1 2 3 4; do zonevm-mark "at once $number" & done; wait
        """
        guest.run(work, check=True)
        assert guest.run(["zonevm-mark", "two\nlines"]).stderr == b"zonevm-mark: a mark is one line\n"
        assert guest.run(["zonevm-mark"]).returncode == 2
        guest.mark("from outside")
        live = Record(file)
        assert live.marks(len(live))[-1] == "from outside"
    yield Record(file)


def test_marks_are_in_the_record_behind_what_they_promise(record: Record) -> None:
    texts = record.marks(len(record))
    assert texts[0] == "a is safe"
    assert sorted(texts[1:5]) == [f"at once {number}" for number in (1, 2, 3, 4)]
    mark = record.marked[0][0]
    flush = next(point for point in record.flush_points() if point < mark)
    for state in record.states(flush, 9):
        with record.open(state) as disk:
            assert disk.zones()[4].write_pointer == 66 * MIB // BLOCK


def test_a_state_is_a_disk_of_a_guest(record: Record, kernel: str, tmp_path: Path) -> None:
    last = next(point for point, text in record.marked if text == "from outside") - 1
    states = list(record.states(last, 4, seed=7))
    assert len(states) == 4
    for number, state in enumerate(states[1:3]):
        assert State.parse(str(state)) == state
        socket = tmp_path / f"socket{number}"
        with record.open(state, 0, tmp_path) as disk, images.serve(socket, [disk], 1):
            more = [
                "-chardev",
                f"socket,id=state,path={socket}",
                "-device",
                "vhost-user-scsi-pci,chardev=state",
            ]
            pointer = disk.zones()[4].write_pointer
            assert pointer is not None
            # A disk of its own, so that memory is shared.
            with Guest(["smr,size=64M,zone-size=16M"], kernel=kernel, qemu_args=more) as guest:
                show = r"""
                    for disk in /sys/block/sd*; do
                        [ $(cat $disk/size) = 1048576 ] || continue
                        blkzone report -o 131072 -c 1 /dev/${disk##*/}
                        head -c 68M /dev/${disk##*/} | tail -c 4M | tr -s 'ab\0'
                    done
                """
                shown = guest.run(show, check=True).stdout
                blocks = pointer - disk.zones()[4].start
                assert b"wptr 0x%06x" % (blocks * 8) in shown
                assert shown.rpartition(b"\n")[2].startswith(b"a")


def test_states_are_new_disks_of_a_guest_that_stays_up(record: Record, kernel: str, tmp_path: Path) -> None:
    chosen = [state for point in range(len(record) - 16, len(record)) for state in record.states(point, 2)]
    assert len(set(chosen)) > 6
    with ExitStack() as stack:
        places = {
            number: stack.enter_context(record.open(chosen[0], number, tmp_path)) for number in record.disks
        }
        described = record.described()
        assert [str(disk)[:3] for disk in described] == ["smr", "zns", "nvm"]
        guest = stack.enter_context(Guest(described, states=places, kernel=kernel, qemu="pulled"))
        boot = guest.run("cat /proc/sys/kernel/random/boot_id").text
        for state in chosen[-6:]:
            guest.renew(partial(show, record, state, places, tmp_path))
            for number, node, block in ((0, "sda", 8), (1, "nvme0n1", 8)):
                with record.open(state, number, tmp_path) as disk:
                    zones = [zone for zone in disk.zones() if not zone.conventional]
                report = guest.run(f"blkzone report /dev/{node}", check=True).text
                pointers = [int(found, 16) for found in re.findall(r"wptr 0x(\w+)", report)][-len(zones) :]
                assert pointers == [
                    ((zone.write_pointer or 0) - zone.start) * block if zone.condition != "full" else pointer
                    for zone, pointer in zip(zones, pointers, strict=True)
                ]
        assert guest.run("cat /proc/sys/kernel/random/boot_id").text == boot
        # What was written to a state is gone in the next one.
        write = "dd if=/dev/zero of=/dev/sda bs=4K count=1 seek=8192 oflag=direct status=none"
        for _ in range(2):
            guest.renew(partial(show, record, chosen[-1], places, tmp_path))
            guest.run(write, check=True)


def show(record: Record, state: State, places: dict[int, Disk], directory: Path) -> None:
    for number, place in places.items():
        record.show(state, place, number, directory)


CHECK = r"""
    case $ZONEVM_LAST_MARK in one*) want=1 ;; two*) want=2 ;; three*) want=3 ;; *) want=0 ;; esac
    [ "$(tail -n 1 $ZONEVM_MARKS)" = "$ZONEVM_LAST_MARK" ] || exit 9
    mount -t tmpfs none /mnt || exit 9
    [ $(mount | grep -c ' /mnt ') = 1 ] || exit 9
    pointer=$(blkzone report -o 131072 -c 1 /dev/sda | sed 's/.*wptr \(0x[0-9a-f]*\).*/\1/')
    echo $((pointer / 8)) of $want
    [ $((pointer / 8)) -ge $want ]
"""


def run(zonevm: list[str], directory: Path, *words: str, code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*zonevm, *words], cwd=directory, capture_output=True, text=True, timeout=900)
    assert done.returncode == code, done.stderr + done.stdout
    return done


def test_a_forgotten_flush_is_found(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    (tmp_path / "check.sh").write_text(CHECK)
    smr = ["--disk", "smr,size=256M,zone-size=64M,conv=1"]
    asked = [*smr, "--setup", "echo setting up", "--work", STORE, "--check", "sh check.sh"]
    done = run(zonevm, tmp_path, "crash", *asked, "--kernel", kernel, "--dir", "d", "--json", code=1)
    assert "setting up" in done.stderr
    told = json.loads(done.stdout)
    failed = [result for result in told["results"] if result["exit_code"] != 0]
    assert failed
    assert {result["last_mark"] for result in failed} == {"two is stored"}
    assert all(len(result["lost"]) == 1 for result in failed)
    kept = tmp_path / "d" / failed[0]["kept"]
    assert (kept / "output.txt").read_text() == "1 of 2\n"
    assert "Linux version" in (kept / "dmesg.txt").read_text()
    assert (kept / "disk0-zones.svg").read_text().startswith("<svg")
    text = (tmp_path / "d" / "report.txt").read_text()
    again = next(line for line in text.splitlines() if "zonevm crash replay" in line)
    words = shlex.split(again[again.index("zonevm crash") :])
    assert run(zonevm, tmp_path, *words[1:], code=1).stdout.strip() == "1 of 2"
    # All of it was tried: nothing is again, and the report is the same.
    files = [tmp_path / "d" / f"report.{form}" for form in ("txt", "json", "xml", "html")]
    before = [file.read_bytes() for file in files]
    assert run(zonevm, tmp_path, "crash", "resume", "d", code=1).stdout.strip() == text.strip()
    assert [file.read_bytes() for file in files] == before


def test_ctrl_c_and_resume(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    smr = ["--disk", "smr,size=256M,zone-size=64M,conv=1", "--kernel", kernel]
    work = [*smr, "--work", STORE.replace("put two", "sync /dev/sda; put two"), "--check", "sleep 1; echo $$"]
    words = [*zonevm, "crash", *work, "--dir", "d", "--guests", "2"]
    begun = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    results = tmp_path / "d" / "results.jsonl"
    while not results.exists() and begun.poll() is None:
        time.sleep(0.1)
    begun.send_signal(signal.SIGINT)
    said = begun.communicate(timeout=300)[1]
    assert begun.returncode == 130, said
    assert "Go on: zonevm crash resume d" in said
    tried = results.read_text().splitlines()
    done = run(zonevm, tmp_path, "crash", "resume", "d", "--json", code=0)
    told = json.loads(done.stdout)
    assert len(told["results"]) == told["wanted"] > len(tried)
    assert results.read_text().splitlines()[: len(tried)] == tried


def test_set_up_and_work_have_to_succeed(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    smr = ["--disk", "smr,size=256M,zone-size=64M", "--kernel", kernel, "--dir", "d"]
    done = run(zonevm, tmp_path, "crash", *smr, "--work", "exit 3", "--check", "true", code=125)
    assert "the work ended with exit code 3" in done.stderr
    assert not (tmp_path / "d").exists()
