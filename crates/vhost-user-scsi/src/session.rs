//! The vhost-user messages of one connection: features, memory, rings. Knows no SCSI.

use std::fs::File;
use std::sync::Arc;

use vhost::vhost_user::message::{
    VhostTransferStateDirection, VhostTransferStatePhase, VhostUserConfigFlags, VhostUserInflight,
    VhostUserLog, VhostUserMemoryRegion, VhostUserProtocolFeatures, VhostUserShMemConfig,
    VhostUserSharedMsg, VhostUserSingleMemoryRegion, VhostUserVringAddrFlags, VhostUserVringState,
};
use vhost::vhost_user::{
    Error, GpuBackend, Result, VhostUserBackendReqHandlerMut, VhostUserVirtioFeatures,
};
use vhost::VhostUserMemoryRegionBase;

use crate::device::Device;
use crate::inflight::{self, Region};
use crate::regions::{Memory, MAX_REGIONS};
use crate::ring::{Addresses, Ring};
use crate::worker::Role;
use serving::is_event;

/// Feature bits (VIRTIO 1.2, 5.6.3 and 6).
mod feature {
    pub(super) const SCSI_HOTPLUG: u64 = 1 << 1;
    /// QEMU offers it to the guest whatever the back end says, and then acknowledges it here.
    pub(super) const SCSI_CHANGE: u64 = 1 << 2;
    pub(super) const RING_INDIRECT_DESC: u64 = 1 << 28;
    pub(super) const RING_EVENT_IDX: u64 = 1 << 29;
    pub(super) const VERSION_1: u64 = 1 << 32;
}

const PROTOCOL_FEATURES: u64 = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();

const FEATURES: u64 = feature::SCSI_HOTPLUG
    | feature::SCSI_CHANGE
    | feature::RING_INDIRECT_DESC
    | feature::RING_EVENT_IDX
    | feature::VERSION_1
    | PROTOCOL_FEATURES;

/// One front end's session. It starts from nothing, and stops all rings when it is dropped.
pub(crate) struct Session {
    device: Arc<Device>,
    memory: Memory,
    /// Where the front end keeps what is in flight, if it does.
    inflight: Option<Region>,
    rings: Vec<Ring>,
}

impl Session {
    pub(crate) fn new(device: Arc<Device>, request_queues: u16) -> Session {
        let roles = [Some(Role::Control), None]
            .into_iter()
            .chain(std::iter::repeat_n(
                Some(Role::Request),
                request_queues.into(),
            ));
        Session {
            device,
            memory: Memory::default(),
            inflight: None,
            rings: roles
                .enumerate()
                .map(|(index, role)| Ring::new(index, role))
                .collect(),
        }
    }

    /// Changes a ring's settings while it stands still.
    fn change(&mut self, index: u32, change: impl FnOnce(&mut Ring)) -> Result<()> {
        let ring = self
            .rings
            .get_mut(index as usize)
            .ok_or(Error::InvalidParam)?;
        ring.stop();
        change(ring);
        ring.start(&self.memory, self.inflight.as_ref(), &self.device)
    }

    /// Changes something that all rings depend on while they stand still.
    fn change_all(&mut self, change: impl FnOnce(&mut Session) -> Result<()>) -> Result<()> {
        self.stop();
        change(self)?;
        let inflight = self.inflight.as_ref();
        self.rings
            .iter_mut()
            .try_for_each(|ring| ring.start(&self.memory, inflight, &self.device))
    }

    fn stop(&mut self) {
        self.rings.iter().for_each(Ring::request_stop);
        self.rings.iter_mut().for_each(Ring::stop);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
    }
}

impl VhostUserBackendReqHandlerMut for Session {
    fn set_owner(&mut self) -> Result<()> {
        Ok(())
    }

    fn reset_owner(&mut self) -> Result<()> {
        self.stop();
        Ok(())
    }

    fn get_features(&mut self) -> Result<u64> {
        Ok(FEATURES)
    }

    fn set_features(&mut self, features: u64) -> Result<()> {
        if features & !FEATURES != 0 {
            return Err(Error::InvalidParam);
        }
        self.change_all(|session| {
            for ring in &mut session.rings {
                ring.event_idx = features & feature::RING_EVENT_IDX != 0;
                // Without the protocol features there is no message that enables a ring.
                ring.enabled |= features & PROTOCOL_FEATURES == 0;
            }
            Ok(())
        })
    }

    fn get_protocol_features(&mut self) -> Result<VhostUserProtocolFeatures> {
        Ok(VhostUserProtocolFeatures::MQ
            | VhostUserProtocolFeatures::REPLY_ACK
            | VhostUserProtocolFeatures::INFLIGHT_SHMFD
            | VhostUserProtocolFeatures::CONFIGURE_MEM_SLOTS)
    }

    fn set_protocol_features(&mut self, _features: u64) -> Result<()> {
        Ok(())
    }

    fn get_queue_num(&mut self) -> Result<u64> {
        Ok(self.rings.len() as u64)
    }

    fn set_mem_table(
        &mut self,
        regions: &[VhostUserMemoryRegion],
        files: Vec<File>,
        _postcopy_listening: Option<bool>,
    ) -> Result<Option<Vec<VhostUserMemoryRegionBase>>> {
        let mut memory = Memory::default();
        for (region, file) in regions.iter().zip(files) {
            memory.add(region, file)?;
        }
        self.change_all(|session| {
            session.memory = memory;
            Ok(())
        })?;
        Ok(None)
    }

    fn get_max_mem_slots(&mut self) -> Result<u64> {
        Ok(MAX_REGIONS as u64)
    }

    fn add_mem_region(
        &mut self,
        region: &VhostUserSingleMemoryRegion,
        file: File,
        _postcopy_listening: Option<bool>,
    ) -> Result<Option<VhostUserMemoryRegionBase>> {
        self.change_all(|session| session.memory.add(region, file))?;
        Ok(None)
    }

    fn remove_mem_region(&mut self, region: &VhostUserSingleMemoryRegion) -> Result<()> {
        self.change_all(|session| session.memory.remove(region))
    }

    fn set_vring_num(&mut self, index: u32, num: u32) -> Result<()> {
        let size = u16::try_from(num).map_err(|_| Error::InvalidParam)?;
        self.change(index, |ring| ring.size = size)
    }

    fn set_vring_addr(
        &mut self,
        index: u32,
        _flags: VhostUserVringAddrFlags,
        descriptors: u64,
        used: u64,
        available: u64,
        _log: u64,
    ) -> Result<()> {
        self.change(index, |ring| {
            ring.addresses = Some(Addresses {
                descriptors,
                available,
                used,
            });
        })
    }

    fn set_vring_base(&mut self, index: u32, base: u32) -> Result<()> {
        let base = u16::try_from(base).map_err(|_| Error::InvalidParam)?;
        self.change(index, |ring| ring.base = base)
    }

    fn get_vring_base(&mut self, index: u32) -> Result<VhostUserVringState> {
        let mut base = 0;
        self.change(index, |ring| {
            ring.kick = None;
            base = ring.base;
        })?;
        Ok(VhostUserVringState::new(index, base.into()))
    }

    fn set_vring_kick(&mut self, index: u8, file: Option<File>) -> Result<()> {
        let file = file.ok_or(Error::InvalidOperation(
            "a ring without a kick descriptor would have to be polled",
        ))?;
        event(&file)?;
        self.change(index.into(), |ring| ring.kick = Some(file))
    }

    fn set_vring_call(&mut self, index: u8, file: Option<File>) -> Result<()> {
        file.as_ref().map_or(Ok(()), event)?;
        self.change(index.into(), |ring| ring.call = file.map(Arc::new))
    }

    fn set_vring_err(&mut self, index: u8, file: Option<File>) -> Result<()> {
        file.as_ref().map_or(Ok(()), event)?;
        self.change(index.into(), |ring| ring.err = file.map(Arc::new))
    }

    fn set_vring_enable(&mut self, index: u32, enable: bool) -> Result<()> {
        self.change(index, |ring| ring.enabled = enable)
    }

    fn get_inflight_fd(&mut self, wanted: &VhostUserInflight) -> Result<(VhostUserInflight, File)> {
        let (rings, size) = (wanted.num_queues, wanted.queue_size);
        let (file, len) = inflight::create(rings, size).map_err(Error::ReqHandlerError)?;
        Ok((VhostUserInflight::new(len, 0, rings, size), file))
    }

    fn set_inflight_fd(&mut self, wanted: &VhostUserInflight, file: File) -> Result<()> {
        let &VhostUserInflight {
            mmap_size,
            mmap_offset,
            num_queues,
            queue_size,
        } = wanted;
        let region = Region::map(file, mmap_offset, mmap_size, num_queues, queue_size);
        let region = region.map_err(Error::ReqHandlerError)?;
        self.change_all(|session| {
            session.inflight = Some(region);
            Ok(())
        })
    }

    // What follows belongs to protocol features that are not offered: the message layer refuses most of it
    // before it comes here.

    fn reset_device(&mut self) -> Result<()> {
        Err(not_offered())
    }

    fn get_config(&mut self, _: u32, _: u32, _: VhostUserConfigFlags) -> Result<Vec<u8>> {
        Err(not_offered())
    }

    fn set_config(&mut self, _: u32, _: &[u8], _: VhostUserConfigFlags) -> Result<()> {
        Err(not_offered())
    }

    fn set_gpu_socket(&mut self, _: GpuBackend) -> Result<()> {
        Err(not_offered())
    }

    fn get_shared_object(&mut self, _: VhostUserSharedMsg) -> Result<File> {
        Err(not_offered())
    }

    fn set_device_state_fd(
        &mut self,
        _: VhostTransferStateDirection,
        _: VhostTransferStatePhase,
        _: File,
    ) -> Result<Option<File>> {
        Err(not_offered())
    }

    fn check_device_state(&mut self) -> Result<()> {
        Err(not_offered())
    }

    fn get_shmem_config(&mut self) -> Result<VhostUserShMemConfig> {
        Err(not_offered())
    }

    fn set_log_base(&mut self, _: &VhostUserLog, _: File) -> Result<()> {
        Err(not_offered())
    }
}

/// Refuses what is not an eventfd.
fn event(file: &File) -> Result<()> {
    match is_event(file) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::InvalidOperation(
            "a ring's descriptor is not an eventfd",
        )),
        Err(error) => Err(Error::ReqHandlerError(error)),
    }
}

fn not_offered() -> Error {
    Error::InvalidOperation("this belongs to a protocol feature that was not offered")
}
