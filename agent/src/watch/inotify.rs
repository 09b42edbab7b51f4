//! The rung that every kernel has: one watch per directory, of roots and of containers.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};

use crate::core::SourceToken;

use super::open::{CONFIG_NAME, HOST_CONFIG_NAME};
use super::rung::{Collected, Log, Refusal, Rung, RungName, Signal};

/// One read of the queue; 1 500 events of a container's log.
const BUFFER_BYTES: usize = 256 << 10;

/// Reads in one `collect`: together more than the kernel's default queue of 16 384 events holds,
/// so a full queue is emptied at once, yet a writer faster than us cannot keep us here.
const READS_MAX: usize = 16;

pub(super) struct InotifyRung {
    inotify: Inotify,
    buffer: Vec<u8>,
    /// By the number that the kernel gives the watch: one per inode, however many paths lead to
    /// it.
    watches: HashMap<i32, Watch>,
    by_path: HashMap<PathBuf, i32>,
}

struct Watch {
    descriptor: WatchDescriptor,
    path: PathBuf,
    kind: Kind,
    /// More than one path led to it.
    aliased: bool,
    followers: Vec<Follower>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its subdirectories are containers.
    Root,
    /// A container's directory below a root.
    Container,
    /// Watched only for what is followed in it.
    Followed,
}

struct Follower {
    source: SourceToken,
    current_name: String,
}

impl InotifyRung {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            inotify: Inotify::init()?,
            buffer: vec![0; BUFFER_BYTES],
            watches: HashMap::new(),
            by_path: HashMap::new(),
        })
    }

    pub(super) fn watch_root(&mut self, root: &Path) -> Result<(), Refusal> {
        self.watch(root, Kind::Root).map(|_| ())
    }

    pub(super) fn watch_container(&mut self, dir: &Path) -> Result<(), Refusal> {
        self.watch(dir, Kind::Container).map(|_| ())
    }

    /// The container is gone or its root is no longer ours; what is followed stays watched.
    pub(super) fn unwatch_container(&mut self, dir: &Path) {
        let Some(&number) = self.by_path.get(dir) else { return };
        let Some(watch) = self.watches.get_mut(&number) else { return };
        watch.kind = Kind::Followed;
        self.release(number);
    }

    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }

    fn watch(&mut self, path: &Path, kind: Kind) -> Result<i32, Refusal> {
        if let Some(&number) = self.by_path.get(path) {
            self.raise(number, path, kind);
            return Ok(number);
        }
        let descriptor = self
            .inotify
            .watches()
            .add(path, mask(kind))
            .map_err(|source| Refusal::of(path, source))?;
        let number = descriptor.get_watch_descriptor_id();
        self.by_path.insert(path.to_owned(), number);
        let watch = self.watches.entry(number).or_insert_with(|| Watch {
            descriptor,
            path: path.to_owned(),
            kind,
            aliased: false,
            followers: Vec::new(),
        });
        watch.aliased |= watch.path != path;
        self.raise(number, path, kind);
        Ok(number)
    }

    /// A directory that is watched for two reasons is a container's, under its root's path.
    fn raise(&mut self, number: i32, path: &Path, kind: Kind) {
        if let Some(watch) = self.watches.get_mut(&number)
            && watch.kind == Kind::Followed
        {
            watch.kind = kind;
            path.clone_into(&mut watch.path);
        }
    }

    /// Ends a watch that nobody needs.
    fn release(&mut self, number: i32) {
        let needed = |watch: &Watch| watch.kind != Kind::Followed || !watch.followers.is_empty();
        if self.watches.get(&number).is_none_or(needed) {
            return;
        }
        if let Some(watch) = self.forget(number) {
            // It may have ended by itself with its directory.
            let _ = self.inotify.watches().remove(watch.descriptor);
        }
    }

    fn forget(&mut self, number: i32) -> Option<Watch> {
        let watch = self.watches.remove(&number)?;
        if self.by_path.get(&watch.path) == Some(&number) {
            self.by_path.remove(&watch.path);
        }
        if watch.aliased {
            self.by_path.retain(|_, held| *held != number);
        }
        Some(watch)
    }

    fn ended(&mut self, number: i32, signals: &mut Vec<Signal>) {
        let Some(watch) = self.forget(number) else { return };
        // Still there after a move; gone with its directory otherwise.
        let _ = self.inotify.watches().remove(watch.descriptor);
        for follower in &watch.followers {
            signals.push(Signal::Dropped { source: follower.source });
        }
        if watch.kind == Kind::Root {
            signals.push(Signal::RootWent { root: watch.path });
        }
    }
}

impl Rung for InotifyRung {
    fn name(&self) -> RungName {
        RungName::Inotify
    }

    fn follow(&mut self, log: &Log) -> Result<(), Refusal> {
        let number = self.watch(&log.dir, Kind::Followed)?;
        if let Some(watch) = self.watches.get_mut(&number) {
            watch
                .followers
                .push(Follower { source: log.source, current_name: log.current_name.clone() });
        }
        Ok(())
    }

    fn unfollow(&mut self, log: &Log) {
        let Some(&number) = self.by_path.get(&log.dir) else { return };
        if let Some(watch) = self.watches.get_mut(&number) {
            watch.followers.retain(|follower| follower.source != log.source);
        }
        self.release(number);
    }

    fn wait_on(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    fn collect(&mut self, signals: &mut Vec<Signal>) -> Collected {
        let mut ended = Vec::new();
        let mut collected = Collected { busy: false, more: true };
        for _ in 0..READS_MAX {
            match self.inotify.read_events(&mut self.buffer) {
                Ok(events) => {
                    for event in events {
                        collected.busy |= is_log_write(&event);
                        translate(&self.watches, &event, signals, &mut ended);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    collected.more = false;
                    break;
                }
                Err(error) => {
                    // Nothing that inotify(7) names can happen here; the sweep finds what it hid.
                    tracing::warn!(%error, "cannot read inotify events");
                    signals.push(Signal::Lost);
                    collected.more = false;
                    break;
                }
            }
        }
        for number in ended {
            self.ended(number, signals);
        }
        collected
    }
}

/// Also of a log that nobody follows: it must not wake us for each line. What the engine does to
/// its other files is rare, and a container that comes is not to wait for a tick.
fn is_log_write(event: &Event<&std::ffi::OsStr>) -> bool {
    let is_log = |name: &&std::ffi::OsStr| name.to_str().is_some_and(|name| name.contains(".log"));
    event.mask.contains(EventMask::MODIFY) && event.name.as_ref().is_some_and(is_log)
}

fn mask(kind: Kind) -> WatchMask {
    let both = WatchMask::CREATE
        | WatchMask::MOVED_TO
        | WatchMask::MOVED_FROM
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR
        | WatchMask::DONT_FOLLOW;
    match kind {
        Kind::Root => both,
        // Without EXCL_UNLINK: a file that is deleted while it is written still has news.
        Kind::Container | Kind::Followed => both | WatchMask::MODIFY | WatchMask::CLOSE_WRITE,
    }
}

fn translate(
    watches: &HashMap<i32, Watch>,
    event: &Event<&std::ffi::OsStr>,
    signals: &mut Vec<Signal>,
    ended: &mut Vec<i32>,
) {
    if event.mask.contains(EventMask::Q_OVERFLOW) {
        signals.push(Signal::Lost);
        return;
    }
    let number = event.wd.get_watch_descriptor_id();
    let Some(watch) = watches.get(&number) else { return };
    if event.mask.intersects(EventMask::IGNORED | EventMask::UNMOUNT | EventMask::MOVE_SELF) {
        // After a move the path means something else or nothing.
        ended.push(number);
        return;
    }
    // Names of the runtime's files are ASCII; others are nothing to us.
    let Some(name) = event.name.and_then(|name| name.to_str()) else { return };
    let came = event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO);
    let went = event.mask.intersects(EventMask::DELETE | EventMask::MOVED_FROM);
    if watch.kind == Kind::Root {
        if event.mask.contains(EventMask::ISDIR) && (came || went) {
            let (root, name) = (watch.path.clone(), name.to_owned());
            signals.push(if came {
                Signal::DirectoryCame { root, name }
            } else {
                Signal::DirectoryWent { root, name }
            });
        }
        return;
    }
    if event.mask.contains(EventMask::ISDIR) {
        return;
    }
    for follower in &watch.followers {
        if event.mask.contains(EventMask::CREATE) && name == follower.current_name {
            signals.push(Signal::Began { source: follower.source });
        }
        if name.starts_with(&follower.current_name) {
            signals.push(Signal::News { source: follower.source, names: came || went });
        }
    }
    // Current engines write a description under a temporary name and rename it; old ones write
    // in place, and then it is whole when it is closed.
    let whole = event.mask.contains(EventMask::CLOSE_WRITE)
        && (name == CONFIG_NAME || name == HOST_CONFIG_NAME);
    if watch.kind == Kind::Container && (came || whole) {
        signals.push(Signal::FileCame { dir: watch.path.clone(), name: name.to_owned() });
    }
}
