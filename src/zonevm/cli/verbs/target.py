"""``zonevm target``: kernel targets (LIO) that stay until they are removed."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from zonevm import lio
from zonevm.cli.options import PATH, json_option
from zonevm.cli.output import print_json, print_table, say
from zonevm.errors import HostError, UsageError
from zonevm.units import parse_size

_COLUMNS = ("NAME", "BACKSTORE", "SOURCE", "FABRIC", "WWN", "DEVICE", "LIVES FOR")


@click.group()
def target() -> None:
    """Make and remove kernel targets (LIO). Needs root.

    Targets that zonevm did not make are never touched.
    """


@target.command()
@click.option(
    "--backstore", type=click.Choice(["pscsi", "user:zbc"]), required=True, help="What the target exports."
)
@click.option("--dev", type=PATH, metavar="NODE", help="pscsi: the SCSI disk's node.")
@click.option("--cfgstring", metavar="TEXT", help="user:zbc: [option/option...@]/path of the image.")
@click.option("--size", metavar="SIZE", help="user:zbc: capacity of a new image.")
@click.option("--reinitialise", is_flag=True, help="user:zbc: empty all zones of an existing image.")
@click.option(
    "--fabric",
    type=click.Choice(["vhost", "loopback"]),
    required=True,
    help="Where the disk goes: to a guest (vhost) or to this host (loopback).",
)
@click.option("--wwn", metavar="WWN", help="World wide name, naa.5...  [a random one]")
@click.option("--name", metavar="NAME", help="Name for the other verbs.  [a random one]")
@click.option("--dry-run", is_flag=True, help="Print the commands that do the same by hand, and run nothing.")
def create(
    *,
    backstore: str,
    dev: Path | None,
    cfgstring: str | None,
    size: str | None,
    reinitialise: bool,
    fabric: str,
    wwn: str | None,
    name: str | None,
    dry_run: bool,
) -> None:
    """Make a target that stays until it is removed or the host restarts.

    Prints its name, its WWN and how to reach its disk: the QEMU argument, or the disk's node on this host.

    \b
    zonevm target create --backstore pscsi --dev /dev/sdf --fabric vhost
    zonevm target create --backstore user:zbc --size 20G \\
        --cfgstring model-HM/zsize-256/conv-10@/var/local/zbc0.raw --fabric loopback

    To open an existing image, give its path alone, --cfgstring /var/local/zbc0.raw: its zones keep their
    state. With options in the string it would be emptied, which needs --reinitialise.
    """
    if backstore == "pscsi":
        _check_pscsi(dev, cfgstring=cfgstring, size=size, reinitialise=reinitialise)
        assert dev is not None
        made: lio.Backstore = lio.Pscsi.plan(dev)
    else:
        made = _user_zbc(dev, cfgstring, size, reinitialise)
    spec = lio.TargetSpec(name or secrets.token_hex(3), made, fabric, wwn or lio.random_wwn())
    if dry_run:
        for command in (*spec.by_hand(), "# and to undo it:", *spec.undo_by_hand()):
            click.echo(command)
        return
    device = lio.create(spec, stays=True)
    click.echo(f"name    {spec.name}")
    click.echo(f"wwpn    {spec.wwn}")
    if device is not None:
        click.echo(f"device  {device}")
    else:
        click.echo(f"qemu    -device vhost-scsi-pci,wwpn={spec.wwn}")


@target.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the targets that zonevm made. Does not need root."""
    records = lio.records()
    if as_json:
        print_json([_as_dict(record) for record in records])
    elif records:
        print_table([_COLUMNS, *(_row(record) for record in records)])
    else:
        say("there is no target that zonevm made on this host")


@target.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the target NAME. Its image keeps its data and the state of its zones."""
    lio.remove(name)


@target.command()
def gc() -> None:
    """Remove what zonevm processes that were killed have left behind. Prints the targets' names.

    Targets made by `zonevm target create` stay, and so do those of processes that run.
    """
    collected = lio.gc()
    for name in collected.removed:
        click.echo(name)
    for name, error in collected.left.items():
        say(f"{name} stays: {error.message}", error.hint)
    if collected.left:
        raise HostError(f"{len(collected.left)} targets could not be removed", "Try again later.")


def _check_pscsi(dev: Path | None, **others: object) -> None:
    if dev is None:
        raise UsageError("--backstore pscsi needs --dev", "Give the disk's node, such as --dev /dev/sdf.")
    for option, value in others.items():
        if value:
            raise UsageError(f"--{option} does not apply to --backstore pscsi", f"Leave out --{option}.")


def _user_zbc(dev: Path | None, cfgstring: str | None, size: str | None, reinitialise: bool) -> lio.UserZbc:
    if dev is not None:
        raise UsageError("--dev does not apply to --backstore user:zbc", "Its disk is a file: --cfgstring.")
    if cfgstring is None:
        raise UsageError("--backstore user:zbc needs --cfgstring", "Give at least /path/of/the/image.")
    config = lio.ZbcConfig.parse(cfgstring)
    return lio.UserZbc.plan(config, None if size is None else parse_size(size), reinitialise=reinitialise)


def _row(record: lio.Record) -> tuple[str, ...]:
    device = lio.device_of(record)
    return (
        record.name,
        record.kind,
        record.source,
        record.fabric,
        record.wwn,
        str(device) if device else "-",
        _lives_for(record),
    )


def _lives_for(record: lio.Record) -> str:
    if record.owner is None:
        return "ever"
    return f"process {record.owner.pid}" + (" (ended: see gc)" if record.abandoned else "")


def _as_dict(record: lio.Record) -> dict[str, object]:
    device = lio.device_of(record)
    return {
        "name": record.name,
        "backstore": record.kind,
        "source": record.source,
        "fabric": record.fabric,
        "wwn": record.wwn,
        "device": device and str(device),
        "pid": record.owner and record.owner.pid,
        "abandoned": record.abandoned,
    }
