//! Length-limited prefix codes in DEFLATE's canonical order (RFC 1951, 3.2.2).

use crate::symbols::LITERALS_AND_LENGTHS;

/// No alphabet has more symbols.
const SYMBOLS_MAX: usize = LITERALS_AND_LENGTHS;
/// DEFLATE has no longer codes.
const CODE_BITS_MAX: usize = 15;
/// A weight shares a word with its symbol while it is sorted.
const SYMBOL_BITS: u32 = 9;
/// Larger counts are cut to this. Weights add up to less than 2^32 then.
const WEIGHT_MAX: u32 = (1 << (32 - SYMBOL_BITS)) - 1;

const _: () = assert!(SYMBOLS_MAX <= 1 << SYMBOL_BITS);
const _: () = assert!((SYMBOLS_MAX as u64 * WEIGHT_MAX as u64) < 1 << 32);

/// Lengths of codes for symbols that occur `counts` times, none longer than `bits_max`; a symbol
/// that does not occur gets none. The code is complete, so every inflater takes it, but for the
/// case of fewer than two symbols.
///
/// Lengths beyond the limit are cut and the sum of Kraft repaired, as most encoders do it.
/// Package-merge would be exact, for a few hundredths of a percent at several times the cost.
pub(crate) fn lengths(counts: &[u32], bits_max: usize, lengths: &mut [u8]) {
    lengths.fill(0);
    let mut sorted = [0_u32; SYMBOLS_MAX];
    let sorted = sort(counts, &mut sorted);
    if sorted.len() <= 2 {
        for &leaf in sorted {
            lengths[symbol(leaf)] = 1;
        }
        return;
    }
    let mut weights = [0_u32; SYMBOLS_MAX];
    let weights = &mut weights[..sorted.len()];
    for (weight, leaf) in weights.iter_mut().zip(sorted) {
        *weight = leaf >> SYMBOL_BITS;
    }
    let mut leaves = leaves_by_depth(weights, bits_max);
    repair(&mut leaves, bits_max);
    let mut rarest_first = sorted.iter();
    for bits in (1..=bits_max).rev() {
        for &leaf in rarest_first.by_ref().take(leaves[bits] as usize) {
            lengths[symbol(leaf)] = bits as u8;
        }
    }
}

/// The codes that belong to `lengths`, with their first bit lowest, as they go into the stream.
pub(crate) fn codes(lengths: &[u8], codes: &mut [u16]) {
    let mut of_length = [0_u16; CODE_BITS_MAX + 1];
    for &bits in lengths {
        of_length[usize::from(bits)] += 1;
    }
    of_length[0] = 0;
    let mut next = [0_u16; CODE_BITS_MAX + 1];
    for bits in 1..=CODE_BITS_MAX {
        next[bits] = (next[bits - 1] + of_length[bits - 1]) << 1;
    }
    for (code, &bits) in codes.iter_mut().zip(lengths) {
        if bits > 0 {
            let next = &mut next[usize::from(bits)];
            *code = next.reverse_bits() >> (16 - bits);
            *next += 1;
        }
    }
}

fn symbol(leaf: u32) -> usize {
    (leaf & ((1 << SYMBOL_BITS) - 1)) as usize
}

/// The symbols that occur with their weights above them, lightest first.
fn sort<'a>(counts: &[u32], leaves: &'a mut [u32; SYMBOLS_MAX]) -> &'a [u32] {
    let mut len = 0;
    // Most symbols of a log have the smallest weight there is; in the order of their symbols they
    // are sorted already.
    for lightest in [true, false] {
        let begin = len;
        for (symbol, &count) in counts.iter().enumerate() {
            if count > 0 && (count == 1) == lightest {
                leaves[len] = count.min(WEIGHT_MAX) << SYMBOL_BITS | symbol as u32;
                len += 1;
            }
        }
        if !lightest {
            leaves[begin..len].sort_unstable();
        }
    }
    &leaves[..len]
}

/// How many codes there are of each length, those of more than `bits_max` counted as `bits_max`.
/// By Moffat and Katajainen, "In-Place Calculation of Minimum-Redundancy Codes" (1995); `nodes`
/// has at least two weights, lightest first, and is used up.
fn leaves_by_depth(nodes: &mut [u32], bits_max: usize) -> [u32; CODE_BITS_MAX + 1] {
    let len = nodes.len();
    // Weights of inner nodes replace those of leaves that are used; a used inner node becomes the
    // place of its parent.
    let (mut inner, mut leaf) = (0, 0);
    for next in 0..len - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            if leaf >= len || (inner < next && nodes[inner] < nodes[leaf]) {
                weight += nodes[inner];
                nodes[inner] = next as u32;
                inner += 1;
            } else {
                weight += nodes[leaf];
                leaf += 1;
            }
        }
        nodes[next] = weight;
    }
    // Parents become depths, from the root down.
    nodes[len - 2] = 0;
    for next in (0..len - 2).rev() {
        nodes[next] = nodes[nodes[next] as usize] + 1;
    }
    // What a level has room for and no inner node takes, leaves do.
    let mut leaves = [0; CODE_BITS_MAX + 1];
    let mut inner = nodes[..len - 1].iter().rev().peekable();
    let (mut room, mut depth) = (1_u32, 0);
    while room > 0 {
        let mut here = 0;
        while inner.next_if(|&&of| of == depth).is_some() {
            here += 1;
        }
        leaves[(depth as usize).min(bits_max)] += room - here;
        room = 2 * here;
        depth += 1;
    }
    leaves
}

/// Makes a complete code of one whose longest codes were cut to `bits_max`.
fn repair(leaves: &mut [u32; CODE_BITS_MAX + 1], bits_max: usize) {
    let share = |bits: usize| 1_u64 << (bits_max - bits);
    let mut used: u64 = (1..=bits_max).map(|bits| u64::from(leaves[bits]) * share(bits)).sum();
    while used > share(0) {
        let bits = (1..bits_max).rev().find(|&bits| leaves[bits] > 0);
        let bits = bits.expect("no alphabet fills the longest length alone");
        leaves[bits] -= 1;
        leaves[bits + 1] += 1;
        used -= share(bits + 1);
    }
    let mut bits = bits_max;
    while used < share(0) && bits > 1 {
        if leaves[bits] > 0 && used + share(bits) <= share(0) {
            leaves[bits] -= 1;
            leaves[bits - 1] += 1;
            used += share(bits);
        } else {
            bits -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(counts: &[u32], bits_max: usize) {
        let mut of = vec![0; counts.len()];
        lengths(counts, bits_max, &mut of);
        let occur = counts.iter().filter(|&&count| count > 0).count();
        assert_eq!(occur, of.iter().filter(|&&bits| bits > 0).count());
        assert!(of.iter().all(|&bits| usize::from(bits) <= bits_max));
        let share = |&bits: &u8| if bits > 0 { 1_u32 << (bits_max - usize::from(bits)) } else { 0 };
        if occur >= 2 {
            assert_eq!(of.iter().map(share).sum::<u32>(), 1 << bits_max, "{of:?}");
        }
        for (more, bits) in counts.iter().zip(&of) {
            for (less, longer) in counts.iter().zip(&of) {
                assert!(*less == 0 || more <= less || bits <= longer, "{counts:?}: {of:?}");
            }
        }
    }

    #[test]
    fn small_alphabets() {
        check(&[0; 5], 7);
        check(&[0, 9, 0], 7);
        check(&[3, 9, 0], 7);
        check(&[1; 19], 7);
        check(&[1; 286], 12);
        check(&[u32::MAX; 286], 12);
    }

    #[test]
    fn fibonacci_needs_the_limit() {
        let mut counts = vec![1, 1];
        for _ in 0..28 {
            counts.push(counts[counts.len() - 1] + counts[counts.len() - 2]);
        }
        for bits_max in [5, 7, 12, 15] {
            check(&counts, bits_max);
        }
    }

    #[test]
    fn lengths_are_the_best_where_no_limit_binds() {
        let mut of = [0; 6];
        lengths(&[45, 13, 12, 16, 9, 5], 15, &mut of);
        assert_eq!(of, [1, 3, 3, 3, 4, 4]);
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        let mut of = [0; 8];
        codes(&[3, 3, 3, 3, 3, 2, 4, 4], &mut of);
        let forward = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111];
        let bits = [3, 3, 3, 3, 3, 2, 4, 4];
        assert_eq!(of, std::array::from_fn(|i| u16::reverse_bits(forward[i]) >> (16 - bits[i])));
    }

    proptest! {
        #[test]
        fn any_counts(counts in prop::collection::vec(prop_oneof![Just(0), Just(1), 0..100_u32, 0..=WEIGHT_MAX], 2..=286)) {
            check(&counts, 12);
            check(&counts[..counts.len().min(19)], 7);
        }
    }
}
