//! Files of containers as sources: found while they are written, or known from an earlier run.

use std::collections::HashMap;

use tokio::sync::mpsc;

use super::Router;
use crate::config::{Files as FilesPolicy, ReadFrom};
use crate::core::limits::SOURCES_MAX;
use crate::core::{SourceKey, SourceToken};
use crate::decode::Format;
use crate::discover::opens::{FILES_PER_CONTAINER_MAX, FoundFile, FoundFn, Host, Place};
use crate::discover::{Container, State};
use crate::read::StartAt;
use crate::worker::{Follow, Input};

/// Files that may wait for the router; more come again with the next look.
const FOUND_MAX: usize = 256;

/// The queue from the thread that finds files to the router.
pub(in crate::agent) fn found_queue() -> (FoundFn, mpsc::Receiver<FoundFile>) {
    let (sender, receiver) = mpsc::channel(FOUND_MAX);
    (std::sync::Arc::new(move |found| sender.try_send(found).is_ok()), receiver)
}

/// The files of containers that are followed.
pub(super) struct FileSources {
    pub(super) policy: FilesPolicy,
    pub(super) host: Host,
    /// By container.
    followed: HashMap<String, Vec<FileSource>>,
    /// From the store, not met yet: paths by container.
    stored: HashMap<String, Vec<String>>,
}

struct FileSource {
    source: SourceToken,
    path: String,
}

impl FileSources {
    pub(super) fn new<'a>(
        policy: FilesPolicy,
        host: Host,
        stored: impl Iterator<Item = &'a SourceKey>,
    ) -> Self {
        let mut paths: HashMap<String, Vec<String>> = HashMap::new();
        for key in stored {
            if let (id, Some(path)) = key.parts() {
                paths.entry(id.to_owned()).or_default().push(path.to_owned());
            }
        }
        Self { policy, host, followed: HashMap::new(), stored: paths }
    }

    pub(super) fn len(&self) -> usize {
        self.followed.values().map(Vec::len).sum()
    }

    pub(super) fn is_stored(&self, id: &str) -> bool {
        self.policy == FilesPolicy::Discovered && self.stored.contains_key(id)
    }

    fn is_followed(&self, id: &str, path: &str) -> bool {
        self.followed.get(id).is_some_and(|files| files.iter().any(|file| file.path == path))
    }

    fn sources(&self, id: &str) -> Vec<SourceToken> {
        self.followed.get(id).into_iter().flatten().map(|file| file.source).collect()
    }

    /// Forgets a source; its container and path.
    pub(super) fn remove(&mut self, source: SourceToken) -> Option<(String, String)> {
        let (id, at) = self.followed.iter().find_map(|(id, files)| {
            let at = files.iter().position(|file| file.source == source)?;
            Some((id.clone(), at))
        })?;
        let files = self.followed.get_mut(&id)?;
        let path = files.swap_remove(at).path;
        if files.is_empty() {
            self.followed.remove(&id);
        }
        Some((id, path))
    }
}

impl Router {
    /// A container was seen: what its files have to know of it. `ended_before` is what they know.
    pub(super) fn seen_with_files(&mut self, container: &Container, ended_before: Option<bool>) {
        let ended = container.state == State::Exited;
        if ended_before.is_some_and(|before| before != ended) {
            for source in self.files.sources(&container.id) {
                self.put(source, Input::Ended(source, ended));
            }
        }
        // A created one has not got its layers mounted; they lie where they lay.
        if self.files.is_stored(&container.id) {
            for path in self.files.stored.remove(&container.id).unwrap_or_default() {
                match self.files.host.place_of(container, &path) {
                    Ok(place) => self.follow_file(container, &path, place, None, StartAt::Head),
                    Err(refused) => tracing::warn!(
                        container = container.name,
                        path,
                        ?refused,
                        "a file of an earlier run cannot be found"
                    ),
                }
            }
        }
    }

    /// A log that a container writes to a file.
    pub(super) fn found(&mut self, found: FoundFile) {
        let FoundFile { container_id, path, place, file, born_wall_ns } = found;
        // It may have gone meanwhile.
        let Some(container) = self.routes.registry.exactly(&container_id) else { return };
        if self.target_of_files(&container).is_err() {
            return;
        }
        if self.files.policy == FilesPolicy::Discovered {
            let is_new = born_wall_ns >= self.started_wall_ns;
            let start = match self.read_from {
                ReadFrom::Now if is_new => StartAt::Head,
                _ => self.start_of(&container),
            };
            self.follow_file(&container, &path, place, Some(file), start);
        } else {
            tracing::info!(
                container = container.name,
                path,
                "writes a log that is not collected; `collect.files: discovered` collects it"
            );
            self.routes.registry.note_file(&container_id, &path, false);
        }
    }

    fn follow_file(
        &mut self,
        container: &Container,
        path: &str,
        place: Place,
        file: Option<std::fs::File>,
        start: StartAt,
    ) {
        let id = &container.id;
        let Ok(target) = self.target_of_files(container) else { return };
        if self.files.is_followed(id, path) {
            return;
        }
        let of_container = self.files.followed.get(id).map_or(0, Vec::len);
        let all = self.followed.len() + self.files.len();
        if of_container >= FILES_PER_CONTAINER_MAX || all >= SOURCES_MAX {
            tracing::error!(container = container.name, path, "too many files are followed");
            self.routes.registry.note_file(id, path, false);
            return;
        }
        let key = SourceKey::docker_file(id, path);
        let source = self.token(&key);
        let Place { directory, name } = place;
        let follow = Follow {
            source,
            key: key.clone(),
            directory: directory.clone(),
            current: name.clone(),
            format: Format::Text,
            path: path.to_owned(),
            origin: self.origin(container),
            target,
            opened: file.into_iter().map(|file| (name.clone(), file)).collect(),
            record: self.stored.remove(&key),
            start,
            ended: container.state == State::Exited,
        };
        tracing::info!(container = container.name, path, "follows a file");
        self.put(source, Input::Follow(Box::new(follow)));
        self.routes.watcher.follow(source, directory.path().to_owned(), name);
        let file = FileSource { source, path: path.to_owned() };
        self.files.followed.entry(id.clone()).or_default().push(file);
        self.routes.registry.note_file(id, path, true);
    }

    pub(super) fn removed_with_files(&self, id: &str) {
        for source in self.files.sources(id) {
            self.put(source, Input::Removed(source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_files_wait_for_their_container() {
        let host = Host { prefix: "/".into(), data_root: "/d".into(), state_dir: "/s".into() };
        let keys = [
            SourceKey::docker("a"),
            SourceKey::docker_file("a", "/x.log"),
            SourceKey::docker_file("b", "/y:z.log"),
        ];
        let files = FileSources::new(FilesPolicy::Discovered, host.clone(), keys.iter());
        assert_eq!(files.stored["a"], ["/x.log"]);
        assert_eq!(files.stored["b"], ["/y:z.log"]);
        assert!(files.is_stored("a") && !files.is_stored("c"));
        let off = FileSources::new(FilesPolicy::Declared, host, keys.iter());
        assert!(!off.is_stored("a"), "nothing is collected that was collected once");
    }
}
