"""Resolves kernel modules and what they depend on, from the files depmod(8) writes. Loads nothing."""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from pathlib import Path

import zstandard

from zonevm.errors import KernelError
from zonevm.inputs import read_regular
from zonevm.kernel.vmlinux import LARGEST

_LARGEST_INDEX = 64 << 20


class ModuleTree:
    """The modules of one kernel: a directory with ``modules.dep`` and ``modules.builtin``."""

    def __init__(self, directory: Path) -> None:
        """Read the directory's indexes. Raises :class:`KernelError` where ``modules.dep`` is missing."""
        self.directory = directory
        self._needs: dict[str, list[str]] = {}
        self._paths: dict[str, str] = {}
        for line in self._read("modules.dep").splitlines():
            path, _, needs = line.partition(":")
            self._paths[module_name(path)] = path
            self._needs[path] = needs.split()
        builtin = directory / "modules.builtin"
        self._has_builtin = builtin.exists()
        lines = self._read("modules.builtin").splitlines() if self._has_builtin else []
        self._builtin = {module_name(line) for line in lines}

    def closure(self, wanted: Iterable[tuple[str, str]]) -> list[Path]:
        """Return the module files for ``(module, what needs it)`` pairs, each after all it depends on.

        Modules built into the kernel need no file. Raises :class:`KernelError` for one that is nowhere.
        """
        order: dict[str, None] = {}
        for name, reason in wanted:
            key = module_name(name)
            path = self._paths.get(key)
            if path is None:
                if key in self._builtin:
                    continue
                unknown = "" if self._has_builtin else "; no modules.builtin there says what is built in"
                raise KernelError(
                    f"the kernel of {self.directory} has no module {name}, which {reason} needs{unknown}",
                    "Use a kernel that has it as a module or built in; `zonevm kernel pull` gets one.",
                )
            # modprobe(8) loads what modules.dep lists from right to left: the last one depends on nothing.
            for dependency in (*reversed(self._needs[path]), path):
                order.setdefault(dependency)
        return [self.directory / path for path in order]

    def has(self, name: str) -> bool:
        """Whether there is a module ``name``, in a file of its own."""
        return module_name(name) in self._paths

    def _read(self, name: str) -> str:
        path = self.directory / name
        try:
            return read_regular(path, _LARGEST_INDEX).decode(errors="replace")
        except FileNotFoundError:
            version = self.directory.name
            raise KernelError(f"{path} is missing", f"Make it with: depmod {version}") from None
        except OSError as error:
            raise KernelError(f"cannot read {path}: {error.strerror}") from error


def module_name(path: str) -> str:
    """Return the name of the module in file ``path``, as the kernel spells it: no suffix, ``_`` for ``-``."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def read_module(path: Path) -> bytes:
    """Return the uncompressed ELF image in a module file: ``.ko``, ``.ko.xz``, ``.ko.zst``.

    Raises :class:`KernelError` for a file that is none of these or is damaged.
    """
    try:
        data = read_regular(path, LARGEST)
        if path.suffix == ".xz":
            unpacking = lzma.LZMADecompressor()
            data = unpacking.decompress(data, LARGEST)
            if not unpacking.eof:
                raise lzma.LZMAError("its end is missing")
        elif path.suffix == ".zst":
            with zstandard.ZstdDecompressor().stream_reader(data) as reader:
                data = reader.read(LARGEST)
    except OSError as error:
        raise KernelError(f"cannot read the module {path}: {error.strerror}") from error
    except (lzma.LZMAError, zstandard.ZstdError) as error:
        raise KernelError(f"cannot read the module {path}: {error}") from error
    if not data.startswith(b"\x7fELF"):
        raise KernelError(f"{path} is not a kernel module: zonevm reads .ko, .ko.xz and .ko.zst")
    return data
