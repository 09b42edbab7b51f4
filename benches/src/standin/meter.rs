//! Counts of what happened, which tests can wait on instead of sleeping.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// Requests that the log of requests remembers; the oldest go first.
const REQUESTS_SEEN_MAX: usize = 4096;

/// One moment's view. All are totals since the start unless said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Requests whose head was read, of any kind.
    pub requests: u64,
    pub bulk_requests: u64,
    /// Requests answered with 400 or above as a whole.
    pub refused: u64,
    /// Requests that got no answer: cut or stalled on purpose, or given up by the client.
    pub unanswered: u64,
    /// Items answered, whatever the answer.
    pub items: u64,
    /// Documents stored.
    pub documents: u64,
    /// Items answered 409.
    pub conflicts: u64,
    /// Items answered 400 or above, other than 409.
    pub item_errors: u64,
    /// Bytes of bodies as they came.
    pub wire_bytes: u64,
    /// Bytes of bulk bodies once inflated.
    pub inflated_bytes: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Open now.
    pub connections_open: u64,
    /// Requests being handled now.
    pub in_flight: u64,
    /// Highest number of requests that were handled at once.
    pub in_flight_max: u64,
    /// Bulk requests that wait for [`release`](super::Standin::release) now.
    pub held: u64,
    /// Documents per index.
    pub indices: BTreeMap<String, u64>,
}

/// One request, as the log of requests has it.
#[derive(Clone, Debug)]
pub struct RequestSeen {
    pub method: String,
    pub path: String,
    /// Without the question mark; empty if there was none.
    pub query: String,
    /// Names in lower case; of a repeated header the last value.
    pub headers: HashMap<String, String>,
    pub wire_bytes: usize,
    /// 0 if the body was never inflated.
    pub inflated_bytes: usize,
    /// Items in the answer.
    pub items: usize,
    /// `None`: no answer was given.
    pub status: Option<u16>,
}

#[derive(Default)]
pub(super) struct Meter {
    snapshot: Mutex<Snapshot>,
    changed: Condvar,
    seen: Mutex<VecDeque<RequestSeen>>,
}

impl Meter {
    pub(super) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// False if it did not come true in time.
    pub(super) fn wait(&self, timeout: Duration, reached: impl Fn(&Snapshot) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let mut snapshot = self.lock();
        while !reached(&snapshot) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            snapshot =
                self.changed.wait_timeout(snapshot, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(super) fn note(&self, request: RequestSeen) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() == REQUESTS_SEEN_MAX {
            seen.pop_front();
        }
        seen.push_back(request);
    }

    pub(super) fn seen(&self) -> Vec<RequestSeen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
