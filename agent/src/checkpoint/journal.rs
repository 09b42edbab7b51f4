//! What shapes a file's documents besides its bytes, each with the offset from which it holds.

use serde::{Deserialize, Serialize};

use crate::core::Stream;
use crate::encode::{Rules, Seen};

/// One dated fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// Ids from here on belong to this generation.
    Generation(u32),
    /// Target, zone and limits from here on.
    Rules(Rules),
    /// When what follows was read first, for records without a legal time of their own.
    Seen(Seen),
    /// An unfinished line, or an event that more lines may belong to, ends here: by a timer, a
    /// memory limit, or the end of its file or container.
    Cut(Stream),
}

/// Entries in the order of their offsets; of equal ones in the order of their making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    entries: Vec<(u64, Entry)>,
}

impl Journal {
    pub fn add(&mut self, offset: u64, entry: Entry) {
        let place = self.entries.partition_point(|(other, _)| *other <= offset);
        self.entries.insert(place, (offset, entry));
    }

    /// The first offset beyond `offset` at which something changes.
    pub fn next_change(&self, offset: u64) -> Option<u64> {
        let place = self.entries.partition_point(|(other, _)| *other <= offset);
        self.entries.get(place).map(|(other, _)| *other)
    }

    /// The generation that holds at `offset`.
    pub fn generation(&self, offset: u64) -> u32 {
        self.latest(offset, |entry| match entry {
            Entry::Generation(generation) => Some(*generation),
            _ => None,
        })
        .unwrap_or(0)
    }

    /// The rules that hold at `offset`.
    pub fn rules(&self, offset: u64) -> Option<&Rules> {
        self.latest(offset, |entry| match entry {
            Entry::Rules(rules) => Some(rules),
            _ => None,
        })
    }

    /// All times of reading.
    pub fn all_seen(&self) -> impl Iterator<Item = Seen> + '_ {
        self.entries.iter().filter_map(|(_, entry)| match entry {
            Entry::Seen(seen) => Some(*seen),
            _ => None,
        })
    }

    /// The time of reading that holds at `offset`.
    pub fn seen(&self, offset: u64) -> Option<Seen> {
        self.latest(offset, |entry| match entry {
            Entry::Seen(seen) => Some(*seen),
            _ => None,
        })
    }

    /// The streams of which all that is open ends exactly at `offset`.
    pub fn cuts(&self, offset: u64) -> impl Iterator<Item = Stream> + '_ {
        self.entries.iter().filter_map(move |(other, entry)| match entry {
            Entry::Cut(stream) if *other == offset => Some(*stream),
            _ => None,
        })
    }

    /// Forgets what lies wholly before the frontier: cuts, and all but the last entry of each
    /// other kind.
    pub fn prune(&mut self, frontier: u64) {
        let mut kept = Vec::with_capacity(self.entries.len());
        let (mut generation, mut rules, mut time) = (false, false, false);
        for (offset, entry) in self.entries.drain(..).rev() {
            let (seen, end) = match &entry {
                Entry::Generation(_) => (&mut generation, frontier),
                Entry::Rules(_) => (&mut rules, frontier),
                // A cut at the frontier has its time from the bytes before.
                Entry::Seen(_) => (&mut time, frontier.saturating_sub(1)),
                Entry::Cut(_) => {
                    if offset >= frontier {
                        kept.push((offset, entry));
                    }
                    continue;
                }
            };
            if offset > end || !*seen {
                *seen |= offset <= end;
                kept.push((offset, entry));
            }
        }
        kept.reverse();
        self.entries = kept;
    }

    fn latest<'a, T: 'a>(
        &'a self,
        offset: u64,
        pick: impl Fn(&'a Entry) -> Option<T>,
    ) -> Option<T> {
        let end = self.entries.partition_point(|(other, _)| *other <= offset);
        self.entries[..end].iter().rev().find_map(|(_, entry)| pick(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(second: i64) -> Seen {
        Seen::of_wall(second * 1_000_000_000)
    }

    #[test]
    fn the_latest_entry_at_or_before_an_offset_holds() {
        let mut journal = Journal::default();
        journal.add(0, Entry::Seen(seen(24)));
        journal.add(100, Entry::Seen(seen(25)));
        journal.add(40, Entry::Cut(Stream::Stdout));
        assert_eq!(journal.seen(99), Some(seen(24)));
        assert_eq!(journal.seen(100), Some(seen(25)));
        assert_eq!(journal.next_change(0), Some(40));
        assert_eq!(journal.next_change(40), Some(100));
        assert_eq!(journal.next_change(100), None);
        assert_eq!(journal.cuts(40).collect::<Vec<_>>(), [Stream::Stdout]);
        assert_eq!(journal.cuts(41).count(), 0);
        assert_eq!(journal.generation(7), 0);
    }

    #[test]
    fn pruning_changes_nothing_at_or_beyond_the_frontier() {
        let mut journal = Journal::default();
        journal.add(0, Entry::Generation(1));
        journal.add(0, Entry::Seen(seen(23)));
        journal.add(10, Entry::Seen(seen(24)));
        journal.add(10, Entry::Cut(Stream::Stderr));
        journal.add(20, Entry::Seen(seen(25)));
        journal.add(20, Entry::Cut(Stream::Stdout));
        let before = journal.clone();
        journal.prune(15);
        assert!(journal.entries.len() < before.entries.len());
        for offset in 15..30 {
            assert_eq!(journal.seen(offset), before.seen(offset));
            assert_eq!(journal.generation(offset), before.generation(offset));
            assert_eq!(journal.next_change(offset), before.next_change(offset));
            assert!(journal.cuts(offset).eq(before.cuts(offset)));
        }
        // What a cut at the frontier ends is of the day before.
        let mut journal = before.clone();
        journal.prune(20);
        assert_eq!(journal.seen(19), before.seen(19));
        assert!(journal.cuts(20).eq(before.cuts(20)));
    }
}
