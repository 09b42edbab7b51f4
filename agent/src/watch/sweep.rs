//! The floor: a look at each followed file now and then, spread evenly, that finds what no signal
//! announced.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::AtFlags;

use crate::core::SourceToken;

use super::announce::Mark;
use super::rung::{Log, RungName};

/// Looks per second at files that a rung announces. With its share of the wake-up one is up to 8 µs
/// in a virtual machine, so this is at most 0.4 % of a core; beyond 1 000 files the interval grows
/// instead.
pub(super) const PROVEN_LOOKS_PER_SECOND_MAX: usize = 500;

/// Looks per second at files that nothing else announces: at most 1.5 % of a core, and 10 000
/// such files are still seen every 2 s.
pub(super) const POLLED_LOOKS_PER_SECOND_MAX: usize = 5_000;

/// The shortest time between two wake-ups of the sweep: ten a second cost nothing.
const TICK_MIN: Duration = Duration::from_millis(100);

/// Files that one thread looks at in turn.
pub(super) struct Sweep {
    interval: Duration,
    looks_per_second_max: usize,
    entries: HashMap<SourceToken, Entry>,
    /// By the place in [`RungName::ALL`].
    by_rung: [usize; RungName::ALL.len()],
    /// In turn; may hold sources that are gone, which are dropped when their turn comes.
    ring: Vec<SourceToken>,
    cursor: usize,
    /// Looks that are due, in nanoseconds of interval times files.
    credit: u128,
    last_ns: Option<u64>,
}

pub(super) struct Entry {
    pub(super) log: Log,
    pub(super) mark: Arc<Mark>,
    /// The rung announced something since the last look.
    pub(super) signalled: bool,
    /// Signals of the present drain, told together at its end.
    pub(super) gathered: Option<Gathered>,
    rung: RungName,
    path: CString,
    last: Option<Look>,
}

/// Ordered: the later includes the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gathered {
    Data,
    Names,
}

/// What `stat` says of a path, as far as it shows that something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
}

/// A change that no signal has announced (yet).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) source: SourceToken,
    pub(super) change: Changed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// Another file has the name, or none.
    File,
    Size,
    /// Only its time: written over in place, touched, or a write that has begun and not ended.
    Time,
}

impl Entry {
    /// With a first look, so that only later changes are findings. `None` for a path with NUL.
    pub(super) fn new(log: Log, mark: Arc<Mark>, rung: RungName) -> Option<Self> {
        let path = log.dir.join(&log.current_name);
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        let last = look(&path);
        mark.stand_on(rung);
        Some(Self { log, mark, signalled: false, gathered: None, rung, path, last })
    }

    pub(super) fn rung(&self) -> RungName {
        self.rung
    }

    pub(super) fn stand_on(&mut self, rung: RungName) {
        self.rung = rung;
        self.mark.stand_on(rung);
    }

    fn check(&mut self) -> Option<Changed> {
        let now = look(&self.path);
        let before = std::mem::replace(&mut self.last, now);
        let signalled = std::mem::take(&mut self.signalled);
        let change = match (before, now) {
            (None, None) => return None,
            (Some(before), Some(now)) if before == now => return None,
            (Some(before), Some(now))
                if (before.device, before.inode) == (now.device, now.inode) =>
            {
                if before.size == now.size { Changed::Time } else { Changed::Size }
            }
            _ => Changed::File,
        };
        (!signalled).then_some(change)
    }
}

impl Sweep {
    pub(super) fn new(interval: Duration, looks_per_second_max: usize) -> Self {
        Self {
            interval: interval.max(Duration::from_millis(1)),
            looks_per_second_max,
            entries: HashMap::new(),
            by_rung: [0; RungName::ALL.len()],
            ring: Vec::new(),
            cursor: 0,
            credit: 0,
            last_ns: None,
        }
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        let source = entry.log.source;
        self.by_rung[entry.rung as usize] += 1;
        match self.entries.insert(source, entry) {
            None => self.ring.push(source),
            Some(before) => self.by_rung[before.rung as usize] -= 1,
        }
    }

    /// What stands on another rung from now on is taken out and put in again.
    pub(super) fn remove(&mut self, source: SourceToken) -> Option<Entry> {
        let entry = self.entries.remove(&source)?;
        self.by_rung[entry.rung as usize] -= 1;
        Some(entry)
    }

    pub(super) fn standing_on(&self, rung: RungName) -> usize {
        self.by_rung[rung as usize]
    }

    pub(super) fn find(&mut self, source: SourceToken) -> Option<&mut Entry> {
        self.entries.get_mut(&source)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Looks at as many files as are due at `now_ns`. Gives the number of looks.
    pub(super) fn step(&mut self, now_ns: u64, findings: &mut Vec<Finding>) -> usize {
        let due = self.due(now_ns);
        let mut looked = 0;
        while looked < due && !self.ring.is_empty() {
            if self.cursor >= self.ring.len() {
                self.cursor = 0;
            }
            let source = self.ring[self.cursor];
            let Some(entry) = self.entries.get_mut(&source) else {
                self.ring.swap_remove(self.cursor);
                continue;
            };
            if let Some(change) = entry.check() {
                findings.push(Finding { source, change });
            }
            self.cursor += 1;
            looked += 1;
        }
        looked
    }

    /// When the next look is due; `None` without files.
    pub(super) fn next_wake_ns(&self) -> Option<u64> {
        let files = self.entries.len() as u128;
        if files == 0 {
            return None;
        }
        let interval = self.spread();
        // The thread wakes for other things too, and what was gained until then counts: a wait of
        // a whole interval from each of those would put the look off by as much again.
        let left = interval.as_nanos().saturating_sub(self.credit).div_ceil(files);
        let wait = left.max(TICK_MIN.min(interval).as_nanos());
        Some(self.last_ns.unwrap_or(0).saturating_add(wait as u64))
    }

    /// The time for one look at each file.
    fn spread(&self) -> Duration {
        let seconds = self.entries.len() as f64 / self.looks_per_second_max as f64;
        self.interval.max(Duration::from_secs_f64(seconds))
    }

    fn due(&mut self, now_ns: u64) -> usize {
        let elapsed = now_ns.saturating_sub(self.last_ns.unwrap_or(now_ns));
        self.last_ns = Some(now_ns);
        let files = self.entries.len();
        let interval = self.spread().as_nanos();
        self.credit += u128::from(elapsed) * files as u128;
        // After a long sleep each file is due once, not many times.
        self.credit = self.credit.min(interval * files as u128);
        let due = self.credit / interval;
        self.credit -= due * interval;
        due as usize
    }
}

/// `stat` and not `statx`: all that is compared is in it, and kernels before 4.11 have it too.
fn look(path: &CString) -> Option<Look> {
    let stat = rustix::fs::statat(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(Look {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: stat.st_size,
        modified: (stat.st_mtime, stat.st_mtime_nsec as u64),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn entry(dir: &std::path::Path, number: u32) -> Entry {
        let log = Log {
            source: SourceToken(number),
            dir: dir.to_owned(),
            current_name: format!("{number}-json.log"),
        };
        Entry::new(log, Mark::new(SourceToken(number)), RungName::Inotify).unwrap()
    }

    #[test]
    fn changes_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1-json.log");
        let mut entry = entry(dir.path(), 1);
        assert_eq!(entry.check(), None);
        fs::write(&path, "a\n").unwrap();
        assert_eq!(entry.check(), Some(Changed::File), "it came");
        assert_eq!(entry.check(), None);
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"b\n").unwrap();
        assert_eq!(entry.check(), Some(Changed::Size));
        fs::File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(entry.check(), Some(Changed::Time));
        fs::rename(&path, dir.path().join("1-json.log.1")).unwrap();
        fs::write(&path, "c\nd\n").unwrap();
        assert_eq!(entry.check(), Some(Changed::File), "rotated, same size");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"e\n").unwrap();
        entry.signalled = true;
        assert_eq!(entry.check(), None, "announced");
        fs::remove_file(&path).unwrap();
        assert_eq!(entry.check(), Some(Changed::File), "it went");
    }

    #[test]
    fn looks_are_spread_over_the_interval() {
        let dir = tempfile::tempdir().unwrap();
        let check = |files: u32, max: usize, tick_ms: u64, seconds: u64, expect: usize| {
            let mut sweep = Sweep::new(Duration::from_secs(2), max);
            for number in 0..files {
                sweep.insert(entry(dir.path(), number));
            }
            let mut looks = 0;
            for tick in 0..=(seconds * 1_000 / tick_ms) {
                let now = sweep.step(tick * tick_ms * 1_000_000, &mut Vec::new());
                assert!(now <= (files as usize * tick_ms as usize).div_ceil(2_000) + 1);
                looks += now;
            }
            assert_eq!(looks, expect, "{files} files");
        };
        check(0, 2_000, 100, 2, 0);
        check(1, 2_000, 100, 2, 1);
        check(10, 2_000, 100, 4, 20);
        check(1_000, 2_000, 100, 2, 1_000);
        check(1_000, 2_000, 7, 14, 7_000);
        // More than the bound allows in 2 s: the interval grows.
        check(1_000, 100, 100, 10, 1_000);
    }

    #[test]
    fn each_file_has_its_turn_though_others_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut sweep = Sweep::new(Duration::from_secs(1), 1_000_000);
        for number in 0..100 {
            sweep.insert(entry(dir.path(), number));
        }
        for number in (0..100).step_by(2) {
            assert!(sweep.remove(SourceToken(number)).is_some());
        }
        for number in 0..100 {
            fs::write(dir.path().join(format!("{number}-json.log")), "x").unwrap();
        }
        let mut findings = Vec::new();
        sweep.step(1, &mut findings);
        sweep.step(1_000_000_001, &mut findings);
        let mut found: Vec<u32> = findings.iter().map(|finding| finding.source.0).collect();
        found.sort_unstable();
        assert_eq!(found, (1..100).step_by(2).collect::<Vec<_>>());
        // A long sleep makes each due once.
        assert_eq!(sweep.step(3_600_000_000_000, &mut findings), 50);
    }

    #[test]
    fn a_wake_up_for_another_thing_puts_no_look_off() {
        const SECOND: u64 = 1_000_000_000;
        let dir = tempfile::tempdir().unwrap();
        let mut sweep = Sweep::new(Duration::from_secs(2), 2_000);
        sweep.insert(entry(dir.path(), 1));
        let (mut now, mut looked, mut last, mut longest) = (0, 0, 0, 0);
        while now < 60 * SECOND {
            if sweep.step(now, &mut Vec::new()) > 0 {
                longest = longest.max(now - last);
                last = now;
                looked += 1;
            }
            // As the watcher does, every 5 s.
            let other = (now / (5 * SECOND) + 1) * 5 * SECOND;
            now = sweep.next_wake_ns().unwrap().min(other);
        }
        assert_eq!((looked, longest), (29, 2 * SECOND));
    }

    #[test]
    fn sleeps_without_files() {
        let dir = tempfile::tempdir().unwrap();
        let mut sweep = Sweep::new(Duration::from_secs(2), 2_000);
        assert_eq!(sweep.next_wake_ns(), None);
        sweep.insert(entry(dir.path(), 1));
        sweep.step(5, &mut Vec::new());
        assert_eq!(sweep.next_wake_ns(), Some(2_000_000_005));
        (2..=1_000).for_each(|number| sweep.insert(entry(dir.path(), number)));
        assert_eq!(sweep.next_wake_ns(), Some(100_000_005));
    }
}
