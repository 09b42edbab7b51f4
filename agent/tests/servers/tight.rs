//! A server that takes requests of 64 KiB and queues one write.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Value, json};
use sluice_bench::http::Client;
use sluice_bench::load::{Kind, Stream};

use super::common::{IN_TIME, dead_letters, wait_for_dead_letters, wait_until};
use super::logs::{DAY, Logs, expect_exactly_once};
use super::say;
use super::server::Server;

const LINES: u64 = 800;
const GIANT_BYTES: usize = 100 << 10;
/// Clients that fill the queue; one thread works it off.
const CROWD: usize = 6;

pub(super) fn check(server: &Server) -> u64 {
    // One shard, also before Elasticsearch 7: a request to five is five writes, of which a queue of
    // one turns most away for ever.
    let one_shard = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}});
    server.ask("PUT", &format!("/tight-{DAY}"), &one_shard);
    let mut logs = Logs::sending_to(&server.url);
    let mut writers: Vec<_> = (0..4)
        .map(|number| logs.container(&format!("tight-{number}"), "tight", Kind::Mixed))
        .collect();
    for writer in &mut writers {
        writer.lines(Stream::Stdout, LINES);
    }
    // One that fits into no request.
    let mut giant = logs.container("giant", "tight", Kind::Mixed);
    giant.log.write_line(Stream::Stdout, &[b'g'; GIANT_BYTES]).expect("written");
    giant.lines(Stream::Stdout, 10);

    let crowd = Crowd::default();
    std::thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| crowd.push(server));
        }
        let is_over = SetOnDrop(&crowd.is_over);
        logs.station.start();
        // The agent waits longer each time that it is turned away and the crowd never does, so the
        // crowd goes once the agent has met the full queue.
        let retried = || logs.station.metric("sluice_ship_items_retried_total", &[]) > 0.0;
        let busy = || logs.station.metric("sluice_ship_requests_total", &["busy"]) > 0.0;
        let met = wait_until(IN_TIME, || retried() || busy());
        assert!(met, "the agent was never turned away\n{}", logs.station.tail());
        drop(is_over);
    });
    let ledger = logs.ledger();
    logs.await_count(server, "tight-*", ledger.lines());
    let letters = wait_for_dead_letters(&logs.station.state(), 1);
    assert_eq!(letters.len(), 1, "{letters:#?}");
    // In one piece in the document, as its records in the file are several.
    let message = letters[0]["document"]["message"].as_str().unwrap_or_default();
    assert_eq!(message.len(), GIANT_BYTES, "{:#?}", letters[0]);
    assert_eq!(letters[0]["status"], 413);
    logs.station.await_idle(IN_TIME);
    let splits = logs.station.metric("sluice_ship_splits_total", &[]);
    let retried = logs.station.metric("sluice_ship_items_retried_total", &[]);
    let resent = logs.station.metric("sluice_ship_documents_resent_total", &[]);
    let rejected = crowd.rejected.load(Ordering::Relaxed);
    say(&format!(
        "    {splits} splits; {retried} items retried, {resent} documents sent again; the crowd \
         was turned away {rejected} times"
    ));
    assert!(splits > 0.0, "no request was too large");
    assert!(rejected > 0, "the queue was never full");
    logs.station.stop();
    assert_eq!(dead_letters(&logs.station.state()).len(), 1);
    expect_exactly_once(server, "tight-*", &ledger);
    ledger.lines()
}

/// Others who write to the same server.
#[derive(Default)]
struct Crowd {
    is_over: AtomicBool,
    rejected: AtomicU64,
}

impl Crowd {
    fn push(&self, server: &Server) {
        let action = r#"{"index":{"_index":"crowd","_type":"_doc"}}"#;
        let action = if server.is_typed { action } else { r#"{"index":{"_index":"crowd"}}"# };
        let body = format!("{action}\n{{\"message\":\"pushing and shoving\"}}\n").repeat(200);
        let mut client = Client::connect(&server.url).expect("the server takes connections");
        while !self.is_over.load(Ordering::Relaxed) {
            let headers = [("content-type", "application/x-ndjson")];
            let answer = client
                .request("POST", "/_bulk", &headers, body.as_bytes())
                .expect("the server answers");
            let rejected = match answer.status {
                200 => {
                    let answer: Value = answer.json().expect("the server speaks JSON");
                    let items = answer["items"].as_array().expect("items");
                    items.iter().filter(|item| item["index"]["status"] == 429).count()
                }
                429 => 1,
                other => panic!("the crowd was answered {other}: {}", answer.text()),
            };
            self.rejected.fetch_add(rejected as u64, Ordering::Relaxed);
        }
    }
}

/// A failing test must not leave the others in its scope running.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
