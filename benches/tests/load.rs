//! What the load writes can be verified by a reader that knows nothing but the formats.

use std::collections::BTreeMap;

use sluice_bench::load::{Clock, ContainerDir, ContainerSpec, Kind, Ledger, LineSource, Stream};
use sluice_bench::verify::{Received, compare};

/// All records of a log, pieces joined per stream, in the order of their ends.
fn read_back(log: &str, into: &mut Received) {
    let mut pieces: BTreeMap<String, String> = BTreeMap::new();
    let mut offset = 0;
    for line in log.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("is JSON");
        let stream = record["stream"].as_str().expect("has a stream");
        let message = pieces.entry(stream.to_owned()).or_default();
        message.push_str(record["log"].as_str().expect("has a text"));
        if let Some(whole) = message.strip_suffix('\n') {
            let order = format!("2026-01-01T00:00:00.000000000Z-{offset:011x}");
            into.take(whole.as_bytes(), Some(order.as_bytes()));
            message.clear();
        }
        offset += line.len() + 1;
    }
    assert!(pieces.values().all(String::is_empty), "a line has no end");
}

#[test]
fn every_kind_of_text_arrives_intact() {
    let root = tempfile::tempdir().expect("a directory");
    let kinds = [
        Kind::Access,
        Kind::Java,
        Kind::Stack,
        Kind::Json,
        Kind::MultiByte,
        Kind::Binary,
        Kind::Long,
        Kind::Mixed,
    ];
    let container = ContainerDir::create(root.path(), ContainerSpec::new("all")).expect("is made");
    let mut writer = container.writer(Clock::steps()).expect("opens");
    let mut ledger = Ledger::default();
    for (number, kind) in kinds.into_iter().enumerate() {
        let mut source = LineSource::new(&format!("{kind:?}"), kind, number as u64);
        let stream = if number % 2 == 0 { Stream::Stdout } else { Stream::Stderr };
        source.write_to(&mut writer, stream, 300, &mut ledger).expect("writes");
    }
    let log = std::fs::read_to_string(container.log_path()).expect("is UTF-8");
    let mut received = Received::new();
    read_back(&log, &mut received);
    let summary = compare(&ledger, &received);
    assert!(summary.is_clean() && summary.foreign == 0, "{summary}");
    assert_eq!(summary.total().received, 2400);
}

#[test]
fn nothing_is_lost_over_rotations_that_keep_all() {
    let root = tempfile::tempdir().expect("a directory");
    let spec =
        ContainerSpec::new("rotating").log_option("max-size", "50k").log_option("max-file", "100");
    let container = ContainerDir::create(root.path(), spec).expect("is made");
    let mut writer = container.writer(Clock::steps()).expect("opens");
    let mut ledger = Ledger::default();
    let mut source = LineSource::new("r", Kind::Long, 9);
    source.write_to(&mut writer, Stream::Stdout, 200, &mut ledger).expect("writes");
    assert!(writer.rotations() > 20);
    let mut log = String::new();
    for number in (0..=writer.rotations()).rev() {
        let name = match number {
            0 => container.log_path(),
            _ => format!("{}.{number}", container.log_path().display()).into(),
        };
        log.push_str(&std::fs::read_to_string(name).expect("is there"));
    }
    let mut received = Received::new();
    read_back(&log, &mut received);
    let summary = compare(&ledger, &received);
    assert!(summary.is_clean() && summary.foreign == 0, "{summary}");
}
