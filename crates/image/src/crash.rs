//! Crashes of the host, simulated: an image on a store that records what is written and when it becomes stable.
//!
//! A random workload runs once. Then, for each prefix of what it did to the store, the host crashes: of what was
//! not stable, any 512-byte sectors are there and any are not. Of the image's state that is every subset of them; each
//! with some of the data, by chance, which is enough: the state decides alone what of the data is read, and each sector
//! of these is looked at by itself. The image is opened as after a boot, and holds what the disk had promised.
//!
//! `ZONEVM_CRASH_SEEDS` workloads are run, from number `ZONEVM_CRASH_FIRST` on; those with an odd number on a host-aware disk.

mod erase;
mod limits;
mod promise;
mod recorder;
mod upgrade;

use std::path::Path;
use std::sync::Arc;

use scsi::Status;
use zoned::{written, Condition, Geometry, Kind};

use crate::disk::{Cache, Disk};
use crate::header::{Header, VERSION};
use crate::layout::{Area, Layout, PAGE};
use crate::live::Boot;
use crate::random::identity;
use crate::state::{fill, recover};
use crate::store::Store;
use crate::table::Table;
use crate::unit::Unit;
use ::random::Random;
use erase::check;
use promise::{Allowed, Promise};
use recorder::{Crashing, Event, Order, Recorder};

const BLOCK: u32 = 4096;
/// Physical blocks of a zone.
const ZONE: u32 = 8;
const ZONES: u32 = 6;
/// Zones, the first ones, that are overwritten anywhere: conventional ones, or sequential write preferred ones.
const OVERWRITTEN: u32 = 1;
const COMMANDS: usize = 40;
/// How often each subset of the state's sectors is tried.
const CRASHES_A_SUBSET: usize = 4;

fn geometry(host_aware: bool) -> Geometry {
    Geometry {
        block_size: BLOCK,
        blocks: u64::from(ZONES * ZONE),
        zone_blocks: ZONE.into(),
        conventional_zones: if host_aware { 0 } else { OVERWRITTEN },
        max_open: Some(3),
        zone_capacity: None,
        kind: if host_aware {
            Kind::HostAware
        } else {
            Kind::HostManaged
        },
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

/// An image with a journal so short that it is often begun anew.
fn header(host_aware: bool) -> Header {
    let geometry = geometry(host_aware);
    let area = |offset: u64, size: u64| Area { offset, size };
    let layout = Layout {
        table: area(PAGE, PAGE),
        journal: area(2 * PAGE, PAGE + 3 * 512),
        checkpoints: [area(4 * PAGE, 2 * PAGE), area(6 * PAGE, 2 * PAGE)],
        saved: area(8 * PAGE, 2 * PAGE),
        data: area(10 * PAGE, geometry.bytes()),
        extensions: Area::NONE,
    };
    Header {
        version: VERSION,
        uuid: [0; 16],
        created: 0,
        geometry,
        identity: identity(),
        layout,
    }
}

/// Whether a workload runs on a host-aware disk.
fn is_host_aware(seed: u64) -> bool {
    seed % 2 == 1
}

/// The data of a block: in each sector what it is, so that a mixture shows.
fn block(lba: u64, version: u64) -> Vec<u8> {
    let sector = [lba.to_le_bytes(), version.to_le_bytes()].concat();
    sector.repeat(BLOCK as usize / 16)
}

struct Workload {
    disk: Unit,
    store: Arc<Recorder>,
    chance: Random,
    promise: Promise,
    /// The promise that holds from this many events on.
    promises: Vec<(usize, Promise)>,
    resets: Vec<u64>,
    version: u64,
}

impl Workload {
    fn new(seed: u64, order: Order) -> Self {
        let host_aware = is_host_aware(seed);
        let header = header(host_aware);
        let empty = Recorder::new(vec![0; header.layout.least_length() as usize], Order::Right);
        fill(&empty, &header).unwrap();
        let image = empty.state.into_inner().unwrap().0;
        let store = Arc::new(Recorder::new(image, order));
        let disk = open(Arc::clone(&store) as Arc<dyn Store>, host_aware, 1).expect("a new image");
        let none = Allowed {
            resets: 0,
            least: 0,
            most: 0,
            condition: None,
        };
        Self {
            disk,
            store,
            chance: Random::new(seed),
            promise: Promise {
                zones: vec![vec![none]; ZONES as usize],
                blocks: vec![vec![0]; (OVERWRITTEN * ZONE) as usize],
                erased: None,
            },
            promises: Vec::new(),
            resets: vec![0; ZONES as usize],
            version: 0,
        }
    }

    fn below(&mut self, limit: u32) -> u32 {
        (self.chance.draw() % u64::from(limit)) as u32
    }

    /// From now on the promise is what it is now.
    fn note(&mut self) {
        let events = self.store.events().len();
        self.promises.push((events, self.promise.clone()));
    }

    fn run(mut self) -> (Vec<Event>, Vec<(usize, Promise)>) {
        self.note();
        for _ in 0..COMMANDS {
            let zone = OVERWRITTEN + self.below(ZONES - OVERWRITTEN);
            match self.below(14) {
                0..=5 => self.write(zone),
                6 | 7 => self.overwrite(),
                8 => self.flush(),
                9 if self.disk.geometry().writes_anywhere() && self.below(2) == 0 => self.finish(0),
                9 => self.finish(zone),
                10 => self.reset(zone..zone + 1, false),
                11 => self.fail(zone),
                12 => self.erase(),
                _ => self.reset_all(),
            }
            self.note();
        }
        (self.store.events(), self.promises)
    }

    fn condition(&self, zone: u32) -> Condition {
        self.disk.zone(zone).condition
    }

    fn takes_writes(&self, zone: u32) -> bool {
        ![Condition::Full, Condition::ReadOnly].contains(&self.condition(zone))
    }

    fn pointer(&self, zone: u32) -> u32 {
        written(self.disk.word(zone))
    }

    fn write(&mut self, zone: u32) {
        let from = self.pointer(zone);
        if !self.takes_writes(zone) {
            return;
        }
        let count = 1 + self.below(ZONE - from);
        let lba = u64::from(zone * ZONE + from);
        let version = self.resets[zone as usize];
        let data: Vec<u8> = (lba..lba + u64::from(count))
            .flat_map(|lba| block(lba, version))
            .collect();
        let fua = self.below(4) == 0;
        self.promise.zones[zone as usize][0].most = from + count;
        self.note();
        self.command(0x8a, u8::from(fua) << 3, lba, count, &data);
        if fua {
            self.all_stable();
        }
    }

    fn overwrite(&mut self) {
        let at = self.below(OVERWRITTEN * ZONE);
        let count = 1 + self.below(OVERWRITTEN * ZONE - at);
        self.version += 1;
        let lbas = u64::from(at)..u64::from(at + count);
        let data: Vec<u8> = lbas
            .clone()
            .flat_map(|lba| block(lba, self.version))
            .collect();
        for lba in lbas {
            self.promise.blocks[lba as usize].push(self.version);
        }
        self.note();
        self.command(0x8a, 0, at.into(), count, &data);
    }

    fn flush(&mut self) {
        self.command(0x91, 0, 0, 0, &[]);
        self.all_stable();
    }

    fn finish(&mut self, zone: u32) {
        if !self.takes_writes(zone) {
            return;
        }
        self.command(0x94, 2, u64::from(zone * ZONE), 0, &[]);
        self.promise.zones[zone as usize][0].condition = Some(Condition::Full);
        self.all_stable();
    }

    /// RESET WRITE POINTER with ALL, which on a host-aware disk empties the overwritten zones, too.
    fn reset_all(&mut self) {
        if !self.disk.geometry().writes_anywhere() {
            return self.reset(OVERWRITTEN..ZONES, true);
        }
        for zone in &mut self.promise.zones[..OVERWRITTEN as usize] {
            zone[0].condition = None;
        }
        for versions in &mut self.promise.blocks {
            versions.push(0);
        }
        self.reset(OVERWRITTEN..ZONES, true);
        for versions in &mut self.promise.blocks {
            *versions = vec![0];
        }
    }

    /// Never the last zone, so that one always works.
    fn fail(&mut self, zone: u32) {
        let zone = zone.min(ZONES - 2);
        self.promise.zones[zone as usize][0].condition = None;
        self.note();
        self.disk.make_read_only(zone..zone + 1).unwrap();
        self.promise.zones[zone as usize][0].condition = Some(Condition::ReadOnly);
    }

    fn reset(&mut self, zones: std::ops::Range<u32>, all: bool) {
        let resettable = |zone: &u32| self.condition(*zone) != Condition::ReadOnly;
        let reset: Vec<u32> = zones.clone().filter(resettable).collect();
        if reset.is_empty() {
            return;
        }
        for &zone in &reset {
            self.resets[zone as usize] += 1;
            let empty = Allowed {
                resets: self.resets[zone as usize],
                least: 0,
                most: 0,
                condition: None,
            };
            self.promise.zones[zone as usize].push(empty);
        }
        self.note();
        let mut cdb = cdb(0x94, 4, u64::from(zones.start * ZONE), 0);
        cdb[14] = u8::from(all);
        self.execute(&cdb, &[]);
        for zone in reset {
            self.promise.zones[zone as usize].remove(0);
        }
    }

    fn all_stable(&mut self) {
        for zone in OVERWRITTEN..ZONES {
            self.promise.zones[zone as usize][0].least = self.pointer(zone);
        }
        for versions in &mut self.promise.blocks {
            versions.drain(..versions.len() - 1);
        }
    }

    fn command(&self, opcode: u8, flags: u8, lba: u64, blocks: u32, data: &[u8]) {
        self.execute(&cdb(opcode, flags, lba, blocks), data);
    }

    fn execute(&self, cdb: &[u8], data: &[u8]) {
        let (outcome, _) = self.disk.run(cdb, data, 0);
        assert_eq!(outcome.completion.status, Status::Good, "{cdb:x?}");
    }
}

fn cdb(opcode: u8, flags: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..2].copy_from_slice(&[opcode, flags]);
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// Opens the image on a store in the host's `boot`-th boot.
fn open(store: Arc<dyn Store>, host_aware: bool, boot: u8) -> Result<Unit, String> {
    let mut header = header(host_aware);
    let path = Path::new("simulated");
    let journal = recover(&*store, &mut header, Some(Boot::number(boot)), path);
    let journal = journal.map_err(|error| format!("it cannot be opened: {error}"))?;
    let table = Table::own(journal.words(), &header.geometry);
    let disk = Disk::start(store, table, journal, header, path, Cache::Host, false);
    let disk = disk.map_err(|error| format!("it cannot be started: {error}"))?;
    // The unit attention of power on.
    let disk = Unit::new(disk);
    disk.run(&[0; 6], &[], 0);
    Ok(disk)
}

/// Runs a workload and crashes everywhere in it; how many crashes there were, or the first broken promise.
fn campaign(seed: u64, order: Order) -> Result<usize, String> {
    let workload = Workload::new(seed, order);
    let begun = workload.store.events().len();
    let before = workload.store.state.lock().unwrap().0.clone();
    let mut state = Crashing::new(before);
    let (events, promises) = workload.run();
    let data = header(is_host_aware(seed)).layout.data.offset;
    let mut chance = Random::new(!seed);
    let mut crashes = 0;
    for count in begun..=events.len() {
        if count > begun {
            state.apply(&events[count - 1]);
        }
        let (_, promise) = promises
            .iter()
            .rfind(|(from, _)| *from <= count)
            .expect("one");
        let next = events.get(count);
        let undecided = state.undecided(next, data);
        let subsets = 0..1usize << undecided.len();
        for subset in subsets.flat_map(|subset| [subset; CRASHES_A_SUBSET]) {
            crashes += 1;
            let there = |at| {
                let bit = undecided.iter().position(|&place| place == at)?;
                Some(subset >> bit & 1 == 1)
            };
            let bytes = state.crash_with(next, &mut chance, there);
            survive(bytes, is_host_aware(seed), promise, &mut chance)
                .map_err(|why| format!("seed {seed}, crash after event {count}: {why}"))?;
        }
    }
    Ok(crashes)
}

/// Opens what a crash left, and once more after another crash during that.
fn survive(
    bytes: Vec<u8>,
    host_aware: bool,
    promise: &Promise,
    chance: &mut Random,
) -> Result<(), String> {
    let store = Arc::new(Recorder::new(bytes.clone(), Order::Right));
    let disk = open(Arc::clone(&store) as Arc<dyn Store>, host_aware, 2)?;
    check(&disk, promise)?;
    let events = store.events();
    let mut state = Crashing::new(bytes);
    let count = chance.draw() as usize % events.len();
    events[..count].iter().for_each(|event| state.apply(event));
    let bytes = state.crash(events.get(count), chance);
    let disk = open(Arc::new(Recorder::new(bytes, Order::Right)), host_aware, 3)?;
    check(&disk, promise).map_err(|why| format!("after a second crash: {why}"))
}

#[test]
fn no_crash_breaks_a_promise() {
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let first: u64 = number("ZONEVM_CRASH_FIRST", 0);
    let seeds = number("ZONEVM_CRASH_SEEDS", 20);
    let crashes: usize = (first..first + seeds)
        .map(|seed| campaign(seed, Order::Right).unwrap_or_else(|why| panic!("{why}")))
        .sum();
    println!("{seeds} workloads, {crashes} crashes, each followed by a second one: every promise was kept");
}

#[test]
fn two_syncs_in_the_wrong_order_are_found() {
    let broken = (0..20).find_map(|seed| campaign(seed, Order::Swapped).err());
    let why = broken.expect("a broken promise");
    let what = ["zone", "block", "truncated"];
    assert!(what.iter().any(|what| why.contains(what)), "{why}");
}
