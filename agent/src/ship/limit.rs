//! How large a request may be, learned from what the server refused.

use std::ops::Range;
use std::time::Duration;

use crate::core::Now;

/// A lesson is forgotten after this long: somebody may have raised the limit.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);

/// In inflated bytes: servers count those, `http.max_content_length` as well as their breakers.
#[derive(Debug)]
pub(super) struct SizeLimit {
    configured: Option<usize>,
    /// The largest that was taken while the lesson holds.
    accepted: usize,
    /// The smallest that was refused, and when.
    refused: Option<(usize, u64)>,
}

impl SizeLimit {
    pub(super) fn new(configured: Option<usize>) -> Self {
        Self { configured, accepted: 0, refused: None }
    }

    pub(super) fn refused(&mut self, now: Now, bytes: usize) {
        let smallest = self.refused.map_or(bytes, |(seen, _)| seen.min(bytes));
        self.refused = Some((smallest, now.mono_ns));
        if self.accepted >= smallest {
            self.accepted = 0;
        }
    }

    pub(super) fn accepted(&mut self, bytes: usize) {
        match self.refused {
            Some((refused, _)) if bytes >= refused => self.refused = None,
            Some(_) => self.accepted = self.accepted.max(bytes),
            None => {}
        }
    }

    /// What a request should not exceed.
    pub(super) fn max(&mut self, now: Now) -> Option<usize> {
        if self.refused.is_some_and(|(_, when)| now.since(when) > FORGOTTEN_AFTER) {
            *self = Self::new(self.configured);
        }
        let learned = self.refused.map(|(bytes, _)| (bytes / 2).max(self.accepted));
        match (learned, self.configured) {
            (Some(learned), Some(configured)) => Some(learned.min(configured)),
            (learned, configured) => learned.or(configured),
        }
    }
}

/// Cuts a row of sizes into runs of at most `max` each; one that is larger stands alone.
pub(super) fn runs(sizes: &[usize], max: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (at, size) in sizes.iter().enumerate() {
        if at > start && sum + size > max {
            out.push(start..at);
            (start, sum) = (at, 0);
        }
        sum += size;
    }
    if start < sizes.len() {
        out.push(start..sizes.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_keep_order_and_size() {
        assert!(runs(&[], 10).is_empty());
        assert_eq!(runs(&[4, 4, 4], 10), [0..2, 2..3]);
        assert_eq!(runs(&[20, 4, 20, 20, 1], 10), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(runs(&[5, 5, 1], 10), [0..2, 2..3]);
    }

    #[test]
    fn learns_and_forgets() {
        let at = |seconds: u64| Now { mono_ns: seconds * 1_000_000_000, wall_ns: 0 };
        let mut limit = SizeLimit::new(None);
        assert_eq!(limit.max(at(1)), None);
        limit.accepted(900);
        limit.refused(at(1), 1_000);
        assert_eq!(limit.max(at(1)), Some(500));
        limit.accepted(700);
        assert_eq!(limit.max(at(1)), Some(700));
        limit.refused(at(2), 600);
        assert_eq!(limit.max(at(2)), Some(300));
        assert_eq!(limit.max(at(3_700)), None);
        limit.refused(at(4_000), 1_000);
        limit.accepted(1_000);
        assert_eq!(limit.max(at(4_000)), None);
        assert_eq!(SizeLimit::new(Some(50)).max(at(1)), Some(50));
    }
}
