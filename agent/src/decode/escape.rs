//! Text into the inside of a JSON string.

use memchr::memchr;

use crate::sys::simd;

/// What stands for each byte that cannot stand for itself.
const ESCAPES: [[u8; 6]; 32] = {
    let mut table = [*br"\u0000"; 32];
    let mut byte = 0;
    while byte < 32 {
        table[byte][4] = b'0' + (byte / 16) as u8;
        table[byte][5] = b"0123456789abcdef"[byte % 16];
        byte += 1;
    }
    table
};

/// Appends `text` so that it can stand between the quotes of a JSON string.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len());
    loop {
        let (plain, more) = rest.split_at(simd::plain_len(rest));
        out.extend_from_slice(plain);
        let Some((&special, more)) = more.split_first() else {
            return;
        };
        match special {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            control => out.extend_from_slice(&ESCAPES[usize::from(control & 31)]),
        }
        rest = more;
    }
}

/// Appends bytes that may be no UTF-8: each bad sequence becomes U+FFFD.
pub(super) fn escape_lossy_into(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        escape_into(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends what the pieces stand for, each the inside of a legal JSON string. Half of a pair becomes
/// U+FFFD.
pub(super) fn unescape_into(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    for piece in pieces {
        unescape_piece(out, piece);
    }
}

fn unescape_piece(out: &mut Vec<u8>, piece: &[u8]) {
    let mut rest = piece;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (plain, len) = match rest.get(at + 1) {
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'b') => ('\x08', 2),
            Some(b'f') => ('\x0c', 2),
            Some(b'u') => match (unit(rest, at), unit(rest, at + 6)) {
                (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
                }
                (code, _) => {
                    let plain = code.and_then(char::from_u32);
                    (plain.unwrap_or(char::REPLACEMENT_CHARACTER), 6)
                }
            },
            Some(&itself) => (char::from(itself), 2),
            None => ('\\', 1),
        };
        out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(at + len..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The number of the `\uXXXX` at `at`, if there is one.
fn unit(text: &[u8], at: usize) -> Option<u32> {
    let digits = text.get(at..at + 6)?.strip_prefix(br"\u")?;
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    digits.iter().try_fold(0, |number, byte| Some(number << 4 | digit(byte)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_escape_comes_back() {
        let check = |text: &str, expect: &str| {
            let mut out = Vec::new();
            unescape_into(&mut out, &[text.as_bytes()]);
            assert_eq!(out, expect.as_bytes(), "{text}");
        };
        check(r#"\"\\\/\n\r\t\b\f"#, "\"\\/\n\r\t\x08\x0c");
        check(r"a\u00e9b\uD83D\uDE00c", "a\u{e9}b\u{1f600}c");
        check(r"\ud83d \ude00\ud83d\u0041", "\u{fffd} \u{fffd}\u{fffd}A");
        check(r"C:\\new", r"C:\new");
    }

    proptest! {
        #[test]
        fn unescaping_undoes_escaping(text in any::<String>()) {
            let (mut json, mut out) = (Vec::new(), Vec::new());
            escape_into(&mut json, &text);
            unescape_into(&mut out, &[&json]);
            prop_assert_eq!(out, text.as_bytes());
        }

        #[test]
        fn comes_back_through_a_parser(text in any::<String>(), pad in 0..64_usize) {
            let text = "x".repeat(pad) + &text;
            let mut json = vec![b'"'];
            escape_into(&mut json, &text);
            json.push(b'"');
            prop_assert!(simd::is_string_inside(&json[1..], json.len() - 2));
            prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
        }

        #[test]
        fn lossy_is_what_the_standard_library_does(
            bytes in prop::collection::vec(any::<u8>(), 0..100)
        ) {
            let mut json = vec![b'"'];
            escape_lossy_into(&mut json, &bytes);
            json.push(b'"');
            let text = serde_json::from_slice::<String>(&json).unwrap();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
        }
    }
}
