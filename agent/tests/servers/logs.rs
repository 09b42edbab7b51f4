//! A node of fabricated containers in front of a real server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use sluice_bench::load::{Clock, Kind, Ledger};
use sluice_bench::verify::{Received, Summary, compare};

use super::common::{Container, IN_TIME, Node, Writer, spec_for, wait_until};
use super::server::Server;
use super::station::Station;

/// The date in all names of indices: that of [`Clock::steps`], so that no test runs over midnight.
pub(crate) const DAY: &str = "2026.01.02";

pub(crate) struct Logs {
    pub(crate) station: Station,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    seed: u64,
}

impl Logs {
    /// `url`: where the agent sends to.
    pub(crate) fn sending_to(url: &str) -> Self {
        let mut node = Node::new();
        node.set("output.elasticsearch.hosts", json!([url]));
        Self { station: Station::new(node), ledger: Arc::default(), seed: 1 }
    }

    /// A container whose lines go to the index of this target.
    pub(crate) fn container(&mut self, name: &str, target: &str, kind: Kind) -> Writer {
        self.seed += 1;
        let spec = spec_for(name, target).log_option("max-size", "200k");
        let spec = spec.log_option("max-file", "50").log_option("compress", "true");
        let mut container = Container::of(spec).kind(kind);
        container.clock = Clock::steps();
        Writer::new(&self.station.node.root(), container, self.seed, Arc::clone(&self.ledger))
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until a search finds so many documents.
    #[track_caller]
    pub(crate) fn await_count(&self, server: &Server, indices: &str, count: u64) {
        let mut found = 0;
        let arrived = wait_until(IN_TIME, || {
            std::thread::sleep(Duration::from_millis(50));
            found = server.count(indices);
            found >= count
        });
        assert!(arrived, "{indices}: {found} of {count} documents\n{}", self.station.tail());
    }
}

/// Every line of the ledger once, whole and in order, and nothing else in these indices.
#[track_caller]
pub(crate) fn expect_exactly_once(server: &Server, indices: &str, ledger: &Ledger) -> Summary {
    let summary = compare(ledger, &received(server, indices));
    assert!(summary.is_clean(), "{indices}:\n{summary}");
    assert_eq!(summary.foreign, 0, "{indices}:\n{summary}{:#?}", summary.foreign_examples);
    assert_eq!(summary.documents, ledger.lines(), "{indices}:\n{summary}");
    assert!(ledger.lines() > 0, "a test of nothing");
    summary
}

/// Documents per page.
const PAGE: usize = 2_000;

/// All documents, page by page.
#[track_caller]
fn received(server: &Server, indices: &str) -> Received {
    server.ask("POST", &format!("/{indices}/_refresh"), &Value::Null);
    let first = json!({"size": PAGE, "sort": ["_doc"], "query": {"match_all": {}}});
    let mut page = server.ask("POST", &format!("/{indices}/_search?scroll=1m"), &first);
    let mut received = Received::new();
    loop {
        let hits = page["hits"]["hits"].as_array().expect("hits");
        if hits.is_empty() {
            break;
        }
        for hit in hits {
            let source = &hit["_source"];
            let message = source["message"].as_str().expect("a message");
            // By the shape: an object of its own, or flat.
            let order = source["log"]["order"].as_str().or(source["order"].as_str());
            let order = order.expect("a sort key");
            received.take(message.as_bytes(), Some(order.as_bytes()));
        }
        let next = json!({"scroll": "1m", "scroll_id": page["_scroll_id"]});
        page = server.ask("POST", "/_search/scroll", &next);
    }
    let scroll = json!({"scroll_id": page["_scroll_id"]});
    server.ask("DELETE", "/_search/scroll", &scroll);
    received
}
