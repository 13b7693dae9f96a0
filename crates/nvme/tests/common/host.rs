//! A controller of two namespaces over disks in memory, and its host.

use std::sync::Arc;

use command::{Command, Outcome};
use nvme::{Admin, Attached, Controller, Limits, Namespace, QueueCommand};
use zoned::testing::{Bytes, RamDisk};
use zoned::{Data, Identity, Submitted};

use super::{conventional, entry, zns};

pub const IDENTIFY: u8 = 0x06;
pub const GET_LOG_PAGE: u8 = 0x02;
pub const SET_FEATURES: u8 = 0x09;
pub const GET_FEATURES: u8 = 0x0A;
pub const EVENT: u8 = 0x0C;
pub const FORMAT: u8 = 0x80;
pub const ALL_NAMESPACES: u32 = u32::MAX;

pub struct Host {
    pub controller: Controller<Bytes>,
    pub disks: Vec<Arc<RamDisk<Bytes>>>,
}

/// A zoned namespace, number 1, and a conventional one, number 2.
pub fn host() -> Host {
    let disks = [zns(), conventional()].map(|geometry| Arc::new(RamDisk::new(geometry)));
    power_on(disks.into())
}

pub fn power_on(disks: Vec<Arc<RamDisk<Bytes>>>) -> Host {
    let attach = |disk: &Arc<RamDisk<Bytes>>| {
        let namespace = Arc::new(Namespace::new(disk.clone()));
        Attached {
            unit: namespace.clone(),
            namespace,
            identity: Identity {
                vendor: "ZONEVM".into(),
                product: "ZNS".into(),
                revision: "1".into(),
                serial: "serial-1".into(),
                wwn: 0x3000_1234_5678_9ABC,
            },
        }
    };
    let limits = Limits {
        queues: 4,
        vectors: 5,
    };
    Host {
        controller: Controller::new(disks.iter().map(attach).collect(), limits),
        disks,
    }
}

/// An admin command to a namespace.
pub fn of(opcode: u8, namespace: u32, dwords: &[u32]) -> [u8; 64] {
    let mut entry = entry(opcode, dwords);
    entry[4..8].copy_from_slice(&namespace.to_le_bytes());
    entry
}

pub fn log(page: u8, namespace: u32, bytes: u32) -> [u8; 64] {
    of(
        GET_LOG_PAGE,
        namespace,
        &[u32::from(page) | (bytes / 4 - 1) << 16],
    )
}

impl Host {
    pub fn begin(&self, entry: &[u8; 64], out: &[u8]) -> (Admin, Bytes) {
        let moves = self.controller.admin_transfer(entry);
        let into = Bytes::new(vec![0; moves.into as usize]);
        let command = Command::new(entry, Some(0), Bytes::new(out.to_vec()), into.clone());
        (self.controller.administer(&command), into)
    }

    pub fn ask(&self, entry: &[u8; 64]) -> (Outcome, Vec<u8>) {
        self.ask_with(entry, &[])
    }

    /// The same with data.
    pub fn ask_with(&self, entry: &[u8; 64], out: &[u8]) -> (Outcome, Vec<u8>) {
        let (Admin::Answer(submitted), into) = self.begin(entry, out) else {
            panic!("a command about queues");
        };
        let outcome = submitted.wait().expect("an outcome");
        let mut data = vec![0; outcome.written as usize];
        into.read(0, &mut data);
        (outcome, data)
    }

    #[track_caller]
    pub fn data(&self, entry: &[u8; 64]) -> Vec<u8> {
        let (outcome, data) = self.ask(entry);
        assert_eq!(outcome.status & 0x7FF, 0);
        data
    }

    pub fn status(&self, entry: &[u8; 64]) -> u16 {
        self.ask(entry).0.status & 0x7FF
    }

    pub fn execute(&self, entry: &[u8; 64], out: &[u8]) -> u16 {
        self.execute_as(0, entry, out)
    }

    /// The same from another initiator.
    pub fn execute_as(&self, who: u8, entry: &[u8; 64], out: &[u8]) -> u16 {
        let into = vec![0; self.controller.transfer(entry).into as usize];
        let mut command = Command::new(entry, Some(1), Bytes::new(out.to_vec()), Bytes::new(into));
        command.initiator = who;
        let outcome = self.controller.execute(&command).wait();
        outcome.expect("an outcome").status & 0x7FF
    }

    /// What the host receives with an I/O command that must succeed.
    #[track_caller]
    pub fn received(&self, entry: &[u8; 64]) -> Vec<u8> {
        let into = Bytes::new(vec![0; self.controller.transfer(entry).into as usize]);
        let command = Command::new(entry, Some(1), Bytes::default(), into.clone());
        let outcome = self.controller.execute(&command).wait().unwrap();
        assert_eq!(outcome.status, 0);
        let mut data = vec![0; outcome.written as usize];
        into.read(0, &mut data);
        data
    }

    pub fn queue(&self, entry: &[u8; 64]) -> Result<QueueCommand, u16> {
        match self.begin(entry, &[]).0 {
            Admin::Queue(queue) => Ok(queue),
            Admin::Answer(Submitted::Completed(outcome)) => Err(outcome.status & 0x7FF),
            Admin::Answer(_) => panic!("it is answered at once"),
        }
    }
}

pub fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |n, &byte| n << 8 | u64::from(byte))
}
