//! `cargo xtask bench`: what the agent costs, as ratios to programs run beside it in the same run.
//!
//! Every bench checks the count of documents first: a fast agent that loses lines is not fast.
//! With `--check` it fails below the mark, with `--record` it leaves a dated record in the tree.

mod codec;
mod drain;
mod figure;
mod idle;
mod lives;
mod metrics;
mod plot;
mod record;
mod sink;
mod steady;
mod verdict;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    bench: Bench,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Common {
    /// Fail below the mark
    #[arg(long, global = true)]
    check: bool,
    /// Leave a dated record in benches/records
    #[arg(long, global = true)]
    record: bool,
    /// An agent to measure instead of the one that is built here
    #[arg(long, global = true, value_name = "PROGRAM")]
    agent: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Bench {
    /// One worker against the limit program on a log that is there already
    Drain(drain::Arguments),
    /// Cores and memory at 10 000 lines a second
    Steady(steady::Arguments),
    /// The codec against others
    Codec(codec::Arguments),
    /// Cores and memory with 1 000 logs that nobody writes to
    Idle(idle::Arguments),
    /// What arrives of containers that live for 20 to 50 ms, on an engine of our own (as root)
    Lives(lives::Arguments),
    /// What being watched costs a writer, and how soon a line is told of, on each rung (as root)
    Watch(watch::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let common = &arguments.common;
    let agent = common.agent.as_deref();
    if !matches!(arguments.bench, Bench::Codec(_)) {
        workspace::build_release(agent)?;
    }
    let verdict = match &arguments.bench {
        Bench::Drain(drain) => drain::run(drain, agent)?,
        Bench::Steady(steady) => steady::run(steady, agent)?,
        Bench::Codec(codec) => codec::run(codec)?,
        Bench::Idle(idle) => idle::run(idle, agent)?,
        Bench::Lives(lives) => lives::run(lives, agent)?,
        Bench::Watch(watch) => watch::run(watch, agent)?,
    };
    verdict.print();
    if common.record {
        record::write(&verdict)?;
    }
    let failed = common.check && !verdict.holds();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
