//! Today's indices as log-pilot left them: each with a mapping type of its own on Elasticsearch 6.

use serde_json::Value;
use sluice_bench::load::{Kind, Stream};

use super::common::{IN_TIME, wait_until};
use super::logs::{DAY, Logs, expect_exactly_once};
use super::server::{Server, log_pilots_properties};

const LINES: u64 = 200;

/// Target, the type that its index has already, and the one that it has at the end.
const INDICES: [(&str, Option<&str>, &str); 3] = [
    ("typed-fluentd", Some("fluentd"), "fluentd"),
    ("typed-filebeat", Some("doc"), "doc"),
    ("typed-new", None, "fluentd"),
];

pub(super) fn check(server: &Server) -> u64 {
    for (target, there, _) in INDICES {
        if let Some(kind) = there {
            server.create_index_of(kind, &format!("{target}-{DAY}"), &log_pilots_properties());
        }
    }
    let mut logs = Logs::sending_to(&server.url);
    logs.station.node.set("output.elasticsearch.type", "fluentd").set("shape", "pilot");
    // All of them in each batch, so that it has to be parted.
    let mut writers = INDICES.map(|(target, ..)| logs.container(target, target, Kind::Access));
    for _ in 0..2 {
        for writer in &mut writers {
            writer.lines(Stream::Stdout, LINES / 2);
        }
    }
    logs.station.start();
    let all = LINES * INDICES.len() as u64;
    logs.await_count(server, "typed-*", all);
    logs.station.await_idle(IN_TIME);
    assert_eq!(logs.station.metric("sluice_ship_targets_paused", &[]), 0.0);
    logs.station.stop();
    expect_exactly_once(server, "typed-*", &logs.ledger());
    if server.is_typed {
        for (target, _, kind) in INDICES {
            let index = format!("{target}-{DAY}");
            let answer = server.ask("GET", &format!("/{index}/_mapping"), &Value::Null);
            let kinds: Vec<_> =
                answer[&index]["mappings"].as_object().expect("types").keys().collect();
            assert_eq!(kinds, [kind], "{answer:#}");
        }
    }

    // Sent again with the state lost, the ids are found in whatever type the index has.
    logs.station.forget_everything();
    logs.station.start();
    let again = || logs.station.metric("sluice_ship_documents_total", &[]) as u64 >= all;
    assert!(wait_until(IN_TIME, again), "{}", logs.station.tail());
    logs.station.await_idle(IN_TIME);
    assert_eq!(logs.station.metric("sluice_generations_total", &[]), 0.0, "new ids were made");
    logs.station.stop();
    expect_exactly_once(server, "typed-*", &logs.ledger());
    all
}
