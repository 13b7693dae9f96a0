"""Unpacks the ELF kernel in a bzImage, so that no emulated processor has to: 1 to 3 s of a boot under TCG.

Layout: Documentation/arch/x86/boot.rst (setup_sects, payload_offset, payload_length). QEMU enters such a
kernel by its PVH note (XEN_ELFNOTE_PHYS32_ENTRY).
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import struct
import zlib
from pathlib import Path

import zstandard

from zonevm.errors import KernelError
from zonevm.host import store
from zonevm.inputs import open_regular, read_exactly

_PAYLOAD_PROTOCOL = 0x0208
LARGEST = 512 << 20
"""Bytes of the largest kernel or module that is unpacked: many times what any has."""
_PT_NOTE = 4
_ELF_HEADER, _PROGRAM_HEADER = 64, 56
_XEN_PHYS32_ENTRY = 18


def image_version(image: Path) -> str:
    """Return the release, as ``uname -r`` will tell it, of the kernel in a bzImage.

    Raises :class:`KernelError` for a file that is not one.
    """
    header = _setup(image)
    (pointer,) = struct.unpack_from("<H", header, 0x20E)
    text = header[pointer + 0x200 :].partition(b"\0")[0].decode("ascii", "replace")
    version = re.match(r"[\w.+~-]+", text, re.ASCII)
    if not pointer or version is None:
        raise KernelError(f"{image} does not say which kernel version it is")
    return version[0]


def unpacked(image: Path, cache: Path) -> Path:
    """Return the ELF kernel of bzImage ``image``, kept in directory ``cache``; or ``image`` itself.

    The image itself where its compression is none that is undone here (lz4, lzo, bzip2) or the kernel
    cannot be entered by PVH. The guest is the same either way, only slower to start. Raises
    :class:`KernelError` for a damaged one, :class:`HostError` where the cache cannot be written.
    """
    target = _place(image, cache)
    if target.exists():
        return target
    kernel = _payload(image)
    if kernel is None or not _has_pvh_entry(kernel):
        return image
    store(target, kernel)
    return target


def forget(image: Path, cache: Path) -> None:
    """Remove from ``cache`` what :func:`unpacked` made of ``image``, which is still there."""
    _place(image, cache).unlink(missing_ok=True)


def _place(image: Path, cache: Path) -> Path:
    stat = image.stat()
    key = hashlib.sha256(os.fsencode(f"{image.resolve()}:{stat.st_size}:{stat.st_mtime_ns}")).hexdigest()[:16]
    return cache / f"{key}.elf"


def _setup(image: Path) -> bytes:
    """Return the real-mode part of a bzImage, boot sector included."""
    try:
        with open_regular(image) as file:
            sector = read_exactly(file, 1024)
            if len(sector) < 1024 or sector[0x202:0x206] != b"HdrS":
                raise KernelError(
                    f"{image} is not a Linux x86 boot image (bzImage)",
                    "Give --kernel a bzImage, a kernel build tree or a version.",
                )
            file.seek(0)
            return read_exactly(file, ((sector[0x1F1] or 4) + 1) * 512)
    except OSError as error:
        raise KernelError(f"cannot read the kernel {image}: {error.strerror}") from error


def _payload(image: Path) -> bytes | None:
    header = _setup(image)
    if struct.unpack_from("<H", header, 0x206)[0] < _PAYLOAD_PROTOCOL:
        return None
    offset, length = struct.unpack_from("<II", header, 0x248)
    try:
        with open_regular(image) as file:
            file.seek(len(header) + offset)
            data = read_exactly(file, min(length, LARGEST))
        kernel = _decompressed(data)
    except OSError as error:
        raise KernelError(f"cannot read the kernel {image}: {error.strerror}") from error
    except (zstandard.ZstdError, lzma.LZMAError, zlib.error) as error:
        raise KernelError(f"the kernel {image} is damaged: {error}") from error
    if kernel is not None and len(kernel) > LARGEST:
        raise KernelError(f"the kernel {image} is larger than {LARGEST >> 20} MiB unpacked")
    return kernel


def _decompressed(data: bytes) -> bytes | None:
    """Return what was packed, at most one byte more than any kernel has; None for another compression."""
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        with zstandard.ZstdDecompressor().stream_reader(data) as reader:
            return reader.read(LARGEST + 1)
    if data.startswith(b"\xfd7zXZ\0"):
        # The kernel's build appends the unpacked length, which is not part of the stream.
        return lzma.LZMADecompressor().decompress(data, LARGEST + 1)
    if data.startswith(b"\x1f\x8b"):
        return zlib.decompressobj(wbits=31).decompress(data, LARGEST + 1)
    return None


def _has_pvh_entry(kernel: bytes) -> bool:
    if kernel[:5] != b"\x7fELF\x02" or len(kernel) < _ELF_HEADER:
        return False
    (table,) = struct.unpack_from("<Q", kernel, 32)
    size, count = struct.unpack_from("<HH", kernel, 54)
    for number in range(count):
        start = table + size * number
        if start + _PROGRAM_HEADER > len(kernel):
            return False
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", kernel, start)
        if kind == _PT_NOTE and _notes_have_entry(kernel[offset : offset + length]):
            return True
    return False


def _notes_have_entry(notes: bytes) -> bool:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        name = notes[at + 12 : at + 12 + name_size]
        if name == b"Xen\0" and kind == _XEN_PHYS32_ENTRY:
            return True
        at += 12 + _aligned(name_size) + _aligned(size)
    return False


def _aligned(size: int) -> int:
    return (size + 3) & ~3
