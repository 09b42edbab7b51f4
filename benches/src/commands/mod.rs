//! The subcommands: each takes its arguments apart and calls the library.

pub(crate) mod bodies;
pub(crate) mod corpus;
pub(crate) mod limit;
pub(crate) mod standin;
pub(crate) mod verify;
pub(crate) mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};

use anyhow::Context as _;

/// Becomes true, and the channel closes, with the first SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<(Arc<AtomicBool>, Receiver<()>)> {
    let is_stopping = Arc::new(AtomicBool::new(false));
    let (sender, receiver) = channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let flag = Arc::clone(&is_stopping);
    let (mut terminate, mut interrupt) = {
        use tokio::signal::unix::{SignalKind, signal};
        let _context = runtime.enter();
        let terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
        (terminate, signal(SignalKind::interrupt()).context("waiting for SIGINT")?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        // Relaxed: the flag alone is looked at.
        flag.store(true, Ordering::Relaxed);
        drop(sender);
    });
    Ok((is_stopping, receiver))
}
