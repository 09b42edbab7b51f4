//! The containers directories: who came, who went, and what can be saved of them before discovery
//! has heard of it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::inotify::InotifyRung;
use super::open::{
    CONFIG_NAME, FileKey, HOST_CONFIG_NAME, is_container_id, open_log, read_description,
};
use super::rung::Refusal;
use super::{Counters, Sighting, SightingFn};

/// Files of one directory that are opened before it is followed. A container that rotates faster
/// than discovery answers has a few; one that nobody will follow costs no more than this.
const EARLY_FILES_MAX: usize = 16;

/// A directory that is younger than this when its root is first read counts as new: it may have
/// come while the agent started.
const YOUNG_SECONDS: u64 = 10;

pub(super) struct Roots {
    by_path: HashMap<PathBuf, Root>,
    /// Containers' directories below them.
    places: HashMap<PathBuf, Place>,
    /// Directories that were not found. What happened in them before may yet be signalled.
    missing: Vec<PathBuf>,
    sighting: SightingFn,
    counters: Counters,
}

#[derive(Default)]
struct Root {
    watched: bool,
    /// Device and inode when it was read first; what comes from then on is new.
    known: Option<(u64, u64)>,
}

struct Place {
    id: String,
    watched: bool,
    /// Since it was watched, or its state was read after signals were lost, no file can have come
    /// to it unheard.
    heard: bool,
    /// Its worker looks after its files by itself.
    followed: bool,
    opened: Vec<FileKey>,
}

/// The first refusal of a kernel limit during a scan, which the caller reports once.
pub(super) type Refused = Option<Refusal>;

impl Roots {
    pub(super) fn new(sighting: SightingFn, counters: Counters) -> Self {
        Self {
            by_path: HashMap::new(),
            places: HashMap::new(),
            missing: Vec::new(),
            sighting,
            counters,
        }
    }

    pub(super) fn add(&mut self, root: &Path, rung: Option<&mut InotifyRung>) -> Refused {
        if self.by_path.contains_key(root) {
            return None;
        }
        self.by_path.insert(root.to_owned(), Root::default());
        self.scan(root, rung)
    }

    /// Compares the names below each root with what is known.
    pub(super) fn rescan(&mut self, mut rung: Option<&mut InotifyRung>) -> Refused {
        let roots: Vec<PathBuf> = self.by_path.keys().cloned().collect();
        let mut refused = None;
        for root in roots {
            refused = self.scan(&root, rung.as_deref_mut()).or(refused);
        }
        refused
    }

    /// Containers' directories.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// After lost signals: also logs may have appeared in directories that nobody follows yet, and
    /// may have gone with them.
    pub(super) fn look_again(&mut self) {
        let waiting: Vec<PathBuf> = self
            .places
            .iter()
            .filter(|(_, place)| !place.followed && place.opened.is_empty())
            .map(|(dir, _)| dir.clone())
            .collect();
        for dir in waiting {
            if let Some(place) = self.places.get_mut(&dir) {
                place.heard = false;
            }
            self.sight(&dir);
        }
    }

    pub(super) fn directory_came(
        &mut self,
        root: &Path,
        name: &str,
        rung: Option<&mut InotifyRung>,
    ) -> Refused {
        if !is_container_id(name) || !self.by_path.contains_key(root) {
            return None;
        }
        let dir = root.join(name);
        let refused = self.add_place(&dir, name, rung);
        self.sight(&dir);
        refused
    }

    /// The kernel told of the container `id`: what no watch was left for is opened now.
    pub(super) fn container_moved(
        &mut self,
        id: &str,
        mut rung: Option<&mut InotifyRung>,
    ) -> Refused {
        let roots: Vec<PathBuf> = self.by_path.keys().cloned().collect();
        let mut refused = None;
        for dir in roots.into_iter().map(|root| root.join(id)) {
            let known = self.places.get(&dir);
            if known.is_some_and(|place| place.followed || !place.opened.is_empty()) {
                continue;
            }
            if known.is_none() {
                if !dir.is_dir() {
                    continue;
                }
                refused = self.add_place(&dir, id, rung.as_deref_mut()).or(refused);
            }
            self.sight(&dir);
        }
        refused
    }

    pub(super) fn directory_went(
        &mut self,
        root: &Path,
        name: &str,
        rung: Option<&mut InotifyRung>,
    ) {
        let dir = root.join(name);
        if self.places.contains_key(&dir) {
            self.missed(&dir, rung);
        }
    }

    /// Takes a directory for gone when what was signalled before has been heard.
    pub(super) fn miss(&mut self, dir: PathBuf) {
        self.missing.push(dir);
    }

    pub(super) fn has_missing(&self) -> bool {
        !self.missing.is_empty()
    }

    pub(super) fn take_missing(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.missing)
    }

    /// All that was signalled of a container's directory has been heard, and it is gone.
    pub(super) fn missed(&mut self, dir: &Path, rung: Option<&mut InotifyRung>) {
        // Not by every account: an engine forgets a container before it deletes this.
        let is_ours = dir.parent().is_some_and(|root| self.by_path.contains_key(root));
        if is_ours && dir.is_dir() {
            return;
        }
        if let Some(rung) = rung {
            rung.unwatch_container(dir);
        }
        let place = self.places.remove(dir);
        let Some(id) = dir.file_name().and_then(|name| name.to_str()) else { return };
        let is_taken = self.report(Sighting {
            id: id.to_owned(),
            dir: dir.to_owned(),
            gone: true,
            met: place.is_some(),
            config: None,
            host_config: None,
            opened: Vec::new(),
            has_log: place.as_ref().is_some_and(Place::may_have_had_a_log),
        });
        if !is_taken && let Some(place) = place {
            // The next scan misses it again.
            self.places.insert(dir.to_owned(), place);
        }
    }

    pub(super) fn root_went(&mut self, root: &Path) {
        if let Some(root) = self.by_path.get_mut(root) {
            root.watched = false;
        }
    }

    /// A file stands under its final name in a container's directory.
    pub(super) fn file_came(&mut self, dir: &Path, name: &str) {
        let Some(place) = self.places.get_mut(dir) else { return };
        let is_description = name == CONFIG_NAME || name == HOST_CONFIG_NAME;
        let is_log = !place.followed && place.is_log(name);
        if !is_description && !is_log {
            return;
        }
        let file = if is_log { place.open(dir, name) } else { None };
        self.counters.early_opened.inc_by(u64::from(file.is_some()));
        self.describe(dir, file.map(|file| (name.to_owned(), file)).into_iter().collect(), is_log);
    }

    /// From now on a worker looks after the files in `dir`, or no longer.
    pub(super) fn set_followed(&mut self, dir: &Path, followed: bool) {
        if let Some(place) = self.places.get_mut(dir) {
            place.followed = followed;
            place.opened = Vec::new();
        }
    }

    fn scan(&mut self, root: &Path, mut rung: Option<&mut InotifyRung>) -> Refused {
        let state = self.by_path.get_mut(root)?;
        let mut refused = None;
        if let Some(rung) = rung.as_deref_mut()
            && !state.watched
        {
            match rung.watch_root(root) {
                Ok(()) => state.watched = true,
                Err(error @ Refusal::Limit { .. }) => refused = Some(error),
                // Not there (yet): the next scan asks again.
                Err(Refusal::Path { .. }) => {}
            }
        }
        // After the watch, so that what comes between is seen twice and not never.
        let Ok(names) = container_names(root) else { return refused };
        let identity = fs::metadata(root).ok().map(|found| (found.dev(), found.ino()));
        let before = std::mem::replace(&mut state.known, identity);
        let is_new = before.is_some();
        // What is missing from another directory than before (a mount came or went) was not
        // deleted: that it seems so is for discovery to judge.
        if before == identity {
            self.miss_others(root, &names);
        }
        for name in &names {
            let dir = root.join(name);
            let is_known = self.places.get(&dir).is_some_and(|place| place.watched);
            // After one refusal the others of this scan would be refused as well.
            if is_known || (refused.is_some() && self.places.contains_key(&dir)) {
                continue;
            }
            let came = !self.places.contains_key(&dir);
            let rung = if refused.is_none() { rung.as_deref_mut() } else { None };
            refused = self.add_place(&dir, name, rung).or(refused);
            if came && (is_new || is_young(&dir)) {
                self.sight(&dir);
            }
        }
        refused
    }

    fn miss_others(&mut self, root: &Path, names: &HashSet<String>) {
        let places = self.places.iter();
        let missing = places
            .filter(|(dir, place)| dir.parent() == Some(root) && !names.contains(&place.id))
            .map(|(dir, _)| dir.clone());
        self.missing.extend(missing);
    }

    fn add_place(&mut self, dir: &Path, id: &str, rung: Option<&mut InotifyRung>) -> Refused {
        let (watched, refused) = match rung.map(|rung| rung.watch_container(dir)) {
            Some(Ok(())) => (true, None),
            Some(Err(error @ Refusal::Limit { .. })) => (false, Some(error)),
            // Gone already, or no inotify at all.
            Some(Err(Refusal::Path { .. })) | None => (false, None),
        };
        let place = self.places.entry(dir.to_owned()).or_insert_with(|| Place {
            id: id.to_owned(),
            watched,
            heard: watched,
            followed: false,
            opened: Vec::new(),
        });
        place.watched |= watched;
        // A container that is there has its log, if it ever had one.
        place.heard |= watched;
        refused
    }

    /// Opens and reads what is in `dir` already.
    fn sight(&mut self, dir: &Path) {
        let Some(place) = self.places.get_mut(dir) else { return };
        let Ok(entries) = fs::read_dir(dir) else { return };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| place.is_log(name))
            .collect();
        // The current file first: it is the one that is deleted last and wanted most.
        names.sort_unstable();
        let has_log = !names.is_empty();
        let opened: Vec<_> = names
            .into_iter()
            .filter_map(|name| place.open(dir, &name).map(|file| (name, file)))
            .collect();
        self.counters.early_opened.inc_by(opened.len() as u64);
        self.describe(dir, opened, has_log);
    }

    fn describe(&mut self, dir: &Path, opened: Vec<(String, fs::File)>, has_log: bool) {
        let Some(place) = self.places.get_mut(dir) else { return };
        let config = read_description(&dir.join(CONFIG_NAME));
        place.heard |= place.watched && config.is_some();
        let host_config = read_description(&dir.join(HOST_CONFIG_NAME));
        if config.is_none() && host_config.is_none() && !has_log {
            return;
        }
        let id = place.id.clone();
        let is_taken = self.report(Sighting {
            id,
            dir: dir.to_owned(),
            gone: false,
            met: true,
            config,
            host_config,
            opened,
            has_log,
        });
        if !is_taken && let Some(place) = self.places.get_mut(dir) {
            // As if nobody had looked.
            place.opened.clear();
            place.heard = false;
        }
    }

    fn report(&self, sighting: Sighting) -> bool {
        self.counters.sightings.inc();
        (self.sighting)(sighting)
    }
}

impl Place {
    /// Unheard, and none that anybody holds.
    fn may_have_had_a_log(&self) -> bool {
        !self.heard && !self.followed && self.opened.is_empty()
    }

    /// A log or a rotated one. Compressed ones are copies of what was open before.
    fn is_log(&self, name: &str) -> bool {
        name.strip_prefix(&self.id)
            .and_then(|rest| rest.strip_prefix("-json.log"))
            .and_then(|rest| if rest.is_empty() { Some("0") } else { rest.strip_prefix('.') })
            .is_some_and(|number| number.parse::<u32>().is_ok())
    }

    /// Opens a file that was not opened under another name before.
    fn open(&mut self, dir: &Path, name: &str) -> Option<fs::File> {
        if self.opened.len() >= EARLY_FILES_MAX {
            return None;
        }
        let (file, key) = open_log(&dir.join(name))?;
        if self.opened.contains(&key) {
            return None;
        }
        self.opened.push(key);
        Some(file)
    }
}

fn container_names(root: &Path) -> std::io::Result<HashSet<String>> {
    let names = fs::read_dir(root)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_container_id(name));
    Ok(names.collect())
}

fn is_young(dir: &Path) -> bool {
    let Ok(metadata) = fs::metadata(dir) else { return false };
    // Without a time of birth the last change has to do; it errs towards new.
    let Ok(born) = metadata.created().or_else(|_| metadata.modified()) else { return true };
    SystemTime::now().duration_since(born).is_ok_and(|age| age.as_secs() < YOUNG_SECONDS)
}
