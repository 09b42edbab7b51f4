//! Random faults by seed: whatever happens, every line is stored once or is a dead letter.

use std::time::Duration;

use super::world::*;
use crate::encode::Encoding;
use crate::ship::backoff::Random;
use crate::ship::*;

const BATCHES: u64 = 12;
const INDICES: [&str; 3] = ["a", "b", "c"];

fn pick<T: Clone>(random: &mut Random, choices: &[T]) -> T {
    choices[random.up_to(choices.len() as u64 - 1) as usize].clone()
}

fn item(random: &mut Random) -> Do {
    pick(
        random,
        &[
            Do::Store,
            Do::Store,
            Do::Store,
            Do::Fail(429, "es_rejected_execution_exception", ""),
            Do::Fail(503, "unavailable_shards_exception", ""),
            Do::Fail(403, "cluster_block_exception", ""),
            Do::Fail(400, "mapper_parsing_exception", ""),
            Do::Fail(500, "node_not_connected_exception", ""),
            Do::Fail(0, "", ""),
        ],
    )
}

fn plan(random: &mut Random, seen: &Seen) -> Plan {
    let stored = random.up_to(1) == 0;
    let fault = pick(
        random,
        &[
            TransportFault::Connect,
            TransportFault::Closed,
            TransportFault::Deadline,
            TransportFault::Cut,
            TransportFault::AnswerTooLarge,
        ],
    );
    match random.up_to(9) {
        0 => whole(429, "es_rejected_execution_exception", ""),
        1 => whole(pick(random, &[400, 401, 403, 404, 413, 500, 503]), "", "[_type]"),
        2 if matches!(fault, TransportFault::Connect | TransportFault::Cut) => {
            Plan::Fail { stored: false, error: transport(fault, Sent::Nothing) }
        }
        2 => Plan::Fail { stored, error: transport(fault, Sent::All) },
        3 => {
            let items = vec![r#"{"create":{"status":201}}"#; seen.items.len() + 1].join(",");
            Plan::Answer { stored, body: format!(r#"{{"items":[{items}]}}"#) }
        }
        4 => Plan::Answer { stored, body: "<html>".into() },
        5 | 6 => Plan::Items(seen.items.iter().map(|_| item(random)).collect()),
        _ => Plan::Store,
    }
}

fn run(seed: u64) -> World {
    let mut random = Random::new(seed);
    let mut faults = Random::new(seed ^ 1);
    let settings = ShipSettings { hosts: 3, ..ShipSettings::default() };
    let mut world = World::with(settings, move |seen| {
        if seen.at_ns > 120 * SECOND { Plan::Store } else { plan(&mut faults, seen) }
    });
    world.rewinds = true;
    let mut offset = [0; 4];
    let mut all = Vec::new();
    for number in 1..=BATCHES {
        let docs: Vec<Doc> = (0..=random.up_to(12))
            .map(|_| {
                let slice = random.up_to(3) as usize;
                offset[slice] += 1 + random.up_to(50);
                doc(slice, pick(&mut random, &INDICES), offset[slice])
            })
            .collect();
        let encoding = pick(&mut random, &[Encoding::Identity, Encoding::Gzip]);
        world.send(batch_as(number, &docs, encoding));
        world.run(Duration::from_millis(random.up_to(3_000)));
        all.extend(docs);
    }
    assert!(world.run(Duration::from_secs(1_200)), "seed {seed}: not done");
    for doc in &all {
        let is_letter = world.letters.iter().any(|it| it.0 == id(doc));
        assert!(world.holds(doc) || is_letter, "seed {seed}: {doc:?} is missing");
    }
    // The server holds nothing that was not sent, and ids make doubles impossible there; a line
    // is in one index only.
    let keys: std::collections::BTreeSet<_> =
        all.iter().map(|it| (it.index.to_owned(), id(it))).collect();
    assert!(world.stored.keys().all(|it| keys.contains(it)), "seed {seed}");
    for receipt in &world.receipts {
        assert!(receipt.1.outcomes.iter().all(|it| *it != Outcome::Collided), "seed {seed}");
    }
    world
}

#[test]
fn nothing_is_missing_whatever_fails() {
    for seed in 0..300 {
        run(seed);
    }
}

#[test]
fn a_seed_repeats_to_the_last_request() {
    let trace = |seed| {
        let world = run(seed);
        let seen: Vec<_> = world.seen.iter().map(|it| (it.at_ns, it.host, it.bytes)).collect();
        (seen, world.receipts)
    };
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}
