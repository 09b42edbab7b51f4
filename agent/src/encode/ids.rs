//! The `_id` of documents: a prefix per file and generation, and the event's offset.

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::core::IdPrefix;
use crate::core::limits::OFFSET_MAX;

/// Digits of the offset in an id.
pub(super) const OFFSET_DIGITS: usize = 11;

const _: () = assert!(OFFSET_MAX == (1 << (4 * OFFSET_DIGITS)) - 1);

/// The prefix of all ids of one file's generation.
///
/// It is made of what stays true when our state is gone and the file is renamed or compressed.
/// `lineage` tells two files of one owner apart that begin with the same line.
pub fn prefix(owner: &str, generation: u32, lineage: u32, first_line: u128) -> IdPrefix {
    let mut hash = Xxh3::new();
    hash.update(&first_line.to_le_bytes());
    hash.update(&generation.to_le_bytes());
    hash.update(&lineage.to_le_bytes());
    // The only part of variable length stands last, so that no two inputs run together.
    hash.update(owner.as_bytes());
    let bits = hash.digest128() >> 32;
    // Base64url in order of value, six bits to a character: 96 bits are sixteen characters.
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    IdPrefix(std::array::from_fn(|at| alphabet[(bits >> (90 - 6 * at)) as usize & 63]))
}

/// What a file is known by besides its inode: a hash of its first line's bytes.
pub fn first_line_fingerprint(first_line: &[u8]) -> u128 {
    xxh3_128(first_line)
}

/// The offset as lower-case hex digits; beyond [`OFFSET_MAX`] the highest that fits.
#[inline]
pub(super) fn offset_digits(offset: u64) -> [u8; OFFSET_DIGITS] {
    let offset = offset.min(OFFSET_MAX);
    let mut digits = [0; OFFSET_DIGITS];
    digits[..3].copy_from_slice(&eight_digits((offset >> 32) as u32)[5..]);
    digits[3..].copy_from_slice(&eight_digits(offset as u32));
    digits
}

/// All digits at once: each is made on every line, so a loop over them would be seen.
#[inline]
fn eight_digits(value: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // Halves apart, then quarters, then single digits, each into a byte.
    let mut bytes = u64::from(value);
    bytes = (bytes | (bytes << 16)) & 0x0000_ffff_0000_ffff;
    bytes = (bytes | (bytes << 8)) & 0x00ff_00ff_00ff_00ff;
    bytes = (bytes | (bytes << 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    // Ten and above reach 16 when 6 is added; they are letters.
    let letters = ((bytes + 6 * ONES) >> 4) & ONES;
    let letter = u64::from(b'a' - b'0' - 10);
    (bytes + u64::from(b'0') * ONES + letter * letters).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_depends_on_each_part() {
        let all = [
            prefix("docker:a", 0, 0, 1),
            prefix("docker:b", 0, 0, 1),
            prefix("docker:a", 1, 0, 1),
            prefix("docker:a", 0, 1, 1),
            prefix("docker:a", 0, 0, 2),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(one.0.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert!(all[at + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn prefix_is_what_it_was_in_the_first_release() {
        // Changing it would double every line of every followed file after an upgrade.
        assert_eq!(prefix("docker:a:stdout", 1, 2, 3).as_str(), "A2HY6PJtUF3mC2jA");
        assert_eq!(
            first_line_fingerprint(b"x\n"),
            49_389_879_242_807_540_026_500_581_438_605_172_443
        );
    }

    #[test]
    fn offset_is_eleven_digits() {
        assert_eq!(&offset_digits(0), b"00000000000");
        assert_eq!(&offset_digits(0xabc), b"00000000abc");
        assert_eq!(&offset_digits(OFFSET_MAX), b"fffffffffff");
        for shift in 0..44 {
            let offset = 0x0123_4567_89ab_cdef >> 4 >> shift;
            let offset = offset & OFFSET_MAX;
            assert_eq!(offset_digits(offset), format!("{offset:011x}").as_bytes());
        }
        assert_eq!(&offset_digits(u64::MAX), b"fffffffffff");
    }
}
