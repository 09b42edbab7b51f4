//! The questions of [`Cpu`] with nothing but integers.

use super::{Cpu, Place};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Cpu for Portable {
    #[inline(always)]
    fn number<const N: usize>(self, at: Place<'_, N>) -> usize {
        let bytes: [u8; 16] = at.first();
        let digits = leading(&bytes, |byte| matches!(byte, b'-'..=b':'));
        let hex = |byte: &u8| matches!(byte, b'-'..=b':' | b'a'..=b'f');
        let hex = digits + leading(&bytes[digits..], hex);
        if hex >= 8 { hex } else { digits }
    }

    #[inline(always)]
    fn word<const N: usize>(self, at: Place<'_, N>) -> usize {
        leading(&at.first::<16>(), u8::is_ascii_alphanumeric)
    }

    #[inline(always)]
    fn equal<const N: usize, const M: usize>(self, a: Place<'_, N>, b: Place<'_, M>) -> usize {
        let (a, b) = (a.first::<32>(), b.first::<32>());
        for (part, (a, b)) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).enumerate() {
            let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
            if differ != 0 {
                return part * 8 + differ.trailing_zeros() as usize / 8;
            }
        }
        32
    }
}

#[inline(always)]
fn leading(bytes: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| is(byte)).count()
}
