"""Writes attached disks down for other programs that start QEMU. Starts nothing and looks at nothing."""
