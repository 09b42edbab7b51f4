//! A server as a value: started by [`Server::start`], ended when dropped.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::Release;
use crate::process::{Running, own_executable};

/// From SIGTERM to SIGKILL; a node closes in well under a second when the machine is quiet.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    pub(crate) url: String,
    /// By the server's own word.
    pub(crate) version: String,
    // Before the directory, as fields are dropped in order: the data goes when the JVM is gone.
    _running: Running,
    _data: TempDir,
}

impl Server {
    /// Fetches the release if need be, starts one node on a free port and waits until it answers.
    ///
    /// `settings`: `key=value` each.
    pub(crate) fn start(release: &Release, settings: &[&str]) -> Result<Self> {
        let data =
            TempDir::with_prefix("sluice-server-").context("cannot make a temporary directory")?;
        let mut command = Command::new(own_executable());
        command.args([
            "server",
            release.family.name(),
            &release.version,
            "--with-parent",
            "--port",
            "0",
        ]);
        command.arg("--data").arg(data.path());
        command.args(settings.iter().flat_map(|setting| ["--set", setting]));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut running = Running::start(&release.to_string(), &mut command, PATIENCE)?;
        let output = running.child().stdout.take().context("standard output is piped")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("cannot read the ready line")?;
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("ready"), Some(url), Some("version"), Some(version)) => Ok(Self {
                url: url.to_owned(),
                version: version.to_owned(),
                _running: running,
                _data: data,
            }),
            _ => anyhow::bail!("{release} did not start; its reason is on standard error above"),
        }
    }
}
