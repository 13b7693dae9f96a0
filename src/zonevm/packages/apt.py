"""Asks apt for packages: by the host's own configuration, or by a private one for other suites.

A private configuration has its sources, lists, cache and state in zonevm's cache directory and an empty list
of installed packages. Of the host's it takes how to reach the network (``Acquire``), not its hooks.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zonevm.errors import PackageError
from zonevm.host import cache_dir, find_program
from zonevm.packages.archive import Archive, find_archive, suites_there
from zonevm.packages.entry import cannot_write
from zonevm.packages.process import CommandFailedError, run
from zonevm.packages.watch import Progress, Watch
from zonevm.units import about_size

Note = Callable[[str], None]
"""Is told in words what is begun."""

_POCKET = re.compile(r"(.+)-(?:backports(?:-sloppy)?|updates|security|proposed(?:-updates)?)")
_SUITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+/_-]*")
_INDEX = "pkgcache.bin"
_LISTS = 128 * 2**20
"""What lists and their index need at most; `apt-get update` hangs where the disk is full."""
_NEEDS = "get packages; zonevm gets them as Debian and Ubuntu do"


class Apt:
    """apt with one configuration: :meth:`of_host` or :meth:`of_suite`."""

    def __init__(self, name: str, config: Path | None = None, suite: str | None = None) -> None:
        """``name`` stands in messages for where the packages come from; ``config`` is for APT_CONFIG."""
        self.name = name
        self._environment = {"APT_CONFIG": str(config)} if config else {}
        self._suite = suite

    @classmethod
    def of_host(cls) -> Apt:
        """Return apt as the host has it, with the lists that it has."""
        return cls("apt")

    @classmethod
    @contextmanager
    def of_suite(
        cls, suite: str, mirror: str | None = None, *, alone: bool = False, note: Note = lambda _: None
    ) -> Iterator[Apt]:
        """Give apt with the newest lists of ``suite`` and, unless it is ``alone``, of the one it adds to.

        One process at a time has a suite's configuration. Raises :class:`HostError` where a tool is missing,
        and :class:`PackageError` where the archive, the keys or the suite cannot be had.
        """
        if not _SUITE.fullmatch(suite):
            raise PackageError(
                f"{suite!r} is not the name of a suite", "One is trixie-backports, another sid."
            )
        archive = find_archive(mirror)
        suites = (suite,) if alone else _with_base(suite)
        key = hashlib.sha256(f"{archive} {suites}".encode()).hexdigest()[:8]
        root = cache_dir() / "apt" / f"{suite.replace('/', '_')}-{key}"
        with _held(root):
            try:
                config = _configure(root, archive, suites)
            except OSError as error:
                raise cannot_write(root, error) from error
            apt = cls(f"{suite} of {archive.mirror}", config, suite)
            note(f"asking {archive.mirror} for the packages of {' and '.join(suites)}")
            try:
                apt._update(root, archive)
                yield apt
            finally:
                (root / _INDEX).unlink(missing_ok=True)  # is large, and made anew in seconds

    def names(self, pattern: str) -> list[str]:
        """Return the names of packages that match a regular expression (apt-cache(8)), sorted."""
        program = find_program("apt-cache", _NEEDS, "apt")
        answer = self._run([program, "search", "--names-only", pattern], "apt cannot search its lists")
        return sorted({line.split()[0] for line in answer.splitlines()})

    def depends(self, package: str) -> list[str]:
        """Return the names that the newest ``package`` depends on, alternatives and virtual ones too."""
        program = find_program("apt-cache", _NEEDS, "apt")
        answer = self._run([program, "depends", "--important", package], f"apt does not know {package}")
        return re.findall(r"^ [ |](?:Pre)?Depends: <?([^<>\s]+)", answer, re.MULTILINE)

    def closure(self, packages: Sequence[str]) -> list[str]:
        """Return ``packages`` and all that they need, to the C library, as ``name=version``.

        Raises :class:`PackageError` for a package that is not there.
        """
        lines = self._uris(["install", "--no-install-recommends", *self._target(), *packages], packages)
        # 'URL' NAME_VERSION_ARCH.deb SIZE HASH, with ':' of versions as %3a
        files = (line.split()[1].split("_") for line in lines)
        return [f"{name}={version.replace('%3a', ':')}" for name, version, _ in files]

    def download(self, packages: Sequence[str], directory: Path, progress: Progress | None) -> list[Path]:
        """Download ``packages`` (names, or ``name=version``) into ``directory`` and return their files."""
        command = ["download", *self._target(), *packages]
        total = sum(int(line.split()[2]) for line in self._uris(command, packages))
        _check_room(directory, total)
        with Watch(directory, total, progress):
            self._run([self._get(), *self._root_writes(), *command], "apt could not download", directory)
        return sorted(directory.glob("*.deb"))

    def _update(self, root: Path, archive: Archive) -> None:
        complete = root / "complete"
        try:
            _check_room(root, _LISTS)
            self._run([self._get(), "update"], f"apt cannot get the lists of {self.name}")
            complete.touch()
        except CommandFailedError as error:
            if "does not have a Release file" in error.output:
                raise _no_such_suite(self._suite, archive) from None
            raise
        finally:
            if not complete.exists():
                shutil.rmtree(root, ignore_errors=True)

    def _uris(self, command: list[str], packages: Sequence[str]) -> list[str]:
        failure = f"{self.name} cannot give {' '.join(packages[:4])}"
        try:
            answer = self._run([self._get(), "-y", "--print-uris", *command], failure)
        except CommandFailedError as error:
            absent = re.search(
                r"Unable to locate package (\S+)|(?:Package|package) '?([^' ]+)'? has no|"
                r"Can't select candidate version from package (\S+)",
                error.output,
            )
            if absent:
                name = next(group for group in absent.groups() if group)
                raise PackageError(
                    f"there is no package {name} in {self.name}", "Name another suite with --suite."
                ) from None
            raise
        return [line for line in answer.splitlines() if line.startswith("'")]

    def _target(self) -> list[str]:
        return ["-t", self._suite] if self._suite else []

    def _root_writes(self) -> list[str]:
        # By default root's downloads go through the user _apt, who cannot write here.
        return ["-o", "APT::Sandbox::User=root"]

    def _get(self) -> Path:
        return find_program("apt-get", _NEEDS, "apt")

    def _run(self, command: Sequence[str | Path], failure: str, directory: Path | None = None) -> str:
        return run(command, failure, directory, self._environment)


def _with_base(suite: str) -> tuple[str, ...]:
    """Return ``suite`` and the one that its packages need: backports are added to a release."""
    if suite in ("experimental", "rc-buggy"):
        return ("unstable", suite)
    pocket = _POCKET.fullmatch(suite)
    return (pocket[1], suite) if pocket else (suite,)


@contextmanager
def _held(root: Path) -> Iterator[None]:
    """Have no other process use configuration ``root`` meanwhile."""
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        lock = root.with_name(f"{root.name}.lock").open("w")
    except OSError as error:
        raise cannot_write(root.parent, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _configure(root: Path, archive: Archive, suites: Sequence[str]) -> Path:
    (root / "lists/partial").mkdir(parents=True, exist_ok=True)
    (root / "archives/partial").mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    keys = ",".join(str(path) for path in archive.keyrings)
    sources = [f"deb [signed-by={keys}] {archive.mirror} {suite} main\n" for suite in suites]
    (root / "sources.list").write_text("".join(sources))
    settings = {
        **{f"Dir::Etc::{each}": "/dev/null" for each in ("parts", "main", "sourceparts")},
        **{f"Dir::Etc::{each}": "/dev/null" for each in ("preferences", "preferencesparts")},
        "Dir::Etc::sourcelist": f"{root}/sources.list",
        **{"Dir::State": str(root), "Dir::State::lists": f"{root}/lists", "Dir::Cache": str(root)},
        **{"Dir::State::status": f"{root}/status", "Dir::Cache::archives": f"{root}/archives"},
        **{"Dir::Cache::pkgcache": _INDEX, "Dir::Cache::srcpkgcache": "", "Dir::Log": str(root)},
        **{"APT::Architecture": "amd64", "APT::Architectures": "amd64", "APT::Sandbox::User": "root"},
        "APT::Update::Error-Mode": "any",
        **{"Acquire::Check-Valid-Until": "false", "Acquire::GzipIndexes": "true"},
        "Acquire::Languages": "none",
    }
    program = find_program("apt-config", _NEEDS, "apt")
    dump = run([program, "dump"], "apt does not tell its configuration").splitlines()
    network = [line for line in dump if line.startswith("Acquire::") and "IndexTargets" not in line]
    config = root / "apt.conf"
    config.touch(0o600)  # a proxy's address may have a password in it
    lines = [
        *network,
        "#clear Acquire::Languages;",
        *(f'{key} "{value}";' for key, value in settings.items()),
    ]
    config.write_text("\n".join(lines) + "\n")
    return config


def _no_such_suite(suite: str | None, archive: Archive) -> PackageError:
    there = suites_there(archive, archive.suites)
    names = [alias if alias == codename else f"{alias} ({codename})" for alias, codename in there.items()]
    known = ", ".join(names) or "none that could be found"
    return PackageError(f"there is no suite {suite!r} at {archive.mirror}; there are: {known}")


def _check_room(directory: Path, size: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < size:
        raise PackageError(
            f"{cache_dir()} has {about_size(free)} free; the download needs {about_size(size)}",
            "Make room there, or keep zonevm's cache elsewhere with XDG_CACHE_HOME.",
        )
