//! A log that is there already: how much of it per second of processor, against the limit program.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sluice_bench::load::{ContainerDir, ContainerSpec};
use tempfile::TempDir;

use super::figure::{Bar, Figure};
use super::sink::Sink;
use super::verdict::{Finding, Mark, Verdict, median};
use crate::agent::{Agent, Collect, Settings};
use crate::workspace::release_binary;

/// 200 s of processor per GiB is far below anything that would be worth measuring.
const LIMIT: Duration = Duration::from_mins(5);
/// Doubled documents would come after the last one.
const SETTLE: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Of the log
    #[arg(long, default_value = "1GiB", value_parser = size)]
    bytes: u64,
    /// May be repeated; both unless given
    #[arg(long)]
    codec: Vec<Codec>,
    /// Of each program with each codec, in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
enum Codec {
    ZlibRs,
    Stored,
}

impl Codec {
    /// In the agent's configuration.
    fn agent(self) -> &'static str {
        match self {
            Self::ZlibRs => "zlib-rs",
            Self::Stored => "stored",
        }
    }

    /// On the limit program's command line; the same library at the same level.
    fn limit(self) -> &'static str {
        match self {
            Self::ZlibRs => "gzip-1",
            Self::Stored => "stored",
        }
    }

    /// Share of the limit program that has to be reached.
    fn mark(self) -> f64 {
        match self {
            Self::ZlibRs => 0.75,
            Self::Stored => 0.5,
        }
    }
}

/// Resident memory of the agent, in MiB.
const RSS_MARK: f64 = 64.0;

#[derive(Clone, Copy, Debug, Serialize)]
struct Run {
    program: &'static str,
    codec: Codec,
    /// 10^6 bytes of the log per second of processor.
    megabytes_per_cpu_second: f64,
    wall_seconds: f64,
    /// 0 where it was not measured.
    rss_peak_bytes: u64,
    wire_bytes: u64,
    inflated_bytes: u64,
}

pub(super) fn run(arguments: &Arguments, agent: Option<&Path>) -> Result<Verdict> {
    let codecs = match &arguments.codec[..] {
        [] => &[Codec::ZlibRs, Codec::Stored],
        named => named,
    };
    let corpus = Corpus::make(arguments.bytes)?;
    let mut runs = Vec::new();
    for round in 1..=arguments.rounds {
        for &codec in codecs {
            // In turn, so that a slow minute of the machine falls on both.
            let limit = limit(&corpus, codec)?;
            let ours = drain(&corpus, codec, agent)?;
            eprintln!(
                "xtask: round {round} of {}, {}: limit {:.0}, agent {:.0} MB per CPU second",
                arguments.rounds,
                codec.agent(),
                limit.megabytes_per_cpu_second,
                ours.megabytes_per_cpu_second
            );
            runs.extend([limit, ours]);
        }
    }
    Ok(verdict(&corpus, codecs, &runs))
}

fn verdict(corpus: &Corpus, codecs: &[Codec], runs: &[Run]) -> Verdict {
    let mut findings = Vec::new();
    let mut bars = Vec::new();
    for &codec in codecs {
        let of = |program: &'static str| {
            let chosen =
                runs.iter().filter(move |run| run.program == program && run.codec == codec);
            median(chosen.map(|run| run.megabytes_per_cpu_second))
        };
        let (limit, ours) = (of("limit"), of("sluice"));
        for (program, value) in [("limit", limit), ("sluice", ours)] {
            let name = format!("{program}, {}", codec.agent());
            findings.push(Finding { name: name.clone(), value, unit: "MB/CPU s", mark: None });
            bars.push(Bar { name, value, is_ours: program == "sluice" });
        }
        findings.push(Finding {
            name: format!("share of the limit, {}", codec.agent()),
            value: ours / limit.max(f64::MIN_POSITIVE),
            unit: "",
            mark: Some(Mark::AtLeast(codec.mark())),
        });
    }
    let rss = runs.iter().map(|run| run.rss_peak_bytes).max().unwrap_or(0);
    findings.push(Finding {
        name: "resident memory, peak".into(),
        value: rss as f64 / f64::from(1 << 20),
        unit: "MiB",
        mark: Some(Mark::AtMost(RSS_MARK)),
    });
    Verdict {
        bench: "drain",
        definition: format!(
            "one json-file log of {} bytes and {} lines in the page cache, one worker, bulk requests \
             over loopback to a stand-in that only counts; medians of whole processes",
            corpus.bytes, corpus.lines
        ),
        findings,
        runs: runs.iter().filter_map(|run| serde_json::to_value(run).ok()).collect(),
        figure: Some(Figure {
            title: "Throughput per CPU second (json-file to bulk requests)".into(),
            unit: "MB",
            bars,
        }),
    }
}

/// A container's log in a data root of its own.
struct Corpus {
    directory: TempDir,
    container: ContainerDir,
    bytes: u64,
    lines: u64,
}

impl Corpus {
    fn make(bytes: u64) -> Result<Self> {
        eprintln!("xtask: making a log of {bytes} bytes");
        let directory =
            TempDir::with_prefix("sluice-drain-").context("cannot make a temporary directory")?;
        let container = ContainerDir::create(directory.path(), ContainerSpec::new("web"))?;
        let log = container.log_path();
        let megabytes = bytes.div_ceil(1_000_000).to_string();
        let output = Command::new(release_binary("sluice-bench"))
            .arg("corpus")
            .arg(&log)
            .args(["--megabytes", &megabytes])
            .output()
            .context("cannot start sluice-bench")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "sluice-bench corpus: {}", said.trim_end());
        let bytes = std::fs::metadata(&log)?.len();
        Ok(Self { directory, container, bytes, lines: lines(&log)? })
    }
}

/// Counted here and not taken from whoever wrote or read it; it also brings the log into the cache.
fn lines(log: &Path) -> Result<u64> {
    let output = Command::new("wc").arg("-l").arg(log).output().context("cannot start wc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = text.split_whitespace().next().and_then(|word| word.parse().ok());
    number.with_context(|| format!("cannot count the lines of {}", log.display()))
}

/// The part of the limit program's report that is used.
#[derive(Deserialize)]
struct Report {
    lines: u64,
    skipped: u64,
    inflated_bytes: u64,
    wire_bytes: u64,
    wall_seconds: f64,
    megabytes_per_cpu_second: f64,
}

fn limit(corpus: &Corpus, codec: Codec) -> Result<Run> {
    let sink = Sink::start()?;
    let output = Command::new(release_binary("sluice-bench"))
        .arg("limit")
        .arg(corpus.container.log_path())
        .args(["--url", &sink.url, "--codec", codec.limit()])
        .args(["--container-id", &corpus.container.spec().id])
        .output()
        .context("cannot start sluice-bench")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the limit program: {}", said.trim_end());
    let report: Report = serde_json::from_slice(&output.stdout).context("its report")?;
    ensure!(
        report.lines == corpus.lines && report.skipped == 0,
        "the limit program took {} of {} lines",
        report.lines,
        corpus.lines
    );
    std::thread::sleep(SETTLE);
    sink.expect(corpus.lines)?;
    Ok(Run {
        program: "limit",
        codec,
        megabytes_per_cpu_second: report.megabytes_per_cpu_second,
        wall_seconds: report.wall_seconds,
        rss_peak_bytes: 0,
        wire_bytes: report.wire_bytes,
        inflated_bytes: report.inflated_bytes,
    })
}

fn drain(corpus: &Corpus, codec: Codec, program: Option<&Path>) -> Result<Run> {
    let sink = Sink::start()?;
    // A fresh state, or there would be nothing left to read.
    let state = TempDir::with_prefix_in("agent-", corpus.directory.path())?;
    let start = Instant::now();
    let mut agent = Agent::start(&Settings {
        directory: state.path(),
        docker_socket: None,
        docker_root: corpus.directory.path(),
        host: &sink.url,
        target: "sluice",
        codec: codec.agent(),
        collect: Collect::All,
        workers: Some(1),
        http_port: 0,
        further: "",
        program,
    })?;
    let usage = sink.await_documents(corpus.lines, &mut agent, LIMIT)?;
    let wall_seconds = start.elapsed().as_secs_f64();
    std::thread::sleep(SETTLE);
    agent.stop()?;
    sink.expect(corpus.lines)?;
    let counts = sink.counts();
    Ok(Run {
        program: "sluice",
        codec,
        megabytes_per_cpu_second: corpus.bytes as f64 / 1e6 / usage.cpu_seconds,
        wall_seconds,
        rss_peak_bytes: usage.rss_peak_bytes,
        wire_bytes: counts.wire_bytes,
        inflated_bytes: counts.inflated_bytes,
    })
}

/// Bytes, with KiB, MiB, GiB or without.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        other => return Err(format!("unknown unit {other}; there are KiB, MiB, GiB")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("{text} is no size"))?;
    number.checked_shl(shift).filter(|bytes| *bytes > 0).ok_or_else(|| format!("{text} is no size"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(size(text).ok(), expect, "{text}");
        };
        check("1GiB", Some(1 << 30));
        check("20", Some(20));
        check("64MiB", Some(64 << 20));
        check("0", None);
        check("1GB", None);
        check("GiB", None);
    }
}
