"""The options of ``zonevm run``, by what they are for; and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import click
from click.core import ParameterSource

from zonevm.cli.observation import Observation
from zonevm.cli.options import PATH, Seconds, names, option
from zonevm.cli.pulling import qemu_attributes
from zonevm.errors import UsageError
from zonevm.guest.image_guest import FIRMWARES

_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_SECONDS = Seconds()


@dataclass(frozen=True)
class Disks:
    """What disks the guest has."""

    title: ClassVar[str] = "Disks"

    disks: tuple[str, ...] = option(
        "--disk", multiple=True, metavar="DISK", help="A disk: smr,size=20G, zns,size=8G, /dev/sdf, ..."
    )


@dataclass(frozen=True)
class Hardware:
    """What QEMU makes beside the disks, for every guest."""

    title: ClassVar[str] = "Machine"

    memory: str = option(
        "--memory", default="1G", metavar="SIZE", show_default=True, help="Memory of the guest."
    )
    cpus: int | None = option(
        "--cpus",
        type=click.IntRange(1),
        help="Processors of the guest. [KVM: the host's, at most 4; TCG: 1]",
    )
    net: str | None = option(
        "--net", type=click.Choice(["user"]), help="A network for the guest, through the host."
    )
    qemu: str | None = option("--qemu", **qemu_attributes("Another QEMU"))
    qemu_args: tuple[str, ...] = option(
        "--qemu-arg", multiple=True, metavar="ARG", help="Pass one more argument to QEMU."
    )
    accel: str = option(
        "--accel", type=click.Choice(["auto", "kvm", "tcg"]), default="auto", show_default=True
    )


@dataclass(frozen=True)
class Boot:
    """What only guests have whose kernel zonevm boots."""

    title: ClassVar[str] = "Kernel and files"

    kernel: str | None = option(
        "--kernel",
        metavar="KERNEL",
        help="A bzImage, a build tree or a version. [the host's, else pulled]",
    )
    append: str = option(
        "--append", default="", metavar="TEXT", help="Add this to the kernel's command line."
    )
    rwdirs: tuple[Path, ...] = option(
        "--rwdir", multiple=True, type=_DIRECTORY, help="A directory that the guest may write to."
    )
    udev: bool = option("--udev", is_flag=True, help="Start the host's udevd in the guest.")
    qmp: Path | None = option(
        "--qmp", type=PATH, metavar="PATH", help="Make a QMP socket here, by which you can add disks."
    )
    boot_timeout: float | None = option(
        "--boot-timeout",
        type=_SECONDS,
        metavar="SECONDS",
        help="Give up on a guest that is not up by then; exit code 124. "
        "[once its console has been silent for long]",
    )


@dataclass(frozen=True)
class Execution:
    """How the command is run in such a guest."""

    title: ClassVar[str] = "Command"

    timeout: float | None = option(
        "--timeout", type=_SECONDS, metavar="SECONDS", help="Kill the command after this long; exit code 124."
    )
    verify: bool = option(
        "--verify", is_flag=True, help="First check that the guest sees the disks as you asked for them."
    )


@dataclass(frozen=True)
class SystemImage:
    """A guest that is an installed system instead."""

    title: ClassVar[str] = "System image"

    image: Path | None = option(
        "--image",
        type=PATH,
        metavar="FILE",
        help="Boot this system image, with its console here.",
    )
    image_write: bool = option("--image-write", is_flag=True, help="Keep what the guest writes to the image.")
    firmware: str = option(
        "--firmware", type=click.Choice(FIRMWARES), default="bios", help="What boots the image. [bios]"
    )
    ssh_port: int | None = option(
        "--ssh-port",
        type=int,
        metavar="PORT",
        help="Forward this port of the host to the guest's SSH.",
    )


@dataclass(frozen=True)
class Output:
    """What is told of the run, or printed in its place."""

    title: ClassVar[str] = "Output"

    record: Path | None = option("--json", type=PATH, help="Write the outcome of the run to this file.")
    timing: bool = option("--timing", is_flag=True, help="Say at the end how long what took.")
    verbose: bool = option("-v", "--verbose", is_flag=True, help="Say what is being done.")
    dry_run: bool = option(
        "--dry-run", is_flag=True, help="Print the commands that do the same by hand, and run nothing."
    )
    export: str | None = option(
        "--export",
        type=click.Choice(["libvirt"]),
        help="Print the XML of a libvirt domain instead.",
    )


_OWN = ("command", *names(Boot), *names(Execution))
_IMAGES = tuple(name for name in names(SystemImage) if name != "image")
_RUNS = ("command", *names(Observation), *names(Execution), "record", "timing", "dry_run", "ssh_port")


def refuse_misplaced(context: click.Context) -> None:
    """Raise :class:`UsageError` for an option, or a command, that means nothing in this run."""
    given = context.params
    if given["image"] is not None:
        _refuse(
            context,
            _OWN,
            "is not for a system image (--image)",
            "Leave it out, and do that on the image's console.",
        )
    else:
        _refuse(context, _IMAGES, "is for a system image only", "Add the image: --image FILE.")
    if given["export"]:
        _refuse(context, _RUNS, "is of no use with --export, which runs nothing", "Leave it out.")
        if given["image"] is None:
            _refuse(context, _OWN, "cannot be part of a domain", "A domain boots a system image: --image.")


def _refuse(context: click.Context, names: tuple[str, ...], why: str, hint: str) -> None:
    for parameter in context.command.params:
        name = parameter.name
        if name in names and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            if isinstance(parameter, click.Argument) and not context.params[name]:
                continue
            shown = "a command" if isinstance(parameter, click.Argument) else parameter.opts[0]
            raise UsageError(f"{shown} {why}", hint)
