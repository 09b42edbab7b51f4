//! A listener with a bound on connections and on how long one may go without an answer.
//!
//! The server behind it has no such bounds, and a client that holds a connection open costs
//! memory and a descriptor of an agent that promises to need few.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

pub(super) struct Limited<L> {
    inner: L,
    permits: Arc<Semaphore>,
    answerless_max: Duration,
}

/// One connection. Reads fail once nothing was written for too long: a scraper that comes back
/// every minute keeps its connection, one that sends a byte a minute does not.
pub(super) struct Connection<S> {
    inner: S,
    deadline: Pin<Box<Sleep>>,
    answerless_max: Duration,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<L> Limited<L> {
    pub(super) fn new(inner: L, connections_max: usize, answerless_max: Duration) -> Self {
        Self { inner, permits: Arc::new(Semaphore::new(connections_max)), answerless_max }
    }
}

impl<L: Listener> Listener for Limited<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Nobody closes the semaphore, so there is always a permit in the end.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        let (inner, address) = self.inner.accept().await;
        let answerless_max = self.answerless_max;
        let deadline = Box::pin(sleep(answerless_max));
        (Connection { inner, deadline, answerless_max, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

impl<S> Connection<S> {
    fn extend(&mut self) {
        let next = Instant::now() + self.answerless_max;
        self.deadline.as_mut().reset(next);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes));
        self.extend();
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
