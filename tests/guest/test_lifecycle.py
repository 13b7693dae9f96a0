"""How guests begin and end: boot, reboot, panic, a killed QEMU, a killed zonevm, and what is left behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import until
from zonevm import Guest, GuestError, GuestPanicError, GuestTimeoutError, KernelError, QemuError, UsageError
from zonevm.guest import find
from zonevm.machine import capped

pytestmark = [pytest.mark.guest, pytest.mark.loaded]


def processes(of: Path) -> dict[int, str]:
    """The processes that work with the sockets below a directory: QEMU and its company."""
    found = {}
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = cmdline.read_bytes()
        except OSError:
            continue
        if os.fsencode(of) in line:
            found[int(cmdline.parent.name)] = line.split(b"\0")[0].decode()
    return found


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runtime directories go: short, and as empty after each test as before."""
    with tempfile.TemporaryDirectory(prefix="run", ignore_cleanup_errors=True) as name:
        path = Path(name)
        monkeypatch.setenv("XDG_RUNTIME_DIR", name)
        yield path
        until(lambda: not processes(path) and not list(path.iterdir()))


def test_a_panic_is_told_with_its_text(kernel: str) -> None:
    guest = Guest(kernel=kernel)
    with guest, pytest.raises(GuestPanicError, match="sysrq triggered crash") as caught:
        guest.run("echo c > /proc/sysrq-trigger")
    error = caught.value
    assert error.exit_code == 125
    assert "Kernel panic - not syncing: sysrq triggered crash" in error.console
    assert str(guest.log_dir) in error.hint
    assert "Call Trace:" in error.console


def test_a_killed_qemu_is_told(kernel: str, runtime: Path) -> None:
    with Guest(kernel=kernel) as guest:
        (pid,) = (pid for pid, name in processes(runtime).items() if name.endswith("qemu-system-x86_64"))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(QemuError, match="killed by signal 9"):
            guest.run(["sleep", "100"])


GARBAGE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
agent = libc.syscall(434, 1, 0)  # pidfd_open
(port,) = (fd for fd in os.listdir("/proc/1/fd") if "/dev/vport" in os.readlink(f"/proc/1/fd/{fd}"))
os.write(libc.syscall(438, agent, int(port), 0), bytes([99]) + bytes(11))  # pidfd_getfd
"""


def test_a_guest_that_breaks_the_agents_protocol_is_told(kernel: str) -> None:
    with Guest(kernel=kernel) as guest:
        for _ in range(2):
            with pytest.raises(
                GuestError, match="broke the agent's protocol: it sent a frame of kind 99"
            ) as caught:
                guest.run([sys.executable, "-c", GARBAGE + "import time; time.sleep(100)"])
        assert caught.value.exit_code == 125


def test_a_guest_that_powers_itself_off_is_told(kernel: str) -> None:
    for key, told in (("o", "powered itself off"), ("b", "rebooted")):
        with Guest(kernel=kernel) as guest, pytest.raises(GuestError, match=told):
            guest.run(f"echo {key} > /proc/sysrq-trigger; sleep 100")


def test_reboot(kernel: str) -> None:
    with Guest(kernel=kernel) as guest:
        guest.run("echo gone > /tmp/gone")
        before = guest.run("cat /proc/sys/kernel/random/boot_id", check=True).text
        guest.reboot()
        assert guest.run("cat /proc/sys/kernel/random/boot_id", check=True).text != before
        assert not guest.run("cat /tmp/gone").stdout


def test_rwdirs_are_written_through(kernel: str, tmp_path: Path) -> None:
    shared, kept = tmp_path / "shared dir", tmp_path / "kept"
    shared.mkdir()
    kept.mkdir()
    with Guest(kernel=kernel, rwdirs=[shared], cwd=shared, net="user") as guest:
        guest.run("echo from the guest > new; mkdir sub; echo x > sub/file; mv new renamed", check=True)
        guest.run(["sh", "-c", f"echo x > {kept}/lost"], check=True)
        assert (shared / "renamed").read_text() == "from the guest\n"
        assert (shared / "sub/file").exists()
        (shared / "back").write_text("from the host")
        assert guest.run(["cat", "back"], check=True).text == "from the host"
        mapped = (
            "import mmap,os; f=open('mapped','w+b'); f.truncate(4096); m=mmap.mmap(f.fileno(),4096);"
            "m[:5]=b'hello'; m.flush(); m.close(); f.close()"
        )
        guest.run([sys.executable, "-c", mapped], check=True)
        assert (shared / "mapped").read_bytes()[:5] == b"hello"
        assert "10.0.2.15" in guest.run("cat /proc/net/fib_trie", check=True).text
        assert guest.run("cat /etc/resolv.conf").text == "nameserver 10.0.2.3\n"
    assert not list(kept.iterdir())


def test_a_kernel_that_cannot_boot_is_told(kernel: str) -> None:
    with pytest.raises(GuestTimeoutError, match="the guest was not up after 1 s"):
        Guest(kernel=kernel, boot_timeout=1).start()


def test_an_init_that_fails_is_told(kernel: str) -> None:
    with pytest.raises(GuestPanicError, match="panicked: VFS: Unable to mount root"):
        Guest(kernel=kernel, append="rdinit=/no/such init=/no/such").start()


def test_no_kernel_is_told(tmp_path: Path) -> None:
    for choice, message in (
        (str(tmp_path / "missing"), "there is no kernel at"),
        (__file__, "is not a Linux x86 boot image"),
        ("99.9", "no kernel of version '99.9' is here"),
        (str(tmp_path), "holds no kernel"),
    ):
        with pytest.raises(KernelError, match=message):
            Guest(kernel=choice).start()


def test_qemu_refuses_an_argument(kernel: str) -> None:
    with pytest.raises(QemuError, match="no-such-device"):
        Guest(kernel=kernel, qemu_args=["-device", "no-such-device"]).start()


def test_a_guest_is_used_only_while_it_runs(kernel: str) -> None:
    guest = Guest(kernel=kernel)
    with pytest.raises(UsageError, match="not running"):
        guest.run(["true"])
    assert guest.log_dir is None
    guest.stop()


def test_the_dry_run_starts_nothing(kernel: str) -> None:
    command = Guest(
        kernel=kernel, disks=["zns,size=1G,zone-size=64M,via=qemu"], memory="512M", cpus=1
    ).command()
    assert Path(command[0]).name.startswith("qemu-system")
    assert command[command.index("-m") + 1] == "512M"
    assert any(word.startswith("nvme-ns,") for word in command)


SCRIPT = """
import sys, zonevm
with zonevm.Guest(kernel=sys.argv[1], disks=["smr,size=1G"]) as guest:
    print("up", flush=True)
    guest.run(["sleep", "1000"])
"""


def zonevm_running(kernel: str) -> subprocess.Popen[str]:
    script = [sys.executable, "-c", SCRIPT, kernel]
    return subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def keeper(of: Path) -> int | None:
    """The process that QEMU is a child of, once there is one."""
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            above = int((cmdline.parent / "stat").read_text().rpartition(")")[2].split()[1])
            words = cmdline.read_bytes(), Path(f"/proc/{above}/cmdline").read_bytes()
            if all(os.fsencode(of) in line and b"keeper.py" in line for line in words):
                return int(cmdline.parent.name)
    return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_an_interrupted_or_killed_zonevm(
    kernel: str, number: signal.Signals, runtime: Path
) -> None:
    with zonevm_running(kernel) as process:
        assert process.stdout and process.stdout.readline() == "up\n"
        assert len(processes(runtime)) >= 2
        process.send_signal(number)
        process.communicate()
        until(lambda: not processes(runtime) and not list(runtime.iterdir()))


@pytest.mark.parametrize("order", ["zonevm", "keeper", "keeper zonevm", "zonevm keeper"])
def test_nothing_is_left_of_a_zonevm_killed_while_it_starts(kernel: str, order: str, runtime: Path) -> None:
    moments = random.Random(order)
    for _ in range(3):
        with zonevm_running(kernel) as process:
            until(lambda: keeper(runtime))
            time.sleep(moments.uniform(0, 1))
            victims = {"zonevm": process.pid, "keeper": keeper(runtime)}
            for name in order.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victims[name] or process.pid, signal.SIGKILL)
            _, errors = process.communicate()
            if "zonevm" not in order:
                assert "keeper.py) was killed" in errors
        until(lambda: not processes(runtime) and not list(runtime.iterdir()))


def test_a_keeper_that_is_killed_is_told(kernel: str, runtime: Path) -> None:
    with Guest(kernel=kernel) as guest:
        pid = keeper(runtime)
        assert pid
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(QemuError, match=r"keeper\.py\) was killed"):
            guest.run(["sleep", "1000"])


def test_the_console_has_the_kernels_log_in_bounded_size(
    kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Guest(kernel=kernel) as guest:
        assert f"Linux version {find(kernel).version}" in guest.console()
        guest.run("echo a line of ours > /dev/kmsg")
        assert "a line of ours" in guest.console()
        assert guest.qemu_command[0] in (guest.log_dir / "command").read_text()  # type: ignore[operator]
        monkeypatch.setattr(capped, "LIMIT", 512 * 1024)
        monkeypatch.setattr(capped, "HEAD", 256 * 1024)
        monkeypatch.setattr(capped, "TAIL", 64 * 1024)
        guest.run("yes $(printf %500s x) | head -c 700K > /dev/ttyS0; echo the end > /dev/kmsg", check=True)
        assert guest.log_dir
        log = guest.log_dir / "console.log"
        until(lambda: log.stat().st_size < capped.LIMIT)
        text = guest.console()
        assert f"Linux version {find(kernel).version}" in text
        assert "the end" in text
        assert capped.LEFT_OUT.decode() in text
