//! The questions of [`Cpu`] with AVX2.

use std::arch::x86_64::*;

use super::{Cpu, Place, Work};

/// Proof that the processor has AVX2, BMI1, BMI2 and LZCNT.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt");
        all.then_some(Self(()))
    }

    /// Does the work in code that is compiled for such a processor.
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        // SAFETY: there is an `Avx2` only where the processor has the features.
        unsafe { run(self, work) }
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn run<W: Work>(cpu: Avx2, work: W) -> W::Output {
    work.on(cpu)
}

impl Cpu for Avx2 {
    #[inline(always)]
    fn number<const N: usize>(self, at: Place<'_, N>) -> usize {
        const { assert!(16 <= N) };
        // SAFETY: the processor has AVX2, and 16 bytes can be read.
        unsafe { number(at.pointer()) }
    }

    #[inline(always)]
    fn word<const N: usize>(self, at: Place<'_, N>) -> usize {
        const { assert!(16 <= N) };
        // SAFETY: as above.
        unsafe { word(at.pointer()) }
    }

    #[inline(always)]
    fn equal<const N: usize, const M: usize>(self, a: Place<'_, N>, b: Place<'_, M>) -> usize {
        const { assert!(32 <= N && 32 <= M) };
        // SAFETY: the processor has AVX2, and 32 bytes can be read at both.
        unsafe { equal(a.pointer(), b.pointer()) }
    }
}

/// # Safety
/// 16 bytes can be read.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn number(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let bytes = unsafe { _mm_loadu_si128(at.cast()) };
    let digit = in_range(bytes, b'-', b':' - b'-' + 1);
    let digits = leading(digit);
    let hex = leading(_mm_or_si128(digit, in_range(bytes, b'a', 6)));
    if hex >= 8 { hex } else { digits }
}

/// # Safety
/// 16 bytes can be read.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn word(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let bytes = unsafe { _mm_loadu_si128(at.cast()) };
    let letter = in_range(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), b'a', 26);
    leading(_mm_or_si128(in_range(bytes, b'0', 10), letter))
}

/// # Safety
/// 32 bytes can be read at both.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn equal(a: *const u8, b: *const u8) -> usize {
    // SAFETY: the caller's.
    let (a, b) = unsafe { (_mm256_loadu_si256(a.cast()), _mm256_loadu_si256(b.cast())) };
    (!(_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, b)) as u32)).trailing_zeros() as usize
}

#[target_feature(enable = "avx2")]
#[inline]
fn in_range(bytes: __m128i, from: u8, count: u8) -> __m128i {
    let above = _mm_sub_epi8(bytes, _mm_set1_epi8(from as i8));
    _mm_cmpeq_epi8(_mm_min_epu8(above, _mm_set1_epi8(count as i8 - 1)), above)
}

/// How many of 16 leading bytes are set; the upper half of the mask ends the count.
#[target_feature(enable = "avx2")]
#[inline]
fn leading(set: __m128i) -> usize {
    (!(_mm_movemask_epi8(set) as u32)).trailing_zeros() as usize
}
