//! The state machine: what is sent where and when, and what each answer means for the batches.
//!
//! This file takes batches in and sends work out. What follows from an answer to a bulk request
//! stands in `settle.rs` and `failure.rs`, from one to `_mget` in `comparison.rs`.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::Random;
use super::buried::Buried;
use super::hosts::Hosts;
use super::job::Job;
use super::limit::SizeLimit;
use super::marks::Marks;
use super::message::*;
use super::settings::ShipSettings;
use super::strangers::Strangers;
use super::targets::Targets;
use super::task::{Task, Work};
use super::version::ServerVersion;
use super::warnings::Warnings;
use super::window::Window;
use super::{Counters, Outcome, comparison};
use crate::core::{BatchId, Now};
use crate::encode::{Batch, Slice};

/// Delivers batches to a cluster that speaks `_bulk`.
#[derive(Debug)]
pub struct Shipper {
    pub(super) settings: ShipSettings,
    pub(super) random: Random,
    pub(super) counters: Counters,
    pub(super) jobs: BTreeMap<BatchId, Job>,
    /// By the time when it is due. What was due at once keeps the place of its batch when it has
    /// to be sent again, so that the oldest goes first.
    queue: BTreeMap<(u64, BatchId, u64), Task>,
    flights: BTreeMap<RequestId, Flight>,
    pub(super) burials: BTreeMap<LetterId, Burial>,
    pub(super) buried: Buried,
    pub(super) hosts: Hosts,
    pub(super) window: Window,
    pub(super) limit: SizeLimit,
    pub(super) marks: Marks,
    pub(super) targets: Targets,
    /// Indices of another mapping type than the configured one.
    pub(super) strangers: Strangers,
    pub(super) warnings: Warnings,
    /// Requests that went well since the start.
    pub(super) successes: u64,
    pub(super) last_success_wall_ns: Option<i64>,
    pub(super) last_error: Option<(i64, String)>,
    next_request: u64,
    pub(super) next_letter: u64,
    next_turn: u64,
    draining: bool,
}

/// A request that is open.
#[derive(Debug)]
struct Flight {
    host: usize,
    what: Errand,
}

#[derive(Debug)]
enum Errand {
    Probe,
    Task { task: Task, sent: Dispatch },
}

/// How a task was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dispatch {
    pub(super) host: usize,
    pub(super) version: ServerVersion,
    /// The round of the window.
    pub(super) round: u64,
    pub(super) inflated_bytes: usize,
    pub(super) typing: Typing,
}

/// Documents on their way to the dead-letter store.
#[derive(Debug)]
pub(super) struct Burial {
    pub(super) job: BatchId,
    pub(super) letters: Vec<Letter>,
}

impl Shipper {
    /// The seed spreads the waits; nodes of a fleet need different ones.
    pub fn new(settings: ShipSettings, seed: u64) -> Self {
        let ShipSettings { hosts, backoff_first, backoff_max, pause_first, pause_max, .. } =
            settings;
        Self {
            hosts: Hosts::new(hosts, backoff_first, backoff_max),
            window: Window::new(settings.requests_in_flight_max),
            limit: SizeLimit::new(settings.request_bytes_max),
            targets: Targets::new(pause_first, pause_max),
            random: Random::new(seed),
            counters: Counters::default(),
            jobs: BTreeMap::new(),
            queue: BTreeMap::new(),
            flights: BTreeMap::new(),
            burials: BTreeMap::new(),
            buried: Buried::default(),
            marks: Marks::default(),
            strangers: Strangers::default(),
            warnings: Warnings::default(),
            successes: 0,
            last_success_wall_ns: None,
            last_error: None,
            next_request: 0,
            next_letter: 0,
            next_turn: 0,
            draining: false,
            settings,
        }
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether every batch has its receipt.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether the end was asked for and nothing is left to do.
    pub fn is_drained(&self) -> bool {
        self.draining && self.is_idle()
    }

    /// What is known, for readiness and the status page.
    pub fn health(&self, now: Now) -> super::Health {
        let owned = |(index, text): (&str, &str)| (index.to_owned(), text.to_owned());
        super::Health {
            last_success_wall_ns: self.last_success_wall_ns,
            last_error: self.last_error.clone(),
            batches: self.jobs.len(),
            requests: self.flights.len(),
            paused: self.targets.paused(now).map(owned).collect(),
            ended: None,
        }
    }

    /// Takes what has happened, says what is to be done, and when to call again at the latest
    /// (monotonic nanoseconds; `None` if only an input can change anything).
    pub fn step(
        &mut self,
        now: Now,
        inputs: impl IntoIterator<Item = Input>,
        outputs: &mut Vec<Output>,
    ) -> Option<u64> {
        for input in inputs {
            match input {
                Input::Batch(batch) => self.accept(now, batch),
                Input::Answer { request, result } => self.answered(now, request, result, outputs),
                Input::DeadLetterWritten { letter, result } => {
                    self.buried(now, letter, result, outputs);
                }
                Input::CredentialsChanged => self.hosts.forgive(),
                Input::Drain => self.draining = true,
            }
        }
        self.dispatch(now, outputs);
        self.give_receipts(outputs);
        self.show(now);
        self.next_wake(now)
    }

    fn accept(&mut self, now: Now, batch: Batch) {
        let (id, count) = (batch.id, batch.documents.len());
        let before = self.jobs.insert(id, Job::new(batch, now.mono_ns));
        assert!(before.is_none(), "{id:?} was sent twice");
        if count > 0 {
            self.enqueue(now.mono_ns, Task::all_of(id, count));
        }
    }

    pub(super) fn enqueue(&mut self, due: u64, task: Task) {
        debug_assert!(!task.documents.is_empty());
        self.next_turn += 1;
        self.queue.insert((due, task.job, self.next_turn), task);
    }

    /// To be sent as soon as there is a host, before all that came later.
    pub(super) fn enqueue_at_once(&mut self, job: &Job, task: Task) {
        self.enqueue(job.arrived_mono_ns, task);
    }

    fn dispatch(&mut self, now: Now, outputs: &mut Vec<Output>) {
        while let Some((key, _)) = self.queue.first_key_value().filter(|it| it.0.0 <= now.mono_ns) {
            let key = *key;
            while let Some(host) = self.hosts.take_unknown(now) {
                let id = self.open(Flight { host, what: Errand::Probe });
                outputs.push(Output::Request(Request { id, host, kind: RequestKind::Probe }));
            }
            if !self.window.has_room() {
                break;
            }
            // What is settled or split here needs no host; the next in the queue has its turn.
            let Some(task) = self.queue.remove(&key) else { break };
            let Some(task) = self.prepare(now, task) else { continue };
            let Some((host, version)) = self.hosts.take(now) else {
                self.queue.insert(key, task);
                break;
            };
            self.send(host, version, task, outputs);
        }
    }

    /// Settles what need not be sent and splits what is too large.
    fn prepare(&mut self, now: Now, mut task: Task) -> Option<Task> {
        let mut job = self.jobs.remove(&task.job)?;
        self.settle_doomed(now, &mut job, &mut task);
        if let Some(apart) = self.strangers.part(&job, &mut task) {
            self.enqueue_at_once(&job, apart);
        }
        let max = self.limit.max(now).filter(|max| {
            let bulk = matches!(task.work, Work::Bulk) && task.documents.len() > 1;
            bulk && task.inflated_bytes(&job) > *max
        });
        let mut ready = None;
        if let Some(max) = max {
            self.counters.splits.inc();
            for piece in task.pieces(&job, max) {
                self.enqueue_at_once(&job, piece);
            }
        } else if !task.documents.is_empty() {
            ready = Some(task);
        }
        self.jobs.insert(job.batch.id, job);
        ready
    }

    /// Documents of a paused index, and all others of their slices: the source will rewind and
    /// read them again, and later lines shall not overtake earlier ones.
    fn settle_doomed(&mut self, now: Now, job: &mut Job, task: &mut Task) {
        if self.targets.is_empty() && !job.has_doom() {
            return;
        }
        let until = |index: &Arc<str>| self.targets.paused_until(now, index);
        let paused: Vec<Option<u64>> = job.batch.indices.iter().map(until).collect();
        if matches!(task.work, Work::Bulk) {
            for number in &task.documents {
                let document = job.batch.documents[*number as usize];
                if let Some(until_mono_ns) = paused[usize::from(document.index)] {
                    let index = Arc::clone(&job.batch.indices[usize::from(document.index)]);
                    let outcome = Outcome::Paused { index, until_mono_ns };
                    job.spoil(usize::from(document.slice), outcome);
                }
            }
        }
        task.documents.retain(|number| match job.doom(*number).cloned() {
            Some(outcome) => {
                job.settle(*number, outcome);
                false
            }
            None => true,
        });
        if let Work::Compare(doubts) = &mut task.work {
            doubts.retain(|it| task.documents.binary_search(&it.document).is_ok());
        }
    }

    fn send(&mut self, host: usize, version: ServerVersion, task: Task, outputs: &mut Vec<Output>) {
        let Some(job) = self.jobs.get_mut(&task.job) else { return };
        let inflated_bytes = task.inflated_bytes(job);
        let typing = self.strangers.typing(job, &task);
        let kind = match &task.work {
            Work::Bulk => {
                if job.believed_below.is_empty() {
                    let below = |it: &Slice| self.marks.mark(it.prefix).believed_below();
                    job.believed_below = job.batch.slices.iter().map(below).collect();
                }
                self.counters.bytes_inflated.inc_by(inflated_bytes as u64);
                let whole = task.documents.len() == job.batch.documents.len();
                let keep = Some(&task.documents).filter(|_| !whole).map(|it| it[..].into());
                let cut = Cut { batch: Arc::clone(&job.batch), keep };
                RequestKind::Bulk { cut, version, typing }
            }
            Work::Compare(doubts) => {
                RequestKind::Mget { questions: comparison::questions(job, doubts), version }
            }
        };
        let sent = Dispatch { host, version, round: self.window.sent(), inflated_bytes, typing };
        let id = self.open(Flight { host, what: Errand::Task { task, sent } });
        outputs.push(Output::Request(Request { id, host, kind }));
    }

    fn open(&mut self, flight: Flight) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        self.flights.insert(id, flight);
        id
    }

    fn answered(
        &mut self,
        now: Now,
        request: RequestId,
        result: Result<HttpAnswer, TransportError>,
        outputs: &mut Vec<Output>,
    ) {
        let Some(Flight { host, what }) = self.flights.remove(&request) else { return };
        match what {
            Errand::Probe => self.probed(now, host, result, outputs),
            Errand::Task { task, sent } => {
                self.hosts.answered(host);
                self.window.answered();
                match task.work.clone() {
                    Work::Bulk => self.bulk_answered(now, sent, task, result, outputs),
                    Work::Compare(doubts) => {
                        self.compared(now, sent, task, &doubts, result, outputs);
                    }
                }
            }
        }
    }

    fn probed(
        &mut self,
        now: Now,
        host: usize,
        result: Result<HttpAnswer, TransportError>,
        outputs: &mut Vec<Output>,
    ) {
        let assumed = self.settings.version_assumed.unwrap_or(ServerVersion::MODERN);
        match result {
            Ok(answer) if (200..300).contains(&answer.status) => {
                let version = ServerVersion::parse(&answer.body).map(|it| it.0);
                if version.is_none() {
                    let text = format!("GET / tells no version, taken for {assumed:?}");
                    self.warn(now, WarningKind::VersionUnknown, host, &text, outputs);
                }
                self.hosts.learn(host, version.unwrap_or(assumed));
            }
            // The right to see the cluster is not the right to write; the bulk request will tell.
            Ok(answer) if matches!(answer.status, 401 | 403 | 404 | 405) => {
                let status = answer.status;
                let text = format!("GET / answers {status}, version taken for {assumed:?}");
                self.warn(now, WarningKind::VersionUnknown, host, &text, outputs);
                self.hosts.learn(host, assumed);
            }
            Ok(answer) => {
                self.hosts.forget(host);
                let text = format!("GET / answers {}", answer.status);
                self.host_failed(now, host, &text, outputs);
            }
            Err(error) => {
                self.hosts.forget(host);
                self.counters.request(error.fault.as_str());
                if error.fault == TransportFault::Tls {
                    outputs.push(Output::ReloadCredentials);
                }
                self.host_failed(now, host, &error.text, outputs);
            }
        }
    }

    pub(super) fn host_failed(
        &mut self,
        now: Now,
        host: usize,
        text: &str,
        outputs: &mut Vec<Output>,
    ) {
        self.hosts.failed(now, host, &mut self.random);
        self.last_error = Some((now.wall_ns, text.to_owned()));
        self.warn(now, WarningKind::HostFails, host, text, outputs);
    }

    pub(super) fn warn(
        &mut self,
        now: Now,
        kind: WarningKind,
        subject: impl Display,
        text: impl Display,
        outputs: &mut Vec<Output>,
    ) {
        self.warnings.tell(now, kind, format!("{subject}"), &text, outputs);
    }

    fn give_receipts(&mut self, outputs: &mut Vec<Output>) {
        // Few at a time: the batches that the workers may have in flight.
        let done: Vec<_> = self.jobs.extract_if(.., |_, job| job.is_done()).collect();
        for (_, job) in done {
            let (worker, receipt) = job.into_receipt();
            outputs.push(Output::Receipt { worker, receipt });
        }
    }

    fn show(&self, now: Now) {
        self.counters.requests_in_flight.set(self.flights.len() as i64);
        self.counters.window.set(self.window.allowed() as i64);
        self.counters.batches_in_flight.set(self.jobs.len() as i64);
        self.counters.targets_paused.set(self.targets.paused(now).count() as i64);
    }

    fn next_wake(&self, now: Now) -> Option<u64> {
        let ((due, ..), _) = self.queue.first_key_value()?;
        if *due > now.mono_ns {
            return Some(*due);
        }
        // Due and not sent: either the window is full, then an answer wakes us, or no host is
        // free, then the first that becomes so.
        if self.window.has_room() { self.hosts.next_free(now) } else { None }
    }

    /// An attempt may have written these documents: from now on a conflict is our own doing.
    pub(super) fn note_sent(&mut self, job: &mut Job, documents: &[u32]) {
        let mut below = vec![0; job.batch.slices.len()];
        for number in documents {
            job.sent[*number as usize] = true;
            let document = job.batch.documents[*number as usize];
            let slice = &mut below[usize::from(document.slice)];
            *slice = document.offset.saturating_add(1).max(*slice);
        }
        for (slice, below) in job.batch.slices.iter().zip(below).filter(|it| it.1 > 0) {
            self.marks.raise(slice.prefix, below);
        }
    }

    /// A wait for documents that the server refuses for now.
    pub(super) fn wait(&mut self, failures: u32) -> Duration {
        let Self { settings, random, .. } = self;
        let ceiling =
            super::backoff::ceiling(settings.backoff_first, settings.backoff_max, failures);
        super::backoff::jittered(random, ceiling)
    }
}
