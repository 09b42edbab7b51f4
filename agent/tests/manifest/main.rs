//! In log-pilot's place: our image with the mounts, capabilities and variables of log-pilot's own
//! manifest, beside a workload that was written for it, against real servers that hold log-pilot's
//! indices of today.
//!
//! `cargo xtask test --only manifest` makes the image, and brings the engine and the servers.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "the Docker suite needs more of it")]
#[path = "../docker/engine.rs"]
mod engine;
#[allow(dead_code, reason = "the suite of servers needs more of it")]
#[path = "../servers/server.rs"]
mod server;
#[allow(dead_code, reason = "the Docker suite needs more of it")]
#[path = "../docker/station.rs"]
mod station;

mod node;
mod received;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::Instant;

use engine::Engine;
use node::{Agent, Collected, IMAGE, Pod};
use received::Received;
use server::{Release, Server};

#[test]
fn only_the_image_is_changed() {
    let (Some(engine), Some(releases)) = (Engine::given(), Release::given()) else { return };
    load_image(&engine);
    let mut rows = Vec::new();
    for release in &releases {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&engine, release)));
        let (documents, again) = outcome.as_ref().map_or((0, 0), |counts| *counts);
        let result = if outcome.is_ok() { "passed" } else { "FAILED" };
        let seconds = began.elapsed().as_secs_f64();
        say(&format!(
            "{:<24}{documents:>10} documents, {again:>6} read again{seconds:>9.1} s  {result}",
            release.to_string()
        ));
        rows.push(result);
    }
    assert!(rows.iter().all(|result| *result == "passed"), "{rows:?}");
}

fn load_image(engine: &Engine) {
    let xtask = std::env::var_os("SLUICE_TEST_XTASK").expect("was asked for before");
    let directory = tempfile::TempDir::with_prefix("sluice-image-").expect("a directory");
    let tar = directory.path().join("image.tar");
    let made = Command::new(xtask)
        .args(["image", "--tag", IMAGE, "--output"])
        .arg(&tar)
        .status()
        .expect("xtask can be started");
    assert!(made.success(), "no image was made: {made}");
    engine.docker(["load", "--quiet", "--input", &tar.display().to_string()]);
}

/// Documents at the end, and how many a rollout without its state sent again.
fn check(engine: &Engine, release: &Release) -> (u64, u64) {
    let server = Server::start(release, &[]);
    received::put_todays_indices(&server);
    let pod = Pod::new();
    let mut agent = Agent::new(engine, &server.url);

    // What log-pilot had read is not read again.
    let collected = Collected::run(engine, 100);
    collected.put_positions(&agent, 60);
    agent.start();
    let received = Received::of(&server);
    received.await_rest("oldout", 60..100, &agent);
    received.await_rest("oldfile", 60..100, &agent);
    drop(collected);

    // The container of the blog, then killed and started anew in place, then again.
    let first = pod.container(engine, 0, 150);
    received.await_lines(&pod, 150, &agent);
    check_fields(&received, &first.id);
    engine.docker(["kill", "--signal", "KILL", &first.id]);
    let second = pod.container(engine, 1, 150);
    received.await_lines(&pod, 300, &agent);
    received.expect_exactly_once(&pod, &agent);

    // The agent is replaced while the workload writes, and its state lives.
    engine.docker(["kill", "--signal", "KILL", &second.id]);
    let third = pod.container(engine, 2, 1_000_000);
    received.await_lines(&pod, 400, &agent);
    agent.replace();
    received.await_lines(&pod, received.lines() + 100, &agent);
    drop((first, second));

    // The pod is deleted while it writes.
    pod.remove(engine, third);
    received.await_all(&pod, &agent);
    received.expect_exactly_once(&pod, &agent);
    assert_eq!(agent.healthz(), 0, "{}", agent.log());

    // A rollout whose positions were in an emptyDir: what is still there is read again, and the
    // server has it already.
    let last = pod.container(engine, 3, 150);
    received.await_all(&pod, &agent);
    agent.forget_positions();
    agent.replace();
    let again = agent.await_read_again(150);
    received.expect_exactly_once(&pod, &agent);
    drop(last);
    (received.documents(), again)
}

/// What log-pilot's documents have.
fn check_fields(received: &Received<'_>, id: &str) {
    let expect = [
        ("k8s_pod", "tomcat"),
        ("k8s_pod_namespace", "default"),
        ("k8s_container_name", "tomcat"),
        ("k8s_node_name", "node-1"),
        ("docker_container", "k8s_tomcat_tomcat_default_5bd1_0"),
        ("container_id", id),
    ];
    for (target, document) in
        [("catalina", received.one("catalina")), ("access", received.one("access"))]
    {
        let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
        for (name, value) in expect {
            assert_eq!(text(name), value, "{name} of {target}: {document:#}");
        }
        assert_eq!((text("index"), text("topic")), (target.to_owned(), target.to_owned()));
        assert!(!text("host").is_empty() && !text("time").is_empty(), "{document:#}");
        assert!(text("message").starts_with("line "), "{document:#}");
        assert!(text("@timestamp").starts_with("20"), "{document:#}");
        assert!(document.get("_timestamp").is_none(), "{document:#}");
    }
    let stdout = received.one("catalina");
    assert_eq!(stdout["stream"], "stdout");
    assert!(stdout["log"].as_str().is_some_and(|log| log.starts_with("line ")), "{stdout:#}");
}

/// Not by `eprintln!`, which the test harness keeps to itself unless the test fails.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
