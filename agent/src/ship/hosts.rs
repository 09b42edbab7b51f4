//! The servers, each with its own waits, so that a dead one of several holds up nobody.

use std::time::Duration;

use super::backoff::{self, Random};
use super::version::ServerVersion;
use crate::core::Now;

#[derive(Debug, Default)]
struct Host {
    /// In a row.
    failures: u32,
    blocked_until: u64,
    in_flight: u32,
    version: Option<ServerVersion>,
    probing: bool,
}

#[derive(Debug)]
pub(super) struct Hosts {
    all: Vec<Host>,
    /// Where the search for the next one begins.
    turn: usize,
    first: Duration,
    max: Duration,
}

impl Hosts {
    pub(super) fn new(count: usize, first: Duration, max: Duration) -> Self {
        assert!(count > 0, "an output has at least one host");
        Self { all: (0..count).map(|_| Host::default()).collect(), turn: 0, first, max }
    }

    /// A host that may be asked who it is, and is from now on being asked.
    pub(super) fn take_unknown(&mut self, now: Now) -> Option<usize> {
        let free =
            |it: &Host| it.version.is_none() && !it.probing && it.blocked_until <= now.mono_ns;
        let at = self.all.iter().position(free)?;
        self.all[at].probing = true;
        Some(at)
    }

    /// The known host with the fewest open requests, in turn. One that failed last gets one
    /// request at a time.
    pub(super) fn take(&mut self, now: Now) -> Option<(usize, ServerVersion)> {
        let count = self.all.len();
        let free =
            |it: &Host| it.blocked_until <= now.mono_ns && (it.failures == 0 || it.in_flight == 0);
        let at = (0..count)
            .map(|step| (self.turn + step) % count)
            .filter(|at| self.all[*at].version.is_some() && free(&self.all[*at]))
            .min_by_key(|at| self.all[*at].in_flight)?;
        self.turn = (at + 1) % count;
        self.all[at].in_flight += 1;
        self.all[at].version.map(|version| (at, version))
    }

    /// When a host becomes free by waiting alone.
    pub(super) fn next_free(&self, now: Now) -> Option<u64> {
        self.all.iter().map(|it| it.blocked_until).filter(|it| *it > now.mono_ns).min()
    }

    pub(super) fn answered(&mut self, at: usize) {
        self.all[at].in_flight -= 1;
    }

    pub(super) fn learn(&mut self, at: usize, version: ServerVersion) {
        self.all[at].version = Some(version);
        self.all[at].probing = false;
        self.succeeded(at);
    }

    /// Its version is asked again before the next request: it may have been replaced.
    pub(super) fn forget(&mut self, at: usize) {
        self.all[at].version = None;
        self.all[at].probing = false;
    }

    pub(super) fn succeeded(&mut self, at: usize) {
        self.all[at].failures = 0;
    }

    pub(super) fn failed(&mut self, now: Now, at: usize, random: &mut Random) {
        let host = &mut self.all[at];
        // What was in flight together failed together: one outage is one failure.
        if host.blocked_until > now.mono_ns {
            return;
        }
        host.failures = host.failures.saturating_add(1);
        let ceiling = backoff::ceiling(self.first, self.max, host.failures);
        host.blocked_until = now.after(backoff::jittered(random, ceiling));
    }

    /// A refusal for missing rights waits at least a second: locked accounts and alarms.
    pub(super) fn unauthorized(&mut self, now: Now, at: usize, random: &mut Random) {
        self.failed(now, at, random);
        let host = &mut self.all[at];
        host.blocked_until =
            host.blocked_until.max(now.after(Duration::from_secs(1).min(self.max)));
    }

    /// New credentials or certificates: who failed may try at once.
    pub(super) fn forgive(&mut self) {
        for host in self.all.iter_mut().filter(|it| it.failures > 0) {
            *host = Host { in_flight: host.in_flight, probing: host.probing, ..Host::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ns: u64) -> Now {
        Now { mono_ns, wall_ns: 0 }
    }

    #[test]
    fn a_dead_host_of_two_is_left_alone_and_tried_again() {
        let mut random = Random::new(1);
        let mut hosts = Hosts::new(2, Duration::from_secs(1), Duration::from_secs(8));
        assert_eq!(hosts.take(at(1)), None);
        assert_eq!(hosts.take_unknown(at(1)), Some(0));
        assert_eq!(hosts.take_unknown(at(1)), Some(1));
        assert_eq!(hosts.take_unknown(at(1)), None);
        hosts.learn(0, ServerVersion::MODERN);
        hosts.learn(1, ServerVersion::MODERN);
        let turns: Vec<_> = (0..4).map(|_| hosts.take(at(1)).map(|it| it.0)).collect();
        assert_eq!(turns, [Some(0), Some(1), Some(0), Some(1)]);
        (0..2).for_each(|at| (0..2).for_each(|_| hosts.answered(at)));

        hosts.failed(at(1), 0, &mut random);
        assert_eq!(hosts.take(at(1)).map(|it| it.0), Some(1));
        assert_eq!(hosts.take(at(1)).map(|it| it.0), Some(1));
        let free = hosts.next_free(at(1)).expect("one is blocked");
        // The one that failed has fewer requests open, but gets only one until it answers.
        assert_eq!(hosts.take(at(free)).map(|it| it.0), Some(0));
        assert_eq!(hosts.take(at(free)).map(|it| it.0), Some(1));
        hosts.answered(0);
        hosts.succeeded(0);
        assert_eq!(hosts.next_free(at(free)), None);
    }
}
