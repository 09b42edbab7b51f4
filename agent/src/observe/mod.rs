//! takes: counters of the other rooms, a snapshot of the agent on request
//! gives: metrics, health, a status page, the control socket, the agent's own log
//! owns:  the names of metrics; the views of containers and positions
//! never: reads its own log; shows what a container wrote, but to who asks on the control socket
//!
//! What holds inside:
//!
//! * Liveness and readiness say nothing of the output: an agent that waits for a server is well,
//!   and restarting it helps nobody.
//! * Whoever asks waits for a snapshot at most [`SNAPSHOT_TIMEOUT`] and holds no worker up.
//! * Connections are bounded in number and in time.

pub mod control;
mod explain;
mod health;
pub mod http;
mod limited;
pub mod log;
pub mod metrics;
mod process;
mod snapshot;
mod status;
mod table;
mod tap;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

pub use explain::{ExplainFn, ExplainView, LogFileView, LogView, explanation};
pub use health::{Health, Heartbeat, Step};
pub use snapshot::{
    ContainerView, FileView, MountView, OutputView, PausedTarget, PositionView, Snapshot, VERSION,
    Version,
};
pub use table::{aligned, bytes, containers_table, positions_table};
pub use tap::{TapFn, TapView, Tapping};

/// Asks the agent for its present state. What it costs is paid by the asking task; the workers
/// only copy figures that they have.
pub type SnapshotFn = Arc<dyn Fn() -> BoxFuture<'static, Snapshot> + Send + Sync>;

/// A worker answers between two chunks; one that has not in this time is stuck, and that is what
/// the answer should say.
pub const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(2);

/// The snapshot, or `None` if the agent did not give it in time.
async fn ask(snapshot: &SnapshotFn) -> Option<Snapshot> {
    tokio::time::timeout(SNAPSHOT_TIMEOUT, snapshot()).await.ok()
}
