//! takes: the runtime's API, its directories, hints of the watcher
//! gives: containers, and their end
//! owns:  the container registry
//! never: trusts an event stream: events are hints, list-and-reconcile is the truth

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One container, as far as anything here needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// 64 hex digits.
    pub id: String,
    /// Without the leading slash.
    pub name: String,
    /// As the user wrote it.
    pub image: String,
    /// `NAME=value` pairs in the runtime's order.
    pub env: Vec<(String, String)>,
    pub labels: BTreeMap<String, String>,
    /// `json-file`, `local`, `journald`, `none`, …
    pub log_driver: String,
    pub log_options: BTreeMap<String, String>,
    /// The current log file as the agent can open it (host prefix applied); `None` until the
    /// container has been started, or for a driver without files.
    pub log_path: Option<PathBuf>,
    /// Nanoseconds since the Unix epoch.
    pub created_wall_ns: i64,
    pub state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Created,
    Running,
    /// Its log is complete: the runtime closes it before it says so.
    Exited,
}

/// What discovery tells the agent.
#[derive(Debug)]
pub enum Change {
    /// New, or something of it changed (name, state).
    Seen(Container),
    /// Its directory and log are deleted.
    Removed { id: String },
}
