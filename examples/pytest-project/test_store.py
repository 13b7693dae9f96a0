"""The store on a ZNS namespace whose zones have less capacity than length."""

from pathlib import Path

import pytest

from zonevm import Guest

STORE = f"sh {Path(__file__).with_name('store.sh')}"

pytestmark = pytest.mark.zoned(disks=["zns,size=1M,zone-size=32K,zone-capacity=16K"])


@pytest.mark.parametrize("records", [3, 6])
def test_what_was_put_is_counted(zoned_guest: Guest, zoned_disks, records: int) -> None:
    store = f"{STORE} {zoned_disks[0]}"
    for number in range(records):
        zoned_guest.run(f"{store} put {number}", check=True)
    assert zoned_guest.run(f"{store} count", check=True).text == f"{records}\n"


def test_what_is_stored_survives_a_power_cut(zoned_crash) -> None:
    store = f"{STORE} /dev/nvme0n1"
    zoned_crash(
        states=4,
        work=f'for text in one two; do zonevm-mark "$({store} put $text)"; done',
        check=f"""
            case $ZONEVM_LAST_MARK in *one) want=1 ;; *two) want=2 ;; *) want=0 ;; esac
            count=$({store} count)
            echo "$count of $want records"
            [ $count -ge $want ]
        """,
    )
