//! The agent of a demo, which may have to die on the way.

use std::time::Duration;

use anyhow::Result;

use crate::agent::{Agent, Settings};
use crate::usage::Usage;

pub(super) struct Actor<'a> {
    settings: Settings<'a>,
    pub(super) agent: Agent,
    /// What those before the present one used.
    before: Usage,
    pub(super) deaths: u32,
}

impl<'a> Actor<'a> {
    pub(super) fn enter(settings: Settings<'a>) -> Result<Self> {
        let agent = Agent::start(&settings)?;
        Ok(Self { settings, agent, before: Usage::default(), deaths: 0 })
    }

    /// Of all lives: the sum of processor time, the present memory, its highest peak.
    pub(super) fn usage(&mut self) -> Result<Usage> {
        let now = self.agent.usage()?;
        Ok(Usage {
            cpu_seconds: self.before.cpu_seconds + now.cpu_seconds,
            rss_peak_bytes: self.before.rss_peak_bytes.max(now.rss_peak_bytes),
            ..now
        })
    }

    pub(super) fn die_and_return(&mut self) -> Result<()> {
        self.before = self.usage()?;
        self.agent.kill()?;
        self.agent = Agent::start(&self.settings)?;
        self.deaths += 1;
        Ok(())
    }
}

/// Moments at which the agent is killed: evenly over the time in which lines are written.
pub(super) struct Kills {
    interval: Duration,
    left: u32,
    done: u32,
}

impl Kills {
    pub(super) fn plan(times: u32, seconds: u64) -> Self {
        Self { interval: Duration::from_secs(seconds) / (times + 1), left: times, done: 0 }
    }

    pub(super) fn is_due(&mut self, elapsed: Duration) -> bool {
        let is_due = self.left > 0 && elapsed >= self.interval * (self.done + 1);
        if is_due {
            self.left -= 1;
            self.done += 1;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_fall_between_begin_and_end() {
        let mut kills = Kills::plan(2, 9);
        let due: Vec<u64> =
            (0..20).filter(|second| kills.is_due(Duration::from_secs(*second))).collect();
        assert_eq!(due, [3, 6]);
    }
}
