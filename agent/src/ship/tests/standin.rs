//! The real driver over real sockets, against the stand-in server.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sluice_bench::standin::tls::{TestCa, TlsConfig};
use sluice_bench::standin::{
    Auth as Admitted, Fault, ItemError, Rule, Scope, Stage, Standin, StandinConfig, Version, Which,
};
use tokio::sync::mpsc;

use super::world::*;
use crate::encode::Encoding;
use crate::ship::dead_letters::DeadLetterSettings;
use crate::ship::elasticsearch::*;
use crate::ship::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running output with its state directory and its receipts.
struct Rig {
    handle: ShipHandle,
    receipts: mpsc::UnboundedReceiver<Receipt>,
    state: tempfile::TempDir,
}

fn settings(server: &Standin, state: &Path) -> ElasticsearchSettings {
    let letters = DeadLetterSettings::in_state_directory(state);
    let mut settings = ElasticsearchSettings::new(vec![server.url()], letters);
    settings.connect_timeout = Duration::from_secs(5);
    settings.ship.backoff_first = Duration::from_millis(20);
    settings.ship.backoff_max = Duration::from_millis(200);
    settings
}

fn start(server: &Standin, change: impl FnOnce(&mut ElasticsearchSettings, &Path)) -> Rig {
    let state = tempfile::tempdir().unwrap();
    let mut settings = settings(server, state.path());
    change(&mut settings, state.path());
    let (sender, receipts) = mpsc::unbounded_channel();
    let give: Receipts = Arc::new(move |worker, receipt| {
        assert_eq!(worker, 3);
        let _ = sender.send(receipt);
    });
    let handle = elasticsearch::start(settings, give, &tokio::runtime::Handle::current()).unwrap();
    Rig { handle, receipts, state }
}

impl Rig {
    async fn receipt(&mut self) -> Receipt {
        let receipt = tokio::time::timeout(PATIENCE, self.receipts.recv()).await;
        receipt.unwrap_or_else(|_| panic!("no receipt; {:?}", self.handle.health())).unwrap()
    }

    async fn acked(&mut self) {
        let receipt = self.receipt().await;
        assert!(receipt.outcomes.iter().all(|it| *it == Outcome::Acked), "{receipt:?}");
    }
}

/// Waits on a thread of its own, so that the runtime goes on.
async fn until(what: &str, reached: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain for: {what}");
}

fn docs(count: u64) -> Vec<Doc> {
    (0..count).map(|it| doc((it % 2) as usize, "logs-1", it * 10)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_version_takes_batches_whole_and_in_part() {
    for version in Version::ALL {
        let server = Standin::of_version(version).unwrap();
        let mut rig = start(&server, |_, _| {});
        server.faults().add(Rule::items(Which::Every(3), ItemError::Rejected).times(1));
        for (number, encoding) in [(1, Encoding::Gzip), (2, Encoding::Identity)] {
            rig.handle.send(batch_as(number, &docs(20 * number), encoding));
            rig.acked().await;
        }
        assert_eq!(server.count(), 40, "{version:?}");
        // The first twenty were sent again, by a source that has rewound.
        assert_eq!(server.conflicts(), 20, "{version:?}");
        assert!(server.requests().iter().all(|it| it.status == Some(200)), "{version:?}");
        assert!(rig.handle.drain(PATIENCE).await);
        let health = rig.handle.health();
        assert!(health.last_success_wall_ns.is_some());
        assert_eq!((health.batches, health.requests), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_state_is_compared_with_what_is_there() {
    for version in [Version::Elasticsearch6, Version::Elasticsearch8, Version::OpenSearch2] {
        let server = Standin::of_version(version).unwrap();
        let mut rig = start(&server, |_, _| {});
        rig.handle.send(batch(1, &docs(10)));
        rig.acked().await;
        // Another agent, without a memory, and a file that differs.
        let mut rig = start(&server, |_, _| {});
        let mut again = docs(10);
        again[1].text = "changed".into();
        rig.handle.send(batch(2, &again));
        let receipt = rig.receipt().await;
        assert_eq!(receipt.outcomes, [Outcome::Acked, Outcome::Collided], "{version:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn faults_of_the_wire_lose_and_double_nothing() {
    let server = Standin::of_version(Version::Elasticsearch8).unwrap();
    let mut rig = start(&server, |settings, _| {
        settings.request_timeout = Duration::from_millis(300);
        settings.answer_timeout = Duration::from_millis(300);
    });
    let faults = [
        Fault::Status(429),
        Fault::Status(503),
        Fault::Status(400),
        Fault::Status(413),
        Fault::HtmlPage(200),
        Fault::HtmlPage(502),
        Fault::Cut(Stage::BeforeBody),
        Fault::Cut(Stage::MidBody { bytes: 100 }),
        Fault::Cut(Stage::Received),
        Fault::Cut(Stage::Stored),
        Fault::Stall(Stage::BeforeBody),
        Fault::Stall(Stage::Stored),
        Fault::SlowAnswer { interval: Duration::from_millis(50) },
        Fault::FewerItems { keep: 3 },
        Fault::MoreItems { extra: 2 },
        Fault::TruncatedJson,
        Fault::CutAnswer,
    ];
    for (number, fault) in (1..).zip(faults) {
        let shown = format!("{fault:?}");
        let rule = server.faults().add(Rule::new(fault).times(1));
        let docs: Vec<Doc> = (0..10).map(|it| doc(0, "logs-1", number * 1_000 + it)).collect();
        rig.handle.send(batch_as(number, &docs, Encoding::Gzip));
        rig.acked().await;
        assert_eq!(server.faults().fired(rule), 1, "{shown}");
        assert_eq!(server.count(), number * 10, "{shown}");
    }
    assert_eq!(server.ids_seen_twice(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_is_away_is_found_again() {
    let server = Standin::of_version(Version::Elasticsearch9).unwrap();
    server.go_down();
    let mut rig = start(&server, |_, _| {});
    rig.handle.send(batch(1, &docs(10)));
    until("an error", || rig.handle.health().last_error.is_some()).await;
    server.come_up().unwrap();
    rig.acked().await;
    server.go_down();
    rig.handle.send(batch(2, &[doc(0, "logs-1", 5_000)]));
    server.come_up().unwrap();
    rig.acked().await;
    assert_eq!(server.count(), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn too_large_and_poison_go_their_ways() {
    let config = StandinConfig {
        version: Version::Elasticsearch9,
        max_content_length: 3_000,
        ..StandinConfig::default()
    };
    let server = Standin::start(config).unwrap();
    let mapping = Which::Containing("line 0/200".into());
    server.faults().add(Rule::items(mapping, ItemError::Mapping));
    let mut rig = start(&server, |_, _| {});
    let mut docs = docs(100);
    docs[50].text = "x".repeat(5_000);
    rig.handle.send(batch_as(1, &docs, Encoding::Gzip));
    rig.acked().await;
    assert_eq!(server.count(), 98);
    let directory = rig.state.path().join("dead-letters");
    let files = fs::read_dir(directory).unwrap().map(|it| it.unwrap().path());
    let text: String = files.map(|it| fs::read_to_string(it).unwrap()).collect();
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains(r#""reason":"too_large""#) && text.contains(r#""reason":"mapping""#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn credentials_that_are_mended_are_used_without_a_restart() {
    let config = StandinConfig {
        auth: Some(Admitted::new().basic("sluice", "right").api_key("aWQ6a2V5")),
        ..StandinConfig::default()
    };
    let server = Standin::start(config).unwrap();
    let mut rig = start(&server, |settings, state| {
        let file = state.join("password");
        fs::write(&file, "wrong\n").unwrap();
        let user = Secret::Value("sluice".into());
        settings.auth = Auth::Basic { user, password: Secret::File(file) };
    });
    rig.handle.send(batch(1, &docs(10)));
    let refused = || rig.handle.health().last_error.is_some_and(|it| it.1.contains("401"));
    until("a refusal", refused).await;
    assert_eq!(server.count(), 0);
    fs::write(rig.state.path().join("password"), "right\n").unwrap();
    rig.acked().await;

    // An API key as `id:key` and in its encoded form.
    for key in ["id:key", "aWQ6a2V5"] {
        let mut rig = start(&server, |settings, _| {
            settings.auth = Auth::ApiKey(Secret::Value(key.into()));
        });
        rig.handle.send(batch(1, &[doc(0, "keys", 1)]));
        rig.acked().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tls_with_an_own_authority_and_a_client_certificate() {
    let ca = TestCa::new("ours").unwrap();
    let other = TestCa::new("theirs").unwrap();
    let identity = ca.server(&["localhost"]).unwrap();
    let tls = TlsConfig::new(identity).require_client_certificate(ca.certificate_pem());
    let config = StandinConfig { tls: Some(tls.clone()), ..StandinConfig::default() };
    let server = Standin::start(config).unwrap();
    let mut rig = start(&server, |settings, state| {
        let client = other.client("node").unwrap();
        fs::write(state.join("ca.pem"), ca.certificate_pem()).unwrap();
        fs::write(state.join("client.pem"), client.certificate_pem).unwrap();
        fs::write(state.join("client.key"), client.key_pem).unwrap();
        settings.tls.roots = Roots::Only(state.join("ca.pem"));
        settings.tls.client = Some(ClientCertificate {
            certificate_file: state.join("client.pem"),
            key_file: state.join("client.key"),
        });
    });
    rig.handle.send(batch(1, &docs(10)));
    // Signed by somebody whom the server does not know.
    until("a refusal", || rig.handle.health().last_error.is_some()).await;
    assert_eq!(server.count(), 0);
    let client = ca.client("node").unwrap();
    // One after the other: a pair that does not fit in between must not stop the agent.
    fs::write(rig.state.path().join("client.pem"), client.certificate_pem).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    fs::write(rig.state.path().join("client.key"), client.key_pem).unwrap();
    rig.acked().await;

    // The server shows an expired certificate, then a good one again.
    server.set_tls(&TlsConfig::new(ca.expired_server(&["localhost"]).unwrap())).unwrap();
    server.go_down();
    server.come_up().unwrap();
    rig.handle.send(batch(2, &[doc(0, "logs-1", 10_000)]));
    let expired = || rig.handle.health().last_error.is_some_and(|it| it.1.contains("xpired"));
    until("an expired certificate", expired).await;
    server.set_tls(&tls).unwrap();
    server.go_down();
    server.come_up().unwrap();
    rig.acked().await;
    assert_eq!(server.count(), 11);
}

async fn check_error(server: &Standin, change: impl FnOnce(&mut ElasticsearchSettings)) -> String {
    let state = tempfile::tempdir().unwrap();
    let mut settings = settings(server, state.path());
    change(&mut settings);
    match check(&settings).await {
        Ok(info) => format!("{info:?}"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn check_names_thing_place_and_way_out() {
    let server = Standin::of_version(Version::OpenSearch2).unwrap();
    let text = check_error(&server, |_| {}).await;
    assert!(text.contains("OpenSearch") && text.contains("2.19.6"), "{text}");

    server.set_auth(Some(Admitted::new().bearer("good")));
    let text = check_error(&server, |_| {}).await;
    assert!(text.contains("none are configured"), "{text}");
    let bearer = |token: &str| Auth::Bearer(Secret::Value(token.into()));
    let text = check_error(&server, |it| it.auth = bearer("bad")).await;
    assert!(text.contains(&server.url()) && text.contains("(401)"), "{text}");
    let text = check_error(&server, |it| it.auth = bearer("good")).await;
    assert!(text.contains("2.19.6"), "{text}");
    let missing = Auth::Bearer(Secret::File("/nowhere/token".into()));
    let text = check_error(&server, |it| it.auth = missing).await;
    assert_eq!(text, "cannot read the token from /nowhere/token");

    server.set_auth(None);
    server.faults().add(Rule::new(Fault::HtmlPage(200)).on(Scope::All).times(1));
    let text = check_error(&server, |_| {}).await;
    assert!(text.contains("is it Elasticsearch?"), "{text}");
    // One of two hosts is enough.
    let text = check_error(&server, |it| it.hosts.insert(0, "http://127.0.0.1:1".into())).await;
    assert!(text.contains("2.19.6"), "{text}");
    server.go_down();
    let text = check_error(&server, |_| {}).await;
    assert!(text.contains("cannot reach") && text.contains("is the server up"), "{text}");
    let text = check_error(&server, |it| it.hosts[0] = "localhost:9200".into()).await;
    assert!(text.contains("no http or https URL"), "{text}");

    let tls = TlsConfig::new(TestCa::new("ours").unwrap().server(&["localhost"]).unwrap());
    let config = StandinConfig { tls: Some(tls), ..StandinConfig::default() };
    let server = Standin::start(config).unwrap();
    let state = tempfile::tempdir().unwrap();
    let ca = state.path().join("ca.pem");
    fs::write(&ca, TestCa::new("theirs").unwrap().certificate_pem()).unwrap();
    let text = check_error(&server, |it| it.tls.roots = Roots::Only(ca.clone())).await;
    assert!(text.contains("no trusted TLS connection to https://localhost"), "{text}");
    fs::write(&ca, "no pem").unwrap();
    let text = check_error(&server, |it| it.tls.roots = Roots::Only(ca.clone())).await;
    assert!(text.contains("holds no certificate authority"), "{text}");
}
