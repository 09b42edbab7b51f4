//! The agent is killed, stopped, restarted with other rules, and robbed of its state: every line
//! still arrives once.
//!
//! `SLUICE_TEST_KILLS=N` kills N times in the long test, `SLUICE_TEST_SEED=S` repeats its moments.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

mod common;

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use common::{
    Container, IN_TIME, Load, Node, Pace, SOON, Writer, expect_exactly_once, joined_by_order,
    number, seed, wait_until,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sluice_bench::load::{Clock, Kind, Stamp, Stream};
use sluice_bench::rng::Rng;
use sluice_bench::standin::{Document, Fault, Rule, Stage, Standin, StandinConfig};

/// 2026-01-02 20:00 UTC, which is the next day in zones from +04:00 on.
const EVENING: Stamp = Stamp(1_767_384_000_000_000_000);
/// 2026-01-03 00:00 UTC.
const MIDNIGHT: Stamp = Stamp(1_767_398_400_000_000_000);
const STEP_NANOS: u64 = 100_000;

fn standin() -> Standin {
    Standin::start(StandinConfig::default()).expect("the stand-in starts")
}

fn from(next: Stamp) -> Clock {
    Clock::Steps { next, step_nanos: STEP_NANOS }
}

/// What a kill finds on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnItsWay {
    /// The server has the request and has stored nothing.
    Unstored,
    /// The server has stored it, and the answer never comes.
    Stored,
}

impl OnItsWay {
    /// From now on no bulk request is answered.
    fn begin(self, standin: &Standin) {
        let stage = match self {
            Self::Unstored => Stage::Received,
            Self::Stored => Stage::Stored,
        };
        standin.faults().set(Fault::Stall(stage));
    }

    /// Waits until the server has what was written last.
    #[track_caller]
    fn wait(self, standin: &Standin, lines: u64, bulk_requests_before: u64) {
        let arrived = standin.wait_for(SOON, |snapshot| match self {
            Self::Unstored => snapshot.bulk_requests > bulk_requests_before,
            Self::Stored => snapshot.documents >= lines,
        });
        assert!(arrived, "{self:?}: {:#?}", standin.snapshot());
    }
}

#[test]
fn kills_at_random_moments_under_load_with_rotation() {
    let kills = number("SLUICE_TEST_KILLS", 200);
    let mut rng = Rng::new(seed());
    let standin = standin();
    let faults = standin.faults();
    let lost = Rule::new(Fault::Cut(Stage::Stored)).with_probability(0.03, rng.bits());
    let slow = Fault::Delay(Duration::from_millis(30));
    faults.add(lost);
    faults.add(Rule::new(slow).with_probability(0.5, rng.bits()));
    let node = Node::sending_to(&standin);
    let containers = vec![
        Container::new("plain"),
        Container::new("rotated").option("max-size", "40k").option("max-file", "14"),
        Container::new("packed")
            .option("max-size", "60k")
            .option("max-file", "10")
            .option("compress", "true"),
        Container::new("alphabets")
            .kind(Kind::MultiByte)
            .option("max-size", "30k")
            .option("max-file", "18"),
        Container::new("long")
            .kind(Kind::Long)
            .pace(Pace::CALM)
            .option("max-size", "500k")
            .option("max-file", "30"),
    ];
    let load = Load::start(&node.root(), containers, rng.bits(), 1_200);
    for kill in 0..kills {
        let mut agent = node.start();
        // Early ones hit the start, late ones what it does for long.
        let moment = if rng.chance(0.25) { rng.below(100) } else { rng.below(1_200) };
        let ended = wait_until(Duration::from_millis(moment), || {
            load.arrived(standin.count());
            agent.has_ended()
        });
        assert!(!ended, "it ended by itself before kill {kill}");
        agent.kill();
    }
    faults.clear();
    let agent = node.start();
    let (ledger, writers) = load.finish();
    let arrived = standin.wait_count(ledger.lines(), IN_TIME);
    if arrived {
        agent.terminate();
    }
    expect_exactly_once(&standin, &ledger);
    let rotations: u64 = writers.iter().map(|writer| writer.log.rotations()).sum();
    let conflicts = standin.conflicts();
    println!("{kills} kills, {} lines, {rotations} rotations, {conflicts} 409", ledger.lines());
    if kills >= 50 {
        assert!(rotations > kills / 4, "{rotations} rotations are no load with rotation");
        assert!(conflicts > 0, "nothing was ever on its way when a kill came");
    }
}

#[test]
fn an_event_cut_by_the_timer_and_then_a_kill() {
    let check = |on_its_way: OnItsWay| {
        let standin = standin();
        let mut node = Node::sending_to(&standin);
        node.set("partial_timeout", "200ms");
        let mut writer = Writer::alone(&node.root(), Container::new("prompt"), 1);
        let line: String = ('a'..='z').cycle().take(40_000).collect();
        let write = |writer: &mut Writer, text: &str| {
            writer.log.write(Stream::Stdout, text.as_bytes()).expect("a log can be written");
        };
        let agent = node.start();
        write(&mut writer, "before\n");
        assert!(standin.wait_count(1, SOON), "{:#?}", standin.snapshot());
        let requests = standin.snapshot().bulk_requests;
        on_its_way.begin(&standin);
        // One piece of 16 KiB is on disk, and its line has no end for longer than the timer.
        write(&mut writer, &line[..20_000]);
        on_its_way.wait(&standin, 2, requests);
        agent.kill();
        standin.faults().clear();
        // Joined anew, the line would be another document under the same id.
        write(&mut writer, &line[20_000..]);
        write(&mut writer, "\nafter\n");
        let agent = node.start();
        assert!(standin.wait_count(4, IN_TIME), "{:#?}", standin.snapshot());
        agent.terminate();
        let documents = standin.documents();
        let joined = joined_by_order(&documents, "prompt", "stdout");
        assert!(joined == format!("before{line}after"), "{on_its_way:?}: {} bytes", joined.len());
        let partial = |document: &&Document| document.field(&["event", "partial"]).is_some();
        assert_eq!(documents.iter().filter(partial).count(), 2, "{on_its_way:?}");
        assert_eq!(documents.len(), 4, "{on_its_way:?}");
    };
    check(OnItsWay::Stored);
    check(OnItsWay::Unstored);
}

#[test]
fn target_and_zone_changed_between_two_runs() {
    let check = |on_its_way: OnItsWay| {
        let standin = standin();
        let mut node = Node::sending_to(&standin);
        node.set("target", "before").set("target_zone", "UTC");
        let container = Container { clock: from(EVENING), ..Container::new("mover") };
        let mut writer = Writer::alone(&node.root(), container, 2);
        let agent = node.start();
        writer.lines(Stream::Stdout, 100);
        assert!(standin.wait_count(100, SOON), "{:#?}", standin.snapshot());
        let requests = standin.snapshot().bulk_requests;
        on_its_way.begin(&standin);
        writer.lines(Stream::Stdout, 100);
        on_its_way.wait(&standin, 200, requests);
        agent.kill();
        standin.faults().clear();
        node.set("target", "after").set("target_zone", "+08:00");
        // The new rules hold from where nothing can have been sent yet, which after a kill is
        // known to a megabyte.
        writer.lines(Stream::Stdout, 8_000);
        let agent = node.start();
        assert!(standin.wait_count(8_200, IN_TIME), "{:#?}", standin.snapshot());
        agent.terminate();
        expect_exactly_once(&standin, &writer.ledger());
        let indices = standin.snapshot().indices;
        let names: Vec<&str> = indices.keys().map(String::as_str).collect();
        assert_eq!(names, ["after-2026.01.03", "before-2026.01.02"], "{on_its_way:?} {indices:?}");
        if on_its_way == OnItsWay::Stored {
            assert!(indices["before-2026.01.02"] >= 200, "{indices:?}");
        }
        println!("{on_its_way:?} {indices:?}");
    };
    check(OnItsWay::Stored);
    check(OnItsWay::Unstored);
}

#[test]
fn midnight_between_two_attempts() {
    let check = |killed: bool| {
        let standin = standin();
        let node = Node::sending_to(&standin);
        let start = Stamp(MIDNIGHT.0 - 100 * STEP_NANOS);
        let container = Container { clock: from(start), ..Container::new("owl") };
        let mut writer = Writer::alone(&node.root(), container, 3);
        standin.hold();
        let mut agent = node.start();
        writer.lines(Stream::Stdout, 100);
        let held = |standin: &Standin| standin.wait_for(SOON, |snapshot| snapshot.held > 0);
        assert!(held(&standin), "{:#?}", standin.snapshot());
        if killed {
            agent.kill();
            writer.lines(Stream::Stdout, 100);
            agent = node.start();
            assert!(held(&standin), "{:#?}", standin.snapshot());
        } else {
            writer.lines(Stream::Stdout, 100);
        }
        standin.faults().add(Rule::new(Fault::Status(503)).times(2));
        standin.release();
        assert!(standin.wait_count(200, IN_TIME), "{:#?}", standin.snapshot());
        agent.terminate();
        expect_exactly_once(&standin, &writer.ledger());
        let indices = standin.snapshot().indices;
        assert_eq!(indices.get("sluice-2026.01.02"), Some(&100), "{indices:?}");
        assert_eq!(indices.get("sluice-2026.01.03"), Some(&100), "{indices:?}");
    };
    check(false);
    check(true);
}

#[test]
fn three_megabytes_without_a_newline_under_small_files() {
    const LINE_BYTES: usize = 3_000_000;
    let mut rng = Rng::new(seed());
    let standin = standin();
    let node = Node::sending_to(&standin);
    let container = Container::new("endless").option("max-size", "100k").option("max-file", "100");
    let mut writer = Writer::alone(&node.root(), container, 4);
    // All pieces are the same, and share one time: the files begin with identical records.
    let piece = [b'x'; 20_000];
    let mut agent = node.start();
    for number in 0..LINE_BYTES / piece.len() {
        writer.log.write(Stream::Stdout, &piece).expect("a log can be written");
        if number % 15 == 7 {
            let moment = Duration::from_millis(rng.below(300));
            let ended = wait_until(moment, || agent.has_ended());
            assert!(!ended, "it ended by itself");
            agent.kill();
            agent = node.start();
        }
    }
    writer.log.write(Stream::Stdout, b"\n").expect("a log can be written");
    for number in 0..50 {
        let line = format!("short {number}");
        writer.log.write_line(Stream::Stderr, line.as_bytes()).expect("a log can be written");
    }
    assert!(writer.log.rotations() >= 25, "{} rotations", writer.log.rotations());
    let text_of = |stream: &str| joined_by_order(&standin.documents(), "endless", stream);
    let arrived =
        wait_until(IN_TIME, || standin.count() > 50 && text_of("stdout").len() >= LINE_BYTES);
    let shown: Vec<_> = standin
        .documents()
        .iter()
        .map(|it| it.text(&["message"]))
        .map(|it| it.map(|it| it.len()))
        .collect();
    assert!(arrived, "{:#?} {shown:?}", standin.snapshot());
    agent.terminate();
    let long = text_of("stdout");
    assert_eq!(long.len(), LINE_BYTES, "{shown:?}");
    assert!(long.bytes().all(|byte| byte == b'x'));
    let short: String = (0..50).map(|number| format!("short {number}")).collect();
    assert_eq!(text_of("stderr"), short);
    let of_stdout = |it: &&Document| it.text(&["stream"]).as_deref() == Some("stdout");
    let documents = standin.documents();
    let pieces: Vec<&Document> = documents.iter().filter(of_stdout).collect();
    let is_cut = |it: &&&Document| it.field(&["event", "partial"]) == Some(json!(true));
    assert!(
        pieces.len() == 1 || pieces.iter().filter(is_cut).count() == pieces.len(),
        "a line in {} documents that do not say so",
        pieces.len()
    );
}

#[test]
fn sigterm_delivers_what_was_read() {
    let standin = standin();
    let node = Node::sending_to(&standin);
    let containers = ["one", "two", "three"].map(Container::new).to_vec();
    let load = Load::start(&node.root(), containers, seed(), u64::MAX);
    let agent = node.start();
    load.wait_for_lines(300);
    assert!(standin.wait_count(100, SOON), "{:#?}", standin.snapshot());
    standin.hold();
    assert!(standin.wait_for(SOON, |snapshot| snapshot.held > 0), "{:#?}", standin.snapshot());
    agent.signal(rustix::process::Signal::TERM);
    agent.wait_for_word("ending", SOON);
    standin.release();
    let ended = agent.wait(SOON);
    ended.expect(0, &["everything that was read is delivered"]);
    assert!(ended.took < Duration::from_secs(15), "{:?}", ended.took);
    let (ledger, _writers) = load.finish();
    let agent = node.start();
    assert!(standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", standin.snapshot());
    agent.terminate();
    expect_exactly_once(&standin, &ledger);
    // What was sent had been acknowledged and written down: nothing came twice.
    assert_eq!(standin.conflicts(), 0);
}

#[test]
fn sigterm_ends_in_time_although_the_server_is_down() {
    const BOUND: Duration = Duration::from_secs(2);
    let standin = standin();
    let mut node = Node::sending_to(&standin);
    node.set("shutdown_timeout", "2s");
    let containers = ["one", "two"].map(Container::new).to_vec();
    let load = Load::start(&node.root(), containers, seed(), u64::MAX);
    let agent = node.start();
    assert!(standin.wait_count(100, SOON), "{:#?}", standin.snapshot());
    standin.go_down();
    load.wait_for_lines(200);
    let ended = agent.terminate();
    // The rest is for a machine that is busy with other tests.
    assert!(ended.took < BOUND + Duration::from_secs(3), "{:?}", ended.took);
    let (ledger, _writers) = load.finish();
    standin.come_up().expect("the port is still ours");
    let agent = node.start();
    assert!(standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", standin.snapshot());
    agent.terminate();
    expect_exactly_once(&standin, &ledger);
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let standin = standin();
    let mut node = Node::sending_to(&standin);
    node.set("shutdown_timeout", "60s").set("output.elasticsearch.timeout", "60s");
    let mut writer = Writer::alone(&node.root(), Container::new("one"), 5);
    standin.hold();
    let agent = node.start();
    writer.lines(Stream::Stdout, 20);
    assert!(standin.wait_for(SOON, |snapshot| snapshot.held > 0), "{:#?}", standin.snapshot());
    agent.signal(rustix::process::Signal::TERM);
    agent.wait_for_word("ending", SOON);
    agent.signal(rustix::process::Signal::TERM);
    let ended = agent.wait(SOON);
    ended.expect(0, &["not acknowledged"]);
    standin.release();
    let agent = node.start();
    assert!(standin.wait_count(20, IN_TIME), "{:#?}", standin.snapshot());
    agent.terminate();
    expect_exactly_once(&standin, &writer.ledger());
}

#[test]
fn state_deleted_between_two_runs() {
    let check = |killed: bool| {
        let standin = standin();
        let node = Node::sending_to(&standin);
        let containers = vec![
            Container::new("plain"),
            Container::new("rotated").option("max-size", "20k").option("max-file", "200"),
            Container::new("packed")
                .option("max-size", "20k")
                .option("max-file", "200")
                .option("compress", "true"),
        ];
        let load = Load::start(&node.root(), containers, seed(), u64::MAX);
        let agent = node.start();
        assert!(standin.wait_count(1_000, IN_TIME), "{:#?}", standin.snapshot());
        if killed {
            agent.kill();
        } else {
            agent.terminate();
        }
        let stored = standin.count();
        std::fs::remove_dir_all(node.state_dir()).expect("the state can be removed");
        load.wait_for_lines(200);
        let agent = node.start();
        let (ledger, writers) = load.finish();
        assert!(standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", standin.snapshot());
        agent.terminate();
        expect_exactly_once(&standin, &ledger);
        // All files were still there, so everything was sent again, and taken for what it is.
        assert!(standin.conflicts() >= stored, "{} of {stored}", standin.conflicts());
        let rotations: u64 = writers.iter().map(|writer| writer.log.rotations()).sum();
        assert!(rotations > 4, "{rotations} rotations");
    };
    check(false);
    check(true);
}

#[test]
fn compression_caught_in_the_middle() {
    #[derive(Clone, Copy, Debug)]
    enum Before {
        /// The agent runs, and has still to read the end of the file.
        Unread,
        /// The agent runs, and has done with the file.
        Settled,
        Kill,
        StateLost,
    }
    let check = |before: Before, share: f64| {
        let case = format!("{before:?}, {share} of the archive");
        let standin = standin();
        let node = Node::sending_to(&standin);
        let container = Container::new("packed").option("max-file", "5");
        let mut writer = Writer::alone(&node.root(), container, 9);
        let path = writer.directory.log_path();
        let named = |suffix: &str| PathBuf::from(format!("{}{suffix}", path.display()));
        let wait = |lines: u64| {
            assert!(standin.wait_count(lines, IN_TIME), "{case}: {:#?}", standin.snapshot());
        };
        writer.lines(Stream::Stdout, 100);
        let mut agent = node.start();
        wait(100);
        match before {
            Before::Unread => agent.freeze(),
            Before::Settled => {}
            Before::Kill | Before::StateLost => agent.kill_and_wait(),
        }
        if matches!(before, Before::StateLost) {
            std::fs::remove_dir_all(node.state_dir()).expect("the state can be removed");
        }
        writer.lines(Stream::Stdout, 50);
        writer.log.rotate().expect("a log can be rotated");
        writer.lines(Stream::Stdout, 10);
        if matches!(before, Before::Settled) {
            wait(160);
            let settled = wait_until(SOON, || node.acknowledged("packed", &path));
            assert!(settled, "{case}: {:#}", node.positions());
        }
        let whole = gzip(&std::fs::read(named(".1")).expect("can be read"));
        let bytes = (whole.len() as f64 * share) as usize;
        let mut archive = File::create(named(".1.gz")).expect("can be made");
        archive.write_all(&whole[..bytes]).expect("can be written");
        match before {
            Before::Unread => agent.thaw(),
            Before::Settled => {}
            Before::Kill | Before::StateLost => agent = node.start(),
        }
        wait(160);
        // Seen by the agent: the lines behind came after it.
        writer.lines(Stream::Stdout, 10);
        wait(170);
        // The daemon comes to the end of it.
        archive.write_all(&whole[bytes..]).expect("can be written");
        std::fs::remove_file(named(".1")).expect("can be removed");
        writer.lines(Stream::Stdout, 10);
        wait(180);
        agent.kill();
        writer.lines(Stream::Stdout, 10);
        let agent = node.start();
        wait(190);
        agent.terminate();
        println!("{case}: {} documents of 190", standin.count());
        expect_exactly_once(&standin, &writer.ledger());
    };
    for before in [Before::Unread, Before::Settled, Before::Kill, Before::StateLost] {
        for share in [0.0, 0.5, 1.0] {
            check(before, share);
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write")
}
