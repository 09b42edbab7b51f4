//! Time as the loops see it: handed in, so that a simulator can hold the clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Monotonic, in nanoseconds since an arbitrary start; for waits and ages.
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch; for days and for what people read.
    pub wall_ns: i64,
}

impl Now {
    /// Reads the clocks of the machine.
    pub fn read() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let mono = START.get_or_init(Instant::now).elapsed();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // One is added so that 0 stays "never".
        Self { mono_ns: mono.as_nanos() as u64 + 1, wall_ns: wall.as_nanos() as i64 }
    }

    /// The monotonic time that lies `wait` ahead.
    pub fn after(self, wait: Duration) -> u64 {
        self.mono_ns + wait.as_nanos() as u64
    }

    /// How long ago the monotonic time `then` was.
    pub fn since(self, then: u64) -> Duration {
        Duration::from_nanos(self.mono_ns.saturating_sub(then))
    }
}
