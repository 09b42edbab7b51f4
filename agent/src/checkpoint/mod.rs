//! takes: receipts, journal entries
//! gives: frontiers
//! owns:  ledger, store; what other agents have kept of positions
//! never: moves a position over a gap
//!
//! Invariants:
//! * A frontier on disk is never beyond the lowest byte that is not acknowledged.
//! * What shapes a document besides its file's bytes is in the file's journal, on disk, before
//!   the document is sent.
//! * Ids at or beyond `reserved` have never been sent under this state.

mod committer;
mod import;
mod journal;
mod ledger;
mod lock;
mod probe;
mod record;
mod store;

pub use committer::{Commit, Committer, CommitterCounters};
pub use import::{Import, ImportError, ImportedPosition};
pub use journal::{Entry, Journal};
pub use ledger::Ledger;
pub use lock::{LockError, StateLock};
pub use probe::probe;
pub use record::{FileRecord, Lineage, RecordError, SourceRecord};
pub use store::{Opened, Store, StoreError};
