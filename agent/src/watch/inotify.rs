//! The rung that every kernel has: directories of roots and of containers are watched.
//!
//! Names and writes have a queue each. A busy log has a write for each line, so its queue is left
//! alone for a while; a name that comes or goes may be gone by then, so it wakes at once.
//!
//! The kernel watcher tells of writes better, and a watch for them costs the writer, so where it
//! does only names are watched here.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use inotify::{Event, EventMask, Inotify, WatchDescriptor, WatchMask};

use crate::core::SourceToken;

use super::open::{CONFIG_NAME, HOST_CONFIG_NAME};
use super::rung::{Log, Queue, Refusal, Signal};

/// One read of the queue; 1 500 events of a container's log.
const BUFFER_BYTES: usize = 256 << 10;

/// Reads in one `collect`: together more than the kernel's default queue of 16 384 events holds,
/// so a full queue is emptied at once, yet a writer faster than us cannot keep us here.
const READS_MAX: usize = 16;

pub(super) struct InotifyRung {
    names: Inotify,
    writes: Inotify,
    buffer: Vec<u8>,
    /// By the number that the kernel gives the watch for names: one per inode, however many paths
    /// lead to it.
    watches: HashMap<i32, Watch>,
    /// That number by the one of the watch for writes.
    by_writes: HashMap<i32, i32>,
    by_path: HashMap<PathBuf, i32>,
}

struct Watch {
    names: WatchDescriptor,
    /// With what it asks for.
    writes: Option<(WatchDescriptor, WatchMask)>,
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
    writes: Writes,
}

/// Whether a follower hears of writes from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writes {
    Heard,
    /// A better rung tells of them.
    Elsewhere,
}

impl Watch {
    /// `None` where nobody writes, or where all that is written is told of by a better rung.
    fn writes_wanted(&self) -> Option<WatchMask> {
        let heard = self.followers.iter().any(|follower| follower.writes == Writes::Heard);
        match self.kind {
            _ if heard => Some(WRITES),
            // For the descriptions that old engines write in place.
            Kind::Container if self.followers.is_empty() => Some(CLOSES),
            _ => None,
        }
    }
}

impl InotifyRung {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            names: Inotify::init()?,
            writes: Inotify::init()?,
            buffer: vec![0; BUFFER_BYTES],
            watches: HashMap::new(),
            by_writes: HashMap::new(),
            by_path: HashMap::new(),
        })
    }

    pub(super) fn watch_root(&mut self, root: &Path) -> Result<(), Refusal> {
        self.watch(root, Kind::Root).map(|_| ())
    }

    pub(super) fn watch_container(&mut self, dir: &Path) -> Result<(), Refusal> {
        let number = self.watch(dir, Kind::Container)?;
        self.settle_writes(number).inspect_err(|_| self.unwatch_container(dir))
    }

    /// The container is gone or its root is no longer ours; what is followed stays watched.
    pub(super) fn unwatch_container(&mut self, dir: &Path) {
        let Some(&number) = self.by_path.get(dir) else { return };
        let Some(watch) = self.watches.get_mut(&number) else { return };
        watch.kind = Kind::Followed;
        self.release(number);
        // Only ever less than before.
        let _ = self.settle_writes(number);
    }

    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }

    fn watch(&mut self, path: &Path, kind: Kind) -> Result<i32, Refusal> {
        if let Some(&number) = self.by_path.get(path) {
            self.raise(number, path, kind);
            return Ok(number);
        }
        let added = self.names.watches().add(path, NAMES);
        let names = added.map_err(|source| Refusal::of(path, source))?;
        let number = names.get_watch_descriptor_id();
        self.by_path.insert(path.to_owned(), number);
        let watch = self.watches.entry(number).or_insert_with(|| Watch {
            names,
            writes: None,
            path: path.to_owned(),
            kind,
            aliased: false,
            followers: Vec::new(),
        });
        watch.aliased |= watch.path != path;
        self.raise(number, path, kind);
        Ok(number)
    }

    /// Brings the watch for writes to what its directory's followers want.
    fn settle_writes(&mut self, number: i32) -> Result<(), Refusal> {
        let Some(watch) = self.watches.get_mut(&number) else { return Ok(()) };
        let wanted = watch.writes_wanted();
        let held = watch.writes.as_ref().map(|(_, mask)| *mask);
        if held == wanted {
            return Ok(());
        }
        let Some(mask) = wanted else {
            if let Some((writes, _)) = watch.writes.take() {
                self.by_writes.remove(&writes.get_watch_descriptor_id());
                let _ = self.writes.watches().remove(writes);
            }
            return Ok(());
        };
        // One that is held is changed.
        match self.writes.watches().add(&watch.path, mask) {
            Ok(writes) => {
                self.by_writes.insert(writes.get_watch_descriptor_id(), number);
                watch.writes = Some((writes, mask));
                Ok(())
            }
            Err(source) => Err(Refusal::of(&watch.path, source)),
        }
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
        self.forget(number);
    }

    fn forget(&mut self, number: i32) -> Option<Watch> {
        let watch = self.watches.remove(&number)?;
        if self.by_path.get(&watch.path) == Some(&number) {
            self.by_path.remove(&watch.path);
        }
        if watch.aliased {
            self.by_path.retain(|_, held| *held != number);
        }
        // They may have ended by themselves with their directory.
        let _ = self.names.watches().remove(watch.names.clone());
        if let Some((writes, _)) = &watch.writes {
            self.by_writes.remove(&writes.get_watch_descriptor_id());
            let _ = self.writes.watches().remove(writes.clone());
        }
        Some(watch)
    }

    fn ended(&mut self, number: i32, signals: &mut Vec<Signal>) {
        let Some(watch) = self.forget(number) else { return };
        for follower in &watch.followers {
            signals.push(Signal::Dropped { source: follower.source });
        }
        if watch.kind == Kind::Root {
            signals.push(Signal::RootWent { root: watch.path });
        }
    }
}

impl InotifyRung {
    /// An error leaves the log to the next rung.
    pub(super) fn follow(&mut self, log: &Log, writes: Writes) -> Result<(), Refusal> {
        let number = self.watch(&log.dir, Kind::Followed)?;
        if let Some(watch) = self.watches.get_mut(&number) {
            watch.followers.retain(|follower| follower.source != log.source);
            watch.followers.push(Follower {
                source: log.source,
                current_name: log.current_name.clone(),
                writes,
            });
        }
        self.settle_writes(number).inspect_err(|_| self.unfollow(log))
    }

    pub(super) fn unfollow(&mut self, log: &Log) {
        let Some(&number) = self.by_path.get(&log.dir) else { return };
        if let Some(watch) = self.watches.get_mut(&number) {
            watch.followers.retain(|follower| follower.source != log.source);
        }
        self.release(number);
        // Of a container that nobody follows less is asked for, and that cannot be refused.
        let _ = self.settle_writes(number);
    }

    /// Readable when there are signals of this kind.
    pub(super) fn wait_on(&self, queue: Queue) -> BorrowedFd<'_> {
        match queue {
            Queue::Names => self.names.as_fd(),
            Queue::Writes => self.writes.as_fd(),
        }
    }

    /// Moves what was signalled since the last call into `signals`, without blocking and up to a
    /// bound. False if there was nothing.
    pub(super) fn collect(&mut self, queue: Queue, signals: &mut Vec<Signal>) -> bool {
        let mut ended = Vec::new();
        let mut found = false;
        let inotify = match queue {
            Queue::Names => &mut self.names,
            Queue::Writes => &mut self.writes,
        };
        for _ in 0..READS_MAX {
            match inotify.read_events(&mut self.buffer) {
                Ok(events) => {
                    found = true;
                    for event in events {
                        if event.mask.contains(EventMask::Q_OVERFLOW) {
                            signals.push(lost(queue));
                            continue;
                        }
                        let number = event.wd.get_watch_descriptor_id();
                        let number = match queue {
                            Queue::Names => Some(&number),
                            Queue::Writes => self.by_writes.get(&number),
                        };
                        let Some(number) = number else { continue };
                        let Some(watch) = self.watches.get(number) else { continue };
                        if !event.mask.intersects(ENDS) {
                            translate(watch, &event, signals);
                        } else if queue == Queue::Names {
                            ended.push(*number);
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    // Nothing that inotify(7) names can happen here; the sweep finds what it hid.
                    tracing::warn!(%error, "cannot read inotify events");
                    signals.push(lost(queue));
                    break;
                }
            }
        }
        for number in ended {
            self.ended(number, signals);
        }
        found
    }
}

/// How a watch says that it has ended. After a move the path means something else or nothing. Both
/// watches of a directory say so; that for names is believed, since names that came before are to
/// be heard first.
const ENDS: EventMask = EventMask::IGNORED.union(EventMask::UNMOUNT).union(EventMask::MOVE_SELF);

const NAMES: WatchMask = WatchMask::CREATE
    .union(WatchMask::MOVE)
    .union(WatchMask::DELETE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::MOVE_SELF)
    .union(DIRECTORY);

/// Without `EXCL_UNLINK`: a file that is deleted while it is written still has news.
const WRITES: WatchMask = WatchMask::MODIFY.union(CLOSES);

/// What a container's directory is asked for while nobody wants to hear of each write.
const CLOSES: WatchMask = WatchMask::CLOSE_WRITE.union(DIRECTORY);

const DIRECTORY: WatchMask = WatchMask::ONLYDIR.union(WatchMask::DONT_FOLLOW);

fn lost(queue: Queue) -> Signal {
    match queue {
        Queue::Names => Signal::NamesLost,
        Queue::Writes => Signal::WritesLost,
    }
}

fn translate(watch: &Watch, event: &Event<&std::ffi::OsStr>, signals: &mut Vec<Signal>) {
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
        // Another follower's writes, of a directory that several are followed in.
        if !came && !went && follower.writes == Writes::Elsewhere {
            continue;
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

#[cfg(test)]
impl InotifyRung {
    pub(super) fn hears_writes(&self, dir: &Path) -> bool {
        let watch = self.by_path.get(dir).and_then(|number| self.watches.get(number));
        watch.is_some_and(|watch| watch.writes.is_some())
    }
}
