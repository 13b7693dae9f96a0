//! Stops, resets, aborts and reconnects at random moments while commands are in flight: nothing is lost, nothing is
//! answered twice, nothing hangs. `ZONEVM_STRESS_SECONDS` says how long; a few seconds by default.

mod common;
mod fake;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use command::Unit;
use common::{task, Data, Dir, Guest, LUN0};
use fake::Fake;
use memory::Scatter;
use random::Random;
use vhost_user_scsi::listen;

const SIZE: u16 = 32;
/// Two request queues.
const RINGS: [usize; 2] = [2, 3];

/// A driver that knows what it has in flight, by ring and slot.
struct Driver {
    guest: Guest,
    flying: [HashSet<u16>; 2],
    random: Random,
    answered: u64,
    aborted: u64,
}

impl Driver {
    fn new(dir: &Dir, seed: u64) -> Driver {
        let guest = Guest::start(&dir.socket(), RINGS.len(), SIZE);
        // A function is about the rings that run.
        guest.sync();
        Driver {
            guest,
            flying: Default::default(),
            random: Random::new(seed),
            answered: 0,
            aborted: 0,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.draw() % limit
    }

    /// Slots are the ring's own: a driver offers a chain again only when it was used.
    fn submit(&mut self) {
        let at = self.below(2) as usize;
        let slot = (self.below(u64::from(SIZE) / 2 - 1) as u16) * 2 + at as u16;
        if self.flying[at].insert(slot) {
            let code = match self.below(8) {
                0 => fake::PAUSE,
                1..=4 => fake::LATER,
                _ => fake::STORE,
            };
            self.guest
                .submit(RINGS[at], slot, LUN0, &[code], Data::None);
        }
    }

    /// Takes what was answered.
    fn take(&mut self) {
        for (at, ring) in RINGS.into_iter().enumerate() {
            while let Some((slot, written)) = self.guest.rings[ring].take(&self.guest.memory) {
                assert!(
                    self.flying[at].remove(&slot),
                    "slot {slot} was answered twice"
                );
                assert_eq!(written, 108);
                let [status, response] = self.guest.code(slot);
                assert_eq!(status, 0);
                assert!(
                    matches!(response, 0 | ABORTED | RESET),
                    "response {response}"
                );
                self.answered += 1;
                self.aborted += u64::from(response != 0);
            }
        }
    }

    /// An abort of whichever has this tag, of all, or a reset: what it was about is over by its answer.
    fn manage(&mut self) {
        let slot = self.below(u64::from(SIZE)) as u16;
        let (function, tag) = match self.below(4) {
            0 => (0, u64::from(slot)),
            1 => (1, 0),
            2 => (5, 0),
            _ => (6, u64::from(slot)),
        };
        let answer = self.guest.control(&task(function, LUN0, tag), 1);
        assert!(matches!(answer[..], [0 | 10]), "{answer:?}");
        self.take();
        match function {
            0 => assert!(self.flying.iter().all(|flying| !flying.contains(&slot))),
            1 | 5 => assert!(self.flying.iter().all(HashSet::is_empty)),
            _ => {}
        }
    }

    /// A ring that is stopped has nothing in flight: what is not answered is what it has not taken yet.
    fn stop(&mut self, at: usize) {
        let position = self.guest.stop_ring(RINGS[at]);
        self.take();
        let offered = self.guest.rings[RINGS[at]].next_available;
        let left = usize::from(offered.wrapping_sub(position));
        assert_eq!(self.flying[at].len(), left, "{:?}", self.flying[at]);
    }
}

const ABORTED: u8 = 2;
const RESET: u8 = 4;

#[test]
fn stops_resets_aborts_and_reconnects_while_commands_are_in_flight() {
    let seconds = std::env::var("ZONEVM_STRESS_SECONDS").map_or(5, |text| text.parse().unwrap());
    let (dir, unit) = (Dir::new(), Fake::new());
    let units = vec![Arc::clone(&unit) as Arc<dyn Unit<Scatter>>];
    let server = listen(&dir.socket(), units, RINGS.len() as u16).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let completing: Vec<_> = (0..2)
        .map(|seed| {
            let (unit, over) = (Arc::clone(&unit), Arc::clone(&over));
            thread::spawn(move || {
                let mut random = Random::new(seed);
                while !over.load(Ordering::Relaxed) {
                    if !unit.complete_later(random.draw() as usize) {
                        thread::sleep(Duration::from_micros(100));
                    }
                }
            })
        })
        .collect();
    let (mut answered, mut aborted, mut seed) = (0, 0, 0);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let mut driver = Driver::new(&dir, seed);
        seed += 1;
        for _ in 0..400 {
            match driver.below(40) {
                0 => driver.manage(),
                1 => {
                    let at = driver.below(2) as usize;
                    driver.stop(at);
                    driver.guest.start_ring(RINGS[at]);
                    driver.guest.sync();
                }
                2..=9 => driver.take(),
                _ => driver.submit(),
            }
        }
        // One of two leaves with commands in flight.
        if seed % 2 == 0 {
            (0..RINGS.len()).for_each(|at| driver.stop(at));
        }
        answered += driver.answered;
        aborted += driver.aborted;
    }
    // What the last driver has left, also what its rings begin only now, is completed meanwhile.
    server.stop();
    over.store(true, Ordering::Relaxed);
    completing.into_iter().for_each(|one| one.join().unwrap());
    assert!(
        answered > 1000 && aborted > 10,
        "{answered} answered, {aborted} aborted"
    );
    println!(
        "{seed} connections, {answered} commands answered, {aborted} of them aborted or reset"
    );
}
