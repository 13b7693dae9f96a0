//! A logical unit whose every command goes to a trace.

use std::sync::Arc;
use std::time::Instant;

use image::Outcome;
use vhost_user_scsi::{current_queue, Lun};
use vm_memory::VolatileSlice;
use zbc::{Geometry, Status};

use crate::chunk::Row;
use crate::{sense, Address, Trace};

/// A logical unit that is traced.
pub struct Traced {
    lun: Arc<dyn Lun>,
    trace: Arc<Trace>,
    disk: u16,
    geometry: Geometry,
}

impl Traced {
    /// Traces `lun` as disk number `disk` of `trace`.
    pub fn new(lun: Arc<dyn Lun>, geometry: Geometry, trace: Arc<Trace>, disk: u16) -> Traced {
        Traced {
            lun,
            trace,
            disk,
            geometry,
        }
    }

    fn row(&self, cdb: &[u8], start: Instant, latency: u64, outcome: &Outcome) -> Row {
        let Address { lba, blocks } = Address::of(cdb);
        let on_medium = lba.filter(|&lba| lba < self.geometry.blocks);
        let moved = outcome.completion.status == Status::Good && !outcome.overrun;
        let (key, asc, ascq) = sense::code(&outcome.completion.sense);
        let mut head = [0; 16];
        let length = cdb.len().min(head.len());
        head[..length].copy_from_slice(&cdb[..length]);
        Row {
            time: self.trace.time(start),
            latency,
            lba: lba.unwrap_or(u64::MAX),
            blocks: blocks.unwrap_or(u64::MAX),
            length: if moved {
                outcome.written + outcome.consumed
            } else {
                0
            },
            zone: on_medium.map_or(u32::MAX, |lba| (lba / self.geometry.zone_blocks) as u32),
            sense: u32::from_be_bytes([0, key, asc, ascq]),
            disk: self.disk,
            queue: current_queue().unwrap_or(u16::MAX),
            status: outcome.completion.status as u8,
            cdb: head,
        }
    }
}

impl Lun for Traced {
    fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
    ) -> Outcome {
        let start = Instant::now();
        let outcome = self.lun.execute(cdb, out, into);
        let latency = start.elapsed().as_nanos() as u64;
        self.trace.add(self.row(cdb, start, latency, &outcome));
        outcome
    }

    fn reset(&self) {
        self.lun.reset();
    }
}
