//! Containers that nobody runs: Docker's directories, written and removed as dockerd does it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sluice_bench::load::{
    Clock, ContainerDir, ContainerSpec, Kind, LineSource, Mount, RunState, Stamp, Stream,
};
use sluice_bench::rng::Rng;

use super::{LINES, LOGS, Lived};

const PER_SECOND: u64 = 100;
/// How long one lives.
const LIFE_MS: (u64, u64) = (200, 1_000);
/// And some of them, which may be gone before anybody has opened a file of theirs.
const HASTY_MS: u64 = 10;
const HASTY_SHARE: f64 = 0.1;
/// Enough for the longest of them at the rate, and what making and removing one takes.
const AT_ONCE: usize = 128;
/// Times at which a container writes.
const BURSTS: u64 = 5;

pub(super) struct Lives {
    root: PathBuf,
    seed: u64,
}

impl Lives {
    /// Below an engine's data root.
    pub(super) fn new(root: PathBuf, seed: u64) -> Self {
        Self { root, seed }
    }

    /// All of them are over when it returns.
    pub(super) fn live(&mut self, name: &str, time: Duration) -> Vec<Lived> {
        let count = PER_SECOND * time.as_secs();
        let next = AtomicU64::new(0);
        let began = Instant::now();
        // When the last one began.
        let last = AtomicU64::new(0);
        let live = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return;
                }
                let due = Duration::from_nanos(number * 1_000_000_000 / PER_SECOND);
                std::thread::sleep(due.saturating_sub(began.elapsed()));
                if number + 1 == count {
                    last.store(began.elapsed().as_secs_f64().to_bits(), Ordering::Relaxed);
                }
                let life = Life { root: &self.root, name: format!("{name}-{number}") };
                let mut rng = Rng::new(self.seed ^ number);
                life.live(&mut rng).unwrap_or_else(|error| panic!("{name}-{number}: {error}"));
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(live);
            }
        });
        let seconds = f64::from_bits(last.load(Ordering::Relaxed));
        let rate = (count - 1) as f64 / seconds;
        eprintln!("made up: {count} containers, {rate:.1} a second");
        self.seed = self.seed.wrapping_add(count);
        let names = (0..count).map(|number| format!("{name}-{number}"));
        names.map(|name| Lived { id: ContainerSpec::new(&name).id, name }).collect()
    }
}

struct Life<'a> {
    root: &'a Path,
    name: String,
}

impl Life<'_> {
    fn live(&self, rng: &mut Rng) -> anyhow::Result<()> {
        let volume = self.name.clone();
        let data = self.root.join("volumes").join(&volume).join("_data");
        let mut spec = ContainerSpec::new(&self.name).state(RunState::Created);
        spec.created = Stamp::now();
        for (log, value) in LOGS {
            spec = spec.env(&format!("aliyun_logs_{log}"), value);
        }
        spec.mounts.push(Mount {
            kind: "volume".to_owned(),
            name: volume,
            source: data.clone(),
            destination: "/data".into(),
        });
        let layer = Layer::make(self.root, &spec.id, rng)?;
        fs::create_dir_all(&data)?;
        let mut directory = ContainerDir::create(self.root, spec)?;
        let started = Stamp::now();
        let mut log = directory.writer(Clock::System)?;
        directory.set_state(RunState::Running { pid: 4242, started })?;

        let life_ms = if rng.chance(HASTY_SHARE) {
            rng.below(HASTY_MS + 1)
        } else {
            LIFE_MS.0 + rng.below(LIFE_MS.1 - LIFE_MS.0 + 1)
        };
        let life = Duration::from_millis(life_ms);
        fs::create_dir_all(layer.upper().join("app/logs"))?;
        let paths = [layer.upper().join("app/logs/layer.log"), data.join("volume.log")];
        let source =
            |log: &str, seed| LineSource::new(&format!("{}/{log}", self.name), Kind::Access, seed);
        let mut output = source("out", rng.bits());
        let mut files = Vec::new();
        for (path, (log, _)) in paths.iter().zip(&LOGS[1..]) {
            files.push((append(path)?, source(log, rng.bits())));
        }
        for _ in 0..BURSTS {
            for _ in 0..LINES / BURSTS {
                log.write_line(Stream::Stdout, output.next_line())?;
                for (file, source) in &mut files {
                    let mut line = source.next_line().to_vec();
                    line.push(b'\n');
                    file.write_all(&line)?;
                }
            }
            std::thread::sleep(life / BURSTS as u32);
        }

        let finished = Stamp::now();
        directory.set_state(RunState::Exited { code: 0, started, finished })?;
        drop((log, files));
        // In dockerd's order.
        layer.remove()?;
        directory.remove()?;
        fs::remove_dir_all(data.parent().unwrap_or(&data))?;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// What overlayfs keeps of a container, and where the engine says so.
struct Layer {
    directory: PathBuf,
    said: PathBuf,
}

impl Layer {
    fn make(root: &Path, container_id: &str, rng: &mut Rng) -> io::Result<Self> {
        let id = rng.hex(64);
        let directory = root.join("overlay2").join(&id);
        let said = root.join("image/overlay2/layerdb/mounts").join(container_id);
        let made = Self { directory, said };
        fs::create_dir_all(made.upper())?;
        fs::create_dir_all(&made.said)?;
        fs::write(made.said.join("mount-id"), id)?;
        Ok(made)
    }

    fn upper(&self) -> PathBuf {
        self.directory.join("diff")
    }

    fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.directory)?;
        fs::remove_dir_all(&self.said)
    }
}
