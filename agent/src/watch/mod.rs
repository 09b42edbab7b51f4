//! takes: the directories of followed logs
//! gives: "has news", and first sightings of new containers
//! owns:  the ladder of rungs (the kernel watcher, inotify), the sweep
//! never: decides correctness: a sweep finds what no signal announced, and counts it

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, unbounded};
use rustix::event::{EventfdFlags, eventfd};

use crate::core::SourceToken;
use crate::sys::PrivilegedThread;

use announce::Announcer;
use run::{Command, Loop};
use rung::Log;
use standing::Standings;

mod announce;
mod counters;
mod inotify;
mod ladder;
mod mounts;
mod open;
mod probe;
mod roots;
mod run;
mod rung;
mod slots;
mod standing;
mod sweep;
#[cfg(test)]
mod tests;

pub use counters::{Counters, MissedLabel, RungLabel};
pub(crate) use open::{CONFIG_NAME, HOST_CONFIG_NAME, is_container_id, read_description};
pub use probe::probe;
pub use rung::RungName;
pub use standing::Standing;

/// A source has news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    pub source: SourceToken,
    /// A name in the directory came, went or changed: look at the directory, not only at the
    /// open file.
    pub names: bool,
    /// What [`Watcher::seen`] says when the news is taken.
    pub begun: Begun,
}

/// Current files of a log that were made since it is followed, as far as it was seen. A worker
/// that has found fewer has missed some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    pub files: u32,
    /// Nanoseconds since the Unix epoch; 0 while nobody counts.
    pub since_wall_ns: i64,
}

/// What the watcher saw of a container's directory before anyone asked.
///
/// Files are read and opened at once: a container that removes itself (`--rm`) is gone within
/// milliseconds of its end, and only a descriptor that was opened earlier can still be drained.
#[derive(Debug)]
pub struct Sighting {
    /// 64 hex digits.
    pub id: String,
    pub dir: PathBuf,
    /// The directory is not there.
    pub gone: bool,
    /// It has been.
    pub met: bool,
    /// `config.v2.json` and `hostconfig.json` as they were at this moment, if they could be read.
    pub config: Option<Vec<u8>>,
    pub host_config: Option<Vec<u8>>,
    /// Log files that appeared, open for reading, by their name at this moment.
    pub opened: Vec<(String, File)>,
    /// A log file has appeared, though it may have been gone before it could be opened. Of a
    /// directory that is gone: one may have, while nobody could hear of it.
    pub has_log: bool,
}

pub type NewsFn = Arc<dyn Fn(News) + Send + Sync>;
/// Whether there was room for it.
pub type SightingFn = Arc<dyn Fn(Sighting) -> bool + Send + Sync>;

/// Whom the watcher calls, on its own thread: neither may block.
#[derive(Clone)]
pub struct Listeners {
    pub news: NewsFn,
    pub sighting: SightingFn,
}

#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// Containers directories (`<docker root>/containers`), resolved, as the agent can open them.
    pub roots: Vec<PathBuf>,
    /// How often the floor looks at each followed file; stretched when there are very many.
    pub sweep_interval: Duration,
    /// How often the names below the roots are compared with what is watched.
    pub rescan_interval: Duration,
    /// While something is written, the kernel's queue of writes is drained once per this time. The
    /// first write after a quiet time, and names that come and go, are told at once.
    pub busy_tick: Duration,
    /// The best rung that is tried.
    pub highest: RungName,
    /// A directory of ours, in which the kernel watcher has to prove itself.
    pub prove_in: Option<PathBuf>,
    /// Not to start without a kernel watcher.
    pub require_kernel: bool,
}

impl Default for WatchSettings {
    fn default() -> Self {
        Self {
            roots: Vec::new(),
            sweep_interval: Duration::from_secs(2),
            rescan_interval: Duration::from_secs(5),
            // A wake-up of the watcher and one of a worker are 0.1 ms of processor in a virtual
            // machine; 10 a second are 0.1 % of a core.
            busy_tick: Duration::from_millis(100),
            highest: RungName::Fexit,
            prove_in: None,
            require_kernel: false,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No inotify instance and no way to wait: `fs.inotify.max_user_instances` or descriptors.
    #[error("cannot set up the watcher: {0}")]
    Setup(#[source] io::Error),
    #[error(
        "`watch.require` is `ebpf`, and the kernel watcher cannot be had: {why}; see `sluice doctor`"
    )]
    Required { why: String },
    #[error("the watcher's thread has ended")]
    Ended,
}

/// The one watcher thread. Shared as `Arc<Watcher>`; it ends with [`Watcher::stop`] or when the
/// last share is dropped.
pub struct Watcher {
    announcer: Arc<Announcer>,
    counters: Counters,
    standings: Standings,
    /// `None` once it was told to end.
    commands: Option<Sender<Command>>,
    bell: Arc<OwnedFd>,
    thread: Option<PrivilegedThread>,
}

impl Watcher {
    /// Returns when the roots are watched and the kernel watcher was tried.
    pub fn start(
        thread: PrivilegedThread,
        settings: WatchSettings,
        listeners: Listeners,
    ) -> Result<Self, WatchError> {
        let counters = Counters::default();
        let standings = Standings::default();
        let announcer = Arc::new(Announcer::new(Arc::clone(&listeners.news), counters.clone()));
        // A follow and an unfollow per source; room for all of them at once would be 8 MiB for good.
        let (commands, receiver) = unbounded();
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = Arc::new(eventfd(0, flags).map_err(|errno| WatchError::Setup(errno.into()))?);
        let mut watch = Loop::new(
            settings,
            listeners,
            Arc::clone(&announcer),
            receiver,
            counters.clone(),
            standings.clone(),
        );
        let (started, start) = bounded(1);
        let rung = Arc::clone(&bell);
        thread.run(move || {
            let result = watch.start();
            let ok = result.is_ok();
            let _ = started.send(result);
            if ok {
                watch.run(&rung);
            }
        });
        start.recv().map_err(|_| WatchError::Ended)??;
        let (commands, thread) = (Some(commands), Some(thread));
        Ok(Self { announcer, counters, standings, commands, bell, thread })
    }

    /// Watches a further containers directory.
    pub fn add_root(&self, root: &Path) {
        self.send(Command::AddRoot(root.to_owned()));
    }

    /// A container's directory `dir` seems to be gone. When all that was signalled before has been
    /// told, a last sighting says that it is, and whether it has ever been there.
    pub fn missing(&self, dir: &Path) {
        self.send(Command::Missing(dir.to_owned()));
    }

    /// From now on, changes of `current_name*` in `dir` are news of `source`. The first news
    /// comes at once: what was written before nobody announced.
    ///
    /// May wait for the watcher when very many commands are queued; never called by a listener.
    pub fn follow(&self, source: SourceToken, dir: PathBuf, current_name: String) {
        self.send(Command::Follow(Log { source, dir, current_name }));
    }

    pub fn unfollow(&self, source: SourceToken) {
        self.send(Command::Unfollow(source));
    }

    /// The worker has taken the news of `source` and looks now: to be called *before* it reads,
    /// so that what comes later is announced again.
    pub fn seen(&self, source: SourceToken) -> Begun {
        self.announcer.seen(source)
    }

    /// Tries the better rungs now, and forgets what was held against a mount.
    pub fn climb(&self) {
        self.send(Command::Climb);
    }

    /// The rung of a followed source.
    pub fn rung(&self, source: SourceToken) -> Option<RungName> {
        self.announcer.rung(source)
    }

    /// On which rung each mount's logs stand, and why on no better one.
    pub fn standings(&self) -> Vec<Standing> {
        self.standings.all()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Ends the thread and waits for it.
    pub fn stop(mut self) {
        self.end();
    }

    fn send(&self, command: Command) {
        if let Some(commands) = &self.commands
            && commands.send(command).is_ok()
        {
            self.ring();
        }
    }

    fn ring(&self) {
        // A full counter has rung already.
        let _ = rustix::io::write(&*self.bell, &1_u64.to_ne_bytes());
    }

    fn end(&mut self) {
        self.commands = None;
        self.ring();
        if let Some(thread) = self.thread.take() {
            thread.join();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.end();
    }
}
