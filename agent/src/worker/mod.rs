//! takes: what to follow, news, receipts, commits
//! gives: batches, commits, declared losses
//! owns:  its sources; the running of read → decode → encode to completion on one thread
//! never: blocks; decides a boundary, an id or a target that is not in a file or its journal
//!
//! Invariants:
//! * A batch leaves only when the journal entries and the reserved mark that it needs are on disk.
//! * A source's ledger holds its marks in the order of reading; its frontier passes no gap.
//! * A rewind bumps the source's epoch, and a receipt of an older epoch moves nothing.
//! * Sources take turns of one chunk.

mod blocked;
mod commit;
mod counters;
mod ends;
mod family;
mod file;
mod follow;
mod late;
mod open;
mod receipt;
mod sink;
mod source;
mod step;
mod thread;
mod turn;

pub use counters::{LossLabel, Losses, ReasonLabel, WorkerCounters};
pub use source::Position;
pub use step::{Worker, WorkerSettings};
pub use thread::{Inbox, WorkerThread};

use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;

use crossbeam_channel::Sender;

use crate::checkpoint::{Commit, SourceRecord};
use crate::core::{LossReason, Origin, SourceKey, SourceToken};
use crate::decode::Format;
use crate::encode::{Batch, Tapped, Target};
use crate::read::{Begin, Directory};
use crate::ship::Receipt;
use crate::watch::News;

/// A source to follow from now on.
#[derive(Debug)]
pub struct Follow {
    pub source: SourceToken,
    pub key: SourceKey,
    pub directory: Directory,
    /// Name of the file that is being written.
    pub current: String,
    pub format: Format,
    /// The path that documents name: of the log, not of the file that it was rotated to, since a
    /// document must not depend on when it was read. The host's for a runtime log, and the
    /// container's own for a file in a container.
    pub path: String,
    pub origin: Origin,
    /// Today's rules; a file's journal may hold older ones for its older bytes.
    pub target: Arc<Target>,
    /// Files that were opened before their names could go.
    pub opened: Vec<(String, File)>,
    /// What the store knows of it.
    pub record: Option<SourceRecord>,
    /// Where to begin if the store knows nothing.
    pub begin: Begin,
    /// The container has ended already.
    pub ended: bool,
}

/// A log on a volume, whose container was replaced.
#[derive(Debug)]
pub struct Takeover {
    pub source: SourceToken,
    pub directory: Directory,
    pub current: String,
    pub origin: Origin,
    pub target: Arc<Target>,
    pub ended: bool,
}

/// What a worker is told.
#[derive(Debug)]
pub enum Input {
    Follow(Box<Follow>),
    News(News),
    /// More files of a followed source that were opened early.
    Opened(SourceToken, Vec<(String, File)>),
    /// The container ended (its log is complete), or runs again.
    Ended(SourceToken, bool),
    /// Container and log are deleted.
    Removed(SourceToken),
    /// The container is deleted, and its log may stay and be another's. If what it lies on is
    /// deleted too, that is the end of it.
    Orphaned(SourceToken),
    /// The log has another container now.
    Taken(Box<Takeover>),
    /// Its container is gone and the log is not: what is there is delivered, and its positions
    /// stay in the store.
    Left(SourceToken),
    Receipt(Receipt),
    /// The commit with this sequence number is on disk.
    Committed(u64),
    /// Where everything stands.
    Positions(Sender<Vec<Position>>),
    /// What has gone by of some sources since this onlooker asked last; no answer if too many look
    /// on.
    Tap {
        id: u64,
        sources: HashSet<SourceToken>,
        reply: Sender<Tapped>,
    },
    /// Seal what is open, send it, and take no more turns.
    Drain,
}

/// What a worker wants done.
#[derive(Debug)]
pub enum Output {
    Send(Batch),
    Commit(Commit),
    Lost(Loss),
    /// Everything of a source that was removed or left is delivered, and it is followed no more.
    /// What the store knows of it, if that is kept.
    Gone(SourceToken, Option<Box<SourceRecord>>),
}

/// A declared loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub source: SourceKey,
    pub container: String,
    pub file: String,
    pub reason: LossReason,
    /// Offsets in the file, where they are known.
    pub from: u64,
    pub to: Option<u64>,
}
