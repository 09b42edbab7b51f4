//! The thread that commits: everything that waits goes into one transaction.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use prometheus_client::metrics::counter::Counter;

use super::store::Store;
use crate::core::SourceKey;

/// Values of one worker that are to be on disk together.
#[derive(Debug)]
pub struct Commit {
    pub worker: usize,
    /// Given back once it is done.
    pub sequence: u64,
    pub puts: Vec<(SourceKey, Option<Vec<u8>>)>,
}

#[derive(Clone, Debug, Default)]
pub struct CommitterCounters {
    /// Transactions that are on disk.
    pub commits: Counter,
    /// Transactions that failed and were tried again.
    pub failures: Counter,
}

/// Takes commits. Ends, with everything written, when the last sender is dropped.
#[derive(Debug)]
pub struct Committer {
    queue: Sender<Commit>,
    thread: Option<JoinHandle<()>>,
}

/// After a failed commit, which is an I/O error or a full disk, the store is opened anew, since
/// what a failed fsync left in memory must not be trusted.
const RETRY_EVERY: Duration = Duration::from_secs(1);

impl Committer {
    /// `done` is called with the worker and the sequence number of each commit.
    pub fn start(
        store: Store,
        workers: usize,
        counters: CommitterCounters,
        done: Arc<dyn Fn(usize, u64) + Send + Sync>,
    ) -> std::io::Result<Self> {
        // A worker has one commit outstanding.
        let (queue, commits) = bounded(workers + 1);
        let thread = std::thread::Builder::new()
            .name("sluice-commit".into())
            .spawn(move || run(store, &commits, &counters, &*done))?;
        Ok(Self { queue, thread: Some(thread) })
    }

    pub fn sender(&self) -> Sender<Commit> {
        self.queue.clone()
    }

    /// Waits for what is queued. All senders must be gone.
    pub fn finish(mut self) {
        let (closed, _) = bounded(0);
        self.queue = closed;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    store: Store,
    commits: &Receiver<Commit>,
    counters: &CommitterCounters,
    done: &dyn Fn(usize, u64),
) {
    let directory = store.path().parent().map(PathBuf::from).unwrap_or_default();
    let mut store = Some(store);
    while let Ok(first) = commits.recv() {
        let mut group = vec![first];
        group.extend(commits.try_iter());
        let mut puts = Vec::new();
        for commit in &mut group {
            puts.append(&mut commit.puts);
        }
        while let Err(error) = commit(&mut store, &directory, &puts) {
            counters.failures.inc();
            tracing::error!(%error, "a checkpoint failed and is tried again; nothing is lost");
            std::thread::sleep(RETRY_EVERY);
        }
        counters.commits.inc();
        for commit in group {
            done(commit.worker, commit.sequence);
        }
    }
}

fn commit(
    store: &mut Option<Store>,
    directory: &std::path::Path,
    puts: &[(SourceKey, Option<Vec<u8>>)],
) -> Result<(), super::StoreError> {
    let open = match store.take() {
        Some(open) => open,
        None => Store::open(directory)?.store,
    };
    open.commit(puts)?;
    *store = Some(open);
    Ok(())
}
