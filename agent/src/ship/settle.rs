//! What follows from an answer to a bulk request that can be believed item by item.

use std::sync::Arc;
use std::time::Duration;

use super::answer::{self, ErrorText, Item};
use super::job::Job;
use super::message::*;
use super::shipper::{Burial, Dispatch, Shipper};
use super::task::{Doubt, Patience, Task, Work};
use super::verdict::{self, Cause, PoisonReason, Verdict};
use super::{Outcome, WhenRefused, strangers};
use crate::core::Now;

/// Items that are refused for now are sent again this often before their target is paused, so
/// that the rest of the batch, and the worker behind it, need not wait.
const TRIES_BEFORE_PAUSE: u32 = 3;

/// The same in time.
const RETRY_PATIENCE: Duration = Duration::from_secs(2);

/// What the items of one answer came to.
#[derive(Default)]
struct Sorted {
    retry: Vec<u32>,
    large: Vec<u32>,
    /// Their index has a mapping type of its own.
    strangers: Vec<u32>,
    doubts: Vec<Doubt>,
    letters: Vec<Letter>,
    /// By index of the batch: some document was taken.
    taken: Vec<bool>,
    acked: u64,
    is_busy: bool,
    text: String,
}

impl Shipper {
    pub(super) fn bulk_answered(
        &mut self,
        now: Now,
        sent: Dispatch,
        task: Task,
        result: Result<HttpAnswer, TransportError>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(mut job) = self.jobs.remove(&task.job) else { return };
        match result {
            Ok(answer) if (200..300).contains(&answer.status) => {
                match answer::items(&answer, task.documents.len()) {
                    Ok(items) => self.items_answered(now, sent, &mut job, &task, items, outputs),
                    Err(error) => {
                        self.counters.request("untrusted");
                        let text = error.to_string();
                        self.warn(now, WarningKind::AnswerUntrusted, sent.host, &text, outputs);
                        self.untrusted(now, sent, &mut job, task, &text, outputs);
                    }
                }
            }
            Ok(answer) => self.whole_refused(now, sent, &mut job, task, &answer, outputs),
            Err(error) => self.transport_failed(now, sent, &mut job, task, &error, outputs),
        }
        self.jobs.insert(job.batch.id, job);
    }

    fn items_answered(
        &mut self,
        now: Now,
        sent: Dispatch,
        job: &mut Job,
        task: &Task,
        items: Vec<Item>,
        outputs: &mut Vec<Output>,
    ) {
        let sorted = self.sort(now, sent, job, task, items, outputs);
        let is_partial = sorted.acked < task.documents.len() as u64;
        self.counters.request(if is_partial { "partial" } else { "ok" });
        self.hosts.succeeded(sent.host);
        self.limit.accepted(sent.inflated_bytes);
        self.successes += 1;
        if sorted.is_busy {
            self.window.congested(sent.round);
        } else {
            self.window.went_well();
        }
        if sorted.acked > 0 {
            self.counters.documents_acked.inc_by(sorted.acked);
            self.counters.last_success_seconds.set(now.wall_ns as f64 / 1e9);
            self.last_success_wall_ns = Some(now.wall_ns);
        }
        let taken = job.batch.indices.iter().zip(&sorted.taken).filter(|it| *it.1);
        taken.for_each(|(index, _)| self.targets.taken(index));

        let Sorted { retry, large, strangers, doubts, letters, text, .. } = sorted;
        self.retry_items(now, job, task, retry, &text, outputs);
        let lone = |documents: Vec<u32>| Task { documents, ..task.clone() };
        for document in large {
            self.enqueue_at_once(job, lone(vec![document]));
        }
        if !strangers.is_empty() {
            self.enqueue_at_once(job, lone(strangers));
        }
        if !doubts.is_empty() {
            let documents = doubts.iter().map(|it| it.document).collect();
            let work = Work::Compare(doubts);
            let patience = Patience::default();
            self.enqueue_at_once(job, Task { job: task.job, documents, work, patience });
        }
        self.bury(now, job, letters, outputs);
    }

    /// Settles what can be settled at once and sorts the rest by what is to be done.
    fn sort(
        &mut self,
        now: Now,
        sent: Dispatch,
        job: &mut Job,
        task: &Task,
        items: Vec<Item>,
        outputs: &mut Vec<Output>,
    ) -> Sorted {
        let mut sorted =
            Sorted { taken: vec![false; job.batch.indices.len()], ..Sorted::default() };
        for (number, Item { status, error }) in task.documents.iter().copied().zip(items) {
            let document = job.batch.documents[number as usize];
            let error = error.map(|it| *it).unwrap_or_default();
            if strangers::is_one(sent, &error) {
                self.strangers.note(&index_of(job, number));
                sorted.strangers.push(number);
                continue;
            }
            match verdict::of_item(status, &error) {
                Verdict::Acked => {
                    job.settle(number, Outcome::Acked);
                    sorted.taken[usize::from(document.index)] = true;
                    sorted.acked += 1;
                }
                Verdict::Conflict if self.is_believed(now, job, number, outputs) => {
                    job.settle(number, Outcome::Acked);
                    sorted.taken[usize::from(document.index)] = true;
                    sorted.acked += 1;
                }
                Verdict::Conflict => {
                    let (prefix, offset) = job.place(number);
                    self.marks.doubt(prefix, offset);
                    let named = Arc::clone(&job.batch.indices[usize::from(document.index)]);
                    let index = error.index.map_or(named, Into::into);
                    sorted.doubts.push(Doubt { document: number, index });
                }
                Verdict::Retry => {
                    sorted.is_busy |= status == 429;
                    if sorted.text.is_empty() {
                        sorted.text = format!("{status} {error}");
                    }
                    sorted.retry.push(number);
                }
                Verdict::TooLarge if task.documents.len() > 1 => sorted.large.push(number),
                Verdict::TooLarge => {
                    sorted.letters.push(letter(number, PoisonReason::TooLarge, status, error));
                }
                Verdict::Refused => {
                    let letters = &mut sorted.letters;
                    self.refused(now, job, number, status, error, letters, outputs);
                }
                Verdict::Poison(reason) => {
                    sorted.letters.push(letter(number, reason, status, error));
                }
            }
        }
        // What is in doubt or had the wrong type was not written by us: sent once more, that is a
        // first attempt still.
        let doubts: Vec<u32> = sorted.doubts.iter().map(|it| it.document).collect();
        let is_sent = |it: &&u32| {
            doubts.binary_search(it).is_err() && sorted.strangers.binary_search(it).is_err()
        };
        let written: Vec<u32> = task.documents.iter().filter(is_sent).copied().collect();
        self.note_sent(job, &written);
        sorted
    }

    /// Whether a document that exists already can only be this one.
    fn is_believed(&mut self, now: Now, job: &Job, number: u32, outputs: &mut Vec<Output>) -> bool {
        let document = job.batch.documents[number as usize];
        let at = usize::from(document.slice);
        let slice = &job.batch.slices[at];
        let is_earlier_batch = job.believed_below.get(at).is_some_and(|it| document.offset < *it);
        if job.sent[number as usize] || is_earlier_batch {
            self.counters.conflict("resent");
            return true;
        }
        if document.offset < slice.believed_below {
            self.counters.conflict("earlier_run");
            return true;
        }
        self.counters.conflicts_on_first_attempt.inc();
        if self.marks.mark(slice.prefix).verified {
            self.counters.conflict("verified");
            return true;
        }
        let text = format!("offset {} exists although never sent", document.offset);
        self.warn(now, WarningKind::ConflictOnFirstAttempt, &slice.name, text, outputs);
        false
    }

    /// Its target refuses: a pause, or by policy and after long enough a dead letter.
    #[expect(clippy::too_many_arguments, reason = "all of one item, and where it goes")]
    pub(super) fn refused(
        &mut self,
        now: Now,
        job: &mut Job,
        number: u32,
        status: u16,
        error: ErrorText,
        letters: &mut Vec<Letter>,
        outputs: &mut Vec<Output>,
    ) {
        let index = index_of(job, number);
        let refusing_for = self.targets.refusing_for(now, &index);
        match self.settings.when_refused {
            WhenRefused::DeadLetter { after } if refusing_for >= after => {
                letters.push(letter(number, PoisonReason::TargetRefused, status, error));
            }
            _ => self.pause(now, job, number, "refused", &format!("{status} {error}"), outputs),
        }
    }

    /// Settles a document as paused, and pauses its index if it is not yet.
    pub(super) fn pause(
        &mut self,
        now: Now,
        job: &mut Job,
        number: u32,
        reason: &'static str,
        text: &str,
        outputs: &mut Vec<Output>,
    ) {
        let index = index_of(job, number);
        if self.targets.paused_until(now, &index).is_none() {
            self.counters.pause(reason);
            self.warn(now, WarningKind::TargetPaused, &index, text, outputs);
        }
        let until_mono_ns = self.targets.refuse(now, &index, text, &mut self.random);
        job.settle(number, Outcome::Paused { index, until_mono_ns });
    }

    /// Sends items again that were refused for now, or pauses their targets.
    pub(super) fn retry_items(
        &mut self,
        now: Now,
        job: &mut Job,
        task: &Task,
        documents: Vec<u32>,
        text: &str,
        outputs: &mut Vec<Output>,
    ) {
        if documents.is_empty() {
            return;
        }
        let tries = task.patience.tries + 1;
        let since = task.patience.since.unwrap_or(now.mono_ns);
        if tries >= TRIES_BEFORE_PAUSE || now.since(since) >= RETRY_PATIENCE {
            for number in documents {
                self.pause(now, job, number, "busy", text, outputs);
            }
            return;
        }
        self.counters.items_retried.inc_by(documents.len() as u64);
        let patience = Patience { tries, since: Some(since), ..task.patience };
        let due = now.after(self.wait(tries));
        self.enqueue(due, Task { job: task.job, documents, work: Work::Bulk, patience });
    }

    /// Orders dead letters. They are settled when they are on disk.
    pub(super) fn bury(
        &mut self,
        now: Now,
        job: &mut Job,
        mut letters: Vec<Letter>,
        outputs: &mut Vec<Output>,
    ) {
        letters.retain(|it| {
            let (prefix, offset) = job.place(it.document);
            let is_there = self.buried.holds(prefix, offset);
            if is_there {
                job.settle(it.document, Outcome::Acked);
            }
            !is_there
        });
        let Some(first) = letters.first() else { return };
        let index = index_of(job, first.document);
        let Cause { status, kind, text, .. } = &first.cause;
        let text = format!("{} documents: {status} {kind}: {text}", letters.len());
        self.warn(now, WarningKind::DeadLetter, index, text, outputs);
        self.next_letter += 1;
        let letter = LetterId(self.next_letter);
        let (batch, documents) = (Arc::clone(&job.batch), letters.clone());
        self.burials.insert(letter, Burial { job: batch.id, letters });
        outputs.push(Output::WriteDeadLetter { letter, batch, documents });
    }

    /// A store that is full or fails pauses the targets: nothing is dropped.
    pub(super) fn buried(
        &mut self,
        now: Now,
        letter: LetterId,
        result: Result<(), LetterFailure>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(Burial { job: id, letters }) = self.burials.remove(&letter) else { return };
        let Some(mut job) = self.jobs.remove(&id) else { return };
        if let Err(failure) = result {
            self.counters.dead_letter_failures.inc();
            let text = failure.as_str();
            self.warn(now, WarningKind::DeadLetterStoreFails, text, text, outputs);
        }
        for Letter { document, cause } in letters {
            match result {
                Ok(()) => {
                    self.counters.dead_letter(cause.reason.as_str());
                    let (prefix, offset) = job.place(document);
                    self.buried.note(prefix, offset);
                    job.settle(document, Outcome::Acked);
                }
                Err(failure) => {
                    let text = failure.as_str();
                    self.pause(now, &mut job, document, "dead_letters", text, outputs);
                }
            }
        }
        self.jobs.insert(id, job);
    }
}

fn index_of(job: &Job, number: u32) -> Arc<str> {
    Arc::clone(&job.batch.indices[usize::from(job.batch.documents[number as usize].index)])
}

pub(super) fn letter(document: u32, reason: PoisonReason, status: u16, error: ErrorText) -> Letter {
    let ErrorText { kind, reason: text, cause, index: _ } = error;
    let text = if cause.is_empty() { text } else { format!("{text} ({cause})") };
    Letter { document, cause: Cause { reason, status, kind, text } }
}
