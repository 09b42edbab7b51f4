//! A request fails, as a whole or item by item.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use sluice_bench::line::Line;
use sluice_bench::load::Stream;
use sluice_bench::standin::{
    Auth, Fault, Item, ItemError, Rule, Stage, StandinConfig, Version, Which,
};
use sluice_bench::verify::message_of;

use super::common::{
    Container, IN_TIME, Load, SOON, dead_letters, expect_exactly_once, expect_exactly_once_but,
    wait_for_dead_letters,
};
use super::{BOTH, Over, Scene, survive, survive_with};

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
