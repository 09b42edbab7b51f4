//! In log-pilot's place: its entry point, its probe, its variables, as a process meets them.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sluice_bench::load::{ContainerSpec, Stream};

use super::common::{Container, Node, SOON, Writer, wait_until};
use super::{CONFIG, standin};

const UNWELL: i32 = 1;

/// `/pilot/entrypoint` or `/pilot/healthz` of an image that lies in the node's directory.
fn program(node: &Node, name: &str, variables: &[(&str, &str)]) -> Command {
    let path = node.path().join("pilot").join(name);
    std::fs::create_dir_all(path.parent().expect("not the root")).expect("it can be made");
    if !path.exists() {
        symlink(env!("CARGO_BIN_EXE_sluice"), &path).expect("a link can be made");
    }
    let mut command = Command::new(path);
    command.env_clear().env("SLUICE_STATE_DIR", node.state_dir()).envs(variables.to_vec());
    command
}

#[track_caller]
fn expect(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

#[test]
fn what_cannot_be_honoured_ends_the_start() {
    let node = Node::new();
    let check = |variables: &[(&str, &str)], words: &[&str]| {
        let mut command = program(&node, "entrypoint", variables);
        // As log-pilot's image starts its program.
        command.args(["-base", "/host", "-template", "/pilot/fluentd.tpl", "-log-level", "debug"]);
        expect(&command.output().expect("it can be run"), CONFIG, words);
        assert!(!node.state_dir().exists(), "nothing was started");
    };
    check(&[("LOGGING_OUTPUT", "elasticsearch")], &["ELASTICSEARCH_HOST required"]);
    check(&[("LOGGING_OUTPUT", "kafka")], &["KAFKA_BROKERS required"]);
    let brokers = ("KAFKA_BROKERS", "k1:9092");
    let words = ["no output `kafka`", "LOGGING_OUTPUT=elasticsearch"];
    check(&[("LOGGING_OUTPUT", "kafka"), brokers], &words);
    check(&[("FLUENTD_OUTPUT", "graylog")], &["GRAYLOG_HOST required"]);
    check(&[("PILOT_TYPE", "logstash")], &["PILOT_TYPE", "fluentd or filebeat"]);
}

#[test]
fn a_verb_behind_the_entry_point_is_ours() {
    let node = Node::new();
    let output = program(&node, "entrypoint", &[]).arg("version").output().expect("it can be run");
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("sluice "), "{output:?}");
}

#[test]
fn the_entry_point_collects_what_is_declared_and_the_probe_says_so() {
    let standin = standin();
    let mut node = Node::new();
    // What the file does not say is log-pilot's.
    node.set("output", json!(null)).set("state_dir", json!(null)).set("node", json!(null));
    node.set("docker.host_prefix", "/");
    let url = standin.url();
    let variables = [
        ("LOGGING_OUTPUT", "elasticsearch"),
        ("ELASTICSEARCH_HOSTS", &url),
        ("NODE_NAME", "n1"),
        ("PILOT_CREATE_SYMLINK", "true"),
    ];
    let probe = || program(&node, "healthz", &variables).output().expect("it can be run");
    expect(&probe(), UNWELL, &["no agent answers"]);

    let declared = ContainerSpec::new("web").label("aliyun.logs.catalina", "stdout");
    Writer::alone(&node.root(), Container::of(declared), 1).lines(Stream::Stdout, 3);
    Writer::alone(&node.root(), Container::new("other"), 2).lines(Stream::Stdout, 3);
    let log = std::fs::File::create(node.log_path()).expect("a log can be made");
    let mut command = program(&node, "entrypoint", &variables);
    command.arg("--config").arg(node.config_path()).stdout(log.try_clone().expect("a descriptor"));
    let mut agent = command.stderr(log).spawn().expect("it can be run");
    let said = || std::fs::read_to_string(node.log_path()).unwrap_or_default();
    assert!(standin.wait_count(3, SOON), "{}", said());
    expect(&probe(), 0, &[]);
    assert!(said().contains("PILOT_CREATE_SYMLINK=true has no effect"), "{}", said());

    kill_process(Pid::from_child(&agent), Signal::TERM).expect("it runs");
    let mut status = None;
    assert!(wait_until(SOON, || {
        status = agent.try_wait().expect("a child of ours");
        status.is_some()
    }));
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", said());
    let documents = standin.snapshot();
    assert_eq!(documents.documents, 3, "{documents:#?}");
    expect(&probe(), UNWELL, &["no agent answers"]);
}
