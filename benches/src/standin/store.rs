//! What the stand-in keeps of the documents it took.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use crate::verify::{Received, message_of, order_of};

/// How much is kept, and so what memory a long run takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Everything: can be searched and read back.
    #[default]
    Documents,
    /// Of each id its hash, and of each line that the load wrote a bit and its sort key: about
    /// 70 bytes a line. 409 works as ever.
    Ids,
    /// Counts only. The body is inflated, its lines are counted, and nothing is parsed or judged:
    /// every item is answered 201. For measurements, where the sink must cost little.
    Counts,
}

/// One document as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub index: Arc<str>,
    pub id: String,
    /// Times written; above 1 only by `index` actions.
    pub version: u64,
    pub source: Vec<u8>,
}

impl Document {
    /// A field by its path, as in `["log", "offset"]`.
    pub fn field(&self, path: &[&str]) -> Option<serde_json::Value> {
        let raw = crate::json::find(&self.source, path)?;
        serde_json::from_slice(raw).ok()
    }

    /// A string field with its escapes resolved.
    pub fn text(&self, path: &[&str]) -> Option<String> {
        let raw = crate::json::find(&self.source, path)?;
        let text = crate::json::string(raw)?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

pub(super) enum Put {
    Created { seq_no: u64 },
    Updated { version: u64, seq_no: u64 },
    Conflict { version: u64 },
}

pub(super) struct Store {
    keep: Keep,
    documents: Vec<Document>,
    indices: BTreeMap<Arc<str>, IndexState>,
    /// Hashes of index and id, with [`Keep::Ids`].
    ids: HashSet<u64>,
    /// Hashes of ids alone, to see one in two indices.
    bare_ids: HashSet<u64>,
    seen_twice: u64,
    received: Received,
    made_ids: u64,
    pub(super) count: u64,
}

#[derive(Default)]
struct IndexState {
    /// Position in `documents` by id.
    by_id: HashMap<String, usize>,
    count: u64,
    next_seq_no: u64,
}

impl Store {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            documents: Vec::new(),
            indices: BTreeMap::new(),
            ids: HashSet::new(),
            bare_ids: HashSet::new(),
            seen_twice: 0,
            received: Received::new(),
            made_ids: 0,
            count: 0,
        }
    }

    pub(super) fn keep(&self) -> Keep {
        self.keep
    }

    pub(super) fn make_id(&mut self) -> String {
        self.made_ids += 1;
        format!("made{:016}", self.made_ids)
    }

    /// Stores a document; `create` fails on an id that is there, `index` replaces it.
    pub(super) fn put(&mut self, replace: Replace, index: &str, id: &str, source: &[u8]) -> Put {
        let name = match self.indices.get_key_value(index) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(index),
        };
        let state = self.indices.entry(Arc::clone(&name)).or_default();
        let is_there = match self.keep {
            Keep::Documents => state.by_id.contains_key(id),
            Keep::Ids => self.ids.contains(&hash(&[index, id])),
            Keep::Counts => false,
        };
        if is_there && replace == Replace::Never {
            let at = state.by_id.get(id).copied();
            let version = at.map_or(1, |at| self.documents[at].version);
            return Put::Conflict { version };
        }
        let seq_no = state.next_seq_no;
        state.next_seq_no += 1;
        if is_there {
            let mut version = 2;
            if let Some(&at) = state.by_id.get(id) {
                let document = &mut self.documents[at];
                document.version += 1;
                document.source = source.to_vec();
                version = document.version;
            }
            return Put::Updated { version, seq_no };
        }
        state.count += 1;
        self.count += 1;
        match self.keep {
            Keep::Documents => {
                state.by_id.insert(id.to_owned(), self.documents.len());
                self.documents.push(Document {
                    index: name,
                    id: id.to_owned(),
                    version: 1,
                    source: source.to_vec(),
                });
            }
            Keep::Ids => {
                self.ids.insert(hash(&[index, id]));
                let message = message_of(source).unwrap_or_default();
                self.received.take(&message, order_of(source).as_deref());
            }
            Keep::Counts => {}
        }
        if self.keep != Keep::Counts && !self.bare_ids.insert(hash(&[id])) {
            self.seen_twice += 1;
        }
        Put::Created { seq_no }
    }

    pub(super) fn get(&self, index: &str, id: &str) -> Option<&Document> {
        let at = *self.indices.get(index)?.by_id.get(id)?;
        self.documents.get(at)
    }

    pub(super) fn documents(&self) -> &[Document] {
        &self.documents
    }

    pub(super) fn has_index(&self, index: &str) -> bool {
        self.indices.contains_key(index)
    }

    pub(super) fn index_counts(&self) -> BTreeMap<String, u64> {
        self.indices.iter().map(|(name, state)| (name.to_string(), state.count)).collect()
    }

    pub(super) fn ids_seen_twice(&self) -> u64 {
        self.seen_twice
    }

    pub(super) fn received(&self) -> Received {
        if self.keep == Keep::Documents {
            let mut received = Received::new();
            for document in &self.documents {
                let message = message_of(&document.source).unwrap_or_default();
                received.take(&message, order_of(&document.source).as_deref());
            }
            return received;
        }
        self.received.clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replace {
    /// `create`
    Never,
    /// `index`
    Always,
}

fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}
