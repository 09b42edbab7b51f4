//! The loop that looks.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::look::{Seen, look};
use super::unseen::Unseen;
use super::want::{EMPTYING_MAX, Told, Want};
use super::{Command, DeclaredFile, FileNews, Missed, NewsFn, Reports, Wanted};
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

/// Looks for one log that a new name brings about at once, as its container may live no longer than
/// the time above; a slow look allows for one more.
const QUICK_LOOKS_MAX: u32 = 8;

/// After a look, a hint is heeded no sooner than after this, and after so many times what the look
/// took.
const REST_MIN: Duration = Duration::from_millis(100);
const REST_SHARE: u32 = 20;

/// A file that has been gone so long does not come back under its name by itself.
const VANISHED_AFTER: Duration = Duration::from_mins(1);

/// News that found no room are told again after this.
const UNTOLD_WAIT: Duration = Duration::from_millis(10);

/// Directories that are listened to; files in others are found by the slow looks.
const WATCHES_MAX: usize = 16_384;

/// Names that come and go, and the directory itself.
const WATCHED: WatchMask = WatchMask::CREATE
    .union(WatchMask::MOVE)
    .union(WatchMask::DELETE)
    .union(WatchMask::DELETE_SELF)
    .union(WatchMask::ONLYDIR);

/// Room for one read of inotify's queue.
const EVENT_BYTES: usize = 16 << 10;

/// Reads in a row: more than the queue holds, unless it is filled meanwhile.
const READS_MAX: usize = 64;

/// A container, and one of its logs.
type Key = (String, String);

pub(super) struct Loop {
    mounts: Unseen,
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
    /// Containers that are gone, and what of them no look has found so far.
    leaving: HashMap<String, Vec<Missed>>,
    /// Of these, what there was no room for; in its order.
    untold: VecDeque<FileNews>,
    /// What is heard of next happened after this.
    heard_until: Instant,
    /// Something is to be heard at these times, or nothing: ends of directories that are heard of
    /// later are known to be later, too.
    listen_at: VecDeque<Instant>,
}

/// What a look has left to be done when all has been heard that happened before its end.
struct Looked {
    /// `None` of a container that was gone.
    directories: Option<HashSet<PathBuf>>,
    /// Watches of directories that are looked at no more.
    stale: Vec<i32>,
}

struct Watch {
    descriptor: WatchDescriptor,
    /// With the directory as their patterns have it.
    wants: HashMap<Key, PathBuf>,
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
            mounts: Unseen::new(host.prefix.clone()),
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
            leaving: HashMap::new(),
            untold: VecDeque::new(),
            heard_until: Instant::now(),
            listen_at: VecDeque::new(),
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
                    Command::Forget { container_id, has_run } => {
                        self.forget(&container_id, has_run);
                    }
                    Command::Released { container_id, log, path } => {
                        let want = self.wants.get_mut(&(container_id, log));
                        // What is left of a container that is gone is found only once.
                        if let Some(want) = want.filter(|want| !want.leaving) {
                            want.told.remove(&path);
                        }
                    }
                    Command::Stop => return,
                }
            }
            self.tell_again();
            self.look_at_one();
        }
    }

    fn wait(&mut self) {
        let now = Instant::now();
        let next = self.due.first().map(|(at, _)| at.saturating_duration_since(now));
        let again = (!self.untold.is_empty()).then_some(UNTOLD_WAIT);
        let listen = self.listen_at.front().map(|at| at.saturating_duration_since(now));
        let next = next.into_iter().chain(again).chain(listen).min();
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

    /// Names that came and went, all that the kernel has of them.
    fn hear(&mut self) {
        let mut buffer = [0; EVENT_BYTES];
        // Whether a name came that a pattern means or leads to.
        let mut hints: HashMap<Key, bool> = HashMap::new();
        let began = Instant::now();
        let mut all = false;
        for _ in 0..READS_MAX {
            let Some(inotify) = &mut self.inotify else {
                self.listen_at.clear();
                return;
            };
            let Ok(events) = inotify.read_events(&mut buffer) else {
                all = true;
                break;
            };
            for event in events {
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    for (key, want) in &mut self.wants {
                        want.unseen = true;
                        hints.insert(key.clone(), false);
                    }
                    continue;
                }
                let Some(watch) = self.watches.get(&event.wd.get_watch_descriptor_id()) else {
                    continue;
                };
                let went = event.mask.contains(EventMask::DELETE);
                let came = event.mask.intersects(EventMask::CREATE | EventMask::MOVED_TO);
                let is_own_end = event.mask.contains(EventMask::DELETE_SELF);
                for (key, shown) in &watch.wants {
                    let Some(want) = self.wants.get_mut(key) else { continue };
                    if is_own_end {
                        want.hear_of_own_end(shown, began, self.heard_until);
                        continue;
                    }
                    let path = event.name.filter(|_| came || went).map(|name| shown.join(name));
                    if went {
                        if let Some(path) = path {
                            want.hear_of_end(path, began, self.heard_until);
                        }
                        continue;
                    }
                    let means = path.is_some_and(|path| want.hear(path, began));
                    *hints.entry(key.clone()).or_default() |= means;
                }
            }
        }
        if all {
            self.heard_until = began;
            self.listen_at.retain(|at| *at > began);
        }
        for (key, means) in hints {
            self.hint(&key, means, began);
        }
    }

    /// Something happened where a log is looked for.
    fn hint(&mut self, key: &Key, means: bool, now: Instant) {
        let Some(want) = self.wants.get(key) else { return };
        if means && want.quick > 0 {
            let at = now.max(want.rested);
            if self.look_at(key, at)
                && let Some(want) = self.wants.get_mut(key)
            {
                want.quick -= 1;
            }
        } else {
            self.hasten(key, now + HINT_DELAY);
        }
    }

    fn hasten(&mut self, key: &Key, at: Instant) {
        let Some(want) = self.wants.get(key) else { return };
        self.look_at(key, at.max(want.not_before));
    }

    /// Whether that is sooner than it would have been.
    fn look_at(&mut self, key: &Key, at: Instant) -> bool {
        let Some(want) = self.wants.get_mut(key).filter(|want| at < want.at) else { return false };
        self.due.remove(&(want.at, key.clone()));
        want.at = at;
        self.due.insert((at, key.clone()));
        true
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
                rested: now,
                quick: QUICK_LOOKS_MAX,
                slow_at: now + LOOK_INTERVAL,
                watches: HashSet::new(),
                told: HashMap::new(),
                heard: HashMap::new(),
                looked: HashMap::new(),
                unseen: true,
                leaving: false,
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

    fn forget(&mut self, id: &str, has_run: bool) {
        let gone: Vec<Key> = self.wants.keys().filter(|(other, _)| other == id).cloned().collect();
        let now = Instant::now();
        for key in gone {
            self.look_at(&key, now);
            if let Some(want) = self.wants.get_mut(&key) {
                want.leaving = true;
                if !has_run {
                    // As far as anybody knows; a name that was heard of shows that it has.
                    want.unseen = false;
                }
                self.leaving.entry(key.0).or_default();
            }
        }
    }

    /// The last look for a log of a container that is gone is over.
    fn leave(&mut self, key: &Key) {
        let Some(want) = self.wants.get(key) else { return };
        let container = want.container.clone();
        let missed = self.leaving.entry(key.0.clone()).or_default();
        missed.extend(want.missed().into_iter().map(|path| Missed { log: key.1.clone(), path }));
        self.drop_want(key);
        if self.wants.keys().any(|(id, _)| *id == key.0) {
            return;
        }
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).remove(&key.0);
        let missed = self.leaving.remove(&key.0).unwrap_or_default();
        self.untold.push_back(FileNews::Forgotten { container, missed });
        self.tell_again();
    }

    fn tell_again(&mut self) {
        while let Some(news) = self.untold.pop_front() {
            if let Err(news) = (self.news)(news) {
                return self.untold.push_front(news);
            }
        }
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
        let is_slow = self.wants.get(&key).is_some_and(|want| want.at >= want.slow_at);
        let Some((mut seen, looked)) = self.look(&key) else { return };
        self.note_hidden(&key, &mut seen);
        self.tell(&key, seen);
        let ended = Instant::now();
        let many = self.wants.len() as u32;
        let Some(want) = self.wants.get_mut(&key) else { return };
        if is_slow {
            want.quick = QUICK_LOOKS_MAX.min(want.quick + 1);
        }
        want.rested = ended + (ended - began) * REST_SHARE;
        want.not_before = want.rested.max(ended + REST_MIN);
        if !want.leaving {
            let slow = Duration::from_secs(1) * many / LOOKS_PER_SECOND_MAX;
            want.at = want.rested.max(ended + LOOK_INTERVAL.max(slow));
            want.slow_at = want.at;
            self.due.insert((want.at, key.clone()));
        }
        // What has happened by now is told by watches that go with the directories.
        self.hear();
        self.end_look(&key, looked);
    }

    fn end_look(&mut self, key: &Key, looked: Looked) {
        for number in looked.stale {
            self.unwatch(number, key);
        }
        let Some(want) = self.wants.get_mut(key) else { return };
        if want.leaving {
            self.leave(key);
        } else if let Some(directories) = looked.directories {
            want.looked.retain(|path, _| directories.contains(path));
        }
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
            let Some(mount) = self.mounts.over(&path) else { continue };
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

    /// Looks, and listens to the directories that it looks at.
    fn look(&mut self, key: &Key) -> Option<(Seen, Looked)> {
        let Self { host, inotify, watches, wants, listen_at, .. } = self;
        let want = wants.get_mut(key)?;
        let mut now = HashSet::new();
        let began = Instant::now();
        let mut directories = HashSet::new();
        let mut listen = |shown: &Path, opened: &OwnedFd| {
            directories.insert(shown.to_owned());
            let Some(inotify) = inotify.as_mut().filter(|_| watches.len() < WATCHES_MAX) else {
                return;
            };
            // By the open directory, so that it is this one whatever its names lead to by now.
            let path = format!("/proc/self/fd/{}", opened.as_raw_fd());
            let Ok(descriptor) = inotify.watches().add(path, WATCHED) else { return };
            let number = descriptor.get_watch_descriptor_id();
            let watch = watches
                .entry(number)
                .or_insert_with(|| Watch { descriptor, wants: HashMap::new() });
            watch.wants.insert(key.clone(), shown.to_owned());
            now.insert(number);
        };
        let seen = look(host, &want.container, &want.wanted, &mut listen);
        if !seen.is_gone {
            let mut is_first = false;
            for path in &directories {
                if !want.looked.contains_key(path) {
                    want.looked.insert(path.clone(), began);
                    is_first = true;
                }
            }
            if is_first {
                listen_at.push_back(began + EMPTYING_MAX);
            }
            want.unseen = false;
        }
        let stale = want.watches.difference(&now).copied().collect();
        want.watches = now;
        let directories = (!seen.is_gone).then_some(directories);
        Some((seen, Looked { directories, stale }))
    }

    fn tell(&mut self, key: &Key, seen: Seen) {
        let Some(want) = self.wants.get_mut(key) else { return };
        let now = Instant::now();
        let is_gone = seen.is_gone;
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
            let is_new = told.is_none();
            if let Some(told) = told {
                told.missing_since = None;
                if told.file == file && !told.vanished && !told.again {
                    continue;
                }
            }
            // Whoever follows it already has it open.
            let opened = is_new.then(|| file.place.open());
            let is_deleted = opened.as_ref().is_some_and(|opened| {
                opened.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            });
            // An archive stands for a log whose own name nobody has seen.
            if is_deleted && seen.names.contains(Path::new(&file.path)) {
                want.hear(file.path.into(), now);
                continue;
            }
            let news = FileNews::Found {
                file: file.clone().into(),
                opened: opened.and_then(Result::ok),
                container: want.container.clone(),
            };
            if want.leaving {
                self.untold.push_back(news);
            } else if (self.news)(news).is_err() {
                continue;
            }
            let told = Told { file, missing_since: None, vanished: false, again: false };
            want.told.insert(told.file.path.clone(), told);
        }
        if want.leaving {
            return;
        }
        // With its layer what was in it is gone too, however long ago it was heard of.
        if !is_gone {
            want.settle_heard(now);
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
                let news = FileNews::Vanished { container_id, log, path };
                told.vanished = (self.news)(news).is_ok();
            }
        }
    }
}
