//! What goes into the state machine and what comes out of it.

use std::sync::Arc;

use bytes::Bytes;

use super::version::ServerVersion;
use super::{Cause, Receipt};
use crate::encode::Batch;

/// One request of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// One order to the dead-letter store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LetterId(pub u64);

#[derive(Debug)]
pub enum Input {
    /// Sealed documents to be delivered.
    Batch(Batch),
    /// What became of a request.
    Answer { request: RequestId, result: Result<HttpAnswer, TransportError> },
    /// What became of an order to the dead-letter store.
    DeadLetterWritten { letter: LetterId, result: Result<(), LetterFailure> },
    /// Credentials or certificates were loaded anew: what was refused may be tried at once.
    CredentialsChanged,
    /// The agent ends: waits are not taken up again, the driver stops when all is settled.
    Drain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    /// As the server wrote it; empty without one.
    pub content_type: String,
    pub body: Bytes,
}

/// No answer, or none that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportError {
    pub fault: TransportFault,
    pub sent: Sent,
    /// For the log: the chain of causes, on one line.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportFault {
    /// Name not found, refused, unreachable.
    Connect,
    /// The certificate of the server, or ours, was not accepted.
    Tls,
    /// A phase took longer than its deadline.
    Deadline,
    /// The connection ended before the answer did.
    Closed,
    /// The answer is larger than is read.
    AnswerTooLarge,
    /// The batch could not be taken apart; the fault is on this side.
    Cut,
}

/// How much of the request may have reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sent {
    /// Nothing: the server cannot have written any of it.
    Nothing,
    /// A part of the body.
    Part,
    /// All of it.
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterFailure {
    /// The store has reached its cap.
    Full,
    /// The disk failed.
    Failed,
}

#[derive(Clone, Debug)]
pub enum Output {
    Request(Request),
    Receipt {
        worker: usize,
        receipt: Receipt,
    },
    /// To be on disk before [`Input::DeadLetterWritten`] says so.
    WriteDeadLetter {
        letter: LetterId,
        batch: Arc<Batch>,
        documents: Vec<Letter>,
    },
    /// Read the files of credentials again; answered by [`Input::CredentialsChanged`] if they
    /// differ.
    ReloadCredentials,
    /// For the log; rate-limited here.
    Warn(Warning),
}

#[derive(Clone, Debug)]
pub struct Request {
    pub id: RequestId,
    /// Into the configured hosts.
    pub host: usize,
    pub kind: RequestKind,
}

#[derive(Clone, Debug)]
pub enum RequestKind {
    /// `POST _bulk`. The version says in which form.
    Bulk { cut: Cut, version: ServerVersion, typing: Typing },
    /// `POST _mget`: what does the server hold under these ids?
    Mget { questions: Vec<Question>, version: ServerVersion },
    /// `GET /`: which server is this?
    Probe,
}

/// Under which mapping type documents go to a server that has such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typing {
    /// The one that an index gets which is not there yet.
    Configured,
    /// The one that the index has.
    OfIndex,
}

/// The documents of a batch that a request carries.
#[derive(Clone, Debug)]
pub struct Cut {
    pub batch: Arc<Batch>,
    /// Numbers of the documents, rising; `None` is the whole batch as it was sealed.
    pub keep: Option<Arc<[u32]>>,
}

/// One document that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub index: Arc<str>,
    pub id: String,
}

/// One document that becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Into the batch's documents.
    pub document: u32,
    pub cause: Cause,
}

/// A fact for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub kind: WarningKind,
    /// The host's number, the index or the file that it is about.
    pub subject: String,
    /// What the server said, cut short.
    pub text: String,
    /// How many of this kind and subject were not told since the last one.
    pub suppressed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WarningKind {
    HostFails,
    Unauthorized,
    AnswerUntrusted,
    TargetPaused,
    DeadLetter,
    DeadLetterStoreFails,
    TooLarge,
    ConflictOnFirstAttempt,
    Collided,
    VersionUnknown,
    CutFailed,
}

impl TransportFault {
    /// The label that it is counted under.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Deadline => "deadline",
            Self::Closed => "closed",
            Self::AnswerTooLarge => "answer_too_large",
            Self::Cut => "cut",
        }
    }
}

impl LetterFailure {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "the dead-letter store is full",
            Self::Failed => "the dead-letter store cannot write",
        }
    }
}

impl WarningKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HostFails => "host fails",
            Self::Unauthorized => "host refuses the credentials",
            Self::AnswerUntrusted => "answer is not believed",
            Self::TargetPaused => "index refuses and is paused",
            Self::DeadLetter => "documents are refused for good and become dead letters",
            Self::DeadLetterStoreFails => "dead letters cannot be kept",
            Self::TooLarge => "request is too large for the server",
            Self::ConflictOnFirstAttempt => "document exists although it was never sent",
            Self::Collided => "another document has this id; the file gets new ones",
            Self::VersionUnknown => "version of the server is not known",
            Self::CutFailed => "batch cannot be taken apart",
        }
    }
}
