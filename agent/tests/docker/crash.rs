//! `kill -9` in the middle of a real load.

use std::time::{Duration, Instant};

use sluice_bench::rng::Rng;

use super::common::seed;
use super::engine::Engine;
use super::pair::{Pair, ledger, pace};

/// Of the load.
const SECONDS: u64 = 12;

#[test]
fn a_killed_agent_loses_and_doubles_nothing() {
    let Some(engine) = Engine::given() else { return };
    let mut rng = Rng::new(seed());
    let mut pair = Pair::started(&engine);
    let run = |name: &str, compress: &str, script: &str| {
        engine.run(name).rotating("1m", 20).log("compress", compress).sh(script)
    };
    let lines = 600 * SECONDS;
    let both = format!(
        "{} & {} >&2 & wait",
        pace("out", lines, 600, "stack"),
        pace("err", lines, 600, "json")
    );
    let containers = [
        run("mixed", "false", &pace("mixed", 2 * lines, 1_200, "mixed")),
        run("packed", "true", &pace("packed", 2 * lines, 1_200, "mixed")),
        run("long", "false", &pace("long", 20 * SECONDS, 20, "long")),
        run("both", "true", &both),
    ];
    let began = Instant::now();
    let mut kills = 0;
    // The load gives the rhythm: that is what is awaited here.
    while began.elapsed() < Duration::from_secs(SECONDS) {
        std::thread::sleep(Duration::from_millis(50 + rng.below(700)));
        for side in pair.sides() {
            side.station.kill();
            side.station.launch();
        }
        kills += 1;
    }
    for container in &containers {
        container.finish();
    }
    eprintln!("{kills} kills of each agent");
    pair.expect_exactly_once(&ledger([
        ("mixed", 2 * lines),
        ("packed", 2 * lines),
        ("long", 20 * SECONDS),
        ("out", lines),
        ("err", lines),
    ]));
}
