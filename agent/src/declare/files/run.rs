//! The loop that looks.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::look::{Seen, look};
use super::unseen::Unseen;
use super::{Command, DeclaredFile, FileNews, NewsFn, Reports, Wanted};
use crate::discover::opens::Host;
use crate::discover::{Container, Counters};
use crate::read::file_rank;

/// Between two looks for one log, where nothing is told.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Looks in a second that nothing asked for: 0.1 ms each, so 1 % of a core; with more logs they are
/// further apart.
const LOOKS_PER_SECOND_MAX: u32 = 100;

/// After a new name: who makes one most often makes more, or writes to it.
const HINT_DELAY: Duration = Duration::from_millis(20);

/// After a look, a hint is heeded no sooner than after this, and after so many times what the look
/// took.
const REST_MIN: Duration = Duration::from_millis(100);
const REST_SHARE: u32 = 20;

/// A file that has been gone so long does not come back under its name by itself.
const VANISHED_AFTER: Duration = Duration::from_mins(1);

/// Directories that are listened to; files in others are found by the slow looks.
const WATCHES_MAX: usize = 16_384;

/// Room for one read of inotify's queue.
const EVENT_BYTES: usize = 16 << 10;

/// A container, and one of its logs.
type Key = (String, String);

pub(super) struct Loop {
    unseen: Unseen,
    host: Host,
    news: NewsFn,
    reports: Reports,
    counters: Counters,
    commands: Receiver<Command>,
    bell: Arc<OwnedFd>,
    inotify: Option<Inotify>,
    /// By the number of the watch, which one inode has one of.
    watches: HashMap<i32, Watch>,
    wants: HashMap<Key, Want>,
    due: BTreeSet<(Instant, Key)>,
}

struct Watch {
    descriptor: WatchDescriptor,
    wants: HashSet<Key>,
}

struct Want {
    container: Arc<Container>,
    wanted: Wanted,
    at: Instant,
    not_before: Instant,
    watches: HashSet<i32>,
    /// By path.
    told: HashMap<String, Told>,
    /// Its files lie on a mount that this agent does not see.
    hidden: bool,
}

/// What was told of a file.
struct Told {
    file: DeclaredFile,
    missing_since: Option<Instant>,
    vanished: bool,
    /// Whose it is may have changed.
    again: bool,
}

impl Loop {
    pub(super) fn new(
        host: Host,
        news: NewsFn,
        reports: Reports,
        counters: Counters,
        commands: Receiver<Command>,
        bell: Arc<OwnedFd>,
    ) -> Self {
        let inotify = Inotify::init().inspect_err(|error| {
            tracing::warn!(%error, "no inotify: new files in containers are found some seconds later");
        });
        Self {
            unseen: Unseen::new(host.prefix.clone()),
            host,
            news,
            reports,
            counters,
            commands,
            bell,
            inotify: inotify.ok(),
            watches: HashMap::new(),
            wants: HashMap::new(),
            due: BTreeSet::new(),
        }
    }

    pub(super) fn run(mut self) {
        loop {
            self.wait();
            self.hear();
            while let Ok(command) = self.commands.try_recv() {
                match command {
                    Command::Want(container, logs) => self.want(*container, logs),
                    Command::Known(file) => self.known(*file),
                    Command::Forget(id) => self.forget(&id),
                    Command::Released { container_id, log, path } => {
                        if let Some(want) = self.wants.get_mut(&(container_id, log)) {
                            want.told.remove(&path);
                        }
                    }
                    Command::Stop => return,
                }
            }
            self.look_at_one();
        }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        let next = self.due.first().map(|(at, _)| at.saturating_duration_since(now));
        let mut waited = vec![PollFd::new(&*self.bell, PollFlags::IN)];
        if let Some(inotify) = &self.inotify {
            waited.push(PollFd::from_borrowed_fd(inotify.as_fd(), PollFlags::IN));
        }
        let timeout = next.map(|next| Timespec {
            tv_sec: next.as_secs() as i64,
            tv_nsec: i64::from(next.subsec_nanos()),
        });
        // An interrupted wait is over, and the next one goes on with it.
        let _ = poll(&mut waited, timeout.as_ref());
        let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
    }

    /// Names that came.
    fn hear(&mut self) {
        let Some(inotify) = &mut self.inotify else { return };
        let mut buffer = [0; EVENT_BYTES];
        let Ok(events) = inotify.read_events(&mut buffer) else { return };
        let mut told = HashSet::new();
        let mut overflow = false;
        for event in events {
            overflow |= event.mask.contains(EventMask::Q_OVERFLOW);
            told.insert(event.wd.get_watch_descriptor_id());
        }
        let at = Instant::now() + HINT_DELAY;
        let keys: HashSet<Key> = if overflow {
            self.wants.keys().cloned().collect()
        } else {
            let watches = told.iter().filter_map(|number| self.watches.get(number));
            watches.flat_map(|watch| watch.wants.iter().cloned()).collect()
        };
        for key in keys {
            self.hasten(&key, at);
        }
    }

    fn hasten(&mut self, key: &Key, at: Instant) {
        let Some(want) = self.wants.get_mut(key) else { return };
        let at = at.max(want.not_before);
        if at < want.at {
            self.due.remove(&(want.at, key.clone()));
            want.at = at;
            self.due.insert((at, key.clone()));
        }
    }

    fn want(&mut self, container: Container, logs: Vec<Wanted>) {
        let container = Arc::new(container);
        let now = Instant::now();
        let gone: Vec<Key> =
            self.wants.keys().filter(|(id, _)| *id == container.id).cloned().collect();
        let gone = gone.into_iter().filter(|(_, log)| logs.iter().all(|wanted| wanted.log != *log));
        for key in gone.collect::<Vec<_>>() {
            self.drop_want(&key);
        }
        for wanted in logs {
            let key = (container.id.clone(), wanted.log.clone());
            if let Some(want) = self.wants.get_mut(&key) {
                want.container = container.clone();
                want.wanted = wanted;
                for told in want.told.values_mut() {
                    told.again = true;
                }
                self.hasten(&key, now);
                continue;
            }
            let want = Want {
                container: container.clone(),
                wanted,
                at: now,
                not_before: now,
                watches: HashSet::new(),
                told: HashMap::new(),
                hidden: false,
            };
            self.wants.insert(key.clone(), want);
            self.due.insert((now, key));
        }
    }

    fn known(&mut self, file: DeclaredFile) {
        let key = (file.container_id.clone(), file.log.clone());
        if let Some(want) = self.wants.get_mut(&key) {
            let told = Told { file, missing_since: None, vanished: false, again: true };
            want.told.entry(told.file.path.clone()).or_insert(told);
        }
    }

    fn forget(&mut self, id: &str) {
        let gone: Vec<Key> = self.wants.keys().filter(|(other, _)| other == id).cloned().collect();
        for key in gone {
            self.drop_want(&key);
        }
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn drop_want(&mut self, key: &Key) {
        let Some(want) = self.wants.remove(key) else { return };
        self.due.remove(&(want.at, key.clone()));
        if want.hidden {
            self.counters.files_hidden.dec();
        }
        for number in want.watches {
            self.unwatch(number, key);
        }
    }

    fn unwatch(&mut self, number: i32, key: &Key) {
        let Some(watch) = self.watches.get_mut(&number) else { return };
        watch.wants.remove(key);
        if watch.wants.is_empty()
            && let Some(watch) = self.watches.remove(&number)
            && let Some(inotify) = &mut self.inotify
        {
            // The directory may be gone, and the watch with it.
            let _ = inotify.watches().remove(watch.descriptor);
        }
    }

    /// One, so that commands are heard in between.
    fn look_at_one(&mut self) {
        let began = Instant::now();
        let Some((at, key)) = self.due.first().cloned() else { return };
        if at > began {
            return;
        }
        self.due.pop_first();
        self.counters.file_looks.inc();
        let Some(want) = self.wants.get(&key) else { return };
        let mut seen = look(&self.host, &want.container, &want.wanted);
        self.note_hidden(&key, &mut seen);
        self.listen(&key, &seen);
        self.tell(&key, seen);
        let ended = Instant::now();
        let many = self.wants.len() as u32;
        let Some(want) = self.wants.get_mut(&key) else { return };
        want.not_before = ended + REST_MIN.max((ended - began) * REST_SHARE);
        let slow = Duration::from_secs(1) * many / LOOKS_PER_SECOND_MAX;
        want.at = ended + LOOK_INTERVAL.max(slow).max((ended - began) * REST_SHARE);
        self.due.insert((want.at, key));
    }

    /// Where nothing fits: whether that is because a mount is not seen.
    fn note_hidden(&mut self, key: &Key, seen: &mut Seen) {
        let Some(want) = self.wants.get_mut(key) else { return };
        let mut hidden = false;
        for pattern in want.wanted.patterns.iter().filter(|_| seen.files.is_empty()) {
            let base = pattern.base();
            let Ok((root, point)) = self.host.root_of(&want.container, base) else { continue };
            let path = root.join(base.strip_prefix(&point).unwrap_or(Path::new("")));
            let path = Path::new("/").join(path.strip_prefix(&self.host.prefix).unwrap_or(&path));
            let Some(mount) = self.unseen.over(&path) else { continue };
            hidden = true;
            let note = format!(
                "{} lies on {} ({}), which was mounted on the host after this agent had started \
                 and does not reach it; mount the host's / for the agent with \
                 `mountPropagation: HostToContainer` (Docker: `:ro,rslave`), or start it anew",
                base.display(),
                mount.point.display(),
                mount.kind,
            );
            if !want.hidden {
                tracing::warn!(container = want.container.name, log = want.wanted.log, "{note}");
            }
            seen.notes.push(note);
        }
        match (std::mem::replace(&mut want.hidden, hidden), hidden) {
            (false, true) => drop(self.counters.files_hidden.inc()),
            (true, false) => drop(self.counters.files_hidden.dec()),
            _ => {}
        }
    }

    /// Listens to the directories that were looked at, and no more to others.
    fn listen(&mut self, key: &Key, seen: &Seen) {
        let Some(inotify) = &mut self.inotify else { return };
        let mask =
            WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::MOVED_FROM | WatchMask::ONLYDIR;
        let mut now = HashSet::new();
        for looked in &seen.looked {
            if self.watches.len() >= WATCHES_MAX {
                break;
            }
            // By the open directory, so that it is this one whatever its names lead to by now.
            let path = format!("/proc/self/fd/{}", looked.as_raw_fd());
            let Ok(descriptor) = inotify.watches().add(path, mask) else { continue };
            let number = descriptor.get_watch_descriptor_id();
            let watch = self
                .watches
                .entry(number)
                .or_insert_with(|| Watch { descriptor, wants: HashSet::new() });
            watch.wants.insert(key.clone());
            now.insert(number);
        }
        let Some(want) = self.wants.get_mut(key) else { return };
        let before = std::mem::replace(&mut want.watches, now.clone());
        for number in before.difference(&now) {
            self.unwatch(*number, key);
        }
    }

    fn tell(&mut self, key: &Key, seen: Seen) {
        let Some(want) = self.wants.get_mut(key) else { return };
        let now = Instant::now();
        let mut notes = seen.notes;
        if seen.files.is_empty() && notes.is_empty() {
            notes.push("no file fits so far".to_owned());
        }
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.entry(key.0.clone()).or_default().insert(key.1.clone(), notes);
        drop(reports);
        let there: HashSet<String> = seen.files.iter().map(|file| file.path.clone()).collect();
        for file in seen.files {
            let told = want.told.get_mut(&file.path);
            if let Some(told) = told {
                told.missing_since = None;
                if told.file == file && !told.vanished && !told.again {
                    continue;
                }
            }
            if (self.news)(FileNews::Found(file.clone())) {
                let told = Told { file, missing_since: None, vanished: false, again: false };
                want.told.insert(told.file.path.clone(), told);
            }
        }
        for (path, told) in &mut want.told {
            let path_of = Path::new(path);
            let is_there = there.contains(path) || {
                let current = told.file.place.name.as_str();
                seen.names.iter().any(|name| {
                    name.parent() == path_of.parent()
                        && name
                            .file_name()
                            .and_then(|name| name.to_str())
                            .is_some_and(|name| file_rank(name, current).is_some())
                })
            };
            if is_there {
                told.missing_since = None;
                continue;
            }
            let since = *told.missing_since.get_or_insert(now);
            if now.duration_since(since) >= VANISHED_AFTER && !told.vanished {
                let (container_id, log) = key.clone();
                let path = path.clone();
                told.vanished = (self.news)(FileNews::Vanished { container_id, log, path });
            }
        }
    }
}
