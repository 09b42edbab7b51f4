//! Who has been told: one mark per followed source, so that a busy log costs one news per look of
//! its worker and not one per write.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::core::SourceToken;

use super::rung::RungName;
use super::{Begun, Counters, News, NewsFn};

const DATA: u8 = 1;
const NAMES: u8 = 2;

/// What the worker of one source was told and has not yet looked at.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) source: SourceToken,
    /// `DATA` and `NAMES`. Only read-modify-writes touch it, so announcements and looks have one
    /// order. A look (`clear`) that comes later in it than an announcement acquires what the
    /// watcher knew, and the worker reads the file after it: the change is found. An
    /// announcement that comes later than the look finds the bit unset and is passed on.
    told: AtomicU8,
    /// How many current files were made since it is followed, as far as a rung saw it. Ordered by
    /// `told`: it is counted before the news of it is.
    files_begun: AtomicU32,
    /// Since when; ordered by `told`, too.
    counted_since_ns: AtomicI64,
    /// Place in [`RungName::ALL`], for those who ask: nothing hangs on it, so nothing is ordered.
    rung: AtomicU8,
}

impl Mark {
    pub(super) fn new(source: SourceToken) -> Arc<Self> {
        Arc::new(Self {
            source,
            told: AtomicU8::new(0),
            files_begun: AtomicU32::new(0),
            counted_since_ns: AtomicI64::new(0),
            rung: AtomicU8::new(RungName::Poll as u8),
        })
    }

    pub(super) fn stand_on(&self, rung: RungName) {
        self.rung.store(rung as u8, Ordering::Relaxed);
    }

    fn rung(&self) -> RungName {
        RungName::ALL[usize::from(self.rung.load(Ordering::Relaxed))]
    }

    /// True if the worker has to be told.
    fn set(&self, names: bool) -> bool {
        let bits = if names { DATA | NAMES } else { DATA };
        self.told.fetch_or(bits, Ordering::AcqRel) & bits != bits
    }

    /// From `wall_ns` on, [`Self::began`] is called for each current file that is made.
    pub(super) fn count_since(&self, wall_ns: i64) {
        self.counted_since_ns.store(wall_ns, Ordering::Release);
    }

    pub(super) fn began(&self) {
        self.files_begun.fetch_add(1, Ordering::Release);
    }

    fn clear(&self) {
        self.told.swap(0, Ordering::AcqRel);
    }
}

/// Passes news on, each source's at most once (and once more for names) until it is looked at.
pub(super) struct Announcer {
    marks: RwLock<HashMap<SourceToken, Arc<Mark>>>,
    news: NewsFn,
    counters: Counters,
}

impl Announcer {
    pub(super) fn new(news: NewsFn, counters: Counters) -> Self {
        Self { marks: RwLock::default(), news, counters }
    }

    pub(super) fn add(&self, source: SourceToken) -> Arc<Mark> {
        let mark = Mark::new(source);
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.insert(source, Arc::clone(&mark));
        mark
    }

    pub(super) fn remove(&self, source: SourceToken) {
        self.marks.write().unwrap_or_else(PoisonError::into_inner).remove(&source);
    }

    pub(super) fn seen(&self, source: SourceToken) -> Begun {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let Some(mark) = marks.get(&source) else { return Begun::default() };
        mark.clear();
        Begun {
            files: mark.files_begun.load(Ordering::Acquire),
            since_wall_ns: mark.counted_since_ns.load(Ordering::Acquire),
        }
    }

    pub(super) fn rung(&self, source: SourceToken) -> Option<RungName> {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        marks.get(&source).map(|mark| mark.rung())
    }

    pub(super) fn announce(&self, mark: &Mark, names: bool, rung: RungName) {
        if mark.set(names) {
            self.counters.count_news(rung);
            (self.news)(News { source: mark.source, names, begun: Begun::default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn told_once_until_looked_at() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let announcer = Announcer::new(
            Arc::new(move |news: News| sink.lock().unwrap().push(news.names)),
            Counters::default(),
        );
        let mark = announcer.add(SourceToken(7));
        let check = |names: bool, expect: &[bool]| {
            announcer.announce(&mark, names, RungName::Inotify);
            assert_eq!(std::mem::take(&mut *told.lock().unwrap()), expect);
        };
        check(false, &[false]);
        check(false, &[]);
        check(true, &[true]);
        check(true, &[]);
        check(false, &[]);
        announcer.seen(SourceToken(7));
        check(true, &[true]);
        check(false, &[]);
        announcer.seen(SourceToken(8));
        check(false, &[]);
    }
}
