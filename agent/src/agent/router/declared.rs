//! Files that containers declare: who has them, and what is gone on with.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::books::{Followed, Kind, Row};
use super::{Router, declare};
use crate::config::Files as FilesPolicy;
use crate::core::limits::SOURCES_MAX;
use crate::core::{LossReason, Owner, SourceKey, SourceToken};
use crate::declare::{
    Declaration, Declared, DeclaredFile, FileNews, LogSource, Missed, NewsFn, Wanted,
};
use crate::decode::Format;
use crate::discover::opens::Place;
use crate::discover::{Container, State};
use crate::read::{Begin, FileId, StartAt};
use crate::worker::{Follow, Input, Loss, Takeover};

use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Duration, Instant};

/// A log on a volume whose container is gone waits this long for the next one, open as it is.
const LEFT_OPEN: Duration = Duration::from_mins(1);

/// News that may wait for the router; more come again with the next look.
const NEWS_MAX: usize = 1_024;

/// The queue from the thread that looks for declared files to the router.
pub(in crate::agent) fn news_queue() -> (NewsFn, mpsc::Receiver<FileNews>) {
    let (sender, receiver) = mpsc::channel(NEWS_MAX);
    (Arc::new(move |news| sender.try_send(news).map_err(TrySendError::into_inner)), receiver)
}

impl Router {
    /// Has a container's files looked for, and goes on with those of an earlier run.
    pub(super) fn seen_files(
        &mut self,
        container: &Container,
        declared: &Arc<Declared>,
        state_before: Option<State>,
    ) {
        if self.files == FilesPolicy::Off {
            return;
        }
        self.follow_stored_found(container);
        let wanted: Vec<Wanted> = declared
            .logs
            .iter()
            .filter_map(|log| match &log.source {
                LogSource::Stdout => None,
                LogSource::Files(patterns) => {
                    Some(Wanted { log: log.name.clone(), patterns: patterns.clone() })
                }
            })
            .collect();
        if wanted.is_empty() {
            return;
        }
        let known: Vec<DeclaredFile> =
            wanted.iter().flat_map(|log| self.follow_stored(container, &log.log)).collect();
        if state_before != Some(container.state) {
            self.routes.asker.want(container, wanted);
            if let Some(seen) = self.seen.get_mut(&container.id) {
                seen.is_looked_for = true;
            }
        }
        for file in known {
            self.routes.asker.known(file);
        }
    }

    /// Follows the files that the store knows of one log, so that none of them is taken for new
    /// under another name.
    fn follow_stored(&mut self, container: &Container, log: &str) -> Vec<DeclaredFile> {
        let own = SourceKey::family_of(Owner::Container(&container.id), log);
        let (begin, end) = SourceKey::families_of_workload(&container.workload(), log);
        let on_volumes = self.stored_families.range(begin.clone()..);
        let on_volumes = on_volumes.map(|(family, _)| family);
        let families: Vec<String> = on_volumes
            .take_while(|family| family.starts_with(&begin))
            .filter(|family| family.ends_with(&end))
            .cloned()
            .chain([own])
            .collect();
        let mut known = Vec::new();
        let keys: Vec<SourceKey> = families
            .iter()
            .flat_map(|family| self.stored_families.remove(family).unwrap_or_default())
            .collect();
        for key in keys {
            let Some(path) = key.parts().path.map(str::to_owned) else { continue };
            let volume = volume_in(&key);
            let there = self.host.volume_of(container, Path::new(&path));
            if volume.is_some() && there.is_some() && there != volume {
                // Another one is mounted there now; where this one is, a look finds its files.
                continue;
            }
            let place = match self.host.place_of(container, &path) {
                Ok(Place { directory, name }) => Place {
                    directory: match there {
                        Some(there) => directory.only_of(there),
                        None => directory,
                    },
                    name,
                },
                Err(refused) => {
                    tracing::warn!(
                        container = container.name,
                        path,
                        ?refused,
                        "a file of an earlier run cannot be found"
                    );
                    continue;
                }
            };
            let file = DeclaredFile {
                container_id: container.id.clone(),
                log: log.to_owned(),
                path,
                place,
                volume,
                with_rotated: true,
            };
            self.follow_declared(container, file.clone(), None);
            known.push(file);
        }
        known
    }

    pub(super) fn declared_news(&mut self, news: FileNews) {
        match news {
            FileNews::Found { file, opened, container } => {
                // As it is now, or as it was.
                let now = self.routes.registry.exactly(&file.container_id);
                self.follow_declared(now.as_ref().unwrap_or(&container), *file, opened);
            }
            FileNews::Forgotten { container, missed } => {
                self.seen.remove(&container.id);
                for missed in &missed {
                    self.declare_missed(&container, missed);
                }
            }
            FileNews::Vanished { container_id, log, path } => {
                let Some(source) = self.declared_source(&container_id, &log, &path) else {
                    return self.routes.asker.released(&container_id, &log, &path);
                };
                self.end(source);
            }
        }
    }

    /// Its file is gone: what is open of it is read to its end.
    fn end(&mut self, source: SourceToken) {
        if let Some(followed) = self.books.get_mut(source) {
            followed.removed = true;
        }
        self.put(source, Input::Removed(source));
    }

    /// What is followed as this path of a container's log, rather than what only is read to its end.
    pub(super) fn declared_source(
        &self,
        container_id: &str,
        log: &str,
        path: &str,
    ) -> Option<SourceToken> {
        let followed = self.books.of_container(container_id).into_iter().filter_map(|source| {
            let followed = self.books.get(source)?;
            let is_it = matches!(&followed.kind, Kind::Declared { log: of, path: at, .. }
                if *of == log && *at == path);
            is_it.then_some((source, followed.removed))
        });
        followed.min_by_key(|(_, is_ending)| *is_ending).map(|(source, _)| source)
    }

    /// A log that was deleted with its container before it was found.
    fn declare_missed(&self, container: &Container, missed: &Missed) {
        let Missed { log, path } = missed;
        let loss = Loss {
            source: SourceKey::declared(Owner::Container(&container.id), log, path),
            container: container.name.clone(),
            file: path.clone(),
            reason: LossReason::DeletedBeforeOpen,
            from: 0,
            to: None,
        };
        declare(&loss, &self.routes.counters);
    }

    fn follow_declared(&mut self, container: &Container, file: DeclaredFile, opened: Option<File>) {
        let Some(seen) = self.seen.get(&container.id) else { return };
        let declared = seen.declared.clone();
        let is_removed = seen.is_removed;
        let Some(log) = declared.logs.iter().find(|log| log.name == file.log) else { return };
        let target = match self.target_of(container, Some(log)) {
            Ok(target) => target,
            Err(reason) => {
                tracing::error!(container = container.name, path = file.path, "{reason}");
                return;
            }
        };
        let row = Row {
            container_id: container.id.clone(),
            log: Some(log.name.clone()),
            target: target.rules().target.clone(),
            path: Some(file.path.clone()),
        };
        let Some(key) = self.key_of(container, &file) else {
            if container.state != State::Exited {
                // It is told again, and perhaps the other one has ended by then.
                self.routes.asker.released(&container.id, &file.log, &file.path);
            }
            return;
        };
        if let Some(source) = self.books.by_key(&key) {
            if !is_removed {
                self.take_over(container, log, source, file, target, row);
            }
            return;
        }
        if self.books.len() >= SOURCES_MAX {
            super::too_many(container);
            return self.routes.asker.released(&container.id, &file.log, &file.path);
        }
        if let Some(before) = self.declared_source(&container.id, &file.log, &file.path) {
            // On a volume that another one has the place of.
            self.end(before);
        }
        let source = self.token(key.family().unwrap_or(key.as_str()));
        let start = self.start_of(container);
        let begin = Begin {
            current: start,
            rotated: if file.with_rotated { start } else { StartAt::End },
            delivered: self.delivered(container, &log.name, file.place.directory.path()),
            fresh_ns: Some(self.started_wall_ns),
        };
        let follow = Follow {
            source,
            key: key.clone(),
            directory: file.place.directory.clone(),
            current: file.place.name.clone(),
            format: Format::Text,
            path: file.path.clone(),
            origin: self.origin(container, Some(log)),
            target,
            opened: opened.map(|opened| (file.place.name.clone(), opened)).into_iter().collect(),
            record: self.stored.remove(&key),
            begin,
            ended: container.state == State::Exited,
        };
        tracing::info!(
            container = container.name,
            log = log.name,
            path = file.path,
            "follows a file"
        );
        self.put(source, Input::Follow(Box::new(follow)));
        let directory = file.place.directory.path().to_owned();
        self.routes.watcher.follow(source, directory, file.place.name.clone());
        self.routes.registry.note_file(&container.id, &file.path, true);
        let (log, path) = (file.log.clone(), file.path.clone());
        let kind = Kind::Declared { log, path, file: Box::new(file) };
        self.books.add(source, Followed::new(key, &container.id, kind), row);
        if is_removed {
            self.orphan(source);
        }
    }

    /// What is on a volume belongs to the workload, and anything else to the container. `None` if the
    /// file is another container's now, and that one runs, or this one does not.
    fn key_of(&self, container: &Container, file: &DeclaredFile) -> Option<SourceKey> {
        let Some(volume) = file.volume else {
            let owner = Owner::Container(&container.id);
            return Some(SourceKey::declared(owner, &file.log, &file.path));
        };
        let workload = owner_on(container, volume);
        let key = SourceKey::declared(Owner::Workload(&workload), &file.log, &file.path);
        let other = self.books.by_key(&key).and_then(|source| self.books.get(source));
        let Some(other) = other.filter(|other| other.container != container.id) else {
            return Some(key);
        };
        let other_runs = self.seen.get(&other.container).is_some_and(|seen| !seen.ended);
        (container.state == State::Running && !other_runs).then_some(key)
    }

    /// The file is followed already: for this container, or for one that was before it.
    fn take_over(
        &mut self,
        container: &Container,
        log: &Declaration,
        source: SourceToken,
        file: DeclaredFile,
        target: Arc<crate::encode::Target>,
        row: Row,
    ) {
        let Some(followed) = self.books.get(source) else { return };
        let is_same = followed.container == container.id
            && matches!(&followed.kind, Kind::Declared { file: known, .. }
                if known.place == file.place);
        // One that is on its way out comes again once it has gone.
        if is_same || followed.removed && !self.left.contains_key(&source) {
            return;
        }
        let before = followed.container.clone();
        self.left.remove(&source);
        let takeover = Takeover {
            source,
            directory: file.place.directory.clone(),
            current: file.place.name.clone(),
            origin: self.origin(container, Some(log)),
            target,
            ended: container.state == State::Exited,
        };
        tracing::info!(
            container = container.name,
            log = log.name,
            path = file.path,
            "goes on with a file of the container before"
        );
        self.routes.watcher.unfollow(source);
        self.put(source, Input::Taken(Box::new(takeover)));
        let directory = file.place.directory.path().to_owned();
        self.routes.watcher.follow(source, directory, file.place.name.clone());
        if before != container.id {
            self.routes.registry.forget_file(&before, &file.path);
        }
        self.routes.registry.note_file(&container.id, &file.path, true);
        let (log, path) = (file.log.clone(), file.path.clone());
        let kind = Kind::Declared { log, path, file: Box::new(file) };
        self.books.give_to(source, &container.id, kind, row);
    }

    /// Logs on volumes that no other container has taken go to the store.
    pub(super) fn look_at_left(&mut self) {
        let now = Instant::now();
        let over: Vec<SourceToken> = self
            .left
            .iter()
            .filter(|(_, since)| now.duration_since(**since) >= LEFT_OPEN)
            .map(|(source, _)| *source)
            .collect();
        for source in over {
            self.left.remove(&source);
            self.put(source, Input::Left(source));
        }
    }
}

/// Whose the files of a container on one of its volumes are.
fn owner_on(container: &Container, volume: FileId) -> String {
    let FileId { inode, birth_ns } = volume;
    format!("{}@{inode:x}.{birth_ns:x}", container.workload())
}

/// The volume in such an owner.
fn volume_in(key: &SourceKey) -> Option<FileId> {
    let Owner::Workload(owner) = key.parts().owner else { return None };
    let (inode, birth) = owner.rsplit_once('@')?.1.split_once('.')?;
    let inode = u64::from_str_radix(inode, 16).ok()?;
    let birth_ns = u64::from_str_radix(birth, 16).ok()?.cast_signed();
    Some(FileId { inode, birth_ns })
}
