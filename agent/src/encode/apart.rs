//! A sealed batch taken apart again.

use std::io::Read;
use std::ops::Range;

use flate2::read::MultiGzDecoder;

use super::codec::Writer;
use super::{Batch, Codec, Document, Encoding};

/// A batch whose body is not what its table says.
#[derive(Debug, thiserror::Error)]
pub enum ApartError {
    /// The body is no gzip.
    #[error("cannot inflate a batch's body")]
    Inflate(#[from] std::io::Error),
    /// The body is another one's, or damaged in memory.
    #[error("a batch's body inflates to other than {expected} bytes")]
    Length { expected: usize },
}

/// The body as it was before compression.
pub fn inflate(batch: &Batch) -> Result<Vec<u8>, ApartError> {
    let expected = batch.body.inflated_bytes;
    let mut plain = Vec::with_capacity(expected);
    match batch.body.encoding {
        Encoding::Identity => plain.extend_from_slice(&batch.body.bytes),
        Encoding::Gzip => {
            // One more than expected, so that too much is noticed without taking all of it.
            let limit = expected as u64 + 1;
            MultiGzDecoder::new(&batch.body.bytes[..]).take(limit).read_to_end(&mut plain)?;
        }
    }
    if plain.len() == expected { Ok(plain) } else { Err(ApartError::Length { expected }) }
}

/// Where a document, action line included, lies in the inflated body.
pub fn document(batch: &Batch, number: usize) -> Range<usize> {
    let end = batch.documents.get(number + 1).map(|next| next.start as usize);
    batch.documents[number].start as usize..end.unwrap_or(batch.body.inflated_bytes)
}

/// A batch of some of the documents, by their numbers, in the order given. All else is kept:
/// the slices and indices too, so that numbers of them mean the same in both.
pub fn select(batch: &Batch, keep: &[u32]) -> Result<Batch, ApartError> {
    let plain = inflate(batch)?;
    Ok(gather(batch, &plain, keep.iter().copied()))
}

/// A batch in two, near the middle of its bytes and with a document in each at least.
///
/// A batch of fewer than two documents cannot be split; that is the caller's to know.
pub fn split(batch: &Batch) -> Result<(Batch, Batch), ApartError> {
    let count = batch.documents.len();
    assert!(count >= 2, "one document cannot be split");
    let plain = inflate(batch)?;
    let middle = batch
        .documents
        .partition_point(|document| (document.start as usize) < batch.body.inflated_bytes / 2);
    let middle = middle.clamp(1, count - 1) as u32;
    let second = gather(batch, &plain, middle..count as u32);
    Ok((gather(batch, &plain, 0..middle), second))
}

fn gather(batch: &Batch, plain: &[u8], keep: impl Iterator<Item = u32>) -> Batch {
    // The batch does not say its codec or level; bodies are taken apart rarely, so the quickest will
    // do.
    let codec = match batch.body.encoding {
        Encoding::Gzip => Codec::Sluice,
        Encoding::Identity => Codec::Stored,
    };
    let mut writer = Writer::new(codec, plain.len());
    let mut documents = Vec::new();
    for number in keep {
        let number = number as usize;
        documents.push(Document { start: writer.len() as u32, ..batch.documents[number] });
        writer.plain().extend_from_slice(&plain[document(batch, number)]);
        writer.settle();
    }
    Batch {
        id: batch.id,
        worker: batch.worker,
        body: writer.finish(),
        documents,
        slices: batch.slices.clone(),
        indices: batch.indices.clone(),
        opened_mono_ns: batch.opened_mono_ns,
    }
}
