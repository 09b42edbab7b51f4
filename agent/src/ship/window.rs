//! How many requests may be open: one more for each round that goes well, half for each that
//! does not (AIMD), so that many nodes share one cluster without knowing of each other.

/// Where it starts: one request travels while the other is worked on.
const START: f64 = 2.0;

#[derive(Debug)]
pub(super) struct Window {
    allowed: f64,
    max: f64,
    in_flight: usize,
    /// Rises with each decrease. What was sent before the last one says nothing new.
    round: u64,
}

impl Window {
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1) as f64;
        Self { allowed: START.min(max), max, in_flight: 0, round: 0 }
    }

    pub(super) fn has_room(&self) -> bool {
        self.in_flight < self.allowed()
    }

    pub(super) fn allowed(&self) -> usize {
        self.allowed as usize
    }

    /// Counts a request in, and says in which round it was sent.
    pub(super) fn sent(&mut self) -> u64 {
        self.in_flight += 1;
        self.round
    }

    pub(super) fn answered(&mut self) {
        assert!(self.in_flight > 0, "an answer without a request");
        self.in_flight -= 1;
    }

    pub(super) fn went_well(&mut self) {
        self.allowed = (self.allowed + 1.0 / self.allowed).min(self.max);
    }

    pub(super) fn congested(&mut self, round: u64) {
        if round == self.round {
            self.allowed = (self.allowed / 2.0).max(1.0);
            self.round += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rises_slowly_falls_fast_and_once_per_round() {
        let mut window = Window::new(4);
        assert_eq!(window.allowed(), 2);
        (0..20).for_each(|_| window.went_well());
        assert_eq!(window.allowed(), 4);
        let rounds: Vec<_> = (0..4).map(|_| window.sent()).collect();
        assert!(!window.has_room());
        for round in rounds {
            window.congested(round);
        }
        assert_eq!(window.allowed(), 2);
        (0..4).for_each(|_| window.answered());
        for _ in 0..9 {
            let round = window.sent();
            window.congested(round);
            window.answered();
        }
        assert_eq!((window.allowed(), window.has_room()), (1, true));
        window.went_well();
        assert_eq!(window.allowed(), 2);
    }
}
