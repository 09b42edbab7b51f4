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

/// Appends what the pieces stand for, which together are the inside of a valid JSON string.
pub(super) fn unescape_into(out: &mut Vec<u8>, pieces: &[&[u8]]) {
    let begin = out.len();
    for piece in pieces {
        out.extend_from_slice(piece);
    }
    // What comes out is never longer than what went in, so it is put in the same place.
    let Some(first) = memchr(b'\\', &out[begin..]) else { return };
    let (mut from, mut to) = (begin + first, begin + first);
    while let Some(&byte) = out.get(from) {
        if byte != b'\\' {
            let plain = memchr(b'\\', &out[from..]).unwrap_or(out.len() - from);
            out.copy_within(from..from + plain, to);
            (from, to) = (from + plain, to + plain);
            continue;
        }
        let (character, len) = match out.get(from + 1) {
            Some(b'n') => ('\n', 2),
            Some(b't') => ('\t', 2),
            Some(b'r') => ('\r', 2),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b'u') => by_number(&out[from..]),
            Some(&byte) => (char::from(byte), 2),
            None => break,
        };
        let mut utf8 = [0; 4];
        for byte in character.encode_utf8(&mut utf8).bytes() {
            out[to] = byte;
            to += 1;
        }
        from = (from + len).min(out.len());
    }
    out.truncate(to);
}

/// The character of `\u0041`, or of such a pair, and how long that is.
fn by_number(escape: &[u8]) -> (char, usize) {
    let half = |at: usize| {
        let digits = escape.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(first) = half(0) else { return (char::REPLACEMENT_CHARACTER, 6) };
    if let (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) = (first, half(6)) {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
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
        fn unescaped_is_what_a_parser_makes_of_it(
            text in any::<String>(),
            numbers in prop::collection::vec(0..0xd800_u16, 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut inside = Vec::new();
            escape_into(&mut inside, &text);
            for number in numbers {
                inside.extend_from_slice(format!("\\u{number:04x}\\/\\b\\f").as_bytes());
            }
            inside.extend_from_slice(br"\ud83d\ude00x");
            let parsed: String =
                serde_json::from_slice(&[b"\"", &inside[..], b"\""].concat()).unwrap();
            let (first, second) = inside.split_at(cut.index(inside.len()));
            let mut plain = b"before".to_vec();
            unescape_into(&mut plain, &[first, second]);
            prop_assert_eq!(plain, format!("before{parsed}").into_bytes());
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
