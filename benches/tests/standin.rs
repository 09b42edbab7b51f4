//! The stand-in answers as the recorded servers did.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};
use sluice_bench::http::{Client, Response};
use sluice_bench::standin::*;

const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");
const TIMEOUT: Duration = Duration::from_secs(10);

fn start(version: Version) -> (Standin, Client) {
    let standin = Standin::of_version(version).expect("starts");
    let client = Client::connect(&standin.url()).expect("connects");
    client.set_timeout(Some(TIMEOUT)).expect("is a socket");
    (standin, client)
}

/// An action that the version takes.
fn action(version: Version, op: &str, index: &str, id: &str) -> String {
    let kind = if version.types() == Types::Required { r#""_type":"_doc","# } else { "" };
    format!("{{\"{op}\":{{{kind}\"_index\":\"{index}\",\"_id\":\"{id}\"}}}}\n")
}

fn bulk(client: &mut Client, body: &str) -> Response {
    client.request("POST", "/_bulk", &[NDJSON], body.as_bytes()).expect("answers")
}

fn create(version: Version, index: &str, id: &str, document: &str) -> String {
    format!("{}{document}\n", action(version, "create", index, id))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write")
}

/// Status and type of the error of a request that was refused whole.
fn refusal(response: &Response) -> (u16, String) {
    let kind = response.json().expect("is JSON")["error"]["type"].as_str().map(str::to_owned);
    (response.status, kind.unwrap_or_default())
}

fn item(response: &Response, at: usize) -> (u64, String) {
    assert_eq!(response.status, 200, "{}", response.text());
    let answer = response.json().expect("is JSON");
    let (_, item) =
        answer["items"][at].as_object().and_then(|item| item.iter().next()).expect("is an item");
    let kind = item["error"]["type"].as_str().unwrap_or_default().to_owned();
    (item["status"].as_u64().expect("has a status"), kind)
}

fn each_version(check: impl Fn(Version, &Standin, &mut Client)) {
    for version in Version::ALL {
        let (standin, mut client) = start(version);
        check(version, &standin, &mut client);
    }
}

#[test]
fn greets_as_its_version() {
    each_version(|version, _, client| {
        let response = client.request("GET", "/", &[], b"").expect("answers");
        let greeting = response.json().expect("is JSON");
        assert_eq!(greeting["version"]["number"], version.number());
        assert_eq!(greeting["version"]["distribution"] == "opensearch", version.is_opensearch());
        let product = response.header("x-elastic-product").is_some();
        assert_eq!(product, !version.is_opensearch() && version != Version::Elasticsearch6);
        assert_eq!(client.request("HEAD", "/", &[], b"").expect("answers").status, 200);
    });
}

#[test]
fn a_created_document_and_its_duplicate() {
    each_version(|version, standin, client| {
        let body = create(version, "a", "1", r#"{"message":"one"}"#);
        let response = bulk(client, &body);
        let took = if version.is_recent_elasticsearch() {
            assert_eq!(response.header("transfer-encoding"), Some("chunked"));
            r#"{"errors":false,"took":1"#
        } else {
            assert!(response.header("content-length").is_some());
            r#"{"took":1,"errors":false"#
        };
        let kind = if version.types() == Types::Refused { "" } else { r#""_type":"_doc","# };
        assert_eq!(
            response.text(),
            format!(
                r#"{took},"items":[{{"create":{{"_index":"a",{kind}"_id":"1","_version":1,"result":"created","_shards":{{"total":1,"successful":1,"failed":0}},"_seq_no":0,"_primary_term":1,"status":201}}}}]}}"#
            )
        );
        let again = bulk(client, &body);
        assert_eq!(item(&again, 0), (409, "version_conflict_engine_exception".into()));
        assert_eq!((standin.count(), standin.conflicts()), (1, 1));
        let index = format!("{}{{\"message\":\"two\"}}\n", action(version, "index", "a", "1"));
        assert_eq!(item(&bulk(client, &index), 0), (200, String::new()));
        assert_eq!(standin.documents()[0].text(&["message"]).as_deref(), Some("two"));
    });
}

#[test]
fn types_as_each_version_wants_them() {
    each_version(|version, _, client| {
        let with = bulk(client, "{\"index\":{\"_index\":\"b\",\"_type\":\"_doc\"}}\n{}\n");
        let without = bulk(client, "{\"index\":{\"_index\":\"b\"}}\n{}\n");
        match version.types() {
            Types::Required => {
                assert_eq!(with.status, 200);
                assert_eq!(refusal(&without), (400, "action_request_validation_exception".into()));
                assert!(without.text().contains("Validation Failed: 1: type is missing;"));
            }
            Types::Allowed => assert_eq!((with.status, without.status), (200, 200)),
            Types::Refused => {
                assert_eq!(refusal(&with), (400, "illegal_argument_exception".into()));
                assert!(
                    with.text().contains("line [1] contains an unknown parameter [_type]"),
                    "{}",
                    with.text()
                );
                assert_eq!(without.status, 200);
            }
        }
    });
}

#[test]
fn items_that_fail_alone() {
    each_version(|version, standin, client| {
        let mapping = version.mapping_error().to_owned();
        let cases: [(&str, &str, &str, (u64, String)); 8] = [
            ("a", "1", r#"{"n":1}"#, (201, String::new())),
            ("a", "2", r#"{"n":"#, (400, mapping.clone())),
            ("a", "3", "", (400, mapping.clone())),
            ("a", "4", r#"{"n":1,"n":2}"#, (400, mapping.clone())),
            ("a", "5", "{\"m\":\"\u{1}\"}", (400, mapping.clone())),
            ("a", "6", r#"{"m":"\ud800"}"#, (201, String::new())),
            ("Upper", "7", "{}", (400, "invalid_index_name_exception".into())),
            ("a", "", "{}", (400, "illegal_argument_exception".into())),
        ];
        let body: String = cases
            .iter()
            .map(|(index, id, document, _)| create(version, index, id, document))
            .collect();
        let response = bulk(client, &body);
        for (at, (index, id, document, expected)) in cases.iter().enumerate() {
            assert_eq!(item(&response, at), *expected, "{version} {index} {id} {document}");
        }
        assert_eq!(standin.count(), 2);
    });
}

#[test]
fn requests_that_are_refused_whole() {
    each_version(|version, standin, client| {
        let good = create(version, "a", "1", "{}");
        let mut check = |body: &str, expected: (u16, &str)| {
            let (status, kind) = refusal(&bulk(client, body));
            assert_eq!((status, kind.as_str()), expected, "{version}: {body}");
        };
        let invalid = "action_request_validation_exception";
        check(good.trim_end(), (400, "illegal_argument_exception"));
        check("", (400, "parse_exception"));
        check(&format!("{good}{}", create(version, "a", &"i".repeat(513), "{}")), (400, invalid));
        check("{\"index\":{}}\n{}\n", (400, invalid));
        check(
            "{\"index\":{\"_index\":\"a\",\"_colour\":\"red\"}}\n{}\n",
            (400, "illegal_argument_exception"),
        );
        let unknown =
            if version.skips_unknown_actions() { invalid } else { "illegal_argument_exception" };
        check("{\"put\":{\"_index\":\"a\"}}\n{}\n", (400, unknown));
        let status = if version == Version::Elasticsearch6 { 500 } else { 400 };
        let kind = if version.is_recent_elasticsearch() {
            "x_content_e_o_f_exception"
        } else {
            "json_e_o_f_exception"
        };
        check(&format!("{good}{{\"index\":\n{{}}\n"), (status, kind));
        assert_eq!(standin.count(), 0, "{version}");
        let no_id = bulk(client, &good.replace(",\"_id\":\"1\"", ""));
        assert_eq!(no_id.status == 400, version == Version::Elasticsearch6);
    });
}

#[test]
fn content_types() {
    each_version(|version, _, client| {
        let body = create(version, "a", "1", "{}");
        let mut check = |content_type: Option<&str>, accept: Option<&str>, expected: u16| {
            let mut headers = Vec::new();
            headers.extend(content_type.map(|value| ("content-type", value)));
            headers.extend(accept.map(|value| ("accept", value)));
            let response =
                client.request("POST", "/_bulk", &headers, body.as_bytes()).expect("answers");
            assert_eq!(response.status, expected, "{version} {content_type:?} {accept:?}");
        };
        check(None, None, 406);
        check(Some("text/plain"), None, 406);
        check(Some("application/json"), None, 200);
        let of_charset = if version == Version::Elasticsearch6 { 406 } else { 200 };
        check(Some("application/x-ndjson; charset=UTF-8"), None, of_charset);
        for asked in [7, 8, 9] {
            let value = format!("application/vnd.elasticsearch+x-ndjson;compatible-with={asked}");
            let expected = match version.compatible_with() {
                [] => 406,
                known if known.contains(&asked) => 200,
                _ => 400,
            };
            check(Some(&value), Some(&value), expected);
            let of_accept = if version.is_recent_elasticsearch() { 400 } else { 200 };
            check(Some("application/x-ndjson"), Some(&value), of_accept);
        }
    });
}

#[test]
fn compressed_bodies() {
    each_version(|version, standin, client| {
        let (one, two) = (create(version, "a", "1", "{}"), create(version, "a", "2", "{}"));
        let members = [gzip(one.as_bytes()), gzip(two.as_bytes())].concat();
        let headers = [NDJSON, ("content-encoding", "gzip")];
        let response = client.request("POST", "/_bulk", &headers, &members).expect("answers");
        assert_eq!(item(&response, 1).0, 201);

        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(create(version, "a", "3", "{}").as_bytes()).expect("a Vec");
        let zlib = zlib.finish().expect("a Vec");
        let headers = [NDJSON, ("content-encoding", "deflate")];
        let response = client.request("POST", "/_bulk", &headers, &zlib).expect("answers");
        assert_eq!(item(&response, 0).0, 201);

        // Torn in the middle of the second document.
        let whole = format!("{}{{\"m\":\"{}\"}}\n", create(version, "a", "4", "{}"), "x".repeat(9));
        let whole =
            whole.replace("{\"m\"", &format!("{}{{\"m\"", action(version, "create", "a", "5")));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
        encoder.write_all(whole.as_bytes()).expect("a Vec");
        let stored = encoder.finish().expect("a Vec");
        let headers = [NDJSON, ("content-encoding", "gzip")];
        let torn = &stored[..stored.len() - 12];
        let response = client.request("POST", "/_bulk", &headers, torn).expect("answers");
        if version == Version::Elasticsearch9 {
            assert_eq!(
                response.json().expect("is JSON")["items"].as_array().map(Vec::len),
                Some(1)
            );
        } else {
            assert_eq!(refusal(&response), (400, "illegal_argument_exception".into()));
        }
        let before = standin.count();
        let mut lying = gzip(one.as_bytes());
        let checksum = lying.len() - 8;
        lying[checksum] ^= 1;
        assert!(client.request("POST", "/_bulk", &headers, &lying).is_err());
        assert_eq!(standin.count(), before);
    });
}

#[test]
fn the_limit_counts_inflated_bytes() {
    for version in Version::ALL {
        let config =
            StandinConfig { version, max_content_length: 10_000, ..StandinConfig::default() };
        let standin = Standin::start(config).expect("starts");
        let mut client = Client::connect(&standin.url()).expect("connects");
        let body = create(version, "a", "1", &format!(r#"{{"m":"{}"}}"#, "x".repeat(10_000)));
        let small = gzip(body.as_bytes());
        assert!(small.len() < 1000);
        let headers = [NDJSON, ("content-encoding", "gzip")];
        let response = client.request("POST", "/_bulk", &headers, &small).expect("answers");
        assert_eq!((response.status, response.body.len()), (413, 0));
        assert!(response.header("x-elastic-product").is_none());
        let closes = response.header("connection") == Some("close");
        assert_eq!(closes, version == Version::Elasticsearch9);
        let mut client = Client::connect(&standin.url()).expect("connects");
        assert_eq!(bulk(&mut client, &body).status, 413);
        assert_eq!(standin.count(), 0);
    }
}

#[test]
fn filter_path() {
    each_version(|version, _, client| {
        let path = "/_bulk?filter_path=errors,items.*.status,items.*.error.type";
        let body = create(version, "a", "1", "{}");
        let mut send =
            || client.request("POST", path, &[NDJSON], body.as_bytes()).expect("answers").text();
        assert_eq!(send(), r#"{"errors":false,"items":[{"create":{"status":201}}]}"#);
        assert_eq!(
            send(),
            r#"{"errors":true,"items":[{"create":{"status":409,"error":{"type":"version_conflict_engine_exception"}}}]}"#
        );
        let unknown = client.request("POST", "/_bulk?colour=red", &[NDJSON], body.as_bytes());
        assert_eq!(unknown.expect("answers").status, 400);
    });
}

#[test]
fn reads_back() {
    each_version(|version, _, client| {
        let body: String = (0..25)
            .map(|n| {
                create(
                    version,
                    "logs-1",
                    &format!("id{n:02}"),
                    &format!(r#"{{"message":"m{n}","log":{{"offset":{n},"order":"{n:03}"}}}}"#),
                )
            })
            .collect();
        assert_eq!(bulk(client, &body).status, 200);
        let mget = json!({"docs": [
            {"_index": "logs-1", "_id": "id07", "_source": ["log.offset"]},
            {"_index": "logs-1", "_id": "absent"},
            {"_index": "absent", "_id": "id07"},
        ]});
        let found = client.json("POST", "/_mget", &mget).expect("answers");
        assert_eq!(found["docs"][0]["_source"], json!({"log": {"offset": 7}}));
        assert_eq!(found["docs"][1]["found"], false);
        assert_eq!(found["docs"][2]["error"]["type"], "index_not_found_exception");
        let count = client.json("POST", "/logs-*/_count", &json!({})).expect("answers");
        assert_eq!(count["count"], 25);
        let query = json!({
            "size": 10, "query": {"bool": {"must_not": {"term": {"message.keyword": "m3"}}}},
            "sort": [{"log.order.keyword": "asc"}], "search_after": ["002"],
        });
        let page = client.json("POST", "/_search", &query).expect("answers");
        let hits: Vec<&Value> =
            page["hits"]["hits"].as_array().expect("hits").iter().map(|hit| &hit["_id"]).collect();
        assert_eq!((hits.len(), hits[0]), (10, &json!("id04")));
        let total = if version == Version::Elasticsearch6 {
            &page["hits"]["total"]
        } else {
            &page["hits"]["total"]["value"]
        };
        assert_eq!(total, 24);
        let absent = client.request("GET", "/absent/_count", &[], b"").expect("answers");
        assert_eq!(refusal(&absent), (404, "index_not_found_exception".into()));
    });
}

#[test]
fn whole_request_faults() {
    each_version(|version, standin, client| {
        let body = create(version, "a", "1", "{}");
        let rejected = version.rejection().to_owned();
        for (status, kind) in [(429, rejected.as_str()), (503, "cluster_block_exception")] {
            standin.faults().add(Rule::new(Fault::Status(status)).times(1));
            assert_eq!(refusal(&bulk(client, &body)), (status, kind.to_owned()));
        }
        standin.faults().add(Rule::new(Fault::HtmlPage(200)).times(1));
        let page = bulk(client, &body);
        assert!(page.status == 200 && page.json().is_err());
        standin.faults().add(Rule::new(Fault::TruncatedJson).times(1));
        assert!(bulk(client, &body).json().is_err());
        assert_eq!(standin.count(), 1);
        assert_eq!(item(&bulk(client, &body), 0).0, 409);
    });
}

#[test]
fn item_faults() {
    let cases = [
        (ItemError::Rejected, 429, "es_rejected_execution_exception"),
        (ItemError::Unavailable, 503, "unavailable_shards_exception"),
        (ItemError::Mapping, 400, "document_parsing_exception"),
        (ItemError::IndexClosed, 400, "index_closed_exception"),
        (ItemError::IndexBlocked, 403, "cluster_block_exception"),
        (ItemError::FloodStage, 429, "cluster_block_exception"),
        (ItemError::IndexNotFound, 404, "index_not_found_exception"),
    ];
    let version = Version::Elasticsearch8;
    for (error, status, kind) in cases {
        let (standin, mut client) = start(version);
        let rule = standin.faults().add(Rule::items(Which::Every(3), error));
        let body: String = (0..6).map(|n| create(version, "a", &n.to_string(), "{}")).collect();
        let response = bulk(&mut client, &body);
        let statuses: Vec<u64> = (0..6).map(|at| item(&response, at).0).collect();
        assert_eq!(statuses, [201, 201, status, 201, 201, status]);
        assert_eq!(item(&response, 2).1, kind);
        assert_eq!((standin.count(), standin.faults().fired(rule)), (4, 1));
        standin.faults().remove(rule);
        assert_eq!(item(&bulk(&mut client, &body), 2).0, 201);
    }
}

#[test]
fn cuts_leave_what_they_say() {
    let version = Version::OpenSearch2;
    let body = create(version, "a", "1", &format!(r#"{{"m":"{}"}}"#, "x".repeat(300_000)));
    let cases = [
        (Fault::Cut(Stage::BeforeBody), 0),
        (Fault::Cut(Stage::MidBody { bytes: 1000 }), 0),
        (Fault::Cut(Stage::Received), 0),
        (Fault::Cut(Stage::Stored), 1),
        (Fault::CutAnswer, 1),
    ];
    for (fault, stored) in cases {
        let (standin, mut client) = start(version);
        standin.faults().add(Rule::new(fault.clone()).times(1));
        let answer = client.request("POST", "/_bulk", &[NDJSON], body.as_bytes());
        assert!(answer.is_err(), "{fault:?}: {answer:?}");
        assert!(standin.wait_for(TIMEOUT, |snapshot| snapshot.in_flight == 0));
        assert_eq!(standin.count(), stored, "{fault:?}");
        let mut client = Client::connect(&standin.url()).expect("connects");
        let expected = if stored == 1 { 409 } else { 201 };
        assert_eq!(item(&bulk(&mut client, &body), 0).0, expected);
    }
}

#[test]
fn counts_of_items_that_lie() {
    let version = Version::Elasticsearch9;
    let (standin, mut client) = start(version);
    let body: String = (0..5).map(|n| create(version, "a", &n.to_string(), "{}")).collect();
    let items =
        |response: Response| response.json().expect("is JSON")["items"].as_array().map(Vec::len);
    standin.faults().add(Rule::new(Fault::FewerItems { keep: 2 }).times(1));
    assert_eq!(items(bulk(&mut client, &body)), Some(2));
    assert_eq!(standin.count(), 2);
    standin.faults().add(Rule::new(Fault::MoreItems { extra: 3 }).times(1));
    assert_eq!(items(bulk(&mut client, &body)), Some(8));
    assert_eq!(standin.count(), 5);
}

#[test]
fn slow_and_silent_answers() {
    let version = Version::Elasticsearch7;
    let (standin, mut client) = start(version);
    let interval = Duration::from_millis(1);
    standin.faults().add(Rule::new(Fault::SlowAnswer { interval }).times(1));
    let began = std::time::Instant::now();
    let response = bulk(&mut client, &create(version, "a", "1", "{}"));
    assert_eq!(item(&response, 0).0, 201);
    assert!(began.elapsed() >= interval * (response.body.len() as u32 - 1));

    standin.faults().add(Rule::new(Fault::Stall(Stage::Stored)).times(1));
    client.set_timeout(Some(Duration::from_millis(100))).expect("is a socket");
    let body = create(version, "a", "2", "{}");
    assert!(client.request("POST", "/_bulk", &[NDJSON], body.as_bytes()).is_err());
    assert_eq!(standin.count(), 2);
    drop(client);
    assert!(standin.wait_for(TIMEOUT, |snapshot| snapshot.unanswered == 1));
}

#[test]
fn hold_and_release() {
    let version = Version::Elasticsearch8;
    let (standin, mut client) = start(version);
    standin.hold();
    let body = create(version, "a", "1", "{}");
    let sender = std::thread::spawn(move || bulk(&mut client, &body).status);
    assert!(standin.wait_for(TIMEOUT, |snapshot| snapshot.held == 1));
    assert_eq!(standin.count(), 0);
    standin.release();
    assert_eq!(sender.join().expect("ends"), 200);
    assert!(standin.wait_count(1, TIMEOUT));
}

#[test]
fn down_and_up_again() {
    let version = Version::Elasticsearch8;
    let (standin, mut client) = start(version);
    assert_eq!(bulk(&mut client, &create(version, "a", "1", "{}")).status, 200);
    standin.go_down();
    assert!(client.request("GET", "/", &[], b"").is_err());
    assert!(Client::connect(&standin.url()).is_err());
    standin.come_up().expect("the port is free");
    let mut client = Client::connect(&standin.url()).expect("connects");
    assert_eq!(item(&bulk(&mut client, &create(version, "a", "1", "{}")), 0).0, 409);
}

#[test]
fn credentials_change_while_it_runs() {
    let version = Version::Elasticsearch8;
    let (standin, mut client) = start(version);
    standin.set_auth(Some(Auth::new().basic("elastic", "secret").api_key("aWQ6a2V5")));
    let mut check = |header: Option<&str>, expected: u16| {
        let headers: Vec<(&str, &str)> =
            header.map(|value| ("authorization", value)).into_iter().collect();
        let response = client.request("GET", "/", &headers, b"").expect("answers");
        assert_eq!(response.status, expected, "{header:?}");
    };
    check(None, 401);
    check(Some("Basic ZWxhc3RpYzpzZWNyZXQ="), 200);
    check(Some("ApiKey aWQ6a2V5"), 200);
    check(Some("ApiKey b3RoZXI6a2V5"), 401);
    standin.set_auth(Some(Auth::new().bearer("token")));
    check(Some("ApiKey aWQ6a2V5"), 401);
    check(Some("Bearer token"), 200);
    standin.set_auth(None);
    check(None, 200);
}

#[test]
fn counts_only() {
    let config = StandinConfig { keep: Keep::Counts, ..StandinConfig::default() };
    let standin = Standin::start(config).expect("starts");
    let mut client = Client::connect(&standin.url()).expect("connects");
    let body = "{\"create\":{}}\nnot even JSON\n".repeat(1000);
    let path = "/_bulk?filter_path=errors,items.*.status";
    let headers = [NDJSON, ("content-encoding", "gzip")];
    let response = client.request("POST", path, &headers, &gzip(body.as_bytes())).expect("answers");
    assert_eq!(response.json().expect("is JSON")["items"].as_array().map(Vec::len), Some(1000));
    let snapshot = standin.snapshot();
    assert_eq!((snapshot.documents, snapshot.inflated_bytes), (1000, body.len() as u64));
}

#[test]
fn ids_only_still_know_a_duplicate_and_a_line() {
    let version = Version::Elasticsearch8;
    let config = StandinConfig { version, keep: Keep::Ids, ..StandinConfig::default() };
    let standin = Standin::start(config).expect("starts");
    let mut client = Client::connect(&standin.url()).expect("connects");
    let mut line = Vec::new();
    sluice_bench::line::write_line(&mut line, "web", 0, "say \"é\"".as_bytes());
    let document = json!({"message": String::from_utf8_lossy(&line), "log": {"order": "1"}});
    let body = create(version, "a", "1", &document.to_string());
    assert_eq!(item(&bulk(&mut client, &body), 0).0, 201);
    assert_eq!(item(&bulk(&mut client, &body), 0).0, 409);
    let other = create(version, "b", "1", &document.to_string());
    assert_eq!(item(&bulk(&mut client, &other), 0).0, 201);
    assert_eq!(standin.ids_seen_twice(), 1);
    let mut ledger = sluice_bench::load::ledger::Ledger::default();
    ledger.note("web", 9);
    let summary = standin.verify(&ledger);
    assert_eq!((summary.total().received, summary.total().doubled), (1, 1), "{summary}");
    assert_eq!(summary.total().corrupt, 0);
}
