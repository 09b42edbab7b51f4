//! The thread around a worker: it only drives the steps.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, poll};

use super::step::{Worker, WorkerSettings};
use super::{Input, Output, WorkerCounters};
use crate::core::{Now, SourceToken};
use crate::read::{LocalFiles, Pool, ReadSettings, Wake};
use crate::watch::Begun;

/// The way to a worker. Nobody who uses it blocks.
#[derive(Clone, Debug)]
pub struct Inbox {
    queue: Sender<Input>,
    waker: Arc<Waker>,
}

/// An eventfd on which the worker waits.
#[derive(Debug)]
struct Waker(OwnedFd);

impl Wake for Waker {
    fn wake(&self) {
        // A full counter means that it is awake already.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }
}

impl Inbox {
    /// Puts an input in the queue. `false`: the worker has ended.
    ///
    /// The queue is bounded by what can be outstanding: a source is announced once until its
    /// worker looks, and a receipt, a commit, a follow or an end answers something that is
    /// counted elsewhere. A queue of fixed capacity would take the memory of all that for good.
    pub fn put(&self, input: Input) -> bool {
        let sent = self.queue.send(input).is_ok();
        self.waker.wake();
        sent
    }
}

/// A running worker.
#[derive(Debug)]
pub struct WorkerThread {
    inbox: Inbox,
    thread: JoinHandle<()>,
}

impl WorkerThread {
    /// `seen` is called before the news of a source is looked at, so that what comes later is
    /// announced again; `outputs` takes what the worker gives. Both run on its thread and must
    /// not block.
    pub fn start(
        settings: WorkerSettings,
        read: ReadSettings,
        pool: Pool,
        counters: WorkerCounters,
        seen: impl Fn(SourceToken) -> Begun + Send + 'static,
        outputs: impl FnMut(Output) + Send + 'static,
    ) -> std::io::Result<Self> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let waker = Arc::new(Waker(event));
        let (queue, inbox) = unbounded();
        let wake = waker.clone();
        let thread = std::thread::Builder::new()
            .name(format!("sluice-worker-{}", settings.index))
            .spawn(move || {
                let files = LocalFiles::new(read, pool, wake.clone());
                let worker = Worker::new(settings, counters, files);
                run(worker, &inbox, &wake, seen, outputs);
            })?;
        Ok(Self { inbox: Inbox { queue, waker }, thread })
    }

    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end of a worker that was told to drain.
    pub fn join(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

fn run(
    mut worker: Worker<LocalFiles>,
    inbox: &Receiver<Input>,
    waker: &Waker,
    seen: impl Fn(SourceToken) -> Begun,
    mut give: impl FnMut(Output),
) {
    let mut outputs = Vec::new();
    let mut inputs: VecDeque<Input> = VecDeque::new();
    loop {
        for mut input in inbox.try_iter() {
            if let Input::News(news) = &mut input {
                news.begun = seen(news.source);
            }
            inputs.push_back(input);
        }
        let now = Now::read();
        let wake = worker.step(now, inputs.drain(..), &mut outputs);
        outputs.drain(..).for_each(&mut give);
        if worker.is_drained() {
            return;
        }
        let wait = wake.map(|at| Duration::from_nanos(at.saturating_sub(Now::read().mono_ns)));
        if wait != Some(Duration::ZERO) && inbox.is_empty() {
            sleep(&worker, waker, wait);
        }
    }
}

fn sleep(worker: &Worker<LocalFiles>, waker: &Waker, wait: Option<Duration>) {
    let timeout = wait.map(|wait| Timespec {
        tv_sec: wait.as_secs() as i64,
        tv_nsec: i64::from(wait.subsec_nanos()),
    });
    let ring = worker.files().ring_event();
    let mut fds = vec![PollFd::from_borrowed_fd(waker.0.as_fd(), PollFlags::IN)];
    fds.extend(ring.map(|ring| PollFd::from_borrowed_fd(ring, PollFlags::IN)));
    // Interrupted or not: the next step looks at everything.
    let _ = poll(&mut fds, timeout.as_ref());
    let _ = rustix::io::read(&waker.0, &mut [0; 8]);
}
