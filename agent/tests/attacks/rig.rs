//! An agent on the kernel's rung with a stand-in to send to, and what it says of itself.

use std::path::Path;

use serde_json::Value;
use sluice_bench::http::Client;
use sluice_bench::load::Ledger;
use sluice_bench::standin::{Standin, StandinConfig};

use crate::common::{
    Agent, Container, IN_TIME, Load, Node, SOON, expect_exactly_once, seed, sluice, wait_until,
};

pub(crate) struct Rig {
    // First, so that it has gone before what it uses does.
    pub(crate) agent: Agent,
    pub(crate) standin: Standin,
    pub(crate) node: Node,
    port: u16,
}

impl Rig {
    /// `None`, and said, where the kernel tells of no writes.
    pub(crate) fn new(what: &str, more: &[(&str, &Path)]) -> Option<Self> {
        let standin = Standin::start(StandinConfig::default()).expect("the stand-in starts");
        let mut node = Node::sending_to(&standin);
        let port = sluice_bench::port::free().expect("a port is free");
        node.set("http.listen", format!("127.0.0.1:{port}"));
        for (key, path) in more {
            node.set(key, path.display().to_string());
        }
        let mut agent = node.start();
        agent.wait_until_it_runs();
        if !agent.said().contains("the kernel tells of writes") {
            eprintln!("SKIPPED: attacks, {what}: {}", agent.said());
            return None;
        }
        Some(Self { agent, standin, node, port })
    }

    /// As many containers that write and are rotated.
    pub(crate) fn load(&self, containers: usize) -> Load {
        let names: Vec<String> = (0..containers).map(|number| format!("early-{number}")).collect();
        self.load_named(&names.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn load_named(&self, names: &[&str]) -> Load {
        let container =
            |name: &&str| Container::new(name).option("max-size", "20k").option("max-file", "500");
        Load::start(&self.node.root(), names.iter().map(container).collect(), seed(), u64::MAX)
    }

    pub(crate) fn mount(&self) -> String {
        self.mount_of(&self.node.root())
    }

    /// Where the file system of `path` is mounted.
    pub(crate) fn mount_of(&self, path: &Path) -> String {
        let table = std::fs::read_to_string("/proc/self/mounts").expect("can be read");
        let points = table.lines().filter_map(|line| line.split(' ').nth(1));
        let best = points.filter(|point| path.starts_with(point)).max_by_key(|point| point.len());
        best.expect("there is a root").to_owned()
    }

    /// What `sluice doctor` finds of a mount while the agent runs.
    #[track_caller]
    pub(crate) fn doctor(&self, mount: &str) -> Value {
        let config = self.node.config_path().display().to_string();
        let said = sluice(&["doctor", "--json", "--config", &config]);
        let report: Value = serde_json::from_str(&said.stdout).expect("it is JSON");
        let what = format!("mount {mount}");
        let mut findings = report["findings"].as_array().into_iter().flatten();
        let finding = findings.find(|finding| finding["what"] == what.as_str());
        finding.unwrap_or_else(|| panic!("no {what} in {report:#}")).clone()
    }

    /// The sum of a metric's samples whose labels have `label` in them.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, label: &str) -> f64 {
        let mut client = Client::connect(&format!("http://127.0.0.1:{}", self.port)).expect("up");
        client.set_timeout(Some(SOON)).expect("can be set");
        let page = client.request("GET", "/metrics", &[], b"").expect("an answer").text();
        let of = |line: &str| {
            let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            labels.contains(label).then(|| value.parse::<f64>().ok())?
        };
        page.lines().filter_map(of).sum()
    }

    /// `kill -9`, and another one on the same state.
    pub(crate) fn restart_after_kill(&mut self) {
        self.agent.kill_and_wait();
        self.agent = self.node.start();
        self.agent.wait_until_it_runs();
        let is_up = || self.agent.said().contains("the kernel tells of writes");
        assert!(wait_until(SOON, is_up), "{}", self.agent.said());
    }

    /// Each line that was written, by `load` and before, has arrived once.
    pub(crate) fn finish(self, load: Load, more: &[Ledger]) {
        let (mut all, _writers) = load.finish();
        more.iter().for_each(|ledger| all.merge(ledger));
        let arrived = self.standin.wait_count(all.lines(), IN_TIME);
        assert!(arrived, "{} lines: {:#?}", all.lines(), self.standin.snapshot());
        self.agent.terminate();
        expect_exactly_once(&self.standin, &all);
    }
}
