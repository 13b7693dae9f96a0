"""Disk utilities find what they find on a drive: a table of command, exit code, and what is in the output."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from zonevm import Guest, SmrDisk

pytestmark = pytest.mark.guest

NODE = "/dev/sda"
AWARE = "/dev/sdb"
"""A host-aware disk, so large that to format it takes some seconds."""


@pytest.fixture(scope="module")
def guest(kernel: str) -> Iterator[Guest]:
    disk = SmrDisk(size="256M", zone_size="16M", conventional=1, serial="utility")
    aware = SmrDisk(size="256G", zone_size="256M", model="host-aware")
    with Guest(disks=[disk, aware], kernel=kernel) as guest:
        yield guest


TABLE: list[tuple[str, int, str]] = [
    ("smartctl -i {}", 0, r"(?s)host managed zoned block device.*SMART support is: +Available"),
    ("smartctl -H {}", 0, "SMART Health Status: OK"),
    ("smartctl -l error {}", 0, r"(?s)Error counter log.*read: .*write: "),
    ("smartctl -l background {}", 0, "Background scan results log"),
    ("smartctl -x {}", 0, r"(?s)SMART Health Status: OK.*Accumulated start-stop cycles: +[1-9].*12 Gbps"),
    ("sg_logs -a {}", 0, r"(?s)Supported log pages.*Write error.*Read error.*Self-test results"),
    ("dd if={} of=/dev/null bs=1M count=4 iflag=direct status=none", 0, "^$"),
    ("sg_logs --page=re {}", 0, r"Total bytes processed = [1-9]\d{6}"),
    ("sg_logs --reset --page=re {}", 0, ""),
    ("sg_logs --page=re {}", 0, r"Total bytes processed = 0"),
    ("blkzone open --offset 32768 --count 1 {0} && blkzone reset {0}", 0, ""),
    ("sg_logs --page=zbds {}", 0, r"(?s)Maximum open zones: 1.*Minimum empty zones: 14.*Zones emptied: 1"),
    ("sg_logs --page=zbds {}", 0, r"(?s)Failed explicit opens: 0.*Write rule violations: 0"),
    ("sg_logs --page=gsp {}", 0, r"(?s)number of read commands = [1-9].*number of write commands = 0"),
    ("sg_logs --page=0x18 {}", 0, r"(?s)number of phys = 1.*link rate: 12 Gbps"),
    ("sg_logs --page=pct {}", 0, r"(?i)accumulated transitions to active = 0"),
    ("sg_logs --page=0x3d {}", 5, ""),
    ("sg_senddiag -t {}", 0, ""),
    ("sg_senddiag -l {}", 0, "Supported diagnostic pages"),
    ("sg_senddiag -s 4 {}", 5, ""),
    ("sg_opcodes -a -t {}", 0, r"(?s)Abort task.*Logical unit reset"),
    ("sg_opcodes -a {}", 0, r"(?s)Log sense.*Write and verify"),
    # 5 of any disk, that of scsi_debug too: sdparm asks for pages that no disk has all of.
    ("sdparm --all {}", 5, r"(?s)WCE +1.*SWP +0.*MRIE +6"),
    ("sdparm --get=WCE {}", 0, r"WCE +1 +\[cha: y, def: +1, sav: +1\]"),
    ("sdparm --clear=WCE --save {}", 0, ""),
    ("sdparm --get=WCE {}", 0, r"WCE +0 +\[cha: y, def: +1, sav: +0\]"),
    ("sdparm --set=WCE {}", 0, ""),
    ("sdparm --get=WCE {}", 0, r"WCE +1 +\[cha: y, def: +1, sav: +0\]"),
    ("sdparm --set=WCE --save {}", 0, ""),
    ("sdparm --get=WCE {}", 0, r"WCE +1 +\[cha: y, def: +1, sav: +1\]"),
    # 5 of any disk, that of scsi_debug too: sdparm 1.12 does not take the default values that it was told.
    ("sdparm --defaults --page=ca {}", 5, "not supported"),
    ("sdparm --set=SWP {}", 0, ""),
    ("dd if=/dev/zero of={} bs=4k count=1 oflag=direct status=none", 1, ""),
    ("sdparm --clear=SWP {}", 0, ""),
    ("sg_wr_mode --page=8 --contents=8,12,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 {}", 0, ""),
    ("sdparm --get=WCE {}", 0, r"WCE +0"),
    ("sg_wr_mode --page=8 --contents=8,12,1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0 {}", 5, ""),
    ("sdparm --set=WCE {}", 0, ""),
    ("sg_timestamp --milliseconds=1000000 {}", 0, ""),
    ("sg_timestamp {}", 0, r"^1[0-9]{6}\s*$"),
    ("sg_start --pc=2 {}", 0, ""),
    ("sg_requests {}", 0, r"[Ii]dle condition activated by command"),
    ("sg_start --pc=1 {}", 0, ""),
    ("sg_start --stop {}", 0, ""),
    ("sg_turs {}", 2, ""),
    ("sg_start --start {}", 0, ""),
    ("sg_turs {}", 0, ""),
    ("sg_raw -r 4 {} 3c 0b 00 00 00 00 00 00 04 00", 0, "(?i)00 00 10 00"),
    ("sg_write_buffer --mode=echo --length=4 --in=/etc/passwd {}", 0, ""),
    # sg3-utils 1.46 asks READ BUFFER for no bytes, whatever length is given.
    ("sg_read_buffer --mode=echo_desc --length=4 {}", 0, "^$"),
    ("sg_read_buffer --16 --mode=echo --length=4 {}", 0, "^$"),
    ("sg_raw -r 4 {} 9b 0a 00 00 00 00 00 00 00 00 00 00 00 04 00 00", 0, "72 6f 6f 74"),
    ("sg_write_buffer --mode=dmc_save --length=4 --in=/etc/passwd {}", 5, ""),
    ("sg_test_rwbuf --quick --size=512 {}", 0, "a buffer of 0 bytes"),
    ("sg_verify --count=8 {}", 0, ""),
    ("sg_vpd -a {}", 0, r"(?s)extended INQUIRY.*Mode page policy.*Zoned block device char"),
    ("sg_vpd --page=ei {}", 0, r"V_SUP=1"),
    ("sg_vpd --page=mpp {}", 0, r"(?i)shared"),
    ("sg_inq {}", 0, r"Peripheral device type: .*zoned block|PDT=20"),
    ("lsscsi -t -w", 0, NODE),
    ("sg_persist --in --report-capabilities {}", 0, r"(?s)CRH\): 0.*PTPL_C\): 1.*Access, all registrants: 1"),
    ("sg_persist --out --register --param-sark=abc1 {}", 0, ""),
    ("sg_persist --in --read-keys {}", 0, r"(?s)1 registered reservation key follows.*0xabc1"),
    ("sg_persist --in --read-reservation {}", 0, "there is NO reservation held"),
    ("sg_persist --out --reserve --param-rk=abc1 --prout-type=1 {}", 0, ""),
    ("sg_persist --in --read-reservation {}", 0, r"(?s)Key=0xabc1.*LU_SCOPE,  type: Write Exclusive\s*$"),
    ("sg_persist --in --read-full-status {}", 0, r"(?s)Key=0xabc1.*Reservation holder.*0x3000000000000000"),
    ("dd if={} of=/dev/null bs=1M count=1 iflag=direct status=none", 0, "^$"),
    # 24: RESERVATION CONFLICT.
    ("sg_persist --out --release --param-rk=bad --prout-type=1 {}", 24, ""),
    ("sg_persist --out --register --param-rk=bad --param-sark=abc2 {}", 24, ""),
    ("sg_persist --out --release --param-rk=abc1 --prout-type=3 {}", 5, ""),
    ("sg_persist --out --preempt --param-rk=abc1 --param-sark=abc1 --prout-type=3 {}", 0, ""),
    ("sg_persist --in --read-reservation {}", 0, r"type: Exclusive Access\s*$"),
    ("sg_persist --out --preempt-abort --param-rk=abc1 --param-sark=abc1 --prout-type=8 {}", 0, ""),
    ("sg_persist --in --read-reservation {}", 0, r"(?s)Key=0x0.*type: Exclusive Access, all registrants"),
    ("sg_raw {} 16 00 00 00 00 00", 24, ""),
    ("sg_persist --out --release --param-rk=abc1 --prout-type=8 {}", 0, ""),
    ("sg_persist --out --register-ignore --param-sark=abc2 {}", 0, ""),
    ("sg_persist --out --clear --param-rk=abc2 {}", 0, ""),
    ("sg_persist --in --read-keys {}", 0, "there are NO registered reservation keys"),
    ("sg_raw {} 16 00 00 00 00 00", 0, ""),
    ("sg_persist --in --read-keys {}", 24, ""),
    ("sg_raw {} 57 00 00 00 00 00 00 00 00 00", 0, ""),
    ("sg_persist --in --read-keys {}", 0, ""),
    # sg3-utils 1.46 formats no host-managed disk of anybody: it does not know the device type.
    ("sg_format --format --wait --quick {}", 97, "only defined for disks"),
    ("dd if=/etc/passwd of={} bs=4k count=1 seek=4096 conv=sync oflag=direct status=none", 0, ""),
    ("blkzone report {}", 0, r"zcond: 2\(oi\)"),
    ("sg_raw {} 04 00 00 00 00 00", 0, "SCSI Status: Good"),
    ("blkzone report {} | grep -v 'zcond: [01]'", 1, "^$"),
    ("sg_raw {} 04 80 00 00 00 00", 5, "Invalid field in cdb"),
    (f"sg_format --format --wait --quick {AWARE}", 0, ""),
    (f"sg_format --format --ffmt=1 --wait --quick {AWARE}", 0, ""),
    (f"sg_format --format --size=4096 --wait --quick {AWARE}", 5, "Illegal request"),
    (f"sg_format --format --fmtpinfo=2 --wait --quick {AWARE}", 5, "Illegal request"),
    # Another zone: the kernel does not know that the first one is empty again.
    ("dd if=/etc/passwd of={} bs=4k count=1 seek=8192 conv=sync oflag=direct status=none", 0, ""),
    ("sg_sanitize --crypto --wait --quick {}", 0, ""),
    ("blkzone report {} | grep -v 'zcond: [01]'", 1, "^$"),
    ("sg_sanitize --overwrite --pattern=/etc/hostname --ipl=4 --wait --quick {}", 0, ""),
    ("head -c 3 {} | cmp -n 3 - /etc/hostname", 0, "^$"),
    ("sg_sanitize --overwrite --zero --wait --quick {}", 0, ""),
    ("sg_sanitize --block --wait --quick {}", 5, "Illegal request"),
    ("sg_sanitize --fail --wait --quick {}", 0, ""),
    ("sg_turs {}", 0, ""),
]


@pytest.mark.parametrize(("command", "code", "says"), TABLE)
def test_utilities(guest: Guest, command: str, code: int, says: str) -> None:
    done = guest.run(command.format(NODE))
    text = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == code, text
    assert re.search(says, text), text


def test_a_short_self_test_passes_and_is_listed(guest: Guest) -> None:
    """``smartctl -t short`` starts one; its progress is seen, and its result is."""
    script = f"""
        smartctl -t short {NODE} || exit
        while sg_requests --progress {NODE} 2>&1 | grep -q Progress; do sleep 0.2; done
        smartctl -l selftest {NODE}
    """
    done = guest.run(script)
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, text
    assert re.search(r"# 1 +Background short +Completed +", text), text


def test_a_self_test_is_aborted(guest: Guest) -> None:
    script = f"smartctl -t long {NODE} && smartctl -X {NODE} && sleep 1 && smartctl -l selftest {NODE}"
    done = guest.run(script)
    text = done.stdout.decode(errors="replace")
    assert done.returncode == 0, text
    assert re.search(r"# 1 +Background long +Aborted \(by user command\)", text), text


@pytest.mark.parametrize("command", ["sg_format --format", "sg_sanitize --crypto"])
def test_progress_of_what_takes_time(guest: Guest, command: str) -> None:
    """The command has ended, the work goes on, and the disk says so until it is done."""
    script = f"""
        {command} --early --quick {AWARE} >&2 || exit
        sg_turs {AWARE}; echo "not ready: $?"
        while sg_requests --progress {AWARE} | grep Progress; do sleep 0.2; done
        sg_turs {AWARE}; echo "ready: $?"
    """
    done = guest.run(script, check=True)
    text = done.stdout.decode()
    assert re.search(r"not ready: 2\n(Progress indication: .*% done\n)+ready: 0\n", text), text
