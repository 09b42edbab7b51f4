//! Containers that write at a pace of their own, from threads of the test.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sluice_bench::load::{
    Clock, ContainerDir, ContainerSpec, JsonFileWriter, Kind, Ledger, LineSource, Stream,
};
use sluice_bench::rng::Rng;

use super::{SOON, wait_until};

/// How a container writes: bursts of lines with pauses between.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub burst_lines_max: u64,
    pub pause_max: Duration,
}

impl Pace {
    /// Some hundred lines a second.
    pub const BUSY: Self = Self { burst_lines_max: 12, pause_max: Duration::from_millis(40) };
    /// Some tens of lines a second.
    pub const CALM: Self = Self { burst_lines_max: 3, pause_max: Duration::from_millis(80) };
}

/// A container to be written for.
#[derive(Clone, Debug)]
pub struct Container {
    pub spec: ContainerSpec,
    pub kind: Kind,
    pub pace: Pace,
    pub clock: Clock,
}

impl Container {
    pub fn new(name: &str) -> Self {
        Self::of(ContainerSpec::new(name))
    }

    pub fn of(spec: ContainerSpec) -> Self {
        Self { spec, kind: Kind::Mixed, pace: Pace::BUSY, clock: Clock::System }
    }

    #[must_use]
    pub fn option(mut self, key: &str, value: &str) -> Self {
        self.spec = self.spec.log_option(key, value);
        self
    }

    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    #[must_use]
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }
}

/// One container with a source of numbered lines on each stream, written by hand.
pub struct Writer {
    pub directory: ContainerDir,
    pub log: JsonFileWriter,
    stdout: LineSource,
    stderr: LineSource,
    /// What was written; shared, so that others can look while it is written.
    ledger: Arc<Mutex<Ledger>>,
}

impl Writer {
    pub fn new(root: &Path, container: Container, seed: u64, ledger: Arc<Mutex<Ledger>>) -> Self {
        let Container { spec, kind, pace: _, clock } = container;
        let name = spec.name.clone();
        let directory =
            ContainerDir::create(root, spec).expect("a container's directory can be made");
        let log = directory.writer(clock).expect("a log can be written");
        Self {
            directory,
            log,
            stdout: LineSource::new(&format!("{name}/out"), kind, seed),
            stderr: LineSource::new(&format!("{name}/err"), kind, !seed),
            ledger,
        }
    }

    /// With a ledger of its own.
    pub fn alone(root: &Path, container: Container, seed: u64) -> Self {
        Self::new(root, container, seed, Arc::default())
    }

    pub fn lines(&mut self, stream: Stream, lines: u64) {
        let source = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        for _ in 0..lines {
            let line = source.next_line();
            self.log.write_line(stream, line).expect("a log can be written");
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.set(source.name(), source.written());
        }
    }

    pub fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writers in threads, until they are told to finish.
pub struct Load {
    stopping: Arc<AtomicBool>,
    /// Lines that have arrived, as far as the test says.
    arrived: Arc<AtomicU64>,
    ledger: Arc<Mutex<Ledger>>,
    threads: Vec<JoinHandle<Writer>>,
}

impl Load {
    /// `ahead_max`: lines that all writers together may be ahead of [`Self::arrived`], so that
    /// rotation deletes nothing which an agent that is down had no chance to read.
    pub fn start(root: &Path, containers: Vec<Container>, seed: u64, ahead_max: u64) -> Self {
        let mut load = Self {
            stopping: Arc::default(),
            arrived: Arc::default(),
            ledger: Arc::default(),
            threads: Vec::new(),
        };
        for (number, container) in containers.into_iter().enumerate() {
            let mut rng = Rng::new(seed.wrapping_add(number as u64));
            let pace = container.pace;
            let mut writer = Writer::new(root, container, rng.bits(), Arc::clone(&load.ledger));
            let (stopping, arrived) = (Arc::clone(&load.stopping), Arc::clone(&load.arrived));
            let thread = std::thread::spawn(move || {
                while !stopping.load(Ordering::Relaxed) {
                    let stream = if rng.chance(0.8) { Stream::Stdout } else { Stream::Stderr };
                    writer.lines(stream, 1 + rng.below(pace.burst_lines_max));
                    let pause = rng.below(pace.pause_max.as_micros() as u64 + 1);
                    std::thread::sleep(Duration::from_micros(pause));
                    let is_ahead = || {
                        let written = writer.ledger().lines();
                        written.saturating_sub(arrived.load(Ordering::Relaxed)) > ahead_max
                    };
                    // Bounded: an agent that loses lines must not stop the load, or it would
                    // hide the next loss.
                    let _ = wait_until(SOON, || stopping.load(Ordering::Relaxed) || !is_ahead());
                }
                writer
            });
            load.threads.push(thread);
        }
        load
    }

    /// Says how many lines have arrived.
    pub fn arrived(&self, lines: u64) {
        self.arrived.store(lines, Ordering::Relaxed);
    }

    /// Lines written so far.
    pub fn written(&self) -> u64 {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).lines()
    }

    /// Waits until so many more lines are written.
    #[track_caller]
    pub fn wait_for_lines(&self, more: u64) {
        let goal = self.written() + more;
        assert!(wait_until(SOON, || self.written() >= goal), "the writers stand still");
    }

    /// Ends the writers. What they wrote is in the ledger; the writers can go on by hand.
    pub fn finish(self) -> (Ledger, Vec<Writer>) {
        self.stopping.store(true, Ordering::Relaxed);
        let finish = |thread: JoinHandle<Writer>| thread.join().expect("a writer does not panic");
        let writers: Vec<Writer> = self.threads.into_iter().map(finish).collect();
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (ledger, writers)
    }
}
