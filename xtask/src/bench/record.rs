//! Dated records in the tree, for claims to link to.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;
use sluice_bench::load::Stamp;

use super::plot;
use super::verdict::Verdict;
use crate::workspace;

#[derive(Serialize)]
struct Record<'a> {
    date: String,
    commit: String,
    machine: Machine,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

#[derive(Serialize)]
struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
}

/// `benches/records/<date>-<bench>.json`, and the plot beside it.
pub(super) fn write(verdict: &Verdict) -> Result<()> {
    let directory = workspace::root().join("benches/records");
    fs::create_dir_all(&directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let date = Stamp::now().trimmed()[..10].to_owned();
    let path = directory.join(format!("{date}-{}.json", verdict.bench));
    let record = Record { date, commit: commit(), machine: Machine::this(), verdict };
    let mut text = serde_json::to_string_pretty(&record)?;
    text.push('\n');
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("recorded in {}", path.display());
    if let Some(figure) = &verdict.figure {
        let plot = path.with_extension("svg");
        fs::write(&plot, plot::svg(figure))
            .with_context(|| format!("cannot write {}", plot.display()))?;
    }
    Ok(())
}

/// With a mark if the tree has changes that the commit does not.
fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .current_dir(workspace::root())
        .output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

impl Machine {
    fn this() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model =
            cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        }
    }
}
