//! One request, from its head to its answer, through the faults that are in force.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::State;
use super::answer::Filter;
use super::body::{Body, Unreadable, inflate};
use super::bulk::PathDefaults;
use super::errors::{self, ApiError, whole};
use super::faults::{Fault, Stage};
use super::media;
use super::meter::RequestSeen;
use super::reply::{Cut, Framing, Reply};
use super::search::{self, Projection};
use super::version::{Types, Version};
use super::write;

/// A body above the limit is read and thrown away up to this size, so that the client sees the
/// 413; beyond it the connection breaks, as it does with the servers.
const DRAIN_BYTES_MAX: usize = 64 << 20;

/// What a request is answered with, before the faults of the answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
    framing: Framing,
    content_type: &'static str,
    is_named: bool,
}

pub(super) async fn handle(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Cut> {
    let mut visit = Visit::new(&state, &request);
    let outcome = visit.answer(request).await;
    visit.seen.status = outcome.as_ref().ok().map(|response| response.status().as_u16());
    outcome
}

/// A request that is being handled. Dropped early when the client goes away, and counted then.
struct Visit<'a> {
    state: &'a State,
    seen: RequestSeen,
    parameters: HashMap<String, String>,
    faults: Vec<Fault>,
}

impl<'a> Visit<'a> {
    fn new(state: &'a State, request: &Request<Incoming>) -> Self {
        let headers = request.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let seen = RequestSeen {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            headers: headers.collect(),
            wire_bytes: 0,
            inflated_bytes: 0,
            items: 0,
            status: None,
        };
        let is_bulk = seen.path.ends_with("/_bulk");
        state.meter.update(|snapshot| {
            snapshot.requests += 1;
            snapshot.bulk_requests += u64::from(is_bulk);
            snapshot.in_flight += 1;
            snapshot.in_flight_max = snapshot.in_flight_max.max(snapshot.in_flight);
        });
        let parameters = parameters(&seen.query);
        let faults = state.faults.for_request(&seen.path);
        Self { state, seen, parameters, faults }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.seen.headers.get(name).map(String::as_str)
    }

    async fn answer(&mut self, request: Request<Incoming>) -> Result<Response<Reply>, Cut> {
        self.stage(Stage::BeforeBody).await?;
        if self.header("expect").is_some_and(|expect| !expect.eq_ignore_ascii_case("100-continue"))
        {
            return self.finish(self.error(&ApiError::new(417, "", "")));
        }
        let wire = match self.read(request.into_body()).await? {
            Ok(wire) => wire,
            Err(error) => return self.finish(self.error(&error)),
        };
        self.stage(Stage::Received).await?;
        for fault in &self.faults {
            if let Fault::Delay(delay) = fault {
                tokio::time::sleep(*delay).await;
            }
        }
        let is_admitted =
            self.state.auth().as_ref().is_none_or(|auth| auth.admits(self.header("authorization")));
        if !is_admitted {
            return self.finish(self.error(&whole(self.state.version, 401)));
        }
        if let Some(refusal) = self.refusal() {
            return self.finish(refusal);
        }
        if self.seen.path.ends_with("/_bulk") {
            self.state.pass_gate().await;
        }
        let answer = match self.route(wire)? {
            Ok(answer) => answer,
            Err(error) => self.error(&error),
        };
        self.stage(Stage::Stored).await?;
        self.finish(answer)
    }

    /// Cuts or stalls here if a fault says so.
    async fn stage(&self, now: Stage) -> Result<(), Cut> {
        for fault in &self.faults {
            match fault {
                Fault::Cut(stage) if *stage == now => return Err(Cut),
                Fault::Stall(stage) if *stage == now => std::future::pending().await,
                _ => {}
            }
        }
        Ok(())
    }

    async fn read(&mut self, mut body: Incoming) -> Result<Result<Vec<u8>, ApiError>, Cut> {
        let limit = self.state.max_content_length;
        let announced: usize =
            self.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if announced > DRAIN_BYTES_MAX.max(limit) {
            return Ok(Err(ApiError::new(413, "", "")));
        }
        let mut wire = Vec::with_capacity(announced.min(limit));
        let mut is_over = announced > limit;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Cut)?.into_data() else { continue };
            self.seen.wire_bytes += data.len();
            is_over |= self.seen.wire_bytes > limit;
            if is_over {
                if self.seen.wire_bytes > DRAIN_BYTES_MAX.max(limit) {
                    break;
                }
            } else {
                wire.extend_from_slice(&data);
            }
            for fault in &self.faults {
                match fault {
                    Fault::Cut(Stage::MidBody { bytes }) if self.seen.wire_bytes >= *bytes => {
                        return Err(Cut);
                    }
                    Fault::Stall(Stage::MidBody { bytes }) if self.seen.wire_bytes >= *bytes => {
                        std::future::pending().await
                    }
                    _ => {}
                }
            }
        }
        let bytes = self.seen.wire_bytes as u64;
        self.state.meter.update(|snapshot| snapshot.wire_bytes += bytes);
        Ok(if is_over { Err(ApiError::new(413, "", "")) } else { Ok(wire) })
    }

    fn refusal(&self) -> Option<Answer> {
        self.faults.iter().find_map(|fault| match fault {
            Fault::Status(status) => Some(self.error(&whole(self.state.version, *status))),
            Fault::Refuse { status, kind, reason } => {
                Some(self.error(&ApiError::new(*status, kind.clone(), reason.clone())))
            }
            Fault::HtmlPage(status) => Some(Answer {
                status: *status,
                body: b"<html><head><title>Gateway</title></head><body>Try again</body></html>\n"
                    .to_vec(),
                framing: Framing::ContentLength,
                content_type: "text/html",
                is_named: false,
            }),
            _ => None,
        })
    }

    fn error(&self, error: &ApiError) -> Answer {
        let is_block = error.status == 403 && error.kind == "cluster_block_exception";
        Answer {
            status: error.status,
            body: error.body().into_bytes(),
            framing: Framing::ContentLength,
            content_type: self.state.version.content_type(),
            is_named: !matches!(error.status, 413 | 417) && !is_block,
        }
    }

    fn json(&self, status: u16, value: Value) -> Answer {
        let value =
            Filter::new(self.parameters.get("filter_path").map(String::as_str)).prune(value);
        Answer {
            status,
            body: value.to_string().into_bytes(),
            framing: Framing::ContentLength,
            content_type: self.state.version.content_type(),
            is_named: true,
        }
    }

    fn route(&mut self, wire: Vec<u8>) -> Result<Result<Answer, ApiError>, Cut> {
        let version = self.state.version;
        if !wire.is_empty()
            && let Err(error) =
                media::judge(version, self.header("content-type"), self.header("accept"))
        {
            return Ok(Err(error));
        }
        let limit = self.state.max_content_length;
        let body = match inflate(version, wire, self.header("content-encoding"), limit) {
            Ok(body) => body,
            Err(Unreadable::Garbage) => return Err(Cut),
            Err(Unreadable::TooLarge) => return Ok(Err(ApiError::new(413, "", ""))),
        };
        self.seen.inflated_bytes = body.bytes.len();
        let path = self.seen.path.clone();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        Ok(match (self.seen.method.as_str(), &parts[..]) {
            ("GET" | "HEAD", []) => serde_json::from_str(&version.greeting())
                .map(|greeting| self.json(200, greeting))
                .map_err(|error| ApiError::new(500, "exception", error.to_string())),
            ("POST" | "PUT", [.., "_bulk"]) => self.bulk(&body, &parts),
            _ => self.read_api(&body, &parts),
        })
    }

    fn bulk(&mut self, body: &Body, parts: &[&str]) -> Result<Answer, ApiError> {
        let inflated = body.bytes.len() as u64;
        self.state.meter.update(|snapshot| snapshot.inflated_bytes += inflated);
        self.judge_bulk_parameters()?;
        let defaults = PathDefaults {
            index: (parts.len() > 1).then(|| parts[0]),
            kind: (parts.len() > 2).then(|| parts[1]),
        };
        if defaults.kind.is_some() && self.state.version.types() == Types::Refused {
            return Err(no_handler(&self.seen));
        }
        let filter = Filter::new(self.parameters.get("filter_path").map(String::as_str));
        let written = write::bulk(self.state, body, defaults, &filter, &self.faults)?;
        self.seen.items = written.items;
        let framing = if self.state.version.is_recent_elasticsearch() {
            Framing::Chunked
        } else {
            Framing::ContentLength
        };
        let content_type = self.state.version.content_type();
        Ok(Answer { status: 200, body: written.body, framing, content_type, is_named: true })
    }

    fn judge_bulk_parameters(&self) -> Result<(), ApiError> {
        const KNOWN: [&str; 13] = [
            "filter_path",
            "pretty",
            "human",
            "error_trace",
            "timeout",
            "pipeline",
            "refresh",
            "routing",
            "wait_for_active_shards",
            "type",
            "_source",
            "_source_includes",
            "_source_excludes",
        ];
        let version = self.state.version;
        let unknown = self.parameters.keys().find(|name| match name.as_str() {
            "require_alias" => version == Version::Elasticsearch6,
            "require_data_stream" | "list_executed_pipelines" | "include_source_on_error" => {
                !version.is_recent_elasticsearch()
            }
            name => !KNOWN.contains(&name),
        });
        unknown.map_or(Ok(()), |name| {
            let path = &self.seen.path;
            Err(ApiError::new(
                400,
                "illegal_argument_exception",
                format!("request [{path}] contains unrecognized parameter: [{name}]"),
            ))
        })
    }

    fn read_api(&self, body: &Body, parts: &[&str]) -> Result<Answer, ApiError> {
        let version = self.state.version;
        let asked: Value = if body.bytes.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&body.bytes)
                .map_err(|error| ApiError::new(400, "parsing_exception", error.to_string()))?
        };
        let store = self.state.store();
        let mut scrolls = self.state.scrolls();
        let parameters = &self.parameters;
        let answer = match (self.seen.method.as_str(), parts) {
            ("GET" | "POST", ["_mget"]) => search::mget(version, &store, None, parameters, &asked)?,
            ("GET" | "POST", [index, "_mget"] | [index, _, "_mget"]) => {
                search::mget(version, &store, Some(index), parameters, &asked)?
            }
            ("GET" | "HEAD", [index, "_doc", id]) => {
                if !store.has_index(index) {
                    return Err(errors::index_not_found(version, index));
                }
                let projection = Projection::new(None, parameters);
                let found = search::get(version, &store, index, &decoded(id), &projection);
                let status = if found["found"] == true { 200 } else { 404 };
                return Ok(self.json(status, found));
            }
            ("GET" | "POST", ["_search", "scroll"]) => {
                let id = asked["scroll_id"].as_str().unwrap_or_default();
                search::scroll(version, &store, &mut scrolls, id)?
            }
            ("DELETE", ["_search", "scroll"]) => {
                let ids = asked["scroll_id"].as_str().map(|id| vec![json!(id)]);
                let ids = ids.or_else(|| asked["scroll_id"].as_array().cloned());
                for id in ids.iter().flatten().filter_map(Value::as_str) {
                    scrolls.close(id);
                }
                json!({"succeeded": true, "num_freed": ids.map_or(0, |ids| ids.len())})
            }
            ("GET" | "POST", ["_search"]) => {
                search::search(version, &store, &mut scrolls, None, parameters, &asked)?
            }
            ("GET" | "POST", [names, "_search"]) => {
                let names = decoded(names);
                search::search(version, &store, &mut scrolls, Some(&names), parameters, &asked)?
            }
            ("GET" | "POST", ["_count"]) => search::count(version, &store, None, &asked)?,
            ("GET" | "POST", [names, "_count"]) => {
                search::count(version, &store, Some(&decoded(names)), &asked)?
            }
            ("GET" | "POST", ["_refresh"] | [_, "_refresh"]) => {
                json!({"_shards": {"total": 1, "successful": 1, "failed": 0}})
            }
            ("GET", ["_cluster", "health", ..]) => health(),
            // Not the servers': the counts, for a program that runs the stand-in as a process.
            ("GET", ["_standin"]) => json!(self.state.meter.snapshot()),
            ("GET", ["_cat", "indices", ..]) => search::cat_indices(&store),
            ("GET" | "HEAD", [index]) if !index.starts_with('_') => {
                if !store.has_index(index) {
                    return Err(errors::index_not_found(version, index));
                }
                json!({*index: {"aliases": {}, "mappings": {}, "settings": {}}})
            }
            _ => return Err(no_handler(&self.seen)),
        };
        drop((store, scrolls));
        Ok(self.json(200, answer))
    }

    /// Puts the answer on the wire, with the faults that spoil it.
    fn finish(&self, answer: Answer) -> Result<Response<Reply>, Cut> {
        let Answer { status, mut body, framing, content_type, is_named } = answer;
        let is_gzip = !body.is_empty()
            && self.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
        if self.faults.iter().any(|fault| matches!(fault, Fault::TruncatedJson)) {
            body.truncate(body.len() / 2);
        }
        if is_gzip {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            body = encoder.write_all(&body).and_then(|()| encoder.finish()).map_err(|_| Cut)?;
        }
        let is_empty = body.is_empty();
        let mut reply = Reply::new(body, framing);
        for fault in &self.faults {
            match fault {
                Fault::SlowAnswer { interval } => reply = reply.slow(*interval),
                Fault::CutAnswer => reply = reply.cut_in_half(),
                _ => {}
            }
        }
        if status >= 400 {
            self.state.meter.update(|snapshot| snapshot.refused += 1);
        }
        let mut response = Response::new(reply);
        *response.status_mut() = StatusCode::from_u16(status).map_err(|_| Cut)?;
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        if !is_empty {
            set("content-type", content_type);
        }
        if let Some((name, value)) = self.state.version.product_header().filter(|_| is_named) {
            set(name, value);
        }
        if let Some(id) = self.header("x-opaque-id") {
            set("x-opaque-id", id);
        }
        if is_gzip {
            set("content-encoding", "gzip");
        }
        if status == 401 {
            set("www-authenticate", "Basic realm=\"security\" charset=\"UTF-8\"");
        }
        if matches!(status, 413 | 417) && self.state.version == Version::Elasticsearch9 {
            set("connection", "close");
        }
        Ok(response)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let is_answered = self.seen.status.is_some();
        self.state.meter.note(self.seen.clone());
        self.state.meter.update(|snapshot| {
            snapshot.in_flight -= 1;
            snapshot.unanswered += u64::from(!is_answered);
        });
    }
}

fn no_handler(request: &RequestSeen) -> ApiError {
    let (method, path) = (&request.method, &request.path);
    ApiError::new(
        400,
        "illegal_argument_exception",
        format!("no handler found for uri [{path}] and method [{method}]"),
    )
}

fn health() -> Value {
    json!({
        "cluster_name": "standin", "status": "green", "timed_out": false, "number_of_nodes": 1,
        "number_of_data_nodes": 1, "active_primary_shards": 1, "active_shards": 1,
        "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
        "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    })
}

fn parameters(query: &str) -> HashMap<String, String> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
            (decoded(name), decoded(&value.replace('+', " ")))
        })
        .collect()
}

/// Resolves `%XX`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = if code.is_some() { &after[2..] } else { after };
        bytes.push(code.unwrap_or(byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
