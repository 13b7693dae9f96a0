"""Finds the distribution's archive: its mirror and keys, from the host's own apt sources or a setting.

Reads only. Apt itself makes sense of the host's sources, in whichever format they are.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import PackageError
from zonevm.host import find_program
from zonevm.packages.process import run

MIRROR_SETTING = "ZONEVM_MIRROR"
"""The environment variable that names a mirror, where no option does."""

_KEYRINGS = Path("/usr/share/keyrings")
_ARCHIVE_KEYRINGS = ("debian-archive-keyring.gpg", "ubuntu-archive-keyring.gpg")
_TRUSTED = Path("/etc/apt/trusted.gpg.d")
_NAME_ONE = f"Name a mirror with --mirror URL or {MIRROR_SETTING}."
_URL = re.compile(r"[a-z][a-z0-9+]*:/\S+")
_NEEDS = "get packages of a Debian archive (Fedora and Arch have it as a package too)"
_DEBIAN_SUITES = (
    *("oldstable", "oldstable-backports", "stable", "stable-backports"),
    *("testing", "unstable", "experimental"),
)
_DEBIAN_NEWEST = ("stable-backports", "testing", "unstable")
_HELPER = Path("/usr/lib/apt/apt-helper")
_ALIASES = frozenset({"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid"})


@dataclass(frozen=True)
class Source:
    """One release and component of the host's apt sources; ``entry`` is the file and its line or stanza."""

    release: str
    component: str
    url: str
    entry: str


@dataclass(frozen=True)
class Archive:
    """A mirror of a distribution's archive, the keyrings that verify it, and suites it probably has.

    ``newest`` are those of them with the newest packages that were meant to be released.
    """

    mirror: str
    keyrings: tuple[Path, ...]
    suites: tuple[str, ...]
    newest: tuple[str, ...]


def find_archive(mirror: str | None = None) -> Archive:
    """Return the archive at URL ``mirror``, at that of the setting, or the one the host's apt sources name.

    Raises :class:`HostError` where apt or dpkg is missing, and :class:`PackageError` where there is no
    mirror or no keyring.
    """
    for program, package in (("apt-get", "apt"), ("dpkg-deb", "dpkg")):
        find_program(program, _NEEDS, package)
    release = _os_release()
    codename = release.get("UBUNTU_CODENAME") or release.get("VERSION_CODENAME", "")
    source = choose_source(_host_sources(), codename)
    url = mirror or os.environ.get(MIRROR_SETTING) or (source.url if source else None)
    if url is None:
        raise PackageError("the apt sources of this host name no archive of a distribution", _NAME_ONE)
    if not _URL.fullmatch(url):
        raise PackageError(
            f"{url!r} is not the URL of a mirror", "Give it as apt's sources have it: http://..."
        )
    keyrings = _keyrings(source)
    if not keyrings:
        raise PackageError(
            f"no keyring verifies an archive: none of {', '.join(_ARCHIVE_KEYRINGS)} is in {_KEYRINGS}",
            "Install the package debian-archive-keyring.",
        )
    return Archive(url.rstrip("/"), keyrings, *_suites(release, codename))


def suites_there(archive: Archive, names: Iterable[str]) -> dict[str, str]:
    """Return those of the suites ``names`` that ``archive`` has, each with its code name."""
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "InRelease"
        for name in names:
            url = f"{archive.mirror}/dists/{name}/InRelease"
            try:
                run([_HELPER, "-o", "APT::Sandbox::User=root", "download-file", url, file], "no such suite")
            except PackageError:
                continue
            codename = re.search(r"^Codename: (\S+)", file.read_text(errors="replace"), re.MULTILINE)
            found[name] = codename[1] if codename else name
            file.unlink()
    return found


def choose_source(sources: Iterable[Source], codename: str) -> Source | None:
    """Return the source of release ``codename`` that is the distribution's own archive, or None.

    Others may have a release of that name. The archive has the release's updates too, and a URL that ends in
    the distribution's name, as a rule.
    """
    found = [each for each in sources if not each.url.startswith("cdrom:")]
    names = {codename, *_ALIASES}
    releases = Counter(each.url for each in found if each.release.partition("-")[0] in names)

    def rank(source: Source) -> tuple[bool, int]:
        return source.url.rstrip("/").endswith(("/debian", "/ubuntu")), releases[source.url]

    candidates = [each for each in found if each.release in names and each.component == "main"]
    return max(candidates, key=rank, default=None)


def signed_by(entry: str) -> tuple[Path, ...]:
    """Return the keyrings that an entry of apt's sources names, ``FILE:NUMBER`` (sources.list(5))."""
    name, _, number = entry.rpartition(":")
    try:
        lines = Path(name).read_text(errors="replace").splitlines()
    except OSError:
        return ()
    if not name.endswith(".sources"):
        option = re.search(r"\[[^]]*signed-by=([^]\s]*)", lines[int(number) - 1])
        words = option[1].split(",") if option else []
    else:
        text = "\n".join(line for line in lines if not line.startswith("#"))
        stanza = [each for each in re.split(r"\n\s*\n", text) if each.strip()][int(number) - 1]
        field = re.search(r"(?im)^signed-by:(.*(?:\n[ \t].*)*)", stanza)
        words = field[1].split() if field else []
    return tuple(Path(word) for word in words if word.startswith("/"))


def _host_sources() -> list[Source]:
    done = subprocess.run(
        [
            *(find_program("apt-get", _NEEDS, "apt"), "indextargets", "--no-release-info"),
            *("--format", "$(RELEASE) $(COMPONENT) $(REPO_URI) $(SOURCESENTRY)", "Created-By: Packages"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    rows = (line.split(maxsplit=3) for line in done.stdout.splitlines())
    return [Source(*row) for row in rows if len(row) == 4]


def _os_release() -> Mapping[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _suites(release: Mapping[str, str], codename: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the suites that an archive has, as a rule, and those of them with the newest packages."""
    if "ubuntu" in (release.get("ID"), *release.get("ID_LIKE", "").split()):
        newest = (*(f"{codename}-{pocket}" for pocket in ("updates", "security", "backports")), "devel")
        return (codename, *newest), newest
    return _DEBIAN_SUITES, _DEBIAN_NEWEST


def _keyrings(source: Source | None) -> tuple[Path, ...]:
    """Return what the host verifies ``source`` with, and the distributions' own keyrings for other suites."""
    named = signed_by(source.entry) if source else ()
    if source and not named:
        named = tuple(sorted(path for path in _TRUSTED.glob("*") if path.suffix in (".gpg", ".asc")))
    own = [_KEYRINGS / name for name in _ARCHIVE_KEYRINGS]
    return tuple(dict.fromkeys(path for path in (*own, *named) if os.access(path, os.R_OK)))
