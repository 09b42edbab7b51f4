//! How soon a new container is followed.

use std::time::Duration;

use sluice_bench::load::Stamp;

use super::common::SOON;
use super::engine::Engine;
use super::pair::{Pair, Side};

const CONTAINERS: usize = 15;
/// Said to be 100 ms; a build may run beside the test, and the bound is for faults of another
/// order, such as a container that only a periodic listing finds.
const MEDIAN_MAX: Duration = Duration::from_millis(500);

#[test]
fn the_first_line_of_a_new_container_arrives_at_once() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::of(&engine);
    pair.set("batch.flush_interval", "0ms");
    pair.start();
    let mut waits: Vec<Vec<Duration>> = vec![Vec::new(), Vec::new()];
    let mut containers = Vec::new();
    for number in 1..=CONTAINERS {
        let sides: Vec<_> = pair.sides().collect();
        std::thread::scope(|scope| {
            // They wait before the container runs: `docker run` comes back late.
            for (Side { name, standin, .. }, waits) in sides.into_iter().zip(&mut waits) {
                scope.spawn(move || {
                    assert!(standin.wait_count(number as u64, SOON), "{name}: {number}");
                    waits.push(Duration::from_nanos(Stamp::now().0));
                });
            }
            containers.push(engine.run(&format!("new-{number}")).sh("echo first"));
        });
    }
    for (Side { name, standin, .. }, at) in pair.sides().zip(waits) {
        let documents = standin.documents();
        let mut took: Vec<Duration> = documents
            .iter()
            .zip(at)
            .map(|(document, at)| {
                let time = document.text(&["@timestamp"]).expect("a time");
                at.saturating_sub(Duration::from_nanos(nanos_of(&time)))
            })
            .collect();
        took.sort();
        let median = took[took.len() / 2];
        eprintln!(
            "{name}: first line of a new container arrives in {median:?} (median of {}), {:?} at \
             most",
            took.len(),
            took.last()
        );
        assert!(median < MEDIAN_MAX, "{name}: {took:?}");
    }
}

/// Of `2026-11-25T08:52:54.123456789Z`, since 1970.
fn nanos_of(time: &str) -> u64 {
    let time: jiff::Timestamp = time.parse().expect("a time as RFC 3339 has it");
    time.as_nanosecond() as u64
}
