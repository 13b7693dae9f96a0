"""Which of the host's environment variables a command in the guest gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

HOST_ONLY = frozenset(
    {
        "DBUS_SESSION_BUS_ADDRESS",
        "DBUS_SYSTEM_BUS_ADDRESS",
        "DISPLAY",
        "NOTIFY_SOCKET",
        "SSH_AGENT_PID",
        "SSH_AUTH_SOCK",
        "TMUX",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "XDG_RUNTIME_DIR",
    }
)
"""Variables that point at something of the host that the guest does not have."""

_PROGRAMS = Path(__file__).with_name("bin")
_SYSTEM_DIRS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def guest_environment(host: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of ``host`` that go along, with more directories added to PATH.

    These are the administrator's, and that of programs which zonevm has for guests.

    Commands in the guest are root's, so USER and LOGNAME say so.
    """
    environment = {name: value for name, value in host.items() if name not in HOST_ONLY}
    path = [directory for directory in host.get("PATH", "").split(":") if directory]
    path += [directory for directory in _SYSTEM_DIRS if directory not in path]
    path.append(str(_PROGRAMS))
    return {**environment, "PATH": ":".join(path), "USER": "root", "LOGNAME": "root"}
