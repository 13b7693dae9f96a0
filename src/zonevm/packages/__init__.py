"""Packages of a Debian-like distribution, fetched without root and without touching the host's apt.

Knows apt, dpkg-deb and the dynamic loader; of kernels and QEMU only, in ``qemu``, what the package is called.
"""

from zonevm.packages.apt import Apt, Note
from zonevm.packages.archive import Archive, find_archive, suites_there
from zonevm.packages.entry import discard, new_entry
from zonevm.packages.programs import install_wrapper
from zonevm.packages.tree import Tree, fetch, pull_tree
from zonevm.packages.watch import Progress

__all__ = [
    "Apt",
    "Archive",
    "Note",
    "Progress",
    "Tree",
    "discard",
    "fetch",
    "find_archive",
    "install_wrapper",
    "new_entry",
    "pull_tree",
    "suites_there",
]
