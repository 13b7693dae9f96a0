"""How long the parts of a guest's start took. Measures nothing itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phases:
    """Seconds, by what they went into; the guest tells its own in hundredths."""

    prepare: float
    """The kernel, the initramfs, the disks."""
    qemu: float
    """QEMU and its firmware, until the kernel's clock began."""
    kernel: float
    stage1: float
    """The guest's first program: modules, the host's root."""
    agent: float

    @classmethod
    def of(cls, begun: float, started: float, up: float, clock: tuple[float, float, float]) -> Phases:
        """Return the phases of a start.

        ``begun``, ``started`` and ``up`` are when the start began, QEMU was started and the agent said hello,
        by one clock of this host. ``clock``: when stage 1 began, when it ended, and when the agent greeted,
        by the guest's.
        """
        first, last, greeted = clock
        return cls(
            prepare=started - begun,
            qemu=max(0.0, up - started - greeted),
            kernel=first,
            stage1=max(0.0, last - first),
            agent=max(0.0, greeted - last),
        )
