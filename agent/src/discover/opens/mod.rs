//! takes: the containers that are known, `/proc`, fanotify
//! gives: log files that they write, with the place where each lies for real
//! owns:  the thread that looks, the rule of what is a log
//! never: opens what no container opened for writing; follows a link of a container's
//!
//! The truth is what the processes of containers hold open (`/proc/<pid>/fd`), looked at slowly.
//! fanotify hastens it, and tells of those who open a file for each line and close it again:
//! names that are made, and files that are closed by who could write to them, on the file system
//! of the engine's data. Both come with the directory and the name, so that nothing has to be
//! asked of a process that may have ended.

mod mounts;
mod place;
mod probe;
mod process;
mod rule;
mod run;
mod table;
#[cfg(test)]
mod tests;

pub use mounts::{MountPoint, mount_points};
pub use place::{Host, Place, Refused};
pub use probe::probe;
pub use rule::DENY;
pub use table::{FILES_PER_CONTAINER_MAX, FILES_PER_NODE_MAX};

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use crate::sys::PrivilegedThread;

use super::{Counters, Registry};
use run::Loop;

#[derive(Clone, Debug)]
pub struct OpensSettings {
    pub host: Host,
    /// Patterns of names and paths that are no logs.
    pub deny: Vec<String>,
    /// The agent's own container.
    pub own_container_id: Option<String>,
    /// Between two looks at all processes, unless something was told.
    pub look_interval: Duration,
    /// Whether fanotify is used where it can be had.
    pub hints: bool,
}

/// Between two looks: what no hint told of is found this much later.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// A file in a container that is a log.
#[derive(Debug)]
pub struct FoundFile {
    pub container_id: String,
    /// In the container.
    pub path: String,
    pub place: Place,
    /// It, open for reading, so that it can be read though it is deleted.
    pub file: File,
    /// Nanoseconds since the Unix epoch; 0 where the file system keeps no time of birth.
    pub born_wall_ns: i64,
}

/// Takes what was found, on the thread that found it; may not block. False if there is no room:
/// it comes again.
pub type FoundFn = Arc<dyn Fn(FoundFile) -> bool + Send + Sync>;

/// The thread that looks. It ends when this is dropped.
pub struct Opens {
    stop: Arc<AtomicBool>,
    bell: Arc<OwnedFd>,
    thread: Option<PrivilegedThread>,
}

impl Opens {
    pub fn start(
        thread: PrivilegedThread,
        settings: OpensSettings,
        registry: Registry,
        counters: Counters,
        found: FoundFn,
    ) -> io::Result<Self> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (heard, asked) = (bell.clone(), stop.clone());
        thread.run(move || {
            let mut looking = Loop::new(settings, registry, counters, found);
            // Set before the bell rings, and read after it was heard.
            while !asked.load(Ordering::Acquire) {
                looking.turn(&heard);
            }
        });
        Ok(Self { stop, bell, thread: Some(thread) })
    }
}

impl Drop for Opens {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // A full counter has rung already.
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}
