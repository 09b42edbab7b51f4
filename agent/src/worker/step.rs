//! The loop of a worker: `step(now, inputs) → (outputs, next wake)`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::blocked::Blocked;
use super::commit::encoded;
use super::counters::WorkerCounters;
use super::source::Source;
use super::{Follow, Input, Output};
use crate::checkpoint::SourceRecord;
use crate::core::limits::BATCHES_IN_FLIGHT_MAX;
use crate::core::{BatchId, Epoch, Now, SourceKey, SourceToken, Stream};
use crate::encode::{Batch, Codec, Encoder, EncoderSettings, Shape};
use crate::read::{Completion, Files, PageBuffer};

/// Turns that are taken before the inbox is looked at again.
const TURNS_PER_STEP: usize = 16;

#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    pub index: usize,
    pub shape: Shape,
    pub codec: Codec,
    pub batch_bytes: usize,
    /// The age at which a batch is sealed that is not full.
    pub flush_interval: Duration,
    /// After this an unfinished line is sent as it is.
    pub partial_timeout: Duration,
    /// How often positions are written although nothing waits for it.
    pub commit_interval: Duration,
}

/// Runs its sources through read, decode and encode.
pub struct Worker<F: Files> {
    pub(super) settings: WorkerSettings,
    pub(super) counters: WorkerCounters,
    pub(super) now: Now,
    pub(super) files: F,
    /// Each in a place of its own: a map that grows would hold most of them twice. It is looked up
    /// for each turn; its order differs from run to run and may decide nothing.
    pub(super) sources: HashMap<SourceToken, Box<Source<F::Handle>>>,
    /// Sources that may have bytes, each once.
    pub(super) ready: VecDeque<SourceToken>,
    pub(super) retries: BTreeSet<(u64, SourceToken)>,
    /// Sources with something open, and when a timer looks at it.
    pub(super) carrying: BTreeSet<SourceToken>,
    pub(super) open_timers: BTreeSet<(u64, SourceToken)>,
    pub(super) carry_bytes: usize,
    pub(super) buffer: PageBuffer,

    pub(super) encoder: Encoder,
    /// Sources with documents of their present epoch in the open batch.
    pub(super) batch_sources: BTreeSet<SourceToken>,
    next_batch: u64,
    /// Sealed, waiting for the store: with the commit that they need.
    pub(super) held: VecDeque<(u64, Batch)>,
    /// Sealed, without a receipt: whose slices they have.
    pub(super) in_flight: HashMap<BatchId, Vec<(SourceToken, Epoch)>>,

    pub(super) blocked: Blocked,
    /// Sources that are about to try an index again.
    pub(super) probes: BTreeSet<SourceToken>,

    pub(super) dirty: BTreeSet<SourceToken>,
    pub(super) departed: Vec<(SourceKey, Option<Vec<u8>>)>,
    /// Sources by [family](SourceKey::family).
    pub(super) families: HashMap<Box<str>, Vec<SourceToken>>,
    /// Counts what must be on disk before it is relied on; `durable` is how far it is.
    pub(super) wanted: u64,
    pub(super) durable: u64,
    pub(super) sequence: u64,
    pub(super) committing: Option<(u64, u64)>,
    pub(super) committed_mono_ns: u64,
    pub(super) draining: bool,
    gone: Vec<(SourceToken, Option<Box<SourceRecord>>)>,
    shown: Shown,
}

/// How often the gauges are brought up to date.
const SHOW_INTERVAL: Duration = Duration::from_secs(1);

/// What this worker has added to the gauges.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    mono_ns: u64,
    sources: i64,
    open_files: i64,
    carry_bytes: i64,
}

impl<F: Files> Worker<F> {
    pub fn new(settings: WorkerSettings, counters: WorkerCounters, files: F) -> Self {
        let WorkerSettings { shape, codec, batch_bytes, .. } = settings;
        Self {
            settings,
            counters,
            now: Now::default(),
            files,
            sources: HashMap::new(),
            ready: VecDeque::new(),
            retries: BTreeSet::new(),
            carrying: BTreeSet::new(),
            open_timers: BTreeSet::new(),
            carry_bytes: 0,
            buffer: PageBuffer::new(),
            encoder: Encoder::new(EncoderSettings { shape, codec, batch_bytes }),
            batch_sources: BTreeSet::new(),
            // The worker's number in the high bits keeps ids apart between workers.
            next_batch: (settings.index as u64) << 48,
            held: VecDeque::new(),
            in_flight: HashMap::new(),
            blocked: Blocked::default(),
            probes: BTreeSet::new(),
            dirty: BTreeSet::new(),
            departed: Vec::new(),
            families: HashMap::new(),
            wanted: 0,
            durable: 0,
            sequence: 0,
            committing: None,
            committed_mono_ns: 0,
            draining: false,
            gone: Vec::new(),
            shown: Shown::default(),
        }
    }

    /// Takes inputs, does a bounded amount of work, and says when it wants to be called again
    /// though nothing came: at the present time if there is more to do, `None` if only an input
    /// can change anything.
    pub fn step(
        &mut self,
        now: Now,
        inputs: impl IntoIterator<Item = Input>,
        outputs: &mut Vec<Output>,
    ) -> Option<u64> {
        self.now = now;
        for input in inputs {
            self.take(input, outputs);
        }
        self.take_completions(outputs);
        self.timers();
        for _ in 0..TURNS_PER_STEP {
            if self.draining || self.encoder.is_full() && !self.may_seal() {
                break;
            }
            let Some(token) = self.ready.pop_front() else { break };
            self.turn(token, outputs);
            self.after_turn(token);
        }
        self.limit_carry();
        self.flush_if_due(outputs);
        self.commit_if_due(outputs);
        self.send_released(outputs);
        for (token, record) in std::mem::take(&mut self.gone) {
            outputs.push(Output::Gone(token, record));
        }
        self.show();
        self.next_wake()
    }

    /// One line on what is waited for, for whoever has to find out why nothing moves.
    pub fn describe(&self) -> String {
        format!(
            "{} ready, {} in flight ({} of them held), open batch of {} documents, commit {:?} \
             of {} wanted, {} durable, blocked {:?}, probes {:?}",
            self.ready.len(),
            self.in_flight.len(),
            self.held.len(),
            self.encoder.documents(),
            self.committing,
            self.wanted,
            self.durable,
            self.blocked,
            self.probes
        )
    }

    /// Everything that was sealed has its receipt and is in the store.
    pub fn is_drained(&self) -> bool {
        self.draining
            && self.encoder.is_empty()
            && self.in_flight.is_empty()
            && self.committing.is_none()
            && self.dirty.is_empty()
    }

    /// The files, for a thread that waits for them.
    pub fn files(&self) -> &F {
        &self.files
    }

    fn take(&mut self, input: Input, outputs: &mut Vec<Output>) {
        match input {
            Input::Follow(follow) => self.follow(*follow),
            Input::News(news) => {
                if let Some(source) = self.sources.get_mut(&news.source) {
                    source.count_begun(news.begun);
                    source.heard_at_size = Some(source.size_seen);
                }
                if news.names {
                    self.start_scan(news.source);
                }
                self.make_ready(news.source);
            }
            Input::Opened(token, opened) => {
                if let Some(source) = self.sources.get_mut(&token) {
                    source.opened.extend(opened);
                    self.start_scan(token);
                }
            }
            Input::Ended(token, ended) => {
                if let Some(source) = self.sources.get_mut(&token) {
                    source.ended = ended;
                    source.complete &= ended;
                    source.finished &= ended;
                    self.start_scan(token);
                }
            }
            Input::Removed(token) => {
                if let Some(source) = self.sources.get_mut(&token) {
                    source.ended = true;
                    source.removed = true;
                    source.finished = false;
                    self.start_scan(token);
                }
            }
            Input::Orphaned(token) => {
                if let Some(source) = self.sources.get_mut(&token) {
                    source.ended = true;
                    source.orphaned = true;
                    self.start_scan(token);
                }
            }
            Input::Taken(takeover) => {
                let token = takeover.source;
                if let Some(source) = self.sources.get_mut(&token) {
                    source.taken(*takeover);
                    self.needs_commit(token);
                    self.start_scan(token);
                }
            }
            Input::Left(token) => {
                if let Some(source) = self.sources.get_mut(&token) {
                    source.ended = true;
                    source.left = true;
                    source.finished = false;
                    self.start_scan(token);
                }
            }
            Input::Receipt(receipt) => self.receipt(&receipt, outputs),
            Input::Committed(sequence) => self.committed(sequence, outputs),
            Input::Positions(reply) => {
                let mut positions: Vec<_> =
                    self.sources.values().map(|source| source.position()).collect();
                positions.sort_by(|a, b| a.source.cmp(&b.source));
                // Whoever asked may have gone.
                let _ = reply.try_send(positions);
            }
            Input::Tap { id, sources, reply } => {
                if let Some(tapped) = self.encoder.tapped(id, sources, self.now.mono_ns) {
                    // Whoever asked may have gone.
                    let _ = reply.try_send(tapped);
                }
            }
            Input::Drain => self.draining = true,
        }
    }

    fn follow(&mut self, follow: Follow) {
        let token = follow.source;
        let source = Source::new(follow, self.settings.shape);
        if source.dirty {
            self.dirty.insert(token);
        }
        self.carry_bytes += source.carry_bytes;
        self.join_family(token, &source);
        self.sources.insert(token, Box::new(source));
        self.start_scan(token);
    }

    fn take_completions(&mut self, outputs: &mut Vec<Output>) {
        let mut completions = Vec::new();
        self.files.completions(&mut completions);
        for completion in completions {
            match completion {
                Completion::Scanned(result) => self.scanned(result, outputs),
                Completion::Read { source, offset, result } => {
                    self.read_ended(source, offset, result, outputs);
                    self.after_turn(source);
                }
            }
        }
    }

    pub(super) fn make_ready(&mut self, token: SourceToken) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        if !source.is_ready {
            source.is_ready = true;
            self.ready.push_back(token);
        }
    }

    /// A probe sends what one turn gave, and waits for the answer.
    fn after_turn(&mut self, token: SourceToken) {
        if !self.probes.remove(&token) {
            return;
        }
        let Some(source) = self.sources.get_mut(&token) else { return };
        if source.in_batch || !source.ledger.is_empty() {
            source.probing = true;
        } else if source.read_pending {
            self.probes.insert(token);
        } else {
            // It has nothing to try with; whoever comes next may.
            self.blocked.abandoned_by(token);
        }
    }

    fn timers(&mut self) {
        while let Some((at, token)) = self.retries.first().copied() {
            if at > self.now.mono_ns {
                break;
            }
            self.retries.pop_first();
            if self.sources.get(&token).is_some_and(|source| source.scan_wanted) {
                self.start_scan(token);
            }
            self.make_ready(token);
        }
        self.probe_blocked();
        self.end_late();
    }

    /// Brings the gauges up to date, now and then: they are sums over all workers, so each adds
    /// what has changed of its own.
    fn show(&mut self) {
        if self.now.since(self.shown.mono_ns) < SHOW_INTERVAL {
            return;
        }
        let files: usize = self.sources.values().map(|source| source.files.len()).sum();
        let now = Shown {
            mono_ns: self.now.mono_ns,
            sources: self.sources.len() as i64,
            open_files: files as i64,
            carry_bytes: self.carry_bytes as i64,
        };
        let before = std::mem::replace(&mut self.shown, now);
        self.counters.sources.inc_by(now.sources - before.sources);
        self.counters.open_files.inc_by(now.open_files - before.open_files);
        self.counters.carry_bytes.inc_by(now.carry_bytes - before.carry_bytes);
    }

    fn may_seal(&self) -> bool {
        self.in_flight.len() < BATCHES_IN_FLIGHT_MAX
    }

    pub(super) fn seal_if_full(&mut self, outputs: &mut Vec<Output>) {
        if self.encoder.is_full() && self.may_seal() {
            self.seal();
            self.send_released(outputs);
        }
    }

    fn flush_if_due(&mut self, outputs: &mut Vec<Output>) {
        let Some(opened) = self.encoder.opened_mono_ns() else { return };
        let due = self.now.since(opened) >= self.settings.flush_interval || self.draining;
        if due && !self.encoder.is_empty() && self.may_seal() {
            self.seal();
            self.send_released(outputs);
        }
    }

    fn seal(&mut self) {
        let id = BatchId(self.next_batch);
        self.next_batch += 1;
        let batch = self.encoder.seal(id, self.settings.index);
        for token in std::mem::take(&mut self.batch_sources) {
            let Some(source) = self.sources.get_mut(&token) else { continue };
            source.in_batch = false;
            let place = source.place();
            source.ledger.sent(id, place);
        }
        self.counters.batches.inc();
        self.counters.batch_bytes.inc_by(batch.body.inflated_bytes as u64);
        self.counters.batch_wire_bytes.inc_by(batch.body.bytes.len() as u64);
        self.counters.batches_in_flight.inc();
        let slices = batch.slices.iter().map(|slice| (slice.source, slice.epoch)).collect();
        self.in_flight.insert(id, slices);
        self.held.push_back((self.wanted, batch));
    }

    /// Forgets a removed source, or notes that an ended one is delivered whole.
    pub(super) fn settle_if_drained(&mut self, token: SourceToken) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        let is_open = Stream::ALL.iter().any(|stream| source.decoder.has_carry(*stream));
        if !source.is_drained() || is_open {
            return;
        }
        // A log without a file has nothing that could be gone on with.
        let is_kept = source.left && !source.record().files.is_empty();
        if source.removed || source.left {
            let record = is_kept.then(|| SourceRecord {
                complete: true,
                left_s: self.now.wall_ns.max(0) as u64 / 1_000_000_000,
                ..source.record()
            });
            let bytes = record.as_ref().map(encoded);
            self.departed.push((source.key.clone(), bytes));
            self.carry_bytes -= source.carry_bytes;
            if let Some(timer) = source.open_timer {
                self.open_timers.remove(&(timer, token));
            }
            self.leave_family(token);
            self.sources.remove(&token);
            self.dirty.remove(&token);
            self.carrying.remove(&token);
            self.gone.push((token, record.map(Box::new)));
        } else if !source.complete && !source.has_met_none() {
            // Of a log whose file was never met nothing is delivered.
            source.complete = true;
            self.dirty.insert(token);
        }
    }

    fn next_wake(&self) -> Option<u64> {
        let can_turn = !self.draining && (!self.encoder.is_full() || self.may_seal());
        if can_turn && !self.ready.is_empty() {
            return Some(self.now.mono_ns);
        }
        let after = |since: u64, wait: Duration| since + wait.as_nanos() as u64;
        let flush = self.encoder.opened_mono_ns().filter(|_| self.may_seal());
        let flush = flush.map(|opened| after(opened, self.settings.flush_interval));
        let idle =
            self.committing.is_none() && !(self.dirty.is_empty() && self.departed.is_empty());
        let commit = idle.then(|| after(self.committed_mono_ns, self.settings.commit_interval));
        let retry = self.retries.first().map(|(at, _)| *at);
        let open = self.open_timers.first().filter(|_| !self.draining).map(|(at, _)| *at);
        [flush, commit, retry, open, self.blocked.next_due()].into_iter().flatten().min()
    }
}
