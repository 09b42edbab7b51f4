//! Our codec beside others, on bodies by seed or any file: what it does per second of processor, and
//! how small.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use sluice_bench::load::body::Content;
use tempfile::TempDir;

use super::figure::{Bar, Figure};
use super::verdict::{Finding, Mark, Verdict, median};
use crate::{artifact, workspace};

/// The codec whose figures are held against the marks: as the agent uses it.
const OURS: &str = "sluice-hints";
/// What the marks are ratios to.
const ISAL: &str = "isal-1";
const ZLIB_RS: &str = "zlib-rs-1";
/// Of the chunks that the marks are for.
const MARK_KIB: u32 = 1024;
const ZLIB_RS_MARK: f64 = 2.2;
const SIZE_MARK: f64 = 1.03;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Files to measure instead of the bodies by seed
    files: Vec<PathBuf>,
    /// One of the bodies by seed; may be repeated, all unless given
    #[arg(long)]
    content: Vec<Content>,
    /// KiB of a chunk; may be repeated
    #[arg(long, default_values_t = [16, 64, 256, 1024, 4096])]
    chunk: Vec<u32>,
    /// Of each codec with each chunk, in turn
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
}

/// What the program says.
#[derive(Deserialize)]
struct Report {
    figures: Vec<Measured>,
    missing: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Measured {
    body: String,
    chunk_kib: u32,
    codec: String,
    body_bytes: u64,
    documents: u64,
    compressed_bytes: u64,
    nanoseconds: Vec<u64>,
}

impl Measured {
    fn median(&self) -> f64 {
        median(self.nanoseconds.iter().map(|&nanoseconds| nanoseconds as f64))
    }

    fn megabytes_per_second(&self) -> f64 {
        self.body_bytes as f64 * 1e3 / self.median()
    }

    /// How often as fast as `other`, by the median of the rounds.
    fn speed(&self, other: &Self) -> f64 {
        let rounds = self.nanoseconds.iter().zip(&other.nanoseconds);
        median(rounds.map(|(&ours, &theirs)| theirs as f64 / ours as f64))
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict> {
    let program = build()?;
    let directory =
        TempDir::with_prefix("sluice-codec-").context("cannot make a temporary directory")?;
    let files = match &arguments.files[..] {
        [] => bodies(&arguments.content, directory.path())?,
        named => named.to_vec(),
    };
    let mut command = Command::new(program);
    command.args(&files).args(["--rounds", &arguments.rounds.to_string()]);
    for chunk in &arguments.chunk {
        command.args(["--chunk", &chunk.to_string()]);
    }
    let output = command.stderr(Stdio::inherit()).output().context("cannot start the bench")?;
    ensure!(output.status.success(), "the bench ended with {}", output.status);
    let report: Report = serde_json::from_slice(&output.stdout).context("its report")?;
    Ok(verdict(arguments.rounds, &report))
}

fn build() -> Result<PathBuf> {
    let manifest = workspace::root().join("benches/codec/Cargo.toml");
    let artifacts = artifact::build(
        Command::new(workspace::cargo())
            .args(["build", "--release", "--locked", "--manifest-path"])
            .arg(manifest)
            // Beside what is built here, and not in the way of it.
            .arg("--target-dir")
            .arg(workspace::target().join("codec")),
    )?;
    let program = artifacts.into_iter().find(|artifact| artifact.is("bin"));
    Ok(program.context("cargo built no program")?.executable)
}

fn bodies(contents: &[Content], directory: &Path) -> Result<Vec<PathBuf>> {
    let contents = if contents.is_empty() { &Content::ALL[..] } else { contents };
    let mut files = Vec::new();
    for content in contents {
        let path = directory.join(format!("{}.ndjson", content.name()));
        std::fs::write(&path, content.body())
            .with_context(|| format!("cannot write {}", path.display()))?;
        files.push(path);
    }
    Ok(files)
}

fn verdict(rounds: u32, report: &Report) -> Verdict {
    print(&report.figures);
    for missing in &report.missing {
        println!("not measured: {missing}");
    }
    let mut groups: BTreeMap<(&str, u32), Vec<&Measured>> = BTreeMap::new();
    for measured in &report.figures {
        groups.entry((&measured.body, measured.chunk_kib)).or_default().push(measured);
    }
    let mut findings = Vec::new();
    let mut bars = Vec::new();
    for ((body, chunk_kib), group) in groups {
        let of = |codec: &str| group.iter().find(|measured| measured.codec == codec);
        let Some(ours) = of(OURS) else { continue };
        let mut add = |rival: &str, what: &str, value: f64, mark: Option<Mark>| {
            let name = format!("{body}, {chunk_kib} KiB, {what} to {rival}");
            let mark = mark.filter(|_| chunk_kib == MARK_KIB);
            findings.push(Finding { name, value, unit: "", mark });
        };
        if let Some(isal) = of(ISAL) {
            let size = ours.compressed_bytes as f64 / isal.compressed_bytes as f64;
            add(ISAL, "speed", ours.speed(isal), speed_mark(body).map(Mark::AtLeast));
            add(ISAL, "size", size, speed_mark(body).map(|_| Mark::AtMost(SIZE_MARK)));
        }
        if let Some(zlib) = of(ZLIB_RS) {
            let mark = speed_mark(body).map(|_| Mark::AtLeast(ZLIB_RS_MARK));
            add(ZLIB_RS, "speed", ours.speed(zlib), mark);
        }
        if chunk_kib == MARK_KIB {
            bars.extend([ISAL, OURS, ZLIB_RS].into_iter().filter_map(of).map(|measured| Bar {
                name: format!("{body}, {}", measured.codec),
                value: measured.megabytes_per_second(),
                is_ours: measured.codec == OURS,
            }));
        }
    }
    Verdict {
        bench: "codec",
        definition: format!(
            "bodies of bulk requests in chunks that end with a document, one gzip member each; \
             codecs in turn chunk by chunk in one pinned thread, by its processor time; medians of \
             {rounds} rounds, ratios of each round; every output decoded by two inflaters"
        ),
        findings,
        runs: report.figures.iter().filter_map(|run| serde_json::to_value(run).ok()).collect(),
        figure: Some(Figure {
            title: "Compression per CPU second (chunks of 1 MiB)".into(),
            unit: "MB",
            bars,
        }),
    }
}

/// None for a body that has no mark.
fn speed_mark(body: &str) -> Option<f64> {
    match body {
        "lean" | "random" => Some(1.2),
        "rich" | "access" | "access-rich" => Some(1.1),
        "mixed" | "mixed-rich" => Some(1.0),
        _ => None,
    }
}

fn print(figures: &[Measured]) {
    println!("\n| body | chunk, KiB | codec | MB/CPU s | ratio | ns per document |");
    println!("|---|---|---|---|---|---|");
    for measured in figures {
        let Measured { body, chunk_kib, codec, .. } = measured;
        println!(
            "| {body} | {chunk_kib} | {codec} | {:.0} | {:.2} | {:.0} |",
            measured.megabytes_per_second(),
            measured.body_bytes as f64 / measured.compressed_bytes as f64,
            measured.median() / measured.documents as f64,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(codec: &str, compressed_bytes: u64, nanoseconds: [u64; 3]) -> Measured {
        let nanoseconds = nanoseconds.to_vec();
        let (body, codec) = ("lean".to_owned(), codec.to_owned());
        let (body_bytes, documents, chunk_kib) = (1000, 10, MARK_KIB);
        Measured { body, chunk_kib, codec, body_bytes, documents, compressed_bytes, nanoseconds }
    }

    #[test]
    fn ratios_are_of_each_round() {
        let figures = vec![
            measured(ISAL, 100, [1200, 2600, 1300]),
            measured(OURS, 102, [1000, 2000, 1000]),
            measured(ZLIB_RS, 130, [2000, 4000, 2000]),
        ];
        let verdict = verdict(3, &Report { figures, missing: vec![] });
        let values: Vec<_> = verdict.findings.iter().map(|finding| finding.value).collect();
        assert_eq!(values, [1.3, 1.02, 2.0]);
        assert!(!verdict.holds(), "2.0 is less than 2.2");
    }
}
