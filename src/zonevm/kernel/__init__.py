"""A guest's kernel: found or pulled, unpacked, with its modules and an initramfs."""
