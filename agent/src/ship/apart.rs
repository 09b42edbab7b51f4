//! The one seam to taking a batch apart, which is the encode room's business.

use std::io::Read;

use bytes::Bytes;

use crate::encode::{Batch, Body, Encoding};

/// A sealed batch that cannot be taken apart: its table and its body do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum CutError {
    #[error("inflating batch {batch} failed")]
    Inflate { batch: u64, source: std::io::Error },
    #[error("compressing a part of batch {batch} failed")]
    Deflate { batch: u64, source: std::io::Error },
    #[error("batch {batch} has {seen} bytes where its table says {expected}")]
    Length { batch: u64, seen: usize, expected: usize },
    #[error("batch {batch}: document {document} has no action and source line")]
    Lines { batch: u64, document: u32 },
}

/// The same batch with only the documents named, in rising order. May take milliseconds.
pub(super) fn select(batch: &Batch, keep: &[u32]) -> Result<Batch, CutError> {
    let plain = inflate(batch)?;
    let mut body = Vec::new();
    let mut documents = Vec::with_capacity(keep.len());
    for number in keep {
        let mut document = batch.documents[*number as usize];
        let range = range(batch, *number);
        document.start = body.len() as u32;
        body.extend_from_slice(&plain[range]);
        documents.push(document);
    }
    let inflated_bytes = body.len();
    let bytes = match batch.body.encoding {
        Encoding::Identity => Bytes::from(body),
        Encoding::Gzip => {
            let level = flate2::Compression::fast();
            let mut out = Vec::new();
            flate2::bufread::GzEncoder::new(&body[..], level)
                .read_to_end(&mut out)
                .map_err(|source| CutError::Deflate { batch: batch.id.0, source })?;
            Bytes::from(out)
        }
    };
    let body = Body { bytes, encoding: batch.body.encoding, inflated_bytes };
    Ok(Batch { body, documents, ..batch.clone() })
}

/// The source lines (without the action line and the newline) of the documents named.
pub(super) fn sources(batch: &Batch, numbers: &[u32]) -> Result<Vec<Vec<u8>>, CutError> {
    let plain = inflate(batch)?;
    let mut out = Vec::with_capacity(numbers.len());
    for number in numbers {
        let lines = &plain[range(batch, *number)];
        let source = memchr::memchr(b'\n', lines)
            .map(|end| &lines[end + 1..])
            .and_then(|source| source.strip_suffix(b"\n"))
            .ok_or(CutError::Lines { batch: batch.id.0, document: *number })?;
        out.push(source.to_vec());
    }
    Ok(out)
}

/// Bytes of one document, both lines, in the inflated body.
pub(super) fn range(batch: &Batch, number: u32) -> std::ops::Range<usize> {
    let at = number as usize;
    let start = batch.documents[at].start as usize;
    let end = batch.documents.get(at + 1).map_or(batch.body.inflated_bytes, |it| it.start as usize);
    start..end
}

fn inflate(batch: &Batch) -> Result<Bytes, CutError> {
    let expected = batch.body.inflated_bytes;
    let plain = match batch.body.encoding {
        Encoding::Identity => batch.body.bytes.clone(),
        Encoding::Gzip => {
            let mut plain = Vec::with_capacity(expected);
            // One byte more than expected, so that a body that is too long is noticed and a body
            // that would fill the memory is not read.
            flate2::bufread::MultiGzDecoder::new(&batch.body.bytes[..])
                .take(expected as u64 + 1)
                .read_to_end(&mut plain)
                .map_err(|source| CutError::Inflate { batch: batch.id.0, source })?;
            Bytes::from(plain)
        }
    };
    if plain.len() != expected {
        return Err(CutError::Length { batch: batch.id.0, seen: plain.len(), expected });
    }
    Ok(plain)
}
