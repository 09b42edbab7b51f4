//! Other codecs, at the level that is nearest: the fastest that still searches.
//!
//! Each takes its memory once, as ours does.

pub(crate) mod isal;
pub(crate) mod libdeflate;
pub(crate) mod zlib_ng;
pub(crate) mod zlib_rs;

/// Room for whatever a codec makes of `len` bytes.
fn bound(len: usize) -> usize {
    len + len / 8 + 4096
}
