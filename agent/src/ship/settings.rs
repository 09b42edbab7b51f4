//! What the state machine has to be told.

use std::time::Duration;

use super::version::ServerVersion;

/// How batches are sent, retried and given up. Made by the config room.
#[derive(Clone, Debug)]
pub struct ShipSettings {
    /// How many servers there are to choose from; requests name them by number.
    pub hosts: usize,
    /// Requests that may be open at once, all hosts together. A fleet of ten thousand nodes meets
    /// one cluster, so this is small.
    pub requests_in_flight_max: usize,
    /// The first wait after a failure; doubled each time, with full jitter.
    pub backoff_first: Duration,
    /// The longest wait for a host that fails.
    pub backoff_max: Duration,
    /// The first pause of a target that refuses; doubled each time.
    pub pause_first: Duration,
    /// The longest pause of a target.
    pub pause_max: Duration,
    /// What to do about a target that will not come back by itself.
    pub when_refused: WhenRefused,
    /// Taken when a server does not tell its version (401 and 403 on `GET /`).
    pub version_assumed: Option<ServerVersion>,
    /// Inflated bytes that one request may have; `None` until a server says 413.
    pub request_bytes_max: Option<usize>,
}

/// The policy for documents whose target refuses them for reasons that are not theirs: an index
/// closed or read-only, missing rights, a limit of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenRefused {
    /// Keep them at their source until the target takes them again.
    Wait,
    /// Once a target has refused for this long, its documents become dead letters.
    DeadLetter { after: Duration },
}

impl Default for ShipSettings {
    fn default() -> Self {
        Self {
            hosts: 1,
            requests_in_flight_max: 4,
            backoff_first: Duration::from_millis(200),
            backoff_max: Duration::from_secs(30),
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_mins(1),
            when_refused: WhenRefused::Wait,
            version_assumed: None,
            request_bytes_max: None,
        }
    }
}
