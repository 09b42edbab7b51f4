//! Memory that was needed once.

/// Gives what this thread has freed back to the kernel at once. Without mimalloc as the allocator
/// there is nothing of it to give.
pub fn give_back_memory() {
    // SAFETY: it may be called at any time on any thread, and touches no block in use.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
