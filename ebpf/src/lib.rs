//! The ABI that the kernel programs and the agent share. The programs come with the kernel
//! watcher; until then this holds only the slot that both will agree on.
#![no_std]

/// One followed inode's slot in the mmap-ed array: the kernel's clock at the end of the last
/// write (`bpf_ktime_get_ns`, monotonic nanoseconds), 0 if there was none since it was cleared.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    pub written_mono_ns: u64,
}

const _: () = assert!(size_of::<Slot>() == 8);
