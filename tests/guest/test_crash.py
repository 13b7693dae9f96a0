"""What a guest writes is recorded, with marks from inside and outside; a state of it is a disk of a guest."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

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
    with Guest([SMR, ZNS], kernel=kernel, qemu="pulled", record=file) as guest:
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
    entries = record.entries
    texts = record.marks(len(entries))
    assert texts[0] == "a is safe"
    assert sorted(texts[1:5]) == [f"at once {number}" for number in (1, 2, 3, 4)]
    mark = next(number for number, each in enumerate(entries) if each["kind"] == "mark")
    flush = next(point for point in record.flush_points() if point <= mark)
    for state in record.states(flush, 9):
        with record.open(state) as disk:
            assert disk.zones()[4].write_pointer == 66 * MIB // BLOCK


def test_a_state_is_a_disk_of_a_guest(record: Record, kernel: str, tmp_path: Path) -> None:
    last = next(
        number
        for number, each in enumerate(record.entries)
        if each == {"kind": "mark", "text": "from outside"}
    )
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
        assert [str(disk)[:3] for disk in described] == ["smr", "zns"]
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


STORE = """
    set -e
    put() { printf '%s' "$1" | dd of=/dev/sda bs=4K seek=$2 count=1 conv=sync oflag=direct status=none; }
    put one 16384; sync /dev/sda; zonevm-mark 'one is stored'
    put two 16385; zonevm-mark 'two is stored'
    put three 16386; sync /dev/sda; zonevm-mark 'three is stored'
"""
"""An append-only store, which forgets to flush its second record."""

CHECK = r"""
    case $ZONEVM_LAST_MARK in one*) want=1 ;; two*) want=2 ;; three*) want=3 ;; *) want=0 ;; esac
    [ "$(tail -n 1 $ZONEVM_MARKS)" = "$ZONEVM_LAST_MARK" ] || exit 9
    mount -t tmpfs none /mnt || exit 9
    [ $(mount | grep -c ' /mnt ') = 1 ] || exit 9
    pointer=$(blkzone report -o 131072 -c 1 /dev/sda | sed 's/.*wptr \(0x[0-9a-f]*\).*/\1/')
    echo $((pointer / 8)) of $want
    [ $((pointer / 8)) -ge $want ]
"""


def test_a_forgotten_flush_is_found(zonevm: list[str], kernel: str, tmp_path: Path) -> None:
    def run(*words: str, code: int) -> str:
        done = subprocess.run([*zonevm, *words], cwd=tmp_path, capture_output=True, text=True, timeout=400)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    (tmp_path / "check.sh").write_text(CHECK)
    chosen = ["--kernel", kernel]
    smr = ["--disk", "smr,size=256M,zone-size=64M,conv=1"]
    run("run", *chosen, *smr, "--record", "r", "--", "sh", "-c", STORE, code=0)
    check = ["crash", "check", "r", *chosen, "--results", "results", "--", "sh", "check.sh"]
    told = run(*check, code=1)
    assert "failed (exit code 1) at point 12, last mark 'two is stored'" in told
    assert "disk 0: zone 1 lost its last 2 changes" in told
    again = next(line for line in told.splitlines() if line.startswith("again: "))
    words = shlex.split(again.removeprefix("again: "))
    assert run(*words[1:4], words[4], *chosen, *words[5:], code=1).strip() == "1 of 2"
    # All of it was tried: nothing is again.
    assert run(*check, code=1) == told.splitlines()[-1] + "\n"
