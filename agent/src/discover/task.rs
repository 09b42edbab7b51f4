//! The task that keeps the books: hears everyone, says what changed.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, sleep_until};

use crate::watch::{Sighting, Watcher};

use super::api::Word;
use super::books::{Books, JSON_FILE, Report, reconcile};
use super::describe::from_files;
use super::directory::{self, Lister};
use super::paths::Root;
use super::{Change, Container, Counters, DescribeError, Registry};

/// Looks at a description that could not be parsed before the next listing has to do. Old engines
/// write in place, which takes a few milliseconds.
const SECOND_LOOKS: u32 = 5;

const SECOND_LOOK_WAIT: Duration = Duration::from_millis(20);

/// Containers that the API has yet to be asked about by us; beyond it the next list does.
pub(super) const WANTED_MAX: usize = 1_024;

pub(super) struct Task {
    pub(super) books: Books,
    pub(super) registry: Registry,
    pub(super) counters: Counters,
    pub(super) changes: mpsc::Sender<Change>,
    pub(super) watcher: Arc<Watcher>,
    /// `None` without a socket.
    pub(super) wanted: Option<mpsc::Sender<String>>,
    /// Second looks come back here.
    pub(super) looks: mpsc::Sender<Report>,
    /// Named once as not collected.
    pub(super) warned: HashSet<String>,
    pub(super) lister: Option<Lister>,
    /// A root came while a listing was under way.
    pub(super) list_again: bool,
    pub(super) first: FirstList,
    pub(super) unreadable_reported: bool,
}

/// What is still waited for before everything that was there at the start has been told. Whoever
/// hears it takes what was not told for deleted, so in doubt it is not said.
#[derive(Debug)]
pub(super) struct FirstList {
    /// The directories have been listed, all that are known, and one of them could be read.
    pub(super) directories: bool,
    pub(super) engine: Engine,
    /// Until then an engine that does not answer is waited for.
    pub(super) patience: Instant,
    pub(super) told: bool,
}

/// The engine's part in the first list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// There is no socket.
    None,
    /// It is still coming up, as it does when a node boots, and may yet name another data root.
    Awaited,
    /// It named these; some may be told only when it has described them.
    Listed(Vec<String>),
}

impl FirstList {
    pub(super) fn new(engine: Engine, patience: Duration) -> Self {
        let patience = Instant::now() + patience;
        Self { directories: false, engine, patience, told: false }
    }

    fn is_whole(&self, books: &Books) -> bool {
        match &self.engine {
            Engine::None => self.directories,
            Engine::Awaited => self.directories && Instant::now() >= self.patience,
            // Where the directories are not visible, its word has to do.
            Engine::Listed(ids) => ids.iter().all(|id| books.is_settled(id)),
        }
    }
}

/// Whom the task hears.
pub(super) struct Ears {
    pub(super) sightings: mpsc::Receiver<Sighting>,
    pub(super) words: mpsc::Receiver<Word>,
    pub(super) looks: mpsc::Receiver<Report>,
    pub(super) directory_interval: Duration,
}

/// Containers' directories that are listed in a second: 5 µs each, so 0.15 % of a core, and with
/// more than 3 000 the listings are further apart. What comes and goes is told by the watcher.
const LISTED_PER_SECOND_MAX: f64 = 300.0;

type Listing = JoinHandle<(Lister, Report)>;

/// The agent no longer listens.
struct Ended;

impl Task {
    pub(super) async fn run(mut self, mut ears: Ears) {
        let mut listing: Option<Listing> = None;
        let mut list_at = Instant::now();
        loop {
            let heard = tokio::select! {
                // What the watcher holds open comes first.
                biased;
                Some(sighting) = ears.sightings.recv() => self.sighted(sighting).await,
                Some(report) = ears.looks.recv() => self.enter(report).await,
                Some(word) = ears.words.recv() => self.word(word, &mut listing).await,
                listed = finished(&mut listing) => {
                    listing = None;
                    match listed {
                        Some((lister, report)) => {
                            self.listed(lister, report, &mut listing).await
                        }
                        None => Ok(()),
                    }
                }
                () = sleep_until(list_at) => {
                    let many = self.books.len() as f64 / LISTED_PER_SECOND_MAX;
                    let interval = ears.directory_interval.max(Duration::from_secs_f64(many));
                    list_at = Instant::now() + interval;
                    self.list(&mut listing);
                    Ok(())
                }
            };
            if heard.is_err() || self.tell_first_list().await.is_err() {
                return;
            }
            self.counters.containers.set(self.books.len() as i64);
        }
    }

    async fn tell_first_list(&mut self) -> Result<(), Ended> {
        if self.first.told || self.lister.is_none() || !self.first.is_whole(&self.books) {
            return Ok(());
        }
        self.first.told = true;
        self.changes.send(Change::Listed).await.map_err(|_| Ended)
    }

    /// Enters a directory listing that has ended.
    async fn listed(
        &mut self,
        lister: Lister,
        report: Report,
        listing: &mut Option<Listing>,
    ) -> Result<(), Ended> {
        self.lister = Some(lister);
        let readable = matches!(&report, Report::Directory { roots, .. } if !roots.is_empty());
        if !readable && !std::mem::replace(&mut self.unreadable_reported, true) {
            let roots: Vec<_> = self.books.roots.iter().map(|root| root.ours.display()).collect();
            tracing::warn!(?roots, "no containers directory can be read: looking again and again");
        }
        self.unreadable_reported = !readable;
        self.enter(report).await?;
        if std::mem::take(&mut self.list_again) {
            self.list(listing);
        } else {
            self.first.directories |= readable;
        }
        Ok(())
    }

    /// Begins a listing unless one is under way.
    fn list(&mut self, listing: &mut Option<Listing>) {
        if listing.is_some() {
            return;
        }
        // A listing that panicked took its memory along.
        let mut lister = self.lister.take().unwrap_or_else(|| Lister::new(self.counters.clone()));
        let (roots, began) = (self.books.roots.clone(), self.books.clock.tick());
        *listing = Some(spawn_blocking(move || {
            let report = lister.list(&roots, began);
            (lister, report)
        }));
    }

    async fn sighted(&mut self, sighting: Sighting) -> Result<(), Ended> {
        let Sighting { id, dir, gone, met, config, host_config, opened, has_log } = sighting;
        if gone {
            self.enter(Report::Gone { id: id.clone(), met, may_have_log: has_log }).await?;
            if self.books.waits_for_api(&id)
                && let Some(wanted) = &self.wanted
            {
                // Full or not: the list comes anyway.
                let _ = wanted.try_send(id);
            }
            return Ok(());
        }
        let parsed = config.map(|config| from_files(&id, &config, host_config.as_deref()));
        let view = match parsed {
            Some(Ok(view)) => Some(Box::new(view)),
            Some(Err(error)) => {
                self.look_again(&error, &id, &dir);
                None
            }
            None => None,
        };
        self.enter(Report::Sighted { id, dir, view, opened, has_log }).await
    }

    /// A description that was read while it was written.
    fn look_again(&self, error: &DescribeError, id: &str, dir: &Path) {
        tracing::debug!(%error, "looking again");
        self.counters.config_unreadable.inc();
        let (id, dir, looks) = (id.to_owned(), dir.to_owned(), self.looks.clone());
        tokio::spawn(async move {
            for _ in 0..SECOND_LOOKS {
                sleep(SECOND_LOOK_WAIT).await;
                let (asked, path) = (id.clone(), dir.clone());
                let read = spawn_blocking(move || directory::read(&asked, &path)).await;
                if let Ok(Ok(view)) = read {
                    if view.is_some() {
                        let opened = Vec::new();
                        let report = Report::Sighted { id, dir, view, opened, has_log: false };
                        // Fails only when discovery has ended.
                        let _ = looks.send(report).await;
                    }
                    return;
                }
            }
        });
    }

    async fn word(&mut self, word: Word, listing: &mut Option<Listing>) -> Result<(), Ended> {
        match word {
            Word::Engine { data_root } => {
                if let Some(data_root) = data_root {
                    self.use_root(&data_root, listing);
                }
                Ok(())
            }
            Word::Listed { began, ids } => {
                if self.first.engine == Engine::Awaited {
                    self.first.engine = Engine::Listed(ids.clone());
                }
                self.enter(Report::Listed { began, ids }).await
            }
            Word::Inspected { began, id, view } => {
                self.enter(Report::Inspected { began, id, view }).await
            }
            Word::Away => self.enter(Report::ApiAway).await,
        }
    }

    /// The engine says where its data lie.
    fn use_root(&mut self, data_root: &Path, listing: &mut Option<Listing>) {
        let root = Root::of(&self.books.prefix, data_root);
        if self.books.roots.contains(&root) {
            return;
        }
        let is_new = self.books.roots.iter().all(|known| known.ours != root.ours);
        if is_new {
            tracing::info!(root = %root.host.display(), "the engine's containers directory");
            if !root.ours.is_dir() {
                tracing::warn!(
                    host = %root.host.display(),
                    path = %root.ours.display(),
                    "the engine's containers directory is not visible to the agent: mount it"
                );
            }
            self.watcher.add_root(&root.ours);
        }
        // Also when only its name is new: log paths are written with it.
        self.books.roots.push(root);
        self.first.directories = false;
        self.list_again = listing.is_some();
        self.list(listing);
    }

    async fn enter(&mut self, report: Report) -> Result<(), Ended> {
        for change in reconcile(&mut self.books, report) {
            match &change {
                Change::Seen { container, .. } => {
                    let reason = not_collected(container);
                    if let Some(reason) = &reason
                        && self.warned.insert(container.id.clone())
                    {
                        tracing::warn!(
                            container = %container.name, id = %container.id, reason, "not collected"
                        );
                    }
                    self.registry.put(container.clone(), reason);
                }
                Change::Removed { id, .. } => {
                    self.warned.remove(id);
                    self.registry.remove(id);
                }
                Change::Listed => {}
            }
            self.changes.send(change).await.map_err(|_| Ended)?;
        }
        for dir in self.books.take_missing() {
            self.watcher.missing(&dir);
        }
        Ok(())
    }
}

/// Why discovery gives no log of it, whatever the caller wants.
fn not_collected(container: &Container) -> Option<String> {
    let driver = container.log_driver.as_str();
    (!driver.is_empty() && driver != JSON_FILE)
        .then(|| format!("log driver {driver} keeps no json-file log"))
}

/// Never ready while there is none; `None` for one that panicked.
async fn finished(listing: &mut Option<Listing>) -> Option<(Lister, Report)> {
    match listing {
        Some(listing) => listing.await.ok(),
        None => std::future::pending().await,
    }
}
