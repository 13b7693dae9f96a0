"""``zonevm disk bench``: what a device of a timing profile would make of a load, in virtual time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from zonevm import images, timing
from zonevm.cli.options import PATH, Seconds, image_argument, json_option
from zonevm.cli.output import print_json, print_table, say
from zonevm.cli.verbs.disk.title import require_zones
from zonevm.outputs import Draft, Named
from zonevm.outputs import check as check_outputs


@click.command()
@image_argument
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option(
    "--profile",
    required=True,
    metavar="NAME|FILE.toml",
    help=f"The device: {', '.join(timing.PROFILES)}, or a TOML file with its parameters.",
)
@click.option("--time", "seconds", type=Seconds(), default=10, show_default=True, help="Virtual seconds.")
@click.option(
    "--ramp", type=click.FloatRange(0), default=0, show_default=True, help="Of these, how many do not count."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Where chance comes from.")
@click.option("--trace", "trace", type=PATH, help="Write every command to this CSV file.")
@json_option
def bench(
    file: Path,
    jobs: tuple[str, ...],
    *,
    profile: str,
    seconds: float,
    ramp: float,
    seed: int,
    trace: Path | None,
    as_json: bool,
) -> None:
    """Tell how long commands would take on a device like that in image FILE, without a guest.

    All JOBs run at a time, each a kind of command and options: randread,block=256K,depth=16 or
    write,block=128K,streams=4. The model of the device has its own clock, so nothing waits. FILE gives the
    zones and what is written of them, and is not changed. The same seed gives the same commands at the same
    times.
    """
    device = timing.load(profile)
    parsed = [timing.parse(job) for job in jobs]
    image = images.info(file)
    require_zones(file, image)
    if trace is not None:
        check_outputs([Named("--trace", trace)], [Named("the image", file)])
    with _told(trace) as told:
        outcomes = timing.run(
            device, timing.Medium.of(image), parsed, seconds=seconds, ramp=ramp, seed=seed, told=told
        )
    if as_json:
        print_json([_as_dict(outcome) for outcome in outcomes])
        return
    names = ("job", "commands/s", "MB/s", "mean", "p50", "p99", "queued", "resets")
    print_table([names, *map(_row, outcomes)])


@contextmanager
def _told(trace: Path | None) -> Iterator[Callable[[timing.Command], object] | None]:
    """Yield what writes commands to the file of that name, which is there at the end only."""
    if trace is None:
        yield None
        return
    with Draft(trace) as draft:
        text = io.TextIOWrapper(draft.file, encoding="ascii", newline="\n", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(timing.Command._fields)
        yield writer.writerow
        text.detach()
        draft.publish()
    say(f"wrote the commands to {trace}")


def _as_dict(outcome: timing.Outcome) -> dict[str, Any]:
    return asdict(outcome) | {"iops": outcome.iops, "mb_s": outcome.mb_s}


def _row(outcome: timing.Outcome) -> tuple[str, ...]:
    times = (outcome.mean_us, outcome.p50_us, outcome.p99_us, outcome.queued_us)
    return (
        outcome.job,
        f"{outcome.iops:.1f}" if outcome.iops < 1000 else f"{outcome.iops:.0f}",
        f"{outcome.mb_s:.1f}",
        *map(_time, times),
        str(outcome.resets),
    )


def _time(microseconds: float) -> str:
    return f"{microseconds:.1f} us" if microseconds < 1000 else f"{microseconds / 1000:.2f} ms"
