//! The thread that keeps what the kernel watcher needs.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::WatchError;

/// What loading programs and, before Linux 5.19 or so, each update of a map take.
/// `CAP_SYS_ADMIN` stands for both of the others.
const OF_THE_KERNEL_WATCHER: CapabilitySet =
    CapabilitySet::BPF.union(CapabilitySet::PERFMON).union(CapabilitySet::SYS_ADMIN);

/// The watcher's thread before it has a watcher: made first of all, it keeps the capabilities that
/// the threads made after it do without.
#[derive(Debug)]
pub struct WatchThread {
    /// `None` once it was told to end.
    work: Option<Sender<Box<dyn FnOnce() + Send>>>,
    thread: JoinHandle<()>,
}

impl WatchThread {
    pub fn spawn() -> Result<Self, WatchError> {
        let (work, works) = channel::<Box<dyn FnOnce() + Send>>();
        let run = move || works.into_iter().for_each(|work| work());
        let thread =
            thread::Builder::new().name("watch".into()).spawn(run).map_err(WatchError::Thread)?;
        Ok(Self { work: Some(work), thread })
    }

    /// Takes from the calling thread, and from those that it will make, what only the watcher's
    /// thread needs.
    pub fn keep_for_itself(&self) -> io::Result<()> {
        drop_capabilities()
    }

    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(works) = &self.work {
            // A thread that has ended drops it, and whoever waits for it hears of that.
            let _ = works.send(Box::new(work));
        }
    }

    pub(super) fn join(mut self) {
        self.work = None;
        if self.thread.join().is_err() {
            tracing::error!("the watcher's thread panicked");
        }
    }
}

/// For this thread and those that it will make.
pub(super) fn drop_capabilities() -> io::Result<()> {
    let held = capabilities(None)?;
    let keep = CapabilitySets {
        effective: held.effective - OF_THE_KERNEL_WATCHER,
        permitted: held.permitted - OF_THE_KERNEL_WATCHER,
        inheritable: held.inheritable - OF_THE_KERNEL_WATCHER,
    };
    Ok(set_capabilities(None, keep)?)
}
