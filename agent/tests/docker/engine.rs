//! The Docker engine that the suite was given, and containers in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::station::until;

/// How long Docker may take for anything.
pub(crate) const DOCKER_MAX: Duration = Duration::from_secs(60);

/// One test at a time: an agent follows every container of its engine, and would count another
/// test's.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) struct Engine {
    /// As in `DOCKER_HOST`.
    pub(crate) host: String,
    /// Docker's data root.
    pub(crate) root: PathBuf,
    pub(crate) image: String,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Engine {
    /// `None` where there is no engine for tests, which is said.
    pub(crate) fn given() -> Option<Self> {
        let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let all = (
            told("SLUICE_TEST_DOCKER_HOST"),
            told("SLUICE_TEST_DOCKER_ROOT"),
            told("SLUICE_TEST_DOCKER_IMAGE"),
        );
        let (Some(host), Some(root), Some(image)) = all else {
            assert!(
                told("SLUICE_TEST_XTASK").is_none(),
                "cargo xtask test ran this suite and gave it no engine"
            );
            eprintln!("no engine: `cargo xtask test --only docker` brings one and runs this");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Self { host, root: root.into(), image, _turn: Some(turn) })
    }

    /// An engine of the test's own, beside the given one, whose turn this one is too.
    pub(crate) fn own(host: String, root: PathBuf, image: String) -> Self {
        Self { host, root, image, _turn: None }
    }

    pub(crate) fn socket(&self) -> &str {
        self.host.trim_start_matches("unix://")
    }

    /// The client's output; a failure is a panic.
    pub(crate) fn docker<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> String {
        let output = self.try_docker(arguments);
        assert!(
            output.status.success(),
            "docker ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(crate) fn try_docker<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Output {
        Command::new("docker")
            .args(["--host", &self.host])
            .args(arguments)
            .output()
            .expect("docker can be started")
    }

    pub(crate) fn run(&self, name: &str) -> Run<'_> {
        Run {
            engine: self,
            name: name.to_owned(),
            network: "none",
            image: &self.image,
            options: Vec::new(),
        }
    }
}

/// What `docker run` is to be asked for.
pub(crate) struct Run<'a> {
    engine: &'a Engine,
    name: String,
    network: &'a str,
    image: &'a str,
    options: Vec<String>,
}

impl<'a> Run<'a> {
    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub(crate) fn network(mut self, network: &'a str) -> Self {
        self.network = network;
        self
    }

    pub(crate) fn image(mut self, image: &'a str) -> Self {
        self.image = image;
        self
    }

    pub(crate) fn flag(mut self, name: &str) -> Self {
        self.options.push(name.to_owned());
        self
    }

    pub(crate) fn log(self, key: &str, value: &str) -> Self {
        self.option("--log-opt", &format!("{key}={value}"))
    }

    pub(crate) fn rotating(self, size: &str, files: u32) -> Self {
        self.log("max-size", size).log("max-file", &files.to_string())
    }

    pub(crate) fn env(self, key: &str, value: &str) -> Self {
        self.option("--env", &format!("{key}={value}"))
    }

    pub(crate) fn label(self, key: &str, value: &str) -> Self {
        self.option("--label", &format!("{key}={value}"))
    }

    pub(crate) fn mount(self, host: &Path, inside: &str) -> Self {
        self.option("--volume", &format!("{}:{inside}", host.display()))
    }

    /// Starts it in the background.
    pub(crate) fn sh(self, script: &str) -> Container<'a> {
        self.command(&["sh", "-c", script])
    }

    pub(crate) fn command(self, command: &[&str]) -> Container<'a> {
        self.make(&["run", "--detach"], command)
    }

    /// Only `docker create`.
    pub(crate) fn create(self, command: &[&str]) -> Container<'a> {
        self.make(&["create"], command)
    }

    fn make(self, verb: &[&str], command: &[&str]) -> Container<'a> {
        let Self { engine, name, network, image, options } = self;
        let mut arguments: Vec<&str> = verb.to_vec();
        arguments.extend(["--network", network, "--name", &name]);
        arguments.extend(options.iter().map(String::as_str));
        arguments.push(image);
        arguments.extend(command);
        let id = engine.docker(arguments);
        Container { engine, id, name, is_removed: false }
    }
}

/// Removed when it is dropped.
pub(crate) struct Container<'a> {
    engine: &'a Engine,
    pub(crate) id: String,
    name: String,
    is_removed: bool,
}

impl Container<'_> {
    /// Its directory below the data root.
    pub(crate) fn directory(&self) -> PathBuf {
        self.engine.root.join("containers").join(&self.id)
    }

    /// Waits until it has ended, and gives its exit code.
    pub(crate) fn wait(&self) -> i32 {
        self.engine.docker(["wait", &self.id]).parse().expect("an exit code")
    }

    /// Waits for a good end.
    pub(crate) fn finish(&self) {
        assert_eq!(self.wait(), 0, "container {}", self.id);
    }

    /// The one that it was given first.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `docker rm --force`, and waits until its directory is gone.
    pub(crate) fn remove(&mut self) {
        self.is_removed = true;
        self.engine.docker(["rm", "--force", &self.id]);
        let directory = self.directory();
        until("the container's directory goes", DOCKER_MAX, || (!directory.exists()).then_some(()));
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if !self.is_removed {
            self.engine.try_docker(["rm", "--force", &self.id]);
        }
    }
}
