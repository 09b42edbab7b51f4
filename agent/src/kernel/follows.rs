//! Followed inodes: the hash that the programs ask, and the array that they write.

use std::io;
use std::sync::atomic::Ordering;

use aya::Ebpf;
use aya::maps::{self, Map, MapData, MapError};
use sluice_ebpf::{InodeKey, inode_key, map};

use super::KernelError;
use super::identity::InodeId;
use super::slots::{Claim, Slot, Slots};
use crate::sys::MappedWords;

/// Only if it is not there: `BPF_NOEXIST`.
const NO_EXIST: u64 = 1;

pub(super) struct Follows {
    hash: maps::HashMap<MapData, InodeKey, u32>,
    memory: MappedWords,
    slots: Slots,
}

/// The kernel or we have no room for another inode.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoRoom {
    #[error("all slots are taken")]
    Full,
    #[error(transparent)]
    Map(#[from] MapError),
}

impl Follows {
    pub(super) fn new(object: &mut Ebpf, slots_max: u32) -> Result<Self, KernelError> {
        let hash = object.take_map(map::FOLLOWED).ok_or(KernelError::Object)?;
        Ok(Self {
            hash: hash.try_into().map_err(|_| KernelError::Object)?,
            memory: mapped(object, map::SLOTS, slots_max as usize)?,
            slots: Slots::new(slots_max),
        })
    }

    pub(super) fn follow(&mut self, inode: InodeId) -> Result<Slot, NoRoom> {
        // The value of before the entry is there: whatever is stored afterwards is news.
        match self.slots.claim(inode, |slot| load(&self.memory, slot)) {
            Claim::Shared(slot) => Ok(slot),
            Claim::Full => Err(NoRoom::Full),
            Claim::New(slot) => match self.hash.insert(key(inode), slot.0, NO_EXIST) {
                Ok(()) => Ok(slot),
                Err(error) => {
                    self.slots.release(inode);
                    Err(error.into())
                }
            },
        }
    }

    pub(super) fn unfollow(&mut self, inode: InodeId) -> Result<(), MapError> {
        if self.slots.release(inode) { self.hash.remove(&key(inode)) } else { Ok(()) }
    }

    pub(super) fn compare(&mut self, changed: impl FnMut(Slot, u64)) {
        let memory = &self.memory;
        self.slots.compare(|slot| load(memory, slot), changed);
    }

    pub(super) fn any_changed(&self) -> bool {
        self.slots.any_changed(|slot| load(&self.memory, slot))
    }

    pub(super) fn written_ns(&self, slot: Slot) -> u64 {
        load(&self.memory, slot)
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }
}

/// Acquire: whoever sees the time of a write sees what that processor had done before, on which
/// side of the kernel's lock it may be.
fn load(memory: &MappedWords, slot: Slot) -> u64 {
    memory.load(slot.index(), Ordering::Acquire)
}

fn key(inode: InodeId) -> InodeKey {
    inode_key(inode.device, inode.inode)
}

/// An array of the object, mapped. The array itself stays in the object.
pub(super) fn mapped(object: &Ebpf, name: &str, len: usize) -> Result<MappedWords, KernelError> {
    use std::os::fd::AsFd;
    let Some(Map::Array(data)) = object.map(name) else { return Err(KernelError::Object) };
    MappedWords::new(data.fd().as_fd(), len)
        .map_err(|source: io::Error| KernelError::Memory { source })
}
