//! Writing the answer to a bulk request, in the shape of each version and as `filter_path` asks.

use std::borrow::Cow;
use std::io::Write as _;

use super::errors::{ApiError, quoted};
use super::version::{Types, Version};

/// What became of one item.
#[derive(Debug)]
pub(super) enum Outcome {
    Created { seq_no: u64 },
    Updated { version: u64, seq_no: u64 },
    Failed(ApiError),
}

#[derive(Debug)]
pub(super) struct ItemAnswer<'a> {
    pub(super) op: &'static str,
    pub(super) index: Cow<'a, str>,
    pub(super) id: Cow<'a, str>,
    pub(super) outcome: Outcome,
}

/// Which fields of the answer are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Wanted paths; none: everything.
    patterns: Vec<Vec<String>>,
}

impl Filter {
    /// `None`: everything is wanted.
    pub(super) fn new(filter_path: Option<&str>) -> Self {
        let patterns = filter_path.unwrap_or_default().split(',').filter(|part| !part.is_empty());
        Self {
            patterns: patterns
                .map(|pattern| pattern.trim().split('.').map(str::to_owned).collect())
                .collect(),
        }
    }

    pub(super) fn is_everything(&self) -> bool {
        self.patterns.is_empty()
    }

    pub(super) fn wants(&self, path: &[&str]) -> bool {
        self.is_everything() || self.patterns.iter().any(|pattern| covers(pattern, path))
    }

    /// Applies the filter to any other answer.
    pub(super) fn prune(&self, value: serde_json::Value) -> serde_json::Value {
        if self.is_everything() {
            return value;
        }
        self.prune_at(value, &mut Vec::new()).unwrap_or_else(|| serde_json::json!({}))
    }

    fn prune_at(
        &self,
        value: serde_json::Value,
        path: &mut Vec<String>,
    ) -> Option<serde_json::Value> {
        use serde_json::Value;
        match value {
            Value::Object(members) => {
                let mut kept = serde_json::Map::new();
                for (key, member) in members {
                    path.push(key);
                    let pruned = self.prune_at(member, path);
                    let key = path.pop().expect("pushed above");
                    kept.extend(pruned.map(|member| (key, member)));
                }
                (!kept.is_empty()).then_some(Value::Object(kept))
            }
            Value::Array(elements) => {
                let kept: Vec<Value> = elements
                    .into_iter()
                    .filter_map(|element| self.prune_at(element, path))
                    .collect();
                (!kept.is_empty()).then_some(Value::Array(kept))
            }
            leaf => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                self.wants(&path).then_some(leaf)
            }
        }
    }
}

/// True if the pattern names the path or something above it; `*` is any name, `**` any names.
fn covers(pattern: &[String], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some((wildcard, more)), Some((_, below))) if wildcard == "**" => {
            covers(more, path) || covers(pattern, below)
        }
        (Some((name, more)), Some((first, below))) => {
            matches_name(name, first) && covers(more, below)
        }
    }
}

fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((prefix, rest)) => name.strip_prefix(prefix).is_some_and(|tail| {
            (0..=tail.len())
                .filter(|&at| tail.is_char_boundary(at))
                .any(|at| matches_name(rest, &tail[at..]))
        }),
    }
}

/// The members of an item that `filter_path` can leave out, decided once per answer.
struct Wanted {
    index: bool,
    id: bool,
    version: bool,
    result: bool,
    shards: bool,
    seq_no: bool,
    primary_term: bool,
    status: bool,
    error_type: bool,
    error_reason: bool,
    error_rest: bool,
}

impl Wanted {
    fn new(filter: &Filter, op: &str) -> Self {
        let wants = |name: &str| filter.wants(&["items", op, name]);
        let error = |name: &str| filter.wants(&["items", op, "error", name]);
        Self {
            index: wants("_index"),
            id: wants("_id"),
            version: wants("_version"),
            result: wants("result"),
            shards: filter.wants(&["items", op, "_shards", "total"]),
            seq_no: wants("_seq_no"),
            primary_term: wants("_primary_term"),
            status: wants("status"),
            error_type: error("type"),
            error_reason: error("reason"),
            error_rest: error("index"),
        }
    }
}

/// The whole answer.
pub(super) fn bulk(
    version: Version,
    took_ms: u64,
    items: &[ItemAnswer<'_>],
    filter: &Filter,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + items.len() * 160);
    let mut list = Members::open(&mut out, b'{');
    let errors = items.iter().any(|item| matches!(item.outcome, Outcome::Failed(_)));
    let took = |list: &mut Members<'_>| {
        if filter.wants(&["took"]) {
            list.next(format_args!("\"took\":{took_ms}"));
        }
    };
    if !version.is_recent_elasticsearch() {
        took(&mut list);
    }
    if filter.wants(&["errors"]) {
        list.next(format_args!("\"errors\":{errors}"));
    }
    if version.is_recent_elasticsearch() {
        took(&mut list);
    }
    let wanted_of_create = Wanted::new(filter, "create");
    let wanted_of_index = Wanted::new(filter, "index");
    let mut written = Vec::new();
    {
        let mut array = Members::open(&mut written, b'[');
        let mut one = Vec::new();
        for item in items {
            let wanted = if item.op == "index" { &wanted_of_index } else { &wanted_of_create };
            one.clear();
            write_item(version, item, wanted, &mut one);
            // What has lost all its members to the filter is left out, as the servers do.
            if one != b"{}" {
                let one = String::from_utf8_lossy(&one);
                array.next(format_args!("{{\"{}\":{one}}}", item.op));
            }
        }
        array.close(b']');
    }
    if written != b"[]" || filter.is_everything() {
        let written = String::from_utf8_lossy(&written);
        list.next(format_args!("\"items\":{written}"));
    }
    list.close(b'}');
    out
}

fn write_item(version: Version, item: &ItemAnswer<'_>, wanted: &Wanted, out: &mut Vec<u8>) {
    let mut list = Members::open(out, b'{');
    if wanted.index {
        list.next(format_args!("\"_index\":{}", quoted(&item.index)));
        if version.types() != Types::Refused {
            list.next(format_args!("\"_type\":\"_doc\""));
        }
    }
    if wanted.id {
        list.next(format_args!("\"_id\":{}", quoted(&item.id)));
    }
    let (number, seq_no, result, status) = match &item.outcome {
        Outcome::Created { seq_no } => (1, *seq_no, "created", 201),
        Outcome::Updated { version, seq_no } => (*version, *seq_no, "updated", 200),
        Outcome::Failed(error) => {
            if wanted.status {
                list.next(format_args!("\"status\":{}", error.status));
            }
            if wanted.error_type || wanted.error_reason {
                list.next(format_args!("\"error\":"));
                write_error(error, wanted, list.into_inner());
                out.push(b'}');
            } else {
                list.close(b'}');
            }
            return;
        }
    };
    if wanted.version {
        list.next(format_args!("\"_version\":{number}"));
    }
    if wanted.result {
        list.next(format_args!("\"result\":\"{result}\""));
    }
    if wanted.shards {
        list.next(format_args!("\"_shards\":{{\"total\":1,\"successful\":1,\"failed\":0}}"));
    }
    if wanted.seq_no {
        list.next(format_args!("\"_seq_no\":{seq_no}"));
    }
    if wanted.primary_term {
        list.next(format_args!("\"_primary_term\":1"));
    }
    if wanted.status {
        list.next(format_args!("\"status\":{status}"));
    }
    list.close(b'}');
}

fn write_error(error: &ApiError, wanted: &Wanted, out: &mut Vec<u8>) {
    let mut list = Members::open(out, b'{');
    if wanted.error_type {
        list.next(format_args!("\"type\":{}", quoted(&error.kind)));
    }
    if wanted.error_reason {
        list.next(format_args!("\"reason\":{}", quoted(&error.reason)));
    }
    if wanted.error_rest {
        if let Some(index) = &error.index {
            let index = quoted(index);
            list.next(format_args!("\"index_uuid\":\"standin\",\"shard\":\"0\",\"index\":{index}"));
        }
        if error.caused_by.is_some() {
            list.next(format_args!("{}", &error.cause()[1..]));
        }
    }
    list.close(b'}');
}

/// An object or array that is being written, with its commas.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Members<'a> {
    fn open(out: &'a mut Vec<u8>, byte: u8) -> Self {
        out.push(byte);
        Self { out, is_first: true }
    }

    fn next(&mut self, member: std::fmt::Arguments<'_>) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        self.out.write_fmt(member).expect("a Vec takes every write");
    }

    fn close(self, byte: u8) {
        self.out.push(byte);
    }

    fn into_inner(self) -> &'a mut Vec<u8> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_as_the_servers_do() {
        let check = |pattern: &str, path: &[&str], expected: bool| {
            assert_eq!(Filter::new(Some(pattern)).wants(path), expected, "{pattern} {path:?}");
        };
        check("errors,items.*.status", &["items", "create", "status"], true);
        check("errors,items.*.status", &["items", "create", "_id"], false);
        check("items.*.error", &["items", "create", "error", "type"], true);
        check("items.*.error.type", &["items", "create", "error", "reason"], false);
        check("**.status", &["items", "index", "status"], true);
        check("hits.hits._*", &["hits", "hits", "_id"], true);
        assert!(Filter::new(None).wants(&["took"]));
    }
}
