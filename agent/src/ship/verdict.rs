//! What an answer says, item by item: the status decides, the type refines.
//!
//! The rows come from recorded transcripts of Elasticsearch 6.8 to 9.5 and `OpenSearch` 1.3 to 3.9;
//! the table at the end of this file holds one case for each.

use super::answer::ErrorText;

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Stored.
    Acked,
    /// There is a document under this id. Whether it is ours is asked elsewhere.
    Conflict,
    /// Refused for now; the same item may pass in a moment.
    Retry,
    /// Too large for the server.
    TooLarge,
    /// The environment is wrong, not the document: every document of this index would fare alike.
    Refused,
    /// The document itself is refused and will be for ever.
    Poison(PoisonReason),
}

/// Why a document became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PoisonReason {
    /// It does not fit the index's mapping.
    Mapping,
    /// A limit of the index: fields, length of a term, depth.
    Limit,
    /// An ingest pipeline failed on it.
    Pipeline,
    /// It is larger than the server takes, although it was alone in its request.
    TooLarge,
    /// The server finds it malformed, alone in its request, more than once.
    Malformed,
    /// Its target has refused for longer than the policy waits.
    TargetRefused,
    /// A status 4xx of another kind.
    Other,
}

impl PoisonReason {
    pub const ALL: [Self; 7] = [
        Self::Mapping,
        Self::Limit,
        Self::Pipeline,
        Self::TooLarge,
        Self::Malformed,
        Self::TargetRefused,
        Self::Other,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mapping => "mapping",
            Self::Limit => "limit",
            Self::Pipeline => "pipeline",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::TargetRefused => "target_refused",
            Self::Other => "other",
        }
    }
}

/// Why a document became a dead letter, with the server's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub reason: PoisonReason,
    pub status: u16,
    /// The server's `error.type`; empty if it gave none.
    pub kind: String,
    /// The server's `error.reason`, cut short.
    pub text: String,
}

/// What the failure of a whole request says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// 429, 502, 503, 504 and other faults of the server: resend later, with fewer at once.
    Busy,
    /// A breaker found this much data too large for now.
    Breaker,
    /// 401, or 403 for missing rights: the credentials may have been changed.
    Unauthorized,
    /// The environment is wrong for every document: a block on the cluster, a wrong path.
    Refused,
    /// Larger than the server takes at once.
    TooLarge,
    /// The server is another version than was thought.
    OtherVersion,
    /// The server cannot read the request: one of its documents, or the way between, is at fault.
    Malformed,
}

/// Judges one item by its status and its error, which is there from 300 on.
pub(super) fn of_item(status: u16, error: &ErrorText) -> Verdict {
    match status {
        200..=299 => Verdict::Acked,
        409 if error.kind.is_empty() || error.kind == "version_conflict_engine_exception" => {
            Verdict::Conflict
        }
        // Elasticsearch before 7.7 says 403 to an index on a full disk, later ones 429: a block
        // that is lifted by an administrator or by the disk, not by waiting a moment.
        429 if error.kind == "cluster_block_exception" => Verdict::Refused,
        413 => Verdict::TooLarge,
        400 => of_bad_request(error),
        401 | 403 | 404 | 405 | 406 => Verdict::Refused,
        // 409 of another kind: an alias or an index in between two states.
        408 | 409 | 425 | 429 => Verdict::Retry,
        402..=499 => Verdict::Poison(PoisonReason::Other),
        // OpenSearch 2.19 says 500 when a processor fails on a document.
        500 if error.kind == "fail_processor_exception" => Verdict::Poison(PoisonReason::Pipeline),
        // Unknown states as well: nothing may be concluded from what is not understood.
        _ => Verdict::Retry,
    }
}

fn of_bad_request(error: &ErrorText) -> Verdict {
    use PoisonReason::{Limit, Mapping, Other, Pipeline};
    let text = error.reason.as_str();
    let limit = || {
        ["immense term", "Limit of", "has exceeded", "has been exceeded"]
            .iter()
            .any(|it| error.says(it))
    };
    match error.kind.as_str() {
        "index_closed_exception"
        | "invalid_index_name_exception"
        | "index_not_found_exception"
        | "cluster_block_exception"
        | "security_exception"
        | "type_missing_exception"
        // The limit of shards per node.
        | "validation_exception" => Verdict::Refused,
        "illegal_argument_exception" if environment_is_wrong(text) => Verdict::Refused,
        "circuit_breaking_exception" => Verdict::Retry,
        "mapper_parsing_exception" | "document_parsing_exception" | "mapper_exception" => {
            Verdict::Poison(if limit() { Limit } else { Mapping })
        }
        "strict_dynamic_mapping_exception" => Verdict::Poison(Mapping),
        "illegal_argument_exception" => Verdict::Poison(if limit() { Limit } else { Mapping }),
        kind if kind.contains("processor") || kind.contains("pipeline") => {
            Verdict::Poison(Pipeline)
        }
        _ => Verdict::Poison(Other),
    }
}

/// The `illegal_argument_exception`s that say the same to every document of the index.
fn environment_is_wrong(text: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "no write index is defined",
        "op_type of create are allowed in data streams",
        "pipeline with id [",
        "Rejecting mapping update to [",
        "Invalid type: expecting [",
        "[_type]",
        "data stream [",
        "maximum normal shards open",
    ];
    SIGNS.iter().any(|it| text.contains(it))
}

/// Judges an answer whose status is not 200.
pub(super) fn of_whole(status: u16, error: &ErrorText) -> Whole {
    let kind = error.kind.as_str();
    match status {
        413 => Whole::TooLarge,
        403 if kind == "cluster_block_exception" => Whole::Refused,
        401 | 403 => Whole::Unauthorized,
        429 | 503 if kind == "circuit_breaking_exception" => Whole::Breaker,
        400 | 500 if error.names_type() || error.may_be_typed_path() => Whole::OtherVersion,
        400 if unfit_request(error) => Whole::Refused,
        400 => Whole::Malformed,
        // Elasticsearch 6 says 500 to an action line that it cannot parse, and to zstd.
        500 if kind.ends_with("parse_exception") || kind.ends_with("e_o_f_exception") => {
            Whole::Malformed
        }
        408 | 425 | 429 => Whole::Busy,
        // Redirects are not followed: the body would go to a place nobody configured.
        300..=499 => Whole::Refused,
        _ => Whole::Busy,
    }
}

impl Whole {
    /// The label that it is counted under.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Busy | Self::Breaker => "busy",
            Self::Unauthorized => "unauthorized",
            Self::Refused | Self::OtherVersion => "refused",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
        }
    }
}

/// A 400 to the form of the request, which no document of it can help.
fn unfit_request(error: &ErrorText) -> bool {
    error.kind == "media_type_header_exception"
        || error.reason.contains("contains unrecognized parameter")
        || error.reason.contains("request body is required")
        || error.reason.contains("Content-Type header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, kind: &str, reason: &str, expect: &Verdict) {
        let error = ErrorText { kind: kind.into(), reason: reason.into(), ..ErrorText::default() };
        assert_eq!(&of_item(status, &error), expect, "{status} {kind}: {reason}");
    }

    fn check_whole(status: u16, kind: &str, reason: &str, expect: Whole) {
        let error = ErrorText { kind: kind.into(), reason: reason.into(), ..ErrorText::default() };
        assert_eq!(of_whole(status, &error), expect, "{status} {kind}: {reason}");
    }

    #[test]
    fn items_that_are_stored_or_doubtful() {
        check(201, "", "", &Verdict::Acked);
        // OpenSearch: dropped by a pipeline, `"result":"noop"`.
        check(200, "", "", &Verdict::Acked);
        let reason = "[1]: version conflict, document already exists (current version [1])";
        check(409, "version_conflict_engine_exception", reason, &Verdict::Conflict);
        check(409, "", "", &Verdict::Conflict);
        check(409, "something_else_exception", "", &Verdict::Retry);
    }

    #[test]
    fn items_to_be_sent_again() {
        check(429, "es_rejected_execution_exception", "", &Verdict::Retry);
        check(429, "rejected_execution_exception", "", &Verdict::Retry);
        check(429, "circuit_breaking_exception", "Data too large", &Verdict::Retry);
        check(503, "unavailable_shards_exception", "", &Verdict::Retry);
        check(503, "cluster_block_exception", "no master", &Verdict::Retry);
        check(500, "node_not_connected_exception", "", &Verdict::Retry);
        check(500, "", "", &Verdict::Retry);
        check(502, "", "", &Verdict::Retry);
        check(504, "", "", &Verdict::Retry);
        // No status at all is read as 0.
        check(0, "", "", &Verdict::Retry);
        check(302, "", "", &Verdict::Retry);
    }

    #[test]
    fn items_whose_target_refuses() {
        let block = "cluster_block_exception";
        check(403, block, "blocked by: [FORBIDDEN/8/index write (api)];", &Verdict::Refused);
        check(403, block, "[FORBIDDEN/5/index read-only (api)];", &Verdict::Refused);
        check(403, block, "[FORBIDDEN/12/index read-only / allow delete]", &Verdict::Refused);
        check(429, block, "[TOO_MANY_REQUESTS/12/disk usage exceeded]", &Verdict::Refused);
        check(403, "security_exception", "unauthorized", &Verdict::Refused);
        check(404, "index_not_found_exception", "no such index", &Verdict::Refused);
        check(400, "index_closed_exception", "closed", &Verdict::Refused);
        let shards = "Validation Failed: 1: this action would add [2] shards, but this cluster";
        check(400, "validation_exception", shards, &Verdict::Refused);
        for text in [
            "no write index is defined for alias [both].",
            "only write ops with an op_type of create are allowed in data streams",
            "pipeline with id [absent] does not exist",
            "Rejecting mapping update to [b] as the final mapping would have more than 1 type",
            "Invalid type: expecting [_doc] but got [other]",
        ] {
            check(400, "illegal_argument_exception", text, &Verdict::Refused);
        }
        let name = "Invalid index name [Upper], must be lowercase";
        check(400, "invalid_index_name_exception", name, &Verdict::Refused);
    }

    #[test]
    fn items_that_are_poison() {
        let mapping = Verdict::Poison(PoisonReason::Mapping);
        let limit = Verdict::Poison(PoisonReason::Limit);
        let text = "failed to parse field [n] of type [long] in document with id '3'";
        check(400, "mapper_parsing_exception", text, &mapping);
        check(400, "document_parsing_exception", text, &mapping);
        check(400, "strict_dynamic_mapping_exception", "mapping set to strict", &mapping);
        check(400, "illegal_argument_exception", "mapper [n] cannot be changed", &mapping);
        check(400, "illegal_argument_exception", "if _id is specified it must not", &mapping);
        let fields = "Limit of total fields [2] in index [narrow] has been exceeded";
        check(400, "illegal_argument_exception", fields, &limit);
        check(400, "document_parsing_exception", fields, &limit);
        let term = "Document contains at least one immense term in field=\"k\"";
        check(400, "illegal_argument_exception", term, &limit);
        check(400, "document_parsing_exception", term, &limit);
        let pipeline = Verdict::Poison(PoisonReason::Pipeline);
        check(500, "fail_processor_exception", "no", &pipeline);
        check(400, "fail_processor_exception", "no", &pipeline);
        check(400, "", "", &Verdict::Poison(PoisonReason::Other));
        check(422, "", "", &Verdict::Poison(PoisonReason::Other));
        check(413, "", "", &Verdict::TooLarge);
    }

    #[test]
    fn whole_requests() {
        check_whole(413, "", "", Whole::TooLarge);
        check_whole(401, "security_exception", "missing credentials", Whole::Unauthorized);
        check_whole(403, "security_exception", "", Whole::Unauthorized);
        check_whole(403, "cluster_block_exception", "FORBIDDEN/6", Whole::Refused);
        check_whole(429, "es_rejected_execution_exception", "", Whole::Busy);
        check_whole(429, "rejected_execution_exception", "", Whole::Busy);
        check_whole(429, "circuit_breaking_exception", "Data too large", Whole::Breaker);
        check_whole(503, "circuit_breaking_exception", "Data too large", Whole::Breaker);
        check_whole(503, "cluster_block_exception", "no master", Whole::Busy);
        check_whole(500, "", "", Whole::Busy);
        check_whole(502, "", "", Whole::Busy);
        check_whole(504, "", "", Whole::Busy);
        check_whole(400, "action_request_validation_exception", "id is too long", Whole::Malformed);
        check_whole(400, "json_e_o_f_exception", "", Whole::Malformed);
        check_whole(500, "json_e_o_f_exception", "", Whole::Malformed);
        check_whole(500, "json_parse_exception", "", Whole::Malformed);
        let newline = "The bulk request must be terminated by a newline [\\n]";
        check_whole(400, "illegal_argument_exception", newline, Whole::Malformed);
        let alias = "no write index is defined for alias [both].";
        check_whole(400, "illegal_argument_exception", alias, Whole::Malformed);
        let with = "Action/metadata line [1] contains an unknown parameter [_type]";
        check_whole(400, "illegal_argument_exception", with, Whole::OtherVersion);
        let without = "Validation Failed: 1: type is missing;";
        check_whole(400, "action_request_validation_exception", without, Whole::OtherVersion);
        let path = "Malformed content, found extra data after parsing: START_OBJECT";
        check_whole(400, "illegal_argument_exception", path, Whole::OtherVersion);
        check_whole(400, "media_type_header_exception", "", Whole::Refused);
        check_whole(404, "", "", Whole::Refused);
        check_whole(405, "", "", Whole::Refused);
        check_whole(406, "", "", Whole::Refused);
        check_whole(417, "", "", Whole::Refused);
        check_whole(302, "", "", Whole::Refused);
    }
}
