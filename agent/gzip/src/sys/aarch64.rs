//! The questions of [`Cpu`] with NEON.

use std::arch::aarch64::*;
use std::arch::is_aarch64_feature_detected;

use super::{Cpu, Place, Work};

/// Proof that the processor has NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    pub(super) fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }

    /// Does the work in code that is compiled for such a processor.
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        // SAFETY: there is a `Neon` only where the processor has it.
        unsafe { run(self, work) }
    }
}

#[target_feature(enable = "neon")]
fn run<W: Work>(cpu: Neon, work: W) -> W::Output {
    work.on(cpu)
}

impl Cpu for Neon {
    #[inline(always)]
    fn number<const N: usize>(self, at: Place<'_, N>) -> usize {
        const { assert!(16 <= N) };
        // SAFETY: the processor has NEON, and 16 bytes can be read.
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
        // SAFETY: the processor has NEON, and 32 bytes can be read at both.
        unsafe { equal(a.pointer(), b.pointer()) }
    }
}

/// # Safety
/// 16 bytes can be read.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn number(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let bytes = unsafe { vld1q_u8(at) };
    let digit = in_range(bytes, b'-', b':' - b'-' + 1);
    let digits = leading(digit);
    let hex = leading(vorrq_u8(digit, in_range(bytes, b'a', 6)));
    if hex >= 8 { hex } else { digits }
}

/// # Safety
/// 16 bytes can be read.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn word(at: *const u8) -> usize {
    // SAFETY: the caller's.
    let bytes = unsafe { vld1q_u8(at) };
    let letter = in_range(vorrq_u8(bytes, vdupq_n_u8(0x20)), b'a', 26);
    leading(vorrq_u8(in_range(bytes, b'0', 10), letter))
}

/// # Safety
/// 32 bytes can be read at both.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn equal(a: *const u8, b: *const u8) -> usize {
    // SAFETY: the caller's.
    let (low, high) = unsafe {
        let low = vceqq_u8(vld1q_u8(a), vld1q_u8(b));
        (low, vceqq_u8(vld1q_u8(a.add(16)), vld1q_u8(b.add(16))))
    };
    let same = leading(low);
    if same < 16 { same } else { 16 + leading(high) }
}

#[target_feature(enable = "neon")]
#[inline]
fn in_range(bytes: uint8x16_t, from: u8, count: u8) -> uint8x16_t {
    vcltq_u8(vsubq_u8(bytes, vdupq_n_u8(from)), vdupq_n_u8(count))
}

/// How many of 16 leading bytes are set. The narrowing shift leaves four bits of each.
#[target_feature(enable = "neon")]
#[inline]
fn leading(set: uint8x16_t) -> usize {
    let nibbles = vshrn_n_u16(vreinterpretq_u16_u8(set), 4);
    let mask = vget_lane_u64(vreinterpret_u64_u8(nibbles), 0);
    (!mask).trailing_zeros() as usize / 4
}
