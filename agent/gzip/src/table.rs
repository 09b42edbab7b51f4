//! Where bytes like these stood last.

use crate::symbols::WINDOW_BYTES;

/// Bytes that are hashed, and so the shortest match that is found. A shorter one, among random
/// digits, costs more bits than the digits.
pub(crate) const MATCH_BYTES_MIN: usize = 6;

/// 32 KiB of table, which is most of a first-level cache. Half of it would be as fast and find a
/// little less.
const SLOT_BITS: u32 = 14;

/// The lower 16 bits of positions. What they say may be wrong in every way (positions wrap, and may
/// be of an earlier body), so the bytes there are compared before anything is believed.
#[derive(Clone)]
pub(crate) struct Table {
    slots: [u16; 1 << SLOT_BITS],
}

impl Table {
    #[allow(clippy::large_stack_arrays, reason = "32 KiB for as long as an encoder is being made")]
    pub(crate) const fn new() -> Self {
        Self { slots: [0; 1 << SLOT_BITS] }
    }

    pub(crate) fn clear(&mut self) {
        self.slots.fill(0);
    }

    /// Enters `at`, where `bytes` begin, and gives how far back the last such place lies, if the
    /// window and the text reach there.
    #[inline(always)]
    pub(crate) fn replace(&mut self, bytes: u64, at: usize) -> Option<usize> {
        let slot = &mut self.slots[hash(bytes)];
        let distance = usize::from((at as u16).wrapping_sub(*slot));
        *slot = at as u16;
        (distance.wrapping_sub(1) < WINDOW_BYTES.min(at)).then_some(distance)
    }

    #[inline(always)]
    pub(crate) fn enter(&mut self, bytes: u64, at: usize) {
        self.slots[hash(bytes)] = at as u16;
    }
}

/// Of the first [`MATCH_BYTES_MIN`] bytes.
#[inline(always)]
fn hash(bytes: u64) -> usize {
    let first = bytes << (64 - 8 * MATCH_BYTES_MIN);
    (first.wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - SLOT_BITS)) as usize
}
