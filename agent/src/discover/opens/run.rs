//! The loop that looks.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, Mode, OFlags};

use super::process::{self, Held};
use super::rule::{self, HEAD_BYTES};
use super::table::{Key, Sight, Table, Verdict};
use super::{FoundFile, FoundFn, OpensSettings, Place, Refused};
use crate::discover::{Container, Counters, Registry};
use crate::read::OpenFile;
use crate::sys::{Fanotify, Handle, Named};

/// Hints are taken this much after the first: by then what was made has something in it.
const HINT_TICK: Duration = Duration::from_millis(250);

/// A look takes at most one part in this many of a core when nothing asks for it, …
const IDLE_SHARE: u32 = 200;
/// … and this when hints do.
const HINTED_SHARE: u32 = 20;
/// Two looks that hints asked for are this far apart at least.
const HINTED_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Directories of which it is known whose they are; then all are forgotten.
const DIRECTORIES_MAX: usize = 4_096;

/// File systems of engines' data; there is one engine, and it may have been moved.
const FILE_SYSTEMS_MAX: usize = 8;

/// Names of one tick. More come in the next; the kernel holds 16 384.
const NAMES_PER_TICK_MAX: usize = 8_192;

pub(super) struct Loop {
    settings: OpensSettings,
    registry: Registry,
    counters: Counters,
    found: FoundFn,
    table: Table,
    /// Where the logs lie that were found.
    logs: HashMap<Key, Place>,
    hints: Option<Hints>,
    hints_refused: bool,
    next_look: Instant,
    last_look: Instant,
    last_took: Duration,
}

/// fanotify, and what its answers mean.
struct Hints {
    group: Fanotify,
    /// Of each file system that is marked its device, and any descriptor of it.
    marked: Vec<(u64, OwnedFd)>,
    /// By container: directories on the host, and where each stands in the container.
    roots: HashMap<String, Vec<(PathBuf, PathBuf)>>,
    /// The same by directory: the containers, and where it stands in each.
    by_root: HashMap<PathBuf, Vec<(String, PathBuf)>>,
    /// Of the registry, when that was learned.
    version: Option<u64>,
    directories: HashMap<Handle, Option<(String, PathBuf)>>,
}

impl Loop {
    pub(super) fn new(
        settings: OpensSettings,
        registry: Registry,
        counters: Counters,
        found: FoundFn,
    ) -> Self {
        let now = Instant::now();
        Self {
            settings,
            registry,
            counters,
            found,
            table: Table::default(),
            logs: HashMap::new(),
            hints: None,
            hints_refused: false,
            next_look: now,
            last_look: now,
            last_took: Duration::ZERO,
        }
    }

    /// Waits for something to do, and does it.
    pub(super) fn turn(&mut self, bell: &OwnedFd) {
        let wait = self.next_look.saturating_duration_since(Instant::now());
        let told = {
            let group = self.hints.as_ref().map(|hints| &hints.group);
            wait_for(bell, group, wait)
        };
        match told {
            Told::Bell => return,
            Told::Hint => {
                if matches!(wait_for(bell, None, HINT_TICK), Told::Bell) {
                    return;
                }
                self.take_hints();
            }
            Told::Nothing => {}
        }
        if Instant::now() >= self.next_look {
            self.look();
        }
    }

    pub(super) fn look(&mut self) {
        let began = Instant::now();
        self.counters.opens_looks.inc();
        self.start_hints();
        let registry = self.registry.clone();
        self.table.retain(|id| registry.knows(id));
        self.logs.retain(|key, _| registry.knows(&key.0));
        for (key, place) in &self.logs {
            if let Ok((file, sight)) = open(place, false) {
                self.table.owns(key, (file.device, sight.stat.id));
            }
        }
        let mut containers: HashMap<String, Option<Container>> = HashMap::new();
        let mut seen: HashSet<Key> = HashSet::new();
        for (id, process) in process::in_containers(&self.settings.host.prefix.join("proc")) {
            if self.settings.own_container_id.as_ref() == Some(&id) {
                continue;
            }
            let container =
                containers.entry(id.clone()).or_insert_with(|| registry.exactly(&id)).as_ref();
            let Some(container) = container else { continue };
            for held in process::held(&process) {
                let key = (id.clone(), held.path.clone());
                if self.is_worth(&key) && seen.insert(key.clone()) {
                    self.look_at(container, &held, key);
                }
            }
        }
        self.last_look = Instant::now();
        self.last_took = self.last_look - began;
        let idle = self.settings.look_interval.max(self.last_took * IDLE_SHARE);
        self.next_look = self.last_look + idle;
        tracing::debug!(containers = containers.len(), took = ?self.last_took, "looked at /proc");
    }

    /// Again and again where it was refused: the engine's data may come later than the agent.
    fn start_hints(&mut self) {
        if self.hints.is_some() || !self.settings.hints {
            return;
        }
        let data_root = &self.settings.host.data_root;
        match Hints::start(data_root) {
            Ok(hints) => self.hints = Some(hints),
            Err(error) if !self.hints_refused => {
                self.hints_refused = true;
                tracing::info!(
                    %error, path = %data_root.display(),
                    "no fanotify: files in containers are found by looking at /proc alone"
                );
            }
            Err(_) => {}
        }
    }

    /// Whether more is to be learned of a file.
    fn is_worth(&self, key: &Key) -> bool {
        if self.table.is_settled(key) || rule::is_denied(&key.1, &self.settings.deny) {
            return false;
        }
        // A rotated file belongs to the log that it was.
        let (directory, name) = key.1.rsplit_once('/').unwrap_or_default();
        let is_rotated = rule::unrotated(name)
            .is_some_and(|base| self.table.is_log(&(key.0.clone(), format!("{directory}/{base}"))));
        !is_rotated
    }

    fn look_at(&mut self, container: &Container, held: &Held, key: Key) {
        let Some(writing) = held.writing() else { return };
        let Some(mount) = held.mount(writing) else { return };
        let place = self.settings.host.place(container, Path::new(&key.1), Some(&mount));
        // Through a mount the file has to be the very one; an overlay shows numbers of its own.
        let is_bound = mount.point != Path::new("/");
        let same =
            is_bound.then(|| fs::metadata(&held.link).map(|found| (found.dev(), found.ino())));
        match (place, same.transpose()) {
            (Ok(place), Ok(same)) => {
                self.consider(key, place, writing.is_append, same);
            }
            (Err(refused), _) => self.refuse(key, refused),
            (Ok(_), Err(_)) => {}
        }
    }

    fn refuse(&mut self, key: Key, refused: Refused) {
        tracing::debug!(container = %key.0, path = %key.1, ?refused, "a file is not collected");
        self.table.close(key);
    }

    /// Looks into a file, and gives it on if it is a log.
    fn consider(
        &mut self,
        key: Key,
        place: Place,
        is_append: bool,
        same: Option<(u64, u64)>,
    ) -> Verdict {
        let Ok((file, sight)) = open(&place, is_append) else { return Verdict::Open };
        if same.is_some_and(|same| same != (sight.device, sight.stat.id.inode)) {
            self.refuse(key, Refused::NoPlace);
            return Verdict::Binary;
        }
        let verdict = self.table.judge(&key, sight);
        match verdict {
            Verdict::Log => {
                let Ok(file) = file.file().try_clone() else {
                    self.table.reopen(&key);
                    return Verdict::Open;
                };
                let born_wall_ns = sight.stat.id.birth_ns;
                let (container_id, path) = key.clone();
                let kept = place.clone();
                let found = FoundFile { container_id, path, place, file, born_wall_ns };
                if (self.found)(found) {
                    self.counters.opens_found.inc();
                    self.logs.insert(key, kept);
                } else {
                    self.table.reopen(&key);
                }
            }
            Verdict::TooMany => {
                self.counters.opens_too_many.inc();
            }
            Verdict::Open | Verdict::Shared | Verdict::Binary => {}
        }
        verdict
    }

    fn take_hints(&mut self) {
        let Some(mut hints) = self.hints.take() else { return };
        hints.learn(&self.registry, &self.settings);
        let names = hints.names(&self.counters);
        let mut is_open = names.is_none();
        for named in names.unwrap_or_default() {
            let Some((id, directory)) = hints.whose(&named.directory) else { continue };
            let Ok(name) = str::from_utf8(&named.name) else { continue };
            let path = directory.join(name);
            let Some(path) = path.to_str().map(str::to_owned) else { continue };
            let key = (id, path);
            if !self.is_worth(&key) {
                continue;
            }
            self.counters.opens_hints.inc();
            let Some(container) = self.registry.exactly(&key.0) else { continue };
            match self.settings.host.place_of(&container, &key.1) {
                // Whether it is appended to only a process can show.
                Ok(place) => is_open |= self.consider(key, place, false, None) == Verdict::Open,
                // A process may show that it lies elsewhere.
                Err(_) => is_open = true,
            }
        }
        if is_open {
            let wait = HINTED_INTERVAL_MIN.max(self.last_took * HINTED_SHARE);
            self.next_look = self.next_look.min(self.last_look + wait);
        }
        self.hints = Some(hints);
    }
}

impl Hints {
    fn start(data_root: &Path) -> io::Result<Self> {
        let group = Fanotify::new()?;
        let mut hints = Self {
            group,
            marked: Vec::new(),
            roots: HashMap::new(),
            by_root: HashMap::new(),
            version: None,
            directories: HashMap::new(),
        };
        hints.mark(data_root)?;
        Ok(hints)
    }

    /// Hears of the file system that a directory is on.
    fn mark(&mut self, directory: &Path) -> io::Result<()> {
        let device = fs::metadata(directory)?.dev();
        let is_marked = self.marked.iter().any(|(marked, _)| *marked == device);
        if is_marked || self.marked.len() >= FILE_SYSTEMS_MAX {
            return Ok(());
        }
        self.group.mark_file_system(directory)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.marked.push((device, rustix::fs::open(directory, flags, Mode::empty())?));
        Ok(())
    }

    /// Where the files of new containers lie.
    fn learn(&mut self, registry: &Registry, settings: &OpensSettings) {
        // Before the look: what changes during it is learned the next time.
        let version = Some(registry.version());
        if self.version != version {
            self.version = version;
            self.learn_roots(registry, settings);
            self.directories.clear();
        }
        if self.directories.len() > DIRECTORIES_MAX {
            self.directories.clear();
        }
    }

    fn learn_roots(&mut self, registry: &Registry, settings: &OpensSettings) {
        let running: HashSet<String> = registry.running().into_iter().collect();
        let gone: Vec<String> =
            self.roots.keys().filter(|id| !running.contains(*id)).cloned().collect();
        for id in gone {
            for (root, _) in self.roots.remove(&id).unwrap_or_default() {
                let containers = self.by_root.entry(root.clone()).or_default();
                containers.retain(|(other, _)| *other != id);
                if containers.is_empty() {
                    self.by_root.remove(&root);
                }
            }
        }
        for id in running {
            if self.roots.contains_key(&id) || settings.own_container_id.as_ref() == Some(&id) {
                continue;
            }
            let Some(container) = registry.exactly(&id) else { continue };
            // Refused, its files are found by the look.
            let _ = self.mark(&settings.host.data_root_of(&container));
            let roots = settings.host.roots(&container);
            for (root, inside) in &roots {
                let containers = self.by_root.entry(root.clone()).or_default();
                containers.push((id.clone(), inside.clone()));
            }
            self.roots.insert(id, roots);
        }
    }

    /// What was told since the last time, each once; `None` if some was lost.
    fn names(&mut self, counters: &Counters) -> Option<HashSet<Named>> {
        let mut names = HashSet::new();
        let mut some = Vec::new();
        while names.len() < NAMES_PER_TICK_MAX {
            match self.group.read(&mut some) {
                Ok(Some(false)) => names.extend(some.drain(..)),
                Ok(Some(true)) => {
                    counters.opens_hints_lost.inc();
                    return None;
                }
                Ok(None) | Err(_) => break,
            }
        }
        Some(names)
    }

    /// The container that a directory belongs to, and what that calls it.
    fn whose(&mut self, directory: &Handle) -> Option<(String, PathBuf)> {
        if let Some(known) = self.directories.get(directory) {
            return known.clone();
        }
        let opened = self.marked.iter().find_map(|(_, mount)| directory.open(mount).ok());
        let path = opened.and_then(|opened| {
            fs::read_link(format!("/proc/self/fd/{}", opened.as_fd().as_raw_fd())).ok()
        });
        let found = path.and_then(|path| {
            // The nearest directory; of two containers with one volume always the same one.
            let nearest =
                |root: &Path| self.by_root.get(root).map(|found| (root.to_owned(), found));
            let (root, containers) = path.ancestors().find_map(nearest)?;
            let (id, inside) = containers.iter().max_by_key(|(id, _)| id)?;
            Some((id.clone(), inside.join(path.strip_prefix(root).ok()?)))
        });
        self.directories.insert(directory.clone(), found.clone());
        found
    }
}

enum Told {
    Bell,
    Hint,
    Nothing,
}

fn wait_for(bell: &OwnedFd, group: Option<&Fanotify>, wait: Duration) -> Told {
    let mut waited = vec![PollFd::new(bell, PollFlags::IN)];
    waited.extend(group.map(|group| PollFd::new(group, PollFlags::IN)));
    let timeout = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
    if poll(&mut waited, Some(&timeout)).is_err() {
        return Told::Nothing;
    }
    let is_told = |at: usize| waited.get(at).is_some_and(|fd| !fd.revents().is_empty());
    match (is_told(0), is_told(1)) {
        (true, _) => Told::Bell,
        (false, true) => Told::Hint,
        (false, false) => Told::Nothing,
    }
}

/// The file in its place, through no link, and only if it is a regular one.
fn open(place: &Place, is_append: bool) -> io::Result<(OpenFile, Sight)> {
    let directory = place.directory.open()?;
    if let Some(base) = rule::unrotated(&place.name) {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if rustix::fs::statat(&directory, base, flags).is_ok() {
            // A rotated file, which belongs to the log that it was.
            return Err(io::ErrorKind::AlreadyExists.into());
        }
    }
    let file = OpenFile::open_at(&directory, Path::new(&place.name))?;
    let stat = file.stat()?;
    let mut head = [0; HEAD_BYTES];
    let bytes = file.read_at(&mut head, 0)?;
    let device = file.device;
    let sight = Sight { stat, device, is_append, look: rule::look(&head[..bytes]) };
    Ok((file, sight))
}
