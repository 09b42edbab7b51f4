//! Docker's way of writing bytes as a JSON string.
//!
//! It is the table of the daemon's json-file driver: short escapes for `"`, `\`, LF and CR only,
//! `\u00XX` with lower-case hex for other control characters, HTML's `<`, `>`, `&` and the two
//! line separators escaped, and each byte that is no UTF-8 replaced by U+FFFD.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the escaped form, without the quotes around it.
pub fn escape_into(into: &mut Vec<u8>, bytes: &[u8]) {
    let mut plain_from = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte < 0x80 {
            if NEEDS_ESCAPE[byte as usize] {
                into.extend_from_slice(&bytes[plain_from..at]);
                escape_ascii(into, byte);
                plain_from = at + 1;
            }
            at += 1;
            continue;
        }
        let length = character_length(&bytes[at..]);
        match (length, &bytes[at..at + length.unwrap_or(1)]) {
            (None, _) => {
                into.extend_from_slice(&bytes[plain_from..at]);
                into.extend_from_slice(b"\\ufffd");
                plain_from = at + 1;
            }
            (Some(_), [0xE2, 0x80, last @ (0xA8 | 0xA9)]) => {
                into.extend_from_slice(&bytes[plain_from..at]);
                into.extend_from_slice(b"\\u202");
                into.push(HEX[usize::from(last & 0xF)]);
                plain_from = at + 3;
            }
            _ => {}
        }
        at += length.unwrap_or(1);
    }
    into.extend_from_slice(&bytes[plain_from..]);
}

/// What a reader of the log gets for these bytes: each byte that is no UTF-8 has become U+FFFD.
pub fn as_docker_reads(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                break;
            }
            Err(error) => {
                let (valid, bad) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                // One for each byte: the standard library would make one for a broken sequence.
                text.push(char::REPLACEMENT_CHARACTER);
                rest = &bad[1..];
            }
        }
    }
    text
}

static NEEDS_ESCAPE: [bool; 128] = {
    let mut table = [false; 128];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table[b'<' as usize] = true;
    table[b'>' as usize] = true;
    table[b'&' as usize] = true;
    table
};

fn escape_ascii(into: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => into.extend_from_slice(&[b'\\', byte]),
        b'\n' => into.extend_from_slice(b"\\n"),
        b'\r' => into.extend_from_slice(b"\\r"),
        _ => {
            into.extend_from_slice(b"\\u00");
            into.push(HEX[usize::from(byte >> 4)]);
            into.push(HEX[usize::from(byte & 0xF)]);
        }
    }
}

/// Bytes of the character at the start, or `None` if there is none.
fn character_length(bytes: &[u8]) -> Option<usize> {
    let length = match bytes[0] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return None,
    };
    std::str::from_utf8(bytes.get(..length)?).ok().map(|_| length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: &str) {
        let mut escaped = Vec::new();
        escape_into(&mut escaped, input);
        assert_eq!(String::from_utf8_lossy(&escaped), expected, "{input:?}");
        let read: String = serde_json::from_str(&format!("\"{expected}\"")).expect("is JSON");
        assert_eq!(read, as_docker_reads(input), "{input:?}");
    }

    #[test]
    fn follows_the_table() {
        check(b"plain / text", "plain / text");
        check(b"\"\\", r#"\"\\"#);
        check(b"\n\r", r"\n\r");
        check(b"\t\x08\x0c\x00\x1b", r"\u0009\u0008\u000c\u0000\u001b");
        check(b"<>&", r"\u003c\u003e\u0026");
        check(b"\x7f", "\x7f");
        check("\u{2028}\u{2029}\u{2027}".as_bytes(), "\\u2028\\u2029\u{2027}");
        check("é€😀".as_bytes(), "é€😀");
    }

    #[test]
    fn each_byte_that_is_no_utf8_is_one_replacement() {
        check(b"\xff\xfe", r"\ufffd\ufffd");
        check(b"a\xe2\x82b", r"a\ufffd\ufffdb");
        check(b"\xed\xa0\x80", r"\ufffd\ufffd\ufffd");
        check(b"\xf0\x9f\x98", r"\ufffd\ufffd\ufffd");
        check(b"\xc0\x80", r"\ufffd\ufffd");
    }
}
