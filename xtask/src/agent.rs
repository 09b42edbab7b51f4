//! The real agent as a child: its configuration, its log, its end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Running, tethered};
use crate::usage::{Usage, forget_peak};
use crate::workspace::release_binary;

/// The agent drains for up to its own `shutdown_timeout`.
const PATIENCE: Duration = Duration::from_secs(30);
/// Lines of its log that an error shows.
const TAIL: usize = 20;

pub(crate) struct Settings<'a> {
    /// Holds configuration, state and log.
    pub(crate) directory: &'a Path,
    /// `None`: only the containers' directory is read.
    pub(crate) docker_socket: Option<&'a str>,
    pub(crate) docker_root: &'a Path,
    pub(crate) host: &'a str,
    /// Of the index, before its date.
    pub(crate) target: &'a str,
    pub(crate) codec: &'a str,
    pub(crate) collect: Collect,
    /// `None`: as many as it wants.
    pub(crate) workers: Option<u32>,
    /// Where it tells its metrics; 0: somewhere.
    pub(crate) http_port: u16,
    /// Further lines of its configuration.
    pub(crate) further: &'a str,
    /// `None`: the one that was built here.
    pub(crate) program: Option<&'a Path>,
}

/// Whose output is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collect {
    All,
    /// Only that of containers with a label `sluice.logs.<target>=stdout`.
    Declared,
}

pub(crate) struct Agent {
    running: Running,
    log: PathBuf,
}

impl Agent {
    pub(crate) fn start(settings: &Settings<'_>) -> Result<Self> {
        let config = settings.directory.join("sluice.yaml");
        fs::write(&config, yaml(settings))
            .with_context(|| format!("cannot write {}", config.display()))?;
        let log = settings.directory.join("sluice.log");
        // Appended: an agent that was killed and started again goes on in the same log.
        let written = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot open {}", log.display()))?;
        let built = release_binary("sluice");
        let mut command = tethered(settings.program.unwrap_or(&built));
        command.arg("run").arg("--config").arg(&config);
        command.stdin(Stdio::null()).stdout(written.try_clone()?).stderr(written);
        let running = Running::start("sluice", &mut command, PATIENCE)?;
        Ok(Self { running, log })
    }

    pub(crate) fn usage(&mut self) -> Result<Usage> {
        self.check()?;
        Usage::of(self.running.pid())
    }

    pub(crate) fn forget_peak(&mut self) -> Result<()> {
        self.check()?;
        forget_peak(self.running.pid())
    }

    /// An error if it has ended by itself, with the end of its log.
    fn check(&mut self) -> Result<()> {
        match self.running.ended()? {
            None => Ok(()),
            Some(status) => {
                bail!("sluice ended with {status}; the end of its log:\n{}", self.tail())
            }
        }
    }

    /// Lines of its log that say `word`.
    pub(crate) fn said(&self, word: &str) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines().filter(|line| line.contains(word)).map(str::to_owned).collect()
    }

    /// SIGKILL, at whatever it is doing.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.running.kill().map(drop)
    }

    /// SIGTERM; an error if it does not end well.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let status = self.running.end()?;
        if !status.success() {
            bail!("sluice ended with {status} after SIGTERM; the end of its log:\n{}", self.tail());
        }
        Ok(())
    }

    fn tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}

fn yaml(settings: &Settings<'_>) -> String {
    let Settings { directory, docker_socket, docker_root, host, target, codec, .. } = settings;
    let Settings { http_port, further, .. } = settings;
    let collect = match settings.collect {
        Collect::All => "all",
        Collect::Declared => "declared",
    };
    let workers = settings.workers.map_or_else(|| "auto".to_owned(), |workers| workers.to_string());
    format!(
        "state_dir: {state}\n\
         node: demo\n\
         target: {target}\n\
         collect: {{stdout: {collect}}}\n\
         docker: {{socket: {socket}, root: {root}}}\n\
         compression: {{codec: {codec}}}\n\
         output: {{elasticsearch: {{hosts: [\"{host}\"]}}}}\n\
         http: {{listen: \"127.0.0.1:{http_port}\"}}\n\
         workers: {workers}\n\
         {further}",
        state = directory.join("state").display(),
        socket = docker_socket.unwrap_or("off"),
        root = docker_root.display(),
    )
}
