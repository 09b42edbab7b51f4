//! The kernel watcher disturbed from outside while containers write: what it misses must be found
//! by looking, and the loss of a rung be seen in the log, in the metrics and by `sluice doctor`.
//!
//! As root, on a kernel that tells of writes where temporary files are; elsewhere it says so.

#![allow(clippy::pedantic, reason = "a test says what it does in the plainest way")]

#[path = "../common/mod.rs"]
mod common;
mod kernel;
mod rig;

use std::fs;
use std::path::Path;

use common::{Container, IN_TIME, SOON, Writer, expect_exactly_once, seed, wait_until};
use kernel::{Followed, is_loaded, objects};
use rig::Rig;
use rustix::process::Signal;
use sluice_bench::load::Stream;

/// What `/sys/fs/bpf` holds: the agent pins nothing there.
fn pinned() -> Vec<String> {
    let entries = fs::read_dir("/sys/fs/bpf").into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_watcher_that_another_program_deafened_is_found_out_and_replaced() {
    let Some(rig) = Rig::new("deafened", &[]) else { return };
    // The files of a log that is rotated are followed one after the other, so it is heard again.
    let mut steady = Writer::alone(&rig.node.root(), Container::new("steady"), seed());
    steady.lines(Stream::Stdout, 20);
    let load = rig.load(3);
    assert!(rig.standin.wait_count(200, IN_TIME), "{:#?}", rig.standin.snapshot());
    let followed = Followed::of(&rig.agent);
    assert!(followed.clear() > 0, "nothing was followed");
    steady.lines(Stream::Stdout, 20);
    let mount = rig.mount();
    rig.agent.wait_for_word("inotify takes over on this mount", IN_TIME);
    assert!(wait_until(SOON, || rig.metric("sluice_watch_missed_total", "") > 0.0), "not counted");
    let finding = rig.doctor(&mount);
    assert_eq!(finding["verdict"], "degraded", "{finding:#}");
    let found = finding["found"].as_str().unwrap_or_default();
    assert!(found.starts_with("inotify") && found.contains("silent"), "{finding:#}");
    assert_eq!(rig.agent.said().matches("inotify takes over").count(), 1, "{}", rig.agent.said());

    rig.agent.signal(Signal::HUP);
    let is_back = || rig.doctor(&mount)["verdict"] == "ok";
    assert!(wait_until(IN_TIME, is_back), "{:#}", rig.doctor(&mount));
    steady.lines(Stream::Stdout, 20);
    load.wait_for_lines(100);
    rig.finish(load, &[steady.ledger()]);
}

#[test]
fn logs_that_the_kernels_map_has_no_room_for_go_to_a_lower_rung() {
    let Some(rig) = Rig::new("full", &[]) else { return };
    let first = rig.load(1);
    assert!(rig.standin.wait_count(50, IN_TIME), "{:#?}", rig.standin.snapshot());
    let followed = Followed::of(&rig.agent);
    assert!(followed.fill() > 1_000, "there was no room to take");
    let second = rig.load_named(&["late-0", "late-1"]);
    rig.agent.wait_for_word("takes no further log", IN_TIME);
    let mount = rig.mount();
    let finding = rig.doctor(&mount);
    assert_eq!(finding["verdict"], "degraded", "{finding:#}");
    let found = finding["found"].as_str().unwrap_or_default();
    assert!(found.starts_with("inotify") && found.contains("no further inode"), "{finding:#}");
    assert!(rig.metric("sluice_watch_followed", "inotify") >= 2.0);
    second.wait_for_lines(100);
    let said = rig.agent.said();
    assert_eq!(said.matches("takes no further log").count(), 1, "{said}");
    let (more, _writers) = second.finish();
    rig.finish(first, &[more]);
}

#[test]
fn edges_that_found_the_ring_full_are_answered_by_looking() {
    let Some(rig) = Rig::new("ring", &[]) else { return };
    let mut quiet = Writer::alone(&rig.node.root(), Container::new("quiet"), seed());
    quiet.lines(Stream::Stdout, 20);
    let load = rig.load(3);
    assert!(rig.standin.wait_count(100, IN_TIME), "{:#?}", rig.standin.snapshot());
    let log = quiet.directory.log_path();
    let aside = log.with_extension("aside");
    rig.agent.freeze();
    for _ in 0..20_000 {
        fs::rename(&log, &aside).expect("a log can be renamed");
        fs::rename(&aside, &log).expect("and back");
    }
    // Rotated meanwhile, all of them.
    load.wait_for_lines(600);
    rig.agent.thaw();
    rig.agent.wait_for_word("signals of the kernel were lost", IN_TIME);
    assert!(rig.metric("sluice_watch_overflows_total", "") >= 1.0);
    quiet.lines(Stream::Stdout, 20);
    load.wait_for_lines(100);
    rig.finish(load, &[quiet.ledger()]);
}

#[test]
fn a_killed_agent_leaves_nothing_in_the_kernel_and_goes_on() {
    let Some(mut rig) = Rig::new("killed", &[]) else { return };
    let load = rig.load(3);
    let before = pinned();
    for turn in 1..=5_u64 {
        load.wait_for_lines(200);
        let goal = load.written();
        assert!(rig.standin.wait_count(goal, IN_TIME), "{:#?}", rig.standin.snapshot());
        let had = objects(rig.agent.pid());
        assert!(had.programs.len() > 1 && had.maps.len() > 2, "turn {turn}: {had:?}");
        rig.restart_after_kill();
        let is_gone = || !is_loaded(&had);
        assert!(wait_until(SOON, is_gone), "turn {turn}: {had:?} of a process that is gone");
    }
    assert_eq!(pinned(), before);
    rig.finish(load, &[]);
}

#[test]
fn two_agents_on_one_node_do_not_disturb_each_other() {
    let Some(one) = Rig::new("two", &[]) else { return };
    let root = one.node.root();
    let Some(mut other) = Rig::new("two", &[("docker.root", &root)]) else { return };
    let load = one.load(3);
    for rig in [&one, &other] {
        assert!(rig.standin.wait_count(300, IN_TIME), "{:#?}", rig.standin.snapshot());
        let finding = rig.doctor(&rig.mount_of(Path::new(&root)));
        assert_eq!(finding["verdict"], "ok", "{finding:#}");
    }
    other.restart_after_kill();
    load.wait_for_lines(300);
    let (ledger, _writers) = load.finish();
    for rig in [one, other] {
        assert!(rig.standin.wait_count(ledger.lines(), IN_TIME), "{:#?}", rig.standin.snapshot());
        assert!((rig.metric("sluice_watch_missed_total", "") - 0.0).abs() < 0.5, "heard by looks");
        rig.agent.terminate();
        expect_exactly_once(&rig.standin, &ledger);
    }
}
