"""The wheel: what is in it, and that it works on the Debians it is for, for a user without root."""

from __future__ import annotations

import json
import re
import zipfile

import pytest

from tests.packages.bare import ON_DEBIAN_13, PACKAGES, ROOT, run_in, wheel

pytestmark = pytest.mark.guest

INSTALL = """
python3 -m venv zonevm
. zonevm/bin/activate
pip install --quiet dist/zonevm-*.whl
"""
USE = """
zonevm doctor vhost-user-scsi >doctor.txt || { cat doctor.txt; exit 1; }
head -n 1 doctor.txt
zonevm kernel list
zonevm run --disk smr,size=1G,zone-size=64M -- sh -c 'uname -r; cat /sys/block/sda/queue/zoned'
"""
EXTRAS = """
MANWIDTH=80 man zonevm | grep '^zonevm disk create'
bash -c '. zonevm/share/bash-completion/completions/zonevm; complete -p zonevm'
head -n 1 zonevm/share/zsh/site-functions/_zonevm
grep -o -- '--command zonevm' zonevm/share/fish/vendor_completions.d/zonevm.fish
"""


def test_it_says_what_it_is_made_of() -> None:
    assert wheel().name.endswith("-cp311-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl")
    with zipfile.ZipFile(wheel()) as archive:
        inside = {name.partition("/")[2]: name for name in archive.namelist()}
        materials = [
            {each["name"] for each in json.loads(archive.read(name))["components"]}
            for short, name in inside.items()
            if short.startswith("sboms/")
        ]
        notice = archive.read(inside["licenses/NOTICE"]).decode()
        assert archive.getinfo("zonevm/kernel/zonevm-init").external_attr >> 16 & 0o111
    assert any({"pyo3", "vhost"} <= each for each in materials)
    assert any({"glibc", "rustix"} <= each for each in materials)
    named = set(re.findall(r"^  ([\w-]+): ", notice, re.MULTILINE))
    assert named <= set.union(*materials)


@pytest.mark.timeout(1800)
def test_it_runs_the_kernel_that_debian_12_has() -> None:
    packages = (*PACKAGES, "linux-image-amd64")
    doctor, *_, version, zoned = run_in("bookworm", packages, [wheel()], INSTALL + USE).splitlines()
    assert "vhost-user-scsi: works" in doctor
    assert re.fullmatch(r"6\.1\..*-amd64", version)
    assert zoned == "host-managed"


@pytest.mark.timeout(1800)
def test_it_runs_a_kernel_that_it_pulled_on_debian_13() -> None:
    script = INSTALL + "sudo apt-get update -qq; zonevm kernel pull\n" + USE + EXTRAS
    output = run_in("trixie", ON_DEBIAN_13, [wheel()], script).splitlines()
    *_, version, zoned, man, bash, zsh, fish = output
    assert any("vhost-user-scsi: works" in line for line in output)
    assert re.fullmatch(r"6\.12\..*-amd64", version)
    assert zoned == "host-managed"
    assert man == "zonevm disk create"
    assert bash.endswith("_zonevm_completion zonevm")
    assert zsh == "#compdef zonevm"
    assert fish == "--command zonevm"


@pytest.mark.timeout(1800)
def test_the_steps_of_the_github_job_go_well() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    (job,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^ +(?:- )?run: (?:\|\n((?: {10}.*\n)+)|(.+\n))", job, re.MULTILINE)
    steps = "".join(block or line for block, line in blocks)
    assert "zonevm doctor" in steps
    job_of_root = f"""
mv dist ci
printf '#!/bin/sh\\ncat /sys/block/sda/queue/zoned\\n' >test
chmod +x test
cat >job <<'EOF'
PATH=/opt/zonevm/bin:$PATH
{steps}
EOF
sudo env WHEEL=ci/{wheel().name} GITHUB_PATH=/dev/null sh -e job
"""
    output = run_in("trixie", ON_DEBIAN_13, [wheel()], job_of_root).splitlines()
    assert output[-1] == "host-managed"
