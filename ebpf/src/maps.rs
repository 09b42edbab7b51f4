/// Names of the maps and of the table of offsets, as both sides spell them.
pub mod map {
    /// Hash of followed inodes: [`InodeKey`](super::InodeKey) to the number of a slot (`u32`).
    pub const FOLLOWED: &str = "FOLLOWED";
    /// Array of [`Slot`](super::Slot), mapped by the agent for reading.
    pub const SLOTS: &str = "SLOTS";
    /// Array of `u64`, mapped by the agent: [`SLEEPING`](super::SLEEPING) and what follows it.
    pub const CONTROL: &str = "CONTROL";
    /// Ring buffer of records that begin with a [`Header`](super::Header).
    pub const EDGES: &str = "EDGES";
    /// Not a map but a constant of the programs: a `u32` for each [`Offset`](super::Offset).
    pub const OFFSETS: &str = "OFFSETS";
}

/// A superblock's device and an inode's number, each a word, so that there is no padding which
/// the hash of the kernel would see.
pub type InodeKey = [u64; 2];

/// `device` is what the kernel has in `super_block.s_dev` (12 bits of major, 20 of minor).
pub const fn inode_key(device: u32, inode: u64) -> InodeKey {
    [device as u64, inode]
}

/// One followed inode's slot: the kernel's clock at the end of the last write
/// (`bpf_ktime_get_ns`, `CLOCK_MONOTONIC` in nanoseconds).
///
/// A time and not a counter: a store needs no atomic operation, nothing is ever cleared, and the
/// agent learns how long ago the write was.
pub type Slot = u64;

/// Slots, and inodes that can be followed at once: 128 KiB of slots and about 1 MiB of hash, all
/// taken at load. A node of 250 pods with some files each needs a tenth of it; files beyond it are
/// left to inotify.
pub const SLOTS_MAX: u32 = 16_384;

/// In `CONTROL`: not 0 while the agent sleeps and wants to be woken by the next write.
pub const SLEEPING: u32 = 0;

/// In `CONTROL`: the first of [`LOST_CELLS`] counts of edges that found the ring full, since load.
/// Each processor counts in its own, as the target has no atomic addition; programs are not
/// preempted by one another. Not in the cache line of `SLEEPING`, which all writers read.
pub const LOST_EDGES: u32 = 8;

/// Processors beyond it share cells, and may then count two losses as one.
pub const LOST_CELLS: u32 = 256;

pub const CONTROL_ENTRIES: u32 = LOST_EDGES + LOST_CELLS;

/// Room for 800 of the largest edges: more than the containers that a node can start in the
/// second that the agent may need for another thing.
pub const EDGES_BYTES: u32 = 256 << 10;

const _: () = assert!(size_of::<InodeKey>() == 16);
// `mmap` of an array gives whole pages, and the ring demands a power of two.
const _: () = assert!((SLOTS_MAX as usize * size_of::<Slot>()).is_multiple_of(65_536));
const _: () = assert!(EDGES_BYTES.is_power_of_two());
const _: () = assert!(LOST_CELLS.is_power_of_two());
