//! What applications write: fast, slow, long, binary, on both streams, under rotation.

use std::io::Write as _;
use std::path::Path;

use sluice_bench::line::write_line;
use sluice_bench::load::{Kind, Ledger, LineSource, Texts, Written};
use sluice_bench::rng::Rng;
use tempfile::TempDir;

use super::common::seed;
use super::engine::{DOCKER_MAX, Engine, Run};
use super::oracle;
use super::pair::{Pair, Side, ledger, pace, write};
use super::station::until;

#[test]
fn every_kind_of_line_arrives_once_under_rotation() {
    arrive_once(|run| run);
}

#[test]
fn every_kind_of_line_arrives_once_under_rotation_with_compression() {
    arrive_once(|run| run.log("compress", "true"));
}

/// Ten seconds of writing, at rates of less than 1 MB/s per container: three files of 1 MB hold
/// back some seconds of it, also while a build runs beside the test.
fn arrive_once(compress: impl Fn(Run<'_>) -> Run<'_>) {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let parts = TempDir::with_prefix("sluice-parts-").expect("a temporary directory");
    let mut ledger = ledger([
        ("fast", 20_000),
        ("slow", 100),
        ("long", 150),
        ("out", 8_000),
        ("err", 8_000),
        ("binary", 3_000),
        ("multi-byte", 3_000),
    ]);
    parts_of(&mut ledger, parts.path(), "20k", 40, 4, 20 << 10);
    parts_of(&mut ledger, parts.path(), "1m", 6, 1, 1 << 20);
    let both = format!(
        "{} & {} >&2 & wait",
        pace("out", 8_000, 1_000, "stack"),
        pace("err", 8_000, 1_000, "json")
    );
    let scripts = [
        ("fast", pace("fast", 20_000, 3_000, "mixed")),
        ("slow", pace("slow", 100, 10, "access")),
        ("long", pace("long", 150, 25, "long")),
        ("both", both),
        ("binary", pace("binary", 3_000, 400, "binary")),
        ("multi-byte", pace("multi-byte", 3_000, 400, "multi-byte")),
        ("20k", "for part in /parts/20k.*; do cat $part; sleep 0.2; done".to_owned()),
        ("1m", "for part in /parts/1m.*; do cat $part; sleep 1.5; done".to_owned()),
    ];
    let containers = scripts.map(|(name, script)| {
        let run = engine.run(name).rotating("1m", 3).mount(parts.path(), "/parts");
        compress(run).sh(&script)
    });
    for container in &containers {
        container.finish();
    }
    pair.expect_exactly_once(&ledger);
}

/// Lines longer than a file, so that each spans several of them, plain and compressed.
#[test]
fn lines_longer_than_a_log_file_arrive_whole() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let parts = TempDir::with_prefix("sluice-parts-").expect("a temporary directory");
    let mut ledger = Ledger::default();
    let run = |name: &str, compress: &str, pause: &str| {
        let script = format!("for part in /parts/{name}.*; do cat $part; sleep {pause}; done");
        let run = engine.run(name).rotating("300k", 150).log("compress", compress);
        run.mount(parts.path(), "/parts").sh(&script)
    };
    parts_of(&mut ledger, parts.path(), "plain", 20, 1, 1 << 20);
    parts_of(&mut ledger, parts.path(), "packed", 20, 1, 1 << 20);
    let containers = [run("plain", "false", "0.2"), run("packed", "true", "0.2")];
    for container in &containers {
        container.finish();
    }
    pair.expect_exactly_once(&ledger);
}

/// Files of numbered lines of so many bytes each, for a container to write at its pace.
fn parts_of(
    ledger: &mut Ledger,
    directory: &Path,
    source: &str,
    parts: u64,
    lines_each: u64,
    text_bytes: usize,
) {
    let mut texts = Texts::new(Kind::Access, 20);
    let mut line = Vec::new();
    for seq in 0..parts * lines_each {
        let mut text = Vec::new();
        while text.len() < text_bytes {
            texts.next_into(&mut text);
        }
        text.truncate(text_bytes);
        line.clear();
        write_line(&mut line, source, seq, &text);
        line.push(b'\n');
        let path = directory.join(format!("{source}.{:04}", seq / lines_each));
        let mut file = std::fs::File::options().create(true).append(true).open(path);
        file.as_mut().expect("a part opens").write_all(&line).expect("a part can be written");
    }
    ledger.set(source, Written { lines: parts * lines_each, text_bytes: 0 });
}

/// Lines that Docker damages: the log file says what has to arrive.
#[test]
fn what_the_driver_wrote_arrives_as_it_stands() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let rubbish = TempDir::with_prefix("sluice-rubbish-").expect("a temporary directory");
    let mut rng = Rng::new(seed());
    for stream in ["out", "err"] {
        std::fs::write(rubbish.path().join(stream), lines_of_rubbish(&mut rng))
            .expect("a file can be written");
    }
    let script = "cat /in/out & cat /in/err >&2 & wait";
    let run = |name: &str, compress: &str| {
        // Docker makes up to six bytes of one; with fewer files it would delete the first before they
        // are read here.
        let run = engine.run(name).rotating("300k", 400).log("compress", compress);
        run.mount(rubbish.path(), "/in").sh(script)
    };
    let containers = [run("rubbish", "false"), run("rubbish-gz", "true")];
    let mut count = 0;
    for container in &containers {
        container.finish();
        // Docker compresses behind the writer's back.
        let settled = || {
            let names: Vec<_> = std::fs::read_dir(container.directory()).ok()?.flatten().collect();
            let is_rotated = |name: &str| name.contains("-json.log.") && !name.ends_with(".gz");
            let plain =
                names.iter().filter(|entry| is_rotated(&entry.file_name().to_string_lossy()));
            let both = plain.clone().any(|entry| {
                let mut packed = entry.path().into_os_string();
                packed.push(".gz");
                Path::new(&packed).exists()
            });
            (!both).then_some(())
        };
        until("Docker has compressed", DOCKER_MAX, settled);
        count += oracle::written(&container.directory()).values().map(Vec::len).sum::<usize>();
    }
    assert!(count > 1_000, "a test of nothing: {count}");
    pair.await_documents(count as u64);
    pair.stop();
    for Side { name, standin, .. } in pair.sides() {
        let documents = standin.documents();
        for container in &containers {
            let arrived = oracle::arrived(&documents, &container.id);
            let written = oracle::written(&container.directory());
            oracle::assert_same(&arrived, &written, &format!("{name}, {}", container.name()));
        }
        assert_eq!(documents.len(), count, "{name}");
    }
}

/// Bytes of all sorts in lines of all lengths, many of them around 16 KiB, and no newline at the
/// end.
fn lines_of_rubbish(rng: &mut Rng) -> Vec<u8> {
    let words: [&[u8]; 12] = [
        b"plain ",
        b"\xff",
        b"\xe2\x82",
        "€".as_bytes(),
        "🚀".as_bytes(),
        b"\0",
        b"\x1b[31m",
        b"\"quoted\\\"",
        "line\u{2028}separator".as_bytes(),
        b"<&>",
        b"\t",
        b"\r",
    ];
    let mut all = Vec::new();
    for _ in 0..400 {
        let length = match rng.below(8) {
            0 => 0,
            1 => 16_380 + rng.below(10),
            2 => rng.below(100_000),
            3 => 32_760 + rng.below(20),
            _ => rng.below(300),
        };
        let begin = all.len();
        // Long lines mostly of one word, so that characters meet the boundary at every phase.
        let favourite = *rng.pick(&words);
        while all.len() < begin + length as usize {
            let other: &[u8] = rng.pick::<&[u8]>(&words);
            all.extend_from_slice(if rng.chance(0.9) { favourite } else { other });
        }
        all.push(b'\n');
    }
    all.extend_from_slice(b"without a newline");
    all
}

/// A terminal joins both streams and ends lines with `\r\n`.
#[test]
fn a_terminal_is_one_stream() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    let container = engine.run("terminal").flag("--tty").sh("echo out; echo err >&2; printf end");
    container.finish();
    pair.await_documents(3);
    pair.stop();
    let written = oracle::written(&container.directory());
    for Side { name, standin, .. } in pair.sides() {
        let arrived = oracle::arrived(&standin.documents(), &container.id);
        let lines: Vec<_> = arrived["stdout"].iter().map(|line| line.trim_end()).collect();
        assert_eq!(lines, ["out", "err", "end"], "{name}");
        oracle::assert_same(&arrived, &written, name);
    }
}

/// A restarted container goes on in the same file.
#[test]
fn a_restarted_container_goes_on() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::started(&engine);
    // Each run counts itself in a file of the container.
    let script =
        format!("touch /runs; echo x >> /runs; n=$(wc -l < /runs); {}", write("run-$n", 500));
    let container = engine.run("again").rotating("100k", 20).sh(&script);
    container.finish();
    pair.await_documents(500);
    for _ in 0..2 {
        engine.docker(["start", &container.id]);
        container.finish();
    }
    pair.expect_exactly_once(&ledger([("run-1", 500), ("run-2", 500), ("run-3", 500)]));
}

/// The lines of [`LineSource`] reach standard output of a container unchanged.
#[test]
fn fields_say_where_a_line_is_from() {
    let Some(engine) = Engine::given() else { return };
    let mut pair = Pair::of(&engine);
    pair.set("collect.labels", vec!["com.example.*"]);
    pair.start();
    let container = engine
        .run("fields")
        .label("com.example.team", "shop")
        .label("other", "hidden")
        .label("io.kubernetes.pod.namespace", "default")
        .label("io.kubernetes.pod.name", "fields-0")
        .label("io.kubernetes.pod.uid", "9a7c")
        .label("io.kubernetes.container.name", "app")
        .env("REGION", "cn")
        .log("labels", "other")
        .log("env", "REGION")
        .log("tag", "{{.Name}}/{{.ID}}")
        .sh(&write("fields", 3));
    container.finish();
    pair.await_documents(3);
    pair.stop();
    let mut source = LineSource::new("fields", Kind::Mixed, 1);
    let first = String::from_utf8_lossy(source.next_line()).into_owned();
    for Side { name, standin, .. } in pair.sides() {
        let documents = standin.documents();
        let document = documents
            .iter()
            .find(|document| document.text(&["message"]).is_some_and(|message| message == first));
        let document = document.expect("the first line is there");
        let check = |path: &[&str], expect: &str| {
            assert_eq!(document.text(path).as_deref(), Some(expect), "{name}: {path:?}");
        };
        check(&["stream"], "stdout");
        check(&["container", "id"], &container.id);
        check(&["container", "name"], "fields");
        check(&["container", "image", "name"], &engine.image);
        check(&["container", "labels", "com_example_team"], "shop");
        assert_eq!(document.field(&["container", "labels", "other"]), None, "{name}");
        check(&["kubernetes", "namespace"], "default");
        check(&["kubernetes", "pod", "name"], "fields-0");
        check(&["kubernetes", "pod", "uid"], "9a7c");
        check(&["kubernetes", "container", "name"], "app");
        check(&["docker", "attrs", "other"], "hidden");
        check(&["docker", "attrs", "REGION"], "cn");
        check(&["docker", "attrs", "tag"], &format!("fields/{}", &container.id[..12]));
        check(&["host", "name"], "node-1");
        let file = document.text(&["log", "file", "path"]).expect("a file");
        assert!(file.contains(&container.id) && file.ends_with("-json.log"), "{name}: {file}");
        assert_eq!(document.field(&["log", "offset"]), Some(0.into()), "{name}");
        let day = document.text(&["@timestamp"]).expect("a time")[..10].replace('-', ".");
        assert_eq!(&*document.index, format!("sluice-{day}"), "{name}");
    }
}
