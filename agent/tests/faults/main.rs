//! The server refuses, stalls, lies and breaks, over plain HTTP and over TLS; files hold rubbish:
//! every line still arrives once, and what can never arrive is a dead letter with its reason.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

#[path = "../common/mod.rs"]
mod common;
mod content;
mod requests;
mod targets;
mod trust;

use std::time::Duration;

use common::{
    Agent, Container, IN_TIME, Load, Node, Writer, dead_letters, expect_exactly_once, wait_until,
};
use serde_json::{Value, json};
use sluice_bench::standin::tls::{Identity, TestCa, TlsConfig};
use sluice_bench::standin::{Rule, Snapshot, Standin, StandinConfig};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Http,
    Tls,
}

const BOTH: [Over; 2] = [Over::Http, Over::Tls];

/// A server and a node that sends to it.
struct Scene {
    standin: Standin,
    node: Node,
    ca: TestCa,
}

impl Scene {
    fn new(over: Over) -> Self {
        Self::with(over, StandinConfig::default())
    }

    fn with(over: Over, mut config: StandinConfig) -> Self {
        let ca = TestCa::new("sluice test").expect("an authority can be made");
        if over == Over::Tls {
            config.tls = Some(TlsConfig::new(server_identity(&ca)));
        }
        let standin = Standin::start(config).expect("the stand-in starts");
        let mut node = Node::sending_to(&standin);
        if over == Over::Tls {
            let path = node.write("ca.pem", &ca.certificate_pem());
            node.set("output.elasticsearch.ca_file", json!(path));
        }
        Self { standin, node, ca }
    }

    fn writer(&self, name: &str) -> Writer {
        Writer::alone(&self.node.root(), Container::new(name), 1)
    }

    fn snapshot(&self) -> Snapshot {
        self.standin.snapshot()
    }

    /// Waits for the lines, ends the agent, and expects each line once.
    #[track_caller]
    fn expect_all(&self, writer: &Writer, agent: Agent) {
        let ledger = writer.ledger();
        let arrived = self.standin.wait_count(ledger.lines(), IN_TIME);
        assert!(arrived, "{} lines, {:#?}", ledger.lines(), self.snapshot());
        agent.terminate();
        expect_exactly_once(&self.standin, &ledger);
    }

    /// Waits until the agent has tried so many times and has got nothing through.
    #[track_caller]
    fn expect_nothing_but_attempts(&self, attempts: impl Fn(&Snapshot) -> bool) {
        let tried = self.standin.wait_for(IN_TIME, attempts);
        assert!(tried, "{:#?}", self.snapshot());
        assert_eq!(self.standin.count(), 0, "{:#?}", self.snapshot());
    }
}

fn server_identity(ca: &TestCa) -> Identity {
    ca.server(&["localhost", "127.0.0.1"]).expect("a certificate can be made")
}

/// Three containers write while the rules happen, each as often as it says; then every line is
/// there once.
#[track_caller]
fn survive(rules: &[(u64, Rule)]) {
    survive_with(&[], rules, |_| {});
}

#[track_caller]
fn survive_with(settings: &[(&str, Value)], rules: &[(u64, Rule)], check: impl Fn(&Snapshot)) {
    for over in BOTH {
        let mut scene = Scene::new(over);
        for (key, value) in settings {
            scene.node.set(key, value.clone());
        }
        let standin = &scene.standin;
        let add = |(times, rule): &(u64, Rule)| {
            (*times, standin.faults().add(rule.clone().times(*times)))
        };
        let rules: Vec<_> = rules.iter().map(add).collect();
        let containers = ["one", "two", "three"].map(Container::new).to_vec();
        let load = Load::start(&scene.node.root(), containers, 1, u64::MAX);
        let agent = scene.node.start();
        let happened = wait_until(IN_TIME, || {
            rules.iter().all(|(times, rule)| standin.faults().fired(*rule) >= *times)
        });
        assert!(happened, "{over:?}: not all faults happened: {:#?}", scene.snapshot());
        load.wait_for_lines(50);
        let (ledger, _writers) = load.finish();
        let arrived = standin.wait_count(ledger.lines(), IN_TIME);
        assert!(arrived, "{over:?}: {} lines, {:#?}", ledger.lines(), scene.snapshot());
        agent.terminate();
        expect_exactly_once(standin, &ledger);
        assert_eq!(dead_letters(&scene.node.state_dir()), [] as [Value; 0]);
        check(&scene.snapshot());
    }
}

/// Documents in indices whose names begin so.
fn documents_in(snapshot: &Snapshot, prefix: &str) -> u64 {
    let of = |(name, count): (&String, &u64)| name.starts_with(prefix).then_some(*count);
    snapshot.indices.iter().filter_map(of).sum()
}

/// How long a line of a healthy container may take while another target is down. The promise is a
/// second, and the machine may be busy with other tests: half of them have to keep it, and each has
/// to keep five times of it.
const PROMPTLY: Duration = Duration::from_secs(1);
