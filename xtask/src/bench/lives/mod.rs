//! Containers that live for some tens of milliseconds and remove themselves: what arrives of them.

mod outcome;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sluice_bench::standin::{Keep, Standin, StandinConfig};
use tempfile::TempDir;

use self::outcome::{Life, Outcome, Share};
use super::metrics::{Metrics, free_port};
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
    /// On each rung
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
    let (mut findings, mut runs) = (Vec::new(), Vec::new());
    for rung in rungs {
        let round = Round { arguments, engine: &engine, rung, program };
        let (share, run) = round.run()?;
        findings.extend(share.findings(rung));
        runs.push(run);
    }
    Ok(Verdict {
        bench: "lives",
        definition: format!(
            "{} containers on each rung, {} at a time, made with AutoRemove over the engine's API; \
             each writes {} lines in {} to {} ms and is removed",
            arguments.lives, arguments.parallel, arguments.lines, LIFE_MS.0, LIFE_MS.1
        ),
        findings,
        runs,
        figure: None,
    })
}

struct Round<'a> {
    arguments: &'a Arguments,
    engine: &'a Engine,
    rung: &'a str,
    program: Option<&'a Path>,
}

impl Round<'_> {
    fn run(&self) -> Result<(Share, serde_json::Value)> {
        let directory =
            TempDir::with_prefix("sluice-lives-").context("cannot make a temporary directory")?;
        let keep = Keep::Ids;
        let standin = Standin::start(StandinConfig { keep, ..StandinConfig::default() })?;
        let port = free_port()?;
        let mut agent = Agent::start(&Settings {
            directory: directory.path(),
            docker_socket: Some(&self.engine.host()),
            docker_root: &self.engine.root(),
            host: &standin.url(),
            target: "sluice",
            codec: "zlib-rs",
            collect: Collect::All,
            workers: None,
            http_port: port,
            further: &format!("watch: {{rung: {}}}\n", self.rung),
            program: self.program,
        })?;
        Metrics::of(port)?;
        std::thread::sleep(WARM_UP);
        let start = Instant::now();
        let ids = self.live()?;
        let seconds = start.elapsed().as_secs_f64();
        self.settle(&standin);
        let metrics = Metrics::of(port)?;
        let usage = agent.usage()?;
        agent.stop()?;

        let received = standin.received();
        let mut share = Share::default();
        let mut missing = Vec::new();
        for (name, id) in &ids {
            let losses = agent.said("declared loss");
            let is_declared = losses.iter().any(|line| line.contains(id) || line.contains(name));
            let life = Life {
                written: self.arguments.lines,
                arrived: received.lines_of(name),
                is_declared,
            };
            let outcome = Outcome::of(life);
            share.count(outcome);
            if outcome != Outcome::Whole {
                let said = agent.said(id);
                missing.push(json!({
                    "life": name, "id": id, "outcome": outcome.as_str(), "arrived": life.arrived,
                    "declared": is_declared, "log": said,
                }));
            }
        }
        let lines = self.arguments.lives * self.arguments.lines;
        ensure!(
            received.documents() <= lines && standin.ids_seen_twice() == 0,
            "{} documents for {lines} lines",
            received.documents()
        );
        eprintln!("xtask: {} lives on {} in {seconds:.0} s: {share:?}", ids.len(), self.rung);
        let run = json!({
            "rung": self.rung, "lives": ids.len(), "seconds": seconds, "share": share,
            "documents": received.documents(), "missing": missing,
            "agent_cpu_seconds": usage.cpu_seconds,
            "sightings": metrics.sum("sluice_watch_sightings_total", ""),
            "early_opened": metrics.sum("sluice_watch_early_opened_total", ""),
            "missed": metrics.sum("sluice_watch_missed_total", ""),
            "losses": metrics.sum("sluice_losses_total", ""),
        });
        Ok((share, run))
    }

    /// Names and ids of the lives, all of them over.
    fn live(&self) -> Result<Vec<(String, String)>> {
        let api = Api::new(&self.engine.host())?;
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let one = || -> Result<Vec<(String, String)>> {
                let mut lived = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= self.arguments.lives {
                        return Ok(lived);
                    }
                    let name = format!("life-{}-{number}", self.rung);
                    let id = api.live(&name, &self.command(&name, number))?;
                    lived.push((name, id));
                }
            };
            let threads: Vec<_> = (0..self.arguments.parallel).map(|_| scope.spawn(one)).collect();
            let mut all = Vec::new();
            for thread in threads {
                all.extend(thread.join().map_err(|_| anyhow::anyhow!("a life's thread"))??);
            }
            Ok(all)
        })
    }

    fn command(&self, name: &str, number: u64) -> Vec<String> {
        let milliseconds = LIFE_MS.0 + number * 7 % (LIFE_MS.1 - LIFE_MS.0 + 1);
        let lines = self.arguments.lines;
        let rate = lines as f64 * 1000.0 / milliseconds as f64;
        let (lines, rate) = (lines.to_string(), format!("{rate:.1}"));
        ["sluice-bench", "write", "--kind", "access", "--source", name, "--lines", &lines, "--rate"]
            .into_iter()
            .chain([&*rate])
            .map(str::to_owned)
            .collect()
    }

    fn settle(&self, standin: &Standin) {
        let lines = self.arguments.lives * self.arguments.lines;
        let mut last = (standin.count(), Instant::now());
        while last.0 < lines && last.1.elapsed() < PATIENCE {
            std::thread::sleep(POLL);
            let now = standin.count();
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
    }
}
