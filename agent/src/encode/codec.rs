//! The seam to the compression of a body: plain bytes in, one gzip member out.

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::{Body, Encoding};
use crate::core::limits::BLOCK_BYTES;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// gzip by zlib-rs; levels 1 to 9.
    ZlibRs { level: u32 },
    /// Not at all, and no `Content-Encoding`.
    Stored,
}

/// Free space that a plain block should have behind it, so that an ordinary document never moves
/// it.
const SLACK_BYTES: usize = 64 << 10;

/// A plain block longer than this was made by a huge event and is given back.
const PLAIN_BYTES_KEPT: usize = 4 * BLOCK_BYTES;

/// Magic, deflate, no flags, no time (a body is a function of its documents), no extra flags,
/// unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A body in the making.
pub(super) struct Writer {
    plain: Vec<u8>,
    /// Plain bytes that have been compressed.
    behind: usize,
    /// What a fresh plain block reserves.
    reserve: usize,
    gzip: Option<Box<Gzip>>,
}

impl Writer {
    pub(super) fn new(codec: Codec, batch_bytes: usize) -> Self {
        let (gzip, reserve) = match codec {
            Codec::ZlibRs { level } => (Some(Box::new(Gzip::new(level))), BLOCK_BYTES),
            Codec::Stored => (None, batch_bytes),
        };
        // Memory comes with the first document: an idle worker should hold none.
        Self { plain: Vec::new(), behind: 0, reserve: reserve + SLACK_BYTES, gzip }
    }

    /// Where documents are written to; each is followed by [`Self::settle`].
    #[inline]
    pub(super) fn plain(&mut self) -> &mut Vec<u8> {
        if self.plain.capacity() == 0 {
            self.plain.reserve(self.reserve);
        }
        &mut self.plain
    }

    /// Compresses if there is a block of it.
    #[inline]
    pub(super) fn settle(&mut self) {
        if self.plain.len() >= BLOCK_BYTES {
            self.compress();
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.behind + self.plain.len()
    }

    /// Ends the body; the next one may begin.
    pub(super) fn finish(&mut self) -> Body {
        let inflated_bytes = self.len();
        self.compress();
        self.behind = 0;
        let (bytes, encoding) = match &mut self.gzip {
            Some(gzip) => (gzip.finish(), Encoding::Gzip),
            None => (std::mem::take(&mut self.plain), Encoding::Identity),
        };
        Body { bytes: Bytes::from(bytes), encoding, inflated_bytes }
    }

    fn compress(&mut self) {
        let Some(gzip) = &mut self.gzip else {
            return;
        };
        for block in self.plain.chunks(BLOCK_BYTES) {
            gzip.push(block);
        }
        self.behind += self.plain.len();
        self.plain.clear();
        if self.plain.capacity() > PLAIN_BYTES_KEPT {
            self.plain = Vec::new();
        }
    }
}

/// One gzip member; the state is used again for the next.
struct Gzip {
    state: Compress,
    check: Hasher,
    /// Plain bytes so far, as the trailer has them.
    plain_bytes: u32,
    out: Vec<u8>,
    /// Length of the last member, as the guess for the next.
    last_bytes: usize,
}

impl Gzip {
    fn new(level: u32) -> Self {
        let state = Compress::new(Compression::new(level), false);
        Self { state, check: Hasher::new(), plain_bytes: 0, out: Vec::new(), last_bytes: 0 }
    }

    fn push(&mut self, block: &[u8]) {
        self.begin();
        self.check.update(block);
        self.plain_bytes = self.plain_bytes.wrapping_add(block.len() as u32);
        let mut rest = block;
        while !rest.is_empty() {
            rest = &rest[self.step(rest, FlushCompress::None).1..];
        }
    }

    fn finish(&mut self) -> Vec<u8> {
        self.begin();
        while self.step(&[], FlushCompress::Finish).0 != Status::StreamEnd {}
        let check = std::mem::take(&mut self.check).finalize();
        self.out.extend_from_slice(&check.to_le_bytes());
        self.out.extend_from_slice(&std::mem::take(&mut self.plain_bytes).to_le_bytes());
        self.state.reset();
        self.last_bytes = self.out.len();
        std::mem::take(&mut self.out)
    }

    fn begin(&mut self) {
        if self.out.is_empty() {
            self.out.reserve(self.last_bytes + self.last_bytes / 8 + SLACK_BYTES);
            self.out.extend_from_slice(&HEADER);
        }
    }

    fn step(&mut self, input: &[u8], flush: FlushCompress) -> (Status, usize) {
        if self.out.capacity() - self.out.len() < SLACK_BYTES / 4 {
            self.out.reserve(SLACK_BYTES);
        }
        let before = self.state.total_in();
        let status = self
            .state
            .compress_vec(input, &mut self.out, flush)
            .expect("raw deflate without a dictionary has no error but wrong use of its state");
        (status, (self.state.total_in() - before) as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn check(codec: Codec, lens: &[usize]) {
        let mut writer = Writer::new(codec, 1 << 20);
        for round in 0..3_u32 {
            let mut expect = Vec::new();
            for (number, &len) in lens.iter().enumerate() {
                let bytes: Vec<u8> = (0..len as u32)
                    .map(|at| (at.wrapping_mul(2_654_435_761) >> (20 + round)) as u8 ^ number as u8)
                    .collect();
                writer.plain().extend_from_slice(&bytes);
                writer.settle();
                expect.extend_from_slice(&bytes);
            }
            assert_eq!(writer.len(), expect.len());
            let body = writer.finish();
            assert_eq!(body.inflated_bytes, expect.len());
            assert_eq!(writer.len(), 0);
            let mut plain = Vec::new();
            match body.encoding {
                Encoding::Gzip => {
                    flate2::read::GzDecoder::new(&body.bytes[..]).read_to_end(&mut plain).unwrap();
                }
                Encoding::Identity => plain.extend_from_slice(&body.bytes),
            }
            assert!(plain == expect);
        }
    }

    #[test]
    fn bodies_come_back() {
        for codec in [Codec::ZlibRs { level: 1 }, Codec::ZlibRs { level: 6 }, Codec::Stored] {
            check(codec, &[]);
            check(codec, &[1]);
            check(codec, &[100_000; 20]);
            check(codec, &[BLOCK_BYTES - 1, 1, BLOCK_BYTES, 5 * BLOCK_BYTES + 3, 7]);
        }
    }
}
