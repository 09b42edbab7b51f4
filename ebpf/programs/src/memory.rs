//! Reading the kernel's structures at places that are known only when the programs are loaded.

use aya_ebpf::{Global, helpers::bpf_probe_read_kernel};
use sluice_ebpf::{ABSENT, OFFSETS as ENTRIES, Offset};

/// Overwritten by the agent before it loads anything. In `.rodata`, which is frozen then, so the
/// verifier knows the values.
#[unsafe(no_mangle)]
static OFFSETS: [Global<u32>; ENTRIES] = [const { Global::new(ABSENT) }; ENTRIES];

#[inline(always)]
pub fn offset(of: Offset) -> usize {
    OFFSETS[of as usize].load() as usize
}

/// A way of reading the kernel's memory.
pub trait Read {
    /// The `T` at `of` in the structure at `base`.
    ///
    /// # Safety
    ///
    /// `base` comes from the kernel, as an argument or by another read, and points to the
    /// structure that `of` belongs to; what lies there is a `T`.
    unsafe fn read<T: Copy>(base: *const u8, of: Offset) -> Option<T>;
}

/// By a helper that takes any address and fails on a bad one. Withdrawn under lockdown
/// *confidentiality*.
pub struct Probed;

impl Read for Probed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, of: Offset) -> Option<T> {
        // SAFETY: the helper checks the address itself; the caller answers for the type.
        unsafe { bpf_probe_read_kernel(base.wrapping_add(offset(of)).cast::<T>()) }.ok()
    }
}

/// By a plain load, of which the verifier proves by the kernel's BTF that it is one of a member;
/// for arguments whose types it knows. A bad address reads as 0.
pub struct Typed;

impl Read for Typed {
    #[inline(always)]
    unsafe fn read<T: Copy>(base: *const u8, of: Offset) -> Option<T> {
        // SAFETY: the verifier lets only loads of members of kernel structures through, and the
        // kernel handles their faults. Volatile, so that the load is made with the width of `T`.
        Some(unsafe { base.wrapping_add(offset(of)).cast::<T>().read_volatile() })
    }
}
