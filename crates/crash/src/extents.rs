//! Where the blocks of a disk come from: ranges of LBAs, each with its source. A block in none is zeroes.

use std::collections::BTreeMap;

use zoned::Blocks;

/// Where the blocks of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the data that the record keeps at byte `at`, from block `skip` of them on.
    Record { at: u64, skip: u64 },
    /// Each is the one block that the record keeps there.
    Fill { at: u64 },
    /// In the overlay of a view.
    Overlay,
}

impl Source {
    /// The source of what is `blocks` further on.
    pub fn from(self, blocks: u64) -> Source {
        match self {
            Source::Record { at, skip } => Source::Record {
                at,
                skip: skip + blocks,
            },
            other => other,
        }
    }
}

/// A map of LBAs to their sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extents(BTreeMap<u64, (u64, Source)>);

impl Extents {
    /// Has `blocks` come from `source`; `None`: they are zeroes.
    pub fn set(&mut self, blocks: Blocks, source: Option<Source>) {
        if blocks.count == 0 {
            return;
        }
        self.cut(blocks);
        let Some(source) = source else { return };
        if let Some((&start, (end, last))) = self.0.range_mut(..blocks.lba).next_back() {
            if *end == blocks.lba && last.from(*end - start) == source {
                *end = blocks.end();
                return;
            }
        }
        self.0.insert(blocks.lba, (blocks.end(), source));
    }

    /// Forgets the sources of `blocks`.
    fn cut(&mut self, blocks: Blocks) {
        let (lba, end) = (blocks.lba, blocks.end());
        if let Some((&start, before)) = self.0.range_mut(..lba).next_back() {
            let (stop, source) = *before;
            if stop > lba {
                before.0 = lba;
            }
            if stop > end {
                self.0.insert(end, (stop, source.from(end - start)));
            }
        }
        while let Some((&start, &(stop, source))) = self.0.range(lba..end).next() {
            self.0.remove(&start);
            if stop > end {
                self.0.insert(end, (stop, source.from(end - start)));
            }
        }
    }

    /// `blocks` in parts, in order, each with its source.
    pub fn parts(&self, blocks: Blocks) -> Vec<(Blocks, Option<Source>)> {
        let mut parts = Vec::new();
        let mut at = blocks.lba;
        let before = self.0.range(..blocks.lba).next_back();
        let within = self.0.range(blocks.lba..blocks.end());
        for (&start, &(stop, source)) in before.into_iter().chain(within) {
            let from = start.max(at);
            let stop = stop.min(blocks.end());
            if stop <= from {
                continue;
            }
            parts.extend((from > at).then_some((range(at, from), None)));
            parts.push((range(from, stop), Some(source.from(from - start))));
            at = stop;
        }
        parts.extend((blocks.end() > at).then_some((range(at, blocks.end()), None)));
        parts
    }
}

/// The blocks from `start` up to `end`.
pub(crate) fn range(start: u64, end: u64) -> Blocks {
    Blocks {
        lba: start,
        count: end - start,
    }
}

#[cfg(test)]
mod tests {
    use random::Random;

    use super::*;

    #[test]
    fn as_an_array_of_blocks() {
        const BLOCKS: u64 = 24;
        let mut random = Random::new(5);
        for _ in 0..300 {
            let mut map = Extents::default();
            let mut array = [None; BLOCKS as usize];
            for at in 0..12 {
                let start = random.draw() % BLOCKS;
                let blocks = range(start, start + random.draw() % (BLOCKS - start + 1));
                let source = match random.draw() % 4 {
                    0 => None,
                    1 => Some(Source::Overlay),
                    2 => Some(Source::Fill { at }),
                    _ => Some(Source::Record { at, skip: 3 }),
                };
                map.set(blocks, source);
                for lba in blocks.lba..blocks.end() {
                    array[lba as usize] = source.map(|source| source.from(lba - start));
                }
            }
            let start = random.draw() % BLOCKS;
            let parts = map.parts(range(start, BLOCKS));
            let each = parts.iter().flat_map(|&(blocks, source)| {
                (0..blocks.count).map(move |at| source.map(|source| source.from(at)))
            });
            assert_eq!(each.collect::<Vec<_>>(), array[start as usize..]);
        }
    }
}
