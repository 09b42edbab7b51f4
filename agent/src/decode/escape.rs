//! Text into the inside of a JSON string.

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
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
