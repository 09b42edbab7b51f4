//! The format of every line that the load writes: `<source> <seq> <crc32 hex of text> <text>`.
//!
//! With it a receiver can tell, without any other knowledge, which line of which source it has and
//! whether its text arrived whole.

/// One line, taken apart. The text has no newline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub source: &'a str,
    /// Counts from 0 within the source.
    pub seq: u64,
    pub crc: u32,
    pub text: &'a [u8],
}

impl<'a> Line<'a> {
    /// `None` for a line that this load did not write.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut parts = line.splitn(4, |&byte| byte == b' ');
        let source = std::str::from_utf8(parts.next()?).ok()?;
        let seq = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let crc = parts.next()?;
        if source.is_empty() || crc.len() != 8 {
            return None;
        }
        let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?, 16).ok()?;
        Some(Self { source, seq, crc, text: parts.next()? })
    }

    /// True if the text is the one that the checksum was made of.
    pub fn is_intact(&self) -> bool {
        crc32fast::hash(self.text) == self.crc
    }
}

/// Appends one line without its newline, and gives the checksum that it carries.
///
/// The checksum is made of the text as a reader of the log will see it: bytes that are no UTF-8
/// count as the U+FFFD that Docker writes for each.
pub fn write_line(into: &mut Vec<u8>, source: &str, seq: u64, text: &[u8]) -> u32 {
    use std::io::Write as _;

    let crc = if std::str::from_utf8(text).is_ok() {
        crc32fast::hash(text)
    } else {
        crc32fast::hash(crate::load::escape::as_docker_reads(text).as_bytes())
    };
    write!(into, "{source} {seq} {crc:08x} ").expect("a Vec takes every write");
    into.extend_from_slice(text);
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_as_it_was_written() {
        let mut line = Vec::new();
        write_line(&mut line, "web-1", 42, b"GET / 200");
        let parsed = Line::parse(&line).expect("is ours");
        assert_eq!((parsed.source, parsed.seq, parsed.text), ("web-1", 42, &b"GET / 200"[..]));
        assert!(parsed.is_intact());
        *line.last_mut().expect("not empty") = b'1';
        assert!(!Line::parse(&line).expect("is ours").is_intact());
        assert_eq!(Line::parse(b"java.lang.Exception: no"), None);
    }
}
