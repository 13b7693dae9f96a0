"""The modules of the guest's kernel that drive what several methods attach. Knows no method."""

SCSI_DRIVERS = ("virtio_scsi", "sd_mod", "sg")
BLOCK_DRIVERS = ("virtio_blk",)
