//! The output to a terminal or a pipe: one document per line.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::apart::{self, CutError};
use super::handle::{Health, Receipts, Shared, ShipHandle};
use super::{Counters, Outcome, Receipt};
use crate::core::Now;
use crate::encode::Batch;

/// A batch that cannot be taken apart is asked for again after this long.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(1);

/// Why a batch was not printed.
#[derive(Debug, thiserror::Error)]
enum PrintError {
    #[error("cannot write to the console: {0}")]
    Write(#[from] io::Error),
    #[error(transparent)]
    Cut(#[from] CutError),
}

/// Prints on a thread of its own, since a terminal may block for as long as it likes.
/// After a failed write the output has ended; [`Health::ended`] says why.
pub fn start(
    batches_in_flight_max: usize,
    writer: impl Write + Send + 'static,
    receipts: Receipts,
    runtime: &Handle,
) -> io::Result<ShipHandle> {
    let (batches, batches_in) = mpsc::channel(batches_in_flight_max.max(1));
    let (drain, drain_asked) = watch::channel(false);
    let (ended_sender, ended) = watch::channel(false);
    let health = Mutex::new(Health::default());
    let shared = Arc::new(Shared { health, counters: Counters::default() });
    let console = Console { writer, receipts, shared: Arc::clone(&shared) };
    let runtime = runtime.clone();
    thread::Builder::new().name("console".to_owned()).spawn(move || {
        console.run(&runtime, batches_in, drain_asked);
        ended_sender.send_replace(true);
    })?;
    Ok(ShipHandle { batches, drain: Arc::new(drain), ended, shared })
}

struct Console<W> {
    writer: W,
    receipts: Receipts,
    shared: Arc<Shared>,
}

impl<W: Write> Console<W> {
    fn run(
        mut self,
        runtime: &Handle,
        mut batches: mpsc::Receiver<Batch>,
        mut drain: watch::Receiver<bool>,
    ) {
        loop {
            let next = runtime.block_on(async {
                tokio::select! {
                    biased;
                    batch = batches.recv() => batch,
                    _ = drain.wait_for(|it| *it) => None,
                }
            });
            let Some(batch) = next else { return };
            match self.print(&batch) {
                Ok(()) => self.acknowledge(&batch),
                Err(PrintError::Cut(error)) => {
                    tracing::warn!(%error, "batch is not printed");
                    self.put_off(&batch);
                }
                Err(error @ PrintError::Write(_)) => {
                    let text = error.to_string();
                    self.shared.update(|it| it.ended = Some(text));
                    return;
                }
            }
        }
    }

    fn print(&mut self, batch: &Batch) -> Result<(), PrintError> {
        let numbers: Vec<u32> = (0..batch.documents.len() as u32).collect();
        let mut text = Vec::with_capacity(batch.body.inflated_bytes);
        for source in apart::sources(batch, &numbers)? {
            text.extend_from_slice(&source);
            text.push(b'\n');
        }
        self.writer.write_all(&text)?;
        self.writer.flush()?;
        Ok(())
    }

    fn acknowledge(&self, batch: &Batch) {
        let now = Now::read();
        let counters = &self.shared.counters;
        counters.documents_acked.inc_by(batch.documents.len() as u64);
        counters.bytes_inflated.inc_by(batch.body.inflated_bytes as u64);
        counters.last_success_seconds.set(now.wall_ns as f64 / 1e9);
        self.shared.update(|it| it.last_success_wall_ns = Some(now.wall_ns));
        self.give(batch, &Outcome::Acked);
    }

    fn put_off(&self, batch: &Batch) {
        let until_mono_ns = Now::read().after(UNREADABLE_PAUSE);
        let index = batch.indices.first().map_or_else(|| "console".into(), Arc::clone);
        self.give(batch, &Outcome::Paused { index, until_mono_ns });
    }

    fn give(&self, batch: &Batch, outcome: &Outcome) {
        let outcomes = vec![outcome.clone(); batch.slices.len()];
        (self.receipts)(batch.worker, Receipt { batch: batch.id, outcomes });
    }
}
