//! What follows when a bulk request fails as a whole: nothing is acknowledged, all is sent again.

use super::answer::ErrorText;
use super::job::Job;
use super::message::*;
use super::settle::letter;
use super::shipper::{Dispatch, Shipper};
use super::task::Task;
use super::verdict::{self, PoisonReason, Verdict, Whole};
use crate::core::Now;

/// Connections cut in mid-body at one size that are taken for a 413 which could not be read.
const CUTS_BEFORE_SPLIT: u32 = 3;

/// Below this size a cut is not taken for a matter of size.
const CUT_SPLIT_BYTES_MIN: usize = 64 << 10;

/// Refusals of a whole request for load before it is halved: a server with a small heap refuses
/// one size for ever.
const BUSY_BEFORE_SPLIT: u32 = 3;

/// A request that the server cannot read is sent again as it is once, since a torn body looks the
/// same; then it is halved. A single document is refused this often before it is poison.
const MALFORMED_BEFORE_SPLIT: u32 = 2;
const MALFORMED_BEFORE_POISON: u32 = 3;

/// Answers that cannot be believed before the request is halved.
const UNTRUSTED_BEFORE_SPLIT: u32 = 4;

impl Shipper {
    pub(super) fn whole_refused(
        &mut self,
        now: Now,
        sent: Dispatch,
        job: &mut Job,
        mut task: Task,
        answer: &HttpAnswer,
        outputs: &mut Vec<Output>,
    ) {
        let error = ErrorText::of_body(&answer.body);
        let whole = match verdict::of_whole(answer.status, &error) {
            // The only sign of a type in the path, where one was not sent.
            Whole::OtherVersion if !error.names_type() && !sent.version.needs_type() => {
                Whole::Malformed
            }
            whole => whole,
        };
        let text = format!("_bulk answers {} {error}", answer.status);
        self.counters.request(whole.as_str());
        self.counters.documents_resent.inc_by(task.documents.len() as u64);
        // Elasticsearch 9 writes a refused request in part.
        if whole != Whole::Unauthorized {
            self.note_sent(job, &task.documents);
        }
        match whole {
            Whole::Busy | Whole::Breaker => {
                self.window.congested(sent.round);
                self.host_failed(now, sent.host, &text, outputs);
                task.patience.busy += 1;
                let is_large = sent.inflated_bytes > CUT_SPLIT_BYTES_MIN;
                let is_refusal = answer.status == 429 || whole == Whole::Breaker;
                if is_refusal && is_large && task.patience.busy >= BUSY_BEFORE_SPLIT {
                    task.patience.busy = 0;
                    return self.split(job, task);
                }
                self.enqueue_at_once(job, task);
            }
            Whole::Unauthorized => {
                outputs.push(Output::ReloadCredentials);
                self.hosts.unauthorized(now, sent.host, &mut self.random);
                self.last_error = Some((now.wall_ns, text.clone()));
                self.warn(now, WarningKind::Unauthorized, sent.host, &text, outputs);
                self.enqueue_at_once(job, task);
            }
            Whole::Refused => {
                self.host_failed(now, sent.host, &text, outputs);
                self.enqueue_at_once(job, task);
            }
            Whole::OtherVersion => {
                self.hosts.forget(sent.host);
                self.host_failed(now, sent.host, &text, outputs);
                self.enqueue_at_once(job, task);
            }
            Whole::TooLarge => {
                self.hosts.succeeded(sent.host);
                self.limit.refused(now, sent.inflated_bytes);
                let said = format!("413 to {} bytes", sent.inflated_bytes);
                self.warn(now, WarningKind::TooLarge, sent.host, &said, outputs);
                if task.documents.len() > 1 {
                    return self.split(job, task);
                }
                let reason = PoisonReason::TooLarge;
                self.bury(now, job, vec![letter(task.documents[0], reason, 413, error)], outputs);
            }
            Whole::Malformed => self.malformed(now, job, task, answer.status, error, outputs),
        }
    }

    fn malformed(
        &mut self,
        now: Now,
        job: &mut Job,
        mut task: Task,
        status: u16,
        error: ErrorText,
        outputs: &mut Vec<Output>,
    ) {
        task.patience.malformed += 1;
        let seen = task.patience.malformed;
        if task.documents.len() > 1 && seen >= MALFORMED_BEFORE_SPLIT {
            task.patience.malformed = 1;
            return self.split(job, task);
        }
        if seen < MALFORMED_BEFORE_POISON {
            let due = now.after(self.wait(seen));
            return self.enqueue(due, task);
        }
        let number = task.documents[0];
        let mut letters = Vec::new();
        match verdict::of_item(status, &error) {
            Verdict::Refused => {
                self.refused(now, job, number, status, error, &mut letters, outputs);
            }
            Verdict::Poison(reason @ (PoisonReason::Limit | PoisonReason::Pipeline)) => {
                letters.push(letter(number, reason, status, error));
            }
            _ => letters.push(letter(number, PoisonReason::Malformed, status, error)),
        }
        self.bury(now, job, letters, outputs);
    }

    pub(super) fn untrusted(
        &mut self,
        now: Now,
        sent: Dispatch,
        job: &mut Job,
        mut task: Task,
        text: &str,
        outputs: &mut Vec<Output>,
    ) {
        self.note_sent(job, &task.documents);
        self.counters.documents_resent.inc_by(task.documents.len() as u64);
        self.host_failed(now, sent.host, text, outputs);
        task.patience.untrusted += 1;
        if task.patience.untrusted < UNTRUSTED_BEFORE_SPLIT {
            return self.enqueue_at_once(job, task);
        }
        task.patience.untrusted = 0;
        if task.documents.len() > 1 && sent.inflated_bytes > CUT_SPLIT_BYTES_MIN {
            return self.split(job, task);
        }
        self.enqueue_at_once(job, task);
    }

    pub(super) fn transport_failed(
        &mut self,
        now: Now,
        sent: Dispatch,
        job: &mut Job,
        mut task: Task,
        error: &TransportError,
        outputs: &mut Vec<Output>,
    ) {
        self.counters.request(error.fault.as_str());
        if error.fault == TransportFault::Cut {
            self.warn(now, WarningKind::CutFailed, job.batch.id.0, &error.text, outputs);
            for number in task.documents {
                self.pause(now, job, number, "unreadable", &error.text, outputs);
            }
            return;
        }
        if error.fault == TransportFault::AnswerTooLarge {
            return self.untrusted(now, sent, job, task, &error.text, outputs);
        }
        if error.fault == TransportFault::Tls {
            outputs.push(Output::ReloadCredentials);
        }
        if error.sent != Sent::Nothing {
            self.note_sent(job, &task.documents);
        }
        if error.fault == TransportFault::Deadline {
            self.window.congested(sent.round);
        }
        self.counters.documents_resent.inc_by(task.documents.len() as u64);
        // A server that went away may come back as another version; and asking that first is
        // cheaper than sending a batch into the void.
        self.hosts.forget(sent.host);
        self.host_failed(now, sent.host, &error.text, outputs);
        if error.sent != Sent::Nothing && error.fault == TransportFault::Closed {
            self.cut(now, sent, job, task, error, outputs);
        } else {
            task.patience.cuts = 0;
            self.enqueue_at_once(job, task);
        }
    }

    /// The connection ended in mid-body. A server that says 413 and closes looks like that from
    /// here; so does one that dies.
    fn cut(
        &mut self,
        now: Now,
        sent: Dispatch,
        job: &mut Job,
        mut task: Task,
        error: &TransportError,
        outputs: &mut Vec<Output>,
    ) {
        if task.patience.cuts == 0 {
            task.patience.successes_at_cut = self.successes;
        }
        task.patience.cuts += 1;
        let others_pass = self.successes > task.patience.successes_at_cut;
        let is_large = sent.inflated_bytes > CUT_SPLIT_BYTES_MIN;
        if task.patience.cuts < CUTS_BEFORE_SPLIT || !is_large {
            return self.enqueue_at_once(job, task);
        }
        if task.documents.len() > 1 {
            task.patience.cuts = 0;
            return self.split(job, task);
        }
        if !others_pass {
            return self.enqueue_at_once(job, task);
        }
        let error = ErrorText { reason: error.text.clone(), ..ErrorText::default() };
        let letter = letter(task.documents[0], PoisonReason::TooLarge, 0, error);
        self.bury(now, job, vec![letter], outputs);
    }

    fn split(&mut self, job: &Job, task: Task) {
        self.counters.splits.inc();
        for half in task.halves(job) {
            self.enqueue_at_once(job, half);
        }
    }
}
