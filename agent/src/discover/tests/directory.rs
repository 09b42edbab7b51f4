//! With real directories and the real watcher, without an API.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use rustix::thread::CapabilitySet;

use crate::sys::PrivilegedThread;
use crate::watch::{Listeners, WatchSettings, Watcher};

use super::super::directory::Lister;
use super::super::paths::Root;
use super::super::*;
use super::said;

/// A data root as dockerd leaves it, and an agent that looks at it.
pub(super) struct Node {
    host: tempfile::TempDir,
    pub(super) changes: mpsc::Receiver<Change>,
    pub(super) discovery: Discovery,
    pub(super) watcher: Arc<Watcher>,
    /// What was expected and came.
    last: String,
}

pub(super) fn write_description(dir: &Path, name: &str, text: &str) {
    fs::write(dir.join(".tmp"), text).unwrap();
    fs::rename(dir.join(".tmp"), dir.join(name)).unwrap();
}

impl Node {
    /// The data root is a link that only makes sense below the host prefix.
    pub(super) fn start(
        prepare: impl FnOnce(&Path),
        change: impl FnOnce(&mut DockerSettings),
    ) -> Self {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir_all(host.path().join("data/docker/containers")).unwrap();
        fs::create_dir_all(host.path().join("var/lib")).unwrap();
        std::os::unix::fs::symlink("/data/docker", host.path().join("var/lib/docker")).unwrap();
        prepare(&host.path().join("data/docker/containers"));
        let mut settings = DockerSettings {
            socket: None,
            host_prefix: host.path().to_owned(),
            directory_interval: Duration::from_millis(200),
            relist_interval: Duration::from_millis(200),
            engine_patience: Duration::from_hours(1),
            ..Default::default()
        };
        change(&mut settings);
        let (sender, sightings) = sighting_queue();
        let watcher = Watcher::start(
            PrivilegedThread::spawn("watch", CapabilitySet::empty()).unwrap(),
            WatchSettings { roots: vec![containers_dir(&settings)], ..Default::default() },
            Listeners {
                news: Arc::new(|_| {}),
                sighting: Arc::new(move |sighting| sender.try_send(sighting).is_ok()),
            },
        );
        let watcher = Arc::new(watcher.unwrap());
        let (changes_sender, changes) = mpsc::channel(100);
        let links = Links { sightings, changes: changes_sender, watcher: Arc::clone(&watcher) };
        let discovery = Discovery::start(settings, links);
        Self { host, changes, discovery, watcher, last: String::new() }
    }

    pub(super) fn containers(&self) -> PathBuf {
        self.host.path().join("data/docker/containers")
    }

    pub(super) async fn next(&mut self) -> Change {
        loop {
            match self.next_or_listed().await {
                Change::Listed => {}
                change => return change,
            }
        }
    }

    pub(super) async fn next_or_listed(&mut self) -> Change {
        let next = tokio::time::timeout(Duration::from_mins(1), self.changes.recv()).await;
        next.expect("a change within a minute").unwrap()
    }

    pub(super) async fn expect(&mut self, expect: &str) {
        // What a test just made is young, so its log may be opened as well, before the listing
        // tells of it or after.
        loop {
            let said = said(&self.next().await);
            let plain = said.trim_end_matches(" opened");
            if plain == expect {
                plain.clone_into(&mut self.last);
                return;
            }
            assert!(said != plain && plain == self.last, "{said} instead of {expect}");
        }
    }
}

pub(super) fn create(containers: &Path, first: &str, at: &str) -> PathBuf {
    let id = fixture::id(first);
    let dir = containers.join(&id);
    fs::create_dir_all(&dir).unwrap();
    write_description(&dir, "hostconfig.json", &fixture::host_config("json-file"));
    write_description(&dir, "config.v2.json", &fixture::config_of(&id, "/web", at));
    if at != "created" {
        fs::write(dir.join(format!("{id}-json.log")), "{\"log\":\"x\\n\"}\n").unwrap();
    }
    dir
}

#[tokio::test]
async fn a_life_seen_by_directory() {
    let mut node = Node::start(|containers| drop(create(containers, "aaaa", "exited")), |_| {});
    node.expect("seen aaaa web exited log").await;
    let Some(container) = node.discovery.registry().find(&fixture::id("aaaa")) else { panic!() };
    assert!(container.log_path.unwrap().starts_with(node.containers()), "the link was resolved");

    let dir = create(&node.containers(), "bbbb", "created");
    node.expect("seen bbbb web created").await;
    let id = fixture::id("bbbb");
    fs::write(dir.join(format!("{id}-json.log")), "{\"log\":\"x\\n\"}\n").unwrap();
    // A listing may come before the sighting that carries the descriptor.
    let mut file = loop {
        let Change::Seen { container, mut opened } = node.next().await else { panic!() };
        assert_eq!(container.state, State::Running);
        if let Some((_, file)) = opened.pop() {
            break file;
        }
    };
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "{\"log\":\"x\\n\"}\n");
    write_description(&dir, "config.v2.json", &fixture::config_of(&id, "/web", "exited"));
    node.expect("seen bbbb web exited log").await;
    fs::remove_dir_all(&dir).unwrap();
    node.expect("removed bbbb").await;
    assert_eq!(node.discovery.registry().list().len(), 1);
    node.discovery.stop().await;
}

#[tokio::test]
async fn a_half_written_description_is_read_again() {
    let mut node = Node::start(
        |_| {},
        |settings| {
            settings.directory_interval = Duration::from_hours(1);
        },
    );
    // Until the root is watched, so that nothing but the second look can find it.
    while node.watcher.counters().watches.get() == 0 {
        tokio::task::yield_now().await;
    }
    let dir = node.containers().join(fixture::ID);
    fs::create_dir(&dir).unwrap();
    let whole = fixture::config("/web", "created");
    write_description(&dir, "config.v2.json", &whole[..whole.len() / 2]);
    while node.discovery.counters().config_unreadable.get() == 0 {
        tokio::task::yield_now().await;
    }
    // In place and through a link, so that no signal tells of it.
    fs::write(dir.join("config.v2.json"), whole).unwrap();
    node.expect("seen 451e web created").await;
}

#[tokio::test]
async fn other_drivers_are_named_with_a_reason() {
    let other = |containers: &Path| {
        let dir = create(containers, "aaaa", "created");
        write_description(&dir, "hostconfig.json", &fixture::host_config("journald"));
    };
    let mut node = Node::start(other, |_| {});
    let Change::Seen { container, .. } = node.next().await else { panic!() };
    assert_eq!((container.log_driver.as_str(), container.log_path), ("journald", None));
    let listed = node.discovery.registry().list();
    assert_eq!(listed[0].name, "web");
    assert_eq!(listed[0].reason.as_deref(), Some("log driver journald keeps no json-file log"));
    assert!(node.discovery.registry().find("web").is_some());
    assert!(node.discovery.registry().find("aaaa").is_some(), "by prefix");
    assert!(node.discovery.registry().find("").is_none());
}

#[test]
fn an_unchanged_description_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = [Root { host: "/c".into(), ours: dir.path().to_owned() }];
    create(dir.path(), "aaaa", "running");
    fs::create_dir(dir.path().join(fixture::id("bbbb"))).unwrap();
    fs::create_dir(dir.path().join("no-id")).unwrap();
    fs::write(dir.path().join(fixture::id("cccc")), "no directory").unwrap();
    let mut lister = Lister::new(Counters::default());
    let mut views = |began| match lister.list(&root, began) {
        books::Report::Directory { roots, mut places, .. } => {
            assert_eq!(roots.len(), 1);
            places.sort_by(|left, right| left.id.cmp(&right.id));
            places
                .iter()
                .map(|place| (place.id[..4].to_owned(), place.view.is_some(), place.has_log))
                .collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    let row = |first: &str, view, log| (first.to_owned(), view, log);
    let rest = [row("bbbb", false, false), row("cccc", false, false)];
    assert_eq!(views(1), [&[row("aaaa", true, true)], &rest[..]].concat());
    assert_eq!(views(2), [&[row("aaaa", false, false)], &rest[..]].concat());
    create(dir.path(), "aaaa", "exited");
    assert_eq!(views(3)[0], row("aaaa", true, true));
}

#[test]
fn a_root_that_is_not_there_vouches_for_nothing() {
    let root = [Root { host: "/c".into(), ours: "/no/such/root".into() }];
    match Lister::new(Counters::default()).list(&root, 1) {
        books::Report::Directory { roots, places, .. } => {
            assert!(roots.is_empty() && places.is_empty());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_there_is_told_before_the_list_is_whole() {
    let two = |containers: &Path| {
        create(containers, "aaaa", "exited");
        create(containers, "bbbb", "exited");
    };
    let mut node = Node::start(two, |_| {});
    let mut told = Vec::new();
    loop {
        match node.next_or_listed().await {
            Change::Listed => break,
            change => told.push(said(&change).trim_end_matches(" opened").to_owned()),
        }
    }
    told.sort();
    told.dedup();
    assert_eq!(told, ["seen aaaa web exited log", "seen bbbb web exited log"]);
}

#[tokio::test]
async fn a_root_that_cannot_be_read_is_no_whole_list() {
    let mut node = Node::start(|containers| fs::remove_dir(containers).unwrap(), |_| {});
    while node.discovery.counters().directory_lists.get() < 3 {
        tokio::task::yield_now().await;
    }
    assert!(node.changes.try_recv().is_err());
    // Its disk is mounted at last, with what was on it.
    let aside = node.host.path().join("aside");
    create(&aside, "aaaa", "exited");
    fs::rename(&aside, node.containers()).unwrap();
    assert_eq!(
        said(&node.next_or_listed().await).trim_end_matches(" opened"),
        "seen aaaa web exited log"
    );
    while said(&node.next_or_listed().await) != "listed" {}
}
