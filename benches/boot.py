"""How long `zonevm run -- true` takes from start to exit, beside virtme-ng, same kernel, same accelerator.

Beside a bare boot, too: the kernel, an initramfs whose first program powers off, no device. All run in turn,
so that a machine whose speed drifts slows all of them; the ratios of each turn are what counts.
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

from zonevm import Guest
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


def bare_boot(image: Path) -> list[str]:
    """Return the command that boots what zonevm boots, to its first program."""
    argv = Guest(kernel=image, append="zonevm.probe").command()
    kept = ("-kernel", "-initrd", "-append", "-machine", "-accel", "-cpu")
    given = [word for name in kept for word in (name, argv[argv.index(name) + 1])]
    fixed = ("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "1024M")
    return [argv[0], *fixed, *given, "-serial", "null"]


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
    bare = bare_boot(kernel.image)
    accel = bare[bare.index("-accel") + 1].partition(",")[0]
    commands = {
        "zonevm": [str(beside / "zonevm"), "run", "--accel", accel, "--kernel", str(kernel.image)],
        "vng": [vng, *([] if accel == "kvm" else ["--disable-kvm"]), "--run", str(kernel.image)],
    }
    for argv in commands.values():
        argv += ["--cpus", "1", "--memory", "1G", "--", "true"]
    commands["bare boot"] = bare
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

    rows = dict(took)
    for name in ("vng", "bare boot"):
        pairs = zip(took["zonevm"], took[name], strict=True)
        rows[f"zonevm / {name}"] = [ours / theirs for ours, theirs in pairs]
    print(f"`run -- true` to exit, Linux {kernel.version}, {accel}, {options.runs} runs of each, seconds:")
    print(f"{'':20}{'min':>8}{'median':>8}{'max':>8}")
    for name, values in rows.items():
        print(f"{name:20}{min(values):8.2f}{statistics.median(values):8.2f}{max(values):8.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
