//! A sealed batch taken apart again.

use std::ops::Range;

use super::Batch;

/// A batch whose body is not what its table says.
#[derive(Debug, thiserror::Error)]
pub enum ApartError {
    #[error("cannot inflate the batch's body: {0}")]
    Inflate(#[from] std::io::Error),
    #[error("the batch's body inflates to {found} bytes instead of {expected}")]
    Length { expected: usize, found: usize },
}

/// The body as it was before compression.
pub fn inflate(_batch: &Batch) -> Result<Vec<u8>, ApartError> {
    Ok(Vec::new())
}

/// Where document `number` (action and source line) lies in the inflated body.
pub fn document(_batch: &Batch, _number: usize) -> Range<usize> {
    0..0
}

/// A batch of some of the documents, in the given (rising) order; id and worker are kept.
pub fn select(batch: &Batch, _keep: &[u32]) -> Result<Batch, ApartError> {
    Ok(batch.clone())
}

/// Two halves of a batch of two or more documents, each document in one of them.
pub fn split(batch: &Batch) -> Result<(Batch, Batch), ApartError> {
    Ok((batch.clone(), batch.clone()))
}
