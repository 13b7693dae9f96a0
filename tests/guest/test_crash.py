"""What a guest writes is recorded, with marks from inside and outside; a state of it is a disk of a guest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm import Guest, UsageError, images
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
