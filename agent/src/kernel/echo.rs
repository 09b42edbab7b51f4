//! The second look: where the signal comes before the bytes, a changed file is looked at again
//! 10, 100 and 1000 ms after its last change.

use std::collections::VecDeque;
use std::time::Duration;

use super::slots::Slot;

/// A writer that was interrupted between signal and bytes is done by the first, unless the
/// machine is overloaded; the last is for one that waited for a disk.
const WAITS: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(100), Duration::from_secs(1)];

/// Slots that wait for their next look: each at most once in each queue.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    /// By the wait. Nearly in the order of time: what was put back because of a later change may
    /// stand behind something later, and is then late by its wait at most.
    queues: [VecDeque<(u64, Slot)>; WAITS.len()],
    /// By slot.
    states: Vec<State>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    changed_ns: u64,
    waits: [bool; WAITS.len()],
}

impl Echoes {
    /// `slot` has changed: its looks begin anew.
    pub(super) fn changed(&mut self, slot: Slot, now_ns: u64) {
        if self.states.len() <= slot.index() {
            self.states.resize(slot.index() + 1, State::default());
        }
        let state = &mut self.states[slot.index()];
        state.changed_ns = now_ns;
        for ((queue, wait), waits) in self.queues.iter_mut().zip(WAITS).zip(&mut state.waits) {
            if !std::mem::replace(waits, true) {
                queue.push_back((now_ns + nanos(wait), slot));
            }
        }
    }

    /// Calls `look` for each slot whose time has come.
    pub(super) fn due(&mut self, now_ns: u64, mut look: impl FnMut(Slot)) {
        for (index, (queue, wait)) in self.queues.iter_mut().zip(WAITS).enumerate() {
            while let Some(&(at, slot)) = queue.front()
                && at <= now_ns
            {
                queue.pop_front();
                let state = &mut self.states[slot.index()];
                let due_ns = state.changed_ns + nanos(wait);
                if due_ns > now_ns {
                    // Whoever heard of that change has looked since.
                    queue.push_back((due_ns, slot));
                } else {
                    state.waits[index] = false;
                    look(slot);
                }
            }
        }
    }

    /// When the next look is due.
    pub(super) fn next_ns(&self) -> Option<u64> {
        self.queues.iter().filter_map(|queue| Some(queue.front()?.0)).min()
    }
}

const fn nanos(wait: Duration) -> u64 {
    wait.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn due(echoes: &mut Echoes, now_ms: u64) -> Vec<u32> {
        let mut slots = Vec::new();
        echoes.due(now_ms * MS, |slot| slots.push(slot.0));
        slots
    }

    #[test]
    fn three_looks_after_the_last_change() {
        let mut echoes = Echoes::default();
        assert_eq!(echoes.next_ns(), None);
        echoes.changed(Slot(3), MS);
        for (now_ms, expect) in
            [(10, vec![]), (11, vec![3]), (100, vec![]), (101, vec![3]), (1000, vec![])]
        {
            assert_eq!(due(&mut echoes, now_ms), expect, "{now_ms}");
        }
        assert_eq!(echoes.next_ns(), Some(1001 * MS));
        assert_eq!(due(&mut echoes, 5000), [3]);
        assert_eq!(echoes.next_ns(), None);
    }

    #[test]
    fn a_change_begins_anew_and_never_grows_the_queues() {
        let mut echoes = Echoes::default();
        for now_ms in 1..2000 {
            echoes.changed(Slot(0), now_ms * MS);
            assert!(due(&mut echoes, now_ms).is_empty(), "{now_ms}: each change is told by itself");
            assert_eq!(echoes.queues.iter().map(VecDeque::len).sum::<usize>(), 3);
        }
        let looks: Vec<u64> =
            (2000..4000).filter(|now| !due(&mut echoes, *now).is_empty()).collect();
        assert_eq!(looks, [2009, 2099, 2999]);
    }

    #[test]
    fn a_long_wait_does_not_put_off_a_short_one() {
        let mut echoes = Echoes::default();
        echoes.changed(Slot(0), MS);
        assert_eq!(due(&mut echoes, 500), [0, 0]);
        echoes.changed(Slot(0), 500 * MS);
        assert_eq!(due(&mut echoes, 510), [0]);
    }
}
