//! Errors in the servers' own words, by version.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::faults::ItemError;
use super::version::Version;

/// One error as the servers write it; of a whole request or of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) kind: Cow<'static, str>,
    pub(super) reason: String,
    /// Type and reason of the cause, for errors that have one.
    pub(super) caused_by: Option<(&'static str, String)>,
    /// Errors of an index name it once more.
    pub(super) index: Option<String>,
}

impl ApiError {
    pub(super) fn new(
        status: u16,
        kind: impl Into<Cow<'static, str>>,
        reason: impl Into<String>,
    ) -> Self {
        Self { status, kind: kind.into(), reason: reason.into(), caused_by: None, index: None }
    }

    pub(super) fn caused_by(mut self, kind: &'static str, reason: impl Into<String>) -> Self {
        self.caused_by = Some((kind, reason.into()));
        self
    }

    pub(super) fn of_index(mut self, index: &str) -> Self {
        self.index = Some(index.to_owned());
        self
    }

    pub(super) fn validation<S: AsRef<str>>(problems: &[S]) -> Self {
        let mut reason = String::from("Validation Failed: ");
        for (number, problem) in problems.iter().enumerate() {
            let _ = write!(reason, "{}: {};", number + 1, problem.as_ref());
        }
        Self::new(400, "action_request_validation_exception", reason)
    }

    /// The body of a request that was refused whole.
    pub(super) fn body(&self) -> String {
        match self.status {
            413 | 417 => String::new(),
            405 | 406 => {
                format!(r#"{{"error":{},"status":{}}}"#, quoted(&self.reason), self.status)
            }
            _ => {
                let (kind, reason) = (quoted(&self.kind), quoted(&self.reason));
                format!(
                    r#"{{"error":{{"root_cause":[{{"type":{kind},"reason":{reason}}}],"type":{kind},"reason":{reason}{}}},"status":{}}}"#,
                    self.cause(),
                    self.status
                )
            }
        }
    }

    pub(super) fn cause(&self) -> String {
        self.caused_by.as_ref().map_or_else(String::new, |(kind, reason)| {
            format!(r#","caused_by":{{"type":"{kind}","reason":{}}}"#, quoted(reason))
        })
    }
}

/// The error that a version gives with this status for a whole request.
pub(super) fn whole(version: Version, status: u16) -> ApiError {
    match status {
        400 => ApiError::new(400, "illegal_argument_exception", "asked of the stand-in"),
        401 => ApiError::new(
            401,
            "security_exception",
            "missing authentication credentials for REST request [/_bulk]",
        ),
        403 => ApiError::new(
            403,
            "cluster_block_exception",
            "blocked by: [FORBIDDEN/6/cluster read-only (api)];",
        ),
        404 => ApiError::new(404, "index_not_found_exception", "no such index [asked]"),
        413 => ApiError::new(413, "", ""),
        429 => ApiError::new(
            429,
            version.rejection(),
            "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, \
             replica_bytes=0, all_bytes=0, coordinating_operation_bytes=150209, \
             max_coordinating_and_primary_bytes=102400]",
        ),
        503 => ApiError::new(
            503,
            "cluster_block_exception",
            "blocked by: [SERVICE_UNAVAILABLE/2/no master];",
        ),
        _ => ApiError::new(status, "status_exception", "asked of the stand-in"),
    }
}

/// What a version says of an item with this fault.
pub(super) fn item(version: Version, error: &ItemError, index: &str, id: &str) -> ApiError {
    let blocked_by = |what: &str| {
        if version == Version::Elasticsearch6 {
            format!("blocked by: [{what}];")
        } else {
            format!("index [{index}] blocked by: [{what}];")
        }
    };
    match error {
        ItemError::Rejected => ApiError::new(
            429,
            version.rejection(),
            "rejected execution of primary operation on EsThreadPoolExecutor[name = \
             standin/write, queue capacity = 1]",
        ),
        ItemError::Unavailable => ApiError::new(
            503,
            "unavailable_shards_exception",
            format!("[{index}][0] primary shard is not active Timeout: [1m]"),
        ),
        ItemError::Mapping => ApiError::new(
            400,
            version.mapping_error(),
            format!("failed to parse field [n] of type [long] in document with id '{id}'"),
        )
        .caused_by("illegal_argument_exception", "For input string: \"x\""),
        ItemError::IndexClosed => {
            ApiError::new(400, "index_closed_exception", "closed").of_index(index)
        }
        ItemError::IndexBlocked => ApiError::new(
            403,
            "cluster_block_exception",
            blocked_by("FORBIDDEN/8/index write (api)"),
        ),
        ItemError::FloodStage if version == Version::Elasticsearch6 => ApiError::new(
            403,
            "cluster_block_exception",
            blocked_by("FORBIDDEN/12/index read-only / allow delete (api)"),
        ),
        ItemError::FloodStage => ApiError::new(
            429,
            "cluster_block_exception",
            blocked_by(
                "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has \
                 read-only-allow-delete block",
            ),
        ),
        ItemError::IndexNotFound => index_not_found(version, index),
        ItemError::Conflict => conflict(version, index, id, 1),
        ItemError::Other { status, kind, reason } => {
            ApiError::new(*status, kind.clone(), reason.clone())
        }
    }
}

pub(super) fn index_not_found(version: Version, index: &str) -> ApiError {
    let reason = if version == Version::Elasticsearch6 {
        "no such index".to_owned()
    } else {
        format!("no such index [{index}]")
    };
    ApiError::new(404, "index_not_found_exception", reason).of_index(index)
}

pub(super) fn conflict(version: Version, index: &str, id: &str, current: u64) -> ApiError {
    let place = if version == Version::Elasticsearch6 { "[_doc]" } else { "" };
    ApiError::new(
        409,
        "version_conflict_engine_exception",
        format!(
            "{place}[{id}]: version conflict, document already exists (current version [{current}])"
        ),
    )
    .of_index(index)
}

/// A JSON string with its quotes.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string always serialises")
}
