//! From containers to sources: who is followed, by which worker, under which target.

mod files;

pub(super) use files::found_queue;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::mpsc;

use files::FileSources;

use super::Inboxes;
use crate::checkpoint::{Commit, SourceRecord};
use crate::config::{Config, ReadFrom, Stdout as StdoutPolicy};
use crate::core::limits::SOURCES_MAX;
use crate::core::{LossReason, Now, Origin, SourceKey, SourceToken, matches};
use crate::declare::{self, Stdout};
use crate::decode::Format;
use crate::discover::opens::{FoundFile, Host};
use crate::discover::{Change, Container, Registry, State};
use crate::encode::{Rules, Target, ZoneError, sanitise};
use crate::observe::{Health, Step};
use crate::read::StartAt;
use crate::watch::Watcher;
use crate::worker::{Follow, Input, Loss, LossLabel, WorkerCounters};

/// What the router is connected to.
pub(super) struct Routes {
    pub inboxes: Inboxes,
    pub watcher: Arc<Watcher>,
    pub commits: Sender<Commit>,
    pub counters: WorkerCounters,
    pub health: Arc<Health>,
    pub registry: Registry,
    pub own_container_id: Option<String>,
}

pub(super) struct Router {
    routes: Routes,
    node: String,
    /// Where the host's root is mounted.
    host_prefix: PathBuf,
    target: String,
    rules: Rules,
    stdout: StdoutPolicy,
    labels: Vec<String>,
    read_from: ReadFrom,
    started_wall_ns: i64,
    workers: usize,
    next_token: u32,
    /// From the store, not met yet.
    stored: HashMap<SourceKey, SourceRecord>,
    followed: HashMap<String, Followed>,
    files: FileSources,
    /// Containers that were seen, and whether they had ended then.
    seen: HashMap<String, bool>,
    /// Which source belongs to which container, and its target; for those who ask.
    targets: Targets,
}

/// Container id → target of what is collected from it.
pub(super) type Targets = Arc<Mutex<HashMap<String, String>>>;

#[derive(Debug)]
struct Followed {
    source: SourceToken,
    ended: bool,
    removed: bool,
}

/// The worker of a source. The token carries it, so that nobody has to look it up.
pub(super) fn worker_of(source: SourceToken, workers: usize) -> usize {
    source.0 as usize % workers
}

/// What the host calls the path that we reach below `prefix`.
fn host_path(prefix: &Path, path: &Path) -> String {
    let below = path.strip_prefix(prefix);
    below.map_or(path.to_owned(), |below| Path::new("/").join(below)).display().to_string()
}

/// Logs and counts a declared loss.
pub(super) fn declare(loss: &Loss, counters: &WorkerCounters) {
    let Loss { source, container, file, reason, from, to } = loss;
    let label = LossLabel { reason: reason.as_str(), container: container.clone() };
    counters.losses.get_or_create(&label).inc();
    let to = to.map_or_else(|| "unknown".to_owned(), |to| to.to_string());
    tracing::error!(
        %source, container, file, reason = reason.as_str(), from, to,
        "declared loss: these bytes can no longer be had"
    );
}

/// The commit of a router is nobody's to wait for.
const NO_WORKER: usize = usize::MAX;

/// A worker's queue of commits is short; a source that is forgotten can wait a moment.
const COMMIT_RETRY: Duration = Duration::from_millis(50);

impl Router {
    pub(super) fn new(
        config: &Config,
        node: String,
        routes: Routes,
        host: Host,
        sources: Vec<(SourceKey, SourceRecord)>,
    ) -> Result<Self, ZoneError> {
        let rules = Rules {
            target: config.target.clone(),
            zone: config.target_zone.clone(),
            event_bytes_max: config.event_bytes_max as u32,
            ..Rules::default()
        };
        // Fails here rather than at the first container.
        Target::new(rules.clone())?;
        let keys = sources.iter().map(|(key, _)| key);
        let files = FileSources::new(config.collect.files, host, keys);
        Ok(Self {
            routes,
            node,
            host_prefix: config.docker.host_prefix.clone(),
            target: config.target.clone(),
            rules,
            stdout: config.collect.stdout,
            labels: config.collect.labels.clone(),
            read_from: config.read_from,
            started_wall_ns: Now::read().wall_ns,
            workers: config.workers.get(),
            next_token: 0,
            stored: sources.into_iter().collect(),
            followed: HashMap::new(),
            files,
            seen: HashMap::new(),
            targets: Targets::default(),
        })
    }

    pub(super) fn targets(&self) -> Targets {
        self.targets.clone()
    }

    pub(super) async fn run(
        mut self,
        mut changes: mpsc::Receiver<Change>,
        mut found: mpsc::Receiver<FoundFile>,
        mut gone: mpsc::UnboundedReceiver<SourceToken>,
    ) {
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(Change::Seen { container, opened }) => self.seen(&container, opened),
                    Some(Change::Removed { id }) => self.removed(&id),
                    Some(Change::Listed) => {
                        self.routes.health.reach(Step::Discovered);
                        self.forget_vanished().await;
                    }
                    None => return,
                },
                Some(file) = found.recv() => self.found(file),
                Some(source) = gone.recv() => self.gone(source),
            }
        }
    }

    fn put(&self, source: SourceToken, input: Input) {
        super::put(&self.routes.inboxes, worker_of(source, self.workers), input);
    }

    fn seen(&mut self, container: &Container, opened: Vec<(String, std::fs::File)>) {
        let ended = container.state == State::Exited;
        let ended_before = self.seen.insert(container.id.clone(), ended);
        self.seen_with_files(container, ended_before);
        if let Some(followed) = self.followed.get_mut(&container.id) {
            let source = followed.source;
            let changed = followed.ended != ended && !followed.removed;
            followed.ended = ended;
            if !opened.is_empty() {
                self.put(source, Input::Opened(source, opened));
            }
            if changed {
                self.put(source, Input::Ended(source, ended));
            }
            return;
        }
        let target = match self.target_of(container) {
            Ok(target) => target,
            Err(reason) => {
                self.routes.registry.set_reason(&container.id, Some(reason));
                return;
            }
        };
        let Some(log_path) = &container.log_path else { return };
        let (Some(directory), Some(current)) = (log_path.parent(), log_path.file_name()) else {
            return;
        };
        if self.followed.len() + self.files.len() >= SOURCES_MAX {
            let reason = format!("the limit of {SOURCES_MAX} followed containers is reached");
            tracing::error!(container = container.name, "{reason}");
            self.routes.registry.set_reason(&container.id, Some(reason));
            return;
        }
        self.routes.registry.set_reason(&container.id, None);
        let key = SourceKey::docker(&container.id);
        let source = self.token(&key);
        let follow = Follow {
            source,
            key: key.clone(),
            directory: directory.to_owned().into(),
            current: current.to_string_lossy().into_owned(),
            format: Format::Docker,
            path: host_path(&self.host_prefix, log_path),
            origin: self.origin(container),
            target: target.clone(),
            opened,
            record: self.stored.remove(&key),
            start: self.start_of(container),
            ended,
        };
        let (directory, current) = (directory.to_owned(), follow.current.clone());
        self.put(source, Input::Follow(Box::new(follow)));
        self.routes.watcher.follow(source, directory, current);
        let followed = Followed { source, ended, removed: false };
        self.followed.insert(container.id.clone(), followed);
        self.lock_targets().insert(container.id.clone(), target.rules().target.clone());
    }

    /// The target of a container's stdout, or why there is none.
    fn target_of(&self, container: &Container) -> Result<Arc<Target>, String> {
        if self.stdout == StdoutPolicy::Declared
            && declare::stdout(container) == Stdout::Undeclared
            && !self.is_own(container)
        {
            return Err("it declares no log, and collect.stdout is `declared`".to_owned());
        }
        self.target_of_files(container)
    }

    fn is_own(&self, container: &Container) -> bool {
        self.routes.own_container_id.as_deref() == Some(container.id.as_str())
    }

    /// The target of whatever a container writes, or why there is none.
    fn target_of_files(&self, container: &Container) -> Result<Arc<Target>, String> {
        if self.is_own(container) {
            return Err("it is the agent's own container".to_owned());
        }
        let wanted = match declare::stdout(container) {
            Stdout::OptedOut => return Err("it opted out (sluice.collect=false)".to_owned()),
            Stdout::Undeclared => self.target.clone(),
            Stdout::Declared(name) => name,
        };
        let (name, renamed) = sanitise(&wanted);
        if let Some(renamed) = renamed {
            tracing::warn!(container = container.name, "{renamed}");
        }
        let rules = Rules { target: name, ..self.rules.clone() };
        // The zone was tried at the start.
        Target::new(rules).map(Arc::new).map_err(|error| error.to_string())
    }

    fn origin(&self, container: &Container) -> Origin {
        let chosen = |name: &str| self.labels.iter().any(|pattern| matches(pattern, name));
        Origin {
            container_id: container.id.clone(),
            container_name: container.name.clone(),
            image: container.image.clone(),
            labels: container
                .labels
                .iter()
                .filter(|(name, _)| chosen(name))
                .map(|(name, value)| (name.replace('.', "_"), value.clone()))
                .collect(),
            node: self.node.clone(),
            extra: std::collections::BTreeMap::new(),
        }
    }

    /// Containers that were made after the agent started are read from their head in any case.
    fn start_of(&self, container: &Container) -> StartAt {
        if container.created_wall_ns >= self.started_wall_ns {
            return StartAt::Head;
        }
        match self.read_from {
            ReadFrom::Head => StartAt::Head,
            ReadFrom::Now => StartAt::End,
            ReadFrom::Age(age) => StartAt::Since(self.started_wall_ns - age.as_nanos() as i64),
        }
    }

    /// A new token that carries its worker: the same one for the same key.
    fn token(&mut self, key: &SourceKey) -> SourceToken {
        let workers = self.workers as u32;
        let worker = xxhash_rust::xxh3::xxh3_64(key.as_str().as_bytes()) as u32 % workers;
        self.next_token += 1;
        SourceToken(self.next_token * workers + worker)
    }

    fn removed(&mut self, id: &str) {
        self.seen.remove(id);
        self.removed_with_files(id);
        let Some(followed) = self.followed.get_mut(id) else { return };
        followed.removed = true;
        let source = followed.source;
        self.put(source, Input::Removed(source));
    }

    fn gone(&mut self, source: SourceToken) {
        self.routes.watcher.unfollow(source);
        if let Some((id, path)) = self.files.remove(source) {
            self.routes.registry.forget_file(&id, &path);
            return;
        }
        let id = self.followed.iter().find(|(_, followed)| followed.source == source);
        if let Some(id) = id.map(|(id, _)| id.clone()) {
            self.followed.remove(&id);
            self.lock_targets().remove(&id);
        }
    }

    /// Containers that the store knows and nobody else any more: they were removed while no agent
    /// ran. What was not delivered of them is declared lost.
    async fn forget_vanished(&mut self) {
        if self.stored.is_empty() {
            return;
        }
        let mut puts = Vec::new();
        let mut still_there = HashMap::new();
        for (source, record) in std::mem::take(&mut self.stored) {
            // Known, and not collected now: its positions stay, should it be collected again.
            let (id, path) = source.parts();
            if self.routes.registry.find(id).is_some() {
                still_there.insert(source, record);
                continue;
            }
            if !record.complete {
                let last = record.files.last();
                let from = last.map_or(0, |file| file.frontier);
                let container = if record.container_name.is_empty() {
                    id.to_owned()
                } else {
                    record.container_name
                };
                let loss = Loss {
                    source: source.clone(),
                    container,
                    file: path.map_or_else(|| format!("{id}-json.log"), str::to_owned),
                    reason: LossReason::RemovedWhileAway,
                    from,
                    to: None,
                };
                declare(&loss, &self.routes.counters);
            }
            puts.push((source, None));
        }
        self.stored = still_there;
        let mut commit = Commit { worker: NO_WORKER, sequence: 0, puts };
        while !commit.puts.is_empty() {
            let Err(TrySendError::Full(back)) = self.routes.commits.try_send(commit) else {
                return;
            };
            commit = back;
            tokio::time::sleep(COMMIT_RETRY).await;
        }
    }

    fn lock_targets(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_name_the_path_of_the_host() {
        let check = |prefix: &str, path: &str, expect: &str| {
            assert_eq!(host_path(Path::new(prefix), Path::new(path)), expect);
        };
        check("/", "/var/lib/docker/c/c-json.log", "/var/lib/docker/c/c-json.log");
        check("/host", "/host/var/lib/docker/c/c-json.log", "/var/lib/docker/c/c-json.log");
        check("/host", "/hostile/c-json.log", "/hostile/c-json.log");
    }
}
