//! Log files that containers declare.

use std::time::{Duration, Instant};

use serde_json::Value;
use sluice::observe::LogView;
use sluice_bench::standin::{Document, Standin};

use super::common::{IN_TIME, sluice, wait_until};
use super::engine::Engine;
use super::pair::{Gate, Pair, Side, ledger, wait};

/// In a container's script: lines at a rate into a file that is held open for appending.
fn append(source: &str, file: &str, lines: u64, rate: u64) -> String {
    format!(
        "sluice-bench write --source {source} --kind json --file {file} --lines {lines} \
         --rate {rate}"
    )
}

fn declaring(engine: &Engine) -> Pair {
    let mut pair = Pair::of(engine);
    pair.set("collect.stdout", "declared");
    pair.start();
    pair
}

/// What arrived under a target, in the order of arrival.
fn messages(standin: &Standin, target: &str) -> Vec<String> {
    let is_it = |document: &&Document| {
        document.index.strip_prefix(target).is_some_and(|day| day.len() == "-2026.11.29".len())
    };
    let documents = standin.documents();
    documents
        .iter()
        .filter(is_it)
        .map(|document| document.text(&["message"]).expect("every document has it"))
        .collect()
}

#[track_caller]
fn await_messages(pair: &mut Pair, target: &str, expect: &[&str]) {
    for Side { name, standin, station } in pair.sides() {
        let sorted = || {
            let mut all = messages(standin, target);
            all.sort();
            all
        };
        let mut expect: Vec<_> = expect.iter().map(|line| (*line).to_owned()).collect();
        expect.sort();
        let arrived = wait_until(IN_TIME, || sorted().len() >= expect.len());
        assert!(arrived, "{name}: {:?}\n{}", sorted(), station.tail());
        station.await_idle(IN_TIME);
        assert_eq!(sorted(), expect, "{name}: {}", station.tail());
    }
}

/// More than two sweeps.
const ANOTHER_LOOK: Duration = Duration::from_secs(5);

#[test]
fn declared_files_arrive_once_though_the_agent_is_killed() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = declaring(&engine);
    let volume = Gate::new();
    let script = format!(
        "mkdir -p /app/logs/deep; {} & {} & {} & wait",
        append("layer", "/app/logs/layer.log", 4_000, 400),
        append("deep", "/app/logs/deep/deep.log", 4_000, 400),
        append("bind", "/bind/catalina.2026-11-29.log", 4_000, 400),
    );
    let container = engine
        .run("declares")
        .env("aliyun_logs_layer", "/app/logs/**/*.log")
        .env("sluice_logs_bind", "/bind/catalina.*.log")
        .mount(volume.path(), "/bind")
        .sh(&script);
    for Side { name, standin, station } in pair.sides() {
        assert!(wait_until(IN_TIME, || standin.count() > 100), "{name}: {}", station.tail());
    }
    for _ in 0..4 {
        pair.sides().for_each(|side| side.station.kill());
        pair.sides().for_each(|side| side.station.launch());
        std::thread::sleep(Duration::from_millis(700));
    }
    container.finish();
    pair.expect_exactly_once(&ledger([("layer", 4_000), ("deep", 4_000), ("bind", 4_000)]));
    for Side { name, standin, .. } in pair.sides() {
        assert_eq!(messages(standin, "layer").len(), 8_000, "{name}");
        assert_eq!(messages(standin, "bind").len(), 4_000, "{name}");
    }
}

/// What is on a volume belongs to the workload, and what is in the layer to the container.
#[test]
fn a_container_that_is_replaced_goes_on_with_its_volume() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = declaring(&engine);
    let volume = Gate::new();
    let run = |script: &str| {
        engine
            .run("replaced")
            .env("aliyun_logs_shop", "/data/shop.log")
            .mount(volume.path(), "/data")
            .sh(script)
    };
    let first = run("echo one >> /data/shop.log; sleep 600");
    await_messages(&mut pair, "shop", &["one"]);
    let directory = first.directory();
    drop(first);
    assert!(!directory.exists());
    // A line of nobody's, in between.
    std::fs::write(volume.path().join("shop.log"), "one\ntwo\n").expect("the file can be written");
    let second = run("echo three >> /data/shop.log; sleep 600");
    await_messages(&mut pair, "shop", &["one", "two", "three"]);
    drop(second);
    // The same while no agent runs.
    pair.stop();
    let third = run("echo four >> /data/shop.log; sleep 600");
    pair.start();
    await_messages(&mut pair, "shop", &["one", "two", "three", "four"]);
    let of_last = |document: &Document| document.text(&["container", "id"]);
    for Side { name, standin, .. } in pair.sides() {
        let documents = standin.documents();
        let four = documents
            .iter()
            .find(|document| document.text(&["message"]).as_deref() == Some("four"));
        assert_eq!(four.and_then(of_last).as_deref(), Some(third.id.as_str()), "{name}");
    }
}

/// However alike they are: the ids of their documents have to differ.
#[test]
fn the_same_lines_on_a_volume_that_was_made_anew_arrive_too() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = declaring(&engine);
    let place = Gate::new();
    let volume = place.path().join("volume");
    let mut expect = Vec::new();
    for life in 0..4 {
        if life == 3 {
            // The same while no agent runs.
            pair.stop();
        }
        std::fs::create_dir(&volume).expect("a directory can be made");
        let container = engine
            .run("alike")
            .env("aliyun_logs_shop", "/data/shop.log")
            .mount(&volume, "/data")
            .sh("echo begins >> /data/shop.log; echo goes on >> /data/shop.log; sleep 600");
        if life == 3 {
            pair.start();
        }
        expect.extend(["begins", "goes on"]);
        await_messages(&mut pair, "shop", &expect);
        drop(container);
        std::fs::remove_dir_all(&volume).expect("a directory can be removed");
    }
    // Who followed the volume before looks again at the place of this one.
    std::thread::sleep(ANOTHER_LOOK);
    await_messages(&mut pair, "shop", &expect);
    for Side { name, standin, .. } in pair.sides() {
        assert_eq!(standin.ids_seen_twice(), 0, "{name}");
    }
}

/// What is mounted in a container that is started again need not be what it was.
#[test]
fn a_directory_that_another_one_has_the_place_of_is_read_to_its_end_and_the_other_once() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = declaring(&engine);
    let place = Gate::new();
    let volume = place.path().join("volume");
    std::fs::create_dir(&volume).expect("a directory can be made");
    let container = engine
        .run("moved")
        .env("aliyun_logs_shop", "/data/shop.log")
        .mount(&volume, "/data")
        .sh("echo begins >> /data/shop.log; echo goes on >> /data/shop.log; exec sleep 600");
    let mut expect = vec!["begins", "goes on"];
    await_messages(&mut pair, "shop", &expect);
    engine.docker(["kill", &container.id]);
    std::fs::rename(&volume, place.path().join("before")).expect("it can be renamed");
    std::fs::create_dir(&volume).expect("a directory can be made");
    engine.docker(["start", &container.id]);
    expect.extend(["begins", "goes on"]);
    await_messages(&mut pair, "shop", &expect);
    std::thread::sleep(ANOTHER_LOOK);
    await_messages(&mut pair, "shop", &expect);
    for Side { name, station, .. } in pair.sides() {
        assert_eq!(station.metric("sluice_losses_total", &[]), 0.0, "{name}: {}", station.tail());
    }
}

#[test]
fn files_that_change_their_names_within_a_pattern_are_read_once() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = declaring(&engine);
    // By number, by date behind and within the name, to another name that fits, and by copying.
    let script = format!(
        "mkdir /l; cd /l; echo a0 > a.log; echo b0 > b.log; echo c0 > c.log; touch /gate/begun; \
         {}; mv a.log a.log.1; echo a1 > a.log; echo longer than what comes >> a.log; mv b.log b-2026-11-28.log; echo b1 > b.log; \
         mv c.log other-name.log; echo c1 > c.log; touch /gate/renamed; {}; \
         echo c0-late >> other-name.log; cp a.log a-20261129.log; : > a.log; echo a2 >> a.log; \
         gzip -c a.log.1 > a.log.1.gz && rm a.log.1; touch /gate/done; sleep 600",
        wait("rename"),
        wait("go")
    );
    let container = engine
        .run("renames")
        .env("aliyun_logs_l", "/l/*.log")
        .mount(gate.path(), "/gate")
        .sh(&script);
    gate.reached("begun");
    await_messages(&mut pair, "l", &["a0", "b0", "c0"]);
    gate.open("rename");
    gate.reached("renamed");
    let renamed = ["a0", "b0", "c0", "a1", "longer than what comes", "b1", "c1"];
    await_messages(&mut pair, "l", &renamed);
    // Under their new names they are met by an agent that has only its store.
    pair.stop();
    pair.start();
    await_messages(&mut pair, "l", &renamed);
    gate.open("go");
    gate.reached("done");
    let all: Vec<&str> = renamed.into_iter().chain(["c0-late", "a2"]).collect();
    await_messages(&mut pair, "l", &all);
    // What was copied and compressed is met again.
    pair.stop();
    pair.start();
    await_messages(&mut pair, "l", &all);
    drop(container);
}

#[test]
fn what_cannot_be_had_is_said_and_harms_nothing_else() {
    let Some(engine) = Engine::given() else { return };
    let secrets = Gate::new();
    std::fs::write(secrets.path().join("a.log"), "SECRET\n").expect("a file can be written");
    let mut pair = declaring(&engine);
    let script = format!(
        "mkdir /l /l/directory.log; ln -s {secret}/a.log /l/link.log; mkfifo /l/fifo.log; \
         ln -s /dev/stdout /l/out.log; ln -s ../../../../../../../..{secret} /l/up; \
         ln -s /proc/1/root/etc/passwd /l/magic.log; echo good > /l/good.log; echo to-stdout; \
         sleep 600",
        secret = secrets.path().display()
    );
    let container = engine
        .run("attacks")
        .env("aliyun_logs_l", "/l/*.log")
        .env("aliyun_logs_up", "/l/up/a.log")
        .env("aliyun_logs_deep", "/l/../../../..{secret}/a.log")
        .env("aliyun_logs_relative", "l/a.log")
        .env("aliyun_logs_nothing", "")
        .env("aliyun_logs_out", "stdout")
        .sh(&script);
    await_messages(&mut pair, "l", &["good"]);
    await_messages(&mut pair, "out", &["to-stdout"]);
    for Side { name, standin, station } in pair.sides() {
        station.await_idle(IN_TIME);
        assert_eq!(standin.count(), 2, "{name}: {}", station.tail());
        let view = station.explain("attacks");
        let log = |log: &str| {
            let found = view.logs.iter().find(|view| view.name.as_deref() == Some(log));
            found.unwrap_or_else(|| panic!("{name}: no {log} in {view:#?}"))
        };
        let paths = |log: &LogView| -> Vec<String> {
            log.files.iter().map(|file| file.path.clone()).collect()
        };
        assert_eq!(paths(log("l")), ["/l/good.log"], "{name}");
        assert_eq!(paths(log("out")), ["stdout"], "{name}");
        let notes = log("l").notes.join("\n");
        for words in
            ["/l/directory.log is a directory", "/l/fifo.log is no regular", "declare `stdout`"]
        {
            assert!(notes.contains(words), "{name}: {words}: {notes}");
        }
        assert_eq!(paths(log("up")), Vec::<String>::new(), "{name}");
        let problems = view.problems.join("\n");
        for key in ["aliyun_logs_deep", "aliyun_logs_relative", "aliyun_logs_nothing"] {
            assert!(problems.contains(key), "{name}: {key}: {problems}");
        }
        assert_eq!(log("l").files[0].position.as_ref().map(|at| at.frontier), Some(5), "{name}");
    }
    for Side { name, standin, station } in pair.sides() {
        let state = station.state().display().to_string();
        let tap = std::thread::spawn(move || {
            sluice(&["tap", "attacks", "--limit", "1", "--state-dir", &state])
        });
        let deadline = Instant::now() + IN_TIME;
        while !tap.is_finished() {
            assert!(Instant::now() < deadline, "{name}: nothing goes by: {}", station.tail());
            engine.docker(["exec", "attacks", "sh", "-c", "echo tapped >> /l/good.log"]);
            std::thread::sleep(Duration::from_millis(300));
        }
        let tapped = tap.join().expect("no panic");
        assert_eq!(tapped.code(), Some(0), "{name}: {}", tapped.stderr);
        let document: Value = serde_json::from_str(tapped.stdout.trim()).expect("one document");
        assert_eq!(document["message"], "tapped", "{name}");
        assert!(standin.count() > 2, "{name}");
    }
    drop(container);
}

/// What a declaration says of the text: fields, joined lines, tags, target; on files and on stdout.
#[test]
fn formats_and_joined_lines_are_what_the_declaration_says() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::of(&engine);
    pair.set("collect.stdout", "declared");
    pair.set("shape", "pilot");
    pair.start();
    let access =
        r#"10.0.0.9 - bob [28/Nov/2026:10:00:00 +0000] "GET /a HTTP/1.1" 200 17 "-" "curl""#;
    let script = format!(
        "mkdir /l; echo '{access}' > /l/access.log; echo 'no request' >> /l/access.log; \
         printf 'Exception: x\\n  at a\\n  at b\\nnext\\n' > /l/trace.log; \
         echo '{{\"level\":\"info\",\"n\":3,\"message\":\"inside\"}}'; echo not json; sleep 600"
    );
    let container = engine
        .run("formats")
        .env("aliyun_logs_access", "/l/access.log")
        .env("aliyun_logs_access_format", "nginx")
        .env("aliyun_logs_access_tags", "stage=test,team=a")
        .env("aliyun_logs_access_target", "Shop")
        .env("aliyun_logs_trace", "/l/trace.log")
        .env("aliyun_logs_trace_multiline_pattern", "^  ")
        .env("aliyun_logs_trace_multiline_timeout", "1s")
        .env("aliyun_logs_out", "stdout")
        .env("aliyun_logs_out_format", "json")
        .sh(&script);
    await_messages(&mut pair, "shop", &[access, "no request"]);
    await_messages(&mut pair, "trace", &["Exception: x\n  at a\n  at b", "next"]);
    await_messages(&mut pair, "out", &["inside", "not json"]);
    for Side { name, standin, station } in pair.sides() {
        let documents = standin.documents();
        let one = |message: &str| {
            let is_it = |document: &&Document| {
                document.text(&["message"]).is_some_and(|text| text.starts_with(message))
            };
            documents.iter().find(is_it).unwrap_or_else(|| panic!("{name}: no {message}"))
        };
        let request = one("10.0.0.9");
        let text = |field: &str| request.text(&[field]).unwrap_or_default();
        for (field, value) in [
            ("remote", "10.0.0.9"),
            ("user", "bob"),
            ("method", "GET"),
            ("path", "/a"),
            ("code", "200"),
            ("stage", "test"),
            ("team", "a"),
            ("index", "Shop"),
            ("topic", "Shop"),
            ("@timestamp", "2026-11-28T10:00:00.000000000Z"),
        ] {
            assert_eq!(text(field), value, "{name}: {field}");
        }
        assert!(one("no request").field(&["remote"]).is_none(), "{name}");
        assert_eq!(one("inside").field(&["n"]), Some(3.into()), "{name}");
        assert_eq!(one("inside").text(&["level"]).as_deref(), Some("info"), "{name}");
        assert_eq!(station.metric("sluice_unparsed_total", &[]), 2.0, "{name}");
    }
    drop(container);
}

/// The same while no agent runs: the store knows the file, and its name is another log's now.
#[test]
fn a_file_that_changes_its_name_while_no_agent_runs_is_read_on() {
    let Some(engine) = Engine::given() else { return };
    let gate = Gate::new();
    let mut pair = declaring(&engine);
    let script = format!(
        "mkdir /l; echo one > /l/one.log; echo gone > /l/gone.log; {}; mv /l/one.log /l/two.log; \
         rm /l/gone.log; echo late >> /l/two.log; touch /gate/done; sleep 600",
        wait("go")
    );
    let container = engine
        .run("renames-away")
        .env("aliyun_logs_l", "/l/*.log")
        .mount(gate.path(), "/gate")
        .sh(&script);
    await_messages(&mut pair, "l", &["one", "gone"]);
    pair.stop();
    gate.open("go");
    gate.reached("done");
    pair.start();
    await_messages(&mut pair, "l", &["one", "gone", "late"]);
    // What was read whole of a file that is gone cannot be known to be whole.
    for Side { name, station, .. } in pair.sides() {
        let lost = || station.metric("sluice_losses_total", &["rotated_while_away"]);
        assert!(wait_until(IN_TIME, || lost() > 0.0), "{name}: {}", station.tail());
        assert_eq!(lost(), 1.0, "{name}: {}", station.tail());
    }
    drop(container);
}
