//! Compares what was written with what arrived.
//!
//! takes: a [`Ledger`] and documents, from the stand-in or from a real server
//! gives: a [`Summary`]: missing, doubled, corrupt, out of order, foreign
//! owns: nothing but counts
//! never: asks `docker logs`, which itself loses lines

mod received;
mod remote;
mod summary;

pub use received::Received;
pub use remote::from_url;
pub use summary::{SourceSummary, Summary};

use crate::load::ledger::Ledger;

/// One document as a receiver shows it.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub id: &'a str,
    pub message: &'a [u8],
    /// The sortable key, if there is one.
    pub order: Option<&'a [u8]>,
}

/// Compares documents of any origin with the ledger.
pub fn documents<'a>(
    ledger: &Ledger,
    documents: impl IntoIterator<Item = Document<'a>>,
) -> Summary {
    let mut received = Received::new();
    for document in documents {
        received.take(document.message, document.order);
    }
    compare(ledger, &received)
}

pub fn compare(ledger: &Ledger, received: &Received) -> Summary {
    Summary::new(ledger, received)
}

/// The sortable key of a document in any of the shapes that the agent makes: `log.order`, or
/// `order` at the top.
pub fn order_of(source: &[u8]) -> Option<Vec<u8>> {
    let raw = crate::json::find(source, &["log", "order"])
        .or_else(|| crate::json::find(source, &["order"]))?;
    crate::json::string(raw).map(std::borrow::Cow::into_owned)
}

/// The message of a document: `message`, or `log` where that is the text (log-pilot's shape).
pub fn message_of(source: &[u8]) -> Option<Vec<u8>> {
    ["message", "log"].iter().find_map(|field| {
        let raw = crate::json::find(source, &[field])?;
        crate::json::string(raw).map(std::borrow::Cow::into_owned)
    })
}
