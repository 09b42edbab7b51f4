//! The seam to the compression of a body: plain bytes in, one gzip member out.

use bytes::Bytes;
use crc32fast::Hasher;
use flate2::{Compress, Compression, FlushCompress, Status};
use sluice_gzip::{Encoder, Memory, Repeat};

use super::{Body, Encoding};
use crate::core::limits::BLOCK_BYTES;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// gzip by our own encoder, which knows logs.
    Sluice,
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
    gzip: Option<Gzip>,
    /// What is the same in the plain block, for a codec that likes to know.
    repeats: Vec<Repeat>,
    /// The last constant end of a document in the plain block: whose it is, and where.
    tail: Option<(usize, usize)>,
}

impl Writer {
    pub(super) fn new(codec: Codec, batch_bytes: usize) -> Self {
        let (gzip, reserve) = match codec {
            Codec::Sluice => (Some(Gzip::Sluice(Box::default())), BLOCK_BYTES),
            Codec::ZlibRs { level } => {
                (Some(Gzip::ZlibRs(Box::new(ZlibRs::new(level)))), BLOCK_BYTES)
            }
            Codec::Stored => (None, batch_bytes),
        };
        // Memory comes with the first document: an idle worker should hold none.
        let reserve = reserve + SLACK_BYTES;
        Self { plain: Vec::new(), behind: 0, reserve, gzip, repeats: Vec::new(), tail: None }
    }

    /// Where documents are written to; each is followed by [`Self::settle`].
    #[inline]
    pub(super) fn plain(&mut self) -> &mut Vec<u8> {
        if self.plain.capacity() == 0 {
            self.plain.reserve(self.reserve);
        }
        &mut self.plain
    }

    /// The plain block ends with so many bytes that are the same each time for `owner`. It may be
    /// said of any: bytes are compared before they are believed.
    #[inline]
    pub(super) fn ends_with_tail(&mut self, owner: usize, len: usize) {
        if let Some(Gzip::Sluice(_)) = self.gzip {
            let at = self.plain.len() - len;
            if let Some((before, from)) = self.tail.replace((owner, at))
                && before == owner
            {
                self.repeats.push(Repeat { at: at as u32, len: len as u32, from: from as u32 });
            }
        }
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
            Some(Gzip::Sluice(gzip)) => (gzip.finish(), Encoding::Gzip),
            Some(Gzip::ZlibRs(gzip)) => (gzip.finish(), Encoding::Gzip),
            None => (std::mem::take(&mut self.plain), Encoding::Identity),
        };
        Body { bytes: Bytes::from(bytes), encoding, inflated_bytes }
    }

    fn compress(&mut self) {
        let Some(gzip) = &mut self.gzip else {
            return;
        };
        match gzip {
            Gzip::Sluice(gzip) => gzip.push(&self.plain, &self.repeats),
            Gzip::ZlibRs(gzip) => self.plain.chunks(BLOCK_BYTES).for_each(|block| gzip.push(block)),
        }
        self.repeats.clear();
        self.tail = None;
        self.behind += self.plain.len();
        self.plain.clear();
        if self.plain.capacity() > PLAIN_BYTES_KEPT {
            self.plain = Vec::new();
        }
    }
}

/// One gzip member; the state is used again for the next.
enum Gzip {
    Sluice(Box<Sluice>),
    ZlibRs(Box<ZlibRs>),
}

#[derive(Default)]
struct Sluice {
    /// Its half a megabyte comes with the first block: an idle worker should hold none.
    encoder: Option<Encoder>,
    out: Vec<u8>,
    /// Length of the last member, as the guess for the next.
    last_bytes: usize,
}

impl Sluice {
    fn push(&mut self, block: &[u8], repeats: &[Repeat]) {
        if self.out.is_empty() {
            self.out.reserve(self.last_bytes + self.last_bytes / 8 + SLACK_BYTES);
        }
        let encoder = self.encoder.get_or_insert_with(|| Encoder::new(Memory::CarriedOver));
        encoder.push(block, repeats, &mut self.out);
    }

    fn finish(&mut self) -> Vec<u8> {
        let encoder = self.encoder.get_or_insert_with(|| Encoder::new(Memory::CarriedOver));
        encoder.finish(&mut self.out);
        self.last_bytes = self.out.len();
        std::mem::take(&mut self.out)
    }
}

struct ZlibRs {
    state: Compress,
    check: Hasher,
    /// Plain bytes so far, as the trailer has them.
    plain_bytes: u32,
    out: Vec<u8>,
    /// Length of the last member, as the guess for the next.
    last_bytes: usize,
}

impl ZlibRs {
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
                writer.ends_with_tail(number % 2, len / 2);
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
        let zlib_rs = [1, 6].map(|level| Codec::ZlibRs { level });
        for codec in [Codec::Sluice, zlib_rs[0], zlib_rs[1], Codec::Stored] {
            check(codec, &[]);
            check(codec, &[1]);
            check(codec, &[100_000; 20]);
            check(codec, &[BLOCK_BYTES - 1, 1, BLOCK_BYTES, 5 * BLOCK_BYTES + 3, 7]);
        }
    }
}
