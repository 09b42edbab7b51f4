//! What the store keeps of one source, as one value: whole or not at all.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::journal::Journal;
use crate::decode::Carry;
use crate::read::FileId;

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// For a loss that has to be declared when nobody can be asked any more.
    pub container_name: String,
    /// Files with unread or unacknowledged bytes, and finished ones that are still on disk.
    /// Oldest first.
    pub files: Vec<FileRecord>,
    /// Unfinished lines at the frontier.
    pub carry: Option<Carry>,
    /// The container has ended and everything it wrote is delivered.
    pub complete: bool,
    /// First lines that more than one file of this source began with.
    pub lineages: Vec<Lineage>,
    /// Files that got a name which is none of this source's. Whoever meets them under that name
    /// goes on where this one stopped.
    pub strayed: Vec<FileRecord>,
    /// Since when nobody has the log any more, in seconds since the Unix epoch; 0 while somebody
    /// has. Only what is on a volume is kept beyond that.
    pub left_s: u64,
}

/// How many files of a source began with the same first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    pub first_line: u128,
    pub files: u32,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    pub id: FileId,
    /// The archive that this file became.
    pub archive: Option<FileId>,
    pub first_line: u128,
    /// Which of the files with this first line it is.
    pub lineage: u32,
    /// Bytes of the source's files before this one.
    pub base: u64,
    /// Everything before is acknowledged.
    pub frontier: u64,
    /// No id at or beyond this offset has been sent.
    pub reserved: u64,
    /// It will not grow any more and was read to its end: its length.
    pub finished: Option<u64>,
    pub journal: Journal,
}

/// A stored value that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("its checksum does not hold")]
    Checksum,
    #[error("it cannot be decoded: {0}")]
    Format(#[from] postcard::Error),
}

const CHECKSUM_BYTES: usize = 8;

impl SourceRecord {
    /// Postcard, then its xxh3-64, little-endian.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordError> {
        let mut bytes = postcard::to_stdvec(self)?;
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        Ok(bytes)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Err(RecordError::Checksum);
        };
        if xxh3_64(body) != u64::from_le_bytes(*checksum) {
            return Err(RecordError::Checksum);
        }
        Ok(postcard::from_bytes(body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let record = SourceRecord { container_name: "web".into(), ..SourceRecord::default() };
        let bytes = record.to_bytes().unwrap();
        assert_eq!(SourceRecord::from_bytes(&bytes).unwrap(), record);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SourceRecord::from_bytes(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(SourceRecord::from_bytes(&bytes[..len]).is_err());
        }
    }
}
