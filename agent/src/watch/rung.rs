//! The ladder: ways of learning that a file has news, the best first.

use std::io;
use std::path::{Path, PathBuf};

use crate::core::SourceToken;
use crate::kernel::Variant;

/// The best first. `Poll` is the sweep and always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RungName {
    /// The kernel watcher, at the end of the kernel's functions that write.
    Fexit,
    /// The same, at their beginning.
    Kprobe,
    /// The same, at tracepoints of the file system.
    Tracepoint,
    Inotify,
    Poll,
}

impl RungName {
    /// In the order of their declaration.
    pub const ALL: [Self; 5] =
        [Self::Fexit, Self::Kprobe, Self::Tracepoint, Self::Inotify, Self::Poll];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fexit => "fexit",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
            Self::Inotify => "inotify",
            Self::Poll => "poll",
        }
    }

    /// Whether a program in the kernel tells of writes.
    pub fn is_kernel(self) -> bool {
        self.variant().is_some()
    }

    /// Of the kernel watcher.
    pub fn variant(self) -> Option<Variant> {
        match self {
            Self::Fexit => Some(Variant::Fexit),
            Self::Kprobe => Some(Variant::Kprobe),
            Self::Tracepoint => Some(Variant::Tracepoint),
            Self::Inotify | Self::Poll => None,
        }
    }
}

impl From<Variant> for RungName {
    fn from(variant: Variant) -> Self {
        match variant {
            Variant::Fexit => Self::Fexit,
            Variant::Kprobe => Self::Kprobe,
            Variant::Tracepoint => Self::Tracepoint,
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
    /// A container's first process came, its last one went, or its cgroup did.
    Container {
        id: String,
    },
    /// Signals were lost: everything may have news.
    NamesLost,
    /// The same, but every name that came or went was or will be told.
    WritesLost,
}
