//! `cargo xtask demo`: the whole way of a line, to be watched.
//!
//! Containers write numbered and checksummed lines, the real agent ships them, and what arrived is
//! compared with what was written. Everything lies in a temporary directory and on loopback.

mod actor;
mod containers;
mod sink;
mod summary;
mod view;
mod writers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tempfile::TempDir;

use self::actor::{Actor, Kills};
use self::containers::Containers;
use self::sink::Sink;
use self::summary::Figures;
use self::view::{Moment, View};
use self::writers::{Load, Writers};
use crate::agent::{Collect, Settings};
use crate::workspace;

/// How often the view is renewed.
const TICK: Duration = Duration::from_secs(1);
/// Without a new document for so long after the last line, the rest is taken for missing.
const PATIENCE: Duration = Duration::from_secs(20);
/// A doubled document would come after its first: some time for it to show.
const SETTLE: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long the containers write
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Lines a second, of all containers together
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Real containers, on this host's Docker engine or, without one, on one of our own (as root)
    #[arg(long)]
    docker: bool,
    /// A server's URL, or a version such as 8.19.21, which is then fetched and started
    #[arg(long, value_name = "URL|VERSION")]
    elasticsearch: Option<String>,
    /// Kill the agent (SIGKILL) so many times on the way, and start it again
    #[arg(long, default_value_t = 0, value_name = "TIMES")]
    kill: u32,
    /// An agent to run instead of the one that is built here
    #[arg(long, value_name = "PROGRAM")]
    agent: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // With containers the load generator is wanted too.
    if arguments.agent.is_none() || arguments.docker {
        workspace::build_release(arguments.agent.as_deref())?;
    }
    let directory =
        TempDir::with_prefix("sluice-demo-").context("cannot make a temporary directory")?;
    let sink = Sink::open(arguments.elasticsearch.as_deref())?;
    let load = Load { seconds: arguments.seconds, rate: arguments.rate };
    let mut scene = Scene::open(arguments.docker, directory.path())?;
    let socket = scene.socket().map(str::to_owned);
    let (root, url) = (scene.root(), sink.url());
    let mut actor = Actor::enter(Settings {
        directory: directory.path(),
        docker_socket: socket.as_deref(),
        docker_root: &root,
        host: &url,
        target: sink.target(),
        codec: "zlib-rs",
        collect: scene.collect(),
        workers: None,
        http_port: 0,
        further: "",
        program: arguments.agent.as_deref(),
    })?;
    let start = Instant::now();
    scene.write(&load, sink.target())?;
    let kills = Kills::plan(arguments.kill, arguments.seconds);
    let figures = watch(&mut scene, &mut actor, &sink, kills, start)?;
    actor.agent.stop()?;
    let ledger = scene.ledger()?;
    let clean = figures.report(&ledger, &sink)?;
    if !clean {
        let kept = directory.keep();
        println!("the agent's log and state and the containers' logs are in {}", kept.display());
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Who writes: threads that imitate Docker's json-file driver, or containers.
enum Scene {
    Files(Writers),
    Docker(Containers),
}

impl Scene {
    fn open(docker: bool, directory: &Path) -> Result<Self> {
        Ok(if docker {
            Self::Docker(Containers::open()?)
        } else {
            Self::Files(Writers::open(&directory.join("docker"))?)
        })
    }

    fn socket(&self) -> Option<&str> {
        match self {
            Self::Files(_) => None,
            Self::Docker(containers) => Some(containers.socket()),
        }
    }

    fn root(&self) -> PathBuf {
        match self {
            Self::Files(writers) => writers.root().to_owned(),
            Self::Docker(containers) => containers.root().to_owned(),
        }
    }

    fn collect(&self) -> Collect {
        match self {
            Self::Files(_) => Collect::All,
            Self::Docker(_) => Collect::Declared,
        }
    }

    fn write(&mut self, load: &Load, target: &str) -> Result<()> {
        match self {
            Self::Files(writers) => writers.write(load),
            Self::Docker(containers) => containers.write(load, target),
        }
    }

    /// Lines and bytes so far, and whether that is all.
    fn progress(&mut self) -> Result<writers::Progress> {
        match self {
            Self::Files(writers) => Ok(writers.progress()),
            Self::Docker(containers) => containers.progress(),
        }
    }

    fn ledger(&mut self) -> Result<sluice_bench::load::Ledger> {
        match self {
            Self::Files(writers) => writers.ledger(),
            Self::Docker(containers) => Ok(containers.ledger()),
        }
    }
}

/// Shows what happens until all has arrived or nothing arrives any more.
fn watch(
    scene: &mut Scene,
    actor: &mut Actor<'_>,
    sink: &Sink,
    mut kills: Kills,
    start: Instant,
) -> Result<Figures> {
    let mut view = View::new();
    let mut arrived_at = start;
    let mut documents = 0;
    loop {
        if kills.is_due(start.elapsed()) {
            actor.die_and_return()?;
        }
        let written = scene.progress()?;
        let usage = actor.usage()?;
        let now = sink.documents()?;
        if now > documents {
            (documents, arrived_at) = (now, Instant::now());
        }
        view.show(&Moment {
            seconds: start.elapsed().as_secs_f64(),
            lines: written.lines,
            documents,
            bytes: written.bytes,
            usage,
            deaths: actor.deaths,
        })?;
        let is_quiet = |time| arrived_at.elapsed() > time;
        // The first settles doubled documents, the second gives up.
        if written.is_all && (documents >= written.lines && is_quiet(SETTLE) || is_quiet(PATIENCE))
        {
            println!();
            return Ok(Figures {
                seconds: (arrived_at - start).as_secs_f64(),
                lines: written.lines,
                bytes: written.bytes,
                usage,
                deaths: actor.deaths,
            });
        }
        // When all is written the end is near, and its time is what is measured.
        std::thread::sleep(if written.is_all { TICK / 10 } else { TICK });
    }
}
