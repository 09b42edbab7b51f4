//! From the bytes on the wire to the body that is meant, as the servers do it.

use std::io::Read as _;

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::version::Version;

/// An inflated body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// The compressed stream ended too early; the servers go on with what there is.
    pub(super) torn: bool,
}

/// Why there is no body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The connection is closed without an answer.
    Garbage,
    /// More than `max_content_length`: 413.
    TooLarge,
}

/// `limit` counts inflated bytes.
pub(super) fn inflate(
    version: Version,
    wire: Vec<u8>,
    encoding: Option<&str>,
    limit: usize,
) -> Result<Body, Unreadable> {
    let encoding = encoding.map(str::to_ascii_lowercase);
    match encoding.as_deref() {
        Some("gzip" | "x-gzip") => gzip(&wire, limit),
        Some("deflate") if looks_like_zlib(&wire) => {
            let mut bytes = Vec::new();
            let outcome = take(ZlibDecoder::new(wire.as_slice()), &mut bytes, limit)?;
            outcome.into_body(bytes)
        }
        Some("deflate") => {
            let mut bytes = Vec::new();
            let outcome = take(DeflateDecoder::new(wire.as_slice()), &mut bytes, limit)?;
            outcome.into_body(bytes)
        }
        Some("zstd") if version == Version::OpenSearch3 => {
            let mut bytes = Vec::new();
            let decoder = zstd::stream::read::Decoder::new(wire.as_slice())
                .map_err(|_| Unreadable::Garbage)?;
            take(decoder, &mut bytes, limit)?.into_body(bytes)
        }
        Some("zstd") if version == Version::OpenSearch2 => Err(Unreadable::Garbage),
        // Another encoding is ignored and the body taken as it is.
        _ if wire.len() > limit => Err(Unreadable::TooLarge),
        _ => Ok(Body { bytes: wire, torn: false }),
    }
}

enum Outcome {
    Whole,
    Torn,
    Garbage,
}

impl Outcome {
    fn into_body(self, bytes: Vec<u8>) -> Result<Body, Unreadable> {
        match self {
            Self::Whole => Ok(Body { bytes, torn: false }),
            Self::Torn => Ok(Body { bytes, torn: true }),
            Self::Garbage => Err(Unreadable::Garbage),
        }
    }
}

/// Several members are one body; what follows the last member and is no member is ignored.
fn gzip(mut wire: &[u8], limit: usize) -> Result<Body, Unreadable> {
    let mut bytes = Vec::with_capacity((wire.len() * 4).min(limit));
    let mut members = 0;
    while wire.starts_with(&[0x1F, 0x8B]) {
        match take(GzDecoder::new(&mut wire), &mut bytes, limit)? {
            Outcome::Whole => members += 1,
            outcome => return outcome.into_body(bytes),
        }
    }
    if members == 0 {
        return Err(Unreadable::Garbage);
    }
    Ok(Body { bytes, torn: false })
}

fn take(
    decoder: impl std::io::Read,
    into: &mut Vec<u8>,
    limit: usize,
) -> Result<Outcome, Unreadable> {
    // One byte above the limit is enough to know.
    let room = (limit + 1).saturating_sub(into.len()) as u64;
    let outcome = match decoder.take(room).read_to_end(into) {
        Ok(_) => Outcome::Whole,
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Outcome::Torn,
        Err(_) => Outcome::Garbage,
    };
    if into.len() > limit { Err(Unreadable::TooLarge) } else { Ok(outcome) }
}

fn looks_like_zlib(wire: &[u8]) -> bool {
    matches!(wire, [first, second, ..]
        if first & 0x0F == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("a Vec takes every write");
        encoder.finish().expect("a Vec takes every write")
    }

    fn read(wire: Vec<u8>) -> Result<Body, Unreadable> {
        inflate(Version::Elasticsearch8, wire, Some("gzip"), 100)
    }

    #[test]
    fn members_are_joined_and_garbage_after_them_ignored() {
        let mut wire = member(b"one\n");
        wire.extend_from_slice(&member(b"two\n"));
        wire.extend_from_slice(b"garbage");
        assert_eq!(read(wire), Ok(Body { bytes: b"one\ntwo\n".to_vec(), torn: false }));
    }

    #[test]
    fn a_torn_member_counts_as_far_as_it_goes() {
        let wire = member(b"one\n");
        let torn = wire[..wire.len() - 8].to_vec();
        assert_eq!(read(torn), Ok(Body { bytes: b"one\n".to_vec(), torn: true }));
    }

    #[test]
    fn lies_close_the_connection_and_bombs_are_too_large() {
        let mut wire = member(b"one\n");
        let checksum = wire.len() - 8;
        wire[checksum] ^= 1;
        assert_eq!(read(wire), Err(Unreadable::Garbage));
        assert_eq!(read(b"{}\n".to_vec()), Err(Unreadable::Garbage));
        assert_eq!(read(member(&[b'x'; 101])), Err(Unreadable::TooLarge));
    }
}
