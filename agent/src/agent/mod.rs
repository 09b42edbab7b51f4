//! takes: a checked configuration
//! gives: a running agent
//! owns:  which thread runs what, start and end
//! never: decides anything of a line's way
//!
//! Threads: the workers, the watcher, the committer, and one tokio runtime for everything that
//! waits on others. Between them only bounded queues, on which nobody blocks.

mod explain;
mod output;
mod pulse;
mod router;
mod tap;
mod view;

pub use output::elasticsearch as elasticsearch_settings;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::thread::CapabilitySet;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::checkpoint::{
    Committer, CommitterCounters, Import, LockError, SourceRecord, StateLock, Store, StoreError,
};
use crate::config::{self, Config};
use crate::core::SourceKey;
use crate::declare::Finder;
use crate::discover::opens::{FoundFn, Host, LOOK_INTERVAL, Opens, OpensSettings};
use crate::discover::{self, Discovery, DockerSettings};
use crate::encode::{Codec, Shape};
use crate::observe::control::{Asked, SocketError};
use crate::observe::http::{HttpState, ListenError};
use crate::observe::metrics::Rooms;
use crate::observe::{self, Health, Step, log};
use crate::read::{Pool, ReadSettings};
use crate::ship::ShipHandle;
use crate::sys::{OF_ADMINISTRATION, OF_PROGRAMS, PrivilegedThread, drop_capabilities};
use crate::watch::{self, Listeners, WatchError, WatchSettings, Watcher};
use crate::worker::{Inbox, Input, Output, WorkerCounters, WorkerSettings, WorkerThread};
use router::{Queues, Router, Routes};

/// How long a new agent waits for the old one to let go of the state directory: a rollout starts
/// the new one first.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// How often positions are written although nothing waits for it.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// Threads of the runtime. It only waits and passes on, and what blocks has threads of its own; a
/// second one would have to be woken for each step of a request, which costs more than the step.
const RUNTIME_THREADS: usize = 1;

/// How often the end looks whether the workers have ended.
const END_LOOK: Duration = Duration::from_millis(5);

/// Why the agent could not start, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Target(#[from] crate::encode::ZoneError),
    #[error("cannot tell the node's name; give it with `node`, or in the variable NODE_NAME")]
    NoNode,
    #[error(transparent)]
    Output(#[from] crate::ship::elasticsearch::StartError),
    /// A closed pipe behind the console.
    #[error("the output has ended: {0}")]
    OutputEnded(String),
    #[error("cannot start a thread: {0}; check the limit of processes (`ulimit -u`)")]
    Thread(#[from] std::io::Error),
}

/// Threads that keep capabilities which all others do without, so they are made first.
#[derive(Debug)]
pub struct Threads {
    /// The only one that can load programs into the kernel, and change their maps.
    watch: PrivilegedThread,
    /// Keeps `CAP_SYS_ADMIN` for fanotify.
    opens: PrivilegedThread,
    undropped: Option<std::io::Error>,
}

impl Threads {
    /// To be called before there is any other thread.
    pub fn first() -> std::io::Result<Self> {
        let watch = PrivilegedThread::spawn("watch", CapabilitySet::empty())?;
        let opens = PrivilegedThread::spawn("opens", OF_PROGRAMS)?;
        let undropped = drop_capabilities(OF_PROGRAMS | OF_ADMINISTRATION).err();
        Ok(Self { watch, opens, undropped })
    }
}

/// Runs the agent until a signal ends it.
pub fn run(config: &Config, log: &log::LogGuard, threads: Threads) -> Result<(), StartError> {
    if let Some(error) = &threads.undropped {
        tracing::warn!(%error, "all threads keep CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN");
    }
    raise_descriptors();
    let _lock = StateLock::acquire(&config.state_dir, LOCK_PATIENCE, |holder| {
        tracing::warn!(
            "another agent{holder} holds the state directory; waiting up to {} s for it to end",
            LOCK_PATIENCE.as_secs()
        );
    })?;
    let opened = Store::open(&config.state_dir)?;
    if let Some((aside, reason)) = &opened.moved_aside {
        tracing::error!(
            reason, moved_to = %aside.display(),
            "the store was damaged; going on from the heads of the logs, which the ids absorb"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .thread_name("sluice-wait")
        .enable_all()
        .build()?;
    let end = runtime.block_on(async {
        let running = Running::start(config, opened.store, opened.sources, log, threads).await?;
        running.until_the_end(config).await
    });
    // What is still asked of a server or a disk is not waited for: it is not acknowledged.
    runtime.shutdown_background();
    end
}

/// Every followed log is held open, and shells and runtimes hand out 1024 descriptors: takes what
/// the hard limit gives.
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}

struct Running {
    discovery: Arc<Discovery>,
    /// Ends before the router does.
    opens: Option<Opens>,
    /// Ends before the router does, too.
    finder: Finder,
    watcher: Arc<Watcher>,
    workers: Vec<WorkerThread>,
    committer: Committer,
    ship: ShipHandle,
    router: tokio::task::JoinHandle<()>,
    stop: tokio::sync::watch::Sender<bool>,
    signals: Signals,
}

/// Registered before anything runs, so that none ends the process midway.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn register() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl Running {
    async fn start(
        config: &Config,
        store: Store,
        sources: Vec<(SourceKey, SourceRecord)>,
        log: &log::LogGuard,
        threads: Threads,
    ) -> Result<Self, StartError> {
        let signals = Signals::register()?;
        let http = match config.http_listen {
            Some(address) => Some(observe::http::bind(address).await?),
            None => None,
        };
        let control = observe::control::bind(&config.state_dir)?;
        let docker = docker_settings(&config.docker);
        let node =
            discover::node_name(&docker, config.node.as_deref()).await.ok_or(StartError::NoNode)?;
        let health = Arc::new(Health::default());
        health.reach(Step::StoreOpen);

        let counters = WorkerCounters::default();
        let commit_counters = CommitterCounters::default();
        let inboxes: Arc<std::sync::OnceLock<Vec<Inbox>>> = Arc::default();
        let ship = output::start(config, receipts(&inboxes))?;
        let committer = Committer::start(
            store,
            config.workers.get(),
            commit_counters.clone(),
            committed(&inboxes),
        )?;
        let (gone, gone_queue) = mpsc::unbounded_channel();
        let (news, declared_files) = router::news_queue();
        let (watcher, sightings) = start_watcher(threads.watch, config, &docker, &inboxes)?;
        let workers = start_workers(config, &counters, &ship, &committer, &watcher, &gone)?;
        let started = workers.iter().map(|worker| worker.inbox().clone()).collect();
        assert!(inboxes.set(started).is_ok(), "the workers are started once");
        take_pulses(&workers, &health);

        let (changes, changed) = mpsc::channel(CHANGES_MAX);
        let links = discover::Links { sightings, changes, watcher: watcher.clone() };
        let host = host(config);
        let discovery = Arc::new(Discovery::start(docker, links));
        let finder = Finder::start(host.clone(), discovery.counters().clone(), news)?;
        let routes = Routes {
            inboxes: inboxes.clone(),
            watcher: watcher.clone(),
            commits: committer.sender(),
            counters: counters.clone(),
            health: health.clone(),
            registry: discovery.registry().clone(),
            own_container_id: discovery.own_container_id(),
            asker: finder.asker(),
        };
        let import = import();
        let router = Router::new(config, node.clone(), routes, host.clone(), sources, import)?;
        let explain = explain::explain(&router, &inboxes, &discovery, &watcher, finder.reports());
        let tap = tap::tap(&router, &inboxes, &discovery);
        let snapshot = view::snapshot(node, config, &router, &inboxes, &discovery, &ship, &watcher);
        let (found, found_files) = router::found_queue();
        let opens = start_opens(threads.opens, config, host, &discovery, found)?;
        let queues = Queues {
            changes: changed,
            found: found_files,
            declared: declared_files,
            gone: gone_queue,
        };
        let router = tokio::spawn(router.run(queues));

        let mut registry = observe::metrics::registry();
        observe::metrics::register(
            &mut registry,
            &Rooms {
                discover: discovery.counters(),
                watch: watcher.counters(),
                worker: &counters,
                ship: ship.counters(),
                checkpoint: &commit_counters,
                log: log.counters(),
            },
        );
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let wait = |mut stopped: tokio::sync::watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let asked = Asked { snapshot: snapshot.clone(), explain, tap, health: health.clone() };
        tokio::spawn(control.serve(asked, wait(stopped.clone())));
        if let Some(listener) = http {
            let state = HttpState { registry: Arc::new(registry), health, snapshot };
            tokio::spawn(observe::http::serve(listener, state, wait(stopped)));
        }
        tracing::info!(version = observe::VERSION, "sluice is running");
        Ok(Self {
            discovery,
            opens,
            finder,
            watcher,
            workers,
            committer,
            ship,
            router,
            stop,
            signals,
        })
    }

    async fn until_the_end(mut self, config: &Config) -> Result<(), StartError> {
        let broken = loop {
            tokio::select! {
                _ = self.signals.terminate.recv() => break None,
                _ = self.signals.interrupt.recv() => break None,
                _ = self.signals.hang_up.recv() => {
                    self.watcher.climb();
                    tracing::info!(
                        "better ways to watch files are tried again; files of credentials and \
                         certificates are read again when they change; anything else of the \
                         configuration needs a restart, which loses nothing"
                    );
                }
                () = self.ship.ended() => break self.ship.health().ended,
            }
        };
        let until = Instant::now() + config.shutdown_timeout;
        tracing::info!("ending: what was read is delivered first");
        self.drain(until).await;
        match broken {
            Some(reason) => Err(StartError::OutputEnded(reason)),
            None => Ok(()),
        }
    }

    /// Sends what was read, waits for its receipts and writes the positions; at the deadline it
    /// ends as it is, which costs a resend and nothing else.
    async fn drain(mut self, until: Instant) {
        // It may be in the middle of a look, which nobody waits for now.
        drop((self.opens.take(), self.finder));
        self.router.abort();
        let _ = (&mut self.router).await;
        for worker in &self.workers {
            worker.inbox().put(Input::Drain);
        }
        let left = || until.saturating_duration_since(Instant::now());
        while !self.workers.iter().all(WorkerThread::is_finished) && !left().is_zero() {
            tokio::select! {
                () = tokio::time::sleep(END_LOOK) => {}
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.interrupt.recv() => break,
            }
        }
        let in_time = self.workers.iter().all(WorkerThread::is_finished);
        self.stop.send_replace(true);
        if in_time {
            self.ship.drain(left()).await;
            self.workers.into_iter().for_each(WorkerThread::join);
            tracing::info!("everything that was read is delivered");
        } else {
            tracing::warn!(
                "ending with batches that are not acknowledged; they are read again at the next \
                 start"
            );
            // Their threads hold the committer's queue; the process ends under them, and the
            // store is a transaction's length away from what it says.
            std::mem::forget(self.committer);
            return;
        }
        drop((self.watcher, self.discovery));
        self.committer.finish();
    }
}

/// Where log-pilot's programs keep their positions, in its images.
pub const FLUENTD_POSITIONS: &str = "/pilot/pos";
pub const FILEBEAT_REGISTRY: &str = "/var/lib/filebeat/registry";

/// Where log-pilot stopped, if it ran here before. A log that has a position of our own is gone on
/// with from there.
fn import() -> Import {
    let (import, errors) = Import::read(Path::new(FLUENTD_POSITIONS), Path::new(FILEBEAT_REGISTRY));
    for error in errors {
        tracing::warn!("{error}");
    }
    import
}

/// Where files of containers are looked for.
pub fn host(config: &Config) -> Host {
    let docker = docker_settings(&config.docker);
    let containers = discover::containers_dir(&docker);
    Host {
        prefix: docker.host_prefix,
        data_root: containers.parent().unwrap_or(&containers).to_owned(),
        state_dir: config.state_dir.clone(),
    }
}

fn start_opens(
    thread: PrivilegedThread,
    config: &Config,
    host: Host,
    discovery: &Discovery,
    found: FoundFn,
) -> std::io::Result<Option<Opens>> {
    if config.collect.files == config::Files::Off {
        return Ok(None);
    }
    let settings = OpensSettings {
        host,
        deny: config.collect.files_deny.clone(),
        own_container_id: discovery.own_container_id(),
        look_interval: LOOK_INTERVAL,
        hints: true,
    };
    let (registry, counters) = (discovery.registry().clone(), discovery.counters().clone());
    Opens::start(thread, settings, registry, counters, found).map(Some)
}

fn take_pulses(workers: &[WorkerThread], health: &Health) {
    for (number, worker) in workers.iter().enumerate() {
        let heartbeat = health.heartbeat(format!("worker {number}"), pulse::SILENCE_MAX);
        let inbox = worker.inbox().clone();
        let ask = move |reply| inbox.put(Input::Positions(reply));
        tokio::spawn(pulse::pulse(heartbeat, pulse::EVERY, ask));
    }
}

/// Changes that may wait for the router.
const CHANGES_MAX: usize = 1_024;

type Inboxes = Arc<std::sync::OnceLock<Vec<Inbox>>>;

fn put(inboxes: &Inboxes, worker: usize, input: Input) {
    // Nothing is sent or committed before the workers stand.
    if let Some(inbox) = inboxes.get().and_then(|inboxes| inboxes.get(worker)) {
        inbox.put(input);
    }
}

fn receipts(inboxes: &Inboxes) -> crate::ship::Receipts {
    let inboxes = inboxes.clone();
    Arc::new(move |worker, receipt| put(&inboxes, worker, Input::Receipt(receipt)))
}

fn committed(inboxes: &Inboxes) -> Arc<dyn Fn(usize, u64) + Send + Sync> {
    let inboxes = inboxes.clone();
    Arc::new(move |worker, sequence| put(&inboxes, worker, Input::Committed(sequence)))
}

/// What discovery is told of the engine.
pub fn docker_settings(docker: &config::Docker) -> DockerSettings {
    DockerSettings {
        socket: docker.socket.clone(),
        root: docker.root.clone(),
        host_prefix: docker.host_prefix.clone(),
        ..DockerSettings::default()
    }
}

fn start_watcher(
    thread: PrivilegedThread,
    config: &Config,
    docker: &DockerSettings,
    inboxes: &Inboxes,
) -> Result<(Arc<Watcher>, mpsc::Receiver<watch::Sighting>), StartError> {
    let (sighted, sightings) = discover::sighting_queue();
    let settings = WatchSettings {
        roots: vec![discover::containers_dir(docker)],
        highest: config.watch.rung,
        prove_in: Some(config.state_dir.clone()),
        require_kernel: config.watch.require_kernel,
        ..WatchSettings::default()
    };
    let inboxes = inboxes.clone();
    let listeners = Listeners {
        news: Arc::new(move |news: watch::News| {
            if let Some(all) = inboxes.get() {
                all[router::worker_of(news.source, all.len())].put(Input::News(news));
            }
        }),
        // What finds the queue full is dropped, and the next listing finds what can be found.
        sighting: Arc::new(move |sighting| sighted.try_send(sighting).is_ok()),
    };
    Ok((Arc::new(Watcher::start(thread, settings, listeners)?), sightings))
}

fn start_workers(
    config: &Config,
    counters: &WorkerCounters,
    ship: &ShipHandle,
    committer: &Committer,
    watcher: &Arc<Watcher>,
    gone: &mpsc::UnboundedSender<router::Gone>,
) -> Result<Vec<WorkerThread>, StartError> {
    let pool = Pool::default();
    let start = |index| {
        let settings = WorkerSettings {
            index,
            shape: match config.shape {
                config::Shape::Ecs => Shape::Ecs,
                config::Shape::Pilot => Shape::Pilot,
                config::Shape::PilotStrict => Shape::PilotStrict,
            },
            codec: match config.compression.codec {
                config::Codec::Sluice => Codec::Sluice,
                config::Codec::Stored => Codec::Stored,
                config::Codec::ZlibRs => {
                    Codec::ZlibRs { level: u32::from(config.compression.level) }
                }
            },
            batch_bytes: config.batch.bytes,
            flush_interval: config.batch.flush_interval,
            partial_timeout: config.partial_timeout,
            commit_interval: COMMIT_INTERVAL,
        };
        let (ship, commits, gone) = (ship.clone(), committer.sender(), gone.clone());
        let (losses, seen) = (counters.clone(), watcher.clone());
        let outputs = move |output| match output {
            Output::Send(batch) => ship.send(batch),
            Output::Commit(commit) => {
                let sent = commits.try_send(commit);
                assert!(sent.is_ok(), "a worker has one commit under way");
            }
            Output::Lost(loss) => router::declare(&loss, &losses),
            // The router ends before the workers do.
            Output::Gone(source, record) => drop(gone.send((source, record))),
        };
        let seen = move |source| seen.seen(source);
        let read = ReadSettings::default();
        WorkerThread::start(settings, read, pool.clone(), counters.clone(), seen, outputs)
    };
    Ok((0..config.workers.get()).map(start).collect::<Result<_, _>>()?)
}
