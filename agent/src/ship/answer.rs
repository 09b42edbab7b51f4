//! Reading what a server answered, trusting nothing.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::message::HttpAnswer;

/// Bytes of a server's words that are kept: enough for a person, too little for a flood.
const TEXT_BYTES_MAX: usize = 1_000;

/// What a server says about a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorText {
    pub(super) kind: String,
    pub(super) reason: String,
    /// Type and reason of the first cause.
    pub(super) cause: String,
    /// The concrete index; behind a data stream another than was named.
    pub(super) index: Option<String>,
}

/// One item of a bulk answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Item {
    /// 0 if there was none.
    pub(super) status: u16,
    /// Rare, and there is an item for each document.
    pub(super) error: Option<Box<ErrorText>>,
}

/// Why an answer with status 200 is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untrusted {
    #[error("answer is no bulk answer: {0}")]
    NotParsed(String),
    #[error("answer without items")]
    NoItems,
    #[error("answer has {seen} items for {sent} documents")]
    Count { seen: usize, sent: usize },
}

impl ErrorText {
    /// Of an error object, a bare text, or nothing that can be understood.
    pub(super) fn parse(raw: &str) -> Self {
        #[derive(Deserialize)]
        struct Object {
            #[serde(default, rename = "type")]
            kind: String,
            #[serde(default)]
            reason: Option<String>,
            #[serde(default)]
            caused_by: Option<Cause>,
            #[serde(default)]
            index: Option<String>,
        }
        #[derive(Deserialize)]
        struct Cause {
            #[serde(default, rename = "type")]
            kind: String,
            #[serde(default)]
            reason: Option<String>,
        }
        if let Ok(Object { kind, reason, caused_by, index }) = serde_json::from_str(raw) {
            let cause = caused_by
                .map(|it| format!("{}: {}", it.kind, it.reason.unwrap_or_default()))
                .unwrap_or_default();
            let reason = shorten(&reason.unwrap_or_default());
            return Self { kind: shorten(&kind), reason, cause: shorten(&cause), index };
        }
        let reason = serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
        Self { reason: shorten(&reason), ..Self::default() }
    }

    /// Whether the server misses the type of an action, or finds it too much.
    pub(super) fn names_type(&self) -> bool {
        self.says("[_type]") || self.says("type is missing")
    }

    /// What servers without types say to a bulk request with a type in its path: they take
    /// `/any/_doc/_bulk` for a document with the id `_bulk`.
    pub(super) fn may_be_typed_path(&self) -> bool {
        self.says("found extra data after parsing")
    }

    pub(super) fn says(&self, sign: &str) -> bool {
        self.reason.contains(sign) || self.cause.contains(sign)
    }

    /// Of the body of a failed request.
    pub(super) fn of_body(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            error: &'a RawValue,
        }
        if let Ok(body) = serde_json::from_slice::<Body<'_>>(body) {
            return Self::parse(body.error.get());
        }
        let start = &body[..body.len().min(TEXT_BYTES_MAX)];
        Self { reason: shorten(&String::from_utf8_lossy(start)), ..Self::default() }
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, reason, cause, index: _ } = self;
        match (kind.is_empty(), cause.is_empty()) {
            (true, _) => out.write_str(reason),
            (false, true) => write!(out, "{kind}: {reason}"),
            (false, false) => write!(out, "{kind}: {reason} ({cause})"),
        }
    }
}

/// One line of at most [`TEXT_BYTES_MAX`] bytes.
fn shorten(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        if out.len() + char.len_utf8() > TEXT_BYTES_MAX {
            out.push('…');
            break;
        }
        out.push(if char.is_control() { ' ' } else { char });
    }
    out
}

/// The items of a bulk answer with status 200, one for each document sent, in their order.
///
/// Elasticsearch skips an unknown action without an item (6.8, 7.17), takes a torn gzip body for
/// a whole one (all versions) and was seen to give more items than were sent (7.10.2), so the
/// count decides whether any of them is believed.
pub(super) fn items(answer: &HttpAnswer, sent: usize) -> Result<Vec<Item>, Untrusted> {
    #[derive(Deserialize)]
    struct Bulk<'a> {
        #[serde(borrow)]
        items: Option<Vec<Entry<'a>>>,
    }
    if all_created(&answer.body, sent) {
        return Ok(vec![Item { status: 201, error: None }; sent]);
    }
    let bulk: Bulk<'_> = serde_json::from_slice(&answer.body)
        .map_err(|error| Untrusted::NotParsed(describe(answer, &error)))?;
    let items = bulk.items.ok_or(Untrusted::NoItems)?;
    if items.len() != sent {
        return Err(Untrusted::Count { seen: items.len(), sent });
    }
    let item = |Entry { status, error }| Item {
        // An item that names an error and a good status cannot be believed to be stored.
        status: match status.unwrap_or(0) {
            200..=299 if error.is_some() => 0,
            other => other,
        },
        error: error.map(|it: &RawValue| Box::new(ErrorText::parse(it.get()))),
    };
    Ok(items.into_iter().map(item).collect())
}

/// Whether the answer is, to the byte, what servers send when every document was stored. Parsing
/// it is a twelfth of the processor in a drain without compression.
fn all_created(body: &[u8], sent: usize) -> bool {
    const ITEM: &[u8] = br#"{"create":{"status":201}}"#;
    let items = body.strip_prefix(br#"{"errors":false,"items":["#.as_slice());
    let Some(items) = items.and_then(|items| items.strip_suffix(b"]}".as_slice())) else {
        return false;
    };
    sent > 0
        && items.len() + 1 == sent * (ITEM.len() + 1)
        && items
            .chunks(ITEM.len() + 1)
            .all(|item| item.starts_with(ITEM) && matches!(item[ITEM.len()..], [] | [b',']))
}

fn describe(answer: &HttpAnswer, error: &serde_json::Error) -> String {
    let start = &answer.body[..answer.body.len().min(100)];
    let start = shorten(&String::from_utf8_lossy(start));
    format!("{error} ({}, begins with {start:?})", answer.content_type)
}

/// `{"create":{"status":201}}`, whatever the operation is called.
struct Entry<'a> {
    status: Option<u16>,
    error: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Entry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor<'a>(PhantomData<&'a ()>);

        #[derive(Deserialize)]
        struct Inner<'a> {
            status: Option<u16>,
            #[serde(borrow)]
            error: Option<&'a RawValue>,
        }

        impl<'de: 'a, 'a> Visitor<'de> for EntryVisitor<'a> {
            type Value = Entry<'a>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an item of a bulk answer")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let Some((_, inner)) = map.next_entry::<IgnoredAny, Inner<'a>>()? else {
                    return Ok(Entry { status: None, error: None });
                };
                if map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    return Err(serde::de::Error::custom("an item with two operations"));
                }
                Ok(Entry { status: inner.status, error: inner.error })
            }
        }
        deserializer.deserialize_map(EntryVisitor(PhantomData))
    }
}

/// What `_mget` says of one document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Held {
    Source(serde_json::Value),
    Missing,
    Unknown(ErrorText),
}

/// The documents of an `_mget` answer with status 200, in the order of the questions.
pub(super) fn held(answer: &HttpAnswer, asked: usize) -> Result<Vec<Held>, Untrusted> {
    #[derive(Deserialize)]
    struct Mget<'a> {
        #[serde(borrow)]
        docs: Option<Vec<Doc<'a>>>,
    }
    #[derive(Deserialize)]
    struct Doc<'a> {
        found: Option<bool>,
        #[serde(rename = "_source")]
        source: Option<serde_json::Value>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    let mget: Mget<'_> = serde_json::from_slice(&answer.body)
        .map_err(|error| Untrusted::NotParsed(describe(answer, &error)))?;
    let docs = mget.docs.ok_or(Untrusted::NoItems)?;
    if docs.len() != asked {
        return Err(Untrusted::Count { seen: docs.len(), sent: asked });
    }
    let one = |Doc { found, source, error }| match (found, source, error) {
        (Some(true), Some(source), None) => Held::Source(source),
        (Some(false), None, None) => Held::Missing,
        (_, _, Some(error)) => Held::Unknown(ErrorText::parse(error.get())),
        _ => Held::Unknown(ErrorText::default()),
    };
    Ok(docs.into_iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_all_good_is_told_from_all_others() {
        let item = r#"{"create":{"status":201}}"#;
        let body = |items: &[&str]| format!(r#"{{"errors":false,"items":[{}]}}"#, items.join(","));
        assert!(all_created(body(&[item]).as_bytes(), 1));
        assert!(all_created(body(&[item; 3]).as_bytes(), 3));
        for (text, sent) in [
            (body(&[item; 2]), 3),
            (body(&[item; 3]), 2),
            (body(&[item, r#"{"create":{"status":409}}"#]), 2),
            (body(&[]), 0),
            (body(&[item; 2]).replace("},{", "};{"), 2),
            (body(&[item]).replace("false", "true"), 1),
        ] {
            assert!(!all_created(text.as_bytes(), sent), "{text}");
        }
    }
}
