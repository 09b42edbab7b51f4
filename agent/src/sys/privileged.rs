//! Threads that keep capabilities which all others do without.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// What loading programs and, before Linux 5.19 or so, each update of a map take.
pub const OF_PROGRAMS: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::PERFMON);

/// It stands for both of the others, and fanotify asks for it.
pub const OF_ADMINISTRATION: CapabilitySet = CapabilitySet::SYS_ADMIN;

/// A thread before it has work: made before all others, it keeps what they do without.
#[derive(Debug)]
pub struct PrivilegedThread {
    /// `None` once it was told to end.
    work: Option<Sender<Box<dyn FnOnce() + Send>>>,
    name: &'static str,
    thread: JoinHandle<()>,
}

impl PrivilegedThread {
    /// With the capabilities of the calling thread, less `without`.
    pub fn spawn(name: &'static str, without: CapabilitySet) -> io::Result<Self> {
        let (work, works) = channel::<Box<dyn FnOnce() + Send>>();
        let run = move || {
            if let Err(error) = drop_capabilities(without) {
                tracing::warn!(%error, ?without, name, "a thread keeps what it does not need");
            }
            for work in works {
                work();
            }
        };
        let thread = thread::Builder::new().name(name.into()).spawn(run)?;
        Ok(Self { work: Some(work), name, thread })
    }

    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        if let Some(works) = &self.work {
            // A thread that has ended drops it, and whoever waits for it hears of that.
            let _ = works.send(Box::new(work));
        }
    }

    pub fn join(mut self) {
        self.work = None;
        if self.thread.join().is_err() {
            tracing::error!(name = self.name, "a thread panicked");
        }
    }
}

/// From this thread and those that it will make. What is not there need not be dropped.
pub fn drop_capabilities(gone: CapabilitySet) -> io::Result<()> {
    let held = capabilities(None)?;
    let keep = CapabilitySets {
        effective: held.effective - gone,
        permitted: held.permitted - gone,
        inheritable: held.inheritable - gone,
    };
    Ok(set_capabilities(None, keep)?)
}
