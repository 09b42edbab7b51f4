//! A dockerd in a temporary directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{Running, on_path, tethered};

/// Seen to take 0.2 s; a cold disk and a busy machine may need more.
const START_MAX: Duration = Duration::from_mins(1);
/// It ends its containers first, and gives each ten seconds.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(50);
/// Lines of its log that an error shows.
const TAIL: usize = 15;

/// Shares nothing with an engine that runs here already: own socket, images, containers and
/// containerd namespace, no bridge and no firewall rules (so its containers have only loopback).
/// Ended, and its directory removed, when dropped.
pub(crate) struct Engine {
    running: Option<Running>,
    directory: TempDir,
}

impl Engine {
    pub(crate) fn start() -> Result<Self> {
        // Short: the path of a Unix socket has a limit of 108 bytes, and containerd nests its own.
        let directory =
            TempDir::with_prefix("sluice-docker-").context("cannot make a temporary directory")?;
        let log = directory.path().join("log");
        let written =
            File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let within = |name: &str| directory.path().join(name);
        let mut command =
            tethered(on_path("dockerd").context("no dockerd; apt-get install docker.io")?);
        command.arg("--host").arg(format!("unix://{}", within("docker.sock").display()));
        command.arg("--data-root").arg(within("data"));
        command.arg("--exec-root").arg(within("exec"));
        command.arg("--pidfile").arg(within("pid"));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"]);
        // Where a containerd serves the machine, dockerd uses that one.
        let namespace = format!("sluice-{}", std::process::id());
        command.args(["--containerd-namespace", &namespace]);
        command.args(["--containerd-plugins-namespace", &format!("{namespace}-plugins")]);
        command.args(["--log-level", "warn"]);
        command.stdin(Stdio::null()).stdout(written.try_clone()?).stderr(written);
        let running = Running::start("dockerd", &mut command, PATIENCE)?;
        let mut engine = Self { running: Some(running), directory };
        engine.await_ready(&log)?;
        Ok(engine)
    }

    /// As in `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }

    /// Docker's data root, above `containers/`.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn await_ready(&mut self, log: &Path) -> Result<()> {
        let host = self.host();
        let deadline = Instant::now() + START_MAX;
        loop {
            if docker(&host).arg("version").output().is_ok_and(|output| output.status.success()) {
                return Ok(());
            }
            let ended = self.running.as_mut().map(Running::ended).transpose()?.flatten();
            if ended.is_some() || Instant::now() > deadline {
                let said = fs::read_to_string(log).unwrap_or_default();
                let lines: Vec<_> = said.lines().collect();
                let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
                match ended {
                    Some(status) => bail!("dockerd ended with {status}:\n{tail}"),
                    None => bail!("dockerd does not answer in {START_MAX:?}:\n{tail}"),
                }
            }
            std::thread::sleep(POLL);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let host = self.host();
        // Removed and not only stopped, so that no mount is left that would keep the directory.
        if let Ok(listed) = docker(&host).args(["ps", "--all", "--quiet"]).output() {
            let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
            if !ids.trim().is_empty() {
                docker(&host).args(["rm", "--force"]).args(ids.split_whitespace()).output().ok();
            }
        }
        self.running = None;
    }
}

/// The client, for the engine at `host`.
pub(crate) fn docker(host: &str) -> Command {
    let mut command = Command::new("docker");
    command.args(["--host", host]);
    command
}
