//! What was written where it can be overwritten, since that was stable last: versions of physical blocks, one after the
//! other. Of each a number is kept, and what they have in common once for each write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use zoned::Blocks;

use crate::extents::{range, Extents, Source};
use crate::reader::Position;

/// A physical block's content from a write on.
pub(crate) struct Version {
    pub submission: Position,
    /// What of the block is written, and from where; `None`: zeroes.
    pub part: Blocks,
    pub source: Option<Source>,
}

#[derive(Clone, Debug)]
struct Write {
    submission: Position,
    completed: Option<u64>,
    blocks: Blocks,
    source: Option<Source>,
    /// Of how many physical blocks it is a version.
    versions: usize,
}

/// Versions of the physical blocks of a disk.
#[derive(Clone, Debug)]
pub(crate) struct Overwritten {
    /// Blocks of a physical one.
    size: u64,
    /// By the numbers of their submissions.
    writes: HashMap<u64, Write>,
    /// Of each physical block the writes since the stable one, in the order of their submissions.
    versions: BTreeMap<u64, Vec<u64>>,
}

impl Write {
    fn version(&self, block: u64, size: u64) -> Version {
        let part = self.blocks.common(range(block * size, (block + 1) * size));
        let source = self.source;
        Version {
            submission: self.submission,
            part,
            source: source.map(|source| source.from(part.lba - self.blocks.lba)),
        }
    }
}

impl Overwritten {
    /// Of a disk whose physical blocks are `size` logical ones.
    pub fn new(size: u64) -> Overwritten {
        Overwritten {
            size,
            writes: HashMap::new(),
            versions: BTreeMap::new(),
        }
    }

    /// The physical blocks that may lose something.
    pub fn blocks(&self) -> impl Iterator<Item = u64> + '_ {
        self.versions.keys().copied()
    }

    /// What may be lost of a physical block, the oldest first.
    pub fn versions(&self, block: u64) -> impl ExactSizeIterator<Item = Version> + '_ {
        let numbers = self.versions.get(&block).map_or(&[][..], Vec::as_slice);
        let version = move |number| self.writes[number].version(block, self.size);
        numbers.iter().map(version)
    }

    /// A write of some blocks, at least one, is submitted; `content` is what is stable.
    pub fn write(
        &mut self,
        submission: Position,
        blocks: Blocks,
        source: Option<Source>,
        content: &Extents,
    ) {
        let changed: BTreeSet<u64> = match source {
            Some(_) => self.physical(blocks).collect(),
            None => self.not_zeroes(blocks, content),
        };
        if changed.is_empty() {
            return;
        }
        let write = Write {
            submission,
            completed: None,
            blocks,
            source,
            versions: changed.len(),
        };
        self.writes.insert(submission.number, write);
        for block in changed {
            let versions = self.versions.entry(block).or_default();
            versions.push(submission.number);
        }
    }

    /// The physical blocks in which these may hold something: what a whole disk is trimmed by has no version of the rest.
    fn not_zeroes(&self, blocks: Blocks, content: &Extents) -> BTreeSet<u64> {
        let unstable = self.versions.range(self.physical(blocks));
        let mut found: BTreeSet<u64> = unstable.map(|(&block, _)| block).collect();
        for (part, source) in content.parts(blocks) {
            if source.is_some() {
                found.extend(self.physical(part));
            }
        }
        found
    }

    /// The write of submission `number` was done, by entry `now`.
    pub fn complete(&mut self, number: u64, now: u64) {
        if let Some(write) = self.writes.get_mut(&number) {
            write.completed = Some(now);
        }
    }

    /// Makes the write of submission `number` stable, and in its blocks what was before it.
    pub fn settle_write(&mut self, number: u64, content: &mut Extents) {
        let Some(blocks) = self.writes.get(&number).map(|write| write.blocks) else {
            return;
        };
        let own = |_: &_, numbers: &[u64]| match numbers.binary_search(&number) {
            Ok(own) => own + 1,
            Err(_) => 0,
        };
        self.settle_some(self.physical(blocks), content, own);
    }

    /// Makes stable what had completed before entry `before`, in the physical blocks of some, or in all.
    pub fn settle(&mut self, before: u64, blocks: Option<Blocks>, content: &mut Extents) {
        let stable = |writes: &HashMap<u64, Write>, numbers: &[u64]| {
            let had = |number: &u64| writes[number].completed.is_some_and(|at| at < before);
            let last = numbers.iter().rposition(had);
            last.map_or(0, |last| last + 1)
        };
        let all = 0..=u64::MAX;
        let physical = blocks.map_or(all, |blocks| self.physical(blocks));
        self.settle_some(physical, content, stable);
    }

    /// Makes stable, of each of these, as many of its versions as `stable` says.
    fn settle_some(
        &mut self,
        physical: RangeInclusive<u64>,
        content: &mut Extents,
        stable: impl Fn(&HashMap<u64, Write>, &[u64]) -> usize,
    ) {
        let mut settled = Vec::new();
        for (&block, numbers) in self.versions.range_mut(physical) {
            let count = stable(&self.writes, numbers);
            for number in numbers.drain(..count) {
                let Some(write) = self.writes.get_mut(&number) else {
                    continue;
                };
                let version = write.version(block, self.size);
                content.set(version.part, version.source);
                write.versions -= 1;
                if write.versions == 0 {
                    self.writes.remove(&number);
                }
            }
            settled.extend(numbers.is_empty().then_some(block));
        }
        for block in settled {
            self.versions.remove(&block);
        }
    }

    fn physical(&self, blocks: Blocks) -> RangeInclusive<u64> {
        blocks.lba / self.size..=(blocks.end() - 1) / self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroes_are_versions_only_where_something_is_written() {
        let fill = Position::first();
        let mut content = Extents::default();
        let mut overwritten = Overwritten::new(8);
        overwritten.write(fill, range(0, 1 << 20), None, &content);
        assert_eq!(overwritten.blocks().count(), 0);
        content.set(range(60, 70), Some(Source::Overlay));
        overwritten.write(fill, range(64, 1 << 20), None, &content);
        assert_eq!(overwritten.blocks().collect::<Vec<_>>(), [8]);
        overwritten.complete(0, 1);
        overwritten.settle(2, None, &mut content);
        assert_eq!(overwritten.blocks().count(), 0);
        assert!(overwritten.writes.is_empty());
        let written = content.parts(range(0, 1 << 20)).into_iter();
        let written: Vec<Blocks> = written
            .filter(|(_, source)| source.is_some())
            .map(|(part, _)| part)
            .collect();
        assert_eq!(written, [range(60, 64)]);
    }
}
