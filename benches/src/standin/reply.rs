//! The body of an answer, with the ways in which it can go wrong on the wire.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// A connection that is closed on purpose.
#[derive(Debug)]
pub(super) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the stand-in was asked to cut the connection")
    }
}

impl std::error::Error for Cut {}

/// How the bytes of an answer are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    ContentLength,
    Chunked,
}

pub(super) struct Reply {
    frames: VecDeque<Bytes>,
    /// Bytes still to come; announced as the content length.
    left: u64,
    framing: Framing,
    interval: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Ends with a closed connection instead of the last byte.
    is_cut: bool,
}

impl Reply {
    pub(super) fn new(body: Vec<u8>, framing: Framing) -> Self {
        let left = body.len() as u64;
        let frames = VecDeque::from([Bytes::from(body)]);
        Self { frames, left, framing, interval: None, sleep: None, is_cut: false }
    }

    /// One byte per interval.
    pub(super) fn slow(mut self, interval: Duration) -> Self {
        let whole: Vec<Bytes> = self.frames.drain(..).collect();
        for frame in whole {
            self.frames.extend((0..frame.len()).map(|at| frame.slice(at..=at)));
        }
        self.interval = Some(interval);
        self
    }

    /// Half of the bytes that are announced, then the end of the connection.
    pub(super) fn cut_in_half(mut self) -> Self {
        if let Some(frame) = self.frames.front_mut() {
            let half = frame.len() / 2;
            frame.truncate(half);
        }
        self.is_cut = true;
        self
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(sleep) = &mut self.sleep {
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.sleep = None;
        }
        let Some(frame) = self.frames.pop_front() else {
            return Poll::Ready(self.is_cut.then_some(Err(Cut)));
        };
        self.sleep = self.interval.map(|interval| Box::pin(tokio::time::sleep(interval)));
        self.left -= frame.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.iter().all(Bytes::is_empty) && !self.is_cut
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::ContentLength => SizeHint::with_exact(self.left),
            Framing::Chunked => SizeHint::default(),
        }
    }
}
