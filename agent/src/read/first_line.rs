//! The fingerprint of a file's first line: what stays true of it when it is renamed, compressed,
//! or met again with our state gone.

use crate::encode::first_line_fingerprint;

/// A first line that is longer counts as far as this. A Docker record of the worst bytes is
/// 98 KiB; its time, which makes it unique, stands at its end.
pub const FIRST_LINE_BYTES_MAX: usize = 128 << 10;

/// What is known of a file's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLine {
    /// Its newline is not there yet.
    Unfinished,
    Fingerprint(u128),
}

impl FirstLine {
    /// Looks at the head of a file, up to [`FIRST_LINE_BYTES_MAX`] bytes of it.
    pub fn of(head: &[u8]) -> Self {
        let head = &head[..head.len().min(FIRST_LINE_BYTES_MAX)];
        match memchr::memchr(b'\n', head) {
            Some(end) => Self::Fingerprint(first_line_fingerprint(&head[..=end])),
            None if head.len() == FIRST_LINE_BYTES_MAX => {
                Self::Fingerprint(first_line_fingerprint(head))
            }
            None => Self::Unfinished,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_first_line_does_not_matter() {
        assert_eq!(FirstLine::of(b"{\"a\":1}\n"), FirstLine::of(b"{\"a\":1}\nmore"));
        assert_ne!(FirstLine::of(b"{\"a\":1}\n"), FirstLine::of(b"{\"a\":2}\n"));
        assert_eq!(FirstLine::of(b"{\"a\":1}"), FirstLine::Unfinished);
        assert_eq!(FirstLine::of(b""), FirstLine::Unfinished);
    }

    #[test]
    fn an_endless_first_line_counts_up_to_the_limit() {
        let long = vec![b'x'; FIRST_LINE_BYTES_MAX + 7];
        assert_eq!(FirstLine::of(&long), FirstLine::of(&long[..FIRST_LINE_BYTES_MAX]));
        assert_ne!(FirstLine::of(&long), FirstLine::Unfinished);
    }
}
