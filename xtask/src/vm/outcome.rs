//! How a run ended, the table of all, and the record.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use sluice_vm::contract::End;

pub(super) enum Ended {
    Program(End),
    /// The kernel, by what it said.
    Panicked(String),
    TimedOut(Duration),
    /// It ended without a report; its console may say why.
    Lost(ExitStatus),
    /// It was never started.
    NotRun(String),
}

pub(super) struct Outcome {
    pub(super) kernel: &'static str,
    pub(super) release: Option<String>,
    pub(super) ended: Ended,
    pub(super) result: Option<Value>,
    pub(super) seconds: f64,
}

impl Outcome {
    pub(super) fn is_success(&self) -> bool {
        matches!(self.ended, Ended::Program(End::Exit(0)))
    }

    fn words(&self) -> String {
        match &self.ended {
            Ended::Program(End::Exit(0)) => "passed".into(),
            Ended::Program(End::Exit(code)) => format!("FAILED: exit code {code}"),
            Ended::Program(End::Signal(signal)) => format!("FAILED: ended by signal {signal}"),
            Ended::Program(End::Refused(reason)) => format!("FAILED: {reason}"),
            Ended::Panicked(line) => format!("FAILED: {line}"),
            Ended::TimedOut(limit) => {
                format!("FAILED: ended by us after {} s (--timeout)", limit.as_secs())
            }
            Ended::Lost(status) => format!("FAILED: no report, and {status}"),
            Ended::NotRun(reason) => format!("NOT RUN: {reason}"),
        }
    }
}

pub(super) fn report(outcomes: &[Outcome], as_json: bool) -> Result<()> {
    if as_json {
        let record: Vec<_> = outcomes.iter().map(record).collect();
        println!("{}", serde_json::to_string_pretty(&record)?);
        return Ok(());
    }
    println!("\n{:<11}{:<26}{:>8}  result", "kernel", "release", "seconds");
    for outcome in outcomes {
        let release = outcome.release.as_deref().unwrap_or("-");
        let (kernel, seconds) = (outcome.kernel, outcome.seconds);
        println!("{kernel:<11}{release:<26}{seconds:>8.1}  {}", outcome.words());
    }
    Ok(())
}

fn record(outcome: &Outcome) -> Value {
    let code = match outcome.ended {
        Ended::Program(End::Exit(code)) => Some(code),
        _ => None,
    };
    json!({
        "kernel": outcome.kernel,
        "release": outcome.release,
        "exit_code": code,
        "ended": outcome.words(),
        "seconds": outcome.seconds,
        "result": outcome.result,
    })
}
