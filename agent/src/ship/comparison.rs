//! Conflicts that nobody can explain: the document is read back and compared (D3).
//!
//! A 409 to an id that neither this process nor an earlier run of this state can have sent means
//! that the state was lost, or that two files share a prefix. The first such document of each
//! file is asked for. If the server holds the same one, the file is ours and all its conflicts
//! are believed from then on; if it holds another, the file needs a new generation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::answer::{self, Held};
use super::job::Job;
use super::message::*;
use super::shipper::{Dispatch, Shipper};
use super::task::{Doubt, Patience, Task, Work};
use super::{Outcome, apart};
use crate::core::limits::DOCUMENT_ID_BYTES;
use crate::core::{IdPrefix, Now};

/// Questions that may fail before the targets are paused and the batch goes on without them.
const TRIES_BEFORE_PAUSE: u32 = 3;

/// The same in time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first doubt of each file: the answer to it decides for the others.
fn firsts<'a>(job: &Job, doubts: &'a [Doubt]) -> BTreeMap<IdPrefix, &'a Doubt> {
    let mut firsts = BTreeMap::new();
    for doubt in doubts {
        firsts.entry(job.place(doubt.document).0).or_insert(doubt);
    }
    firsts
}

/// What is asked, in the order of [`firsts`].
pub(super) fn questions(job: &Job, doubts: &[Doubt]) -> Vec<Question> {
    let question = |(prefix, doubt): (IdPrefix, &Doubt)| {
        let (_, offset) = job.place(doubt.document);
        Question { index: Arc::clone(&doubt.index), id: document_id(prefix, offset) }
    };
    firsts(job, doubts).into_iter().map(question).collect()
}

/// Prefix and offset, as the encode room writes them.
pub(super) fn document_id(prefix: IdPrefix, offset: u64) -> String {
    let id = format!("{}{offset:011x}", prefix.as_str());
    debug_assert_eq!(id.len(), DOCUMENT_ID_BYTES);
    id
}

impl Shipper {
    pub(super) fn compared(
        &mut self,
        now: Now,
        sent: Dispatch,
        mut task: Task,
        doubts: &[Doubt],
        result: Result<HttpAnswer, TransportError>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(mut job) = self.jobs.remove(&task.job) else { return };
        let firsts = firsts(&job, doubts);
        match self.read_held(now, sent, firsts.len(), result, outputs) {
            Ok(held) => {
                let held: Vec<_> = firsts.into_iter().zip(held).collect();
                self.judge(now, &mut job, &task, held, outputs);
            }
            Err(text) => {
                task.patience.tries += 1;
                let since = *task.patience.since.get_or_insert(now.mono_ns);
                let is_long = now.since(since) >= PATIENCE;
                if task.patience.tries >= TRIES_BEFORE_PAUSE || is_long {
                    for number in task.documents {
                        self.pause(now, &mut job, number, "unreadable", &text, outputs);
                    }
                } else {
                    let due = now.after(self.wait(task.patience.tries));
                    self.enqueue(due, task);
                }
            }
        }
        self.jobs.insert(job.batch.id, job);
    }

    fn read_held(
        &mut self,
        now: Now,
        sent: Dispatch,
        asked: usize,
        result: Result<HttpAnswer, TransportError>,
        outputs: &mut Vec<Output>,
    ) -> Result<Vec<Held>, String> {
        let answer = match result {
            Ok(answer) => answer,
            Err(error) => {
                self.counters.request(error.fault.as_str());
                self.hosts.forget(sent.host);
                self.host_failed(now, sent.host, &error.text, outputs);
                return Err(error.text);
            }
        };
        match answer.status {
            200 => {
                let held = answer::held(&answer, asked).map_err(|error| error.to_string());
                self.counters.request(if held.is_ok() { "ok" } else { "untrusted" });
                self.hosts.succeeded(sent.host);
                held
            }
            status => {
                let error = answer::ErrorText::of_body(&answer.body);
                let text = format!("_mget answers {status} {error}");
                if matches!(status, 401 | 403) {
                    outputs.push(Output::ReloadCredentials);
                }
                if matches!(status, 429 | 500..) {
                    self.window.congested(sent.round);
                    self.host_failed(now, sent.host, &text, outputs);
                }
                self.counters.request("refused");
                Err(text)
            }
        }
    }

    fn judge(
        &mut self,
        now: Now,
        job: &mut Job,
        task: &Task,
        held: Vec<((IdPrefix, &Doubt), Held)>,
        outputs: &mut Vec<Output>,
    ) {
        let numbers: Vec<u32> = held.iter().map(|((_, doubt), _)| doubt.document).collect();
        let ours = match apart::sources(&job.batch, &numbers) {
            Ok(ours) => ours,
            Err(error) => {
                let text = error.to_string();
                self.warn(now, WarningKind::CutFailed, job.batch.id.0, &text, outputs);
                for number in &task.documents {
                    self.pause(now, job, *number, "unreadable", &text, outputs);
                }
                return;
            }
        };
        for (((prefix, doubt), held), ours) in held.into_iter().zip(ours) {
            let of_file = |it: &&u32| job.place(**it).0 == prefix;
            let documents: Vec<u32> = task.documents.iter().filter(of_file).copied().collect();
            match held {
                Held::Source(theirs) if is_same(&ours, &theirs) => {
                    self.counters.conflict("compared_same");
                    self.marks.verify(prefix);
                    self.counters.documents_acked.inc_by(documents.len() as u64);
                    for number in documents {
                        if number != doubt.document {
                            self.counters.conflict("verified");
                        }
                        job.settle(number, Outcome::Acked);
                    }
                }
                Held::Source(_) => {
                    self.counters.conflict("compared_different");
                    self.counters.collisions.inc();
                    let number = doubt.document as usize;
                    let name = job.batch.slices[usize::from(job.batch.documents[number].slice)]
                        .name
                        .to_string();
                    let offset = job.batch.documents[number].offset;
                    let text = format!("another document under the id of offset {offset}");
                    self.warn(now, WarningKind::Collided, name, text, outputs);
                    for number in documents {
                        job.settle(number, Outcome::Collided);
                    }
                }
                Held::Missing => {
                    self.counters.conflict("vanished");
                    let text = "answered 409, then not found";
                    self.retry_items(now, job, task, documents, text, outputs);
                }
                Held::Unknown(error) => {
                    let text = format!("_mget: {error}");
                    self.ask_again(now, job, task, documents, &text, outputs);
                }
            }
        }
    }

    fn ask_again(
        &mut self,
        now: Now,
        job: &mut Job,
        task: &Task,
        documents: Vec<u32>,
        text: &str,
        outputs: &mut Vec<Output>,
    ) {
        let tries = task.patience.tries + 1;
        if tries >= TRIES_BEFORE_PAUSE {
            for number in documents {
                self.pause(now, job, number, "unreadable", text, outputs);
            }
            return;
        }
        let Work::Compare(doubts) = &task.work else { return };
        let is_open = |it: &&Doubt| documents.binary_search(&it.document).is_ok();
        let doubts = doubts.iter().filter(is_open).cloned().collect();
        let patience = Patience { tries, ..task.patience };
        let due = now.after(self.wait(tries));
        self.enqueue(due, Task { job: task.job, documents, work: Work::Compare(doubts), patience });
    }
}

/// Whether the document that the server holds is the one that was sent: the same offset and the
/// same text. A pipeline or a synthetic source may have moved and added fields, so these two
/// decide; a text that a pipeline has taken away is not missed if the offset is there.
pub(super) fn is_same(ours: &[u8], theirs: &Value) -> bool {
    let Ok(ours) = serde_json::from_slice::<Value>(ours) else { return false };
    if ours == *theirs {
        return true;
    }
    let same = |paths: &[&[&str]]| -> Option<bool> {
        let ours = paths.iter().find_map(|it| at(&ours, it))?;
        let theirs = paths.iter().find_map(|it| at(theirs, it))?;
        Some(ours == theirs)
    };
    let offset = same(&[&["log", "offset"], &["log.offset"], &["offset"]]);
    let text = same(&[&["message"], &["log"], &["event", "original"]]);
    match (offset, text) {
        (Some(offset), text) => offset && text != Some(false),
        (None, text) => text == Some(true),
    }
}

fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    let found = path.iter().try_fold(value, |value, key| value.get(key))?;
    // `log` is a string in one shape and an object in the other.
    Some(found).filter(|it| !it.is_object())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: &str, theirs: &str, expect: bool) {
        let held = serde_json::from_str(theirs).expect("valid JSON");
        assert_eq!(is_same(ours.as_bytes(), &held), expect, "{ours} / {theirs}");
    }

    #[test]
    fn documents_are_compared_by_offset_and_text() {
        let ours = r#"{"message":"a","log":{"offset":5},"x":1}"#;
        check(ours, ours, true);
        check(ours, r#"{"log":{"offset":5},"message":"a","host":{"name":"n"}}"#, true);
        check(ours, r#"{"log.offset":5,"message":"a"}"#, true);
        check(ours, r#"{"log":{"offset":6},"message":"a"}"#, false);
        check(ours, r#"{"log":{"offset":5},"message":"b"}"#, false);
        check(ours, r#"{"log":{"offset":5}}"#, true);
        check(ours, r#"{"message":"a"}"#, true);
        check(ours, "{}", false);
        let pilot = r#"{"log":"a\n","offset":5,"stream":"stdout"}"#;
        check(pilot, r#"{"log":"a\n","offset":5}"#, true);
        check(pilot, r#"{"log":"b\n","offset":5}"#, false);
        check(pilot, r#"{"log":"a\n","offset":7}"#, false);
    }

    #[test]
    fn ids_are_prefix_and_eleven_hex_digits() {
        assert_eq!(document_id(IdPrefix(*b"AAAABBBBCCCCDDDD"), 255), "AAAABBBBCCCCDDDD000000000ff");
    }
}
