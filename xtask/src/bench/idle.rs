//! Many containers that say nothing: what it costs to follow them.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;
use sluice_bench::load::{Clock, ContainerDir, ContainerSpec, Kind, LineSource, Stream};
use tempfile::TempDir;

use super::sink::Sink;
use super::verdict::{Finding, Mark, Verdict};
use crate::agent::{Agent, Collect, Settings};

/// Each wrote a little once.
const LINES: u64 = 3;
/// For those lines to arrive.
const LIMIT: Duration = Duration::from_mins(1);
/// Until what goes on after the first lines has ended.
const SETTLE: Duration = Duration::from_secs(5);
const CORES_MARK: f64 = 0.005;
const FILES: u64 = 1000;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Quiet logs; the mark is for 1 000
    #[arg(long, default_value_t = FILES)]
    files: u64,
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

pub(super) fn run(arguments: &Arguments, program: Option<&Path>) -> Result<Verdict> {
    let directory =
        TempDir::with_prefix("sluice-idle-").context("cannot make a temporary directory")?;
    let root = directory.path().join("docker");
    for number in 0..arguments.files {
        let name = format!("quiet-{number}");
        let container = ContainerDir::create(&root, ContainerSpec::new(&name))?;
        let mut log = container.writer(Clock::System)?;
        let mut source = LineSource::new(&name, Kind::Access, number);
        for _ in 0..LINES {
            log.write_line(Stream::Stdout, source.next_line())?;
        }
        log.finish()?;
    }
    let sink = Sink::start()?;
    let mut agent = Agent::start(&Settings {
        directory: directory.path(),
        docker_socket: None,
        docker_root: &root,
        host: &sink.url,
        target: "sluice",
        codec: "zlib-rs",
        collect: Collect::All,
        workers: None,
        http_port: 0,
        further: "",
        program,
    })?;
    sink.await_documents(arguments.files * LINES, &mut agent, LIMIT)?;
    std::thread::sleep(SETTLE);
    let (before, start) = (agent.usage()?, Instant::now());
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (after, seconds) = (agent.usage()?, start.elapsed().as_secs_f64());
    agent.stop()?;
    sink.expect(arguments.files * LINES)?;
    let cores = (after.cpu_seconds - before.cpu_seconds) / seconds;
    Ok(Verdict {
        bench: "idle",
        definition: format!(
            "{} containers that wrote {LINES} lines each and then nothing, watched for {} s",
            arguments.files, arguments.seconds
        ),
        findings: vec![
            Finding {
                name: "cores".into(),
                value: cores,
                unit: "",
                mark: (arguments.files == FILES).then_some(Mark::AtMost(CORES_MARK)),
            },
            Finding {
                name: "resident memory".into(),
                value: after.rss_bytes as f64 / f64::from(1 << 20),
                unit: "MiB",
                mark: None,
            },
        ],
        runs: vec![json!({"files": arguments.files, "seconds": seconds, "cores": cores})],
        figure: None,
    })
}
