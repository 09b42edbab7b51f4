//! Real Elasticsearch and OpenSearch, one release after the other.
//!
//! `cargo xtask test --only servers` names the releases and starts them. What no real server can be
//! brought to (a body torn on its way by the agent itself, TLS, passwords) is the stand-in's to
//! show: security is not among the parts of a server that are published as jars.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "the Docker suite needs more of it")]
#[path = "../docker/station.rs"]
mod station;

mod blocked;
mod delivered;
mod logs;
mod mapping;
mod meddler;
mod server;
mod tight;
mod typed;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use server::{Release, Server};

/// All releases in one test, as only one server at a time fits a small machine.
#[test]
fn every_release_holds_every_line_once() {
    let Some(releases) = Release::given() else { return };
    let mut rows = Vec::new();
    for release in &releases {
        say(&format!("\n{release}"));
        let began = Instant::now();
        let mut documents = 0;
        // The others are worth their run too when one fails.
        let outcome = catch_unwind(AssertUnwindSafe(|| check(release, &mut documents)));
        let result = if outcome.is_ok() { "passed" } else { "FAILED" };
        rows.push((release.to_string(), documents, began.elapsed().as_secs_f64(), result));
    }
    say(&format!("\n{:<24}{:>10}{:>9}  result", "server", "documents", "seconds"));
    for (name, documents, seconds, result) in &rows {
        say(&format!("{name:<24}{documents:>10}{seconds:>9.1}  {result}"));
    }
    assert!(rows.iter().all(|row| row.3 == "passed"), "{rows:?}");
}

/// `documents` counts on, so that the table has what was reached before a failure.
fn check(release: &Release, documents: &mut u64) {
    {
        let server = Server::start(release, &[]);
        step("a load with kills and a lost state", documents, || delivered::check(&server));
        step("blocked indices beside one that is not", documents, || blocked::check(&server));
        step("indices of log-pilot's types", documents, || typed::check(&server));
        step("answers that are lost or untrue", documents, || meddler::check(&server));
    }
    let queue = ["http.max_content_length=64kb", "thread_pool.write.queue_size=1"];
    let one_core = release.one_processor();
    let server = Server::start(release, &[queue[0], queue[1], one_core]);
    step("small requests and a short queue", documents, || tight::check(&server));
}

fn step(name: &str, documents: &mut u64, run: impl FnOnce() -> u64) {
    let began = Instant::now();
    let count = run();
    *documents += count;
    say(&format!("  {name}: {count} documents, {:.1} s", began.elapsed().as_secs_f64()));
}

/// Not by `eprintln!`, which the test harness keeps to itself unless the test fails.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
