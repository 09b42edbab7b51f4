//! Memory of an array of the kernel's, shared with its programs.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// An array of words, each of which the kernel's programs may write at any time.
#[derive(Debug)]
pub struct MappedWords {
    words: NonNull<AtomicU64>,
    len: usize,
    mapped_bytes: usize,
}

// SAFETY: the mapping belongs to the value and not to a thread, and all access to it is atomic.
unsafe impl Send for MappedWords {}
// SAFETY: as above.
unsafe impl Sync for MappedWords {}

impl MappedWords {
    /// Maps an array of `len` words; `map` is one of 8-byte values made with `BPF_F_MMAPABLE`.
    /// Any other descriptor is refused by the kernel, or is a file and then holds other words.
    pub fn new(map: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        let bytes = len.checked_mul(size_of::<u64>()).filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or(io::ErrorKind::InvalidInput)?;
        let mapped_bytes = bytes
            .checked_next_multiple_of(rustix::param::page_size())
            .ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: the kernel chooses a place that nothing else has.
        let words = unsafe {
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            mmap(ptr::null_mut(), mapped_bytes, protection, MapFlags::SHARED, map, 0)?
        };
        let words = NonNull::new(words.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { words, len, mapped_bytes })
    }

    pub fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: the mapping holds `len` words, starts at a page, lives as long as `self`, and is
        // only ever accessed as atomics on this side; the other side stores whole words.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr(), self.len) }
    }

    pub fn load(&self, index: usize, ordering: Ordering) -> u64 {
        self.as_slice()[index].load(ordering)
    }
}

impl Drop for MappedWords {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and no borrow of it outlives `self`.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.mapped_bytes) };
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn words_are_those_of_the_file() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let words = MappedWords::new(file.as_fd(), 3).unwrap();
        words.as_slice()[2].store(7, Ordering::Relaxed);
        assert_eq!(words.load(2, Ordering::Relaxed), 7);
        let mut bytes = [0; 8];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut bytes, 16).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), 7);
    }

    #[test]
    fn what_cannot_be_mapped_is_an_error() {
        let (read, _write) = io::pipe().unwrap();
        assert!(MappedWords::new(read.as_fd(), 1).is_err());
        let file = tempfile::tempfile().unwrap();
        for len in [0, usize::MAX / 8, usize::MAX] {
            assert!(MappedWords::new(file.as_fd(), len).is_err());
        }
    }
}
