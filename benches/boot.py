"""How long `zonevm run -- true` takes from start to exit, beside virtme-ng, same kernel, same accelerator.

Both run in turn, so that a machine whose speed drifts slows both; the ratio of each pair is what counts.
Usage: boot.py [--runs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from zonevm.kernel import kernel as kernels

LIMIT = 180.0


def wall(argv: list[str], env: dict[str, str]) -> float:
    """Seconds that a command took; it must succeed."""
    start = time.perf_counter()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, env=env)
    took = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(
            f"{argv[0]} exited {done.returncode}:\n{(done.stdout + done.stderr).decode(errors='replace')}"
        )
    return took


def modules_in_place(release: str, modules: Path) -> Path | None:
    """Link the modules below /lib/modules, where virtme-ng looks; return the link, to be removed."""
    link = Path("/lib/modules") / release
    if link.exists():
        return None
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(modules)
    except PermissionError:
        sys.exit(f"virtme-ng needs {link}: as root, `ln -s {modules} {link}`, then again")
    return link


def main() -> None:
    """Measures, prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each, after one that is not (5)")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()

    beside = Path(sys.executable).parent
    vng = shutil.which("vng", path=f"{beside}:{os.environ['PATH']}")
    if vng is None:
        sys.exit("virtme-ng is not installed: `pip install virtme-ng`, or run `make bench`")
    kernel = kernels.find(None)
    if kernel.modules is None:
        sys.exit(f"kernel {kernel.image} has no modules: virtme-ng cannot boot it")
    link = modules_in_place(kernel.version, kernel.modules)
    env = os.environ | {"PATH": f"{beside}:{os.environ['PATH']}"}
    commands = {
        "zonevm": [str(beside / "zonevm"), "run", "--accel", "tcg", "--kernel", str(kernel.image)],
        "vng": [vng, "--disable-kvm", "--run", str(kernel.image)],
    }
    for argv in commands.values():
        argv += ["--cpus", "1", "--memory", "1G", "--", "true"]
    took: dict[str, list[float]] = {name: [] for name in commands}
    try:
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            for turn in range(options.runs + 1):
                for name, argv in commands.items():
                    seconds = wall(argv, env)
                    if turn > 0:
                        took[name].append(seconds)
    finally:
        if link is not None:
            link.unlink()

    ratios = [ours / theirs for ours, theirs in zip(took["zonevm"], took["vng"], strict=True)]
    rows = {**took, "zonevm / vng": ratios}
    print(
        f"`run -- true` to exit, Linux {kernel.version}, TCG, {options.runs} runs of each in turn, seconds:"
    )
    print(f"{'':16}{'min':>8}{'median':>8}{'max':>8}")
    for name, values in rows.items():
        print(f"{name:16}{min(values):8.2f}{statistics.median(values):8.2f}{max(values):8.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
