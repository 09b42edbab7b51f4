//! Real containers that write the same lines.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use sluice_bench::load::{Ledger, Written};

use super::writers::{CAST, LOG_OPTIONS, Load, Progress};
use crate::docker::{self, Engine, docker};

pub(super) struct Containers {
    /// As in `DOCKER_HOST`.
    host: String,
    root: PathBuf,
    names: Vec<String>,
    /// When each began, lines a second, and lines in all.
    parts: Vec<(Instant, u64, u64)>,
    ledger: Ledger,
    own: Option<Engine>,
}

impl Containers {
    pub(super) fn open() -> Result<Self> {
        let named =
            std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".into());
        let (host, own) = if answers(&named) {
            (named, None)
        } else {
            let engine = Engine::start().with_context(|| {
                format!("no Docker engine answers at {named}, and ours does not start")
            })?;
            println!("no Docker engine answers at {named}; one of our own does for the demo");
            (engine.host(), Some(engine))
        };
        ensure!(
            host.starts_with("unix://"),
            "{host}: the agent reads files, so the engine has to be on this host (unix://)"
        );
        docker::load(&host)?;
        let output = docker(&host).args(["info", "--format", "{{.DockerRootDir}}"]).output()?;
        let root = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        std::fs::read_dir(root.join("containers")).with_context(|| {
            format!("cannot read {}/containers; only root can: use sudo", root.display())
        })?;
        let ledger = Ledger::default();
        Ok(Self { host, root, names: Vec::new(), parts: Vec::new(), ledger, own })
    }

    pub(super) fn socket(&self) -> &str {
        self.host.trim_start_matches("unix://")
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// `target` is declared by each container: the engine may have others, which are nobody's demo.
    pub(super) fn write(&mut self, load: &Load, target: &str) -> Result<()> {
        for role in CAST {
            let name = format!("sluice-demo-{}-{}", std::process::id(), role.name);
            let mut command = docker(&self.host);
            command.args(["run", "--detach", "--network", "none", "--name", &name]);
            command.args(["--label", &format!("sluice.logs.{target}=stdout")]);
            for (option, value) in LOG_OPTIONS {
                command.args(["--log-opt", &format!("{option}={value}")]);
            }
            let lines = role.lines(load);
            command.args([docker::IMAGE, "sluice-bench", "write", "--source", role.name]);
            command.args(["--kind", role.word, "--lines", &lines.to_string()]);
            command.args(["--rate", &role.rate(load).to_string()]);
            self.names.push(name.clone());
            let output = command.output().context("cannot start docker")?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                bail!("container {name} does not start: {}", said.trim_end());
            }
            self.parts.push((Instant::now(), role.rate(load), lines));
            self.ledger.set(role.name, Written { lines, text_bytes: 0 });
        }
        Ok(())
    }

    /// By the clock, as only the containers know it exactly; at their end it is what was asked for.
    pub(super) fn progress(&mut self) -> Result<Progress> {
        let so_far = |(begin, rate, lines): &(Instant, u64, u64)| {
            ((begin.elapsed().as_secs_f64() * *rate as f64) as u64).min(*lines)
        };
        let lines = self.parts.iter().map(so_far).sum();
        // Asked only when it can be: each question is a process.
        let is_all = lines == self.ledger.lines() && self.running()? == 0;
        Ok(Progress { lines, bytes: 0, is_all })
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    fn running(&self) -> Result<usize> {
        let filter = format!("name=sluice-demo-{}-", std::process::id());
        let output = docker(&self.host)
            .args(["ps", "--quiet", "--filter", &filter])
            .output()
            .context("cannot start docker")?;
        ensure!(output.status.success(), "docker ps failed");
        Ok(String::from_utf8_lossy(&output.stdout).lines().count())
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        if !self.names.is_empty() {
            docker(&self.host).args(["rm", "--force"]).args(&self.names).output().ok();
        }
        if self.own.is_none() {
            docker(&self.host).args(["rmi", docker::IMAGE]).output().ok();
        }
    }
}

fn answers(host: &str) -> bool {
    docker(host).arg("version").output().is_ok_and(|output| output.status.success())
}
