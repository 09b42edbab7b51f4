//! Reads all documents back from a real server.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::Received;
use crate::http::Client;

/// Documents per page.
const PAGE_DOCUMENTS: usize = 5000;

/// Pages through the indices that match by the scroll API, which Elasticsearch 6.8 to 9 and
/// `OpenSearch` 1 to 3 all have. Not by `search_after`: it would need a unique sort field, and
/// sorting by `_id` is forbidden by default since Elasticsearch 8.
///
/// The documents become visible by the refresh that is asked for first.
pub fn from_url(url: &str, indices: &str) -> anyhow::Result<Received> {
    let mut client = Client::connect(url)?;
    // Without a body: since Elasticsearch 8 a refresh must not have one.
    client.request("POST", &format!("/{indices}/_refresh"), &[], &[])?;
    let first = json!({"size": PAGE_DOCUMENTS, "sort": ["_doc"], "query": {"match_all": {}}});
    let mut page = client.json("POST", &format!("/{indices}/_search?scroll=2m"), &first)?;
    let mut received = Received::new();
    loop {
        let hits = page["hits"]["hits"].as_array().context("an answer without hits")?;
        if hits.is_empty() {
            break;
        }
        for hit in hits {
            let source = &hit["_source"];
            let message = source["message"].as_str().or_else(|| source["log"].as_str());
            let order = source["log"]["order"].as_str().or_else(|| source["order"].as_str());
            received.take(message.unwrap_or_default().as_bytes(), order.map(str::as_bytes));
        }
        let next = json!({"scroll": "2m", "scroll_id": page["_scroll_id"]});
        page = client.json("POST", "/_search/scroll", &next)?;
    }
    if page["_scroll_id"] != Value::Null {
        // Only to be polite: the server closes it by itself.
        let _ = client.json("DELETE", "/_search/scroll", &json!({"scroll_id": page["_scroll_id"]}));
    }
    Ok(received)
}
