//! The engine itself restarts under the agent.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::engine::{DOCKER_MAX, Engine};
use super::oracle;
use super::pair::{Pair, Side, pace, write};
use super::station::until;

/// A second engine, as the one that was given is its owner's to end.
struct Dockerd {
    directory: TempDir,
    child: Option<Child>,
}

impl Dockerd {
    fn new() -> Self {
        // Short: sockets nest below it, and their paths have a limit.
        let directory = TempDir::with_prefix("sluice-dockerd-").expect("a temporary directory");
        Self { directory, child: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    fn engine(&self, image: &str) -> Engine {
        Engine::own(self.host(), self.path("data"), image.to_owned())
    }

    fn start(&mut self) {
        let said = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .expect("a log can be opened");
        let namespace = format!("sluice-restart-{}", std::process::id());
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "dockerd"]);
        command.args(["--host", &self.host()]);
        command.arg("--data-root").arg(self.path("data"));
        command.arg("--exec-root").arg(self.path("exec"));
        command.arg("--pidfile").arg(self.path("pid"));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"]);
        command.args(["--containerd-namespace", &namespace]);
        command.args(["--containerd-plugins-namespace", &format!("{namespace}-plugins")]);
        // Containers outlive the engine.
        command.args(["--live-restore", "--log-level", "warn"]);
        command.stdin(Stdio::null());
        command.stdout(said.try_clone().expect("a descriptor")).stderr(said);
        self.child = Some(command.spawn().expect("dockerd can be started"));
        let host = self.host();
        until("an engine of the test's own answers", DOCKER_MAX, || {
            let asked = Command::new("docker").args(["--host", &host, "version"]).output().ok()?;
            asked.status.success().then_some(())
        });
    }

    fn end(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        kill_process(Pid::from_child(&child), signal).expect("dockerd can be signalled");
        let containerd = std::fs::read_to_string(self.path("exec/containerd/containerd.pid"));
        until("dockerd ends", DOCKER_MAX, || child.try_wait().expect("it can be waited for"));
        // It goes with dockerd, and a new dockerd must not take the dying one for its own.
        // There is none where a containerd serves the whole machine.
        if let Ok(pid) = containerd {
            let process = format!("/proc/{}", pid.trim());
            until("containerd ends", DOCKER_MAX, || (!Path::new(&process).exists()).then_some(()));
        }
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("dockerd said:\n{}", tail(&self.path("log")));
        }
        self.end(Signal::TERM);
    }
}

fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[test]
fn an_engine_that_restarts_is_followed_again() {
    let Some(given) = Engine::given() else { return };
    let mut dockerd = Dockerd::new();
    dockerd.start();
    let image = dockerd.path("image.tar");
    given.docker(["save", "--output", &image.display().to_string(), &given.image]);
    let engine = dockerd.engine(&given.image);
    engine.docker(["load", "--input", &image.display().to_string()]);
    let mut pair = Pair::started(&engine);
    let through =
        engine.run("through").rotating("100k", 50).sh(&pace("through", 4_000, 400, "mixed"));
    for Side { name, standin, .. } in pair.sides() {
        assert!(standin.wait_count(100, DOCKER_MAX), "{name}");
    }
    let mut others = Vec::new();
    for signal in [Signal::TERM, Signal::KILL] {
        dockerd.end(signal);
        dockerd.start();
        let name = format!("after-{}", others.len());
        others.push(engine.run(&name).sh(&write(&name, 200)));
        for Side { station, .. } in pair.sides() {
            let row = station.await_container(&others[others.len() - 1].id, |row| row.collected);
            assert_eq!(row.name, name);
        }
    }
    // How they ended is Docker's affair: it may have lost them, or lines that were in its own
    // hands. The files say what it kept.
    through.wait();
    for other in &others {
        other.wait();
    }
    let all = || others.iter().chain([&through]);
    let count: usize = all()
        .flat_map(|one| oracle::written(&one.directory()).into_values())
        .map(|v| v.len())
        .sum();
    assert!(count > 400, "a test of nothing");
    eprintln!("{count} of 4400 lines came through the engine's restarts");
    pair.await_documents(count as u64);
    pair.stop();
    for Side { name, standin, .. } in pair.sides() {
        let documents = standin.documents();
        for container in all() {
            let arrived = oracle::arrived(&documents, &container.id);
            oracle::assert_same(&arrived, &oracle::written(&container.directory()), name);
        }
        assert_eq!(documents.len(), count, "{name}");
    }
}
