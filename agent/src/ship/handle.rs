//! How the rest of the agent holds an output.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Counters, Receipt};
use crate::encode::Batch;

/// Takes the receipts: the worker's number and what became of one of its batches. Must not block.
pub type Receipts = Arc<dyn Fn(usize, Receipt) + Send + Sync>;

/// A running output.
#[derive(Clone)]
pub struct ShipHandle {
    pub(super) batches: mpsc::Sender<Batch>,
    pub(super) drain: Arc<watch::Sender<bool>>,
    pub(super) ended: watch::Receiver<bool>,
    pub(super) shared: Arc<Shared>,
}

/// What is known of the output, for readiness and the status page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Wall time of the last stored document, in nanoseconds since the epoch.
    pub last_success_wall_ns: Option<i64>,
    /// Wall time and text of the last failure of a request.
    pub last_error: Option<(i64, String)>,
    /// Batches that wait for their receipt.
    pub batches: usize,
    /// Requests open now.
    pub requests: usize,
    /// Indices that are paused, with what the server said.
    pub paused: Vec<(String, String)>,
    /// Why the output can go on no more: a broken pipe of the console.
    pub ended: Option<String>,
}

pub(super) struct Shared {
    pub(super) health: Mutex<Health>,
    pub(super) counters: Counters,
}

impl ShipHandle {
    /// Hands a batch over without waiting. There is a place for every batch that the workers may
    /// have in flight, so a full queue is an error of the caller's accounts. After the output has
    /// ended the batch goes nowhere: no receipt comes, and its bytes are read again next time.
    pub fn send(&self, batch: Batch) {
        if let Err(mpsc::error::TrySendError::Full(batch)) = self.batches.try_send(batch) {
            panic!("a worker sent {:?} beyond its batches in flight", batch.id);
        }
    }

    /// Asks the output to end once all that it holds is settled, and waits for that.
    /// Returns whether it was within the deadline; what is left then has no receipt.
    pub async fn drain(&self, deadline: Duration) -> bool {
        self.drain.send_replace(true);
        let mut ended = self.ended.clone();
        // The sender falls with the output, which is an end as well.
        tokio::time::timeout(deadline, ended.wait_for(|it| *it)).await.is_ok()
    }

    /// Waits until the output has ended by itself: a broken pipe.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|it| *it).await;
    }

    pub fn health(&self) -> Health {
        self.shared.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }
}

impl Shared {
    pub(super) fn update(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
