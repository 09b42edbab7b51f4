//! A node as the agent sees it: Docker's data root, a state directory, a configuration.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sluice_bench::load::{ContainerDir, ContainerSpec};
use sluice_bench::standin::Standin;
use tempfile::TempDir;

use super::{Agent, sluice};

/// Everything lies in one temporary directory.
pub struct Node {
    directory: TempDir,
    config: Value,
}

impl Node {
    /// A node whose configuration names an output that is not there.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().join("docker");
        std::fs::create_dir_all(root.join("containers")).expect("a directory can be made");
        let config = json!({
            "state_dir": directory.path().join("state"),
            "node": "node-1",
            "workers": 1,
            "batch": {"flush_interval": "20ms"},
            "docker": {"socket": "off", "root": root},
            "output": {"elasticsearch": {"hosts": ["http://127.0.0.1:9"], "timeout": "10s"}},
            "http": {"listen": "off"},
            "shutdown_timeout": "15s",
        });
        Self { directory, config }
    }

    /// One that sends to this server.
    pub fn sending_to(standin: &Standin) -> Self {
        let mut node = Self::new();
        node.set("output.elasticsearch.hosts", json!([standin.url()]));
        node
    }

    /// Sets a key of the configuration, named as in its reference. `null` takes it out.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let mut at = &mut self.config;
        let mut names = key.split('.').peekable();
        while let Some(name) = names.next() {
            if !at.is_object() {
                *at = json!({});
            }
            let members = at.as_object_mut().expect("made one above");
            if names.peek().is_none() {
                match value.into() {
                    Value::Null => drop(members.remove(name)),
                    value => drop(members.insert(name.to_owned(), value)),
                }
                return self;
            }
            at = members.entry(name).or_insert_with(|| json!({}));
        }
        self
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("docker")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn log_path(&self) -> PathBuf {
        self.directory.path().join("agent.log")
    }

    /// Writes a file beside the others, as a secret or a certificate, and gives its path.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        let fresh = self.directory.path().join(format!(".{name}"));
        std::fs::write(&fresh, content).expect("a file can be written");
        std::fs::rename(&fresh, &path).expect("a file can be renamed");
        path
    }

    /// Writes the configuration; JSON is YAML as well.
    pub fn config_path(&self) -> PathBuf {
        self.write("sluice.yaml", &format!("{:#}\n", self.config))
    }

    pub fn start(&self) -> Agent {
        Agent::start(&self.config_path(), &self.log_path())
    }

    /// What the running agent says of its positions.
    pub fn positions(&self) -> Value {
        let state_dir = self.state_dir().display().to_string();
        let ended = sluice(&["positions", "--json", "--state-dir", &state_dir]);
        serde_json::from_str(&ended.stdout).unwrap_or(Value::Null)
    }

    /// Whether a container's current file is read and acknowledged to its end, and with it every
    /// file before.
    pub fn acknowledged(&self, container: &str, log: &Path) -> bool {
        let found = std::fs::metadata(log).expect("the log is there");
        let positions = self.positions();
        positions.as_array().into_iter().flatten().any(|position| {
            position["container"] == container
                && position["inode"] == found.ino()
                && position["frontier"] == found.len()
        })
    }

    pub fn container(&self, spec: ContainerSpec) -> ContainerDir {
        ContainerDir::create(&self.root(), spec).expect("a container's directory can be made")
    }

    /// A container whose output goes to a target of its own.
    pub fn container_for(&self, name: &str, target: &str) -> ContainerDir {
        self.container(spec_for(name, target))
    }
}

/// By the label that declares it.
pub fn spec_for(name: &str, target: &str) -> ContainerSpec {
    ContainerSpec::new(name).label(&format!("sluice.logs.{target}"), "stdout")
}
