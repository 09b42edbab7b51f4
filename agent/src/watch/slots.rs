//! The rungs of the kernel watcher: inodes of followed logs have slots, which are looked at.
//!
//! They tell of writes. That a name came or went, inotify tells, and then the file that has the
//! log's name now is followed before the one that had it is let go.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::core::{Now, SourceToken};
use crate::kernel::{Change, Edge, FileSystem, Identity, InodeId, Kernel, Settings, Slot};

use super::open::{container_id_in, open_log};
use super::rung::{Log, RungName, Signal};

pub(super) struct KernelRung {
    kernel: Kernel,
    /// The file system of the directory that the variants were proven in.
    home: Option<FileSystem>,
    by_slot: HashMap<Slot, Vec<SourceToken>>,
    files: HashMap<SourceToken, Files>,
    changes: Vec<Change>,
    edges: Vec<Edge>,
}

/// What is followed of one log.
#[derive(Clone, Copy, Debug, Default)]
struct Files {
    current: Option<InodeId>,
    /// Its writer may not have let go of it yet.
    previous: Option<InodeId>,
}

/// What a look at the current file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refollowed {
    /// It has its slot, or there is none.
    Same,
    /// Another file than before has the name.
    New,
}

impl KernelRung {
    pub(super) fn open(settings: &Settings) -> Result<Self, String> {
        let mut kernel = Kernel::open(settings).map_err(|error| error.to_string())?;
        let home = settings.prove_in.as_deref().and_then(|dir| file_system(dir).ok());
        if let Some(home) = home {
            kernel.news_variant(home);
        }
        for verdict in kernel.verdicts() {
            tracing::debug!(%verdict, "kernel watcher");
        }
        Ok(Self {
            kernel,
            home,
            by_slot: HashMap::new(),
            files: HashMap::new(),
            changes: Vec::new(),
            edges: Vec::new(),
        })
    }

    /// The rung on the file system that the variants were proven on, or why there is none.
    pub(super) fn at_home(&mut self) -> Result<RungName, String> {
        let home = self.home.ok_or("the state directory is on no file system that can be heard")?;
        self.kernel.news_variant(home).map(RungName::from).ok_or_else(|| self.kernel.refusals(home))
    }

    /// Follows the current file of `log`, now or as soon as there is one. An error, in words,
    /// leaves the log to the next rung.
    pub(super) fn follow(&mut self, log: &Log) -> Result<RungName, String> {
        self.try_to_follow(log).inspect_err(|_| self.unfollow(log.source))
    }

    fn try_to_follow(&mut self, log: &Log) -> Result<RungName, String> {
        let file_system = file_system(&log.dir)?;
        let variant = self.kernel.news_variant(file_system);
        let variant = variant.ok_or_else(|| self.kernel.refusals(file_system))?;
        self.refollow(log)?;
        Ok(variant.into())
    }

    /// Why no better rung tells of writes in the directory of `log`; empty on the best.
    pub(super) fn refusals(&self, log: &Log) -> String {
        file_system(&log.dir).map_or_else(|why| why, |found| self.kernel.refusals(found))
    }

    /// The current file may be another one than before. What was written to it until now is no
    /// signal, so it has to be looked at after this.
    pub(super) fn refollow(&mut self, log: &Log) -> Result<Refollowed, String> {
        let files = self.files.entry(log.source).or_default();
        let Some((file, _)) = open_log(&log.dir.join(&log.current_name)) else {
            return Ok(Refollowed::Same);
        };
        let identity = Identity::of(&file).map_err(|error| error.to_string())?;
        if files.current == Some(identity.id) {
            return Ok(Refollowed::Same);
        }
        let slot = self.kernel.follow(identity).map_err(|error| error.to_string())?;
        self.by_slot.entry(slot).or_default().push(log.source);
        let gone = std::mem::replace(&mut files.previous, files.current.replace(identity.id));
        if let Some(gone) = gone {
            self.let_go(log.source, gone);
        }
        Ok(Refollowed::New)
    }

    pub(super) fn unfollow(&mut self, source: SourceToken) {
        let files = self.files.remove(&source).unwrap_or_default();
        for inode in files.current.into_iter().chain(files.previous) {
            self.let_go(source, inode);
        }
    }

    fn let_go(&mut self, source: SourceToken, inode: InodeId) {
        if let Some(slot) = self.kernel.slot_of(inode)
            && let Some(sources) = self.by_slot.get_mut(&slot)
        {
            if let Some(place) = sources.iter().position(|other| *other == source) {
                sources.swap_remove(place);
            }
            if sources.is_empty() {
                self.by_slot.remove(&slot);
            }
        }
        self.kernel.unfollow(inode);
    }

    /// Moves what was written since the last call into `signals`. True if something was; what is
    /// only looked at once more does not count.
    pub(super) fn collect(&mut self, now: Now, signals: &mut Vec<Signal>) -> bool {
        self.kernel.changed(now, &mut self.changes);
        let mut written = false;
        for change in self.changes.drain(..) {
            written |= !change.again;
            let sources = self.by_slot.get(&change.slot).into_iter().flatten();
            signals.extend(sources.map(|source| Signal::News { source: *source, names: false }));
        }
        written
    }

    /// Moves what happened once into `signals`.
    pub(super) fn collect_edges(&mut self, signals: &mut Vec<Signal>) {
        let drained = self.kernel.edges(&mut self.edges);
        if drained.lost > 0 {
            signals.push(Signal::NamesLost);
        }
        // On cgroup v1 each hierarchy tells of a container.
        let mut containers = HashSet::new();
        for edge in self.edges.drain(..) {
            match edge {
                Edge::Name { inode, .. } => {
                    let slot = self.kernel.slot_of(inode);
                    let sources = slot.and_then(|slot| self.by_slot.get(&slot));
                    let news = |source: &SourceToken| Signal::News { source: *source, names: true };
                    signals.extend(sources.into_iter().flatten().map(news));
                }
                Edge::Cgroup { path, .. } => {
                    containers.extend(path.to_str().and_then(container_id_in).map(str::to_owned));
                }
                Edge::Process { process, .. } => containers.extend(container_of(process)),
            }
        }
        signals.extend(containers.into_iter().map(|id| Signal::Container { id }));
    }

    /// False if something has changed already: do not wait.
    pub(super) fn sleep(&mut self, now: Now) -> bool {
        self.kernel.sleep(now)
    }

    /// Readable when something happened once, or was written after [`Self::sleep`].
    pub(super) fn wait_on(&self) -> BorrowedFd<'_> {
        self.kernel.wait_on()
    }

    /// When [`Self::collect`] has to be called even if nothing wakes us.
    pub(super) fn next_look_ns(&self) -> Option<u64> {
        self.kernel.next_look_ns()
    }
}

/// That of a directory, which each of its files shares.
fn file_system(dir: &Path) -> Result<FileSystem, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(dir, flags, Mode::empty());
    let directory = opened.map_err(|error| format!("{}: {error}", dir.display()))?;
    Identity::of(directory).map(|identity| identity.file_system).map_err(|error| error.to_string())
}

/// `None` if the process has ended meanwhile, or is in no container.
fn container_of(process: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    text.lines().find_map(container_id_in).map(str::to_owned)
}

#[cfg(test)]
impl KernelRung {
    pub(super) fn silence(&mut self, source: SourceToken) {
        let files = self.files[&source];
        for inode in files.current.into_iter().chain(files.previous) {
            self.kernel.unfollow(inode);
        }
    }

    pub(super) fn followed(&self) -> usize {
        self.kernel.followed()
    }
}
