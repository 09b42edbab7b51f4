//! Bits on their way out, the first one lowest.

/// Writes bits into a buffer that the caller has made large enough.
pub(crate) struct Bits<'a> {
    /// Bits that are not in `out` yet, and zeros above them.
    held: u64,
    /// How many they are; below 8 after a flush.
    count: u32,
    at: usize,
    out: &'a mut [u8],
}

/// Bits that do not fill a byte yet: what is left of one buffer and begins the next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Partial {
    held: u64,
    count: u32,
}

/// A place in the output, to go back to.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    partial: Partial,
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(partial: Partial, out: &'a mut [u8]) -> Self {
        Self { held: partial.held, count: partial.count, at: 0, out }
    }

    /// Holds `count` more bits; no others may be set in `bits`. Between two flushes there may be 56
    /// of them.
    #[inline(always)]
    pub(crate) fn put(&mut self, bits: u64, count: u32) {
        debug_assert!(self.count + count < 64 && bits >> count == 0);
        self.held |= bits << self.count;
        self.count += count;
    }

    /// Writes what is held but for a part of a byte.
    #[inline(always)]
    pub(crate) fn flush(&mut self) {
        self.out[self.at..self.at + 8].copy_from_slice(&self.held.to_le_bytes());
        self.at += (self.count >> 3) as usize;
        self.held >>= self.count & !7;
        self.count &= 7;
    }

    /// Pads with zeros to the next byte.
    pub(crate) fn align(&mut self) {
        self.count = (self.count + 7) & !7;
        self.flush();
    }

    /// Whole bytes; the output must be aligned.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.count, 0);
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    /// The bytes written, and what is held besides them.
    pub(crate) fn end(self) -> (&'a [u8], Partial) {
        let partial = self.partial();
        let Self { out, at, .. } = self;
        (&out[..at], partial)
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { partial: self.partial(), at: self.at }
    }

    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.held = mark.partial.held;
        self.count = mark.partial.count;
        self.at = mark.at;
    }

    pub(crate) fn since(&self, mark: Mark) -> usize {
        (self.at - mark.at) * 8 + self.count as usize - mark.partial.count as usize
    }

    fn partial(&self) -> Partial {
        Partial { held: self.held, count: self.count }
    }
}
