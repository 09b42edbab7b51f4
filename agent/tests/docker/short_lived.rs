//! Containers that are gone before anybody could ask for them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};

use super::common::{IN_TIME, wait_until};
use super::engine::Engine;
use super::pair::{Pair, Side, ledger};

const CONTAINERS: u32 = 100;
const LINES: u64 = 3;
/// Clients at a time.
const CLIENTS: usize = 4;

#[test]
fn containers_that_live_for_50_ms_arrive_or_are_declared() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let next = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= CONTAINERS {
                        return;
                    }
                    let name = format!("short-{number}");
                    let write = format!("sluice-bench write --source {name} --lines {LINES}");
                    let script = format!("{write}; sleep 0.05");
                    let options = ["run", "--rm", "--network", "none", "--name", &name];
                    let image = engine.image.as_str();
                    engine.docker(options.into_iter().chain([image, "sh", "-c", &script]));
                }
            });
        }
    });
    let names: Vec<String> = (0..CONTAINERS).map(|number| format!("short-{number}")).collect();
    let ledger = ledger(names.iter().map(|name| (name.as_str(), LINES)));
    for Side { name: side, standin, station } in pair.sides() {
        // By name, or where its metadata was gone too, by id.
        let declared = || station.metric("sluice_losses_total", &[]) as usize;
        let incomplete = || -> BTreeSet<String> {
            let summary = standin.verify(&ledger);
            let faulty = summary.sources.iter().filter(|source| source.missing > 0);
            faulty.map(|source| source.source.clone()).collect()
        };
        let settled = wait_until(IN_TIME, || incomplete().len() <= declared());
        let missing = incomplete();
        let share = 100.0 * (CONTAINERS as usize - missing.len()) as f64 / f64::from(CONTAINERS);
        eprintln!(
            "{side}: {share:.0} % of the containers that lived for 50 ms arrived, {} declared lost",
            declared()
        );
        assert!(
            settled,
            "{side}: {missing:?} neither arrived nor were declared\n{}",
            station.tail()
        );
        let log = station.log();
        let said = log.lines().filter(|line| line.contains("declared loss")).count();
        assert_eq!(said, declared(), "{side}: each loss has its line\n{log}");
        station.stop();
        let summary = standin.verify(&ledger);
        let total = summary.total();
        assert_eq!((total.doubled, total.corrupt, total.out_of_order), (0, 0, 0), "{summary}");
        assert_eq!(summary.foreign, 0, "{summary}");
        // Nobody promises all of them; an agent that gets less than this has a fault.
        assert!(share >= 90.0, "{side}: {share} %");
    }
}
