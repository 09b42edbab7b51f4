//! Which sources there are, by token, by key and by container.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::{SourceKey, SourceToken};
use crate::declare::{Declared, DeclaredFile};

/// What is shown of a source to those who ask.
#[derive(Clone, Debug)]
pub(in crate::agent) struct Row {
    pub container_id: String,
    /// The declaration's name.
    pub log: Option<String>,
    pub target: String,
    /// In the container, of a file.
    pub path: Option<String>,
}

/// All of them, shared with whoever shows them.
#[derive(Clone, Default)]
pub(in crate::agent) struct Shown {
    rows: Arc<Mutex<HashMap<SourceToken, Row>>>,
    declared: Arc<Mutex<HashMap<String, Arc<Declared>>>>,
}

impl Shown {
    pub(in crate::agent) fn rows(&self) -> HashMap<SourceToken, Row> {
        locked(&self.rows).clone()
    }

    /// Of one container.
    pub(in crate::agent) fn rows_of(&self, id: &str) -> Vec<(SourceToken, Row)> {
        let rows = locked(&self.rows);
        let own = rows.iter().filter(|(_, row)| row.container_id == id);
        own.map(|(token, row)| (*token, row.clone())).collect()
    }

    pub(in crate::agent) fn declared(&self, id: &str) -> Option<Arc<Declared>> {
        locked(&self.declared).get(id).cloned()
    }

    pub(super) fn declares(&self, id: &str, declared: Option<Arc<Declared>>) {
        match declared {
            Some(declared) => locked(&self.declared).insert(id.to_owned(), declared),
            None => locked(&self.declared).remove(id),
        };
    }
}

/// A panic while it was held leaves a map that is still whole.
fn locked<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a source is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Stdout,
    /// A file that was found without a declaration.
    Found {
        path: String,
    },
    Declared {
        log: String,
        path: String,
        file: Box<DeclaredFile>,
    },
}

impl Kind {
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::Stdout => None,
            Self::Found { path } | Self::Declared { path, .. } => Some(path),
        }
    }
}

#[derive(Debug)]
pub(super) struct Followed {
    pub(super) key: SourceKey,
    /// Whose it is now.
    pub(super) container: String,
    pub(super) kind: Kind,
    /// Its container is gone, or it is.
    pub(super) removed: bool,
}

impl Followed {
    pub(super) fn new(key: SourceKey, container: &str, kind: Kind) -> Self {
        Self { key, container: container.to_owned(), kind, removed: false }
    }
}

#[derive(Default)]
pub(super) struct Books {
    sources: HashMap<SourceToken, Followed>,
    by_key: HashMap<SourceKey, SourceToken>,
    by_container: HashMap<String, Vec<SourceToken>>,
    shown: Shown,
}

impl Books {
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn shown(&self) -> Shown {
        self.shown.clone()
    }

    pub(super) fn get(&self, source: SourceToken) -> Option<&Followed> {
        self.sources.get(&source)
    }

    pub(super) fn get_mut(&mut self, source: SourceToken) -> Option<&mut Followed> {
        self.sources.get_mut(&source)
    }

    pub(super) fn by_key(&self, key: &SourceKey) -> Option<SourceToken> {
        self.by_key.get(key).copied()
    }

    pub(super) fn of_container(&self, id: &str) -> Vec<SourceToken> {
        self.by_container.get(id).cloned().unwrap_or_default()
    }

    pub(super) fn add(&mut self, source: SourceToken, followed: Followed, row: Row) {
        self.by_key.insert(followed.key.clone(), source);
        self.by_container.entry(followed.container.clone()).or_default().push(source);
        self.sources.insert(source, followed);
        locked(&self.shown.rows).insert(source, row);
    }

    /// A log on a volume has another container now.
    pub(super) fn give_to(&mut self, source: SourceToken, container: &str, kind: Kind, row: Row) {
        let Some(followed) = self.sources.get_mut(&source) else { return };
        let before = std::mem::replace(&mut followed.container, container.to_owned());
        followed.kind = kind;
        followed.removed = false;
        self.leave(&before, source);
        self.by_container.entry(container.to_owned()).or_default().push(source);
        locked(&self.shown.rows).insert(source, row);
    }

    pub(super) fn remove(&mut self, source: SourceToken) -> Option<Followed> {
        let followed = self.sources.remove(&source)?;
        self.by_key.remove(&followed.key);
        self.leave(&followed.container, source);
        locked(&self.shown.rows).remove(&source);
        Some(followed)
    }

    fn leave(&mut self, container: &str, source: SourceToken) {
        if let Some(sources) = self.by_container.get_mut(container) {
            sources.retain(|other| *other != source);
            if sources.is_empty() {
                self.by_container.remove(container);
            }
        }
    }
}
