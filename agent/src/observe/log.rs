//! The agent's own log: one, on standard error, as text or as JSON.
//!
//! Standard error of a container is a pipe to its runtime, and a runtime that stalls must not
//! hold the workers: lines go over a bounded queue to a thread of their own, and those that find
//! it full are counted and gone. Nobody who is asked for a line is ever made to wait for this.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat, LogLevel};

/// Flushes what is queued when it is dropped; to be held until the process ends.
#[derive(Debug)]
pub struct LogGuard {
    queue: Queue,
}

#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Lines that found the queue full.
    pub dropped: Counter,
}

/// A burst of messages, about 1 MiB.
const LINES_MAX: usize = 4_096;
/// For the last lines to reach a slow runtime.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Begins the log. A second call, as tests make it, changes nothing.
pub fn init(settings: Log) -> LogGuard {
    let (sender, receiver) = bounded(LINES_MAX);
    let queue = Queue { sender, counters: Counters::default() };
    let writer = std::thread::Builder::new()
        .name("sluice-log".into())
        .spawn(move || write_lines(&receiver, &mut io::stderr()));
    // Without its thread the queue is closed, and every line counts as dropped.
    drop(writer);
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = tracing_subscriber::fmt::layer().with_writer(queue.clone()).with_ansi(colour);
    let subscriber = tracing_subscriber::registry().with(filter(settings.level));
    let begun = match settings.format {
        LogFormat::Text => subscriber.with(layer.with_target(false)).try_init(),
        LogFormat::Json => subscriber.with(layer.json().flatten_event(true)).try_init(),
    };
    drop(begun);
    LogGuard { queue }
}

impl LogGuard {
    pub fn counters(&self) -> &Counters {
        &self.queue.counters
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, flushed) = bounded(1);
        if self.queue.sender.send_timeout(Item::Flush(done), FLUSH_MAX).is_ok() {
            // Late or never, the process ends all the same.
            let _ = flushed.recv_timeout(FLUSH_MAX);
        }
    }
}

/// Our level for ourselves; libraries speak from one level above, as they tell of every
/// connection at ours.
fn filter(level: LogLevel) -> EnvFilter {
    let (own, others) = match level {
        LogLevel::Error => ("error", "error"),
        LogLevel::Warn => ("warn", "warn"),
        LogLevel::Info => ("info", "warn"),
        LogLevel::Debug => ("debug", "info"),
        LogLevel::Trace => ("trace", "debug"),
    };
    EnvFilter::new(format!("{others},sluice={own}"))
}

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    Flush(Sender<()>),
}

#[derive(Clone, Debug)]
struct Queue {
    sender: Sender<Item>,
    counters: Counters,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

/// The formatter hands over one whole line per call.
impl Write for &Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.sender.try_send(Item::Line(line.to_vec())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counters.dropped.inc();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends when nobody is left who could send.
fn write_lines(items: &Receiver<Item>, out: &mut impl Write) {
    for item in items {
        match item {
            // A closed standard error takes no complaint either.
            Item::Line(line) => {
                let _ = out.write_all(&line);
            }
            Item::Flush(done) => {
                let _ = out.flush();
                let _ = done.try_send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_reader_costs_lines_and_no_time() {
        let (sender, receiver) = bounded(2);
        let queue = Queue { sender, counters: Counters::default() };
        for line in ["a\n", "b\n", "c\n"] {
            (&queue).write_all(line.as_bytes()).expect("it never fails");
        }
        let counters = queue.counters.clone();
        assert_eq!(counters.dropped.get(), 1);
        drop(queue);
        let mut out = Vec::new();
        write_lines(&receiver, &mut out);
        assert_eq!(out, b"a\nb\n");
    }
}
