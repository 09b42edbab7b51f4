//! Taking a bulk body apart, by the rules of each version.

use std::borrow::Cow;

use super::body::Body;
use super::errors::ApiError;
use super::version::{Types, Version};
use crate::json;

/// Longest `_id`, in bytes.
const ID_BYTES_MAX: usize = 512;
/// Longest name of an index, in bytes.
const INDEX_NAME_BYTES_MAX: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Create,
    Index,
    /// Known to the servers, and not imitated here: a log shipper has no use for them.
    Update,
    Delete,
}

impl Op {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Index => "index",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// One action with its document, still unjudged.
#[derive(Debug)]
pub(super) struct Action<'a> {
    pub(super) op: Op,
    pub(super) index: Cow<'a, str>,
    /// `None`: the server makes one.
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) source: &'a [u8],
}

/// Index and type that the path of the request names for all its actions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathDefaults<'a> {
    pub(super) index: Option<&'a str>,
    pub(super) kind: Option<&'a str>,
}

/// All actions, or the one error by which the whole request is refused.
pub(super) fn parse<'a>(
    version: Version,
    body: &'a Body,
    defaults: PathDefaults<'a>,
) -> Result<Vec<Action<'a>>, ApiError> {
    if body.bytes.is_empty() {
        return Err(ApiError::new(400, "parse_exception", "request body is required"));
    }
    let mut lines = Lines::new(version, body)?;
    let mut actions = Vec::new();
    let mut problems = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let Some(head) = parse_head(version, number, line, defaults)? else {
            lines.next();
            continue;
        };
        let source = if head.op == Op::Delete {
            Some(&[][..])
        } else {
            lines.next().map(|(_, source)| source.strip_suffix(b"\r").unwrap_or(source))
        };
        // An action whose document is missing has no item.
        let Some(source) = source else { break };
        head.judge(version, &mut problems);
        actions.push(Action {
            op: head.op,
            index: head.index.unwrap_or_default(),
            id: head.id,
            source,
        });
    }
    if !problems.is_empty() {
        return Err(ApiError::validation(&problems));
    }
    if actions.is_empty() {
        return Err(ApiError::validation(&["no requests added"]));
    }
    Ok(actions)
}

/// What is wrong with the name of an index that would have to be made.
pub(super) fn judge_index_name(name: &str) -> Result<(), ApiError> {
    let reason = if name.chars().any(char::is_uppercase) {
        "must be lowercase"
    } else if name.starts_with(['_', '-', '+']) {
        "must not start with '_', '-', or '+'"
    } else if name.contains(['\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',']) {
        "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]"
    } else if name.contains('#') {
        "must not contain '#'"
    } else if name.contains(':') {
        "must not contain ':'"
    } else if name == "." || name == ".." {
        "must not be '.' or '..'"
    } else if name.len() > INDEX_NAME_BYTES_MAX {
        "index name is too long"
    } else {
        return Ok(());
    };
    Err(ApiError::new(
        400,
        "invalid_index_name_exception",
        format!("Invalid index name [{name}], {reason}"),
    )
    .of_index(name))
}

struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(version: Version, body: &'a Body) -> Result<Self, ApiError> {
        let mut rest = body.bytes.as_slice();
        if !rest.ends_with(b"\n") {
            if !(body.torn && version == Version::Elasticsearch9) {
                let shown = if version == Version::Elasticsearch6 { "[\n]" } else { "[\\n]" };
                return Err(ApiError::new(
                    400,
                    "illegal_argument_exception",
                    format!("The bulk request must be terminated by a newline {shown}"),
                ));
            }
            // Elasticsearch 9 reads piece by piece, and never sees that the last line has no end.
            rest = &rest[..memchr::memrchr(b'\n', rest).map_or(0, |last| last + 1)];
        }
        Ok(Self { rest, number: 0 })
    }

    /// The next line with its number from 1.
    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        let end = memchr::memchr(b'\n', self.rest)?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        self.number += 1;
        Some((self.number, line))
    }
}

struct Head<'a> {
    op: Op,
    index: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    has_type: bool,
}

impl Head<'_> {
    fn judge(&self, version: Version, problems: &mut Vec<String>) {
        if self.index.as_deref().unwrap_or_default().is_empty() {
            problems.push("index is missing".to_owned());
        }
        if version.types() == Types::Required && !self.has_type {
            problems.push("type is missing".to_owned());
        }
        if version == Version::Elasticsearch6 && self.op == Op::Create && self.id.is_none() {
            problems.push("an id must be provided if version type or value are set".to_owned());
        }
        if let Some(id) = &self.id
            && id.len() > ID_BYTES_MAX
        {
            let shown =
                if version == Version::Elasticsearch6 { "id".into() } else { format!("id [{id}]") };
            problems.push(format!(
                "{shown} is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {}",
                id.len()
            ));
        }
    }
}

/// `None`: an action that this version skips without an item.
fn parse_head<'a>(
    version: Version,
    number: usize,
    line: &'a [u8],
    defaults: PathDefaults<'a>,
) -> Result<Option<Head<'a>>, ApiError> {
    let malformed = |problem: json::Problem| malformed(version, number, &problem);
    std::str::from_utf8(line)
        .map_err(|error| malformed(json::Problem::Utf8(error.valid_up_to())))?;
    let members = json::members(line).map_err(malformed)?;
    let [(action, parameters)] = members[..] else {
        return Err(ApiError::new(
            400,
            "illegal_argument_exception",
            format!("Malformed action/metadata line [{number}], expected one action"),
        ));
    };
    let op = match action {
        b"create" => Op::Create,
        b"index" => Op::Index,
        b"update" => Op::Update,
        b"delete" => Op::Delete,
        _ if version.skips_unknown_actions() => return Ok(None),
        _ => return Err(unknown_action(version, number, action)),
    };
    let mut head = Head {
        op,
        index: defaults.index.map(Cow::Borrowed),
        id: None,
        has_type: defaults.kind.is_some(),
    };
    for (key, value) in json::members(parameters).map_err(malformed)? {
        match key {
            b"_index" => head.index = text(value),
            b"_id" => head.id = text(value),
            b"_type" if version.types() != Types::Refused => head.has_type = true,
            b"routing" | b"version" | b"version_type" | b"if_seq_no" | b"if_primary_term"
            | b"pipeline" | b"op_type" | b"retry_on_conflict" | b"_source" => {}
            b"_routing" | b"_version" | b"_version_type" | b"parent"
                if version == Version::Elasticsearch6 => {}
            b"require_alias" if version != Version::Elasticsearch6 => {}
            b"dynamic_templates" if !version.is_opensearch() => {}
            _ => return Err(unknown_parameter(number, key)),
        }
    }
    Ok(Some(head))
}

/// A string, or a number taken as its text, as the servers do.
fn text(value: &[u8]) -> Option<Cow<'_, str>> {
    if value == b"null" {
        return None;
    }
    match json::string(value) {
        Some(Cow::Borrowed(bytes)) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Some(Cow::Owned(bytes)) => String::from_utf8(bytes).ok().map(Cow::Owned),
        None => std::str::from_utf8(value).ok().map(Cow::Borrowed),
    }
}

fn malformed(version: Version, number: usize, problem: &json::Problem) -> ApiError {
    let (recent, old) = match problem {
        json::Problem::End(_) => ("x_content_e_o_f_exception", "json_e_o_f_exception"),
        json::Problem::NoObject => ("illegal_argument_exception", "illegal_argument_exception"),
        _ => ("x_content_parse_exception", "json_parse_exception"),
    };
    let kind = if version.is_recent_elasticsearch() { recent } else { old };
    let status =
        if version == Version::Elasticsearch6 && kind == old && recent != old { 500 } else { 400 };
    let reason = if *problem == json::Problem::NoObject {
        format!("Malformed action/metadata line [{number}], expected START_OBJECT")
    } else {
        format!("[1:{}] {problem}", problem.at() + 1)
    };
    ApiError::new(status, kind, reason)
}

fn unknown_action(version: Version, number: usize, action: &[u8]) -> ApiError {
    let expected = if version.is_opensearch() {
        "one of [create, delete, index, update]"
    } else {
        "field [create], [delete], [index] or [update]"
    };
    ApiError::new(
        400,
        "illegal_argument_exception",
        format!(
            "Malformed action/metadata line [{number}], expected {expected} but found [{}]",
            String::from_utf8_lossy(action)
        ),
    )
}

fn unknown_parameter(number: usize, key: &[u8]) -> ApiError {
    ApiError::new(
        400,
        "illegal_argument_exception",
        format!(
            "Action/metadata line [{number}] contains an unknown parameter [{}]",
            String::from_utf8_lossy(key)
        ),
    )
}
