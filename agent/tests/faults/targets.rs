//! One target is down, and the rest are up.

use std::time::Instant;

use serde_json::{Value, json};
use sluice_bench::load::{Clock, Stream};
use sluice_bench::standin::{ItemError, Rule, Which};

use super::common::{
    Container, IN_TIME, SOON, Writer, dead_letters, expect_exactly_once, spec_for,
    wait_for_dead_letters,
};
use super::{BOTH, Over, PROMPTLY, Scene, documents_in};

/// Resident memory while a target is down. The promise is 64 MiB for a release build; what tests
/// run is larger in itself.
const MEMORY_MAX: u64 = 96 << 20;

/// Lines of the sick container go to an index that begins with `down-`; the others' arrive
/// promptly, and the sick one's when it recovers.
fn one_target_down(error: &ItemError, recovers: bool) {
    const ROUNDS: u64 = 30;
    for over in BOTH {
        let scene = Scene::new(over);
        let standin = &scene.standin;
        let rule = Rule::items(Which::IndexPrefix("down-".to_owned()), error.clone());
        let rule = standin.faults().add(rule);
        let root = scene.node.root();
        let writer = |name, target| Writer::alone(&root, Container::of(spec_for(name, target)), 4);
        let (mut sick, mut first, mut second) =
            (writer("sick", "down"), writer("first", "up-a"), writer("second", "up-b"));
        sick.lines(Stream::Stdout, 2_000);
        let agent = scene.node.start();
        let met = standin.wait_for(SOON, |snapshot| snapshot.item_errors > 0);
        assert!(met, "{:#?}", scene.snapshot());
        let mut waits = Vec::new();
        for round in 1..=ROUNDS {
            sick.lines(Stream::Stdout, 20);
            first.lines(Stream::Stdout, 1);
            second.lines(Stream::Stderr, 1);
            let began = Instant::now();
            let arrived = standin.wait_for(PROMPTLY * 5, |snapshot| {
                documents_in(snapshot, "up-a-") >= round && documents_in(snapshot, "up-b-") >= round
            });
            assert!(arrived, "round {round} after {waits:?}: {:#?}", scene.snapshot());
            waits.push(began.elapsed());
        }
        waits.sort();
        println!("{error:?} {over:?}: half within {:?}, all within {:?}", waits[14], waits[29]);
        assert!(waits[ROUNDS as usize / 2] <= PROMPTLY, "{waits:?}");
        assert_eq!(documents_in(&scene.snapshot(), "down-"), 0);
        let memory = agent.resident_bytes_max();
        println!("{} MiB at most", memory >> 20);
        assert!(memory <= MEMORY_MAX, "{} MiB", memory >> 20);
        let mut ledger = first.ledger();
        ledger.merge(&second.ledger());
        if recovers {
            standin.faults().remove(rule);
            ledger.merge(&sick.ledger());
            assert!(standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", scene.snapshot());
            assert_eq!(dead_letters(&scene.node.state_dir()), [] as [Value; 0]);
        } else {
            let letters = sick.ledger().lines() as usize;
            wait_for_dead_letters(&scene.node.state_dir(), letters);
        }
        agent.terminate();
        expect_exactly_once(standin, &ledger);
    }
}

#[test]
fn one_index_is_closed() {
    one_target_down(&ItemError::IndexClosed, true);
}

#[test]
fn one_tenants_index_is_read_only() {
    one_target_down(&ItemError::IndexBlocked, true);
}

#[test]
fn one_index_is_on_a_full_disk() {
    one_target_down(&ItemError::FloodStage, true);
}

#[test]
fn one_index_is_busy() {
    one_target_down(&ItemError::Rejected, true);
}

#[test]
fn one_index_has_a_mapping_conflict() {
    one_target_down(&ItemError::Mapping, false);
}

#[test]
fn yesterdays_index_is_closed() {
    let scene = Scene::new(Over::Http);
    let standin = &scene.standin;
    let closed = Which::Index("sluice-2026.01.02".to_owned());
    let rule = standin.faults().add(Rule::items(closed, ItemError::IndexClosed));
    let late = Container { clock: Clock::steps(), ..Container::new("late") };
    let mut late = Writer::alone(&scene.node.root(), late, 5);
    late.lines(Stream::Stdout, 200);
    let agent = scene.node.start();
    let met = standin.wait_for(SOON, |snapshot| snapshot.item_errors > 0);
    assert!(met, "{:#?}", scene.snapshot());
    let mut today = scene.writer("today");
    for round in 1..=10 {
        today.lines(Stream::Stdout, 1);
        assert!(standin.wait_count(round, PROMPTLY * 5), "{round}: {:#?}", scene.snapshot());
    }
    standin.faults().remove(rule);
    let mut ledger = today.ledger();
    ledger.merge(&late.ledger());
    assert!(standin.wait_count(210, IN_TIME), "{:#?}", scene.snapshot());
    agent.terminate();
    expect_exactly_once(standin, &ledger);
    assert_eq!(scene.snapshot().indices["sluice-2026.01.02"], 200);
}

#[test]
fn what_is_refused_for_too_long_becomes_dead_letters() {
    let mut scene = Scene::new(Over::Http);
    scene.node.set("output.elasticsearch.when_refused", json!({"dead_letter_after": "2s"}));
    let closed = Which::IndexPrefix("down-".to_owned());
    scene.standin.faults().add(Rule::items(closed, ItemError::IndexClosed));
    let sick = Container::of(spec_for("sick", "down"));
    let mut sick = Writer::alone(&scene.node.root(), sick, 6);
    sick.lines(Stream::Stdout, 50);
    let mut well = scene.writer("well");
    well.lines(Stream::Stdout, 50);
    let agent = scene.node.start();
    let letters = wait_for_dead_letters(&scene.node.state_dir(), 50);
    assert!(letters.iter().all(|letter| letter["reason"] == "target_refused"), "{letters:#?}");
    scene.expect_all(&well, agent);
}
