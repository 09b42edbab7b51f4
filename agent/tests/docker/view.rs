//! What `sluice containers` says, by the socket and by the directories.

use sluice::observe::ContainerView;

use super::common::wait_until;
use super::engine::Engine;
use super::pair::{PROMPT, Pair, Side, write};

/// What does not move while one looks.
fn settled(mut rows: Vec<ContainerView>) -> Vec<ContainerView> {
    for row in &mut rows {
        row.bytes_per_second = 0;
        row.lag_bytes = 0;
    }
    rows.sort_by(|one, other| one.id.cmp(&other.id));
    rows
}

#[test]
fn socket_and_directories_agree() {
    let Some(engine) = Engine::given() else { return };
    let before = engine.run("before").sh(&write("before", 10));
    before.finish();
    let local = engine.run("local").option("--log-driver", "local").sh("echo hidden");
    let none = engine.run("none").option("--log-driver", "none").sh("echo hidden");
    let mut pair = Pair::started(&engine);
    let running = engine.run("running").sh("echo x; sleep 600");
    let created = engine.run("created").create(&["sh", "-c", "echo never"]);
    let opted_out =
        engine.run("opted-out").label("sluice.collect", "false").sh("echo secret; sleep 600");
    local.finish();
    none.finish();
    for Side { name, station, .. } in pair.sides() {
        let row = |id: &str, state: &str| station.await_container(id, |row| row.state == state);
        let reason = |row: &ContainerView| row.reason.clone().unwrap_or_default();
        let collected = station.await_container(&running.id, |row| row.collected);
        assert_eq!((&*collected.name, &*collected.driver), ("running", "json-file"), "{name}");
        assert_eq!(collected.target.as_deref(), Some("sluice"), "{name}");
        assert_eq!(collected.image, engine.image, "{name}");
        assert!(row(&before.id, "exited").collected, "{name}");
        for (container, driver) in [(&local, "local"), (&none, "none")] {
            let row = row(&container.id, "exited");
            assert!(!row.collected, "{name}: {row:?}");
            assert_eq!(row.driver, driver, "{name}");
            assert!(reason(&row).contains(driver), "{name}: {row:?}");
        }
        let waiting = row(&created.id, "created");
        assert!(!waiting.collected && waiting.reason.is_some(), "{name}: {waiting:?}");
        let out = station.await_container(&opted_out.id, |row| row.reason.is_some());
        assert!(!out.collected && reason(&out).contains("sluice.collect"), "{name}: {out:?}");
    }
    let mut views = Vec::new();
    let agree = wait_until(PROMPT, || {
        views = pair.sides().map(|side| settled(side.station.containers())).collect();
        views[0] == views[1]
    });
    assert!(agree, "socket {:#?}\ndirectories {:#?}", views[0], views[1]);
    assert_eq!(views[0].len(), 6);
    pair.await_documents(11);
    pair.stop();
    for Side { name, standin, .. } in pair.sides() {
        assert_eq!(standin.count(), 11, "{name}: and nothing of the others");
    }
}

#[test]
fn a_renamed_container_has_its_new_name() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let container = engine.run("old-name").sh(&format!("{}; sleep 600", write("old", 10)));
    pair.await_documents(10);
    engine.docker(["rename", "old-name", "new-name"]);
    for Side { station, .. } in pair.sides() {
        station.await_container(&container.id, |row| row.name == "new-name");
    }
    // Once the new name is shown, new containers and new lines go on.
    engine.docker(["exec", &container.id, "sh", "-c", "echo later > /proc/1/fd/1"]);
    pair.await_documents(11);
    pair.stop();
    for Side { name, standin, .. } in pair.sides() {
        let documents = standin.documents();
        let names: Vec<_> = documents
            .iter()
            .map(|document| document.text(&["container", "name"]).expect("a name"))
            .collect();
        assert!(names[..10].iter().all(|found| found == "old-name"), "{name}: {names:?}");
        eprintln!("{name}: a line after the renaming has the name {}", names[10]);
    }
}
