//! What every source said of each container, and what follows from it. No I/O here.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::describe::View;
use super::paths::{Root, ours};
use super::{Change, Container, State};

/// Ids of removed containers that are remembered, so that an answer that was on its way does not
/// bring one back. An answer takes seconds; a node does not remove four thousand in that time.
const REMOVED_MAX: usize = 4_096;

pub(super) const JSON_FILE: &str = "json-file";

/// A place in the order of what happened.
pub(super) type Tick = u64;

/// Counts what happens, so that an answer is known to be older than what was seen meanwhile.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(super) fn tick(&self) -> Tick {
        // One counter, whose read-modify-writes have one order; what a tick stands for travels by
        // channels, which order the rest.
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Device and inode of a containers directory: another file system may be mounted on its path,
/// and what is missing there was not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RootId(pub(super) u64, pub(super) u64);

/// What one source says.
#[derive(Debug)]
pub(super) enum Report {
    /// The full list of the directories `roots`, begun at `began`.
    Directory {
        began: Tick,
        roots: Vec<RootId>,
        places: Vec<Place>,
    },
    /// The full list of the API.
    Listed {
        began: Tick,
        ids: Vec<String>,
    },
    /// The API's answer about one; `None`: it knows no such container.
    Inspected {
        began: Tick,
        id: String,
        view: Option<Box<View>>,
    },
    ApiAway,
    /// The watcher or a second look saw something of one directory.
    Sighted {
        id: String,
        dir: PathBuf,
        view: Option<Box<View>>,
        opened: Vec<(String, File)>,
        /// Its log is there, or was.
        has_log: bool,
    },
    /// The watcher says that its directory is not there.
    Gone {
        id: String,
        /// The watcher has met it.
        met: bool,
        /// It may have had a log that nobody heard of.
        may_have_log: bool,
    },
}

/// One container's directory.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) root: RootId,
    pub(super) dir: PathBuf,
    /// `None`: unchanged since the last listing, or unreadable.
    pub(super) view: Option<Box<View>>,
    pub(super) has_log: bool,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    known: BTreeMap<String, Known>,
    removed: HashSet<String>,
    removed_order: VecDeque<String>,
    /// Directories of which the watcher is asked whether it has told all of them: a listing did
    /// not find them, or the engine no longer knows their containers.
    missing: Vec<PathBuf>,
    pub(super) clock: Clock,
    /// For paths that only the API gave.
    pub(super) roots: Vec<Root>,
    pub(super) prefix: PathBuf,
}

#[derive(Debug, Default)]
struct Known {
    directory: Side,
    api: Side,
    dir: Option<PathBuf>,
    root: Option<RootId>,
    /// Its directory was there while this agent ran.
    met: bool,
    has_log: bool,
    announced: Option<Container>,
}

/// One source's word on one container.
#[derive(Debug, Default)]
struct Side {
    presence: Presence,
    view: Option<Box<View>>,
    viewed: Tick,
    /// When it was last seen there.
    seen: Tick,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Presence {
    /// The source cannot say.
    #[default]
    Unknown,
    Present,
    Absent,
}

/// Enters `report` and gives what changes by it.
pub(super) fn reconcile(books: &mut Books, report: Report) -> Vec<Change> {
    let now = books.clock.tick();
    match report {
        Report::Directory { began, roots, places } => books.directory(began, &roots, places),
        Report::Listed { began, ids } => books.listed(began, &ids),
        Report::Inspected { began, id, view } => {
            let Some(known) = books.entry(&id) else { return Vec::new() };
            match view {
                Some(view) => known.api.enter(view, began),
                None if known.api.seen <= began => known.api.presence = Presence::Absent,
                None => {}
            }
            books.settle(&id, Vec::new()).into_iter().collect()
        }
        Report::ApiAway => books.api_away(),
        Report::Sighted { id, dir, view, opened, has_log } => {
            let Some(known) = books.entry(&id) else { return Vec::new() };
            known.sight(dir, view, now);
            known.has_log |= has_log;
            books.settle(&id, opened).into_iter().collect()
        }
        Report::Gone { id, met, may_have_log } => {
            let Some(known) = books.entry(&id) else { return Vec::new() };
            known.met |= met;
            let mut changes = Vec::new();
            if may_have_log && known.is_described() {
                known.has_log = true;
                changes.extend(books.settle(&id, Vec::new()));
            }
            if let Some(known) = books.entry(&id) {
                known.directory.presence = Presence::Absent;
            }
            changes.extend(books.settle(&id, Vec::new()));
            changes
        }
    }
}

impl Books {
    pub(super) fn new(clock: Clock, roots: Vec<Root>, prefix: PathBuf) -> Self {
        Self { clock, roots, prefix, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn take_missing(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.missing)
    }

    /// What there is to say of it was said, or it is gone again.
    pub(super) fn is_settled(&self, id: &str) -> bool {
        self.known.get(id).is_none_or(|known| known.announced.is_some())
            && (self.known.contains_key(id) || self.removed.contains(id))
    }

    /// Its directory is gone and only the API still speaks of it.
    pub(super) fn waits_for_api(&self, id: &str) -> bool {
        self.known.get(id).is_some_and(|known| {
            known.directory.presence == Presence::Absent && known.api.presence == Presence::Present
        })
    }

    /// `None` for one that was removed: ids do not come again, late answers do.
    fn entry(&mut self, id: &str) -> Option<&mut Known> {
        if self.removed.contains(id) {
            return None;
        }
        Some(self.known.entry(id.to_owned()).or_default())
    }

    fn directory(&mut self, began: Tick, roots: &[RootId], places: Vec<Place>) -> Vec<Change> {
        let mut touched = Vec::new();
        let mut present = HashSet::new();
        for place in places {
            let Some(known) = self.entry(&place.id) else { continue };
            known.sight(place.dir, place.view, began);
            known.root = Some(place.root);
            known.has_log |= place.has_log;
            present.insert(place.id.clone());
            touched.push(place.id);
        }
        for (id, known) in &self.known {
            if known.is_left_by_engine() {
                self.missing.extend(self.likely_dir(id));
            }
            let vouched = known.root.is_none_or(|root| roots.contains(&root));
            if known.directory.presence == Presence::Present
                && known.directory.seen <= began
                && !roots.is_empty()
                && vouched
                && !present.contains(id)
            {
                self.missing.extend(known.dir.clone());
            }
        }
        self.settle_all(&touched)
    }

    fn listed(&mut self, began: Tick, ids: &[String]) -> Vec<Change> {
        let listed: HashSet<&String> = ids.iter().collect();
        let mut touched = Vec::new();
        for (id, known) in &mut self.known {
            if listed.contains(id) {
                known.api.presence = Presence::Present;
                known.api.seen = known.api.seen.max(began);
            } else if known.api.seen <= began && known.api.presence != Presence::Absent {
                known.api.presence = Presence::Absent;
                touched.push(id.clone());
            }
        }
        self.settle_all(&touched)
    }

    fn api_away(&mut self) -> Vec<Change> {
        let mut touched = Vec::new();
        for (id, known) in &mut self.known {
            if known.api.presence == Presence::Present {
                known.api.presence = Presence::Unknown;
                touched.push(id.clone());
            }
        }
        self.settle_all(&touched)
    }

    fn settle_all(&mut self, ids: &[String]) -> Vec<Change> {
        ids.iter().filter_map(|id| self.settle(id, Vec::new())).collect()
    }

    /// What is to be said of one container now.
    fn settle(&mut self, id: &str, opened: Vec<(String, File)>) -> Option<Change> {
        let known = self.known.get_mut(id)?;
        let asked = if known.is_left_by_engine() { self.likely_dir(id) } else { None };
        let known = self.known.get_mut(id)?;
        if known.is_gone() || (known.is_left_by_engine() && asked.is_none()) {
            let described = known.is_described();
            // An engine also tells of what went before this agent came.
            let is_told = described || known.met;
            self.forget(id);
            return is_told.then(|| Change::Removed { id: id.to_owned(), described });
        }
        self.missing.extend(asked);
        let container = known.merged(id, &self.roots, &self.prefix)?;
        if opened.is_empty() && known.announced.as_ref() == Some(&container) {
            return None;
        }
        known.announced = Some(container.clone());
        Some(Change::Seen { container, opened })
    }

    /// Where the directory of one lies of which only the engine spoke; its root came last.
    fn likely_dir(&self, id: &str) -> Option<PathBuf> {
        self.roots.last().map(|root| root.ours.join(id))
    }

    fn forget(&mut self, id: &str) {
        self.known.remove(id);
        if self.removed.insert(id.to_owned()) {
            self.removed_order.push_back(id.to_owned());
        }
        if self.removed_order.len() > REMOVED_MAX
            && let Some(oldest) = self.removed_order.pop_front()
        {
            self.removed.remove(&oldest);
        }
    }
}

impl Known {
    fn sight(&mut self, dir: PathBuf, view: Option<Box<View>>, at: Tick) {
        self.dir = Some(dir);
        self.met = true;
        self.directory.presence = Presence::Present;
        self.directory.seen = self.directory.seen.max(at);
        if let Some(view) = view {
            self.directory.enter(view, at);
        }
    }

    fn is_described(&self) -> bool {
        self.directory.view.is_some() || self.api.view.is_some()
    }

    /// Its directory is, and the engine does not say otherwise.
    fn is_gone(&self) -> bool {
        self.directory.presence == Presence::Absent && self.api.presence != Presence::Present
    }

    /// The engine does not know it any more, and its directory was not heard of. It may have been
    /// there all the same, and the watcher may hold its log open.
    fn is_left_by_engine(&self) -> bool {
        self.directory.presence == Presence::Unknown && self.api.presence == Presence::Absent
    }

    /// The account of the source that knows of the latest start or end; of equals, the one that
    /// was asked last (a rename changes no time). `None` while nothing is known but a name.
    fn merged(&self, id: &str, roots: &[Root], prefix: &Path) -> Option<Container> {
        let rank = |side: &Side| side.view.as_ref().map(|view| (view.changed_wall_ns, side.viewed));
        let (mut newer, mut older) = (&self.directory, &self.api);
        if rank(older) > rank(newer) {
            std::mem::swap(&mut newer, &mut older);
        }
        let Some(view) = &newer.view else {
            // Its descriptions were deleted before anyone read them; its log was not.
            return self.has_log.then(|| self.nameless(id));
        };
        let mut container = view.container.clone();
        if container.log_driver.is_empty()
            && let Some(other) = &older.view
        {
            other.container.log_driver.clone_into(&mut container.log_driver);
            other.container.log_options.clone_into(&mut container.log_options);
        }
        let told = container.log_path.take();
        // `LogPath` is set by this driver only, whatever the deleted hostconfig.json said.
        if container.log_driver.is_empty() && (self.has_log || told.is_some()) {
            JSON_FILE.clone_into(&mut container.log_driver);
        }
        if container.log_driver == JSON_FILE {
            container.log_path = match (&self.dir, told) {
                (Some(dir), Some(path)) => Some(dir.join(path.file_name()?)),
                (Some(dir), None) if self.has_log => Some(dir.join(current_name(id))),
                (None, Some(path)) => Some(ours(roots, prefix, &path)),
                (_, None) => None,
            };
        }
        // The log comes with the start, and the description a moment later.
        if container.state == State::Created && self.has_log {
            container.state = State::Running;
        }
        Some(container)
    }

    fn nameless(&self, id: &str) -> Container {
        Container {
            id: id.to_owned(),
            log_driver: JSON_FILE.to_owned(),
            log_path: self.dir.as_ref().map(|dir| dir.join(current_name(id))),
            // Nobody said that it ended.
            state: State::Running,
            ..Container::default()
        }
    }
}

impl Side {
    fn enter(&mut self, mut view: Box<View>, at: Tick) {
        self.presence = Presence::Present;
        if let Some(before) = &self.view {
            // An answer that was overtaken.
            if at < self.viewed && view.changed_wall_ns <= before.changed_wall_ns {
                return;
            }
            // hostconfig.json is deleted first; what it said still holds.
            if view.container.log_driver.is_empty() {
                before.container.log_driver.clone_into(&mut view.container.log_driver);
                before.container.log_options.clone_into(&mut view.container.log_options);
            }
        }
        self.seen = self.seen.max(at);
        self.viewed = at;
        self.view = Some(view);
    }
}

fn current_name(id: &str) -> String {
    format!("{id}-json.log")
}
