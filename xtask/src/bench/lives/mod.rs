//! Containers that live for some tens of milliseconds and remove themselves: what arrives of them.

mod outcome;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use sluice_bench::standin::{Keep, Standin, StandinConfig};
use tempfile::TempDir;

use self::outcome::{Life, Outcome, Share};
use super::metrics::Metrics;
use super::verdict::{Finding, Mark, Verdict};
use crate::agent::{Agent, Collect, Settings};
use crate::docker::{Api, Engine, load};

/// Without a new document for so long after the last life, the rest is taken for missing.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a life writes: from the one to the other.
const LIFE_MS: (u64, u64) = (20, 50);
/// For the agent to have listed the containers that are there.
const WARM_UP: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// In all
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    lives: u64,
    /// That each life writes to its standard output
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    lines: u64,
    /// At once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=64))]
    parallel: u64,
    /// May be repeated; the best and inotify unless given
    #[arg(long)]
    rung: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, program: Option<&Path>) -> Result<Verdict> {
    let both = ["auto".to_owned(), "inotify".to_owned()];
    let rungs = if arguments.rung.is_empty() { &both[..] } else { &arguments.rung[..] };
    let engine = Engine::start()?;
    load(&engine.host())?;
    let mut watched = Vec::new();
    for rung in rungs {
        watched.push(Watched::start(rung, &engine, program)?);
    }
    std::thread::sleep(WARM_UP);
    let start = Instant::now();
    let lived = live(arguments, &Api::new(&engine.host())?)?;
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("xtask: {} lives in {seconds:.0} s", lived.len());
    let (mut findings, mut runs) = (Vec::new(), Vec::new());
    for mut watched in watched {
        let (share, run) = watched.judge(arguments, &lived)?;
        findings.extend(share.findings(&watched.rung));
        runs.push(run);
    }
    Ok(Verdict {
        bench: "lives",
        definition: format!(
            "{} containers, {} at a time, made with AutoRemove over the engine's API; each writes {} \
             lines in {} to {} ms and is removed; an agent on each rung ships all of them",
            arguments.lives, arguments.parallel, arguments.lines, LIFE_MS.0, LIFE_MS.1
        ),
        findings,
        runs,
        figure: None,
    })
}

/// An agent on one rung, with a stand-in of its own.
struct Watched {
    rung: String,
    agent: Agent,
    port: u16,
    standin: Standin,
    /// Of the agent.
    _directory: TempDir,
}

impl Watched {
    fn start(rung: &str, engine: &Engine, program: Option<&Path>) -> Result<Self> {
        let directory =
            TempDir::with_prefix("sluice-lives-").context("cannot make a temporary directory")?;
        let keep = Keep::Ids;
        let standin = Standin::start(StandinConfig { keep, ..StandinConfig::default() })?;
        let port = sluice_bench::port::free()?;
        let agent = Agent::start(&Settings {
            directory: directory.path(),
            docker_socket: Some(&engine.host()),
            docker_root: &engine.root(),
            host: &standin.url(),
            target: "sluice",
            codec: "zlib-rs",
            collect: Collect::All,
            workers: None,
            http_port: port,
            further: &format!("watch: {{rung: {rung}}}\n"),
            program,
        })?;
        Metrics::of(port)?;
        Ok(Self { rung: rung.to_owned(), agent, port, standin, _directory: directory })
    }

    fn judge(&mut self, arguments: &Arguments, lived: &[Lived]) -> Result<(Share, Value)> {
        let lines = arguments.lives * arguments.lines;
        settle(&self.standin, lines);
        let metrics = Metrics::of(self.port)?;
        let usage = self.agent.usage()?;
        self.agent.stop()?;

        let received = self.standin.received();
        let losses = self.agent.said("declared loss");
        let mut share = Share::default();
        let mut missing = Vec::new();
        for Lived { name, id } in lived {
            let is_declared = losses.iter().any(|line| line.contains(id) || line.contains(name));
            let arrived = received.lines_of(name);
            let outcome = Outcome::of(Life { written: arguments.lines, arrived, is_declared });
            share.count(outcome);
            if outcome != Outcome::Whole {
                missing.push(json!({
                    "life": name, "id": id, "outcome": outcome.as_str(), "arrived": arrived,
                    "declared": is_declared, "log": self.agent.said(id),
                }));
            }
        }
        ensure!(
            received.documents() <= lines && self.standin.ids_seen_twice() == 0,
            "{} documents for {lines} lines",
            received.documents()
        );
        eprintln!("xtask: {}: {share:?}", self.rung);
        let run = json!({
            "rung": self.rung, "lives": lived.len(), "share": share,
            "documents": received.documents(), "missing": missing,
            "agent_cpu_seconds": usage.cpu_seconds, "agent_rss_peak_bytes": usage.rss_peak_bytes,
            "sightings": metrics.sum("sluice_watch_sightings_total", ""),
            "early_opened": metrics.sum("sluice_watch_early_opened_total", ""),
            "missed": metrics.sum("sluice_watch_missed_total", ""),
            "losses": metrics.sum("sluice_losses_total", ""),
        });
        Ok((share, run))
    }
}

struct Lived {
    name: String,
    id: String,
}

/// All of them are over when it returns.
fn live(arguments: &Arguments, api: &Api) -> Result<Vec<Lived>> {
    let next = AtomicU64::new(0);
    let one = || -> Result<Vec<Lived>> {
        let mut lived = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= arguments.lives {
                return Ok(lived);
            }
            let name = format!("life-{number}");
            let id = api.live(&name, &command(arguments, &name, number))?;
            lived.push(Lived { name, id });
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.parallel).map(|_| scope.spawn(one)).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("a thread of lives panicked"))??);
        }
        Ok(all)
    })
}

/// Of one process, which takes its time by its rate.
fn command(arguments: &Arguments, name: &str, number: u64) -> Vec<String> {
    let milliseconds = LIFE_MS.0 + number * 7 % (LIFE_MS.1 - LIFE_MS.0 + 1);
    let rate = arguments.lines as f64 * 1000.0 / milliseconds as f64;
    let (lines, rate) = (arguments.lines.to_string(), format!("{rate:.1}"));
    ["sluice-bench", "write", "--kind", "access", "--source", name, "--lines", &lines, "--rate"]
        .into_iter()
        .chain([&*rate])
        .map(str::to_owned)
        .collect()
}

fn settle(standin: &Standin, lines: u64) {
    let mut last = (standin.count(), Instant::now());
    while last.0 < lines && last.1.elapsed() < PATIENCE {
        std::thread::sleep(POLL);
        let now = standin.count();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
}
