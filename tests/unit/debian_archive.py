"""A small archive of Debian packages, signed with a key of its own, as apt wants it: for tests of pulls."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Fill = Callable[[Path], object]
"""Puts a package's files below a directory."""


@dataclass
class DebianArchive:
    """An archive in directory ``root``; ``keyring`` verifies it, which apt is to be told."""

    root: Path

    def __post_init__(self) -> None:
        self._home = self.root / "gnupg"
        self._home.mkdir(parents=True, mode=0o700)
        self.keyring = self.root / "keyrings" / "debian-archive-keyring.gpg"
        self.keyring.parent.mkdir()
        self._gpg("--passphrase", "", "--quick-gen-key", "an archive of tests", "ed25519", "sign", "never")
        self.keyring.write_bytes(self._gpg("--export"))
        self._packages: dict[str, list[str]] = {}

    @property
    def url(self) -> str:
        """What a mirror's URL would be."""
        return f"file:{self.root}"

    def add(self, suite: str, name: str, fill: Fill, depends: str = "", version: str = "1.0-1") -> None:
        """Add a package to a suite."""
        tree = self.root / "build" / suite / name
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        fill(tree)
        fields = [f"Package: {name}", f"Version: {version}", "Architecture: amd64", "Maintainer: x <x@x>"]
        fields += [f"Description: test of {name}", *([f"Depends: {depends}"] if depends else [])]
        (tree / "DEBIAN/control").write_text("\n".join(fields) + "\n")
        deb = self.root / "pool" / suite / f"{name}_{version}_amd64.deb"
        deb.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg-deb", "-Znone", "--build", tree, deb], check=True, capture_output=True)
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()
        fields += [f"Filename: pool/{suite}/{deb.name}", f"Size: {deb.stat().st_size}", f"SHA256: {digest}"]
        self._packages.setdefault(suite, []).append("\n".join(fields) + "\n")

    def publish(self, suite: str, codename: str | None = None) -> None:
        """Write a suite's lists and sign them: its Release expired long ago, as mirrors' copies do."""
        index = self.root / "dists" / suite / "main/binary-amd64/Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_text("\n".join(self._packages.get(suite, [])))
        digest, size = hashlib.sha256(index.read_bytes()).hexdigest(), index.stat().st_size
        release = index.parents[2] / "Release"
        release.write_text(
            f"Suite: {suite}\nCodename: {codename or suite}\nDate: Sat, 01 Jan 2022 00:00:00 UTC\n"
            "Valid-Until: Sat, 08 Jan 2022 00:00:00 UTC\nArchitectures: amd64\nComponents: main\n"
            f"SHA256:\n {digest} {size} main/binary-amd64/Packages\n"
        )
        (index.parents[2] / "InRelease").write_bytes(self._gpg("--clearsign", "--output", "-", str(release)))

    def _gpg(self, *arguments: str) -> bytes:
        command = ["gpg", "--homedir", str(self._home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def close(self) -> None:
        """End the key's agent."""
        subprocess.run(["gpgconf", "--homedir", str(self._home), "--kill", "all"], check=True)
