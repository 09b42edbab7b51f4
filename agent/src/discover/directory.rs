//! The containers directories as a list: the source that needs nobody's leave.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::watch::{CONFIG_NAME, HOST_CONFIG_NAME, is_container_id, read_description};

use super::Counters;
use super::books::{Place, Report, RootId, Tick};
use super::describe::{View, from_files};
use super::paths::Root;

/// Lists directories; remembers which descriptions it has read, so that an unchanged one costs a
/// `stat`.
#[derive(Debug)]
pub(super) struct Lister {
    read: HashMap<String, Seen>,
    counters: Counters,
}

#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    pass: Tick,
}

/// A description is replaced whole, so its inode and time tell one from the next.
type Stamp = [Option<(u64, i64, i64, u64)>; 2];

impl Lister {
    pub(super) fn new(counters: Counters) -> Self {
        Self { read: HashMap::new(), counters }
    }

    /// Blocks on the file system.
    pub(super) fn list(&mut self, roots: &[Root], began: Tick) -> Report {
        self.counters.directory_lists.inc();
        let mut readable = Vec::new();
        let mut places = Vec::new();
        for root in roots {
            let Ok(metadata) = fs::metadata(&root.ours) else { continue };
            let id = RootId(metadata.dev(), metadata.ino());
            let Ok(entries) = fs::read_dir(&root.ours) else { continue };
            let mut whole = true;
            for entry in entries {
                let Ok(entry) = entry else {
                    whole = false;
                    continue;
                };
                let Ok(name) = entry.file_name().into_string() else { continue };
                if is_container_id(&name) {
                    places.push(self.look(&root.ours, name, id, began));
                }
            }
            // What a broken read did not show is not known to be gone.
            if whole {
                readable.push(id);
            }
        }
        self.read.retain(|_, seen| seen.pass == began);
        Report::Directory { began, roots: readable, places }
    }

    fn look(&mut self, root: &Path, id: String, root_id: RootId, pass: Tick) -> Place {
        let dir = root.join(&id);
        let stamp = [stamp(&dir.join(CONFIG_NAME)), stamp(&dir.join(HOST_CONFIG_NAME))];
        if let Some(seen) = self.read.get_mut(&id)
            && seen.stamp == stamp
        {
            seen.pass = pass;
            return Place { id, root: root_id, dir, view: None, has_log: false };
        }
        let view = match read(&id, &dir) {
            Ok(view) => {
                self.read.insert(id.clone(), Seen { stamp, pass });
                view
            }
            Err(error) => {
                self.counters.config_unreadable.inc();
                tracing::debug!(%error, "tried again at the next listing");
                None
            }
        };
        let has_log = fs::symlink_metadata(dir.join(format!("{id}-json.log"))).is_ok();
        Place { id, root: root_id, dir, view, has_log }
    }
}

/// Reads what describes the container in `dir`; `None` if nothing does (any more).
pub(super) fn read(id: &str, dir: &Path) -> Result<Option<Box<View>>, super::DescribeError> {
    let Some(config) = read_description(&dir.join(CONFIG_NAME)) else { return Ok(None) };
    let host_config = read_description(&dir.join(HOST_CONFIG_NAME));
    from_files(id, &config, host_config.as_deref()).map(|view| Some(Box::new(view)))
}

fn stamp(path: &Path) -> Option<(u64, i64, i64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.len()))
}
