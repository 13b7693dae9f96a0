"""Targets by the vhost fabric: an inner guest has their disks, started by zonevm in the outer one."""

from __future__ import annotations

import time

import pytest

from tests.nested.conftest import ZONEVM, Host, text
from tests.nested.inner import BOOT, TRY, scsi, tried

pytestmark = pytest.mark.nested

WWN = "naa.5001405000000001"
TCMU = "tcmu,size=1G,zone-size=32M,conv=2"


@pytest.mark.timeout(1300)
def test_an_inner_guest_has_an_emulated_and_a_physical_disk(host: Host, unchanged: None) -> None:
    made = host.target(
        *("--backstore", "pscsi", "--dev", "/dev/sda", "--fabric", "vhost", "--name", "p", "--wwn", WWN)
    )
    option, device = made["qemu"].split()
    disks = ("--disk", TCMU, f"--qemu-arg={option}", f"--qemu-arg={device}")
    done = host.zonevm("run", *BOOT, *disks, "--", *TRY, timeout=1200)
    assert done.returncode == 0, text(done)
    by_product = {facts["product"]: facts for facts in tried(done).values()}
    assert by_product == {
        "SMR DISK": scsi("SMR DISK", 32, 64),
        "TCMU ZBC device": scsi("TCMU ZBC device", 32, 32),
    }
    assert [target["name"] for target in host.targets()] == ["p"]
    host.remove("p")


@pytest.mark.timeout(300)
def test_gc_takes_what_a_killed_zonevm_left(host: Host, unchanged: None) -> None:
    run = " ".join((*ZONEVM[:2], f"'{ZONEVM[2]}'", "run", *BOOT, "--disk", TCMU, "--", "true"))
    host.sh(f"{run} > /tmp/run.log 2>&1 < /dev/null & echo $! > /tmp/run.pid")
    until = time.monotonic() + 120
    while not host.sh("ls /proc/*/fd -l 2> /dev/null | grep /dev/vhost-scsi || :"):
        assert time.monotonic() < until, host.sh("cat /tmp/run.log")
    (target,) = host.targets()
    assert (str(target["pid"]), target["abandoned"]) == (host.sh("cat /tmp/run.pid").strip(), False)

    alive = host.zonevm("target", "gc")
    assert (alive.returncode, alive.stdout) == (0, b""), "nothing that is alive is collected"
    refused = host.zonevm("target", "remove", target["name"])
    assert refused.returncode == 125
    assert "belongs to the running zonevm process" in text(refused)

    host.sh("kill -9 $(cat /tmp/run.pid)")
    (target,) = host.targets()
    assert target["abandoned"]
    host.sh("timeout 30 sh -c 'while pgrep qemu-system; do sleep 0.2; done'")
    collected = host.zonevm("target", "gc")
    assert (collected.returncode, collected.stdout.decode().split()) == (0, [target["name"]]), text(collected)
    assert host.targets() == []
