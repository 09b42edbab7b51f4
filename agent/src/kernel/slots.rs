//! Which slot belongs to which inode, and which slots have changed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::identity::InodeId;

/// A followed inode's place in the array that the kernel writes. It stays the inode's until the
/// last follower has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub(super) u32);

impl Slot {
    /// Below the number of slots that were asked for; for tables of one's own.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug)]
struct Followed {
    slot: Slot,
    followers: u32,
}

/// The agent's side of the hash of followed inodes. It and the kernel's have the same entries.
#[derive(Debug)]
pub(super) struct Slots {
    by_inode: HashMap<InodeId, Followed>,
    by_slot: Vec<Option<InodeId>>,
    /// The value that each slot had when it was last looked at.
    seen: Vec<u64>,
    free: Vec<Slot>,
    max: usize,
}

/// What has to be done in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Followed already: on btrfs two files may share an inode's number, and a file may have two
    /// followers.
    Shared(Slot),
    New(Slot),
    Full,
}

impl Slots {
    pub(super) fn new(max: u32) -> Self {
        Self {
            by_inode: HashMap::new(),
            by_slot: Vec::new(),
            seen: Vec::new(),
            free: Vec::new(),
            max: max as usize,
        }
    }

    /// One more follower of `inode`. `load` gives what a slot holds now: the value of an earlier
    /// owner is no news.
    pub(super) fn claim(&mut self, inode: InodeId, load: impl Fn(Slot) -> u64) -> Claim {
        match self.by_inode.entry(inode) {
            Entry::Occupied(mut entry) => {
                let followed = entry.get_mut();
                followed.followers += 1;
                Claim::Shared(followed.slot)
            }
            Entry::Vacant(entry) => {
                let slot = match self.free.pop() {
                    Some(slot) => slot,
                    None if self.by_slot.len() < self.max => {
                        self.by_slot.push(None);
                        self.seen.push(0);
                        Slot(self.by_slot.len() as u32 - 1)
                    }
                    None => return Claim::Full,
                };
                self.by_slot[slot.index()] = Some(inode);
                self.seen[slot.index()] = load(slot);
                entry.insert(Followed { slot, followers: 1 });
                Claim::New(slot)
            }
        }
    }

    /// One follower less. True if that was the last one: the kernel's entry has to go.
    pub(super) fn release(&mut self, inode: InodeId) -> bool {
        let Entry::Occupied(mut entry) = self.by_inode.entry(inode) else { return false };
        let followed = entry.get_mut();
        followed.followers -= 1;
        if followed.followers > 0 {
            return false;
        }
        let slot = entry.remove().slot;
        self.by_slot[slot.index()] = None;
        self.free.push(slot);
        true
    }

    /// Calls `changed` for each slot in use whose value is another than at the last call.
    ///
    /// Another, not a greater: two processors may store in the wrong order.
    pub(super) fn compare(
        &mut self,
        load: impl Fn(Slot) -> u64,
        mut changed: impl FnMut(Slot, u64),
    ) {
        for (index, (owner, seen)) in self.by_slot.iter().zip(&mut self.seen).enumerate() {
            let slot = Slot(index as u32);
            let value = load(slot);
            // The owner is asked last: nearly all slots are in use and unchanged.
            if value != *seen {
                *seen = value;
                if owner.is_some() {
                    changed(slot, value);
                }
            }
        }
    }

    /// Whether [`Self::compare`] would call anything.
    pub(super) fn any_changed(&self, load: impl Fn(Slot) -> u64) -> bool {
        let mut slots = self.by_slot.iter().zip(&self.seen).enumerate();
        slots.any(|(index, (owner, seen))| owner.is_some() && load(Slot(index as u32)) != *seen)
    }

    pub(super) fn slot_of(&self, inode: InodeId) -> Option<Slot> {
        self.by_inode.get(&inode).map(|followed| followed.slot)
    }

    pub(super) fn is_used(&self, slot: Slot) -> bool {
        self.by_slot.get(slot.index()).is_some_and(Option::is_some)
    }

    pub(super) fn len(&self) -> usize {
        self.by_inode.len()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const fn inode(inode: u64) -> InodeId {
        InodeId { device: 1, inode }
    }

    #[test]
    fn slots_are_shared_used_again_and_limited() {
        let mut slots = Slots::new(2);
        let none = |_| 0;
        assert_eq!(slots.claim(inode(1), none), Claim::New(Slot(0)));
        assert_eq!(slots.claim(inode(1), none), Claim::Shared(Slot(0)));
        assert_eq!(slots.claim(inode(2), none), Claim::New(Slot(1)));
        assert_eq!(slots.claim(inode(3), none), Claim::Full);
        assert!(!slots.release(inode(1)) && !slots.release(inode(3)));
        assert!(slots.release(inode(1)) && !slots.release(inode(1)));
        assert_eq!(slots.slot_of(inode(1)), None);
        assert_eq!(slots.claim(inode(3), none), Claim::New(Slot(0)));
        assert_eq!((slots.len(), slots.slot_of(inode(3))), (2, Some(Slot(0))));
    }

    #[test]
    fn only_what_changed_since_is_told() {
        let words = RefCell::new([7, 7, 7]);
        let load = |slot: Slot| words.borrow()[slot.index()];
        let mut slots = Slots::new(3);
        for number in 0..3 {
            slots.claim(inode(number), load);
        }
        let mut check = |values: [u64; 3], expect: &[u32]| {
            *words.borrow_mut() = values;
            let mut told = Vec::new();
            slots.compare(load, |slot, _| told.push(slot.0));
            assert_eq!(told, expect, "{values:?}");
        };
        check([7, 7, 7], &[]);
        check([8, 7, 9], &[0, 2]);
        check([8, 7, 9], &[]);
        check([6, 7, 9], &[0]);
        slots.release(inode(2));
        let mut told = Vec::new();
        slots.compare(|_| 10, |slot, _| told.push(slot.0));
        assert_eq!(told, [0, 1], "a slot without an owner is passed over");
        assert_eq!(slots.claim(inode(4), |_| 11), Claim::New(Slot(2)));
        told.clear();
        slots.compare(|slot| if slot.0 == 2 { 11 } else { 10 }, |slot, _| told.push(slot.0));
        assert!(told.is_empty(), "what an earlier owner left is no news");
    }
}
