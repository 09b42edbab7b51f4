//! What passes between the agent of a seed and its world, so that two runs can be compared.

use std::hash::{DefaultHasher, Hash, Hasher};

use sluice::checkpoint::Commit;
use sluice::encode::Batch;
use sluice::ship::{Letter, Request, RequestKind};

use crate::server::Answer;

/// Everything that passed, in order.
#[derive(Debug, Default, Hash, PartialEq, Eq)]
pub(crate) struct Traffic(Vec<Passed>);

#[derive(Debug, Hash, PartialEq, Eq)]
struct Passed {
    mono_ns: u64,
    /// The agent's number: which one since the first start.
    life: u64,
    what: String,
    /// All bytes of it; keeping them would take more memory than the runs do.
    digest: u64,
}

impl Traffic {
    /// A request that the server takes and what it says, which is on its way from now on.
    pub(crate) fn request(&mut self, mono_ns: u64, life: u64, request: &Request, answer: &Answer) {
        let Request { id, host, kind } = request;
        let (what, sent) = match kind {
            RequestKind::Bulk { cut, version, typing } => {
                let documents = cut.keep.as_ref().map_or(cut.batch.documents.len(), |it| it.len());
                let what = format!("bulk of {documents} as {version:?}, {typing:?}");
                (what, digest(&(bytes(&cut.batch), &cut.keep)))
            }
            RequestKind::Mget { questions, version } => {
                (format!("mget as {version:?} {questions:?}"), 0)
            }
            RequestKind::Probe => ("probe".to_owned(), 0),
        };
        let (said, body) = match answer {
            Ok(answer) => (answer.status.to_string(), digest(&answer.body)),
            Err(error) => (format!("{error:?}"), 0),
        };
        let what = format!("{id:?} to host {host}: {what} -> {said}");
        self.note(mono_ns, life, what, &(sent, body));
    }

    /// A commit that reaches the store.
    pub(crate) fn commit(&mut self, mono_ns: u64, life: u64, commit: &Commit) {
        let what = format!("commit {} of {}", commit.sequence, commit.puts.len());
        self.note(mono_ns, life, what, &commit.puts);
    }

    pub(crate) fn letters(&mut self, mono_ns: u64, life: u64, batch: &Batch, letters: &[Letter]) {
        self.note(mono_ns, life, format!("dead letters {letters:?}"), &bytes(batch));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same for the same traffic, in this process and in any other.
    pub(crate) fn digest(&self) -> u64 {
        digest(&self.0)
    }

    /// Where two runs of a seed part, if they do.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let common = self.0.iter().zip(&other.0).take_while(|(one, two)| one == two).count();
        if self.0.len() == common && other.0.len() == common {
            return None;
        }
        let [one, two] = [self, other].map(|traffic| traffic.0.get(common));
        Some(format!("after {common} that are the same\n  one    {one:?}\n  other  {two:?}"))
    }

    fn note(&mut self, mono_ns: u64, life: u64, what: String, bytes: &impl Hash) {
        self.0.push(Passed { mono_ns, life, what, digest: digest(bytes) });
    }
}

/// As they go over the wire, so that the compression has to be the same too.
fn bytes(batch: &Batch) -> (u64, &[u8]) {
    (batch.id.0, &batch.body.bytes)
}

fn digest(value: &impl Hash) -> u64 {
    // Its keys are always the same ones, unlike those of a map.
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
