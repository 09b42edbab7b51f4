//! What a build by cargo has made.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// An executable.
pub(crate) struct Artifact {
    pub(crate) name: String,
    kind: Vec<String>,
    pub(crate) executable: PathBuf,
}

impl Artifact {
    /// `bin`, `test` and so on.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }
}

/// The parts that matter of a line of `cargo --message-format json`.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Runs `cargo`, which is a build of whatever kind, and gives its executables.
pub(crate) fn build(cargo: &mut Command) -> Result<Vec<Artifact>> {
    let mut child = cargo
        .args(["--message-format", "json-render-diagnostics"])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let output = child.stdout.take().context("standard output is piped")?;
    let mut artifacts = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what cargo says")?;
        let Ok(message) = serde_json::from_str::<Message>(&line) else { continue };
        if let ("compiler-artifact", Some(Target { name, kind }), Some(executable)) =
            (message.reason.as_str(), message.target, message.executable)
        {
            artifacts.push(Artifact { name, kind, executable });
        }
    }
    let status = child.wait().context("cannot wait for cargo")?;
    let arguments: Vec<_> = cargo.get_args().map(|argument| argument.to_string_lossy()).collect();
    ensure!(status.success(), "cargo {} ended with {status}", arguments.join(" "));
    Ok(artifacts)
}
