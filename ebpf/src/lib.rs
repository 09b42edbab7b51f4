//! The ABI that the kernel programs (`ebpf/programs`) and the agent share.
//!
//! Both compile this file, so both check the layouts that it asserts. Records are written by the
//! programs as they lie in memory and taken apart here byte by byte, so the agent needs no unsafe
//! code for them. Numbers are little-endian: there is no object for another order.
#![no_std]

mod edge;
mod maps;
mod offsets;

pub use edge::{CGROUP_PATH_BYTES, CgroupRecord, EdgeKind, EdgeRecord, Header};
pub use maps::{
    CONTROL_ENTRIES, EDGES_BYTES, InodeKey, LOST_CELLS, LOST_EDGES, SLEEPING, SLOTS_MAX, Slot,
    inode_key, map,
};
pub use offsets::{ABSENT, OFFSETS, Offset, Place};
