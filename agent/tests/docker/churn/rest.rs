//! What an agent has while nothing is there to be followed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::common::{IN_TIME, wait_until};
use super::super::station::{Station, sum};

/// What the allocator may keep of a churn: pages that a few small things are left in.
const MEMORY_SLACK_BYTES: u64 = 8 << 20;
/// And what of the most that there was at once, where the machine is busy with other things.
const MEMORY_KEPT_BYTES: u64 = 32 << 20;
/// For memory to be given back.
const GIVEN_BACK: Duration = Duration::from_secs(15);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Gauges that are zero while there is no container.
const GAUGES: [&str; 7] = [
    "sluice_sources",
    "sluice_open_files",
    "sluice_watch_followed",
    "sluice_discover_containers",
    "sluice_carry_bytes",
    "sluice_batches_in_flight",
    "sluice_source_unread_bytes",
];

/// Figures that have not changed for so long are taken for what they stay.
const STILL: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    /// But for connections, which come and go by themselves and have bounds of their own.
    descriptors: usize,
    /// Of inotify, by the kernel's word.
    watches: usize,
    gauges: [u64; GAUGES.len()],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    held: Held,
    resident_bytes: u64,
}

impl Rest {
    pub(super) fn of(station: &Station) -> Self {
        let process = format!("/proc/{}", station.agent().pid());
        let process = Path::new(&process);
        let metrics = station.metrics();
        let held = Held {
            descriptors: descriptors(&process.join("fd")),
            watches: watches(&process.join("fdinfo")),
            gauges: GAUGES.map(|name| sum(&metrics, name, &[]) as u64),
        };
        Self { held, resident_bytes: station.agent().resident_bytes() }
    }

    /// Waits until nothing is followed any more, and what the agent holds stands still.
    #[track_caller]
    pub(super) fn settled(station: &Station) -> Self {
        let mut last = (Self::of(station), Instant::now());
        let is_still = wait_until(IN_TIME, || {
            std::thread::sleep(LOOK);
            let now = Self::of(station);
            if now.held != last.0.held {
                last = (now, Instant::now());
            }
            now.held.gauges.iter().all(|gauge| *gauge == 0) && last.1.elapsed() > STILL
        });
        assert!(is_still, "it still holds {:?}\n{}", last.0, station.tail());
        Self::of(station)
    }

    /// Waits until the agent holds no more than it did, and gives it a while for its memory.
    #[track_caller]
    pub(super) fn awaited(&self, station: &Station) -> Self {
        let mut now = Self::of(station);
        let is_back = wait_until(IN_TIME, || {
            std::thread::sleep(LOOK);
            now = Self::of(station);
            now.held == self.held
        });
        assert!(is_back, "it held {:?}, and holds {:?}\n{}", self.held, now.held, station.tail());
        // What is not given back by then is for the caller to judge.
        let _ = wait_until(GIVEN_BACK, || {
            std::thread::sleep(LOOK);
            now.resident_bytes = station.agent().resident_bytes();
            !now.has_grown_since(self)
        });
        now
    }

    /// Also over several churns.
    #[track_caller]
    pub(super) fn expect_bounded_since(&self, first: &Self) {
        let limit = first.resident_bytes + MEMORY_KEPT_BYTES;
        let now = self.resident_bytes;
        assert!(now <= limit, "{} bytes were resident, and now {now}", first.resident_bytes);
    }

    /// In memory.
    pub(super) fn has_grown_since(&self, before: &Self) -> bool {
        self.resident_bytes > before.resident_bytes + MEMORY_SLACK_BYTES
    }
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the agent runs");
    entries.flatten().map(|entry| entry.path()).collect()
}

fn descriptors(directory: &Path) -> usize {
    let is_socket = |path: &PathBuf| {
        let target = std::fs::read_link(path).unwrap_or_default();
        target.to_string_lossy().starts_with("socket:")
    };
    names(directory).iter().filter(|path| !is_socket(path)).count()
}

fn watches(directory: &Path) -> usize {
    // A descriptor may be closed meanwhile.
    let texts = names(directory).into_iter().filter_map(|path| std::fs::read_to_string(path).ok());
    texts.map(|text| text.lines().filter(|line| line.starts_with("inotify wd:")).count()).sum()
}
