//! Containers that are removed with lines unread.

use super::common::wait_until;
use super::engine::{DOCKER_MAX, Engine};
use super::oracle;
use super::pair::{Gate, PROMPT, Pair, Side, ledger, wait, write};
use super::station::until;

#[test]
fn a_log_that_is_deleted_while_the_agent_is_frozen_arrives() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = Pair::started(&engine);
    let script =
        format!("{}; {}; {}; sleep 600", write("before", 500), wait("go"), write("frozen", 2_000));
    let mut container = engine.run("frozen").mount(gate.path(), "/gate").sh(&script);
    pair.await_documents(500);
    pair.sides().for_each(|side| side.station.freeze());
    gate.open("go");
    let directory = container.directory();
    let all = || (oracle::records(&directory) == 2_500).then_some(());
    until("all lines in the log file", DOCKER_MAX, all);
    container.remove();
    pair.sides().for_each(|side| side.station.thaw());
    pair.expect_exactly_once(&ledger([("before", 500), ("frozen", 2_000)]));
    for Side { name, station, .. } in pair.sides() {
        assert!(!station.log().contains("declared loss"), "{name}: {}", station.tail());
    }
}

/// The current file and rotated ones, all deleted while they are open.
#[test]
fn a_rotated_log_that_is_deleted_while_the_agent_is_frozen_arrives_or_is_declared() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = Pair::started(&engine);
    let script =
        format!("{}; {}; {}; sleep 600", write("before", 500), wait("go"), write("frozen", 2_000));
    let mut container =
        engine.run("frozen").rotating("100k", 30).mount(gate.path(), "/gate").sh(&script);
    pair.await_documents(500);
    pair.sides().for_each(|side| side.station.freeze());
    gate.open("go");
    let directory = container.directory();
    let all = || (oracle::records(&directory) == 2_500).then_some(());
    until("all lines in the log files", DOCKER_MAX, all);
    container.remove();
    pair.sides().for_each(|side| side.station.thaw());
    // Files that came and went while the agent stood still were never open. What it had open has
    // to arrive, without a hole in it, and the rest has to be declared.
    for Side { name, standin, station } in pair.sides() {
        let declared = || station.log().contains("declared loss");
        let all = || standin.count() == 2_500;
        assert!(wait_until(PROMPT, || declared() || all()), "{name}: {}", station.tail());
        station.await_idle(PROMPT);
        let summary = standin.verify(&ledger([("before", 500), ("frozen", 2_000)]));
        let total = summary.total();
        assert_eq!((total.doubled, total.corrupt, total.out_of_order), (0, 0, 0), "{summary}");
        if total.missing > 0 {
            let losses = station.metric("sluice_losses_total", &["container=\"frozen\""]);
            assert!(losses > 0.0, "{name}: {summary}");
        }
        assert!(total.received > 500, "{name}: the open file's lines are missing: {summary}");
        eprintln!("{name}: {} of 2000 lines of a frozen time with rotation", total.received - 500);
    }
}

#[test]
fn a_container_removed_while_no_agent_ran_is_declared_by_name() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = Pair::started(&engine);
    let script = |name: &str| {
        format!("{}; {}; {}", write(name, 100), wait("go"), write(&format!("{name}/unread"), 100))
    };
    let run = |name: &str| engine.run(name).mount(gate.path(), "/gate").sh(&script(name));
    let mut unread = run("removed-unread");
    // Another one, all of which was delivered, goes without a word.
    let mut complete = engine.run("removed-complete").sh(&write("removed-complete", 100));
    complete.finish();
    pair.await_documents(200);
    for side in pair.sides() {
        side.station.await_container(&complete.id, |row| row.state == "exited");
    }
    pair.stop();
    gate.open("go");
    unread.finish();
    unread.remove();
    complete.remove();
    pair.start();
    for Side { name, standin, station } in pair.sides() {
        let lost = |container: &str| {
            let container = format!("container=\"{container}\"");
            station.metric("sluice_losses_total", &["removed_while_away", &container])
        };
        assert!(wait_until(PROMPT, || lost("removed-unread") > 0.0), "{name}: {}", station.tail());
        assert_eq!(lost("removed-unread"), 1.0, "{name}");
        assert_eq!(lost("removed-complete"), 0.0, "{name}: {}", station.tail());
        let log = station.log();
        let mut said = log.lines().filter(|line| line.contains("declared loss"));
        assert!(said.all(|line| line.contains("removed-unread")), "{name}: {log}");
        assert_eq!(standin.count(), 200, "{name}");
    }
    // Once, and not at every start.
    pair.stop();
    pair.start();
    for Side { name, station, .. } in pair.sides() {
        assert_eq!(station.metric("sluice_losses_total", &[]), 0.0, "{name}: {}", station.tail());
    }
}
