//! Indices that refuse, each with its own pause, so that they hold up nobody else's lines.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::{self, Random};
use crate::core::Now;

/// Paused indices that are remembered. Index names are tenants' input; of one that is forgotten
/// the next refusal begins with the first pause again.
const TARGETS_MAX: usize = 4_096;

/// A refusal this long after the end of the last pause is a new story.
const STORY_ENDS_AFTER: Duration = Duration::from_mins(10);

#[derive(Debug)]
struct Target {
    failures: u32,
    until: u64,
    since: u64,
    text: String,
}

#[derive(Debug)]
pub(super) struct Targets {
    by_index: BTreeMap<Arc<str>, Target>,
    first: Duration,
    max: Duration,
}

impl Targets {
    pub(super) fn new(first: Duration, max: Duration) -> Self {
        Self { by_index: BTreeMap::new(), first, max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    pub(super) fn paused_until(&self, now: Now, index: &str) -> Option<u64> {
        self.by_index.get(index).map(|it| it.until).filter(|it| *it > now.mono_ns)
    }

    /// How long the index has been refusing without a document taken in between.
    pub(super) fn refusing_for(&self, now: Now, index: &str) -> Duration {
        let over = |it: &Target| now.since(it.until) > STORY_ENDS_AFTER;
        let target = self.by_index.get(index).filter(|it| !over(it));
        target.map_or(Duration::ZERO, |it| now.since(it.since))
    }

    /// Begins a pause, or answers with the end of the one that lasts. Twice as long each time,
    /// between half and all of it, so that a fleet does not knock as one.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        index: &Arc<str>,
        text: &str,
        random: &mut Random,
    ) -> u64 {
        if self.by_index.len() >= TARGETS_MAX && !self.by_index.contains_key(index) {
            let oldest = self.by_index.iter().min_by_key(|(_, it)| it.until);
            let oldest = oldest.map(|(name, _)| Arc::clone(name));
            oldest.and_then(|it| self.by_index.remove(&it));
        }
        let fresh = || Target { failures: 0, until: 0, since: now.mono_ns, text: String::new() };
        let target = self.by_index.entry(Arc::clone(index)).or_insert_with(fresh);
        if target.until > now.mono_ns {
            return target.until;
        }
        if target.until > 0 && now.since(target.until) > STORY_ENDS_AFTER {
            *target = fresh();
        }
        target.failures = target.failures.saturating_add(1);
        text.clone_into(&mut target.text);
        let half = backoff::ceiling(self.first, self.max, target.failures) / 2;
        target.until = now.after(half + backoff::jittered(random, half));
        target.until
    }

    /// A document was taken: what was before is over.
    pub(super) fn taken(&mut self, index: &str) {
        self.by_index.remove(index);
    }

    /// The indices that are paused now, with what the server said.
    pub(super) fn paused(&self, now: Now) -> impl Iterator<Item = (&str, &str)> {
        let paused = self.by_index.iter().filter(move |(_, it)| it.until > now.mono_ns);
        paused.map(|(index, it)| (&**index, it.text.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_with_a_document_taken() {
        let second = 1_000_000_000;
        let at = |mono_ns: u64| Now { mono_ns, wall_ns: 0 };
        let mut random = Random::new(1);
        let mut targets = Targets::new(Duration::from_secs(1), Duration::from_mins(1));
        let index: Arc<str> = "a".into();
        let mut now = second;
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = targets.refuse(at(now), &index, "no", &mut random);
            assert!(until - now >= pause * second / 2 && until - now <= pause * second);
            assert_eq!(targets.paused_until(at(now), "a"), Some(until));
            // A second refusal within one pause is the same one.
            assert_eq!(targets.refuse(at(now + 1), &index, "no", &mut random), until);
            now = until;
            assert_eq!(targets.paused_until(at(now), "a"), None);
        }
        assert_eq!(targets.refusing_for(at(now), "a"), Duration::from_nanos(now - second));
        targets.taken("a");
        assert!(targets.is_empty());
        assert_eq!(targets.refusing_for(at(now), "a"), Duration::ZERO);
    }

    #[test]
    fn forgets_the_oldest() {
        let mut random = Random::new(1);
        let mut targets = Targets::new(Duration::from_secs(1), Duration::from_mins(1));
        for number in 0..TARGETS_MAX as u64 + 5 {
            let now = Now { mono_ns: 1 + number * 10_000_000_000, wall_ns: 0 };
            targets.refuse(now, &number.to_string().into(), "", &mut random);
        }
        assert_eq!(targets.by_index.len(), TARGETS_MAX);
    }
}
