//! What is looked for, and what was heard of it and not found.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::PathPattern;
use super::look::{is_covered, leads};
use super::{DeclaredFile, Wanted};
use crate::discover::Container;
use crate::read::file_rank;

/// What was heard of and not found was deleted, by its container or with it: the latter, if the
/// container is gone no later than this.
const REMOVAL_MAX: Duration = Duration::from_secs(2);

/// Names of one log that are heard of and not found; beyond it something is unseen.
const HEARD_MAX: usize = 256;

/// A directory that is deleted so soon after it was first looked at may have been on its way out
/// then, with files in it deleted already.
pub(super) const EMPTYING_MAX: Duration = Duration::from_millis(100);

/// One log of one container.
pub(super) struct Want {
    pub(super) container: Arc<Container>,
    pub(super) wanted: Wanted,
    pub(super) at: Instant,
    pub(super) not_before: Instant,
    /// The same for a look that is to be quick.
    pub(super) rested: Instant,
    pub(super) quick: u32,
    /// The look that is due though nothing has asked for it.
    pub(super) slow_at: Instant,
    pub(super) watches: HashSet<i32>,
    /// By path.
    pub(super) told: HashMap<String, Told>,
    /// Names that were there, by inotify's word, and mean or lead to a file; and when that was heard.
    pub(super) heard: HashMap<PathBuf, Instant>,
    /// Directories of the last look that had something to look at, and since when they are known.
    pub(super) looked: HashMap<PathBuf, Instant>,
    /// Something that no look has seen may be there besides.
    pub(super) unseen: bool,
    /// Its container is gone: it is looked for once more.
    pub(super) leaving: bool,
    /// Its files lie on a mount that this agent does not see.
    pub(super) hidden: bool,
}

/// What was told of a file.
pub(super) struct Told {
    pub(super) file: DeclaredFile,
    pub(super) missing_since: Option<Instant>,
    pub(super) vanished: bool,
    /// Whose it is may have changed.
    pub(super) again: bool,
}

impl Want {
    /// Notes a name that is, or was, there; whether a pattern means it or leads to it.
    pub(super) fn hear(&mut self, path: PathBuf, now: Instant) -> bool {
        let concerns = |pattern: &PathPattern| pattern.matches(&path) || leads(pattern, &path);
        if !self.wanted.patterns.iter().any(concerns) {
            return false;
        }
        if self.heard.len() < HEARD_MAX {
            self.heard.insert(path, now);
        } else {
            self.unseen = true;
        }
        true
    }

    /// Notes a name that is there no more, if nobody has seen it, or what was in it. It went after
    /// `earliest`.
    pub(super) fn hear_of_end(&mut self, path: PathBuf, now: Instant, earliest: Instant) {
        let since = self.looked.get(&path);
        if since.is_some_and(|since| earliest.saturating_duration_since(*since) < EMPTYING_MAX) {
            self.looked.remove(&path);
        }
        if !self.has_seen(&path) {
            self.hear(path, now);
        }
    }

    /// A directory that was looked at is there no more, which for one that a container's files
    /// begin in nobody else tells.
    pub(super) fn hear_of_own_end(&mut self, path: &Path, now: Instant, earliest: Instant) {
        let is_covered = |pattern: &PathPattern| is_covered(&self.container, pattern, path);
        if !self.wanted.patterns.iter().all(is_covered) {
            self.hear_of_end(path.to_owned(), now, earliest);
        }
    }

    /// Whether a look has been there, or has found it or the log whose older file it is.
    fn has_seen(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(|name| name.to_str());
        let is_of = |told: &Told| {
            Path::new(&told.file.path).parent() == path.parent()
                && name.is_some_and(|name| file_rank(name, &told.file.place.name).is_some())
        };
        self.looked.contains_key(path)
            || path.to_str().is_some_and(|path| self.told.contains_key(path))
            || self.told.values().any(is_of)
    }

    /// Forgets what a look has seen, and what the container itself has deleted.
    pub(super) fn settle_heard(&mut self, now: Instant) {
        let mut heard = std::mem::take(&mut self.heard);
        heard.retain(|path, at| now.duration_since(*at) < REMOVAL_MAX && !self.has_seen(path));
        self.heard = heard;
    }

    /// What was there, or may have been, and was never found.
    pub(super) fn missed(&self) -> Vec<String> {
        let patterns = &self.wanted.patterns;
        let is_meant = |path: &Path| patterns.iter().any(|pattern| pattern.matches(path));
        let (files, ways): (Vec<&PathBuf>, Vec<&PathBuf>) =
            self.heard.keys().filter(|path| !self.has_seen(path)).partition(|path| is_meant(path));
        let is_open = self.unseen || !ways.is_empty();
        if !files.is_empty() || !is_open {
            return files.into_iter().map(|path| path.display().to_string()).collect();
        }
        let is_found = |pattern: &PathPattern| {
            let path = pattern.single();
            path.is_some_and(|path| path.to_str().is_some_and(|path| self.told.contains_key(path)))
        };
        let open = patterns.iter().filter(|pattern| !is_found(pattern));
        open.map(|pattern| pattern.as_str().to_owned()).collect()
    }
}
