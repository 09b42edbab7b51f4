//! Scans over the bytes of JSON strings, thirty-two at a time where the processor can.
//!
//! Both paths of each scan give equal answers on every input; tests hold them together.

/// Whether `buffer[..len]` can stand between the quotes of a JSON string as it is: no raw control
/// character, no bare quote, and each escape legal, surrogates in pairs only. UTF-8 is not looked
/// at.
///
/// What follows `len` in the buffer is never judged, but with 31 bytes of it the last block needs
/// no copy.
///
/// Lone surrogates are legal in RFC 8259's grammar and in Jackson, but not in every parser
/// (`serde_json` refuses them), and so they are not let through.
pub fn is_string_inside(buffer: &[u8], len: usize) -> bool {
    assert!(len <= buffer.len());
    #[cfg(target_arch = "x86_64")]
    if avx2::is_present() {
        // SAFETY: the processor has AVX2, BMI1 and BMI2, as just asked.
        return unsafe { avx2::is_string_inside(buffer, len) };
    }
    portable::is_string_inside(&buffer[..len])
}

/// How many bytes at the head of `bytes` can stand in a JSON string without an escape.
pub fn plain_len(bytes: &[u8]) -> usize {
    #[cfg(target_arch = "x86_64")]
    if avx2::is_present() {
        // SAFETY: the processor has AVX2, BMI1 and BMI2, as just asked.
        return unsafe { avx2::plain_len(bytes) };
    }
    portable::plain_len(bytes)
}

/// Values of hexadecimal digits; 255 for all other bytes.
const HEX: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// The code unit of the four digits at `at`.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 4)?;
    let [a, b, c, d] = [digits[0], digits[1], digits[2], digits[3]].map(|d| HEX[d as usize]);
    if (a | b | c | d) > 15 {
        return None;
    }
    Some(u16::from(a) << 12 | u16::from(b) << 8 | u16::from(c) << 4 | u16::from(d))
}

/// Judges the `u` escapes of one string, in order.
#[derive(Default)]
struct UnicodeEscapes {
    /// Where the `u` of the low surrogate stands that belongs to a high one already judged.
    low_at: usize,
}

impl UnicodeEscapes {
    /// `at` is the position of an escape's `u`.
    fn is_legal(&mut self, bytes: &[u8], at: usize) -> bool {
        match code_unit(bytes, at + 1) {
            None => false,
            Some(0xd800..=0xdbff) => {
                self.low_at = at + 6;
                bytes.get(at + 5..at + 7) == Some(br"\u")
                    && matches!(code_unit(bytes, at + 7), Some(0xdc00..=0xdfff))
            }
            // A `u` at 0 is no escape, so the initial 0 is never met.
            Some(0xdc00..=0xdfff) => self.low_at == at,
            Some(_) => true,
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::UnicodeEscapes;

    const BLOCK: usize = 32;

    pub(super) fn is_present() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn load(block: &[u8; BLOCK]) -> __m256i {
        // SAFETY: an unaligned load of exactly the 32 bytes that the reference covers.
        unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn equal(block: __m256i, byte: u8) -> u32 {
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(block, _mm256_set1_epi8(byte as i8))) as u32
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn control(block: __m256i) -> u32 {
        let last = _mm256_set1_epi8(0x1f);
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(block, last), last)) as u32
    }

    /// Which bytes are one of `"\/bfnrtu`, looked up by both halves of the byte: a bit for each
    /// upper half (2, 5, 6, 7), and for each lower half the bits of the uppers it goes with.
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn escape_names(block: __m256i) -> u32 {
        let upper = _mm256_broadcastsi128_si256(_mm_setr_epi8(
            0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0,
        ));
        let lower = _mm256_broadcastsi128_si256(_mm_setr_epi8(
            0,
            0,
            1 | 4 | 8,
            0,
            8,
            8,
            4,
            0,
            0,
            0,
            0,
            0,
            2,
            0,
            4,
            1,
        ));
        let half = _mm256_set1_epi8(0x0f);
        let uppers = _mm256_and_si256(_mm256_srli_epi16::<4>(block), half);
        let common = _mm256_and_si256(
            _mm256_shuffle_epi8(upper, uppers),
            _mm256_shuffle_epi8(lower, _mm256_and_si256(block, half)),
        );
        !(_mm256_movemask_epi8(_mm256_cmpeq_epi8(common, _mm256_setzero_si256())) as u32)
    }

    /// The bytes behind a backslash that is not itself escaped, and those backslashes.
    ///
    /// A run of backslashes alternates between escape and escaped. Adding to (here: subtracting
    /// from) a mask of alternate bits lets the carry walk along each run: Langdale and Lemire,
    /// "Parsing Gigabytes of JSON per Second", section 3.1.1, in simdjson's later form.
    fn escapes(backslash: u32, first_is_escaped: u32) -> (u32, u32) {
        const ODD: u32 = 0xaaaa_aaaa;
        let candidates = backslash & !first_is_escaped;
        let both = (((candidates << 1) | ODD).wrapping_sub(candidates)) ^ ODD;
        (both ^ (backslash | first_is_escaped), both & backslash)
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub(super) fn is_string_inside(buffer: &[u8], len: usize) -> bool {
        let mut unicode = UnicodeEscapes::default();
        let mut first_is_escaped = 0;
        let mut at = 0;
        while at < len {
            let judged = if len - at >= BLOCK { u32::MAX } else { (1 << (len - at)) - 1 };
            let block = if let Some(block) = buffer[at..].first_chunk() {
                load(block)
            } else {
                let mut padded = [0; BLOCK];
                padded[..len - at].copy_from_slice(&buffer[at..len]);
                load(&padded)
            };
            let backslash = equal(block, b'\\') & judged;
            let mut bare = control(block) | equal(block, b'"');
            if (backslash | first_is_escaped) != 0 {
                let (escaped, escaping) = escapes(backslash, first_is_escaped);
                if (escaped & !(escape_names(block) & judged)) != 0 {
                    return false;
                }
                bare &= !escaped;
                let mut names = escaped & equal(block, b'u');
                while names != 0 {
                    if !unicode.is_legal(&buffer[..len], at + names.trailing_zeros() as usize) {
                        return false;
                    }
                    names &= names - 1;
                }
                first_is_escaped = escaping >> 31;
            }
            if (bare & judged) != 0 {
                return false;
            }
            at += BLOCK;
        }
        first_is_escaped == 0
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub(super) fn plain_len(bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(block) = bytes[at..].first_chunk() {
            let block = load(block);
            let special = control(block) | equal(block, b'"') | equal(block, b'\\');
            if special != 0 {
                return at + special.trailing_zeros() as usize;
            }
            at += BLOCK;
        }
        at + super::portable::plain_len(&bytes[at..])
    }
}

mod portable {
    use super::UnicodeEscapes;

    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;

    /// Whether one of eight bytes is below 0x20, a quote or a backslash.
    fn has_special(word: u64) -> bool {
        // A byte's highest bit is set by the subtraction if the byte is too small; a borrow can
        // set it wrongly only in a byte above one that is truly small, so "any" stays exact.
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let quote = zero(word ^ (ONES * u64::from(b'"')));
        let backslash = zero(word ^ (ONES * u64::from(b'\\')));
        ((below_space | quote | backslash) & HIGHS) != 0
    }

    pub(super) fn plain_len(bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(word) = bytes[at..].first_chunk() {
            if has_special(u64::from_le_bytes(*word)) {
                break;
            }
            at += 8;
        }
        let special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
        bytes[at..].iter().position(special).map_or(bytes.len(), |more| at + more)
    }

    pub(super) fn is_string_inside(bytes: &[u8]) -> bool {
        let mut unicode = UnicodeEscapes::default();
        let mut at = 0;
        loop {
            at += plain_len(&bytes[at..]);
            let Some(&special) = bytes.get(at) else {
                return true;
            };
            if special != b'\\' {
                return false;
            }
            match bytes.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                Some(b'u') if unicode.is_legal(bytes, at + 1) => {}
                _ => return false,
            }
            at += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Both paths, and the last block read in place as well as copied.
    fn inside(bytes: &[u8]) -> bool {
        let answer = portable::is_string_inside(bytes);
        assert_eq!(is_string_inside(bytes, bytes.len()), answer, "{bytes:?}");
        for slack in [br#""\u12\"#.repeat(8), vec![0; 64], vec![b'\\'; 64]] {
            let longer = [bytes, &slack].concat();
            assert_eq!(is_string_inside(&longer, bytes.len()), answer, "{bytes:?} + {slack:?}");
        }
        answer
    }

    #[test]
    fn table() {
        for legal in [
            "",
            "a",
            "日本語",
            r"\\",
            r#"\""#,
            r"\/\b\f\n\r\t",
            r"\u0041",
            r"\uaBcD",
            r"\ud83d\ude00",
            "\u{7f}\u{2028}",
            r"\\\\\\",
            r"\\u12",
            r"\u005cx",
            r"\ud83d\ude00\ud83d\ude00",
        ] {
            for pad in 0..70 {
                let text = format!("{}{legal}", "x".repeat(pad));
                assert!(inside(text.as_bytes()), "{text}");
                assert!(inside(format!("{text}{text}").as_bytes()));
            }
        }
        for illegal in [
            "\"",
            "\n",
            "\0",
            "\t",
            r"\",
            r"\\\",
            r"\x",
            r"\u",
            r"\u123",
            r"\u123g",
            r"\ud83d",
            r"\ude00",
            r"\ud83d\u0041",
            r"\\ud83d\ude00",
            r"\ud83d\ud83d",
            r"\ud83d\ude0",
            r"\ud83dx\ude00",
            r"\ud83d\\ude00",
            r"\ude00\ud83d",
            "\x1f",
            r"\ud83d\ude00\ude00",
        ] {
            for pad in 0..70 {
                let text = format!("{}{illegal}", "x".repeat(pad));
                assert!(!inside(text.as_bytes()), "{text}");
                assert!(!inside(format!("{text}\n{}", "y".repeat(pad)).as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn every_byte_alone_and_escaped() {
        for byte in 0..=255_u8 {
            let plain = byte >= 0x20 && byte != b'"' && byte != b'\\';
            for pad in [0, 31, 40] {
                let mut text = vec![b'x'; pad];
                text.push(byte);
                assert_eq!(inside(&text), plain);
                assert_eq!(plain_len(&text), pad + usize::from(plain));
                text.insert(pad, b'\\');
                assert_eq!(inside(&text), b"\"\\/bfnrt".contains(&byte));
            }
        }
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            8 => "[ -~]{0,20}",
            4 => r"(\\){1,5}",
            2 => Just(r"\u".to_owned()),
            2 => Just(r"\ud83d".to_owned()),
            2 => Just(r"\ude00".to_owned()),
            1 => Just(r"\n".to_owned()),
            1 => "\\PC{0,3}",
            1 => Just("\u{1}".to_owned()),
        ];
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in pieces()) {
            let parsed = serde_json::from_str::<String>(&format!("\"{text}\""));
            prop_assert_eq!(inside(text.as_bytes()), parsed.is_ok());
        }

        #[test]
        fn plain_len_is_the_first_special(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let special = |&b: &u8| b < 0x20 || b == b'"' || b == b'\\';
            let expect = bytes.iter().position(special).unwrap_or(bytes.len());
            prop_assert_eq!(plain_len(&bytes), expect);
            prop_assert_eq!(portable::plain_len(&bytes), expect);
        }
    }
}
