//! What watching adds to each write of the one who is watched.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bench::figure::{Bar, Figure};
use crate::bench::verdict::{Finding, Mark};
use crate::workspace;

/// Nanoseconds that the tracepoint variant may add.
const FOLLOWED_MARK: f64 = 350.0;
const UNFOLLOWED_MARK: f64 = 250.0;

/// What `agent/benches/kernel.rs` prints with `--json`.
#[derive(Debug, Deserialize, Serialize)]
struct Report {
    file_system: String,
    variant: Option<String>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Case {
    name: String,
    median_ns: f64,
    least_ns: f64,
    rounds: Vec<f64>,
}

/// In a directory of the file system that is asked about: the temporary one.
pub(super) fn run() -> Result<(Vec<Finding>, Value, Figure)> {
    let output = Command::new(workspace::cargo())
        .args(["bench", "--quiet", "--package", "sluice", "--bench", "kernel", "--", "--json"])
        .arg(std::env::temp_dir())
        .current_dir(workspace::root())
        .output()
        .context("cannot start cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo bench: {}", said.trim_end());
    let report: Report = serde_json::from_slice(&output.stdout).context("its report")?;
    let base = report.cases.first().context("a report without cases")?.median_ns;
    let variant = report.variant.as_deref().unwrap_or("no variant");
    let mut findings = Vec::new();
    let mut bars = Vec::new();
    for case in &report.cases {
        let is_ours = matches!(case.name.as_str(), "followed" | "unfollowed");
        let name = if is_ours { format!("{} ({variant})", case.name) } else { case.name.clone() };
        let added = case.median_ns - base;
        eprintln!("xtask: write, {name}: {:.0} ns, {added:+.0} ns", case.median_ns);
        let mark = match (variant, case.name.as_str()) {
            ("tracepoint", "followed") => Some(Mark::AtMost(FOLLOWED_MARK)),
            ("tracepoint", "unfollowed") => Some(Mark::AtMost(UNFOLLOWED_MARK)),
            _ => None,
        };
        findings.push(Finding {
            name: format!("a write, {name}"),
            value: case.median_ns,
            unit: "ns",
            mark: None,
        });
        if added.abs() > 0.0 {
            findings.push(Finding {
                name: format!("a write, {name}, added"),
                value: added,
                unit: "ns",
                mark,
            });
        }
        bars.push(Bar { name, value: case.median_ns, is_ours });
    }
    let title = format!("Processor time of one write of 240 bytes ({})", report.file_system);
    let run = json!({"case": "cost", "report": report});
    Ok((findings, run, Figure { title, unit: "ns", bars }))
}
