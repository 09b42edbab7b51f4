//! Declarations on containers.

use super::common::wait_until;
use super::engine::Engine;
use super::pair::{PROMPT, Pair, Side, write};

#[test]
fn only_declared_output_is_collected_where_that_is_asked_for() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::of(&engine);
    pair.set("collect.stdout", "declared");
    pair.start();
    let undeclared = engine.run("undeclared").sh(&write("undeclared", 10));
    let by_env = engine.run("by-env").env("aliyun_logs_web", "stdout").sh(&write("by-env", 10));
    let by_label =
        engine.run("by-label").label("aliyun.logs.shop", "stdout").sh(&write("by-label", 10));
    for container in [&undeclared, &by_env, &by_label] {
        container.finish();
    }
    pair.await_documents(20);
    for Side { name, station, .. } in pair.sides() {
        let row = station.await_container(&undeclared.id, |row| row.reason.is_some());
        assert!(!row.collected, "{name}: {row:?}");
    }
    pair.stop();
    for Side { name, standin, .. } in pair.sides() {
        let documents = standin.documents();
        assert_eq!(documents.len(), 20, "{name}");
        for document in documents {
            let time = document.text(&["@timestamp"]).expect("a time");
            let day = time[..10].replace('-', ".");
            let target = match document.text(&["container", "name"]).as_deref() {
                Some("by-env") => "web",
                Some("by-label") => "shop",
                other => panic!("{name}: {other:?} was not declared"),
            };
            assert_eq!(&*document.index, format!("{target}-{day}"), "{name}");
        }
    }
}

#[test]
fn what_opted_out_is_never_sent() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let out = [
        engine.run("out-label").label("sluice.collect", "false").sh("echo secret"),
        engine.run("out-env").env("SLUICE_COLLECT", "false").sh("echo secret"),
    ];
    out.iter().for_each(super::engine::Container::finish);
    for Side { name, station, .. } in pair.sides() {
        for container in &out {
            let row = station.await_container(&container.id, |row| row.state == "exited");
            assert!(!row.collected && row.reason.is_some(), "{name}: {row:?}");
        }
    }
    // A later container's line has arrived, so theirs would have.
    let witness = engine.run("witness").sh("echo witness");
    witness.finish();
    pair.await_documents(1);
    for Side { name, standin, .. } in pair.sides() {
        assert!(wait_until(PROMPT, || standin.count() == 1), "{name}");
        assert_eq!(standin.documents()[0].text(&["message"]).as_deref(), Some("witness"));
    }
}
