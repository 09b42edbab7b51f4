//! From containers to sources: what is followed, by which worker, under which target.

mod books;
mod declared;
mod files;

pub(super) use books::{Row, Shown};
pub(super) use declared::news_queue;
pub(super) use files::found_queue;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::mpsc;

use books::{Books, Followed, Kind};

use super::Inboxes;
use crate::checkpoint::{Commit, Import, SourceRecord};
use crate::config::{Config, Files as FilesPolicy, ReadFrom, Shape, Stdout as StdoutPolicy};
use crate::core::limits::SOURCES_MAX;
use crate::core::{FieldRules, LossReason, Now, Origin, Owner, SourceKey, SourceToken, matches};
use crate::declare::{
    self, Asker, Declaration, Declared, FileNews, Language, LogSource, Problem, ProblemKind,
};
use crate::decode::{Extractor, Format, Joiner};
use crate::discover::opens::{FoundFile, Host};
use crate::discover::{Change, Container, Registry, State};
use crate::encode::{Rules, Target, ZoneError, sanitise};
use crate::observe::{Health, Step};
use crate::read::StartAt;
use crate::watch::Watcher;
use crate::worker::{Follow, Input, Loss, WorkerCounters};

/// What the router is connected to.
pub(super) struct Routes {
    pub inboxes: Inboxes,
    pub watcher: Arc<Watcher>,
    pub commits: Sender<Commit>,
    pub counters: WorkerCounters,
    pub health: Arc<Health>,
    pub registry: Registry,
    pub own_container_id: Option<String>,
    pub asker: Asker,
}

/// A source that is followed no more, and what is kept of it.
pub(super) type Gone = (SourceToken, Option<Box<SourceRecord>>);

/// What comes to the router.
pub(super) struct Queues {
    pub changes: mpsc::Receiver<Change>,
    pub found: mpsc::Receiver<FoundFile>,
    pub declared: mpsc::Receiver<FileNews>,
    pub gone: mpsc::UnboundedReceiver<Gone>,
}

pub(super) struct Router {
    routes: Routes,
    node: String,
    /// Whether documents have log-pilot's names.
    is_pilot: bool,
    /// What log-pilot calls the node, if it was told.
    node_variable: Option<String>,
    /// Where the host's root is mounted.
    host_prefix: PathBuf,
    host: Host,
    language: Language,
    target: String,
    rules: Rules,
    stdout: StdoutPolicy,
    files: FilesPolicy,
    labels: Vec<String>,
    read_from: ReadFrom,
    started_wall_ns: i64,
    workers: usize,
    next_token: u32,
    import: Import,
    /// From the store, not met yet.
    stored: HashMap<SourceKey, SourceRecord>,
    /// Of these the keys, by [family](SourceKey::family) and by container.
    stored_families: BTreeMap<String, Vec<SourceKey>>,
    stored_found: HashMap<String, Vec<SourceKey>>,
    books: Books,
    /// Containers that were seen.
    seen: HashMap<String, SeenContainer>,
    /// Logs on volumes whose container is gone, and since when.
    left: HashMap<SourceToken, tokio::time::Instant>,
}

/// A container as it was seen last.
struct SeenContainer {
    ended: bool,
    state: State,
    declared: Arc<Declared>,
    /// Files of it are looked for, so that more may be told of it when it is gone.
    is_looked_for: bool,
    is_removed: bool,
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
    counters.losses.count(*reason, container);
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

/// How often logs without a container are looked through.
const LEFT_LOOK: Duration = Duration::from_secs(10);

/// Problems of one container's declarations that are logged; all are in `sluice explain`.
const PROBLEMS_LOGGED_MAX: usize = 20;

impl Router {
    pub(super) fn new(
        config: &Config,
        node: String,
        routes: Routes,
        host: Host,
        sources: Vec<(SourceKey, SourceRecord)>,
        import: Import,
    ) -> Result<Self, ZoneError> {
        let rules = Rules {
            target: config.target.clone(),
            zone: config.target_zone.clone(),
            event_bytes_max: config.event_bytes_max as u32,
            ..Rules::default()
        };
        // Fails here rather than at the first container.
        Target::new(rules.clone())?;
        let mut stored_families: BTreeMap<String, Vec<SourceKey>> = BTreeMap::new();
        let mut stored_found: HashMap<String, Vec<SourceKey>> = HashMap::new();
        for (key, _) in &sources {
            let parts = key.parts();
            if let Some(family) = key.family() {
                stored_families.entry(family.to_owned()).or_default().push(key.clone());
            } else if let (Owner::Container(id), Some(_)) = (parts.owner, parts.path) {
                stored_found.entry(id.to_owned()).or_default().push(key.clone());
            }
        }
        Ok(Self {
            routes,
            node,
            is_pilot: config.shape != Shape::Ecs,
            node_variable: std::env::var("NODE_NAME").ok(),
            host_prefix: config.docker.host_prefix.clone(),
            host,
            language: Language::new(config.declare.prefixes.iter().map(String::as_str)),
            target: config.target.clone(),
            rules,
            stdout: config.collect.stdout,
            files: config.collect.files,
            labels: config.collect.labels.clone(),
            read_from: config.read_from,
            started_wall_ns: Now::read().wall_ns,
            workers: config.workers.get(),
            next_token: 0,
            import,
            stored: sources.into_iter().collect(),
            stored_families,
            stored_found,
            books: Books::default(),
            seen: HashMap::new(),
            left: HashMap::new(),
        })
    }

    pub(super) fn shown(&self) -> Shown {
        self.books.shown()
    }

    pub(super) async fn run(mut self, mut queues: Queues) {
        let mut look = tokio::time::interval(LEFT_LOOK);
        loop {
            tokio::select! {
                change = queues.changes.recv() => match change {
                    Some(Change::Seen { container, opened }) => self.seen(&container, opened),
                    Some(Change::Removed { id, described }) => self.removed(&id, described),
                    Some(Change::Listed) => {
                        self.routes.health.reach(Step::Discovered);
                        self.forget_vanished().await;
                    }
                    None => return,
                },
                Some(file) = queues.found.recv() => self.found(file),
                Some(news) = queues.declared.recv() => self.declared_news(news),
                Some((source, record)) = queues.gone.recv() => self.gone(source, record),
                _ = look.tick() => self.look_at_left(),
            }
        }
    }

    fn put(&self, source: SourceToken, input: Input) {
        super::put(&self.routes.inboxes, worker_of(source, self.workers), input);
    }

    fn seen(&mut self, container: &Container, mut opened: Vec<(String, File)>) {
        let ended = container.state == State::Exited;
        let known = self.seen.get(&container.id);
        let ended_before = known.map(|seen| seen.ended);
        let state_before = known.map(|seen| seen.state);
        let is_looked_for = known.is_some_and(|seen| seen.is_looked_for);
        let declared = known.map(|seen| seen.declared.clone());
        let declared = declared.unwrap_or_else(|| {
            let declared = Arc::new(self.read_declarations(container));
            self.books.shown().declares(&container.id, Some(declared.clone()));
            declared
        });
        let seen = SeenContainer {
            ended,
            state: container.state,
            declared: declared.clone(),
            is_looked_for,
            is_removed: false,
        };
        self.seen.insert(container.id.clone(), seen);
        let has_changed = ended_before.is_some_and(|before| before != ended);
        let followed = self.books.of_container(&container.id);
        for source in &followed {
            let Some(entry) = self.books.get(*source) else { continue };
            if entry.removed {
                continue;
            }
            if entry.kind == Kind::Stdout && !opened.is_empty() {
                let files = copies(&mut opened, followed.len());
                self.put(*source, Input::Opened(*source, files));
            }
            if has_changed {
                self.put(*source, Input::Ended(*source, ended));
            }
        }
        let reason = self.refusal(container, &declared).or_else(|| {
            self.seen_files(container, &declared, state_before);
            self.seen_stdout(container, &declared, &mut opened, ended)
        });
        self.routes.registry.set_reason(&container.id, reason);
    }

    fn read_declarations(&self, container: &Container) -> Declared {
        let mut declared = declare::declared(container, &self.language);
        check_patterns(&mut declared);
        for problem in declared.problems.iter().take(PROBLEMS_LOGGED_MAX) {
            match problem.kind {
                ProblemKind::Mistake => tracing::warn!(container = container.name, "{problem}"),
                ProblemKind::Overridden | ProblemKind::Neighbour => {
                    tracing::info!(container = container.name, "{problem}");
                }
            }
        }
        declared
    }

    /// Why nothing at all is collected of a container.
    fn refusal(&self, container: &Container, declared: &Declared) -> Option<String> {
        if self.routes.own_container_id.as_deref() == Some(container.id.as_str()) {
            return Some("it is the agent's own container".to_owned());
        }
        declared.opted_out.then(|| "it opted out (sluice.collect=false)".to_owned())
    }

    /// Follows a container's output under each name that it declares, or says why it does not.
    fn seen_stdout(
        &mut self,
        container: &Container,
        declared: &Declared,
        opened: &mut Vec<(String, File)>,
        ended: bool,
    ) -> Option<String> {
        let logs: Vec<Option<&Declaration>> =
            declared.logs.iter().filter(|log| log.source == LogSource::Stdout).map(Some).collect();
        let logs = match (logs.is_empty(), self.stdout) {
            (true, StdoutPolicy::Declared) => {
                let has_files = !declared.logs.is_empty();
                return (!has_files)
                    .then(|| "it declares no log, and collect.stdout is `declared`".to_owned());
            }
            (true, StdoutPolicy::All) => vec![None],
            (false, _) => logs,
        };
        let log_path = container.log_path.clone()?;
        let (Some(directory), Some(current)) = (log_path.parent(), log_path.file_name()) else {
            return None;
        };
        let current = current.to_string_lossy().into_owned();
        let mut waiting: Vec<(SourceKey, Option<&Declaration>)> = Vec::new();
        for (number, log) in logs.into_iter().enumerate() {
            let key = match log {
                Some(log) if number > 0 => SourceKey::docker_named(&container.id, &log.name),
                _ => SourceKey::docker(&container.id),
            };
            if self.books.by_key(&key).is_none() {
                waiting.push((key, log));
            }
        }
        let many = waiting.len();
        for (key, log) in waiting {
            if self.books.len() >= SOURCES_MAX {
                return Some(too_many(container));
            }
            let target = match self.target_of(container, log) {
                Ok(target) => target,
                Err(reason) => return Some(reason),
            };
            let source = self.token(key.as_str());
            let begin = crate::read::Begin {
                delivered: self.delivered(container, log.map_or("", |log| &log.name), directory),
                ..self.start_of(container).into()
            };
            let follow = Follow {
                source,
                key: key.clone(),
                directory: directory.to_owned().into(),
                current: current.clone(),
                format: Format::Docker,
                path: host_path(&self.host_prefix, &log_path),
                origin: self.origin(container, log),
                target: target.clone(),
                opened: copies(opened, many),
                record: self.stored.remove(&key),
                begin,
                ended,
            };
            self.put(source, Input::Follow(Box::new(follow)));
            self.routes.watcher.follow(source, directory.to_owned(), current.clone());
            self.books.add(
                source,
                Followed::new(key, &container.id, Kind::Stdout),
                Row {
                    container_id: container.id.clone(),
                    log: log.map(|log| log.name.clone()),
                    target: target.rules().target.clone(),
                    path: None,
                },
            );
        }
        None
    }

    /// The target and the rules of a log, declared or not.
    fn target_of(
        &self,
        container: &Container,
        log: Option<&Declaration>,
    ) -> Result<Arc<Target>, String> {
        let wanted = log.map_or(&self.target, |log| log.target.as_ref().unwrap_or(&log.name));
        let (name, renamed) = sanitise(wanted);
        if let Some(renamed) = renamed {
            tracing::warn!(container = container.name, "{renamed}");
        }
        let mut rules = Rules { target: name, ..self.rules.clone() };
        if let Some(log) = log {
            rules.fields = log.fields.clone();
            rules.join.clone_from(&log.join);
        }
        // The zone was tried at the start.
        Target::new(rules).map(Arc::new).map_err(|error| error.to_string())
    }

    fn origin(&self, container: &Container, log: Option<&Declaration>) -> Origin {
        let chosen = |name: &str| self.labels.iter().any(|pattern| matches(pattern, name));
        let mut labels: BTreeMap<String, String> = container
            .labels
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(name, value)| (name.replace('.', "_"), value.clone()))
            .collect();
        let tags = log.map(|log| log.tags.clone()).unwrap_or_default();
        let extra = if self.is_pilot {
            declare::pilot_fields(
                &container.labels,
                self.node_variable.as_deref(),
                log.map_or(&self.target, |log| &log.name),
                log.and_then(|log| log.target.as_deref()),
                &tags,
            )
        } else {
            BTreeMap::new()
        };
        labels.extend(tags);
        Origin {
            container_id: container.id.clone(),
            container_name: container.name.clone(),
            image: container.image.clone(),
            pod: container.pod(),
            labels,
            node: self.node.clone(),
            extra,
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

    /// What another agent has read of a log already: offsets by inode.
    fn delivered(&self, container: &Container, log: &str, directory: &Path) -> Arc<[(u64, u64)]> {
        let directory = host_path(&self.host_prefix, directory);
        let delivered = self.import.delivered(&container.id, log, Path::new(&directory));
        if !delivered.is_empty() {
            tracing::info!(
                container = container.name,
                log,
                files = delivered.len(),
                "goes on where another agent has stopped"
            );
        }
        delivered
    }

    /// A new token that carries its worker: the same one for all of one family.
    fn token(&mut self, family: &str) -> SourceToken {
        let workers = self.workers as u32;
        let worker = xxhash_rust::xxh3::xxh3_64(family.as_bytes()) as u32 % workers;
        self.next_token += 1;
        SourceToken(self.next_token * workers + worker)
    }

    fn removed(&mut self, id: &str, described: bool) {
        let key = SourceKey::docker(id);
        // One that an earlier run knew is judged when all that is there has been listed.
        if !described && !self.stored.contains_key(&key) && !self.stored_found.contains_key(id) {
            let loss = Loss {
                source: key,
                // Each id comes once, so none has a figure of its own.
                container: String::new(),
                file: String::new(),
                reason: LossReason::NeverDescribed,
                from: 0,
                to: None,
            };
            declare(&loss, &self.routes.counters);
        }
        self.books.shown().declares(id, None);
        let sources = self.books.of_container(id);
        let is_stdout =
            |source| self.books.get(source).is_some_and(|other| other.kind == Kind::Stdout);
        // The runtime makes the log at the start, and the end may be here before word of that.
        let has_log = sources.iter().any(|source| is_stdout(*source));
        match self.seen.get_mut(id) {
            Some(seen) if seen.is_looked_for => {
                // It goes when all that was found of it has been told.
                (seen.is_removed, seen.ended) = (true, true);
                self.routes.asker.forget(id, has_log || seen.state != State::Created);
            }
            _ => drop(self.seen.remove(id)),
        }
        for source in sources {
            self.orphan(source);
        }
    }

    /// The container of a source is gone.
    fn orphan(&mut self, source: SourceToken) {
        let Some(followed) = self.books.get_mut(source) else { return };
        followed.removed = true;
        if matches!(followed.key.parts().owner, Owner::Workload(_)) {
            self.left.insert(source, tokio::time::Instant::now());
            self.put(source, Input::Orphaned(source));
        } else {
            self.put(source, Input::Removed(source));
        }
    }

    fn gone(&mut self, source: SourceToken, record: Option<Box<SourceRecord>>) {
        self.routes.watcher.unfollow(source);
        self.left.remove(&source);
        let Some(followed) = self.books.remove(source) else { return };
        let Followed { key, container, kind, .. } = followed;
        // Unless it is followed on another volume now.
        let is_elsewhere = matches!(&kind, Kind::Declared { log, path, .. }
            if self.declared_source(&container, log, path).is_some());
        if let Some(path) = kind.path()
            && !is_elsewhere
        {
            self.routes.registry.forget_file(&container, path);
        }
        if let Kind::Declared { log, path, .. } = &kind
            && !is_elsewhere
        {
            self.routes.asker.released(&container, log, path);
        }
        if let Some(record) = record {
            if let Some(family) = key.family() {
                self.stored_families.entry(family.to_owned()).or_default().push(key.clone());
            }
            self.stored.insert(key, *record);
        }
    }

    /// Containers that the store knows and nobody else any more: they were removed while no agent
    /// ran. What was not delivered of them is declared lost. Logs on volumes are kept for a while.
    async fn forget_vanished(&mut self) {
        if self.stored.is_empty() {
            return;
        }
        let now_s = (Now::read().wall_ns / 1_000_000_000).max(0) as u64;
        let mut puts = Vec::new();
        let mut still_there = HashMap::new();
        for (source, mut record) in std::mem::take(&mut self.stored) {
            let parts = source.parts();
            let is_there = match parts.owner {
                // Known, and not collected now: its positions stay, should it be collected again.
                Owner::Container(id) => self.routes.registry.exactly(id).is_some(),
                Owner::Workload(_) if record.left_s == 0 => {
                    record.left_s = now_s;
                    puts.extend(record.to_bytes().ok().map(|bytes| (source.clone(), Some(bytes))));
                    true
                }
                Owner::Workload(_) => now_s.saturating_sub(record.left_s) < LEFT_KEPT_S,
            };
            if is_there {
                still_there.insert(source, record);
                continue;
            }
            if !record.complete {
                let last = record.files.last();
                let from = last.map_or(0, |file| file.frontier);
                let (Owner::Container(owner) | Owner::Workload(owner)) = parts.owner;
                let container = if record.container_name.is_empty() {
                    owner.to_owned()
                } else {
                    record.container_name
                };
                let file = parts.path.map_or_else(|| format!("{owner}-json.log"), str::to_owned);
                let loss = Loss {
                    source: source.clone(),
                    container,
                    file,
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
}

/// A month: what is on a volume may be taken up again by a workload that was away.
const LEFT_KEPT_S: u64 = 30 * 86_400;

/// A pattern that cannot be used harms nothing but itself: the log is collected line by line, as it
/// stands.
fn check_patterns(declared: &mut Declared) {
    for log in &mut declared.logs {
        let mut problem = |what: String, mend: &str| {
            declared.problems.push(Problem {
                kind: ProblemKind::Mistake,
                written: log.written.clone(),
                name: Some(log.name.clone()),
                what,
                mend: mend.to_owned(),
            });
        };
        if let Err(error) = Extractor::new(&log.fields) {
            problem(format!("its format cannot be used: {error}"), "its lines stay as they are");
            log.fields = FieldRules::default();
        }
        if let Some(Err(error)) = log.join.as_ref().map(Joiner::check) {
            problem(format!("its lines cannot be joined: {error}"), "each line is sent by itself");
            log.join = None;
        }
    }
}

fn too_many(container: &Container) -> String {
    let reason = format!("the limit of {SOURCES_MAX} followed logs is reached");
    tracing::error!(container = container.name, "{reason}");
    reason
}

/// The open files for one of several logs of the same bytes; the last one takes them.
fn copies(opened: &mut Vec<(String, File)>, wanted: usize) -> Vec<(String, File)> {
    if wanted <= 1 {
        return std::mem::take(opened);
    }
    let copy = |(name, file): &(String, File)| Some((name.clone(), file.try_clone().ok()?));
    opened.iter().filter_map(copy).collect()
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
