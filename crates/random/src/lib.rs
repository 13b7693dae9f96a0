//! Numbers from a seed: the same seed gives the same ones, on every machine and in every version.
#![forbid(unsafe_code)]

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers of this seed, from the first.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ bits >> 31
    }

    /// Whether what has this probability, from 0 to 1, happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        const BITS: u32 = 53;
        let fraction = (self.draw() >> (u64::BITS - BITS)) as f64 / (1u64 << BITS) as f64;
        fraction < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.draw(), 6_457_827_717_110_365_317);
        assert_eq!(random.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn certain_and_impossible() {
        let mut random = Random::new(7);
        assert!((0..1000).all(|_| random.happens(1.0)));
        assert!(!(0..1000).any(|_| random.happens(0.0)));
        let half = (0..1000).filter(|_| random.happens(0.5)).count();
        assert!((400..600).contains(&half), "{half}");
    }
}
