//! What happened while no agent ran.

use super::engine::Engine;
use super::pair::{Gate, Pair, ledger, wait, write};

#[test]
fn containers_that_ended_before_the_first_start_are_collected() {
    let Some(engine) = Engine::given() else { return };
    let containers = [
        engine.run("ended").sh(&write("ended", 2_000)),
        engine.run("ended-rotated").rotating("100k", 20).sh(&write("ended-rotated", 2_000)),
        engine
            .run("ended-compressed")
            .rotating("100k", 20)
            .log("compress", "true")
            .sh(&write("ended-compressed", 2_000)),
    ];
    for container in &containers {
        container.finish();
    }
    let mut pair = Pair::started(&engine);
    pair.expect_exactly_once(&ledger([
        ("ended", 2_000),
        ("ended-rotated", 2_000),
        ("ended-compressed", 2_000),
    ]));
}

#[test]
fn files_that_were_rotated_and_compressed_meanwhile_are_read_once() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = Pair::started(&engine);
    let run = |name: &str, compress: &str| {
        let script = format!(
            "{}; touch /gate/{name}; {}; {}",
            write(&format!("{name}/first"), 700),
            wait("go"),
            write(&format!("{name}/second"), 4_000)
        );
        engine
            .run(name)
            .rotating("100k", 30)
            .log("compress", compress)
            .mount(gate.path(), "/gate")
            .sh(&script)
    };
    let containers = [run("plain", "false"), run("packed", "true")];
    gate.reached("plain");
    gate.reached("packed");
    pair.await_documents(1_400);
    pair.stop();
    gate.open("go");
    for container in &containers {
        container.finish();
    }
    pair.start();
    pair.expect_exactly_once(&ledger([
        ("plain/first", 700),
        ("plain/second", 4_000),
        ("packed/first", 700),
        ("packed/second", 4_000),
    ]));
}

/// The same with an agent that was killed: it has read more than its store knows.
#[test]
fn files_that_were_rotated_after_a_kill_are_read_once() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = Pair::started(&engine);
    let script = format!("{}; {}; {}", write("first", 3_000), wait("go"), write("second", 3_000));
    let container = engine
        .run("killed")
        .rotating("100k", 30)
        .log("compress", "true")
        .mount(gate.path(), "/gate")
        .sh(&script);
    for side in pair.sides() {
        assert!(side.standin.wait_count(500, super::common::IN_TIME), "{}", side.station.tail());
        side.station.kill();
    }
    gate.open("go");
    container.finish();
    pair.start();
    pair.expect_exactly_once(&ledger([("first", 3_000), ("second", 3_000)]));
}
