//! The two agents of a test, and what containers wait for.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sluice_bench::load::{Ledger, Written};
use sluice_bench::standin::Standin;
use tempfile::TempDir;

use super::common::{IN_TIME, Node, expect_exactly_once};
use super::engine::{DOCKER_MAX, Engine};
use super::station::{Station, until};

/// One agent and where it sends to.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    pub(crate) standin: Standin,
    pub(crate) station: Station,
}

pub(crate) struct Pair {
    sides: [Side; 2],
}

impl Pair {
    /// Neither is started yet.
    pub(crate) fn of(engine: &Engine) -> Self {
        let side = |name, socket: &str| {
            let standin = Standin::start(Default::default()).expect("the stand-in starts");
            let mut node = Node::sending_to(&standin);
            node.set("docker.socket", socket);
            node.set("docker.root", engine.root.display().to_string());
            Side { name, standin, station: Station::new(node) }
        };
        Self { sides: [side("socket", engine.socket()), side("directory", "off")] }
    }

    pub(crate) fn started(engine: &Engine) -> Self {
        let mut pair = Self::of(engine);
        pair.start();
        pair
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value> + Clone) {
        for side in &mut self.sides {
            side.station.node.set(key, value.clone());
        }
    }

    pub(crate) fn sides(&mut self) -> impl Iterator<Item = &mut Side> {
        self.sides.iter_mut()
    }

    #[track_caller]
    pub(crate) fn start(&mut self) {
        self.sides().for_each(|side| side.station.start());
    }

    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.sides().for_each(|side| side.station.stop());
    }

    /// Waits until both have this many documents and nothing more to do.
    #[track_caller]
    pub(crate) fn await_documents(&mut self, count: u64) {
        for Side { name, standin, station } in self.sides() {
            let arrived = standin.wait_count(count, IN_TIME);
            assert!(
                arrived,
                "{name}: {} of {count} documents\n{:#?}\n{}",
                standin.count(),
                standin.snapshot(),
                station.tail()
            );
            station.await_idle(IN_TIME);
        }
    }

    /// All of it once, in order, and nothing else; behind the agents' end, as what comes twice may
    /// come late.
    #[track_caller]
    pub(crate) fn expect_exactly_once(&mut self, ledger: &Ledger) {
        for Side { name, standin, station } in self.sides() {
            eprintln!("{name}:");
            let arrived = standin.wait_count(ledger.lines(), IN_TIME);
            if !arrived {
                panic!("{name}:\n{}{}", standin.verify(ledger), station.tail());
            }
            station.await_idle(IN_TIME);
            station.stop();
            expect_exactly_once(standin, ledger);
        }
    }
}

/// Sources and how many lines each wrote.
pub(crate) fn ledger<'a>(written: impl IntoIterator<Item = (&'a str, u64)>) -> Ledger {
    let mut ledger = Ledger::default();
    for (source, lines) in written {
        ledger.set(source, Written { lines, text_bytes: 0 });
    }
    ledger
}

/// A directory in which a container and a test wait for each other; in the container it is `/gate`.
pub(crate) struct Gate(TempDir);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(TempDir::with_prefix("sluice-gate-").expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Lets containers go on that do [`Self::wait`] for it.
    pub(crate) fn open(&self, name: &str) {
        std::fs::write(self.path().join(name), "").expect("a file can be written");
    }

    /// Waits until a container has done `touch /gate/NAME`.
    #[track_caller]
    pub(crate) fn reached(&self, name: &str) {
        let file = self.path().join(name);
        until(&format!("a container's /gate/{name}"), DOCKER_MAX, || file.exists().then_some(()));
    }
}

/// In a container's script: waits for [`Gate::open`].
pub(crate) fn wait(name: &str) -> String {
    format!("until [ -e /gate/{name} ]; do sleep 0.02; done")
}

/// In a container's script: so many lines as fast as they go.
pub(crate) fn write(source: &str, lines: u64) -> String {
    format!("sluice-bench write --source {source} --lines {lines}")
}

/// The same at so many lines a second.
pub(crate) fn pace(source: &str, lines: u64, rate: u64, kind: &str) -> String {
    format!("sluice-bench write --source {source} --kind {kind} --lines {lines} --rate {rate}")
}

/// A bound for things that take milliseconds on an idle machine.
pub(crate) const PROMPT: Duration = Duration::from_secs(10);
