"""A program of its own: executes another one that leaves no setuid or setgid file and no device node behind.

    guard_program.py PROGRAM ARGUMENT...

For QEMU, which does on the host what a guest's root does below --rwdir. A seccomp filter refuses modes with
the setuid or setgid bit (EPERM). Directories may have the latter, and a mode does not always say whose it is:
QEMU passes the type on that comes with a Linux guest's chmod, and none when it makes a directory. So a guest
that does not say what is a file could leave setgid files, of groups that QEMU is in. Root's QEMU also loses
the capabilities for device nodes, for file capabilities, and for setgid files of other groups. A host without
seccomp executes the program all the same, with a word on stderr.

Standard library only: it runs isolated (-I -S).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import struct
import sys

_SET_ID = stat.S_ISUID | stat.S_ISGID
_CREATES = os.O_CREAT | (os.O_TMPFILE & ~os.O_DIRECTORY)

# System calls of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl) and which of their arguments is a mode.
_CHANGES = {90: 1, 91: 1, 268: 2, 452: 2}
"""chmod, fchmod, fchmodat, fchmodat2."""
_MAKES = {85: 1, 133: 1, 259: 2}
"""creat, mknod, mknodat."""
_OPENS = {2: (1, 2), 257: (2, 3)}
"""open and openat: flags and mode."""
_OPENAT2 = 437
"""Has its mode in memory, which a filter cannot read; programs do without it."""
_SECCOMP = 317
_X32 = 0x40000000

_AUDIT_ARCH_X86_64 = 0xC000003E
_SET_MODE_FILTER, _FLAG_SPEC_ALLOW = 1, 4
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # bpf_common.h: W|ABS; JMP|JEQ, JMP|JSET
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16  # struct seccomp_data

_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 24, 38
_CAP_FSETID, _CAP_MKNOD, _CAP_SETFCAP = 4, 27, 31

_libc = ctypes.CDLL(None, use_errno=True)


def guard() -> None:
    """Keep this process, and what it executes, from making such files. Raises :class:`OSError`."""
    if os.geteuid() == 0:
        for capability in (_CAP_FSETID, _CAP_MKNOD, _CAP_SETFCAP):
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    program = b"".join(struct.pack("=HBBI", *each) for each in _filter())
    block = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(block))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if _libc.syscall(_SECCOMP, _SET_MODE_FILTER, _FLAG_SPEC_ALLOW, described) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _filter() -> list[tuple[int, int, int, int]]:
    """Return a program of classic BPF: code, how far to go if so and if not, number."""
    refuse, unknown = (_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    allow = (_RETURN, 0, 0, _ALLOW)
    lines = [(_LOAD, 0, 0, _ARCH), (_IF_EQUAL, 1, 0, _AUDIT_ARCH_X86_64), allow]
    lines += [(_LOAD, 0, 0, _NUMBER), (_IF_ANY_BIT, 0, 1, _X32), unknown]
    lines += [(_IF_EQUAL, 0, 1, _OPENAT2), unknown]
    for number, mode in _CHANGES.items():
        lines += [(_IF_EQUAL, 0, 6, number), _argument(mode), (_IF_ANY_BIT, 2, 0, stat.S_ISUID)]
        lines += [(_IF_ANY_BIT, 0, 2, stat.S_ISGID), (_IF_ANY_BIT, 0, 1, stat.S_IFREG), refuse, allow]
    for number, mode in _MAKES.items():
        lines += [(_IF_EQUAL, 0, 4, number), _argument(mode), (_IF_ANY_BIT, 0, 1, _SET_ID), refuse, allow]
    for number, (flags, mode) in _OPENS.items():
        lines += [(_IF_EQUAL, 0, 6, number), _argument(flags), (_IF_ANY_BIT, 0, 3, _CREATES)]
        lines += [_argument(mode), (_IF_ANY_BIT, 0, 1, _SET_ID), refuse, allow]
    return [*lines, allow]


def _argument(number: int) -> tuple[int, int, int, int]:
    """Return the line that loads the lower half of an argument (little endian)."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * number)


if __name__ == "__main__":
    try:
        guard()
    except OSError as error:
        print(f"zonevm: no seccomp, so a guest can leave setuid files: {error.strerror}", file=sys.stderr)
    try:
        os.execv(sys.argv[1], sys.argv[1:])
    except OSError as error:
        sys.exit(f"cannot start {sys.argv[1]}: {error.strerror}")
