//! Copies of documents for people who look on.

use std::collections::HashSet;

use super::shape::Parts;
use crate::core::SourceToken;

/// Onlookers at a time.
const TAPS_MAX: usize = 4;

/// What waits for one onlooker; more is left out, and counted.
const BYTES_MAX: usize = 256 << 10;

/// Who has not asked for so long has gone.
const QUIET_NS: u64 = 10_000_000_000;

/// What has gone by since the onlooker asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tapped {
    /// Documents as they are sent, a line each.
    pub documents: Vec<u8>,
    /// Documents that there was no room for.
    pub left_out: u64,
}

#[derive(Debug)]
struct Tap {
    id: u64,
    sources: HashSet<SourceToken>,
    tapped: Tapped,
    asked_mono_ns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Taps(Vec<Tap>);

impl Taps {
    /// Nobody looks on, as a rule.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has gone by for this onlooker, who from now on looks at `sources`. `None` if there are
    /// too many.
    pub(super) fn ask(
        &mut self,
        id: u64,
        sources: HashSet<SourceToken>,
        mono_ns: u64,
    ) -> Option<Tapped> {
        self.0.retain(|tap| mono_ns.saturating_sub(tap.asked_mono_ns) < QUIET_NS);
        if let Some(tap) = self.0.iter_mut().find(|tap| tap.id == id) {
            tap.sources = sources;
            tap.asked_mono_ns = mono_ns;
            return Some(std::mem::take(&mut tap.tapped));
        }
        if self.0.len() >= TAPS_MAX {
            return None;
        }
        self.0.push(Tap { id, sources, tapped: Tapped::default(), asked_mono_ns: mono_ns });
        Some(Tapped::default())
    }

    #[cold]
    pub(super) fn take(&mut self, source: SourceToken, parts: &Parts<'_>) {
        for tap in self.0.iter_mut().filter(|tap| tap.sources.contains(&source)) {
            let documents = &mut tap.tapped.documents;
            if documents.len() >= BYTES_MAX {
                tap.tapped.left_out += 1;
                continue;
            }
            let begin = documents.len();
            parts.write(documents);
            // The action line is the store's.
            if let Some(end) = memchr::memchr(b'\n', &documents[begin..]) {
                documents.drain(begin..=begin + end);
            }
        }
    }
}
