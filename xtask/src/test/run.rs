//! Runs one suite: with a limit of time and a sign of life.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::build::Built;
use super::outcome::{Outcome, Verdict};
use super::setup::Prepared;
use super::table::{Suite, Work};
use crate::process::{Running, own_executable, tethered};
use crate::workspace;

const POLL: Duration = Duration::from_millis(100);
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);
/// Tests end what they started when they get SIGTERM late, or not at all.
const PATIENCE: Duration = Duration::from_secs(15);
/// A machine may be this much slower than the one whose minutes are in the table.
const SLOWER_MAX: u64 = 3;

pub(super) fn run(suite: &'static Suite, built: &Built, prepared: &mut Prepared) -> Outcome {
    eprintln!("\nxtask: {}: {} (about {} min)", suite.name, suite.about, suite.minutes);
    let start = Instant::now();
    if let Err(verdict) = prepared.begin(suite) {
        return Outcome::new(suite, start, verdict);
    }
    let done = command(suite, built).and_then(|mut command| {
        command.envs(prepared.environment(suite));
        watch(suite, &mut command, start)
    });
    prepared.end();
    let verdict = match done {
        Ok(()) => Verdict::Passed,
        Err(error) => Verdict::Failed(format!("{error:#}")),
    };
    Outcome::new(suite, start, verdict)
}

fn command(suite: &Suite, built: &Built) -> Result<Command> {
    match suite.work {
        Work::Cargo(arguments) => {
            let mut command = tethered(workspace::cargo());
            command.args(arguments);
            Ok(command)
        }
        Work::AgentTest => {
            let mut command = tethered(built.test(suite.name)?);
            // As cargo would: in the package's directory.
            let package = workspace::root().join("agent");
            command.current_dir(&package).env("CARGO_MANIFEST_DIR", package);
            Ok(command)
        }
        Work::Xtask(arguments) => {
            let mut command = tethered(own_executable());
            command.args(arguments);
            Ok(command)
        }
    }
}

fn watch(suite: &Suite, command: &mut Command, start: Instant) -> Result<()> {
    let limit = Duration::from_secs(suite.minutes * SLOWER_MAX * 60);
    let mut running = Running::start(suite.name, command, PATIENCE)?;
    let mut next_sign = SIGN_OF_LIFE;
    loop {
        if let Some(status) = running.ended()? {
            if !status.success() {
                bail!("ended with {status}");
            }
            return Ok(());
        }
        let elapsed = start.elapsed();
        if elapsed > limit {
            running.end().context("it hung")?;
            bail!("ended by us: took longer than {} min", limit.as_secs() / 60);
        }
        if elapsed > next_sign {
            eprintln!("xtask: {} runs since {} min", suite.name, elapsed.as_secs() / 60);
            next_sign += SIGN_OF_LIFE;
        }
        std::thread::sleep(POLL);
    }
}
