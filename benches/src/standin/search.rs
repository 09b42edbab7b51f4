//! The little of the search APIs that a demonstration and a verifier need.

use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::errors::{ApiError, index_not_found};
use super::store::{Document, Store};
use super::version::{Types, Version};

/// `index.max_result_window` of the servers.
const WINDOW_MAX: usize = 10_000;
/// Scrolls that are open at once at most; beyond it the oldest is closed.
const SCROLLS_MAX: usize = 100;

/// Open scrolls: what is still to come of each.
#[derive(Default)]
pub(super) struct Scrolls {
    next: usize,
    open: HashMap<String, Scroll>,
}

struct Scroll {
    number: usize,
    size: usize,
    /// Positions in the store.
    rest: Vec<usize>,
}

/// Narrows to the named indices; `_all`, `*` and patterns with stars are taken.
fn selects(names: Option<&str>, index: &str) -> bool {
    let Some(names) = names else { return true };
    names.split(',').any(|name| {
        name == "_all"
            || match name.split_once('*') {
                None => name == index,
                Some((prefix, suffix)) => {
                    index.len() >= prefix.len() + suffix.len()
                        && index.starts_with(prefix)
                        && index.ends_with(suffix)
                }
            }
    })
}

fn require_index(version: Version, store: &Store, names: Option<&str>) -> Result<(), ApiError> {
    let absent = names
        .into_iter()
        .flat_map(|names| names.split(','))
        .find(|name| *name != "_all" && !name.contains('*') && !store.has_index(name));
    absent.map_or(Ok(()), |name| Err(index_not_found(version, name)))
}

pub(super) fn count(
    version: Version,
    store: &Store,
    names: Option<&str>,
    body: &Value,
) -> Result<Value, ApiError> {
    require_index(version, store, names)?;
    let count = if body.get("query").is_none() {
        let counts = store.index_counts();
        counts.iter().filter(|(name, _)| selects(names, name)).map(|(_, count)| count).sum::<u64>()
    } else {
        matching(store, names, body.get("query"))?.len() as u64
    };
    Ok(json!({
        "count": count,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
    }))
}

pub(super) fn search(
    version: Version,
    store: &Store,
    scrolls: &mut Scrolls,
    names: Option<&str>,
    parameters: &HashMap<String, String>,
    body: &Value,
) -> Result<Value, ApiError> {
    require_index(version, store, names)?;
    let mut query = body.get("query").cloned();
    if let Some(text) = parameters.get("q")
        && let Some((field, value)) = text.split_once(':')
    {
        query = Some(json!({"term": {field: value}}));
    }
    let number = |name: &str, otherwise: usize| {
        let asked = body.get(name).and_then(Value::as_u64).map(|asked| asked as usize);
        asked.or_else(|| parameters.get(name)?.parse().ok()).unwrap_or(otherwise)
    };
    let (from, size) = (number("from", 0), number("size", 10));
    if from + size > WINDOW_MAX {
        return Err(ApiError::new(
            400,
            "illegal_argument_exception",
            format!(
                "Result window is too large, from + size must be less than or equal to: \
                 [{WINDOW_MAX}] but was [{}]",
                from + size
            ),
        ));
    }
    let documents = store.documents();
    let mut found = matching(store, names, query.as_ref())?;
    let total = found.len();
    let sort = sort_fields(body.get("sort"), parameters.get("sort"));
    let mut keys = HashMap::new();
    if !sort.is_empty() {
        for &at in &found {
            keys.insert(at, sort_values(&sort, at, &documents[at]));
        }
        found.sort_by(|one, other| compare(&sort, &keys[one], &keys[other]));
        if let Some(after) = body.get("search_after").and_then(Value::as_array) {
            found.retain(|at| compare(&sort, &keys[at], after) == Ordering::Greater);
        }
    }
    let mut page = found.split_off(from.min(found.len()));
    let rest = page.split_off(size.min(page.len()));
    let projection = Projection::new(body.get("_source"), parameters);
    let hits = page.iter().map(|&at| {
        let mut hit = hit(version, &documents[at], &projection);
        if let Some(values) = keys.get(&at) {
            hit["sort"] = json!(values);
        }
        hit
    });
    let mut answer = answer(version, total, hits.collect());
    if parameters.contains_key("scroll") {
        answer["_scroll_id"] = json!(scrolls.open(size, rest));
    }
    Ok(answer)
}

/// The next page of a scroll.
pub(super) fn scroll(
    version: Version,
    store: &Store,
    scrolls: &mut Scrolls,
    id: &str,
) -> Result<Value, ApiError> {
    let scroll = scrolls.open.get_mut(id).ok_or_else(|| {
        ApiError::new(
            404,
            "search_context_missing_exception",
            format!("No search context for id [{id}]"),
        )
    })?;
    let page: Vec<usize> = scroll.rest.drain(..scroll.size.min(scroll.rest.len())).collect();
    let everything = Projection::default();
    let hits = page.iter().map(|&at| hit(version, &store.documents()[at], &everything)).collect();
    let mut answer = answer(version, store.documents().len(), hits);
    answer["_scroll_id"] = json!(id);
    Ok(answer)
}

impl Scrolls {
    fn open(&mut self, size: usize, rest: Vec<usize>) -> String {
        if self.open.len() >= SCROLLS_MAX
            && let Some(oldest) =
                self.open.iter().min_by_key(|(_, scroll)| scroll.number).map(|(id, _)| id.clone())
        {
            self.open.remove(&oldest);
        }
        self.next += 1;
        let id = format!("scroll{:08}", self.next);
        self.open.insert(id.clone(), Scroll { number: self.next, size, rest });
        id
    }

    pub(super) fn close(&mut self, id: &str) {
        self.open.remove(id);
    }
}

pub(super) fn mget(
    version: Version,
    store: &Store,
    name: Option<&str>,
    parameters: &HashMap<String, String>,
    body: &Value,
) -> Result<Value, ApiError> {
    let mut wanted = Vec::new();
    for document in body.get("docs").and_then(Value::as_array).into_iter().flatten() {
        let index = document.get("_index").and_then(Value::as_str).or(name);
        let id = document.get("_id").and_then(Value::as_str);
        wanted.push((index, id, document.get("_source")));
    }
    for id in body.get("ids").and_then(Value::as_array).into_iter().flatten() {
        wanted.push((name, id.as_str(), None));
    }
    if wanted.is_empty() {
        return Err(ApiError::validation(&["no documents to get"]));
    }
    let mut found = Vec::new();
    for (index, id, source) in wanted {
        let index = index.ok_or_else(|| ApiError::validation(&["index is missing for doc 0"]))?;
        let id = id.ok_or_else(|| ApiError::validation(&["id is missing for doc 0"]))?;
        if !store.has_index(index) {
            let reason = index_not_found(version, index).reason;
            let error =
                json!({"type": "index_not_found_exception", "reason": reason, "index": index});
            let error = json!({
                "root_cause": [error], "type": "index_not_found_exception",
                "reason": reason, "index": index,
            });
            found.push(json!({"_index": index, "_id": id, "error": error}));
            continue;
        }
        found.push(get(version, store, index, id, &Projection::new(source, parameters)));
    }
    Ok(json!({"docs": found}))
}

/// The answer to a single get; `found` says whether the document is there.
pub(super) fn get(
    version: Version,
    store: &Store,
    index: &str,
    id: &str,
    projection: &Projection,
) -> Value {
    let mut answer = json!({"_index": index});
    if version.types() != Types::Refused {
        answer["_type"] = json!("_doc");
    }
    answer["_id"] = json!(id);
    let Some(document) = store.get(index, id) else {
        answer["found"] = json!(false);
        return answer;
    };
    answer["_version"] = json!(document.version);
    answer["_seq_no"] = json!(0);
    answer["_primary_term"] = json!(1);
    answer["found"] = json!(true);
    if let Some(source) = projection.apply(document) {
        answer["_source"] = source;
    }
    answer
}

pub(super) fn cat_indices(store: &Store) -> Value {
    let rows = store.index_counts().into_iter().map(|(index, count)| {
        json!({
            "health": "green", "status": "open", "index": index, "uuid": "standin", "pri": "1",
            "rep": "0", "docs.count": count.to_string(), "docs.deleted": "0",
        })
    });
    Value::Array(rows.collect())
}

/// Which part of a source is shown.
#[derive(Default)]
pub(super) struct Projection {
    is_hidden: bool,
    /// Dotted paths; none: everything.
    paths: Vec<String>,
}

impl Projection {
    pub(super) fn new(asked: Option<&Value>, parameters: &HashMap<String, String>) -> Self {
        let list = |text: &str| text.split(',').map(str::to_owned).collect();
        let includes = asked.and_then(|asked| asked.get("includes")).or(asked);
        match includes {
            Some(Value::Bool(shown)) => Self { is_hidden: !shown, paths: Vec::new() },
            Some(Value::String(path)) => Self { is_hidden: false, paths: vec![path.clone()] },
            Some(Value::Array(paths)) => Self {
                is_hidden: false,
                paths: paths.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            },
            _ => match parameters.get("_source_includes").or_else(|| parameters.get("_source")) {
                Some(text) if text == "false" => Self { is_hidden: true, paths: Vec::new() },
                Some(text) if text != "true" => Self { is_hidden: false, paths: list(text) },
                _ => Self::default(),
            },
        }
    }

    fn apply(&self, document: &Document) -> Option<Value> {
        if self.is_hidden {
            return None;
        }
        let whole: Value = serde_json::from_slice(&document.source).unwrap_or(Value::Null);
        if self.paths.is_empty() {
            return Some(whole);
        }
        let mut part = json!({});
        for path in &self.paths {
            let Some(value) = field(&whole, path) else { continue };
            let mut place = &mut part;
            for name in path.split('.') {
                place = &mut place[name];
            }
            *place = value.clone();
        }
        Some(part)
    }
}

/// A field by its dotted path; `.keyword` at its end is taken off.
fn field<'a>(source: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(value) = source.get(path) {
        return Some(value);
    }
    let found = path.split('.').try_fold(source, |value, name| value.get(name));
    found.or_else(|| field(source, path.strip_suffix(".keyword")?))
}

fn matching(
    store: &Store,
    names: Option<&str>,
    query: Option<&Value>,
) -> Result<Vec<usize>, ApiError> {
    let mut found = Vec::new();
    for (at, document) in store.documents().iter().enumerate() {
        if !selects(names, &document.index) {
            continue;
        }
        let is_match = match query {
            None => true,
            Some(query) if query.get("match_all").is_some() => true,
            Some(query) => {
                let source = serde_json::from_slice(&document.source).unwrap_or(Value::Null);
                matches(query, document, &source)?
            }
        };
        if is_match {
            found.push(at);
        }
    }
    Ok(found)
}

fn matches(query: &Value, document: &Document, source: &Value) -> Result<bool, ApiError> {
    let unknown = |name: &str| {
        ApiError::new(400, "parsing_exception", format!("unknown query [{name}] for the stand-in"))
    };
    let (name, inner) =
        query.as_object().and_then(|query| query.iter().next()).ok_or_else(|| unknown("empty"))?;
    let of_field = |wanted: &dyn Fn(&Value, &Value) -> bool| {
        let Some((path, value)) = inner.as_object().and_then(|inner| inner.iter().next()) else {
            return false;
        };
        let value = value.get("value").or_else(|| value.get("query")).unwrap_or(value);
        let id = json!(document.id);
        let found = if path == "_id" { Some(&id) } else { field(source, path) };
        found.is_some_and(|found| wanted(found, value))
    };
    Ok(match name.as_str() {
        "match_all" => true,
        "term" | "match" | "match_phrase" => of_field(&|found, value| plain(found) == plain(value)),
        "terms" => of_field(&|found, value| {
            value.as_array().is_some_and(|list| list.iter().any(|one| plain(one) == plain(found)))
        }),
        "prefix" => of_field(&|found, value| plain(found).starts_with(&plain(value))),
        "exists" => inner
            .get("field")
            .and_then(Value::as_str)
            .is_some_and(|path| field(source, path).is_some()),
        "ids" => inner
            .get("values")
            .and_then(Value::as_array)
            .is_some_and(|ids| ids.iter().any(|id| id.as_str() == Some(&document.id))),
        "bool" => {
            for clause in ["must", "filter"] {
                for part in parts(inner.get(clause)) {
                    if !matches(part, document, source)? {
                        return Ok(false);
                    }
                }
            }
            for part in parts(inner.get("must_not")) {
                if matches(part, document, source)? {
                    return Ok(false);
                }
            }
            true
        }
        other => return Err(unknown(other)),
    })
}

fn parts(clause: Option<&Value>) -> &[Value] {
    match clause {
        Some(Value::Array(list)) => list,
        Some(one) => std::slice::from_ref(one),
        None => &[],
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

struct SortField {
    path: String,
    is_descending: bool,
}

fn sort_fields(asked: Option<&Value>, parameter: Option<&String>) -> Vec<SortField> {
    let one = |path: &str, order: &str| SortField {
        path: path.to_owned(),
        is_descending: order == "desc",
    };
    let parse = |value: &Value| match value {
        Value::String(path) => vec![one(path, "asc")],
        Value::Object(fields) => fields
            .iter()
            .map(|(path, how)| {
                let order = how.get("order").unwrap_or(how).as_str().unwrap_or("asc");
                one(path, order)
            })
            .collect(),
        _ => Vec::new(),
    };
    match (asked, parameter) {
        (Some(Value::Array(list)), _) => list.iter().flat_map(parse).collect(),
        (Some(value), _) => parse(value),
        (None, Some(text)) => text
            .split(',')
            .map(|part| part.split_once(':').map_or_else(|| one(part, "asc"), |(p, o)| one(p, o)))
            .collect(),
        (None, None) => Vec::new(),
    }
}

fn sort_values(sort: &[SortField], at: usize, document: &Document) -> Vec<Value> {
    let source: Value = serde_json::from_slice(&document.source).unwrap_or(Value::Null);
    let value = |sort: &SortField| match sort.path.as_str() {
        "_doc" | "_seq_no" | "_shard_doc" => json!(at),
        "_id" => json!(document.id),
        path => field(&source, path).cloned().unwrap_or(Value::Null),
    };
    sort.iter().map(value).collect()
}

fn compare(sort: &[SortField], one: &[Value], other: &[Value]) -> Ordering {
    for ((sort, one), other) in sort.iter().zip(one).zip(other) {
        let order = match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            // A document without the field comes last.
            _ if one.is_null() != other.is_null() => return one.is_null().cmp(&other.is_null()),
            _ => plain(one).cmp(&plain(other)),
        };
        let order = if sort.is_descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

fn hit(version: Version, document: &Document, projection: &Projection) -> Value {
    let mut hit = json!({"_index": &*document.index});
    if version.types() != Types::Refused {
        hit["_type"] = json!("_doc");
    }
    hit["_id"] = json!(document.id);
    hit["_score"] = Value::Null;
    if let Some(source) = projection.apply(document) {
        hit["_source"] = source;
    }
    hit
}

fn answer(version: Version, total: usize, hits: Vec<Value>) -> Value {
    let total = if version == Version::Elasticsearch6 {
        json!(total)
    } else {
        json!({"value": total, "relation": "eq"})
    };
    json!({
        "took": 1,
        "timed_out": false,
        "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
        "hits": {"total": total, "max_score": Value::Null, "hits": hits},
    })
}
