//! Bodies from blocks: compressed by zlib-rs, or as they are.

use std::io::Write as _;

use anyhow::ensure;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::Codec;

/// Deflate, no name, no time, made under Unix.
const GZIP_HEAD: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3];

pub(super) struct Packer {
    /// Kept over all bodies: making one costs more than compressing a block.
    compress: Option<Compress>,
    crc: crc32fast::Hasher,
    body: Vec<u8>,
}

impl Packer {
    pub(super) fn new(codec: Codec) -> Self {
        let compress = match codec {
            Codec::Gzip { level } => Some(Compress::new(Compression::new(level), false)),
            Codec::Stored => None,
        };
        Self { compress, crc: crc32fast::Hasher::new(), body: Vec::new() }
    }

    pub(super) fn add(&mut self, block: &[u8]) -> anyhow::Result<()> {
        let Some(compress) = &mut self.compress else {
            self.body.extend_from_slice(block);
            return Ok(());
        };
        if self.body.is_empty() {
            self.body.extend_from_slice(&GZIP_HEAD);
        }
        self.crc.update(block);
        deflate(compress, block, &mut self.body, FlushCompress::None)
    }

    /// Swaps the finished body with the one given, whose space is used for the next.
    pub(super) fn finish(&mut self, body: &mut Vec<u8>) -> anyhow::Result<()> {
        if let Some(compress) = &mut self.compress {
            deflate(compress, &[], &mut self.body, FlushCompress::Finish)?;
            let length = compress.total_in() as u32;
            let crc = std::mem::take(&mut self.crc).finalize();
            self.body.write_all(&crc.to_le_bytes())?;
            self.body.write_all(&length.to_le_bytes())?;
            compress.reset();
        }
        std::mem::swap(&mut self.body, body);
        self.body.clear();
        Ok(())
    }
}

fn deflate(
    compress: &mut Compress,
    block: &[u8],
    body: &mut Vec<u8>,
    flush: FlushCompress,
) -> anyhow::Result<()> {
    let begin = compress.total_in();
    loop {
        body.reserve(64 * 1024);
        let done = (compress.total_in() - begin) as usize;
        let status = compress.compress_vec(&block[done..], body, flush)?;
        let is_all_read = (compress.total_in() - begin) as usize == block.len();
        match (flush, status) {
            (FlushCompress::Finish, Status::StreamEnd) => return Ok(()),
            (FlushCompress::None, _) if is_all_read && body.len() < body.capacity() => {
                return Ok(());
            }
            _ => ensure!(body.len() < usize::MAX / 2, "the compressor does not end"),
        }
    }
}
