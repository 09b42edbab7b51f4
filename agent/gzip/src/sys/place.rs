//! Places in a text that have so many bytes behind them that nothing need be checked there.

/// Bytes that the scan may read from a place on without another check: two runs of 16 to step
/// over, 32 to compare, and what the positions inside a match read.
pub(crate) const AHEAD: usize = 96;

#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
}

/// A position before which every position is a place of [`AHEAD`] bytes.
#[derive(Clone, Copy)]
pub(crate) struct Limit<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A position with at least `N` bytes behind it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a, const N: usize> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    #[inline(always)]
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The limit at `at`, or where the text has too few bytes left.
    #[inline(always)]
    pub(crate) fn limit(self, at: usize) -> Limit<'a> {
        Limit { bytes: self.bytes, at: at.min(self.bytes.len().saturating_sub(AHEAD)) }
    }

    #[inline(always)]
    pub(crate) fn place<const N: usize>(self, at: usize) -> Option<Place<'a, N>> {
        let fits = self.bytes.len().checked_sub(N).is_some_and(|last| at <= last);
        fits.then_some(Place { bytes: self.bytes, at })
    }
}

impl<'a> Limit<'a> {
    #[inline(always)]
    pub(crate) fn at(self) -> usize {
        self.at
    }

    #[inline(always)]
    pub(crate) fn place(self, at: usize) -> Option<Place<'a, AHEAD>> {
        (at < self.at).then_some(Place { bytes: self.bytes, at })
    }
}

impl<'a, const N: usize> Place<'a, N> {
    #[inline(always)]
    pub(crate) fn at(self) -> usize {
        self.at
    }

    /// The place `bytes` on. There are at most 16 of them, as every answer of a [`super::Cpu`] to
    /// `number` and `word` is, and `M` is 16 less than `N`.
    #[inline(always)]
    pub(super) fn on<const M: usize>(self, bytes: usize) -> Place<'a, M> {
        const { assert!(M + 16 <= N) };
        debug_assert!(bytes <= 16);
        Place { bytes: self.bytes, at: self.at + bytes }
    }

    #[inline(always)]
    pub(crate) fn next<const M: usize>(self) -> Place<'a, M> {
        const { assert!(M < N) };
        Place { bytes: self.bytes, at: self.at + 1 }
    }

    /// The place `distance` back, if the text begins no later.
    #[inline(always)]
    pub(crate) fn back(self, distance: usize) -> Option<Place<'a, N>> {
        (distance <= self.at).then(|| Place { bytes: self.bytes, at: self.at - distance })
    }

    /// The eight bytes that are `OFFSET` on.
    #[inline(always)]
    pub(crate) fn load<const OFFSET: usize>(self) -> u64 {
        const { assert!(OFFSET + 8 <= N) };
        u64::from_le_bytes(self.array(OFFSET))
    }

    /// The first `LEN` bytes.
    #[inline(always)]
    pub(crate) fn first<const LEN: usize>(self) -> [u8; LEN] {
        const { assert!(LEN <= N) };
        self.array(0)
    }

    /// For a vector load of at most `N` bytes. As an array they would go by way of the stack.
    #[cfg(not(feature = "safe"))]
    #[inline(always)]
    pub(super) fn pointer(self) -> *const u8 {
        debug_assert!(self.at + N <= self.bytes.len());
        // SAFETY: `at` is inside of `bytes` or at its end, as `N` bytes follow.
        unsafe { self.bytes.as_ptr().add(self.at) }
    }

    #[inline(always)]
    fn array<const LEN: usize>(self, offset: usize) -> [u8; LEN] {
        debug_assert!(offset + LEN <= N && self.at + N <= self.bytes.len());
        #[cfg(not(feature = "safe"))]
        // SAFETY: both callers have asserted that `offset + LEN` is at most `N`, and so many bytes
        // follow: `Text`, `Limit` and `back` compare before they make a place, and `on` gives up
        // as many bytes as it steps over.
        return unsafe { self.pointer().add(offset).cast::<[u8; LEN]>().read_unaligned() };
        #[cfg(feature = "safe")]
        return std::array::from_fn(|i| self.bytes[self.at + offset + i]);
    }
}

impl<'a> Place<'a, AHEAD> {
    /// The place behind the number that begins here, if one does.
    #[inline(always)]
    pub(crate) fn behind_number(self, cpu: impl super::Cpu) -> Place<'a, { AHEAD - 16 }> {
        self.on(cpu.number(self))
    }
}
