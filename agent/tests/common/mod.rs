//! What the process-level suites share: the agent as a process, a node's directories, writers of
//! logs, and the one expectation that counts.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "each suite uses a part of it")]

mod agent;
mod expect;
mod load;
mod node;

use std::time::{Duration, Instant};

pub use agent::{Agent, Ended, sluice};
pub use expect::{
    dead_letters, expect_exactly_once, expect_exactly_once_but, joined_by_order,
    wait_for_dead_letters,
};
pub use load::{Container, Load, Pace, Writer};
pub use node::{Node, spec_for};

/// For what happens in a moment on an idle machine; the build of a colleague may run beside.
pub const SOON: Duration = Duration::from_secs(30);

/// For what waits out the agent's growing pauses between attempts.
pub const IN_TIME: Duration = Duration::from_secs(90);

/// Between two looks at a condition that nobody announces.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until the condition holds; false if it does not within the time.
#[must_use]
pub fn wait_until(timeout: Duration, mut reached: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if reached() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

/// A number from the environment, for suites that can run longer or shorter.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// A seed that differs from run to run unless it is given, and is printed either way.
pub fn seed() -> u64 {
    let clock = sluice_bench::load::Stamp::now().0;
    let seed = number("SLUICE_TEST_SEED", clock);
    println!("SLUICE_TEST_SEED={seed}");
    seed
}
