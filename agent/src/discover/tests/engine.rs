//! With a stand-in for the engine's API.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::super::*;
use super::daemon::Daemon;
use super::directory::{Node, create};

struct Engine {
    daemon: Daemon,
    node: Node,
    _socket_dir: tempfile::TempDir,
}

/// An agent whose data root holds what `places` names, and an engine that is not up yet.
fn engine(places: &[(&str, &str)], change: impl FnOnce(&mut DockerSettings)) -> Engine {
    let socket_dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::new(&socket_dir.path().join("docker.sock"));
    let socket = daemon.socket.clone();
    let node = Node::start(
        |containers| places.iter().for_each(|(first, at)| drop(create(containers, first, at))),
        |settings| {
            settings.socket = Some(socket);
            change(settings);
        },
    );
    Engine { daemon, node, _socket_dir: socket_dir }
}

/// Only events and reconnects may find anything.
fn no_timers(settings: &mut DockerSettings) {
    settings.relist_interval = Duration::from_hours(1);
    settings.directory_interval = Duration::from_hours(1);
}

#[tokio::test]
async fn a_life_told_by_events() {
    let mut all = engine(&[], no_timers);
    all.daemon.set("aaaa", "/web", "created", None);
    all.daemon.up();
    let node = &mut all.node;
    node.expect("seen aaaa web created").await;
    all.daemon.set("aaaa", "/web", "running", Some("start"));
    node.expect("seen aaaa web running log").await;
    all.daemon.set("aaaa", "/shop", "running", Some("rename"));
    node.expect("seen aaaa shop running log").await;
    all.daemon.set("bbbb", "/short", "running", Some("start"));
    node.expect("seen bbbb short running log").await;
    all.daemon.set("aaaa", "/shop", "exited", Some("die"));
    node.expect("seen aaaa shop exited log").await;
    all.daemon.remove("aaaa", Some("destroy"));
    node.expect("removed aaaa").await;
    let requests = all.daemon.requests();
    assert_eq!(requests[0], "/version");
    let events = requests.iter().find(|path| path.contains("/events?")).unwrap();
    assert!(events.contains("since=") && events.contains("destroy"));
    assert_eq!(node.discovery.counters().api_up.get(), 1);
}

#[tokio::test]
async fn lost_events_are_made_good_by_the_list() {
    let mut all = engine(&[], |settings| settings.directory_interval = Duration::from_hours(1));
    all.daemon.up();
    all.daemon.set("aaaa", "/web", "running", None);
    all.node.expect("seen aaaa web running log").await;
    all.daemon.set("aaaa", "/web", "exited", None);
    all.node.expect("seen aaaa web exited log").await;
    all.daemon.set("aaaa", "/new", "exited", None);
    all.node.expect("seen aaaa new exited log").await;
    all.daemon.remove("aaaa", None);
    all.node.expect("removed aaaa").await;
}

#[tokio::test]
async fn a_restarted_engine_is_asked_for_everything() {
    let mut all = engine(&[], no_timers);
    all.daemon.set("aaaa", "/web", "running", None);
    all.daemon.set("bbbb", "/db", "running", None);
    all.daemon.up();
    let mut first = [said_next(&mut all.node).await, said_next(&mut all.node).await];
    first.sort();
    assert_eq!(first, ["seen aaaa web running log", "seen bbbb db running log"]);
    for round in 0..3_u64 {
        all.daemon.down().await;
        let up = all.node.discovery.counters().api_up.clone();
        while up.get() == 1 {
            tokio::task::yield_now().await;
        }
        assert!(nothing_new(&mut all.node), "away is not gone");
        let name = format!("/web{round}");
        all.daemon.set("aaaa", &name, "running", None);
        all.daemon.up();
        all.node.expect(&format!("seen aaaa web{round} running log")).await;
    }
    all.daemon.down().await;
    all.daemon.remove("bbbb", None);
    all.daemon.up();
    all.node.expect("removed bbbb").await;
    assert_eq!(all.node.discovery.counters().api_connects.get(), 5);
}

#[tokio::test]
async fn directory_and_api_agree_on_one_container() {
    let mut all = engine(&[("aaaa", "running")], |_| {});
    all.node.expect("seen aaaa web running log").await;
    all.daemon.set("aaaa", "/web", "running", None);
    all.daemon.up();
    while all.node.discovery.counters().api_lists.get() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(nothing_new(&mut all.node), "told once");
    // Deleted on disk; the engine still names it.
    fs::remove_dir_all(all.node.containers().join(fixture::id("aaaa"))).unwrap();
    let lists = all.node.discovery.counters().directory_lists.get();
    while all.node.discovery.counters().directory_lists.get() < lists + 3 {
        tokio::task::yield_now().await;
    }
    assert!(nothing_new(&mut all.node), "only when both agree");
    all.daemon.remove("aaaa", Some("destroy"));
    all.node.expect("removed aaaa").await;
}

#[tokio::test]
async fn a_lost_destroy_is_asked_about_when_the_directory_goes() {
    let mut all = engine(&[("aaaa", "exited")], no_timers);
    all.node.expect("seen aaaa web exited log").await;
    all.daemon.set("aaaa", "/web", "exited", None);
    all.daemon.up();
    while all.node.discovery.counters().api_up.get() == 0 {
        tokio::task::yield_now().await;
    }
    all.daemon.remove("aaaa", None);
    fs::remove_dir_all(all.node.containers().join(fixture::id("aaaa"))).unwrap();
    all.node.expect("removed aaaa").await;
}

#[tokio::test]
async fn odd_answers_spoil_nothing_else() {
    let mut all = engine(&[("bbbb", "running")], no_timers);
    all.node.expect("seen bbbb web running log").await;
    all.daemon.set("aaaa", "/web", "running", None);
    all.daemon.set("bbbb", "/web", "running", None);
    all.daemon.break_inspect("bbbb");
    all.daemon.up();
    all.node.expect("seen aaaa web running log").await;
    let errors = all.node.discovery.counters().api_errors.clone();
    let before = errors.get();
    all.daemon.say(r#"{"Type":"of-tomorrow","Action":{"no":"text"}}"#);
    while errors.get() == before {
        tokio::task::yield_now().await;
    }
    all.daemon.set("aaaa", "/web", "exited", Some("die"));
    all.node.expect("seen aaaa web exited log").await;
    assert_eq!(all.node.discovery.registry().list().len(), 2, "the broken one by its directory");
}

#[tokio::test]
async fn another_data_root_is_asked_from_the_engine() {
    let mut all = engine(&[], no_timers);
    let elsewhere: PathBuf = all.node.containers().join("../../other/containers");
    fs::create_dir_all(&elsewhere).unwrap();
    create(&elsewhere, "cccc", "running");
    all.daemon.set_data_root("/data/other");
    all.daemon.up();
    all.node.expect("seen cccc web running log").await;
    let found = all.node.discovery.registry().find("web").unwrap().log_path.unwrap();
    assert!(found.is_file(), "{}", found.display());
    // And it is watched from now on.
    create(&elsewhere, "dddd", "created");
    all.node.expect("seen dddd web created").await;
}

#[tokio::test]
async fn the_engine_names_the_node() {
    let mut all = engine(&[], no_timers);
    all.daemon.up();
    let settings =
        DockerSettings { socket: Some(all.daemon.socket.clone()), ..DockerSettings::default() };
    // A test may itself run where NODE_NAME is set.
    if std::env::var_os("NODE_NAME").is_none() {
        assert_eq!(node_name(&settings, None).await.as_deref(), Some("node-7"));
    }
}

async fn said_next(node: &mut Node) -> String {
    super::said(&node.next().await)
}

#[tokio::test]
async fn the_list_is_whole_when_the_engine_has_described_all_of_its_own() {
    let mut all = engine(&[("aaaa", "running")], |settings| {
        settings.directory_interval = Duration::from_hours(1);
    });
    all.node.expect("seen aaaa web running log").await;
    assert!(not_listed(&mut all.node), "the engine may know of another data root");
    all.daemon.set("aaaa", "/web", "running", None);
    all.daemon.set("bbbb", "/db", "running", None);
    all.daemon.break_inspect("bbbb");
    all.daemon.up();
    while all.node.discovery.counters().api_lists.get() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(not_listed(&mut all.node), "what is listed and not described is not gone");
    all.daemon.mend_inspect();
    all.node.expect("seen bbbb db running log").await;
    assert!(matches!(all.node.next_or_listed().await, Change::Listed));
}

#[tokio::test]
async fn an_engine_that_never_comes_is_not_waited_for_forever() {
    let mut all = engine(&[("aaaa", "running")], |settings| {
        settings.engine_patience = Duration::from_millis(300);
    });
    all.node.expect("seen aaaa web running log").await;
    while !matches!(all.node.next_or_listed().await, Change::Listed) {}
}

/// Passes over what else was told.
fn not_listed(node: &mut Node) -> bool {
    std::iter::from_fn(|| node.changes.try_recv().ok())
        .all(|change| !matches!(change, Change::Listed))
}

/// Nothing but the end of the first list, and descriptors that came after the listing.
fn nothing_new(node: &mut Node) -> bool {
    std::iter::from_fn(|| node.changes.try_recv().ok()).all(|change| match change {
        Change::Listed => true,
        Change::Seen { opened, .. } => !opened.is_empty(),
        Change::Removed { .. } => false,
    })
}
