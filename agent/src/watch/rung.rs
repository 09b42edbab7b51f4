//! The ladder: ways of learning that a file has news, the cheapest first.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::core::SourceToken;

/// The kernel's slots will stand above `Inotify`; `Poll` is the sweep and always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RungName {
    Inotify,
    Poll,
}

impl RungName {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inotify => "inotify",
            Self::Poll => "poll",
        }
    }
}

/// A runtime log as a rung has to know it.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) source: SourceToken,
    pub(super) dir: PathBuf,
    /// Rotated files carry this name and a suffix.
    pub(super) current_name: String,
}

/// Something that announces news of each log that it follows.
pub(super) trait Rung {
    fn name(&self) -> RungName;

    /// An error leaves the log to the next rung.
    fn follow(&mut self, log: &Log) -> Result<(), Refusal>;

    fn unfollow(&mut self, log: &Log);

    /// Readable when there are signals of this kind.
    fn wait_on(&self, queue: Queue) -> BorrowedFd<'_>;

    /// Moves what was signalled since the last call into `signals`, without blocking and up to a
    /// bound. False if there was nothing.
    fn collect(&mut self, queue: Queue, signals: &mut Vec<Signal>) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// A name came, went or changed: rare, and soon too late.
    Names,
    /// Something was written; more will follow.
    Writes,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// `fs.inotify.max_user_watches`: every directory of this user counts.
    #[error("no inotify watch left for {path}: {source}")]
    Limit { path: PathBuf, source: io::Error },
    #[error("cannot watch {path}: {source}")]
    Path { path: PathBuf, source: io::Error },
}

impl Refusal {
    pub(super) fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(
                rustix::io::Errno::NOSPC
                | rustix::io::Errno::MFILE
                | rustix::io::Errno::NFILE
                | rustix::io::Errno::NOMEM,
            ) => Self::Limit { path, source },
            _ => Self::Path { path, source },
        }
    }
}

/// What a rung has to say. Only a rung that sees directories gives those of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    News {
        source: SourceToken,
        names: bool,
    },
    /// A new current file was made: a rotation, or the log's beginning.
    Began {
        source: SourceToken,
    },
    /// The rung cannot announce this log any more (its directory went away).
    Dropped {
        source: SourceToken,
    },
    /// A directory appeared below a root.
    DirectoryCame {
        root: PathBuf,
        name: String,
    },
    DirectoryWent {
        root: PathBuf,
        name: String,
    },
    /// The root itself was deleted, moved or unmounted.
    RootWent {
        root: PathBuf,
    },
    /// A file appeared under its final name in a container's directory.
    FileCame {
        dir: PathBuf,
        name: String,
    },
    /// Signals were lost: everything may have news.
    NamesLost,
    /// The same, but every name that came or went was or will be told.
    WritesLost,
}
