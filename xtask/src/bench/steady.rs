//! A container that writes all the time: cores and memory at a given rate.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sluice_bench::load::Ledger;
use tempfile::TempDir;

use super::sink::Sink;
use super::verdict::{Finding, Mark, Verdict};
use crate::agent::{Agent, Collect, Settings};
use crate::process::{Running, tethered};
use crate::workspace::release_binary;

/// Starting is not what is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// After the last line.
const LIMIT: Duration = Duration::from_secs(30);
const CORES_MARK: f64 = 0.02;
const RSS_MARK: f64 = 30.0;
/// The rate that the marks are for.
const RATE: u64 = 10_000;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Lines a second; the marks are for 10 000
    #[arg(long, default_value_t = RATE)]
    rate: u64,
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
}

pub(super) fn run(arguments: &Arguments, program: Option<&Path>) -> Result<Verdict> {
    let directory =
        TempDir::with_prefix("sluice-steady-").context("cannot make a temporary directory")?;
    let root = directory.path().join("docker");
    std::fs::create_dir_all(root.join("containers"))?;
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
    let ledger_path = directory.path().join("ledger.json");
    let lines = arguments.rate * (arguments.seconds + WARM_UP.as_secs());
    let mut write = tethered(release_binary("sluice-bench"));
    write.args(["write", "--kind", "mixed", "--rate", &arguments.rate.to_string()]);
    write.args([
        "--lines",
        &lines.to_string(),
        "--log-opt",
        "max-size=100m",
        "--log-opt",
        "max-file=3",
    ]);
    write.arg("--data-root").arg(&root).arg("--ledger").arg(&ledger_path);
    write.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut writer = Running::start("the writer", &mut write, Duration::from_secs(5))?;

    std::thread::sleep(WARM_UP);
    let (before, start) = (agent.usage()?, Instant::now());
    // What the start took, the kernel's types above all, is a figure of its own.
    agent.forget_peak()?;
    std::thread::sleep(Duration::from_secs(arguments.seconds));
    let (after, seconds) = (agent.usage()?, start.elapsed().as_secs_f64());
    let status = writer.child().wait().context("cannot wait for the writer")?;
    ensure!(status.success(), "the writer ended with {status}");
    let ledger = Ledger::load(&ledger_path)?;
    sink.await_documents(ledger.lines(), &mut agent, LIMIT)?;
    agent.stop()?;
    sink.expect(ledger.lines())?;

    let cores = (after.cpu_seconds - before.cpu_seconds) / seconds;
    let rss = after.rss_peak_bytes as f64 / f64::from(1 << 20);
    let for_mark = |mark| (arguments.rate == RATE).then_some(mark);
    Ok(Verdict {
        bench: "steady",
        definition: format!(
            "one container, {} lines a second for {} s with rotation, gzip bulk requests over loopback",
            arguments.rate, arguments.seconds
        ),
        findings: vec![
            Finding {
                name: "cores".into(),
                value: cores,
                unit: "",
                mark: for_mark(Mark::AtMost(CORES_MARK)),
            },
            Finding {
                name: "resident memory, peak of the start".into(),
                value: before.rss_peak_bytes as f64 / f64::from(1 << 20),
                unit: "MiB",
                mark: None,
            },
            Finding {
                name: "resident memory, peak under the load".into(),
                value: rss,
                unit: "MiB",
                mark: for_mark(Mark::AtMost(RSS_MARK)),
            },
        ],
        runs: vec![json!({"lines": ledger.lines(), "seconds": seconds, "cores": cores})],
        figure: None,
    })
}
