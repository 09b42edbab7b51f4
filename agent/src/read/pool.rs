//! Threads for what may block, apart by mount: one that hangs holds its own lane and no other.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Sender, unbounded};

/// Threads of one lane. Two, so that one cold file does not hold up all opens of its mount.
const THREADS_PER_LANE: usize = 2;

/// Lanes; more directories than this share the last one.
const LANES_MAX: usize = 32;

type Job = Box<dyn FnOnce() + Send>;

/// Lanes by the directory that they serve. Cloned freely.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    lanes: Arc<Mutex<HashMap<PathBuf, Sender<Job>>>>,
}

impl Pool {
    /// Runs a job on the lane of a directory's mount. The lane is found by the directory's
    /// parent: all logs of one runtime live below one.
    pub fn run(&self, directory: &Path, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let key = directory.parent().unwrap_or(directory).to_owned();
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if lanes.len() >= LANES_MAX && !lanes.contains_key(&key) {
            PathBuf::new()
        } else {
            key
        };
        let lane = match lanes.entry(key) {
            std::collections::hash_map::Entry::Occupied(lane) => lane.into_mut(),
            std::collections::hash_map::Entry::Vacant(free) => free.insert(start_lane()?),
        };
        lane.send(Box::new(job))
            .map_err(|_| io::Error::other("the threads of this mount have ended"))
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
}
