//! The loop around the state machine: it only carries inputs in and outputs out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep};

use super::client::{Client, ClientError};
use super::settings::{ElasticsearchSettings, Verification};
use super::wire;
use crate::core::Now;
use crate::encode::Batch;
use crate::ship::dead_letters::DeadLetters;
use crate::ship::handle::{Receipts, Shared};
use crate::ship::{
    Input, Letter, LetterFailure, LetterId, Output, Request, Shipper, Warning, WarningKind,
};

/// How often the files of credentials and certificates are compared with what is in use.
const RELOAD_EVERY: Duration = Duration::from_secs(30);

/// The least time between two readings that refusals ask for.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

/// Answers that may wait for the loop; there are never more than open requests and letters, and
/// whoever finds no place waits.
const EVENTS_MAX: usize = 64;

/// What other tasks tell the loop.
enum Event {
    Input(Input),
    Reloaded(Result<Option<Client>, ClientError>),
}

enum Next {
    Batch(Batch),
    Event(Event),
    Drain,
    Reload,
    Wake,
}

pub(super) struct Parts {
    pub(super) settings: Arc<ElasticsearchSettings>,
    pub(super) shipper: Shipper,
    pub(super) client: Arc<Client>,
    pub(super) letters: Arc<Mutex<DeadLetters>>,
    pub(super) receipts: Receipts,
    pub(super) shared: Arc<Shared>,
    pub(super) batches: mpsc::Receiver<Batch>,
    pub(super) drain: watch::Receiver<bool>,
    pub(super) ended: watch::Sender<bool>,
}

pub(super) struct Driver {
    parts: Parts,
    events: mpsc::Receiver<Event>,
    events_sender: mpsc::Sender<Event>,
    is_drain_told: bool,
    is_reloading: bool,
    reload_not_before: Instant,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let (events_sender, events) = mpsc::channel(EVENTS_MAX);
        Self {
            parts,
            events,
            events_sender,
            is_drain_told: false,
            is_reloading: false,
            reload_not_before: Instant::now(),
        }
    }

    /// Until all handles are gone, or the drain is done.
    pub(super) async fn run(mut self) {
        if self.parts.settings.tls.verification == Verification::None {
            tracing::warn!(
                hosts = ?self.parts.settings.hosts,
                "certificates of servers are not verified: anybody in between can read the logs"
            );
        }
        let mut reload = interval(RELOAD_EVERY);
        reload.set_missed_tick_behavior(MissedTickBehavior::Delay);
        reload.reset();
        let (mut outputs, mut inputs) = (Vec::new(), Vec::new());
        let mut wake = None;
        while !(self.parts.shipper.is_drained() && self.parts.batches.is_empty()) {
            match self.next(wake, &mut reload).await {
                Next::Batch(batch) => inputs.push(Input::Batch(batch)),
                Next::Event(event) => self.take(event, &mut inputs),
                Next::Drain => {
                    self.is_drain_told = true;
                    inputs.push(Input::Drain);
                }
                Next::Reload => self.reload(),
                Next::Wake => {}
            }
            while let Ok(event) = self.events.try_recv() {
                self.take(event, &mut inputs);
            }
            while let Ok(batch) = self.parts.batches.try_recv() {
                inputs.push(Input::Batch(batch));
            }
            let now = Now::read();
            wake = self.parts.shipper.step(now, inputs.drain(..), &mut outputs);
            for output in outputs.drain(..) {
                self.carry_out(output);
            }
            let health = self.parts.shipper.health(now);
            self.parts.shared.update(|it| *it = health);
        }
        self.parts.ended.send_replace(true);
    }

    async fn next(&mut self, wake: Option<u64>, reload: &mut Interval) -> Next {
        let Self { parts, events, is_drain_told, .. } = self;
        let wake_in = wake.map(|it| it.saturating_sub(Now::read().mono_ns));
        let wake_in = Duration::from_nanos(wake_in.unwrap_or_default());
        tokio::select! {
            // None: all handles are gone, which the drain channel tells as well.
            Some(batch) = parts.batches.recv() => Next::Batch(batch),
            // Never none: this loop holds a sender.
            Some(event) = events.recv() => Next::Event(event),
            () = sleep(wake_in), if wake.is_some() => Next::Wake,
            () = asked(&mut parts.drain), if !*is_drain_told => Next::Drain,
            _ = reload.tick() => Next::Reload,
        }
    }

    fn take(&mut self, event: Event, inputs: &mut Vec<Input>) {
        match event {
            Event::Input(input) => inputs.push(input),
            Event::Reloaded(result) => {
                self.is_reloading = false;
                match result {
                    Ok(None) => {}
                    Ok(Some(client)) => {
                        tracing::info!("credentials or certificates have changed and are in use");
                        self.parts.client = Arc::new(client);
                        inputs.push(Input::CredentialsChanged);
                    }
                    // What is in use stays in use: a half-written file is no reason to stop.
                    Err(error) => {
                        tracing::warn!(error = wire::chain(&error), "cannot load credentials anew");
                    }
                }
            }
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Request(request) => self.send(request),
            Output::Receipt { worker, receipt } => (self.parts.receipts)(worker, receipt),
            Output::WriteDeadLetter { letter, batch, documents } => {
                self.bury(letter, batch, documents);
            }
            Output::ReloadCredentials => self.reload(),
            Output::Warn(warning) => self.warn(&warning),
        }
    }

    fn send(&self, request: Request) {
        let client = Arc::clone(&self.parts.client);
        let settings = Arc::clone(&self.parts.settings);
        let shared = Arc::clone(&self.parts.shared);
        let events = self.events_sender.clone();
        let id = request.id;
        tokio::spawn(async move {
            let result = wire::send(&client, &settings, &shared.counters, request).await;
            let answer = Input::Answer { request: id, result };
            // Without a loop nobody waits for it.
            let _ = events.send(Event::Input(answer)).await;
        });
    }

    fn bury(&self, letter: LetterId, batch: Arc<Batch>, documents: Vec<Letter>) {
        let store = Arc::clone(&self.parts.letters);
        let events = self.events_sender.clone();
        tokio::task::spawn_blocking(move || {
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let result = store.write(Now::read(), &batch, &documents).map_err(|error| {
                tracing::error!(error = wire::chain(&error), "dead letters are not written");
                if error.is_full() { LetterFailure::Full } else { LetterFailure::Failed }
            });
            drop(store);
            let written = Input::DeadLetterWritten { letter, result };
            let _ = events.blocking_send(Event::Input(written));
        });
    }

    fn reload(&mut self) {
        if self.is_reloading || Instant::now() < self.reload_not_before {
            return;
        }
        self.is_reloading = true;
        self.reload_not_before = Instant::now() + RELOAD_PAUSE;
        let client = Arc::clone(&self.parts.client);
        let settings = Arc::clone(&self.parts.settings);
        let events = self.events_sender.clone();
        tokio::task::spawn_blocking(move || {
            let _ = events.blocking_send(Event::Reloaded(client.reload(&settings)));
        });
    }

    fn warn(&self, warning: &Warning) {
        let Warning { kind, subject, text, suppressed } = warning;
        let hosts = &self.parts.settings.hosts;
        let host = match kind {
            WarningKind::HostFails
            | WarningKind::Unauthorized
            | WarningKind::AnswerUntrusted
            | WarningKind::TooLarge
            | WarningKind::VersionUnknown => {
                subject.parse().ok().and_then(|it: usize| hosts.get(it))
            }
            _ => None,
        };
        let subject = host.unwrap_or(subject);
        tracing::warn!(subject, text, suppressed, "{}", kind.as_str());
    }
}

/// Waits for the wish to end; that all handles are gone is one.
async fn asked(drain: &mut watch::Receiver<bool>) {
    let _ = drain.wait_for(|it| *it).await;
}
