//! What dynamic mapping makes of our documents: no template is needed for dates and numbers.

use serde_json::{Value, json};

use super::server::Server;

/// Field and type; `text` has its `keyword` beside it, as dynamic mapping gives every string.
const ECS: [(&str, &str); 9] = [
    ("@timestamp", "date"),
    ("message", "text"),
    ("stream", "text"),
    ("log.offset", "long"),
    ("log.order", "text"),
    ("log.file.path", "text"),
    ("container.id", "text"),
    ("container.name", "text"),
    ("host.name", "text"),
];

pub(super) fn check(server: &Server, index: &str) {
    let properties = server.properties(index);
    for (field, kind) in ECS {
        let found = at(&properties, field);
        assert_eq!(found["type"], kind, "{field} in {properties:#}");
        if kind == "text" {
            let keyword = json!({"keyword": {"type": "keyword", "ignore_above": 256}});
            assert_eq!(found["fields"], keyword, "{field}");
        }
    }
    // What a person asks: the last lines of one container in order, by the time and by the key.
    let first = json!({
        "size": 3,
        "query": {"bool": {"filter": [
            {"term": {"container.name.keyword": "web"}},
            {"range": {"@timestamp": {"gte": "2026-01-02", "lt": "2026-01-03"}}},
            {"match": {"message": "HTTP"}},
        ]}},
        "sort": [{"log.order.keyword": "desc"}],
    });
    let answer = server.ask("POST", &format!("/{index}/_search"), &first);
    let hits = answer["hits"]["hits"].as_array().expect("hits");
    assert_eq!(hits.len(), 3, "{answer:#}");
    let keys: Vec<_> = hits.iter().map(|hit| hit["_source"]["log"]["order"].as_str()).collect();
    assert!(keys.is_sorted_by(|one, next| one > next), "{keys:?}");
    assert!(hits.iter().all(|hit| hit["_source"]["@timestamp"].as_str().map(str::len) == Some(30)));
}

fn at<'a>(properties: &'a Value, field: &str) -> &'a Value {
    let mut parts = field.split('.');
    let first = parts.next().expect("a name");
    parts.fold(&properties[first], |value, part| &value["properties"][part])
}
