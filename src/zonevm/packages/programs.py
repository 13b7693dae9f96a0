"""Has a program of unpacked packages run with their own libraries, whatever the host's are."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from zonevm.errors import PackageError

_PLACES = ("usr/bin", "usr/sbin", "bin", "sbin")
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib", "lib", "usr/lib64", "lib64")
_LOADERS = "usr/lib/zonevm"
_LOADER = "ld-linux-x86-64.so.2"


def install_wrapper(
    root: Path,
    program: str,
    wrapper: Path,
    *,
    arguments: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> None:
    """Write script ``wrapper``, which runs ``program`` of the packages in ``root`` with their libraries.

    The script is beside or above ``root`` and finds it from where it is, so both can be moved together;
    ``{root}`` in ``arguments``, given before the caller's, and in ``environment`` stands for it. Raises
    :class:`PackageError` for a program or a loader that the packages do not have.
    """
    binary = next((path for each in _PLACES if (path := root / each / program).is_file()), None)
    if binary is None:
        raise PackageError(f"the packages have no program {program}")
    loader = next((path for each in _LIBRARIES if (path := root / each / _LOADER).is_file()), None)
    if loader is None:
        raise PackageError(f"the packages have no {_LOADER}, which {program} needs", "Add libc6 to them.")
    named = root / _LOADERS / program  # a process is called after its file
    named.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(loader, named)
    named.chmod(0o755)
    libraries = ":".join(f"{{root}}/{each}" for each in _LIBRARIES if (root / each).is_dir())
    lines = [
        "#!/bin/sh",
        'here=$(dirname "$(readlink -f "$0")")',
        *(f"export {name}={_shell(value, root, wrapper)}" for name, value in (environment or {}).items()),
        f'exec {_shell(f"{{root}}/{named.relative_to(root)}", root, wrapper)} --argv0 "$0" '
        f"--library-path {_shell(libraries, root, wrapper)} "
        f"{_shell(f'{{root}}/{binary.relative_to(root)}', root, wrapper)} "
        + "".join(f"{_shell(argument, root, wrapper)} " for argument in arguments)
        + '"$@"',
    ]
    wrapper.write_text("\n".join(lines) + "\n")
    wrapper.chmod(0o755)


def _shell(text: str, root: Path, wrapper: Path) -> str:
    """Quote ``text`` for the shell, ``{root}`` in it relative to the script."""
    place = f'"$here"/{shlex.quote(os.path.relpath(root, wrapper.parent))}'
    return place.join(shlex.quote(part) if part else "" for part in text.split("{root}"))
