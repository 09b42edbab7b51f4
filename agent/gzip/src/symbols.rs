//! The alphabets of DEFLATE (RFC 1951, 3.2.5), and which symbol stands for a length or a distance.

/// Literals, end of block, length codes.
pub(crate) const LITERALS_AND_LENGTHS: usize = 286;
/// Distance codes.
pub(crate) const DISTANCES: usize = 30;
/// The symbol that ends a block.
pub(crate) const END: usize = 256;
/// The symbol of the shortest length.
pub(crate) const FIRST_LENGTH: usize = 257;

/// The longest match that one symbol can say.
pub(crate) const MATCH_BYTES_MAX: usize = 258;
/// How far back a match may lie.
pub(crate) const WINDOW_BYTES: usize = 32 << 10;

/// Entries of a table by [`distance_slot`].
pub(crate) const DISTANCE_SLOTS: usize = 512;

/// Bits that follow a length symbol.
pub(crate) const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// Bits that follow a distance symbol.
pub(crate) const DISTANCE_EXTRA: [u8; DISTANCES] = {
    let mut extra = [0; DISTANCES];
    let mut symbol = 4;
    while symbol < DISTANCES {
        extra[symbol] = symbol as u8 / 2 - 1;
        symbol += 1;
    }
    extra
};

/// The shortest length of each symbol.
pub(crate) const LENGTH_BASE: [u16; 29] = {
    let mut base = [3; 29];
    let mut symbol = 1;
    while symbol < 28 {
        base[symbol] = base[symbol - 1] + (1 << LENGTH_EXTRA[symbol - 1]);
        symbol += 1;
    }
    // The longest length has a symbol of its own, although the one before could say it.
    base[28] = MATCH_BYTES_MAX as u16;
    base
};

/// The shortest distance of each symbol.
pub(crate) const DISTANCE_BASE: [u16; DISTANCES] = {
    let mut base = [1; DISTANCES];
    let mut symbol = 1;
    while symbol < DISTANCES {
        base[symbol] = base[symbol - 1] + (1 << DISTANCE_EXTRA[symbol - 1]);
        symbol += 1;
    }
    base
};

/// The symbol of each length, counted from [`FIRST_LENGTH`].
pub(crate) const LENGTH_SYMBOL: [u8; MATCH_BYTES_MAX + 1] = {
    let mut table = [0; MATCH_BYTES_MAX + 1];
    let mut symbol = 0;
    while symbol < 29 {
        let mut len = LENGTH_BASE[symbol] as usize;
        while len <= MATCH_BYTES_MAX {
            table[len] = symbol as u8;
            len += 1;
        }
        symbol += 1;
    }
    table
};

/// The symbol of each distance, by [`distance_slot`].
pub(crate) const DISTANCE_SYMBOL: [u8; DISTANCE_SLOTS] = {
    let mut table = [0; DISTANCE_SLOTS];
    let mut symbol = 0;
    while symbol < DISTANCES {
        let mut slot = distance_slot(DISTANCE_BASE[symbol] as usize);
        while slot < DISTANCE_SLOTS {
            table[slot] = symbol as u8;
            slot += 1;
        }
        symbol += 1;
    }
    table
};

/// Distances up to 256 have a slot each, longer ones share it with 127 others: beyond 256 every
/// symbol covers a multiple of 128.
#[inline(always)]
pub(crate) const fn distance_slot(distance: usize) -> usize {
    let from_zero = distance - 1;
    if from_zero < 256 { from_zero } else { 256 + (from_zero >> 7) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_those_of_the_rfc() {
        assert_eq!(LENGTH_BASE[..9], [3, 4, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(LENGTH_BASE[20..], [67, 83, 99, 115, 131, 163, 195, 227, 258]);
        assert_eq!(DISTANCE_BASE[..8], [1, 2, 3, 4, 5, 7, 9, 13]);
        assert_eq!(DISTANCE_BASE[26..], [8193, 12289, 16385, 24577]);
        assert_eq!(DISTANCE_EXTRA[26..], [12, 12, 13, 13]);
    }

    #[test]
    fn every_distance_finds_its_symbol() {
        for distance in 1..=WINDOW_BYTES {
            let symbol = usize::from(DISTANCE_SYMBOL[distance_slot(distance)]);
            let past = usize::from(DISTANCE_BASE[symbol]) + (1 << DISTANCE_EXTRA[symbol]);
            assert!((usize::from(DISTANCE_BASE[symbol])..past).contains(&distance), "{distance}");
        }
    }

    #[test]
    fn every_length_finds_its_symbol() {
        for (len, &symbol) in LENGTH_SYMBOL.iter().enumerate().skip(3) {
            let symbol = usize::from(symbol);
            let past = usize::from(LENGTH_BASE[symbol]) + (1 << LENGTH_EXTRA[symbol]);
            assert!((usize::from(LENGTH_BASE[symbol])..past).contains(&len), "{len}");
        }
    }
}
