//! Threads for what may block, apart by mount: one that hangs holds its own lane and no other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, unbounded};

/// Threads of one lane. Two, so that one cold file does not hold up all opens of its mount.
const THREADS_PER_LANE: usize = 2;

/// Lanes; more mounts than this share the last one.
const LANES_MAX: usize = 32;

/// The table of mounts is read again after this time, when a directory is asked about.
const TABLE_AGE_MAX: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Lanes by the mount that they serve. Cloned freely.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    lanes: Arc<Mutex<Lanes>>,
}

#[derive(Debug, Default)]
struct Lanes {
    by_mount: HashMap<PathBuf, Sender<Job>>,
    /// Where mounts are, and when that was read.
    points: Vec<PathBuf>,
    read: Option<Instant>,
}

impl Pool {
    /// Runs a job on the lane of a directory's mount. By the directory itself there would be lanes
    /// of every container that ever was, and none left for the mount that hangs.
    pub fn run(&self, directory: &Path, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = lanes.mount_of(directory);
        let is_full = lanes.by_mount.len() >= LANES_MAX;
        let key = if is_full && !lanes.by_mount.contains_key(&key) { PathBuf::new() } else { key };
        let lane = match lanes.by_mount.entry(key) {
            Entry::Occupied(lane) => lane.into_mut(),
            Entry::Vacant(free) => free.insert(start_lane()?),
        };
        lane.send(Box::new(job))
            .map_err(|_| io::Error::other("the threads of this mount have ended"))
    }
}

impl Lanes {
    /// From the kernel's table: `stat` would hang with the mount.
    fn mount_of(&mut self, directory: &Path) -> PathBuf {
        if self.read.is_none_or(|read| read.elapsed() > TABLE_AGE_MAX) {
            let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            // Names with blanks, which are escaped there, count to the mount above them.
            let points = table.lines().filter_map(|line| line.split(' ').nth(4));
            self.points = points.map(PathBuf::from).collect();
            self.read = Some(Instant::now());
        }
        let above = self.points.iter().filter(|point| directory.starts_with(point));
        above.max_by_key(|point| point.as_os_str().len()).cloned().unwrap_or_default()
    }
}

fn start_lane() -> io::Result<Sender<Job>> {
    // Bounded by what can be outstanding: a source has at most one read and one scan.
    let (jobs, queue) = unbounded::<Job>();
    for number in 0..THREADS_PER_LANE {
        let queue = queue.clone();
        std::thread::Builder::new()
            .name(format!("sluice-files-{number}"))
            .stack_size(512 << 10)
            .spawn(move || queue.iter().for_each(|job| job()))?;
    }
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn a_hung_mount_holds_only_its_own_lane() {
        let pool = Pool::default();
        {
            let mut lanes = pool.lanes.lock().unwrap();
            lanes.points = vec!["/".into(), "/hung".into()];
            lanes.read = Some(Instant::now());
        }
        let (release, hang) = bounded::<()>(0);
        for _ in 0..THREADS_PER_LANE {
            let hang = hang.clone();
            pool.run(Path::new("/hung/c"), move || assert!(hang.recv().is_err())).unwrap();
        }
        let (done, answer) = bounded(1);
        pool.run(Path::new("/fine/c"), move || done.send(7).unwrap()).unwrap();
        assert_eq!(answer.recv().unwrap(), 7);
        drop(release);
    }

    #[test]
    fn directories_of_one_mount_share_a_lane() {
        let pool = Pool::default();
        let directory = tempfile::tempdir().unwrap();
        for number in 0..100 {
            let below = directory.path().join(format!("{number}/logs"));
            pool.run(&below, || {}).unwrap();
        }
        assert_eq!(pool.lanes.lock().unwrap().by_mount.len(), 1);
    }
}
