"""Reaches the agent of a guest that boots, and says why where it cannot. Starts nothing."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from zonevm.agent.client import Client
from zonevm.errors import GuestError, GuestTimeoutError, QemuError, ZonevmError
from zonevm.machine.machine import RunningMachine
from zonevm.patience import Patience

_STILL_SECONDS = 120
_WHOLE_SECONDS = 1200
_POLL_SECONDS = 0.1
_LAST_LINES = 15


def connect(path: Path) -> socket.socket:
    """Return a connection to the agent's port; QEMU has it as soon as it answers on its monitor."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise QemuError(f"cannot reach the guest's agent at {path}: {error.strerror}") from error
    return connection


def await_agent(machine: RunningMachine, client: Client, timeout: float | None) -> None:
    """Wait for the agent's hello, for ``timeout`` seconds.

    None: while the console goes on within two minutes, and for twenty in all, in which QEMU had a processor.
    Raises :class:`GuestTimeoutError`, and what :func:`lost` returns.
    """
    begun = time.monotonic()
    still = Patience(_STILL_SECONDS, machine.pid, sign=machine.console_size)
    whole = Patience(_WHOLE_SECONDS, machine.pid)
    while not client.wait_hello(_POLL_SECONDS):
        if not machine.alive:
            raise machine.failure()
        waited = time.monotonic() - begun
        if (still.is_over() or whole.is_over()) if timeout is None else waited > timeout:
            last = "\n".join(machine.console().rstrip().splitlines()[-_LAST_LINES:])
            raise GuestTimeoutError(
                f"the guest was not up after {timeout or waited:.3g} s; its last lines were:\n{last}",
                machine.where("console.log"),
            )
    if client.lost:
        raise lost(machine, client)


def lost(machine: RunningMachine, client: Client) -> ZonevmError:
    """Return the error that says why the agent's connection is gone."""
    if client.misbehaviour:
        return GuestError(
            f"the guest broke the agent's protocol: it sent {client.misbehaviour}",
            f"Something in the guest writes to the agent's port. {machine.where('console.log')}",
        )
    return machine.failure()
