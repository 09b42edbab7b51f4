//! What the files hold, and how they change.

use std::fs::File;
use std::time::{Duration, Instant};

use serde_json::Value;
use sluice_bench::load::{ContainerSpec, Stream};

use super::common::{
    Container, IN_TIME, Load, Pace, SOON, Writer, dead_letters, expect_exactly_once, spec_for,
    wait_until,
};
use super::{BOTH, Over, PROMPTLY, Scene, documents_in};

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
