use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Container, State};

/// One row of `sluice containers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: String,
    pub name: String,
    pub image: String,
    pub driver: String,
    pub state: State,
    pub log_path: Option<PathBuf>,
    /// Why nothing is collected from it; `None` if it is.
    pub reason: Option<String>,
    /// Logs that it writes to files, by their path inside, and whether they are collected.
    pub files: BTreeMap<String, bool>,
}

/// The containers known now; clones share it. A snapshot for people, never asked by the data's
/// way.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<Rows>>);

#[derive(Debug, Default)]
struct Rows {
    by_id: BTreeMap<String, Row>,
    /// Grows when a container comes, changes or goes.
    version: u64,
}

#[derive(Debug)]
struct Row {
    container: Container,
    /// Found by discovery (the driver has no files we can read).
    unreadable: Option<String>,
    /// Said by the caller (the agent's own, not declared, opted out).
    refused: Option<String>,
    files: BTreeMap<String, bool>,
}

impl Registry {
    /// The same as long as no container came, changed or went.
    pub(super) fn version(&self) -> u64 {
        self.rows().version
    }

    /// Of those that run.
    pub(super) fn running(&self) -> Vec<String> {
        let rows = self.rows();
        let running = rows.by_id.values().filter(|row| row.container.state == State::Running);
        running.map(|row| row.container.id.clone()).collect()
    }

    /// By full id.
    pub fn exactly(&self, id: &str) -> Option<Container> {
        self.rows().by_id.get(id).map(|row| row.container.clone())
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.rows().by_id.contains_key(id)
    }

    /// Notes that a container writes a log to a file, and whether it is collected.
    pub fn note_file(&self, id: &str, path: &str, is_collected: bool) {
        if let Some(row) = self.rows().by_id.get_mut(id) {
            row.files.insert(path.to_owned(), is_collected);
        }
    }

    pub fn forget_file(&self, id: &str, path: &str) {
        if let Some(row) = self.rows().by_id.get_mut(id) {
            row.files.remove(path);
        }
    }

    /// By id.
    pub fn list(&self) -> Vec<Listed> {
        self.rows().by_id.values().map(Row::listed).collect()
    }

    /// By full id, by name, or by a prefix of the id that fits only one.
    pub fn find(&self, wanted: &str) -> Option<Container> {
        let rows = &self.rows().by_id;
        if let Some(row) = rows.get(wanted) {
            return Some(row.container.clone());
        }
        if let Some(row) = rows.values().find(|row| row.container.name == wanted) {
            return Some(row.container.clone());
        }
        let mut fitting = rows
            .range(wanted.to_owned()..)
            .take_while(|(id, _)| !wanted.is_empty() && id.starts_with(wanted));
        match (fitting.next(), fitting.next()) {
            (Some((_, row)), None) => Some(row.container.clone()),
            _ => None,
        }
    }

    /// Notes why the caller does not collect from a container (`None`: it does).
    pub fn set_reason(&self, id: &str, reason: Option<String>) {
        if let Some(row) = self.rows().by_id.get_mut(id) {
            row.refused = reason;
        }
    }

    pub(super) fn put(&self, container: Container, unreadable: Option<String>) {
        let mut rows = self.rows();
        let before = rows.by_id.remove(&container.id);
        let is_same = before.as_ref().is_some_and(|row| row.container == container);
        rows.version += u64::from(!is_same);
        let before = before.map(|row| (row.refused, row.files));
        let (refused, files) = before.unwrap_or_default();
        rows.by_id.insert(container.id.clone(), Row { container, unreadable, refused, files });
    }

    pub(super) fn remove(&self, id: &str) {
        let mut rows = self.rows();
        let was_there = rows.by_id.remove(id).is_some();
        rows.version += u64::from(was_there);
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        // A panic while it was held leaves a map that is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn listed(&self) -> Listed {
        Listed {
            id: self.container.id.clone(),
            name: self.container.name.clone(),
            image: self.container.image.clone(),
            driver: self.container.log_driver.clone(),
            state: self.container.state,
            log_path: self.container.log_path.clone(),
            reason: self.unreadable.clone().or_else(|| self.refused.clone()),
            files: self.files.clone(),
        }
    }
}
