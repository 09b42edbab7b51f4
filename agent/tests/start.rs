//! What a person meets who starts the agent wrongly, or asks a running one: a clear message that
//! names the thing and the way out, and an exit code that a script can act on.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

mod common;
#[path = "start/hidden.rs"]
mod hidden;
#[path = "start/pilot.rs"]
mod pilot;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use common::{
    Agent, Container, Ended, IN_TIME, Load, Node, SOON, Writer, expect_exactly_once, sluice,
    wait_until,
};
use redb::{Database, TableDefinition};
use rustix::process::{Pid, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities};
use serde_json::{Value, json};
use sluice::sys::{OF_ADMINISTRATION, OF_PROGRAMS};
use sluice_bench::http::{Client, Response};
use sluice_bench::load::{ContainerSpec, Stream};
use sluice_bench::standin::{Auth, Standin, StandinConfig};

/// sysexits.h
const USAGE: i32 = 64;
const UNAVAILABLE: i32 = 69;
const TEMPORARY: i32 = 75;
const CONFIG: i32 = 78;

fn standin() -> Standin {
    Standin::start(StandinConfig::default()).expect("the stand-in starts")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// `sluice run` with this configuration, which has to end by itself.
#[track_caller]
fn run(node: &Node) -> Ended {
    sluice(&["run", "--config", &text(&node.config_path())])
}

#[track_caller]
fn check(node: &Node, more: &[&str]) -> Ended {
    let config = text(&node.config_path());
    sluice(&[&["check", "--config", &config], more].concat())
}

fn free_port() -> u16 {
    sluice_bench::port::free().expect("a port is free")
}

#[test]
fn state_directory_that_cannot_be_made_or_written() {
    let check = |state_dir: &Path| {
        let mut node = Node::new();
        node.set("state_dir", json!(state_dir));
        run(&node).expect(CONFIG, &[&text(state_dir), "state_dir", "writ"]);
    };
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    check(&file.path().join("state"));
    // Not even root makes files here.
    check(Path::new("/sys/kernel"));
    check(Path::new("/sys/kernel/sluice"));
}

#[test]
fn state_directory_locked_by_another_agent() {
    let standin = standin();
    let node = Node::sending_to(&standin);
    let mut first = node.start();
    first.wait_until_it_runs();
    let ended = run(&node);
    let pid = format!("pid {}", first.pid());
    ended.expect(TEMPORARY, &[&pid, &text(&node.state_dir()), "state_dir"]);
    // The one that was there goes on.
    let mut writer = Writer::alone(&node.root(), Container::new("one"), 1);
    writer.lines(Stream::Stdout, 10);
    assert!(standin.wait_count(10, SOON), "{:#?}", standin.snapshot());
    first.terminate();
}

#[test]
fn a_rollout_starts_the_new_agent_before_the_old_one_has_gone() {
    let standin = standin();
    let node = Node::sending_to(&standin);
    let load = Load::start(&node.root(), vec![Container::new("one")], 1, u64::MAX);
    let mut old = node.start();
    old.wait_until_it_runs();
    let mut new = Agent::start(&node.config_path(), &node.path().join("new.log"));
    new.wait_for_word("waiting", SOON);
    old.terminate();
    new.wait_until_it_runs();
    load.wait_for_lines(50);
    let (ledger, _writers) = load.finish();
    assert!(standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", standin.snapshot());
    new.terminate();
    expect_exactly_once(&standin, &ledger);
    assert_eq!(standin.conflicts(), 0, "the old one had written down what it sent");
}

#[test]
fn a_damaged_store_is_moved_aside() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("junk", |bytes| bytes.fill(b'j')),
        ("no head", |bytes| bytes[..512].fill(0)),
        ("half", |bytes| bytes.truncate(bytes.len() / 2)),
        ("a byte in each KiB", |bytes| bytes.iter_mut().step_by(1021).for_each(|it| *it ^= 0x55)),
    ];
    for (what, damage) in damages {
        let standin = standin();
        let node = Node::sending_to(&standin);
        let mut writer = Writer::alone(&node.root(), Container::new("one"), 2);
        writer.lines(Stream::Stdout, 200);
        let agent = node.start();
        assert!(standin.wait_count(200, SOON), "{:#?}", standin.snapshot());
        agent.terminate();
        let store = node.state_dir().join("state.redb");
        let mut bytes = std::fs::read(&store).expect("the store is where it was");
        damage(&mut bytes);
        std::fs::write(&store, &bytes).expect("can be written");
        writer.lines(Stream::Stdout, 100);
        let mut agent = node.start();
        agent.wait_until_it_runs();
        let said = agent.said();
        assert!(said.contains("damaged") && said.contains("state.redb"), "{what}: {said}");
        assert!(standin.wait_count(300, IN_TIME), "{what}: {:#?}", standin.snapshot());
        agent.terminate();
        expect_exactly_once(&standin, &writer.ledger());
        let names = std::fs::read_dir(node.state_dir()).expect("can be listed");
        let aside = names
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| *path != store && text(path).contains("state.redb"))
            .unwrap_or_else(|| panic!("{what}: the damaged store is not kept"));
        assert_eq!(std::fs::read(aside).expect("can be read").len(), bytes.len(), "{what}");
        // The new store holds: nothing is sent a third time.
        let conflicts = standin.conflicts();
        let agent = node.start();
        writer.lines(Stream::Stdout, 10);
        assert!(standin.wait_count(310, IN_TIME), "{what}: {:#?}", standin.snapshot());
        agent.terminate();
        assert_eq!(standin.conflicts(), conflicts, "{what}");
    }
}

#[test]
fn a_store_of_a_newer_version() {
    const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
    let standin = standin();
    let node = Node::sending_to(&standin);
    let mut agent = node.start();
    agent.wait_until_it_runs();
    agent.terminate();
    let path = node.state_dir().join("state.redb");
    let store = Database::open(&path).expect("the store can be opened");
    let write = store.begin_write().expect("a transaction");
    write.open_table(META).expect("the table").insert("format", 99).expect("a value");
    write.commit().expect("it is written");
    drop(store);
    // And again: it is neither moved aside nor written over.
    for _ in 0..2 {
        run(&node).expect(CONFIG, &[&text(&path), "newer", "99", "move the file away"]);
    }
}

#[test]
fn an_unreachable_host() {
    let standin = standin();
    let node = Node::sending_to(&standin);
    standin.go_down();
    check(&node, &[]).expect(UNAVAILABLE, &[&standin.addr().to_string(), "refused"]);
    // Whether the configuration is right can be asked without it.
    check(&node, &["--offline"]).expect(0, &[]);
    // An agent is not there to give up.
    let mut writer = Writer::alone(&node.root(), Container::new("one"), 3);
    writer.lines(Stream::Stdout, 100);
    let mut agent = node.start();
    agent.wait_until_it_runs();
    agent.wait_for_word(&standin.addr().to_string(), SOON);
    assert!(!agent.has_ended());
    standin.come_up().expect("the port is still ours");
    check(&node, &[]).expect(0, &[]);
    assert!(standin.wait_count(100, IN_TIME), "{:#?}", standin.snapshot());
    agent.terminate();
    expect_exactly_once(&standin, &writer.ledger());
}

#[test]
fn a_host_that_has_no_address() {
    let mut node = Node::new();
    node.set("output.elasticsearch.hosts", json!(["http://nowhere.invalid:9200"]));
    check(&node, &[]).expect(UNAVAILABLE, &["nowhere.invalid"]);
}

#[test]
fn a_wrong_password() {
    let auth = Some(Auth::new().basic("agent", "right"));
    let config = StandinConfig { auth, ..StandinConfig::default() };
    let standin = Standin::start(config).expect("the stand-in starts");
    let mut node = Node::sending_to(&standin);
    node.set("output.elasticsearch.user", "agent").set("output.elasticsearch.password", "wrong");
    let ended = check(&node, &[]);
    ended.expect(UNAVAILABLE, &[&standin.addr().to_string(), "401"]);
    assert!(!ended.stderr.contains("wrong\""), "{ended:#?}");
    node.set("output.elasticsearch.password", "right");
    check(&node, &[]).expect(0, &[]);
}

/// What a doctor says of each part.
#[track_caller]
fn examined(node: &Node, code: i32) -> impl Fn(&str) -> Value + use<> {
    let config = text(&node.config_path());
    let ended = sluice(&["doctor", "--json", "--config", &config]);
    assert_eq!(ended.code(), Some(code), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    move |what| {
        let all = report["findings"].as_array().expect("a list");
        let found = all.iter().find(|finding| finding["what"] == what);
        found.unwrap_or_else(|| panic!("{what}: {report:#}")).clone()
    }
}

#[test]
fn a_doctor_names_what_is_broken_and_the_mend() {
    let standin = standin();
    let mut node = Node::sending_to(&standin);
    let _writer = Writer::alone(&node.root(), Container::new("web"), 1);
    let of = examined(&node, 0);
    assert_eq!(of("output")["verdict"], "ok");
    assert_eq!(of("state directory")["verdict"], "ok");
    assert!(of("docker root")["found"].as_str().is_some_and(|it| it.ends_with(", 1 containers")));
    assert!(of("kernel")["found"].as_str().is_some_and(|it| it.starts_with("Linux ")));

    let mut agent = node.start();
    agent.wait_until_it_runs();
    let held = examined(&node, 0)("state directory");
    assert!(held["found"].as_str().is_some_and(|it| it.contains("held by the running agent")));
    agent.terminate();

    let host = format!("http://127.0.0.1:{}", free_port());
    node.set("output.elasticsearch.hosts", json!([host]));
    node.set("docker.root", json!("/nowhere"));
    let of = examined(&node, UNAVAILABLE);
    for (what, word) in [("output", host.as_str()), ("docker root", "/nowhere/containers")] {
        let finding = of(what);
        assert_eq!(finding["verdict"], "broken");
        assert!(finding["found"].as_str().is_some_and(|it| it.contains(word)), "{finding}");
        assert!(finding["mend"].is_string(), "{finding}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let standin = standin();
    let mut node = Node::sending_to(&standin);
    node.set("log.level", "trace");
    node.set("output.elasticsearch.user", "agent");
    node.set("output.elasticsearch.password", "hunter2hunter2");
    for ended in [check(&node, &[]), check(&node, &["--json"])] {
        assert!(!ended.stdout.contains("hunter2") && !ended.stderr.contains("hunter2"));
    }
    let mut writer = Writer::alone(&node.root(), Container::new("one"), 3);
    writer.lines(Stream::Stdout, 10);
    let agent = node.start();
    assert!(standin.wait_count(10, SOON), "{:#?}", standin.snapshot());
    let said = agent.terminate().stderr;
    assert!(!said.contains("hunter2"), "{said}");
    // `agent:hunter2hunter2`
    assert!(!said.contains("YWdlbnQ6aHVudGVyMmh1bnRlcjI"), "{said}");
}

#[test]
fn configurations_that_are_wrong() {
    let check = |yaml: &str, words: &[&str]| {
        let node = Node::new();
        let path = text(&node.write("sluice.yaml", yaml));
        for verb in ["run", "check"] {
            let ended = sluice(&[verb, "--config", &path]);
            ended.expect(CONFIG, words).expect(CONFIG, &[&path]);
        }
    };
    check("colect:\n  stdout: all\n", &["unknown key `colect`", "`collect`", ":1:1"]);
    check(
        "output:\n  elasticsearch:\n    hosts: [a]\n    pasword: x\n",
        &["unknown key `pasword`", "`password`", ":4:5"],
    );
    check("collect: [\n", &[":"]);
    check("workers: many\n", &["workers", "many"]);
    check("collect:\n  stdout: some\n", &["collect.stdout", "some", "declared"]);
    check("target_zone: Mars/Olympus\n", &["target_zone", "Mars/Olympus"]);
    check("node: a\nnode: b\n", &["node", "second time"]);
    check("output:\n  elasticsearch: {}\n", &["hosts"]);
    check(
        "output: {elasticsearch: {hosts: a, user: u, password_file: /nowhere/secret}}\n",
        &["password_file", "/nowhere/secret"],
    );
    check("node: ${SLUICE_TEST_UNSET}\n", &["SLUICE_TEST_UNSET"]);
}

#[test]
fn a_configuration_that_is_not_there() {
    sluice(&["run", "--config", "/nowhere/sluice.yaml"])
        .expect(CONFIG, &["/nowhere/sluice.yaml", "--config"]);
}

#[test]
fn command_lines_that_are_wrong() {
    sluice(&[]).expect(USAGE, &["Usage"]);
    sluice(&["rum"]).expect(USAGE, &["rum", "run"]);
    sluice(&["run", "--confg", "x"]).expect(USAGE, &["--confg", "--config"]);
    sluice(&["run", "--output", "carrier-pigeon"]).expect(USAGE, &["elasticsearch"]);
    let help = sluice(&["--help"]);
    help.expect(0, &[]);
    assert!(help.stdout.contains("Exit codes"), "{help:#?}");
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it has an address").to_string();
    let mut node = Node::new();
    node.set("http.listen", address.clone());
    run(&node).expect(UNAVAILABLE, &[&address, "http.listen"]);
}

#[test]
fn questions_to_no_agent() {
    let node = Node::new();
    let state = text(&node.state_dir());
    for verb in ["containers", "positions"] {
        sluice(&[verb, "--state-dir", &state]).expect(UNAVAILABLE, &[&state, "sluice run"]);
        sluice(&[verb, "--config", &text(&node.config_path())]).expect(UNAVAILABLE, &[&state]);
    }
    let version = sluice(&["version", "--state-dir", &state]);
    version.expect(0, &[]);
    assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{version:#?}");
    assert!(!version.stdout.contains("pid"), "{version:#?}");
}

#[test]
fn questions_to_a_running_agent() {
    let standin = standin();
    let node = Node::sending_to(&standin);
    let mut writer = Writer::alone(&node.root(), Container::new("web"), 4);
    writer.lines(Stream::Stdout, 100);
    node.container(ContainerSpec::new("quiet").label("sluice.collect", "false"));
    let mut elsewhere = ContainerSpec::new("elsewhere");
    elsewhere.log_driver = "journald".to_owned();
    node.container(elsewhere);
    let mut agent = node.start();
    agent.wait_until_it_runs();
    assert!(standin.wait_count(100, SOON), "{:#?}", standin.snapshot());
    let state = text(&node.state_dir());
    let ask = |verb: &str| {
        let ended = sluice(&[verb, "--state-dir", &state, "--json"]);
        ended.expect(0, &[]);
        serde_json::from_str::<Value>(&ended.stdout).expect("it is JSON")
    };

    let version = ask("version");
    assert_eq!(version["running"]["pid"], agent.pid(), "{version:#}");

    let mut containers = json!([]);
    let listed = wait_until(SOON, || {
        containers = ask("containers");
        containers.as_array().is_some_and(|all| all.len() == 3)
    });
    assert!(listed, "{containers:#}");
    let named = |name: &str| {
        let all = containers.as_array().expect("a list");
        all.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{containers:#}"))
    };
    assert_eq!(named("web")["collected"], true, "{containers:#}");
    assert_eq!(named("web")["target"], "sluice", "{containers:#}");
    let reason = |name: &str| named(name)["reason"].as_str().unwrap_or_default().to_owned();
    assert_eq!(named("quiet")["collected"], false, "{containers:#}");
    assert!(reason("quiet").contains("sluice.collect"), "{containers:#}");
    assert_eq!(named("elsewhere")["collected"], false, "{containers:#}");
    assert!(reason("elsewhere").contains("journald"), "{containers:#}");

    let size = std::fs::metadata(writer.directory.log_path()).expect("is there").len();
    let mut positions = json!([]);
    let acknowledged = wait_until(SOON, || {
        positions = ask("positions");
        positions[0]["frontier"] == size
    });
    assert!(acknowledged, "{size}: {positions:#}");
    assert_eq!(positions[0]["container"], "web", "{positions:#}");
    assert_eq!(positions[0]["unacked_bytes"], 0, "{positions:#}");

    let table = sluice(&["containers", "--state-dir", &state]);
    assert!(table.stdout.contains("web") && table.stdout.contains("CONTAINER"), "{table:#?}");
    let table = sluice(&["positions", "--config", &text(&node.config_path())]);
    assert!(table.stdout.contains(&size.to_string()), "{table:#?}");

    let socket = node.state_dir().join("control.sock");
    let mode = std::fs::metadata(&socket).expect("is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    agent.terminate();
    assert!(!socket.exists(), "the socket is left behind");
}

fn get(port: u16, path: &str) -> Option<Response> {
    let mut client = Client::connect(&format!("http://127.0.0.1:{port}")).ok()?;
    client.set_timeout(Some(SOON)).ok()?;
    client.request("GET", path, &[], b"").ok()
}

#[test]
fn health_and_metrics() {
    let standin = standin();
    let mut node = Node::sending_to(&standin);
    let port = free_port();
    node.set("http.listen", format!("127.0.0.1:{port}"));
    let mut writer = Writer::alone(&node.root(), Container::new("web"), 5);
    writer.lines(Stream::Stdout, 100);
    let agent = node.start();
    assert!(standin.wait_count(100, SOON), "{:#?}", standin.snapshot());
    let status = |path: &str| get(port, path).map_or(0, |response| response.status);
    assert_eq!(status("/healthz"), 200);
    assert!(wait_until(SOON, || status("/readyz") == 200), "{:?}", get(port, "/readyz"));
    assert_eq!(status("/nothing"), 404);

    let metrics = get(port, "/metrics").expect("an answer");
    let page = metrics.text();
    let kind = metrics.header("content-type").unwrap_or_default();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(page.ends_with("# EOF\n"), "{page}");
    for name in ["sluice_build_info{", "process_resident_memory_bytes ", "container=\"web\""] {
        assert!(page.contains(name), "{name} is not in {page}");
    }
    let value = |name: &str| {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok())
    };
    assert_eq!(value("sluice_discover_containers"), Some(1.0), "{page}");
    assert!(value("sluice_checkpoint_commits_total").is_some_and(|it| it > 0.0), "{page}");

    // Names and positions, but never what a container wrote.
    let status_page = get(port, "/").expect("an answer").text();
    assert!(status_page.contains("web"), "{status_page}");
    let document = &standin.documents()[0];
    let message = document.text(&["message"]).expect("has one");
    let words = message.split(' ').nth(2).expect("a checksum");
    assert!(!status_page.contains(words) && !page.contains(words));

    // Neither depends on the output.
    standin.go_down();
    writer.lines(Stream::Stdout, 10);
    agent.wait_for_word(&standin.addr().to_string(), SOON);
    assert_eq!((status("/healthz"), status("/readyz")), (200, 200));
    standin.come_up().expect("the port is still ours");
    assert!(standin.wait_count(110, IN_TIME), "{:#?}", standin.snapshot());
    agent.terminate();
    assert!(get(port, "/healthz").is_none(), "it still answers");
}

/// What the kernel watcher takes, of all that a thread has or could get back; `None` if the thread
/// has ended.
fn held_by(thread: Option<Pid>) -> Option<CapabilitySet> {
    let CapabilitySets { effective, permitted, inheritable } = capabilities(thread).ok()?;
    Some((effective | permitted | inheritable) & (OF_PROGRAMS | OF_ADMINISTRATION))
}

#[test]
fn two_threads_alone_keep_what_the_kernel_watcher_takes() {
    let all = OF_PROGRAMS | OF_ADMINISTRATION;
    let ours = held_by(None).expect("this thread runs");
    if ours != all {
        eprintln!("SKIPPED: capabilities of threads: there are only {ours:?} to give away here");
        return;
    }
    let standin = standin();
    let node = Node::sending_to(&standin);
    let mut writer = Writer::alone(&node.root(), Container::new("one"), 8);
    writer.lines(Stream::Stdout, 10);
    let mut agent = node.start();
    agent.wait_until_it_runs();
    // Each kind of thread has had its work by then.
    assert!(standin.wait_count(10, SOON), "{:#?}", standin.snapshot());
    let mut threads: Vec<(String, CapabilitySet)> = Vec::new();
    for task in std::fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("it runs") {
        let task = task.expect("can be listed").path();
        let id = task.file_name().and_then(|id| id.to_str()?.parse().ok()).expect("a number");
        // One of a pool may end meanwhile.
        let Ok(name) = std::fs::read_to_string(task.join("comm")) else { continue };
        let Some(held) = held_by(Pid::from_raw(id)) else { continue };
        threads.push((name.trim().to_owned(), held));
    }
    for (name, held) in &threads {
        let kept = match name.as_str() {
            "watch" => all,
            "opens" => OF_ADMINISTRATION,
            _ => CapabilitySet::empty(),
        };
        assert_eq!(*held, kept, "{name} of {threads:?}");
    }
    let count = |name: &str| threads.iter().filter(|thread| thread.0 == name).count();
    for name in ["watch", "opens", "sluice", "sluice-log", "sluice-commit"] {
        assert_eq!(count(name), 1, "{name} of {threads:?}");
    }
    assert!(count("sluice-wait") > 0, "{threads:?}");
    agent.terminate();
}

#[test]
fn sigint_ends_it_like_sigterm() {
    let standin = standin();
    let node = Node::sending_to(&standin);
    let mut writer = Writer::alone(&node.root(), Container::new("one"), 6);
    let mut agent = node.start();
    agent.wait_until_it_runs();
    writer.lines(Stream::Stdout, 100);
    assert!(standin.wait_count(1, SOON), "{:#?}", standin.snapshot());
    agent.signal(Signal::INT);
    agent.wait(SOON).expect(0, &["everything that was read is delivered"]);
    let agent = node.start();
    assert!(standin.wait_count(100, IN_TIME), "{:#?}", standin.snapshot());
    agent.terminate();
    expect_exactly_once(&standin, &writer.ledger());
}

#[test]
fn sigterm_in_the_middle_of_the_start() {
    let standin = standin();
    let node = Node::sending_to(&standin);
    let mut writer = Writer::alone(&node.root(), Container::new("one"), 7);
    writer.lines(Stream::Stdout, 1_000);
    for moment_ms in (0..60).step_by(3) {
        let mut agent = node.start();
        let moment = Duration::from_millis(moment_ms);
        assert!(!wait_until(moment, || agent.has_ended()), "it ended by itself");
        agent.signal(Signal::TERM);
        let ended = agent.wait(SOON);
        // Before the handler stands the signal ends it as the kernel has it; then never.
        let by_kernel = ended.code().is_none() && !ended.stderr.contains("running");
        assert!(by_kernel || ended.code() == Some(0), "{moment_ms} ms: {ended:#?}");
    }
    let agent = node.start();
    assert!(standin.wait_count(1_000, IN_TIME), "{:#?}", standin.snapshot());
    agent.terminate();
    expect_exactly_once(&standin, &writer.ledger());
}

#[test]
fn the_log_in_json() {
    let standin = standin();
    let mut node = Node::sending_to(&standin);
    node.set("log.format", "json");
    let mut agent = node.start();
    agent.wait_until_it_runs();
    let said = agent.terminate().stderr;
    assert!(!said.is_empty());
    for line in said.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok_and(|it| it.is_object()), "{line}");
    }
}
