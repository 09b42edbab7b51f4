//! What this process has sent of each file, so that a conflict can be believed.

use std::collections::HashMap;

use crate::core::IdPrefix;

/// Files in each of the two generations. An agent works on far fewer at once; of one that has
/// been forgotten the next conflict is compared with what the server holds, which costs a
/// question and loses nothing.
const MARKS_MAX: usize = 16_384;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Ids of events below this offset may have been sent by this process.
    pub(super) sent_below: u64,
    /// The lowest offset whose document was there although we had not sent it, and that has not
    /// been proven ours since. From there on nothing is believed without a comparison.
    pub(super) doubted_from: Option<u64>,
    /// A document of this file was read back from the server and was ours.
    pub(super) verified: bool,
}

impl Mark {
    /// What may be believed for having been sent by this process.
    pub(super) fn believed_below(self) -> u64 {
        self.doubted_from.map_or(self.sent_below, |it| it.min(self.sent_below))
    }
}

#[derive(Debug, Default)]
pub(super) struct Marks {
    recent: HashMap<IdPrefix, Mark>,
    older: HashMap<IdPrefix, Mark>,
}

impl Marks {
    pub(super) fn mark(&self, prefix: IdPrefix) -> Mark {
        self.recent.get(&prefix).or_else(|| self.older.get(&prefix)).copied().unwrap_or_default()
    }

    pub(super) fn raise(&mut self, prefix: IdPrefix, below: u64) {
        let mark = self.entry(prefix);
        mark.sent_below = mark.sent_below.max(below);
    }

    /// A document at this offset was there although we had not sent it.
    pub(super) fn doubt(&mut self, prefix: IdPrefix, offset: u64) {
        let mark = self.entry(prefix);
        mark.doubted_from = Some(mark.doubted_from.map_or(offset, |it| it.min(offset)));
    }

    pub(super) fn verify(&mut self, prefix: IdPrefix) {
        let mark = self.entry(prefix);
        mark.verified = true;
        mark.doubted_from = None;
    }

    fn entry(&mut self, prefix: IdPrefix) -> &mut Mark {
        if !self.recent.contains_key(&prefix) && self.recent.len() >= MARKS_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        let before = self.older.remove(&prefix);
        self.recent.entry(prefix).or_insert_with(|| before.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(number: usize) -> IdPrefix {
        let mut bytes = [b'A'; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        IdPrefix(bytes)
    }

    #[test]
    fn marks_rise_are_doubted_and_stay_bounded() {
        let mut marks = Marks::default();
        marks.raise(prefix(0), 10);
        marks.raise(prefix(0), 5);
        assert_eq!(marks.mark(prefix(0)).believed_below(), 10);
        marks.doubt(prefix(0), 7);
        marks.doubt(prefix(0), 9);
        // What is sent later does not take the doubt away.
        marks.raise(prefix(0), 20);
        assert_eq!(marks.mark(prefix(0)).believed_below(), 7);
        marks.verify(prefix(0));
        let proven = Mark { sent_below: 20, doubted_from: None, verified: true };
        assert_eq!(marks.mark(prefix(0)), proven);
        for number in 1..3 * MARKS_MAX {
            marks.raise(prefix(number), 1);
            marks.raise(prefix(0), 8);
        }
        assert_eq!(marks.mark(prefix(0)), proven);
        assert_eq!(marks.mark(prefix(1)), Mark::default());
        assert!(marks.recent.len() + marks.older.len() <= 2 * MARKS_MAX);
    }
}
