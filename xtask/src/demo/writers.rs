//! Threads that write as Docker's json-file driver does, each a container.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use sluice_bench::load::{Clock, ContainerDir, ContainerSpec, Kind, Ledger, LineSource, Stream};

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) seconds: u64,
    /// Lines a second in all.
    pub(super) rate: u64,
}

/// The containers of a demo and what share of the lines each writes, in per cent.
pub(super) const CAST: &[Role] = &[
    Role { name: "shop-web", kind: Kind::Access, word: "access", share: 45 },
    Role { name: "shop-orders", kind: Kind::Java, word: "java", share: 30 },
    Role { name: "shop-payment", kind: Kind::Json, word: "json", share: 20 },
    Role { name: "shop-search", kind: Kind::Stack, word: "stack", share: 4 },
    Role { name: "shop-i18n", kind: Kind::MultiByte, word: "multi-byte", share: 1 },
];

pub(super) struct Role {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The kind on the load generator's command line.
    pub(super) word: &'static str,
    share: u64,
}

impl Role {
    /// Lines a second.
    pub(super) fn rate(&self, load: &Load) -> u64 {
        (load.rate * self.share / 100).max(1)
    }

    pub(super) fn lines(&self, load: &Load) -> u64 {
        self.rate(load) * load.seconds
    }
}

/// Rotation happens in every demo of more than a few seconds: it is half of the task.
pub(super) const LOG_OPTIONS: &[(&str, &str)] = &[("max-size", "10m"), ("max-file", "3")];

/// Lines are written in bursts of this rhythm.
const BEAT: Duration = Duration::from_millis(10);
const SEED: u64 = 20_261_125;

#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) lines: u64,
    /// Of the lines as the applications wrote them.
    pub(super) bytes: u64,
    pub(super) is_all: bool,
}

#[derive(Default)]
struct Counters {
    lines: AtomicU64,
    bytes: AtomicU64,
}

pub(super) struct Writers {
    root: PathBuf,
    counters: Arc<Counters>,
    threads: Vec<JoinHandle<Result<Ledger>>>,
}

impl Writers {
    /// `root`: the engine's data root to be.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let containers = root.join("containers");
        std::fs::create_dir_all(&containers)
            .with_context(|| format!("cannot make {}", containers.display()))?;
        Ok(Self { root: root.to_owned(), counters: Arc::default(), threads: Vec::new() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn write(&mut self, load: &Load) -> Result<()> {
        for role in CAST {
            let mut spec = ContainerSpec::new(role.name).image("shop/demo:1");
            for (option, value) in LOG_OPTIONS {
                spec = spec.log_option(option, value);
            }
            let container = ContainerDir::create(&self.root, spec)?;
            let (load, counters) = (*load, Arc::clone(&self.counters));
            let thread = std::thread::Builder::new()
                .name(role.name.to_owned())
                .spawn(move || play(role, &load, &container, &counters))
                .context("cannot start a thread")?;
            self.threads.push(thread);
        }
        Ok(())
    }

    pub(super) fn progress(&self) -> Progress {
        // Before the counters are read: what is finished then is counted.
        let is_all = self.threads.iter().all(JoinHandle::is_finished);
        Progress {
            lines: self.counters.lines.load(Ordering::Relaxed),
            bytes: self.counters.bytes.load(Ordering::Relaxed),
            is_all,
        }
    }

    /// Waits for the writers.
    pub(super) fn ledger(&mut self) -> Result<Ledger> {
        let mut ledger = Ledger::default();
        for thread in self.threads.drain(..) {
            let written = thread.join().map_err(|_| anyhow!("a writer panicked"))??;
            ledger.merge(&written);
        }
        Ok(ledger)
    }
}

fn play(role: &Role, load: &Load, container: &ContainerDir, counters: &Counters) -> Result<Ledger> {
    let mut source = LineSource::new(role.name, role.kind, SEED);
    let mut log = container.writer(Clock::System)?;
    let (rate, lines) = (role.rate(load), role.lines(load));
    let start = Instant::now();
    let mut written = 0;
    while written < lines {
        let due = (start.elapsed().as_secs_f64() * rate as f64) as u64;
        let mut bytes = 0;
        let burst = due.min(lines).saturating_sub(written);
        for number in 0..burst {
            // One line in sixteen is an error's.
            let stream = if number % 16 == 15 { Stream::Stderr } else { Stream::Stdout };
            let line = source.next_line();
            bytes += line.len() as u64 + 1;
            log.write_line(stream, line)?;
        }
        written += burst;
        counters.lines.fetch_add(burst, Ordering::Relaxed);
        counters.bytes.fetch_add(bytes, Ordering::Relaxed);
        std::thread::sleep(BEAT);
    }
    log.finish()?;
    let mut ledger = Ledger::default();
    ledger.set(role.name, source.written());
    Ok(ledger)
}
