//! Files that declarations name, looked for below the roots of containers.
//!
//! What a pattern means is decided by looking at directories, again and again: slowly, and at once
//! where inotify tells of a new name. Directories are opened below a root that the engine gave
//! the container, without following any link on the way; where a container's own link leads, is
//! worked out in the names of that container.

mod look;
mod run;
#[cfg(test)]
mod tests;
mod unseen;
mod want;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use rustix::event::{EventfdFlags, eventfd};

use super::PathPattern;
use crate::discover::opens::{Host, Place};
use crate::discover::{Container, Counters};
use crate::read::FileId;

/// One log of a container.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The declaration's.
    pub log: String,
    pub patterns: Vec<PathPattern>,
}

/// What was found out of one log.
#[derive(Debug)]
pub enum FileNews {
    /// A file that fits, which was not known or lies elsewhere now.
    Found {
        file: Box<DeclaredFile>,
        /// As it was found, since its container may be gone before anybody else opens it.
        opened: Option<File>,
        container: Arc<Container>,
    },
    /// Neither it nor an older file of it has been there for a while.
    Vanished { container_id: String, log: String, path: String },
    /// All that was found of a container that is gone was told before, and this was not found.
    Forgotten { container: Arc<Container>, missed: Vec<Missed> },
}

/// A log that was, or may have been, deleted with its container before any look found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    pub log: String,
    /// Or the pattern, if not even its name is known.
    pub path: String,
}

/// A file that a declaration means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredFile {
    pub container_id: String,
    pub log: String,
    /// In the container, as the pattern has it.
    pub path: String,
    pub place: Place,
    /// The volume that it lies on, which outlives the container.
    pub volume: Option<FileId>,
    /// The pattern fits the names of its older files too.
    pub with_rotated: bool,
}

/// Takes news, on the thread that looks; may not block. Gives back what there is no room for.
pub type NewsFn = Arc<dyn Fn(FileNews) -> Result<(), FileNews> + Send + Sync>;

/// Why a log has fewer files than its author may think, for those who ask; by container and log.
pub type Reports = Arc<Mutex<HashMap<String, HashMap<String, Vec<String>>>>>;

enum Command {
    Want(Box<Container>, Vec<Wanted>),
    /// The file is followed already.
    Known(Box<DeclaredFile>),
    Forget {
        container_id: String,
        has_run: bool,
    },
    /// The file is not followed any more; if it comes again, it is new.
    Released {
        container_id: String,
        log: String,
        path: String,
    },
    Stop,
}

/// The thread that looks. It ends when this is dropped.
pub struct Finder {
    asker: Asker,
    reports: Reports,
    thread: Option<JoinHandle<()>>,
}

/// Tells the thread what to look for.
#[derive(Clone)]
pub struct Asker {
    commands: Sender<Command>,
    bell: Arc<OwnedFd>,
}

impl Finder {
    pub fn start(host: Host, counters: Counters, news: NewsFn) -> io::Result<Self> {
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (commands, asked) = unbounded();
        let reports = Reports::default();
        let (heard, written) = (bell.clone(), reports.clone());
        let thread = std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || run::Loop::new(host, news, written, counters, asked, heard).run())?;
        let asker = Asker { commands, bell };
        Ok(Self { asker, reports, thread: Some(thread) })
    }

    pub fn asker(&self) -> Asker {
        self.asker.clone()
    }

    pub fn reports(&self) -> Reports {
        self.reports.clone()
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.asker.put(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // It has said why, if it panicked.
            let _ = thread.join();
        }
    }
}

impl Asker {
    /// Looks for these from now on, instead of what was wanted of the container before.
    pub fn want(&self, container: &Container, logs: Vec<Wanted>) {
        self.put(Command::Want(Box::new(container.clone()), logs));
    }

    /// A file that is followed though nobody has found it yet: it is told if it is not there.
    pub fn known(&self, file: DeclaredFile) {
        self.put(Command::Known(Box::new(file)));
    }

    /// The container is gone. Each log of it is looked for once more; the last that is told is
    /// [`FileNews::Forgotten`], of a container that was wanted.
    pub fn forget(&self, container_id: &str, has_run: bool) {
        self.put(Command::Forget { container_id: container_id.to_owned(), has_run });
    }

    pub fn released(&self, container_id: &str, log: &str, path: &str) {
        let (container_id, log) = (container_id.to_owned(), log.to_owned());
        self.put(Command::Released { container_id, log, path: path.to_owned() });
    }

    fn put(&self, command: Command) {
        // The thread ends only when nobody needs it any more, and a full counter has rung already.
        let _ = self.commands.send(command);
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
    }
}

/// What is said of one log, for those who ask.
pub fn report(reports: &Reports, container_id: &str, log: &str) -> Vec<String> {
    let reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
    reports.get(container_id).and_then(|logs| logs.get(log)).cloned().unwrap_or_default()
}
