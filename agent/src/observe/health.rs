//! Whether the loops live, and whether the start is over.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::core::Now;

/// Shared by the loops that report and the server that is asked.
#[derive(Debug, Default)]
pub struct Health {
    loops: Mutex<Vec<Arc<Beats>>>,
    /// One bit per [`Step`].
    reached: AtomicU8,
}

/// What has to have happened once before the agent is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The store is open and its positions are read.
    StoreOpen = 1,
    /// Discovery has listed the containers once.
    Discovered = 2,
}

const ALL_STEPS: u8 = Step::StoreOpen as u8 | Step::Discovered as u8;

/// Held by one loop; dropping it says that the loop has ended on purpose.
#[derive(Debug)]
pub struct Heartbeat(Arc<Beats>);

#[derive(Debug)]
struct Beats {
    name: String,
    /// Of the last beat; 0 once the loop has ended.
    last_mono_ns: AtomicU64,
    silence_max: Duration,
}

impl Health {
    /// A loop that promises to beat at least every `silence_max`, also when it has nothing to do.
    pub fn heartbeat(&self, name: impl Into<String>, silence_max: Duration) -> Heartbeat {
        let beats = Arc::new(Beats {
            name: name.into(),
            last_mono_ns: AtomicU64::new(Now::read().mono_ns),
            silence_max,
        });
        self.loops.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&beats));
        Heartbeat(beats)
    }

    pub fn reach(&self, step: Step) {
        // Release pairs with the Acquire below: who sees the step sees what it made.
        self.reached.fetch_or(step as u8, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.reached.load(Ordering::Acquire) == ALL_STEPS
    }

    /// What readiness waits for.
    pub fn waits_for(&self) -> Vec<&'static str> {
        let reached = self.reached.load(Ordering::Acquire);
        [(Step::StoreOpen, "the store"), (Step::Discovered, "the first list of containers")]
            .into_iter()
            .filter(|(step, _)| reached & *step as u8 == 0)
            .map(|(_, what)| what)
            .collect()
    }

    /// [`Self::silent`] in words.
    pub fn silent_lines(&self, now: Now) -> Vec<String> {
        let line = |(name, silence): &(String, Duration)| {
            format!("{name} has been silent for {} s", silence.as_secs())
        };
        self.silent(now).iter().map(line).collect()
    }

    /// Loops that have been silent for longer than they promised, with how long.
    pub fn silent(&self, now: Now) -> Vec<(String, Duration)> {
        let mut loops = self.loops.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: a beat orders nothing but itself.
        loops.retain(|beats| beats.last_mono_ns.load(Ordering::Relaxed) != 0);
        loops
            .iter()
            .map(|beats| (beats, now.since(beats.last_mono_ns.load(Ordering::Relaxed))))
            .filter(|(beats, silence)| *silence > beats.silence_max)
            .map(|(beats, silence)| (beats.name.clone(), silence))
            .collect()
    }
}

impl Heartbeat {
    pub fn beat(&self, now: Now) {
        self.0.last_mono_ns.store(now.mono_ns, Ordering::Relaxed);
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        // A loop that panics is no loop that has ended: its silence has to be seen.
        if !std::thread::panicking() {
            self.0.last_mono_ns.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_after_every_step() {
        let health = Health::default();
        assert_eq!(health.waits_for().len(), 2);
        health.reach(Step::Discovered);
        assert!(!health.is_ready());
        assert_eq!(health.waits_for(), ["the store"]);
        health.reach(Step::StoreOpen);
        assert!(health.is_ready());
    }

    #[test]
    fn a_silent_loop_is_named() {
        let health = Health::default();
        let limit = Duration::from_secs(10);
        let (lively, stuck) = (health.heartbeat("lively", limit), health.heartbeat("stuck", limit));
        let start = Now::read();
        stuck.beat(start);
        let late = Now { mono_ns: start.after(limit) + 1, ..start };
        lively.beat(late);
        let silent = health.silent(late);
        assert_eq!(silent.len(), 1);
        assert_eq!(silent[0].0, "stuck");
        drop(stuck);
        assert!(health.silent(late).is_empty(), "it has ended on purpose");
    }
}
