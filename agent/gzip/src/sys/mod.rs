//! takes: bytes, and places in them that were checked once
//! gives: what is read there, and what of it is no place to look for a match
//! owns:  all `unsafe` of this crate; none with the feature `safe`
//! never: decides what is written
//!
//! Invariants:
//! * A place of `N` bytes has so many behind it. Its methods read no further, so that the loop over
//!   a body checks once per step what it would otherwise check at each of ten accesses.
//! * Every processor gives the same answers; only the time differs.

#[cfg(all(target_arch = "aarch64", not(feature = "safe")))]
mod aarch64;
mod level;
mod place;
mod portable;
#[cfg(all(target_arch = "x86_64", not(feature = "safe")))]
mod x86;

pub(crate) use level::{Level, Work};
pub(crate) use place::{AHEAD, Place, Text};

/// What the scan asks of the processor: two classifications and a comparison, each of some bytes at
/// once.
pub(crate) trait Cpu: Copy {
    /// How many of the next 16 bytes are no place to look for a match: leading digits, or at least
    /// eight hexadecimal ones. What stands between the digits of times, addresses and ids, `-./` and
    /// `:`, counts as a digit, as in ASCII it lies beside them.
    fn number<const N: usize>(self, at: Place<'_, N>) -> usize;

    /// How many of the next 16 bytes are letters and digits.
    fn word<const N: usize>(self, at: Place<'_, N>) -> usize;

    /// How many of the next 32 bytes are the same at both places.
    fn equal<const N: usize, const M: usize>(self, a: Place<'_, N>, b: Place<'_, M>) -> usize;
}
