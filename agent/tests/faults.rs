//! The server refuses, stalls, lies and breaks, over plain HTTP and over TLS; files hold rubbish:
//! every line still arrives once, and what can never arrive is a dead letter with its reason.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

use common::{
    Agent, Container, IN_TIME, Load, Node, Pace, SOON, Writer, dead_letters, expect_exactly_once,
    expect_exactly_once_but, spec_for, wait_for_dead_letters, wait_until,
};
use serde_json::{Value, json};
use sluice_bench::line::Line;
use sluice_bench::load::{Clock, ContainerSpec, Stream};
use sluice_bench::standin::tls::{Identity, TestCa, TlsConfig};
use sluice_bench::standin::{
    Auth, Fault, Item, ItemError, Rule, Snapshot, Stage, Standin, StandinConfig, Version, Which,
};
use sluice_bench::verify::message_of;

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

#[test]
fn whole_requests_are_refused() {
    for status in [429, 503] {
        survive(&[(5, Rule::new(Fault::Status(status)))]);
    }
}

#[test]
fn gateways_refuse() {
    survive(&[
        (2, Rule::new(Fault::Status(502))),
        (2, Rule::new(Fault::Status(504))),
        (1, Rule::new(Fault::Status(500))),
    ]);
}

#[test]
fn a_server_is_busy_for_seconds_and_comes_back() {
    for over in BOTH {
        let scene = Scene::new(over);
        let busy = Rule::new(Fault::Status(429)).lasting(Duration::from_secs(6));
        let rule = scene.standin.faults().add(busy);
        let load = Load::start(&scene.node.root(), vec![Container::new("one")], 2, u64::MAX);
        let agent = scene.node.start();
        // The rest are lines that were never refused.
        assert!(scene.standin.wait_count(100, IN_TIME), "{:#?}", scene.snapshot());
        let refused = scene.standin.faults().fired(rule);
        // Waits grow: six seconds are no reason to ask a hundred times.
        assert!((1..=60).contains(&refused), "{refused} requests were refused");
        let (ledger, _writers) = load.finish();
        assert!(scene.standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", scene.snapshot());
        agent.terminate();
        expect_exactly_once(&scene.standin, &ledger);
    }
}

#[test]
fn single_items_are_refused_for_now() {
    survive_with(
        &[],
        &[
            (3, Rule::items(Which::Every(3), ItemError::Rejected)),
            (2, Rule::items(Which::All, ItemError::Unavailable)),
        ],
        |snapshot| assert!(snapshot.item_errors > 0, "{snapshot:#?}"),
    );
}

#[test]
fn items_of_every_version_are_refused_for_now() {
    for version in Version::ALL {
        let config = StandinConfig { version, ..StandinConfig::default() };
        let scene = Scene::with(Over::Http, config);
        let mut writer = scene.writer("one");
        writer.lines(Stream::Stdout, 100);
        scene.standin.faults().add(Rule::items(Which::Every(2), ItemError::Rejected).times(2));
        scene.standin.faults().add(Rule::new(Fault::Cut(Stage::Stored)).after(1).times(1));
        let agent = scene.node.start();
        scene.expect_all(&writer, agent);
    }
}

/// One line in a hundred, by its number.
fn is_poison(item: &Item<'_>) -> bool {
    let message = message_of(item.source).unwrap_or_default();
    Line::parse(&message).is_some_and(|line| line.seq % 100 == 7)
}

#[test]
fn one_in_a_hundred_does_not_fit_the_mapping() {
    for over in BOTH {
        let scene = Scene::new(over);
        let rule = Rule::items(Which::matching(is_poison), ItemError::Mapping);
        scene.standin.faults().add(rule);
        let mut writer = scene.writer("mixed");
        writer.lines(Stream::Stdout, 500);
        let agent = scene.node.start();
        writer.lines(Stream::Stderr, 500);
        let letters = wait_for_dead_letters(&scene.node.state_dir(), 10);
        assert!(scene.standin.wait_count(990, IN_TIME), "{:#?}", scene.snapshot());
        agent.terminate();
        expect_exactly_once_but(&scene.standin, &writer.ledger(), 10);
        let log = std::fs::read_to_string(writer.directory.log_path()).expect("can be read");
        let records: BTreeSet<&str> = log.lines().collect();
        for letter in &letters {
            assert_eq!(letter["reason"], "mapping", "{letter:#}");
            assert_eq!(letter["status"], 400, "{letter:#}");
            assert_eq!(letter["error_type"], "document_parsing_exception", "{letter:#}");
            let text = letter["error_text"].as_str().expect("the server's words");
            assert!(text.contains("failed to parse field [n]"), "{letter:#}");
            let raw = letter["raw"].as_str().expect("the record as it stands");
            assert!(records.contains(raw.trim_end_matches('\n')), "{letter:#}");
            let message = letter["document"]["message"].as_str().expect("the document");
            let line = Line::parse(message.as_bytes()).expect("a line of the load");
            assert!(line.is_intact() && line.seq % 100 == 7, "{letter:#}");
        }
        assert_eq!(dead_letters(&scene.node.state_dir()).len(), 10);
    }
}

#[test]
fn dead_letters_are_not_sent_again_after_a_kill() {
    let scene = Scene::new(Over::Http);
    let rule = Rule::items(Which::matching(is_poison), ItemError::Mapping);
    scene.standin.faults().add(rule);
    let mut writer = scene.writer("mixed");
    writer.lines(Stream::Stdout, 500);
    let agent = scene.node.start();
    wait_for_dead_letters(&scene.node.state_dir(), 5);
    agent.kill();
    writer.lines(Stream::Stdout, 500);
    let agent = scene.node.start();
    wait_for_dead_letters(&scene.node.state_dir(), 10);
    assert!(scene.standin.wait_count(990, IN_TIME), "{:#?}", scene.snapshot());
    agent.terminate();
    expect_exactly_once_but(&scene.standin, &writer.ledger(), 10);
    // Counted by id: a letter may stand there twice after a kill, but none may be lost.
    assert_eq!(dead_letters(&scene.node.state_dir()).len(), 10);
}

#[test]
fn requests_are_larger_than_the_server_takes() {
    for version in [Version::Elasticsearch8, Version::Elasticsearch9] {
        for over in BOTH {
            let config =
                StandinConfig { version, max_content_length: 64 << 10, ..StandinConfig::default() };
            let scene = Scene::with(over, config);
            let mut writer = scene.writer("much");
            // In one batch they are a multiple of what the server takes.
            writer.lines(Stream::Stdout, 3_000);
            let agent = scene.node.start();
            scene.expect_all(&writer, agent);
            assert!(scene.snapshot().refused > 0, "{:#?}", scene.snapshot());
        }
    }
}

#[test]
fn one_document_is_larger_than_the_server_takes() {
    let config = StandinConfig { max_content_length: 64 << 10, ..StandinConfig::default() };
    let scene = Scene::with(Over::Http, config);
    let mut writer = scene.writer("much");
    writer.lines(Stream::Stdout, 50);
    let long = vec![b'x'; 200_000];
    writer.log.write_line(Stream::Stdout, &long).expect("a log can be written");
    writer.lines(Stream::Stdout, 50);
    let agent = scene.node.start();
    let letters = wait_for_dead_letters(&scene.node.state_dir(), 1);
    assert_eq!(letters[0]["reason"], "too_large", "{:.2000}", letters[0]);
    let message = letters[0]["document"]["message"].as_str().expect("the document");
    assert_eq!(message.len(), long.len());
    scene.expect_all(&writer, agent);
}

#[test]
fn a_wrong_password_is_mended() {
    for over in BOTH {
        let auth = Some(Auth::new().basic("agent", "right"));
        let mut scene = Scene::with(over, StandinConfig { auth, ..StandinConfig::default() });
        let path = scene.node.write("password", "wrong\n");
        scene.node.set("output.elasticsearch.user", "agent");
        scene.node.set("output.elasticsearch.password_file", json!(path));
        let mut writer = scene.writer("one");
        writer.lines(Stream::Stdout, 100);
        let agent = scene.node.start();
        scene.expect_nothing_but_attempts(|snapshot| snapshot.refused >= 2);
        scene.node.write("password", "right\n");
        scene.expect_all(&writer, agent);
    }
}

#[test]
fn a_password_is_rotated_under_a_running_agent() {
    let of = |password: &str| Some(Auth::new().basic("agent", password));
    for over in BOTH {
        let config = StandinConfig { auth: of("first"), ..StandinConfig::default() };
        let mut scene = Scene::with(over, config);
        let path = scene.node.write("password", "first");
        scene.node.set("output.elasticsearch.user", "agent");
        scene.node.set("output.elasticsearch.password_file", json!(path));
        let mut writer = scene.writer("one");
        let agent = scene.node.start();
        writer.lines(Stream::Stdout, 100);
        assert!(scene.standin.wait_count(100, SOON), "{:#?}", scene.snapshot());
        scene.standin.set_auth(of("second"));
        let refused = scene.snapshot().refused;
        writer.lines(Stream::Stdout, 100);
        let noticed = scene.standin.wait_for(SOON, |snapshot| snapshot.refused > refused);
        assert!(noticed, "{:#?}", scene.snapshot());
        scene.node.write("password", "second");
        writer.lines(Stream::Stdout, 100);
        scene.expect_all(&writer, agent);
    }
}

#[test]
fn keys_and_tokens_are_revoked_and_renewed() {
    type Make = fn(&str) -> Auth;
    let kinds: [(&str, Make); 2] = [
        ("output.elasticsearch.api_key_file", |key| Auth::new().api_key(key)),
        ("output.elasticsearch.bearer_file", |token| Auth::new().bearer(token)),
    ];
    for (setting, of) in kinds {
        for over in BOTH {
            let config = StandinConfig { auth: Some(of("b2xkOmtleQ==")), ..Default::default() };
            let mut scene = Scene::with(over, config);
            let path = scene.node.write("secret", "b2xkOmtleQ==\n");
            scene.node.set(setting, json!(path));
            let mut writer = scene.writer("one");
            let agent = scene.node.start();
            writer.lines(Stream::Stdout, 100);
            assert!(scene.standin.wait_count(100, SOON), "{setting}: {:#?}", scene.snapshot());
            // Revoked: nobody may for a while.
            scene.standin.set_auth(Some(Auth::new()));
            let refused = scene.snapshot().refused;
            writer.lines(Stream::Stdout, 100);
            let noticed = scene.standin.wait_for(SOON, |snapshot| snapshot.refused > refused + 1);
            assert!(noticed, "{setting}: {:#?}", scene.snapshot());
            assert_eq!(scene.standin.count(), 100);
            scene.standin.set_auth(Some(of("bmV3OmtleQ==")));
            scene.node.write("secret", "bmV3OmtleQ==\n");
            scene.expect_all(&writer, agent);
        }
    }
}

#[test]
fn the_connection_is_cut_before_the_body() {
    survive(&[(3, Rule::new(Fault::Cut(Stage::BeforeBody)))]);
}

#[test]
fn the_connection_is_cut_in_the_body() {
    survive(&[(3, Rule::new(Fault::Cut(Stage::MidBody { bytes: 100 })))]);
}

#[test]
fn the_connection_is_cut_behind_the_body() {
    survive(&[(3, Rule::new(Fault::Cut(Stage::Received)))]);
}

#[test]
fn the_reply_is_lost_after_the_server_stored() {
    survive_with(&[], &[(3, Rule::new(Fault::Cut(Stage::Stored)))], |snapshot| {
        assert!(snapshot.conflicts > 0, "nothing was resent: {snapshot:#?}");
    });
}

#[test]
fn the_reply_breaks_off() {
    survive_with(
        &[],
        &[(2, Rule::new(Fault::CutAnswer)), (2, Rule::new(Fault::TruncatedJson))],
        |snapshot| assert!(snapshot.conflicts > 0, "nothing was resent: {snapshot:#?}"),
    );
}

#[test]
fn the_reply_comes_a_byte_at_a_time() {
    let slow = Fault::SlowAnswer { interval: Duration::from_millis(100) };
    survive_with(
        &[("output.elasticsearch.timeout", json!("1s"))],
        &[(2, Rule::new(slow))],
        |snapshot| assert!(snapshot.conflicts > 0, "nothing was resent: {snapshot:#?}"),
    );
}

#[test]
fn the_server_never_answers() {
    let stall = |stage| (1, Rule::new(Fault::Stall(stage)));
    survive_with(
        &[("output.elasticsearch.timeout", json!("1s"))],
        &[
            stall(Stage::BeforeBody),
            stall(Stage::MidBody { bytes: 100 }),
            stall(Stage::Received),
            stall(Stage::Stored),
        ],
        |_| {},
    );
}

#[test]
fn the_server_answers_too_late() {
    survive_with(
        &[("output.elasticsearch.timeout", json!("1s"))],
        &[(2, Rule::new(Fault::Delay(Duration::from_millis(1_500))))],
        |_| {},
    );
}

#[test]
fn a_proxy_answers_with_its_own_page() {
    survive(&[
        (2, Rule::new(Fault::HtmlPage(200))),
        (1, Rule::new(Fault::HtmlPage(502))),
        (1, Rule::new(Fault::HtmlPage(404))),
    ]);
}

#[test]
fn the_answer_has_fewer_items() {
    survive(&[(3, Rule::new(Fault::FewerItems { keep: 2 }))]);
}

#[test]
fn the_answer_has_more_items() {
    survive(&[(3, Rule::new(Fault::MoreItems { extra: 2 }))]);
}

#[test]
fn the_server_goes_down_and_comes_up() {
    for over in BOTH {
        let scene = Scene::new(over);
        let containers = ["one", "two"].map(Container::new).to_vec();
        let load = Load::start(&scene.node.root(), containers, 3, u64::MAX);
        let agent = scene.node.start();
        for _ in 0..3 {
            let count = scene.standin.count();
            assert!(scene.standin.wait_count(count + 50, IN_TIME), "{:#?}", scene.snapshot());
            scene.standin.go_down();
            load.wait_for_lines(50);
            scene.standin.come_up().expect("the port is still ours");
        }
        let (ledger, _writers) = load.finish();
        assert!(scene.standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", scene.snapshot());
        agent.terminate();
        expect_exactly_once(&scene.standin, &ledger);
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

/// Resident memory while a target is down. The promise is 64 MiB for a release build; what tests
/// run is larger in itself.
const MEMORY_MAX: u64 = 96 << 20;

/// Lines of the sick container go to an index that begins with `down-`; the others' arrive
/// promptly, and the sick one's when it recovers.
fn one_target_down(error: &ItemError, recovers: bool) {
    const ROUNDS: u64 = 30;
    for over in BOTH {
        let scene = Scene::new(over);
        let standin = &scene.standin;
        let rule = Rule::items(Which::IndexPrefix("down-".to_owned()), error.clone());
        let rule = standin.faults().add(rule);
        let root = scene.node.root();
        let writer = |name, target| Writer::alone(&root, Container::of(spec_for(name, target)), 4);
        let (mut sick, mut first, mut second) =
            (writer("sick", "down"), writer("first", "up-a"), writer("second", "up-b"));
        sick.lines(Stream::Stdout, 2_000);
        let agent = scene.node.start();
        let met = standin.wait_for(SOON, |snapshot| snapshot.item_errors > 0);
        assert!(met, "{:#?}", scene.snapshot());
        let mut waits = Vec::new();
        for round in 1..=ROUNDS {
            sick.lines(Stream::Stdout, 20);
            first.lines(Stream::Stdout, 1);
            second.lines(Stream::Stderr, 1);
            let began = Instant::now();
            let arrived = standin.wait_for(PROMPTLY * 5, |snapshot| {
                documents_in(snapshot, "up-a-") >= round && documents_in(snapshot, "up-b-") >= round
            });
            assert!(arrived, "round {round} after {waits:?}: {:#?}", scene.snapshot());
            waits.push(began.elapsed());
        }
        waits.sort();
        println!("{error:?} {over:?}: half within {:?}, all within {:?}", waits[14], waits[29]);
        assert!(waits[ROUNDS as usize / 2] <= PROMPTLY, "{waits:?}");
        assert_eq!(documents_in(&scene.snapshot(), "down-"), 0);
        let memory = agent.resident_bytes_max();
        println!("{} MiB at most", memory >> 20);
        assert!(memory <= MEMORY_MAX, "{} MiB", memory >> 20);
        let mut ledger = first.ledger();
        ledger.merge(&second.ledger());
        if recovers {
            standin.faults().remove(rule);
            ledger.merge(&sick.ledger());
            assert!(standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", scene.snapshot());
            assert_eq!(dead_letters(&scene.node.state_dir()), [] as [Value; 0]);
        } else {
            let letters = sick.ledger().lines() as usize;
            wait_for_dead_letters(&scene.node.state_dir(), letters);
        }
        agent.terminate();
        expect_exactly_once(standin, &ledger);
    }
}

#[test]
fn one_index_is_closed() {
    one_target_down(&ItemError::IndexClosed, true);
}

#[test]
fn one_tenants_index_is_read_only() {
    one_target_down(&ItemError::IndexBlocked, true);
}

#[test]
fn one_index_is_on_a_full_disk() {
    one_target_down(&ItemError::FloodStage, true);
}

#[test]
fn one_index_is_busy() {
    one_target_down(&ItemError::Rejected, true);
}

#[test]
fn one_index_has_a_mapping_conflict() {
    one_target_down(&ItemError::Mapping, false);
}

#[test]
fn yesterdays_index_is_closed() {
    let scene = Scene::new(Over::Http);
    let standin = &scene.standin;
    let closed = Which::Index("sluice-2026.01.02".to_owned());
    let rule = standin.faults().add(Rule::items(closed, ItemError::IndexClosed));
    let late = Container { clock: Clock::steps(), ..Container::new("late") };
    let mut late = Writer::alone(&scene.node.root(), late, 5);
    late.lines(Stream::Stdout, 200);
    let agent = scene.node.start();
    let met = standin.wait_for(SOON, |snapshot| snapshot.item_errors > 0);
    assert!(met, "{:#?}", scene.snapshot());
    let mut today = scene.writer("today");
    for round in 1..=10 {
        today.lines(Stream::Stdout, 1);
        assert!(standin.wait_count(round, PROMPTLY * 5), "{round}: {:#?}", scene.snapshot());
    }
    standin.faults().remove(rule);
    let mut ledger = today.ledger();
    ledger.merge(&late.ledger());
    assert!(standin.wait_count(210, IN_TIME), "{:#?}", scene.snapshot());
    agent.terminate();
    expect_exactly_once(standin, &ledger);
    assert_eq!(scene.snapshot().indices["sluice-2026.01.02"], 200);
}

#[test]
fn what_is_refused_for_too_long_becomes_dead_letters() {
    let mut scene = Scene::new(Over::Http);
    scene.node.set("output.elasticsearch.when_refused", json!({"dead_letter_after": "2s"}));
    let closed = Which::IndexPrefix("down-".to_owned());
    scene.standin.faults().add(Rule::items(closed, ItemError::IndexClosed));
    let sick = Container::of(spec_for("sick", "down"));
    let mut sick = Writer::alone(&scene.node.root(), sick, 6);
    sick.lines(Stream::Stdout, 50);
    let mut well = scene.writer("well");
    well.lines(Stream::Stdout, 50);
    let agent = scene.node.start();
    let letters = wait_for_dead_letters(&scene.node.state_dir(), 50);
    assert!(letters.iter().all(|letter| letter["reason"] == "target_refused"), "{letters:#?}");
    scene.expect_all(&well, agent);
}

/// With a certificate that cannot be trusted nothing is sent; with a right one everything is.
#[track_caller]
fn distrusted_then_mended(identity: Identity, words: &[&str], scene: &Scene) {
    scene.standin.set_tls(&TlsConfig::new(identity)).expect("a certificate of the test's");
    let mut writer = scene.writer("one");
    writer.lines(Stream::Stdout, 100);
    let agent = scene.node.start();
    scene.expect_nothing_but_attempts(|snapshot| snapshot.connections >= 3);
    assert_eq!(scene.snapshot().requests, 0, "something was sent to a stranger");
    for word in words {
        agent.wait_for_word(word, SOON);
    }
    let right = TlsConfig::new(server_identity(&scene.ca));
    scene.standin.set_tls(&right).expect("a certificate of the test's");
    scene.expect_all(&writer, agent);
}

#[test]
fn a_certificate_of_another_name() {
    let scene = Scene::new(Over::Tls);
    let wrong = scene.ca.server(&["elsewhere.example"]).expect("a certificate can be made");
    distrusted_then_mended(wrong, &["localhost", "certificate"], &scene);
}

#[test]
fn a_certificate_that_has_expired() {
    let scene = Scene::new(Over::Tls);
    let old = scene.ca.expired_server(&["localhost"]).expect("a certificate can be made");
    distrusted_then_mended(old, &["localhost", "certificate", "expired"], &scene);
}

#[test]
fn a_certificate_of_another_authority() {
    let scene = Scene::new(Over::Tls);
    let stranger = TestCa::new("stranger").expect("an authority can be made");
    distrusted_then_mended(server_identity(&stranger), &["localhost", "certificate"], &scene);
}

#[test]
fn the_servers_authority_is_replaced() {
    let scene = Scene::new(Over::Tls);
    let mut writer = scene.writer("one");
    writer.lines(Stream::Stdout, 100);
    let agent = scene.node.start();
    assert!(scene.standin.wait_count(100, SOON), "{:#?}", scene.snapshot());
    let next = TestCa::new("next").expect("an authority can be made");
    scene.standin.go_down();
    scene.standin.set_tls(&TlsConfig::new(server_identity(&next))).expect("a certificate");
    scene.standin.come_up().expect("the port is still ours");
    let connections = scene.snapshot().connections;
    writer.lines(Stream::Stdout, 100);
    let tried = scene.standin.wait_for(IN_TIME, |snapshot| snapshot.connections > connections + 1);
    assert!(tried, "{:#?}", scene.snapshot());
    assert_eq!(scene.standin.count(), 100);
    scene.node.write("ca.pem", &next.certificate_pem());
    agent.signal(rustix::process::Signal::HUP);
    scene.expect_all(&writer, agent);
}

#[test]
fn the_server_asks_for_a_client_certificate() {
    let mut scene = Scene::new(Over::Tls);
    let clients = TestCa::new("clients").expect("an authority can be made");
    let strangers = TestCa::new("strangers").expect("an authority can be made");
    let asking = TlsConfig::new(server_identity(&scene.ca))
        .require_client_certificate(clients.certificate_pem());
    scene.standin.set_tls(&asking).expect("a certificate of the test's");
    let stranger = strangers.client("agent").expect("a certificate can be made");
    let certificate = scene.node.write("client.pem", &stranger.certificate_pem);
    let key = scene.node.write("client.key", &stranger.key_pem);
    scene.node.set("output.elasticsearch.cert_file", json!(certificate));
    scene.node.set("output.elasticsearch.key_file", json!(key));
    let mut writer = scene.writer("one");
    writer.lines(Stream::Stdout, 100);
    let agent = scene.node.start();
    scene.expect_nothing_but_attempts(|snapshot| snapshot.connections >= 2);
    let client = clients.client("agent").expect("a certificate can be made");
    scene.node.write("client.key", &client.key_pem);
    scene.node.write("client.pem", &client.certificate_pem);
    agent.signal(rustix::process::Signal::HUP);
    scene.expect_all(&writer, agent);
    assert!(scene.snapshot().requests > 0);
}

/// Rubbish between good lines.
fn rubbish() -> Vec<(&'static str, Vec<u8>)> {
    let time = r#""stream":"stdout","time":"2026-01-02T03:04:05.123Z"}"#;
    let record = |log: &str| format!("{{\"log\":\"{log}\\n\",{time}");
    let mut invalid = record("before \u{1} after").into_bytes();
    invalid.iter_mut().filter(|byte| **byte == 1).for_each(|byte| *byte = 0xFF);
    let mut overlong = record("\u{1}\u{1}\u{1}").into_bytes();
    let bad = [0xED, 0xA0, 0x80];
    overlong.iter_mut().filter(|byte| **byte == 1).zip(bad).for_each(|(byte, bad)| *byte = bad);
    let mut junk = vec![b'j'; 5 << 20];
    junk.iter_mut().step_by(997).for_each(|byte| *byte = 0x80);
    vec![
        ("torn in the text, next record behind it", b"{\"log\":\"torn in the te".to_vec()),
        ("torn behind the text", format!("{{\"log\":\"torn\\n\",{}", &time[..20]).into_bytes()),
        ("torn in an escape", b"{\"log\":\"torn \\u00".to_vec()),
        ("one brace", b"{".to_vec()),
        ("NUL, next record behind them", vec![0; 4_096]),
        ("NUL on a line", [vec![0; 70_000], b"\n".to_vec()].concat()),
        ("two glued", [record("glued one"), record("glued two"), "\n".into()].concat().into()),
        ("no UTF-8", [invalid, b"\n".to_vec()].concat()),
        ("half a surrogate", [overlong, b"\n".to_vec()].concat()),
        ("an escaped half surrogate", (record("\\ud800 alone") + "\n").into_bytes()),
        ("an unknown escape", (record("\\x41") + "\n").into_bytes()),
        ("a raw control byte", (record("a\u{7}\tb") + "\n").into_bytes()),
        ("no time", b"{\"log\":\"no time\\n\",\"stream\":\"stdout\"}\n".to_vec()),
        ("a wild time", record("wild").replace("2026-01-02", "9026-99-99").into_bytes()),
        ("a line end alone", b"\n\n\r\n".to_vec()),
        ("other JSON", b"[1,2]\n42\n\"text\"\nnull\n{}\n{\"log\":7}\n".to_vec()),
        ("text", b"plain text, as another driver writes it\n".to_vec()),
        ("5 MB of junk", [junk, b"\n".to_vec()].concat()),
        ("deep", [vec![b'['; 100_000], b"\n".to_vec()].concat()),
    ]
}

#[test]
fn rubbish_between_lines() {
    for over in BOTH {
        let scene = Scene::new(over);
        let mut writer = scene.writer("dirty");
        let agent = scene.node.start();
        let mut expected = 0;
        for (what, bytes) in rubbish() {
            writer.lines(Stream::Stdout, 5);
            writer.log.write_raw(&bytes).expect("a log can be written");
            writer.lines(Stream::Stderr, 5);
            expected += 10;
            let all = || {
                let received = scene.standin.received();
                received.lines_of("dirty/out") + received.lines_of("dirty/err")
            };
            let arrived = wait_until(IN_TIME, || all() >= expected);
            assert!(arrived, "{what}: {} of {expected}, {:#?}", all(), scene.snapshot());
        }
        agent.terminate();
        let summary = scene.standin.verify(&writer.ledger());
        assert!(summary.is_clean(), "{summary}");
        // The rubbish came too, and all of it was valid for the server.
        assert!(summary.foreign > 10, "{summary}");
        assert_eq!(scene.snapshot().item_errors, 0, "{:#?}", scene.snapshot());
        assert_eq!(dead_letters(&scene.node.state_dir()), [] as [Value; 0]);
        for document in scene.standin.documents() {
            let parsed: Result<Value, _> = serde_json::from_slice(&document.source);
            assert!(parsed.is_ok(), "{}", String::from_utf8_lossy(&document.source));
        }
    }
}

#[test]
fn rubbish_that_was_there_before() {
    let scene = Scene::new(Over::Http);
    let mut writer = scene.writer("dirty");
    for (_, bytes) in rubbish() {
        writer.lines(Stream::Stdout, 5);
        writer.log.write_raw(&bytes).expect("a log can be written");
        writer.lines(Stream::Stderr, 5);
    }
    let agent = scene.node.start();
    let lines = writer.ledger().lines();
    let all = || {
        let received = scene.standin.received();
        received.lines_of("dirty/out") + received.lines_of("dirty/err")
    };
    assert!(wait_until(IN_TIME, || all() >= lines), "{} of {lines}", all());
    agent.terminate();
    let summary = scene.standin.verify(&writer.ledger());
    assert!(summary.is_clean(), "{summary}");
    assert_eq!(scene.snapshot().item_errors, 0, "{:#?}", scene.snapshot());
}

#[test]
fn truncated_under_a_writer_that_keeps_its_offset() {
    let scene = Scene::new(Over::Http);
    let spec = ContainerSpec::new("sparse").log_option("max-file", "2");
    let mut writer = Writer::alone(&scene.node.root(), Container::of(spec), 7);
    // From its first rotation on the driver writes without O_APPEND.
    writer.log.rotate().expect("a log can be rotated");
    writer.lines(Stream::Stdout, 500);
    let agent = scene.node.start();
    for round in 1..=3 {
        assert!(scene.standin.wait_count(round * 500, SOON), "{:#?}", scene.snapshot());
        let path = writer.directory.log_path();
        let log = File::options().write(true).open(&path).expect("a log can be opened");
        log.set_len(0).expect("a log can be truncated");
        // What follows stands behind a hole of NUL bytes.
        writer.lines(Stream::Stdout, 500);
        let head = std::fs::read(&path).expect("can be read");
        assert!(head.starts_with(&[0; 1_000]), "no hole");
    }
    scene.expect_all(&writer, agent);
}

#[test]
fn a_quiet_container_is_not_held_up_by_a_busy_one() {
    let scene = Scene::new(Over::Http);
    let burst = Pace { burst_lines_max: 500, pause_max: Duration::from_millis(2) };
    let busy = Container::new("busy").pace(burst);
    let load = Load::start(&scene.node.root(), vec![busy], 8, 50_000);
    let agent = scene.node.start();
    let quiet = Container::of(spec_for("quiet", "up-quiet"));
    let mut quiet = Writer::alone(&scene.node.root(), quiet, 8);
    let mut waits = Vec::new();
    for round in 1..=20 {
        load.arrived(scene.standin.count());
        quiet.lines(Stream::Stdout, 1);
        let began = Instant::now();
        let arrived = scene
            .standin
            .wait_for(PROMPTLY * 10, |snapshot| documents_in(snapshot, "up-quiet-") >= round);
        assert!(arrived, "round {round} after {waits:?}: {:#?}", scene.snapshot());
        waits.push(began.elapsed());
    }
    let busy_lines = scene.standin.count();
    let (ledger, _writers) = load.finish();
    waits.sort();
    println!("{busy_lines} lines beside; half within {:?}, all within {:?}", waits[9], waits[19]);
    let mut all = quiet.ledger();
    all.merge(&ledger);
    assert!(scene.standin.wait_count(all.lines(), IN_TIME), "{:#?}", scene.snapshot());
    agent.terminate();
    expect_exactly_once(&scene.standin, &all);
}
