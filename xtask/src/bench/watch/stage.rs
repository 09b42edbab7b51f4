//! An agent on one rung, with containers' directories made here and a stand-in.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::agent::{Agent, Collect, Settings};
use crate::bench::metrics::Metrics;

pub(super) struct Stage {
    directory: TempDir,
    pub(super) rung: String,
    port: u16,
}

impl Stage {
    pub(super) fn new(rung: &str) -> Result<Self> {
        let directory =
            TempDir::with_prefix("sluice-watch-").context("cannot make a temporary directory")?;
        std::fs::create_dir_all(directory.path().join("docker/containers"))?;
        Ok(Self { directory, rung: rung.to_owned(), port: sluice_bench::port::free()? })
    }

    /// The data root.
    pub(super) fn root(&self) -> PathBuf {
        self.directory.path().join("docker")
    }

    pub(super) fn start(&self, host: &str, program: Option<&Path>) -> Result<Agent> {
        Agent::start(&Settings {
            directory: self.directory.path(),
            docker_socket: None,
            docker_root: &self.root(),
            host,
            target: "sluice",
            codec: "zlib-rs",
            collect: Collect::All,
            workers: None,
            http_port: self.port,
            further: &format!("batch: {{flush_interval: 0s}}\nwatch: {{rung: {}}}\n", self.rung),
            program,
        })
    }

    pub(super) fn metrics(&self) -> Result<Metrics> {
        Metrics::of(self.port)
    }

    /// The rung that all of `files` logs stand on.
    pub(super) fn stands_on(&self, files: u64) -> Result<String> {
        let metrics = self.metrics()?;
        let mut samples = metrics.samples("sluice_watch_followed");
        let found = samples.find(|(_, count)| (*count - files as f64).abs() < 0.5);
        let labels = found.map(|(labels, _)| labels.to_owned());
        let labels = labels.with_context(|| format!("{files} logs stand on no one rung"))?;
        let name = labels.split('"').nth(1).context("a sample without a rung")?.to_owned();
        ensure!(
            self.rung == "auto" || self.rung == name,
            "{} was asked for, it is {name}",
            self.rung
        );
        Ok(name)
    }
}
