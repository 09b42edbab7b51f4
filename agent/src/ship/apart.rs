//! The one seam to taking a batch apart, which is the encode room's business.

use std::ops::Range;

use crate::encode::{self, ApartError, Batch};

/// A sealed batch that cannot be taken apart: its table and its body do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    #[error("batch {batch} cannot be taken apart")]
    Apart { batch: u64, source: ApartError },
    /// An action line without a source line behind it.
    #[error("batch {batch}: document {document} has no action and source line")]
    Lines { batch: u64, document: u32 },
}

/// The same batch with only the documents named, in rising order. May take milliseconds.
pub(super) fn select(batch: &Batch, keep: &[u32]) -> Result<Batch, CutError> {
    encode::select(batch, keep).map_err(|source| CutError::Apart { batch: batch.id.0, source })
}

/// The source lines (without the action line and the newline) of the documents named.
pub(super) fn sources(batch: &Batch, numbers: &[u32]) -> Result<Vec<Vec<u8>>, CutError> {
    let plain =
        encode::inflate(batch).map_err(|source| CutError::Apart { batch: batch.id.0, source })?;
    let source = |number: &u32| {
        let lines = &plain[range(batch, *number)];
        memchr::memchr(b'\n', lines)
            .and_then(|end| lines[end + 1..].strip_suffix(b"\n"))
            .map(<[u8]>::to_vec)
            .ok_or(CutError::Lines { batch: batch.id.0, document: *number })
    };
    numbers.iter().map(source).collect()
}

/// Bytes of one document, both lines, in the inflated body.
pub(super) fn range(batch: &Batch, number: u32) -> Range<usize> {
    encode::document(batch, number as usize)
}
