//! The seam to the compression of a body.

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// gzip by zlib-rs; levels 1 to 9.
    ZlibRs { level: u32 },
    /// Not at all, and no `Content-Encoding`.
    Stored,
}
