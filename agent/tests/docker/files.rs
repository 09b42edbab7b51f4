//! Logs that containers write to files, without any declaration.

use std::time::Duration;

use sluice_bench::load::Ledger;
use sluice_bench::standin::{Document, Standin};
use tempfile::TempDir;

use super::common::{IN_TIME, wait_until};
use super::engine::Engine;
use super::pair::{Gate, PROMPT, Pair, Side, ledger, wait};

/// Until a file is found there is a look or two, and before a rotated one is left 5 s.
const FOUND_MAX: Duration = Duration::from_secs(60);

fn discovering(engine: &Engine) -> Pair {
    let mut pair = Pair::of(engine);
    pair.set("collect.files", "discovered");
    pair.start();
    pair
}

/// In a container's script: lines at a rate into a file that is held open for appending.
fn append(source: &str, file: &str, lines: u64, rate: u64) -> String {
    format!(
        "sluice-bench write --source {source} --kind json --file {file} --lines {lines} \
         --rate {rate}"
    )
}

/// What arrived of a file, in the order of the sortable key.
fn messages(standin: &Standin, path: &str) -> Vec<String> {
    let is_it = |document: &&Document| {
        document.text(&["log", "file", "path"]).is_some_and(|found| found == path)
    };
    let documents = standin.documents();
    let mut rows: Vec<_> = documents
        .iter()
        .filter(is_it)
        .map(|document| {
            assert!(document.field(&["stream"]).is_none(), "a file is neither stdout nor stderr");
            let field = |path: &[&str]| document.text(path).expect("every document has it");
            (field(&["log", "order"]), field(&["message"]))
        })
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, message)| message).collect()
}

#[test]
fn files_in_the_layer_and_on_a_volume_arrive_once_though_the_agent_is_killed() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = discovering(&engine);
    let script = format!(
        "{} & {} & wait",
        append("layer", "/var/log/app.log", 4_000, 400),
        append("volume", "/data/app.log", 4_000, 400)
    );
    let container = engine.run("writes-files").option("--volume", "sluice-files:/data").sh(&script);
    for Side { name, standin, station } in pair.sides() {
        let begun = |path: &str| {
            station.await_container(&container.id, |row| {
                row.files.iter().any(|file| file.path == path && file.collected)
            })
        };
        begun("/var/log/app.log");
        begun("/data/app.log");
        assert!(wait_until(IN_TIME, || standin.count() > 100), "{name}: {}", station.tail());
    }
    for _ in 0..3 {
        pair.sides().for_each(|side| side.station.kill());
        pair.sides().for_each(|side| side.station.launch());
        std::thread::sleep(Duration::from_millis(700));
    }
    container.finish();
    let ledger: Ledger = ledger([("layer", 4_000), ("volume", 4_000)]);
    pair.expect_exactly_once(&ledger);
    for Side { name, standin, .. } in pair.sides() {
        let count = |path: &str| messages(standin, path).len();
        assert_eq!((count("/var/log/app.log"), count("/data/app.log")), (4_000, 4_000), "{name}");
    }
    drop(container);
    engine.docker(["volume", "rm", "--force", "sluice-files"]);
}

#[test]
fn a_file_whose_container_is_removed_while_it_writes_arrives_to_its_end() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = discovering(&engine);
    let script =
        format!("{} --ledger /gate/ledger", append("cut-off", "/var/log/app.log", 100_000, 500));
    let mut container = engine.run("cut-off").mount(gate.path(), "/gate").sh(&script);
    for Side { name, standin, station } in pair.sides() {
        assert!(wait_until(FOUND_MAX, || standin.count() > 200), "{name}: {}", station.tail());
    }
    container.remove();
    let written = Ledger::load(&gate.path().join("ledger")).expect("the writer kept a ledger");
    for Side { name, standin, station } in pair.sides() {
        // The ledger is a little behind the file.
        let arrived = wait_until(IN_TIME, || standin.count() >= written.lines());
        assert!(arrived, "{name}: {} of {}", standin.count(), written.lines());
        station.await_idle(PROMPT);
        station.stop();
        let whole = ledger([("cut-off", standin.count())]);
        let total = standin.verify(&whole).total();
        assert_eq!((total.missing, total.doubled, total.out_of_order), (0, 0, 0), "{name}");
    }
}

#[test]
fn lines_of_one_open_each_and_rotated_files_arrive_in_order() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = discovering(&engine);
    let script = "i=0; while [ $i -lt 900 ]; do echo line $i >> /var/log/r.log; i=$((i+1)); \
         if [ $((i % 300)) = 0 ]; then sleep 2; mv /var/log/r.log.1 /var/log/r.log.2; \
         mv /var/log/r.log /var/log/r.log.1; fi; sleep 0.01; done; \
         printf unfinished >> /var/log/r.log; echo next > /var/log/r.log.x; \
         touch /gate/done; sleep 600";
    let container = engine.run("rotates").mount(gate.path(), "/gate").sh(script);
    let mut expected: Vec<String> = (0..900).map(|number| format!("line {number}")).collect();
    for Side { name, standin, station } in pair.sides() {
        let all = || messages(standin, "/var/log/r.log").len() >= expected.len();
        assert!(wait_until(FOUND_MAX, all), "{name}: {}", station.tail());
        assert_eq!(messages(standin, "/var/log/r.log")[..900], expected, "{name}");
    }
    // The last line has no end, and its file no first line until the container goes.
    expected.push("unfinished".to_owned());
    gate.reached("done");
    drop(container);
    for Side { name, standin, station } in pair.sides() {
        let all = || messages(standin, "/var/log/r.log") == expected;
        assert!(wait_until(FOUND_MAX, all), "{name}: {}", station.tail());
    }
}

#[test]
fn nothing_of_the_host_and_nothing_but_text_is_collected() {
    let Some(engine) = Engine::given() else { return };
    let secrets = TempDir::with_prefix("sluice-secret-").expect("a temporary directory");
    let secret = secrets.path().join("app.log");
    std::fs::write(&secret, "SECRET of the host\n".repeat(100)).expect("a file can be written");
    let gate = Gate::new();
    let mut pair = discovering(&engine);
    let host = secrets.path().display();
    let script = format!(
        "mkdir -p /logs/swap /logs/link; ln -s {host}/app.log /logs/link/app.log; \
         mkfifo /logs/fifo.log; exec 4<>/logs/fifo.log; echo fifo >&4; \
         cat /bin/busybox >> /logs/binary.log; exec 5>>/logs/binary.log; \
         exec 6>>/logs/.history; echo hidden >&6; exec 7>>/logs/app.pid; echo 7 >&7; \
         exec 8>>/logs/swap/app.log; echo swapped 0 >&8; \
         exec 9>>/logs/endless.log; echo begin >&9; head -c 3000000 /dev/zero | tr '\\0' x >&9; \
         exec 3>>/etc-of-host/app.log; echo outside >&3; \
         {}; \
         mv /logs/swap /logs/old; ln -s {host} /logs/swap; echo swapped 1 >&8; touch /gate/swapped; \
         {}",
        wait("swap"),
        append("good", "/logs/good.log", 1_000, 200)
    );
    let container = engine
        .run("attacks")
        .mount(gate.path(), "/gate")
        .mount(&engine.root.join("containers"), "/etc-of-host")
        .sh(&script);
    for Side { name, standin, station } in pair.sides() {
        let swapped = || messages(standin, "/logs/swap/app.log") == ["swapped 0"];
        assert!(wait_until(FOUND_MAX, swapped), "{name}: {}", station.tail());
    }
    gate.open("swap");
    gate.reached("swapped");
    container.finish();
    for Side { name, standin, station } in pair.sides() {
        let good = || messages(standin, "/logs/good.log").len() == 1_000;
        assert!(wait_until(FOUND_MAX, good), "{name}: {}", station.tail());
        let endless = || {
            let pieces = messages(standin, "/logs/endless.log");
            pieces.iter().map(String::len).sum::<usize>() == "begin".len() + 3_000_000
        };
        assert!(wait_until(IN_TIME, endless), "{name}: {}", station.tail());
        // By the descriptor that is held, and under the name that it was found by.
        let swapped = || messages(standin, "/logs/swap/app.log") == ["swapped 0", "swapped 1"];
        assert!(wait_until(IN_TIME, swapped), "{name}: {}", station.tail());
        station.await_idle(IN_TIME);
        let mut paths: Vec<String> = standin
            .documents()
            .iter()
            .map(|document| {
                let message = document.text(&["message"]).expect("a message");
                assert!(!message.contains("SECRET"), "{name}: {message}");
                document.text(&["log", "file", "path"]).expect("a path")
            })
            .collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths, ["/logs/endless.log", "/logs/good.log", "/logs/swap/app.log"], "{name}");
    }
    std::fs::remove_file(engine.root.join("containers/app.log")).ok();
}

#[test]
fn a_file_is_suggested_where_it_is_not_collected() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let script = format!("{} & sleep 600", append("suggested", "/var/log/app.log", 100_000, 100));
    let container = engine.run("suggests").sh(&script);
    let out = engine.run("out").label("sluice.collect", "false").sh(&script);
    for Side { name, standin, station } in pair.sides() {
        let row = station.await_container(&container.id, |row| row.suggestion().is_some());
        assert_eq!(row.suggestion().as_deref(), Some("/var/log/app.log"), "{name}");
        assert_eq!(standin.count(), 0, "{name}");
        let row = station.await_container(&out.id, |row| row.reason.is_some());
        assert!(row.files.is_empty(), "{name}: {row:?}");
    }
}
