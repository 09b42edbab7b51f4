//! What it costs to be told of writes, and how soon they are told of: rung beside rung.

mod busy;
mod cost;
mod latency;
mod quiet;
mod stage;

use std::path::Path;

use anyhow::Result;

use super::verdict::Verdict;

/// Lines per rung of the latency, from which a p99 can be read.
const LINES: u64 = 300;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// May be repeated; all unless given
    #[arg(long)]
    part: Vec<Part>,
    /// Followed files that nobody writes to; the mark is for 10 000
    #[arg(long, default_value_t = quiet::FILES)]
    files: u64,
    /// Of each window in which the processor's time is measured
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Per rung and kind of gap, one at a time
    #[arg(long, default_value_t = LINES, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    lines: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// What a write pays
    Cost,
    /// From a line to its document
    Latency,
    /// Followed files that nobody writes to
    Idle,
    /// One file that is written 10 000 times a second
    Busy,
}

pub(super) fn run(arguments: &Arguments, program: Option<&Path>) -> Result<Verdict> {
    let is_wanted = |part| arguments.part.is_empty() || arguments.part.contains(&part);
    let (mut findings, mut runs, mut figure) = (Vec::new(), Vec::new(), None);
    if is_wanted(Part::Cost) {
        let (found, run, drawn) = cost::run()?;
        findings.extend(found);
        runs.push(run);
        figure = Some(drawn);
    }
    let mut take = |(found, run): (Vec<_>, _)| {
        findings.extend(found);
        runs.push(run);
    };
    if is_wanted(Part::Latency) {
        for measured in latency::run_all(arguments.lines, program)? {
            take(measured);
        }
    }
    for rung in ["auto", "inotify"] {
        if is_wanted(Part::Idle) {
            take(quiet::run(rung, arguments.files, arguments.seconds, program)?);
        }
        if is_wanted(Part::Busy) {
            take(busy::run(rung, arguments.seconds, program)?);
        }
    }
    Ok(Verdict {
        bench: record_name(&arguments.part),
        definition: definition(arguments, is_wanted),
        findings,
        runs,
        figure,
    })
}

/// Of the parts that ran.
fn definition(arguments: &Arguments, is_wanted: impl Fn(Part) -> bool) -> String {
    let Arguments { files, seconds, lines, .. } = arguments;
    let parts = [
        (
            Part::Cost,
            "a write of 240 bytes in processor time of its thread, medians of rounds in turn"
                .into(),
        ),
        (
            Part::Latency,
            format!(
                "{lines} lines, one at a time, from before its write to its document in the stand-in, \
             with flush_interval 0s"
            ),
        ),
        (Part::Idle, format!("{files} followed files without a write, for {seconds} s")),
        (Part::Busy, format!("one file with 10 000 writes a second, for {seconds} s")),
    ];
    let ran: Vec<String> =
        parts.into_iter().filter(|(part, _)| is_wanted(*part)).map(|(_, words)| words).collect();
    format!("on {}: {}", std::env::temp_dir().display(), ran.join("; "))
}

/// A part that is run by itself does not overwrite the record of the others.
fn record_name(parts: &[Part]) -> &'static str {
    match parts {
        [] => "watch",
        [Part::Cost] => "watch-cost",
        [Part::Latency] => "watch-latency",
        _ => "watch-load",
    }
}

/// What was asked for, and what it came to.
fn title(rung: &str, stands_on: &str) -> String {
    if rung == stands_on { rung.to_owned() } else { format!("{rung} ({stands_on})") }
}
