//! Indices that refuse, each in its own way, beside one that does not.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_bench::load::{Kind, Stream};

use super::common::{IN_TIME, dead_letters, wait_for_dead_letters, wait_until};
use super::logs::{DAY, Logs, expect_exactly_once};
use super::server::Server;

const LINES: u64 = 300;
/// Said to be a second; a build may run beside the test.
const BYSTANDER_MAX: Duration = Duration::from_secs(5);

pub(super) fn check(server: &Server) -> u64 {
    let blocked = ["closed", "read-only", "flood"];
    let index = |target: &str| format!("{target}-{DAY}");
    for target in blocked {
        server.create_index(&index(target), &json!({}));
    }
    server.ask("POST", &format!("/{}/_close", index("closed")), &Value::Null);
    server.block(&index("read-only"), "write", true);
    server.block(&index("flood"), "read_only_allow_delete", true);
    // A number, which our messages are not.
    server.create_index(&index("conflict"), &json!({"message": {"type": "integer"}}));

    let mut logs = Logs::sending_to(&server.url);
    let mut writers: Vec<_> =
        blocked.iter().map(|target| logs.container(target, target, Kind::Mixed)).collect();
    let mut up = logs.container("up", "up", Kind::Mixed);
    for writer in &mut writers {
        writer.lines(Stream::Stdout, LINES);
    }
    up.lines(Stream::Stdout, LINES);
    // Beside the ledger: a few that fit the mapping among others that never will.
    let mut conflict = logs.container("conflict", "conflict", Kind::Mixed);
    for number in 0..20 {
        conflict.log.write_line(Stream::Stdout, format!("{number}").as_bytes()).expect("written");
        conflict.log.write_line(Stream::Stdout, b"no number").expect("written");
    }
    logs.station.start();
    logs.await_count(server, "up-*", LINES);
    let paused = || logs.station.metric("sluice_ship_targets_paused", &[]) as usize;
    assert!(
        wait_until(IN_TIME, || paused() == blocked.len()),
        "{} targets are paused\n{}",
        paused(),
        logs.station.tail()
    );
    // With all that waits, nobody else does.
    for round in 2..=4 {
        let began = Instant::now();
        up.lines(Stream::Stdout, LINES);
        logs.await_count(server, "up-*", round * LINES);
        let took = began.elapsed();
        assert!(took < BYSTANDER_MAX, "{took:?} with other targets paused");
    }
    for target in ["read-only", "flood"] {
        assert_eq!(server.count(&index(target)), 0, "{target} takes nothing");
    }

    // The conflict is no pause: what fits is there, the rest on disk.
    logs.await_count(server, "conflict-*", 20);
    let letters = wait_for_dead_letters(&logs.station.state(), 20);
    for letter in &letters {
        assert_eq!(letter["status"], 400, "{letter:#}");
        assert_eq!(letter["index"], index("conflict"), "{letter:#}");
        let raw = letter["raw"].as_str().expect("the record as it stood in its file");
        assert!(raw.contains("no number"), "{letter:#}");
        assert!(letter["error_text"].as_str().is_some_and(|text| text.contains("message")));
    }

    // What waited arrives.
    server.ask("POST", &format!("/{}/_open", index("closed")), &Value::Null);
    server.block(&index("read-only"), "write", false);
    server.block(&index("flood"), "read_only_allow_delete", Value::Null);
    for target in blocked {
        logs.await_count(server, &index(target), LINES);
    }
    logs.station.await_idle(IN_TIME);
    logs.station.stop();
    assert_eq!(dead_letters(&logs.station.state()).len(), 20, "and no more");
    assert_eq!(server.count("conflict-*"), 20);
    let indices = format!("up-*,{}", blocked.map(index).join(","));
    expect_exactly_once(server, &indices, &logs.ledger());
    logs.ledger().lines() + 20
}
