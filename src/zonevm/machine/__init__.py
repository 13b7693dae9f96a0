"""One QEMU: its process and QMP, KVM or TCG, its console and logs."""
