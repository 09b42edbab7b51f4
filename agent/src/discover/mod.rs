//! takes: the runtime's API, its directories, sightings of the watcher
//! gives: containers, and their end
//! owns:  the container registry
//! never: trusts an event stream: events are hints, list-and-reconcile is the truth

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::core::Pod;
use crate::watch::{Sighting, Watcher};

use api::Api;
use books::{Books, Clock};
use describe::DescribeError;
use own::Own;
use paths::Root;
use task::{Ears, Engine, FirstList, Task, WANTED_MAX};

mod api;
mod books;
mod counters;
mod describe;
mod directory;
#[cfg(test)]
mod fixture;
pub mod opens;
mod own;
mod paths;
mod probe;
mod registry;
mod task;
#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use own::node_name;
pub use paths::containers_dir;
pub use probe::probe;
pub use registry::{Listed, Registry};

/// One container, as far as anything here needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// 64 hex digits.
    pub id: String,
    /// Without the leading slash; empty if its metadata was gone before anyone could read it.
    pub name: String,
    /// As the user wrote it.
    pub image: String,
    /// `NAME=value` pairs in the runtime's order.
    pub env: Vec<(String, String)>,
    pub labels: BTreeMap<String, String>,
    /// `json-file`, `local`, `journald`, `none`, …
    pub log_driver: String,
    pub log_options: BTreeMap<String, String>,
    /// The current log file as the agent can open it (host prefix applied); `None` until the
    /// container has been started, or for a driver without files.
    pub log_path: Option<PathBuf>,
    /// Nanoseconds since the Unix epoch.
    pub created_wall_ns: i64,
    pub state: State,
    /// Has a terminal: one stream, `\r\n`.
    pub tty: bool,
    /// What of the host is mounted in it, by destination.
    pub mounts: Vec<Mount>,
}

impl Container {
    /// What outlives it: the pod and the name in it, the service of a compose project and the
    /// number of the container, or its name.
    pub fn workload(&self) -> String {
        if let Some(Pod { uid, container, .. }) = self.pod() {
            return format!("pod/{uid}/{container}");
        }
        let label = |name: &str| self.label(name);
        let service = label("com.docker.compose.project").zip(label("com.docker.compose.service"));
        if let Some((project, service)) = service {
            let number = label("com.docker.compose.container-number").map_or("1", String::as_str);
            return format!("compose/{project}/{service}/{number}");
        }
        format!("name/{}", self.name)
    }

    /// `None` for one that no kubelet started.
    pub fn pod(&self) -> Option<Pod> {
        let label = |name: &str| self.label(name).cloned();
        Some(Pod {
            uid: label("io.kubernetes.pod.uid")?,
            container: label("io.kubernetes.container.name")?,
            namespace: label("io.kubernetes.pod.namespace").unwrap_or_default(),
            name: label("io.kubernetes.pod.name").unwrap_or_default(),
        })
    }

    /// One that says something.
    fn label(&self, name: &str) -> Option<&String> {
        self.labels.get(name).filter(|value| !value.is_empty())
    }
}

/// A part of the host's file system that a container has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mount {
    /// In the container.
    pub destination: PathBuf,
    pub source: MountSource,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MountSource {
    /// A volume that the engine keeps below its data root, by name.
    Volume(String),
    /// As the host names it.
    Path(PathBuf),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    #[default]
    Created,
    Running,
    /// Its log is complete: the runtime closes it before it says so.
    Exited,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
        }
    }
}

/// What discovery tells the agent.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every change is of the large kind")]
pub enum Change {
    /// New, or something of it changed (name, state, log path), or files of it were opened.
    Seen {
        container: Container,
        /// Log files that the watcher opened the moment they appeared, by their name then. They
        /// may be deleted or renamed by now; the descriptor is what counts.
        opened: Vec<(String, File)>,
    },
    /// Everything that was there at the start has been told: a container that is not known now
    /// is gone. Not said while nobody could be asked (no directory readable, no engine).
    Listed,
    /// Its directory and log are deleted, by the runtime's word as well as on disk.
    Removed {
        id: String,
        /// Not if it came and went before anybody could read what it is.
        described: bool,
    },
}

#[derive(Clone, Debug)]
pub struct DockerSettings {
    /// The engine's socket as the agent can open it; `None` reads the directories only.
    pub socket: Option<PathBuf>,
    /// The engine's data root as the *host* names it (`/var/lib/docker`).
    pub root: PathBuf,
    /// Where the host's file system stands for the agent: `/`, or `/host` in a container.
    pub host_prefix: PathBuf,
    /// How often everything is listed from the API although no event asked for it.
    pub relist_interval: Duration,
    /// How often the containers directory is listed although no signal asked for it.
    pub directory_interval: Duration,
    /// How long [`Change::Listed`] waits for an engine that does not answer when the agent
    /// starts: at boot it may come up later, and only it knows of another data root.
    pub engine_patience: Duration,
}

impl Default for DockerSettings {
    fn default() -> Self {
        Self {
            socket: Some("/var/run/docker.sock".into()),
            root: "/var/lib/docker".into(),
            host_prefix: "/".into(),
            relist_interval: Duration::from_mins(1),
            directory_interval: Duration::from_secs(10),
            engine_patience: Duration::from_mins(1),
        }
    }
}

/// What discovery is connected to.
pub struct Links {
    /// From [`sighting_queue`].
    pub sightings: mpsc::Receiver<Sighting>,
    pub changes: mpsc::Sender<Change>,
    /// Is told of each containers directory that the runtime turns out to use, and asked about
    /// what a listing does not find.
    pub watcher: Arc<Watcher>,
}

/// The queue from the watcher's thread to discovery.
pub fn sighting_queue() -> (mpsc::Sender<Sighting>, mpsc::Receiver<Sighting>) {
    mpsc::channel(SIGHTINGS_MAX)
}

/// Sightings that may wait for discovery. A burst of a thousand starting containers gives a few
/// each; beyond it the watcher drops them and the next listing finds what can still be found.
pub const SIGHTINGS_MAX: usize = 8_192;

/// Discovery of one Docker engine, running as tasks of the tokio runtime.
pub struct Discovery {
    registry: Registry,
    counters: Counters,
    own: Own,
    tasks: Vec<JoinHandle<()>>,
}

impl Discovery {
    /// Must be called inside a tokio runtime. The first containers of the directory come before
    /// any answer of the API.
    pub fn start(settings: DockerSettings, links: Links) -> Self {
        let (registry, counters) = (Registry::default(), Counters::default());
        let clock = Clock::default();
        let root = Root::of(&settings.host_prefix, &settings.root);
        let books = Books::new(clock.clone(), vec![root], settings.host_prefix);
        let (words_sender, words) = mpsc::channel(WORDS_MAX);
        let (looks_sender, looks) = mpsc::channel(WORDS_MAX);
        let mut tasks = Vec::new();
        let engine = if settings.socket.is_some() { Engine::Awaited } else { Engine::None };
        let first = FirstList::new(engine, settings.engine_patience);
        let wanted = settings.socket.map(|socket| {
            let (sender, wanted) = mpsc::channel(WANTED_MAX);
            let api = Api {
                socket,
                relist_interval: settings.relist_interval,
                words: words_sender,
                wanted,
                clock,
                counters: counters.clone(),
            };
            tasks.push(tokio::spawn(api.run()));
            sender
        });
        let task = Task {
            books,
            registry: registry.clone(),
            counters: counters.clone(),
            changes: links.changes,
            watcher: links.watcher,
            wanted,
            looks: looks_sender,
            warned: HashSet::new(),
            lister: None,
            list_again: false,
            first,
            unreadable_reported: false,
        };
        let ears = Ears {
            sightings: links.sightings,
            words,
            looks,
            directory_interval: settings.directory_interval,
        };
        tasks.push(tokio::spawn(task.run(ears)));
        Self { registry, counters, own: Own::detect(), tasks }
    }

    /// The list for `sluice containers`.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The id of the container that this agent runs in, if it runs in one. Where only its host
    /// name shows which, it is known once that container was seen.
    pub fn own_container_id(&self) -> Option<String> {
        let by_name = || self.registry.find(self.own.prefix.as_deref()?).map(|found| found.id);
        self.own.id.clone().or_else(by_name)
    }

    /// True for the container that this agent runs in.
    pub fn is_own(&self, id: &str) -> bool {
        self.own.is(id)
    }

    /// Ends the tasks. What they were told and had not passed on is found again at the next start.
    pub async fn stop(self) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            // Cancelled is what was asked for.
            let _ = task.await;
        }
    }
}

/// Answers of the API that may wait to be entered; with it full the API's task waits.
const WORDS_MAX: usize = 256;
