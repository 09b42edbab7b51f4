//! What is measured.

use sluice_gzip::Repeat;

use crate::{ours, rival};

/// Makes one gzip member of a chunk in the vector, whatever was there before.
pub(crate) type Compress = Box<dyn FnMut(&[u8], &[Repeat], &mut Vec<u8>)>;

pub(crate) struct Codec {
    pub(crate) name: &'static str,
    pub(crate) compress: Compress,
}

/// All there are, and what is missing.
pub(crate) fn all() -> (Vec<Codec>, Vec<String>) {
    let mut missing = Vec::new();
    let mut codecs = rival::isal::codecs().unwrap_or_else(|error| {
        missing.push(format!("ISA-L: {error:#}"));
        Vec::new()
    });
    codecs.extend([rival::zlib_ng::codec(), rival::zlib_rs::codec(), rival::libdeflate::codec()]);
    codecs.extend(ours::codecs());
    (codecs, missing)
}
