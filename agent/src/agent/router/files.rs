//! Files that were found without a declaration: while they are written, or known from an earlier
//! run.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Router;
use super::books::{Followed, Kind, Row};
use crate::config::{Files as FilesPolicy, ReadFrom};
use crate::core::SourceKey;
use crate::core::limits::SOURCES_MAX;
use crate::declare::{Declared, LogSource};
use crate::decode::Format;
use crate::discover::opens::{FILES_PER_CONTAINER_MAX, FoundFile, FoundFn, Place};
use crate::discover::{Container, State};
use crate::read::StartAt;
use crate::worker::{Follow, Input};

/// Files that may wait for the router; more come again with the next look.
const FOUND_MAX: usize = 256;

/// The queue from the thread that finds files to the router.
pub(in crate::agent) fn found_queue() -> (FoundFn, mpsc::Receiver<FoundFile>) {
    let (sender, receiver) = mpsc::channel(FOUND_MAX);
    (Arc::new(move |found| sender.try_send(found).is_ok()), receiver)
}

impl Router {
    /// Goes on with what an earlier run found.
    pub(super) fn follow_stored_found(&mut self, container: &Container) {
        // A created container has not got its layers mounted; they lie where they lay.
        if self.files != FilesPolicy::Discovered {
            return;
        }
        for key in self.stored_found.remove(&container.id).unwrap_or_default() {
            let Some(path) = key.parts().path else { continue };
            match self.host.place_of(container, path) {
                Ok(place) => self.follow_found(container, path, place, None, StartAt::Head),
                Err(refused) => tracing::warn!(
                    container = container.name,
                    path,
                    ?refused,
                    "a file of an earlier run cannot be found"
                ),
            }
        }
    }

    /// A log that a container writes to a file.
    pub(super) fn found(&mut self, found: FoundFile) {
        let FoundFile { container_id, path, place, file, born_wall_ns } = found;
        // It may have gone meanwhile.
        let Some(container) = self.routes.registry.exactly(&container_id) else { return };
        let Some(seen) = self.seen.get(&container_id) else { return };
        let declared = seen.declared.clone();
        if self.refusal(&container, &declared).is_some() || is_declared(&declared, &path) {
            return;
        }
        if self.files == FilesPolicy::Discovered {
            let is_new = born_wall_ns >= self.started_wall_ns;
            let start = match self.read_from {
                ReadFrom::Now if is_new => StartAt::Head,
                _ => self.start_of(&container),
            };
            self.follow_found(&container, &path, place, Some(file), start);
        } else {
            tracing::info!(
                container = container.name,
                path,
                "writes a log that is not collected; declare it, or `collect.files: discovered` \
                 collects it"
            );
            self.routes.registry.note_file(&container_id, &path, false);
        }
    }

    fn follow_found(
        &mut self,
        container: &Container,
        path: &str,
        place: Place,
        file: Option<File>,
        start: StartAt,
    ) {
        let id = &container.id;
        let key = SourceKey::docker_file(id, path);
        if self.books.by_key(&key).is_some() {
            return;
        }
        let Some(seen) = self.seen.get(id) else { return };
        let declared = seen.declared.clone();
        // It goes where the container's output goes.
        let log = declared.logs.iter().find(|log| log.source == LogSource::Stdout);
        let Ok(target) = self.target_of(container, log) else { return };
        let is_found = |source| {
            self.books.get(source).is_some_and(|other| matches!(other.kind, Kind::Found { .. }))
        };
        let of_container =
            self.books.of_container(id).into_iter().filter(|source| is_found(*source)).count();
        if of_container >= FILES_PER_CONTAINER_MAX || self.books.len() >= SOURCES_MAX {
            tracing::error!(container = container.name, path, "too many files are followed");
            self.routes.registry.note_file(id, path, false);
            return;
        }
        let source = self.token(key.as_str());
        let Place { directory, name } = place;
        let follow = Follow {
            source,
            key: key.clone(),
            directory: directory.clone(),
            current: name.clone(),
            format: Format::Text,
            path: path.to_owned(),
            origin: self.origin(container, log),
            target: target.clone(),
            opened: file.into_iter().map(|file| (name.clone(), file)).collect(),
            record: self.stored.remove(&key),
            begin: start.into(),
            ended: container.state == State::Exited,
        };
        tracing::info!(container = container.name, path, "follows a file");
        self.put(source, Input::Follow(Box::new(follow)));
        self.routes.watcher.follow(source, directory.path().to_owned(), name);
        let row = Row {
            container_id: id.clone(),
            log: None,
            target: target.rules().target.clone(),
            path: Some(path.to_owned()),
        };
        let kind = Kind::Found { path: path.to_owned() };
        self.books.add(source, Followed::new(key, id, kind), row);
        self.routes.registry.note_file(id, path, true);
    }
}

/// Whether a declaration means this file, so that it is not for those that find.
fn is_declared(declared: &Declared, path: &str) -> bool {
    declared.logs.iter().any(|log| match &log.source {
        LogSource::Stdout => false,
        LogSource::Files(patterns) => {
            patterns.iter().any(|pattern| pattern.matches(Path::new(path)))
        }
    })
}
