use crate::core::limits::CHUNK_BYTES;

/// The kernel copies a page fastest to a page: a destination at offset 16 of one costs a third of
/// the rate, and that is exactly what a large `Vec` of an ordinary allocator has.
const PAGE_BYTES: usize = 4096;

/// A page-aligned buffer that can grow for one long line and shrinks again.
#[derive(Debug)]
pub struct PageBuffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl PageBuffer {
    /// One chunk.
    pub fn new() -> Self {
        Self::with_len(CHUNK_BYTES)
    }

    pub fn with_len(len: usize) -> Self {
        let bytes = vec![0; len + PAGE_BYTES];
        let start = bytes.as_ptr().align_offset(PAGE_BYTES);
        // `align_offset` may refuse in theory; an unaligned buffer is slower and as right.
        let start = if start < PAGE_BYTES { start } else { 0 };
        Self { bytes, start, len }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.start + self.len]
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl Default for PageBuffer {
    /// One without memory.
    fn default() -> Self {
        Self { bytes: Vec::new(), start: 0, len: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_page_aligned() {
        for len in [1, 4095, 4096, CHUNK_BYTES, 1 << 20] {
            let buffer = PageBuffer::with_len(len);
            assert_eq!(buffer.as_slice().as_ptr() as usize % PAGE_BYTES, 0);
            assert_eq!(buffer.as_slice().len(), len);
        }
    }
}
