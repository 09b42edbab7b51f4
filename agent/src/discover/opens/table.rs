//! What was seen of each file that a container writes, until it is known for a log or for none.

use std::collections::HashMap;

use crate::read::{FileId, Stat};

use super::rule::Look;

/// Logs in files that one container can have; an application that writes one per request would
/// fill the node's bounds alone.
pub const FILES_PER_CONTAINER_MAX: usize = 64;

/// And all containers of a node together: a sixteenth of all sources.
pub const FILES_PER_NODE_MAX: usize = 4_096;

/// Files whose case is open; further ones wait until some are settled or gone.
const OPEN_CASES_MAX: usize = 16_384;

const _: () = assert!(FILES_PER_NODE_MAX * 16 <= crate::core::limits::SOURCES_MAX);

/// Container and path.
pub(super) type Key = (String, String);

/// Device and inode with its birth.
pub(super) type File = (u64, FileId);

/// What a file shows at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub(super) stat: Stat,
    pub(super) device: u64,
    pub(super) is_append: bool,
    pub(super) look: Look,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// To be looked at again.
    Open,
    Log,
    /// A file that is collected under another name, or of another container.
    Shared,
    Binary,
    TooMany,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    cases: HashMap<Key, Case>,
    /// Whose each file of a log is: one on a volume that two containers write is one log, and so is
    /// one that was moved while it is written.
    owners: HashMap<File, Key>,
}

#[derive(Debug)]
enum Case {
    Open { inode: u64, size: u64 },
    Log,
    Closed,
}

impl Table {
    /// Nothing more is to be learned of it.
    pub(super) fn is_settled(&self, key: &Key) -> bool {
        matches!(self.cases.get(key), Some(Case::Log | Case::Closed))
    }

    pub(super) fn is_log(&self, key: &Key) -> bool {
        matches!(self.cases.get(key), Some(Case::Log))
    }

    pub(super) fn judge(&mut self, key: &Key, sight: Sight) -> Verdict {
        let Sight { stat, device, is_append, look } = sight;
        let inode = stat.id.inode;
        let case = self.cases.get(key);
        let is_new = case.is_none();
        let before = match case {
            Some(Case::Open { inode: known, size }) if *known == inode => Some(*size),
            _ => None,
        };
        let has_grown = before.is_some_and(|size| stat.size > size);
        if is_new && self.cases.len() >= OPEN_CASES_MAX {
            return Verdict::TooMany;
        }
        let verdict = match look {
            Look::Binary => Verdict::Binary,
            Look::Text if is_append || has_grown => self.admit(key, (device, stat.id)),
            Look::Text | Look::TooShort => Verdict::Open,
        };
        let case = match verdict {
            Verdict::Log => Case::Log,
            Verdict::Binary | Verdict::Shared => Case::Closed,
            // The first size stays: what grows by little between two looks has grown too.
            Verdict::Open | Verdict::TooMany => {
                Case::Open { inode, size: before.unwrap_or(stat.size).min(stat.size) }
            }
        };
        self.cases.insert(key.clone(), case);
        verdict
    }

    /// What cannot be had where it lies.
    pub(super) fn close(&mut self, key: Key) {
        if self.cases.len() < OPEN_CASES_MAX {
            self.cases.insert(key, Case::Closed);
        }
    }

    /// It was not taken: it comes again at the next look.
    pub(super) fn reopen(&mut self, key: &Key) {
        if let Some(Case::Log) = self.cases.remove(key) {
            self.owners.retain(|_, owner| owner != key);
        }
    }

    /// The file that a log is written to now, after a rotation.
    pub(super) fn owns(&mut self, key: &Key, file: File) {
        if self.owners.len() < OPEN_CASES_MAX {
            self.owners.entry(file).or_insert_with(|| key.clone());
        }
    }

    /// Forgets the containers that are gone.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.cases.retain(|(id, _), _| is_there(id));
        self.owners.retain(|_, (id, _)| is_there(id));
    }

    fn admit(&mut self, key: &Key, file: File) -> Verdict {
        if self.owners.get(&file).is_some_and(|owner| owner != key) {
            return Verdict::Shared;
        }
        let logs = self.cases.iter().filter(|(_, case)| matches!(case, Case::Log));
        let of_node = logs.clone().count();
        let of_container = logs.filter(|((id, _), _)| *id == key.0).count();
        if of_container >= FILES_PER_CONTAINER_MAX || of_node >= FILES_PER_NODE_MAX {
            return Verdict::TooMany;
        }
        self.owners.insert(file, key.clone());
        Verdict::Log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(inode: u64, size: u64, is_append: bool, look: Look) -> Sight {
        let id = FileId { inode, birth_ns: 1 };
        let stat = Stat { id, size, links: 1, is_regular: true };
        Sight { stat, device: 1, is_append, look }
    }

    fn key(id: &str, path: &str) -> Key {
        (id.to_owned(), path.to_owned())
    }

    #[test]
    fn appended_or_growing_text_is_a_log() {
        let mut table = Table::default();
        let a = key("c", "/a");
        assert_eq!(table.judge(&a, sight(1, 5, true, Look::Text)), Verdict::Log);
        assert!(table.is_settled(&a));
        let b = key("c", "/b");
        assert_eq!(table.judge(&b, sight(2, 5, false, Look::Text)), Verdict::Open);
        assert_eq!(table.judge(&b, sight(2, 5, false, Look::Text)), Verdict::Open);
        assert_eq!(table.judge(&b, sight(3, 9, false, Look::Text)), Verdict::Open, "replaced");
        assert_eq!(table.judge(&b, sight(3, 10, false, Look::Text)), Verdict::Log);
        let c = key("c", "/c");
        assert_eq!(table.judge(&c, sight(4, 0, true, Look::TooShort)), Verdict::Open);
        assert_eq!(table.judge(&c, sight(4, 9, true, Look::Binary)), Verdict::Binary);
        assert!(table.is_settled(&c));
    }

    #[test]
    fn a_shared_file_is_collected_once() {
        let mut table = Table::default();
        assert_eq!(table.judge(&key("c", "/a"), sight(1, 5, true, Look::Text)), Verdict::Log);
        assert_eq!(table.judge(&key("d", "/b"), sight(1, 5, true, Look::Text)), Verdict::Shared);
        let moved = key("c", "/moved");
        assert_eq!(table.judge(&moved, sight(1, 5, true, Look::Text)), Verdict::Shared);
        table.owns(&key("c", "/a"), (1, sight(2, 5, true, Look::Text).stat.id));
        assert_eq!(
            table.judge(&key("c", "/a-old"), sight(2, 5, true, Look::Text)),
            Verdict::Shared
        );
        table.retain(|id| id == "d");
        assert_eq!(table.judge(&key("d", "/c"), sight(1, 5, true, Look::Text)), Verdict::Log);
    }

    #[test]
    fn a_container_has_its_share_and_no_more() {
        let mut table = Table::default();
        for number in 0..FILES_PER_CONTAINER_MAX as u64 {
            let path = format!("/{number}");
            let sight = sight(number, 5, true, Look::Text);
            assert_eq!(table.judge(&key("c", &path), sight), Verdict::Log);
        }
        let more = sight(1_000, 5, true, Look::Text);
        assert_eq!(table.judge(&key("c", "/more"), more), Verdict::TooMany);
        assert_eq!(table.judge(&key("d", "/more"), more), Verdict::Log);
    }
}
