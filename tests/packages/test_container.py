"""The Containerfile: its steps, on a bare Debian in the place of the image that it starts from."""

from __future__ import annotations

import re

import pytest

from tests.packages.bare import ON_DEBIAN_13, ROOT, run_in, wheel

pytestmark = pytest.mark.guest

USE = """
zonevm doctor vhost-user-scsi
zonevm run --disk smr,size=1G,zone-size=64M -- sh -c 'uname -r; cat /sys/block/sda/queue/zoned'
"""
COMMANDS = {"RUN": "", "COPY": "cp ", "ENV": "export "}
"""What an instruction is in a shell."""


def steps() -> str:
    """The instructions of the Containerfile as a shell has them, after those that choose its image."""
    lines = re.sub(r" *\\\n *", " ", (ROOT / "Containerfile").read_text()).splitlines()
    words = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    assert [word for word, _, _ in words] == ["ARG", "FROM", "RUN", "COPY", "RUN", "ENV", "RUN", "CMD"]
    return "\n".join(f"{COMMANDS[word]}{rest}" for word, _, rest in words[2:-1])


@pytest.mark.timeout(3600)
def test_a_guest_runs_after_its_steps() -> None:
    script = f"cat >build <<'EOF'\n{steps()}\n{USE}EOF\nsudo sh -e build\n"
    output = run_in("trixie", ON_DEBIAN_13, [wheel()], script)
    *lines, version, zoned = output.splitlines()
    assert any("vhost-user-scsi: works" in line for line in lines)
    assert re.fullmatch(r"6\.12\..*-amd64", version)
    assert zoned == "host-managed"
