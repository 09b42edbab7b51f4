//! Whether the workers live: each is asked for its positions now and then, and an answer is a
//! beat of its heart.
//!
//! A worker that waits has nothing to wake it, and one that is stuck in its own code cannot say
//! so; a question finds both, through the same inbox as everything else.

use std::time::Duration;

use crossbeam_channel::{Sender, bounded};

use crate::core::Now;
use crate::observe::Heartbeat;
use crate::worker::Position;

/// Every answer names every source, so it is not asked often.
pub(super) const EVERY: Duration = Duration::from_secs(15);

/// A worker takes its inbox between two turns of some milliseconds; a node that is so short of
/// processor time that this is not enough has other troubles than a restart can mend.
pub(super) const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Asks until the worker has ended, which `ask` says by `false`. No second question waits in the
/// inbox beside an unanswered one.
pub(super) async fn pulse(
    heartbeat: Heartbeat,
    every: Duration,
    ask: impl Fn(Sender<Vec<Position>>) -> bool,
) {
    let (reply, answers) = bounded(1);
    while ask(reply.clone()) {
        loop {
            tokio::time::sleep(every).await;
            if answers.try_recv().is_ok() {
                heartbeat.beat(Now::read());
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::observe::Health;

    #[tokio::test]
    async fn a_worker_that_does_not_answer_falls_silent() {
        let health = Health::default();
        let (every, silence) = (Duration::from_millis(1), Duration::from_millis(200));
        let heartbeat = health.heartbeat("worker 0", silence);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let kept = std::sync::Mutex::new(Vec::new());
        let pulse = tokio::spawn(pulse(heartbeat, every, move |reply| {
            // Ten answers, and then none.
            match count.fetch_add(1, Ordering::SeqCst) {
                ..10 => reply.send(Vec::new()).is_ok(),
                _ => kept.lock().is_ok_and(|mut kept| {
                    kept.push(reply);
                    true
                }),
            }
        }));
        while asked.load(Ordering::SeqCst) < 11 {
            tokio::time::sleep(every).await;
        }
        while health.silent(Now::read()).is_empty() {
            tokio::time::sleep(every).await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 11, "one question waits, not more");
        pulse.abort();
    }

    #[tokio::test]
    async fn a_worker_that_has_ended_is_not_missed() {
        let health = Health::default();
        let heartbeat = health.heartbeat("worker 0", Duration::ZERO);
        pulse(heartbeat, Duration::from_millis(1), |_| false).await;
        assert!(health.silent(Now::read()).is_empty());
    }
}
