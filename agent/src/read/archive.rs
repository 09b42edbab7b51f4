//! A rotated file that was compressed: read once, from its beginning, by inflated offset.

use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::bufread::MultiGzDecoder;

/// Compressed bytes are taken from the file in pieces of this size.
const INPUT_BYTES: usize = 64 << 10;

/// The place in a `.gz` file. Going back starts over, which happens only when a target refused.
#[derive(Debug, Default)]
pub struct Archive {
    state: Mutex<Option<Inflating>>,
}

#[derive(Debug)]
struct Inflating {
    decoder: MultiGzDecoder<io::BufReader<Positioned>>,
    position: u64,
}

/// Reads a file by its own offset, so that descriptors can be shared.
#[derive(Debug)]
struct Positioned {
    file: std::fs::File,
    offset: u64,
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = std::os::unix::fs::FileExt::read_at(&self.file, buffer, self.offset)?;
        self.offset += bytes as u64;
        Ok(bytes)
    }
}

impl Archive {
    /// Reads inflated bytes at `offset` until the buffer is full or the archive ends. Blocks.
    /// A torn archive ends where it can no longer be inflated, with an error only if it gave
    /// nothing at this offset.
    pub fn read_at(
        &self,
        file: &std::fs::File,
        buffer: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        let mut state = self.lock();
        let behind = state.as_ref().is_none_or(|inflating| inflating.position > offset);
        if behind {
            let positioned = Positioned { file: file.try_clone()?, offset: 0 };
            let reader = io::BufReader::with_capacity(INPUT_BYTES, positioned);
            *state = Some(Inflating { decoder: MultiGzDecoder::new(reader), position: 0 });
        }
        let Some(inflating) = state.as_mut() else { return Ok(0) };
        let result = inflating.read_at(buffer, offset);
        if result.is_err() {
            // The decoder's place is unknown after an error.
            *state = None;
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Option<Inflating>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inflating {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut skip = vec![0; if self.position < offset { INPUT_BYTES } else { 0 }];
        while self.position < offset {
            let wanted = (offset - self.position).min(INPUT_BYTES as u64) as usize;
            let bytes = self.decoder.read(&mut skip[..wanted])?;
            if bytes == 0 {
                return Ok(0);
            }
            self.position += bytes as u64;
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match self.decoder.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => return Err(error),
                Err(_) => break,
            }
        }
        self.position += filled as u64;
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn reads_by_inflated_offset_forwards_and_back() {
        let plain: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&gzip.finish().unwrap()).unwrap();

        let archive = Archive::default();
        let mut buffer = vec![0; 100_000];
        for offset in [0, 100_000, 700_000, 50, 1_150_000, 1_200_000, 5] {
            let bytes = archive.read_at(&file, &mut buffer, offset).unwrap();
            let start = (offset as usize).min(plain.len());
            let end = (start + buffer.len()).min(plain.len());
            assert_eq!(&buffer[..bytes], &plain[start..end]);
        }
    }

    #[test]
    fn a_torn_archive_gives_what_it_has() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        gzip.write_all(&vec![b'x'; 100_000]).unwrap();
        let mut bytes = gzip.finish().unwrap();
        bytes.truncate(60_000);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();

        let archive = Archive::default();
        let mut buffer = vec![0; 200_000];
        let bytes = archive.read_at(&file, &mut buffer, 0).unwrap();
        assert!(bytes > 0 && bytes < 100_000);
        assert!(buffer[..bytes].iter().all(|byte| *byte == b'x'));
        assert!(archive.read_at(&file, &mut buffer, bytes as u64 + 50_000).is_err());
    }
}
