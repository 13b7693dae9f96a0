"""The daemon tcmu-runner, behind every ``user`` backstore: finds it, starts it, waits for it, stops it.

It is ready once its ``zbc`` handler is on D-Bus; a backstore made before that makes the kernel wait for ever
(``tcmu_netlink_event_send``). A daemon that zonevm did not start is used and left alone. One that zonevm did
start outlives it, is known by its log directory, and is stopped with the last ``user`` backstore.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm.errors import HostError
from zonevm.host import find_program
from zonevm.lio import backstores
from zonevm.lio.processes import Process, with_arguments
from zonevm.lio.registry import DIRECTORY
from zonevm.patience import Patience

_PROGRAM = "tcmu-runner"
_OURS = DIRECTORY / _PROGRAM
_BUS = f"unix:path={_OURS / 'bus'}"
_BUS_CONFIG = _OURS / "bus.conf"
_SYSTEM_LOG = Path("/var/log/tcmu-runner.log")
_SYSTEM_BUS = Path("/run/dbus/system_bus_socket")
_READY_SECONDS = 60
_ANSWER_MILLISECONDS = 2000
_POLL_SECONDS = 0.1
_LAST_LINES = 15

# Who may connect is decided by the directory's mode; the bus carries nothing but tcmu-runner's own name.
_BUS_POLICY = f"""<busconfig>
  <type>system</type>
  <listen>{_BUS}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"""


def ensure() -> None:
    """Have a tcmu-runner that can take zoned disks; else :class:`HostError`, with the end of its log."""
    running = _running()
    if running is None:
        try:
            running = _start()
            _wait_until_ready(running)
        except BaseException:
            release()
            raise
    else:
        _wait_until_ready(running)


def release() -> None:
    """Stop the tcmu-runner that zonevm started, unless a backstore needs it."""
    if backstores.any_of("user"):
        return
    for process in (_ours(_PROGRAM, str(_OURS)), _ours("dbus-daemon", f"--config-file={_BUS_CONFIG}")):
        if process is not None:
            process.end()
    shutil.rmtree(_OURS, ignore_errors=True)


@contextmanager
def explained() -> Iterator[None]:
    """Add the end of tcmu-runner's log to an error in the block: LIO itself tells no more than a number."""
    try:
        yield
    except HostError as error:
        raise HostError(f"{error.message}{_log()}", error.hint) from error


def _start() -> Process:
    # Debian's package is called the same.
    program = find_program(_PROGRAM, "emulate the disk of a user:zbc backstore")
    environment = dict(os.environ)
    try:
        _OURS.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _answers(_SYSTEM_BUS):
            _start_bus()
            environment["DBUS_SYSTEM_BUS_ADDRESS"] = _BUS
        return _spawn([str(program), "-l", str(_OURS)], environment)
    except OSError as error:
        raise HostError(
            f"cannot start {program}: {error}", "It needs a /run that can be written to."
        ) from error


def _start_bus() -> None:
    program = find_program("dbus-daemon", "give tcmu-runner the D-Bus that it needs", "dbus-daemon")
    _BUS_CONFIG.write_text(_BUS_POLICY)
    process = _spawn(
        [str(program), "--nofork", "--nopidfile", f"--config-file={_BUS_CONFIG}"], dict(os.environ)
    )
    patience = Patience(_READY_SECONDS, process.pid)
    while not _answers(_OURS / "bus"):
        if not process.alive or patience.is_over():
            raise HostError(
                f"dbus-daemon, which tcmu-runner needs, did not start{_log()}", "Try: dbus-daemon --version"
            )
        time.sleep(_POLL_SECONDS)


def _spawn(arguments: list[str], environment: dict[str, str]) -> Process:
    """Start a daemon of our own, which Ctrl-C in this terminal does not reach."""
    with (_OURS / "output.log").open("ab") as log:
        process = subprocess.Popen(
            arguments,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # It is not waited for as a child is: it may outlive this process, and is ended as any other process.
    process.returncode = 0
    running = Process.of(process.pid)
    if running is None:
        raise HostError(f"{arguments[0]} ended at once{_log()}", "Start it by hand to see why.")
    return running


def _wait_until_ready(runner: Process) -> None:
    send = find_program("dbus-send", "ask tcmu-runner whether it is ready", "dbus-bin")
    private = (_OURS / "bus").exists()
    question = [
        str(send),
        f"--bus={_BUS}" if private else "--system",
        "--print-reply",
        f"--reply-timeout={_ANSWER_MILLISECONDS}",
        "--dest=org.kernel.TCMUService1",
        "/org/kernel/TCMUService1/zbc",
        "org.freedesktop.DBus.Properties.Get",
        "string:org.kernel.TCMUService1",
        "string:ConfigDesc",
    ]
    patience = Patience(_READY_SECONDS, runner.pid)
    while True:
        answer = subprocess.run(question, capture_output=True, text=True)
        if answer.returncode == 0:
            return
        if not runner.alive:
            raise HostError(
                f"tcmu-runner ended instead of getting ready{_log()}",
                "Start it by hand to see why: tcmu-runner -d",
            )
        if patience.is_over():
            raise HostError(
                f"tcmu-runner (process {runner.pid}) has no zbc handler on D-Bus after {_READY_SECONDS} s: "
                f"{answer.stderr.strip()}{_log()}",
                "It needs handler_file_zbc.so, and a D-Bus where it may own org.kernel.TCMUService1. "
                "Or stop it: zonevm starts one of its own.",
            )
        time.sleep(_POLL_SECONDS)


def _running() -> Process | None:
    return next((process for process, _ in with_arguments(_PROGRAM)), None)


def _ours(program: str, argument: str) -> Process | None:
    return next((process for process, arguments in with_arguments(program) if argument in arguments), None)


def _answers(bus: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(bus))
        except OSError:
            return False
    return True


def _log() -> str:
    """Return the ends of the daemon's logs, to be put behind a message."""
    own = [_OURS / "tcmu-runner.log", _OURS / "output.log"]
    texts = [path.read_text(errors="replace") for path in own if path.exists()] or [
        path.read_text(errors="replace") for path in [_SYSTEM_LOG] if os.access(path, os.R_OK)
    ]
    lines = [line for text in texts for line in text.strip().splitlines()[-_LAST_LINES:]]
    return "\nThe log of tcmu-runner ends with:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""
