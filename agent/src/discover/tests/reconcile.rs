use std::fs::File;
use std::path::{Path, PathBuf};

use super::super::books::*;
use super::super::describe::{View, from_files};
use super::super::fixture;
use super::super::paths::Root;
use super::said;

const ROOT: RootId = RootId(1, 1);

fn books() -> Books {
    let root = Root { host: "/var/lib/docker/containers".into(), ours: "/host/d".into() };
    Books::new(Clock::default(), vec![root], "/host".into())
}

fn view(first: &str, name: &str, at: &str) -> Box<View> {
    let config = fixture::config_of(&fixture::id(first), name, at);
    let host_config = fixture::host_config("json-file");
    let view = from_files(&fixture::id(first), config.as_bytes(), Some(host_config.as_bytes()));
    Box::new(view.unwrap())
}

fn dir(first: &str) -> PathBuf {
    Path::new("/host/d").join(fixture::id(first))
}

/// One step of a story.
enum Step {
    /// A directory listing that begins and ends now: containers with state, `""` for unchanged.
    Dirs(&'static [(&'static str, &'static str)]),
    /// The root cannot be read, or another is mounted on its path.
    NoRoot,
    OtherRoot,
    /// The API's list.
    Listed(&'static [&'static str]),
    Inspected(&'static str, &'static str),
    NotFound(&'static str),
    Away,
    Sighted(&'static str, &'static str),
    /// Its log was opened; no description was left.
    LogOnly(&'static str),
    /// Its log had come, and was gone before anybody could open it.
    LogWent(&'static str),
    Gone(&'static str),
    /// The watcher never met it.
    NeverMet(&'static str),
    /// And nobody heard what came to it before.
    GoneInTheDark(&'static str),
}

fn gone(first: &str, met: bool, may_have_log: bool) -> Report {
    Report::Gone { id: fixture::id(first), met, may_have_log }
}

fn report(step: &Step, began: Tick) -> Report {
    let maybe_view = |first: &str, at: &str| (!at.is_empty()).then(|| view(first, "/web", at));
    match *step {
        Step::Dirs(places) => {
            let place = |&(first, at): &(&str, &str)| Place {
                id: fixture::id(first),
                root: ROOT,
                dir: dir(first),
                view: maybe_view(first, at),
                has_log: at == "running" || at == "exited",
            };
            Report::Directory {
                began,
                roots: vec![ROOT],
                places: places.iter().map(place).collect(),
            }
        }
        Step::NoRoot => Report::Directory { began, roots: Vec::new(), places: Vec::new() },
        Step::OtherRoot => {
            Report::Directory { began, roots: vec![RootId(1, 2)], places: Vec::new() }
        }
        Step::Listed(ids) => {
            Report::Listed { began, ids: ids.iter().map(|first| fixture::id(first)).collect() }
        }
        Step::Inspected(first, at) => {
            Report::Inspected { began, id: fixture::id(first), view: Some(view(first, "/web", at)) }
        }
        Step::NotFound(first) => Report::Inspected { began, id: fixture::id(first), view: None },
        Step::Away => Report::ApiAway,
        Step::Sighted(first, at) => Report::Sighted {
            id: fixture::id(first),
            dir: dir(first),
            view: maybe_view(first, at),
            opened: Vec::new(),
            has_log: false,
        },
        Step::LogWent(first) => Report::Sighted {
            id: fixture::id(first),
            dir: dir(first),
            view: None,
            opened: Vec::new(),
            has_log: true,
        },
        Step::LogOnly(first) => Report::Sighted {
            id: fixture::id(first),
            dir: dir(first),
            view: None,
            opened: vec![(
                format!("{}-json.log", fixture::id(first)),
                File::open("/dev/null").unwrap(),
            )],
            has_log: true,
        },
        Step::Gone(first) => gone(first, true, false),
        Step::NeverMet(first) => gone(first, false, false),
        Step::GoneInTheDark(first) => gone(first, true, true),
    }
}

fn check(name: &str, story: &[(Step, &[&str])]) {
    let mut books = books();
    for (number, (step, expect)) in story.iter().enumerate() {
        let began = books.clock.tick();
        let changes = reconcile(&mut books, report(step, began));
        let mut changes: Vec<String> = changes.iter().map(said).collect();
        changes.extend(missing(&mut books));
        assert_eq!(&changes, expect, "{name}, step {number}");
    }
}

/// What the watcher is asked about.
fn missing(books: &mut Books) -> Vec<String> {
    let name = |dir: &Path| dir.file_name().unwrap().to_str().unwrap()[..4].to_owned();
    books.take_missing().iter().map(|dir| format!("missing {}", name(dir))).collect()
}

#[test]
fn by_directory_alone() {
    use Step::*;
    check(
        "a life",
        &[
            (Dirs(&[("aaaa", "created")]), &["seen aaaa web created"]),
            (Dirs(&[("aaaa", "")]), &[]),
            (Dirs(&[("aaaa", "running")]), &["seen aaaa web running log"]),
            (Sighted("aaaa", "exited"), &["seen aaaa web exited log"]),
            (Dirs(&[("aaaa", "")]), &[]),
            (Dirs(&[]), &["missing aaaa"]),
            // Should its word be lost.
            (Dirs(&[]), &["missing aaaa"]),
            (Gone("aaaa"), &["removed aaaa"]),
            (Dirs(&[]), &[]),
        ],
    );
    check(
        "one that exited before we came is told too",
        &[(Dirs(&[("aaaa", "exited")]), &["seen aaaa web exited log"])],
    );
    check(
        "an unreadable root proves nothing",
        &[
            (Dirs(&[("aaaa", "running")]), &["seen aaaa web running log"]),
            (NoRoot, &[]),
            (OtherRoot, &[]),
            (Dirs(&[("aaaa", "")]), &[]),
        ],
    );
    check(
        "an empty directory is nothing yet",
        &[
            (Dirs(&[("aaaa", "")]), &[]),
            (Sighted("aaaa", "created"), &["seen aaaa web created"]),
            (Gone("aaaa"), &["removed aaaa"]),
        ],
    );
}

#[test]
fn a_life_of_a_moment() {
    use Step::*;
    check(
        "the log alone was saved",
        &[
            (LogOnly("aaaa"), &["seen aaaa  running log opened"]),
            (Gone("aaaa"), &["removed aaaa undescribed"]),
            // Answers that were on their way bring nothing back.
            (Inspected("aaaa", "exited"), &[]),
            (Sighted("aaaa", "exited"), &[]),
        ],
    );
    check(
        "the log comes before its description says so",
        &[
            (Sighted("aaaa", "created"), &["seen aaaa web created"]),
            (LogOnly("aaaa"), &["seen aaaa web running log opened"]),
            (Sighted("aaaa", "running"), &[]),
            (Sighted("aaaa", "exited"), &["seen aaaa web exited log"]),
            (Gone("aaaa"), &["removed aaaa"]),
        ],
    );
    check(
        "that its log was there shows that it has run",
        &[
            (Sighted("aaaa", "created"), &["seen aaaa web created"]),
            (LogWent("aaaa"), &["seen aaaa web running log"]),
            (Gone("aaaa"), &["removed aaaa"]),
        ],
    );
    check(
        "what was listed as created may have run before it was gone",
        &[
            (Dirs(&[("aaaa", "created")]), &["seen aaaa web created"]),
            (GoneInTheDark("aaaa"), &["seen aaaa web running log", "removed aaaa"]),
            (GoneInTheDark("bbbb"), &["removed bbbb undescribed"]),
        ],
    );
    check(
        "nothing of it was seen but that it was there",
        &[(Gone("aaaa"), &["removed aaaa undescribed"]), (Gone("aaaa"), &[])],
    );
    check(
        "nor by a listing",
        &[
            (Dirs(&[("aaaa", "")]), &[]),
            (Dirs(&[]), &["missing aaaa"]),
            (Gone("aaaa"), &["removed aaaa undescribed"]),
        ],
    );
    check(
        "what only the engine speaks of may have gone before we came",
        &[
            (NotFound("aaaa"), &["missing aaaa"]),
            // Should its word be lost.
            (Dirs(&[]), &["missing aaaa"]),
            (NeverMet("aaaa"), &[]),
            (Gone("aaaa"), &[]),
        ],
    );
    check(
        "or while we are here",
        &[
            (NotFound("aaaa"), &["missing aaaa"]),
            (Gone("aaaa"), &["removed aaaa undescribed"]),
            (Gone("aaaa"), &[]),
        ],
    );
    check(
        "what the watcher holds open of it comes first",
        &[
            (NotFound("aaaa"), &["missing aaaa"]),
            (LogOnly("aaaa"), &["seen aaaa  running log opened"]),
            (Gone("aaaa"), &["removed aaaa undescribed"]),
        ],
    );
}

#[test]
fn by_api_alone() {
    use Step::*;
    check(
        "a life",
        &[
            (NoRoot, &[]),
            (Listed(&["aaaa"]), &[]),
            (Inspected("aaaa", "created"), &["seen aaaa web created"]),
            (Inspected("aaaa", "running"), &["seen aaaa web running log"]),
            (Inspected("aaaa", "exited"), &["seen aaaa web exited log"]),
            (NotFound("aaaa"), &["missing aaaa"]),
            (NeverMet("aaaa"), &["removed aaaa"]),
        ],
    );
    check(
        "its end is found by the list",
        &[
            (Inspected("aaaa", "running"), &["seen aaaa web running log"]),
            (Listed(&["bbbb"]), &["missing aaaa"]),
            (NeverMet("aaaa"), &["removed aaaa"]),
        ],
    );
    check(
        "an empty directory of another engine does not count",
        &[
            (Dirs(&[]), &[]),
            (Inspected("aaaa", "running"), &["seen aaaa web running log"]),
            (Dirs(&[]), &[]),
            (Away, &[]),
            (Dirs(&[]), &[]),
            (Listed(&["aaaa"]), &[]),
            (Away, &[]),
            (Listed(&[]), &["missing aaaa"]),
            (NeverMet("aaaa"), &["removed aaaa"]),
        ],
    );
}

#[test]
fn both_agree() {
    use Step::*;
    check(
        "one container, told once",
        &[
            (Sighted("aaaa", "running"), &["seen aaaa web running log"]),
            (Inspected("aaaa", "running"), &[]),
            (Dirs(&[("aaaa", "")]), &[]),
            (Listed(&["aaaa"]), &[]),
        ],
    );
    check(
        "the older account does not undo the newer",
        &[
            (Sighted("aaaa", "exited"), &["seen aaaa web exited log"]),
            (Inspected("aaaa", "running"), &[]),
            (Inspected("aaaa", "exited"), &[]),
        ],
    );
    check(
        "the directory goes before the API says so",
        &[
            (Sighted("aaaa", "exited"), &["seen aaaa web exited log"]),
            (Inspected("aaaa", "exited"), &[]),
            (Gone("aaaa"), &[]),
            (Dirs(&[]), &[]),
            (NotFound("aaaa"), &["removed aaaa"]),
        ],
    );
    check(
        "the API says so before the directory goes",
        &[
            (Dirs(&[("aaaa", "exited")]), &["seen aaaa web exited log"]),
            (Inspected("aaaa", "exited"), &[]),
            (Listed(&[]), &[]),
            (Dirs(&[]), &["missing aaaa"]),
            (Gone("aaaa"), &["removed aaaa"]),
        ],
    );
    check(
        "gone from disk while the API is away",
        &[
            (Dirs(&[("aaaa", "exited")]), &["seen aaaa web exited log"]),
            (Inspected("aaaa", "exited"), &[]),
            (Dirs(&[]), &["missing aaaa"]),
            (Gone("aaaa"), &[]),
            (Away, &["removed aaaa"]),
        ],
    );
}

#[test]
fn an_answer_that_was_asked_for_earlier_removes_nothing() {
    let mut books = books();
    let began = books.clock.tick();
    let mut enter = |report: Report| -> Vec<String> {
        let mut changes: Vec<String> = reconcile(&mut books, report).iter().map(said).collect();
        changes.extend(missing(&mut books));
        changes
    };
    enter(report(&Step::Sighted("aaaa", "running"), 0));
    enter(report(&Step::Inspected("aaaa", "running"), began + 5));
    assert!(enter(report(&Step::Dirs(&[]), began)).is_empty(), "listed before it came");
    assert!(enter(report(&Step::Listed(&[]), began)).is_empty());
    assert!(enter(report(&Step::NotFound("aaaa"), began)).is_empty());
    assert_eq!(enter(report(&Step::Dirs(&[]), began + 100)), ["missing aaaa"]);
    assert!(enter(report(&Step::Gone("aaaa"), began + 100)).is_empty(), "the API knows it still");
    assert_eq!(enter(report(&Step::Listed(&[]), began + 100)), ["removed aaaa"]);
}

#[test]
fn what_a_deleted_hostconfig_said_still_holds() {
    let mut books = books();
    let id = fixture::id("aaaa");
    let mut enter = |at: &str, driver: Option<&str>| {
        let config = fixture::config_of(&id, "/web", at);
        let host_config = driver.map(fixture::host_config);
        let view = from_files(&id, config.as_bytes(), host_config.as_deref().map(str::as_bytes));
        let view = Some(Box::new(view.unwrap()));
        let opened = Vec::new();
        let report =
            Report::Sighted { id: id.clone(), dir: dir("aaaa"), view, opened, has_log: false };
        match reconcile(&mut books, report).pop() {
            Some(super::Change::Seen { container, .. }) => container,
            other => panic!("{other:?}"),
        }
    };
    let before = enter("running", Some("local"));
    assert_eq!((before.log_driver.as_str(), before.log_path), ("local", None));
    let after = enter("exited", None);
    assert_eq!((after.log_driver.as_str(), after.log_path), ("local", None));
}

/// What is left of a life of a moment: that it ended, and where its log was.
#[test]
fn who_has_the_path_of_a_log_has_one() {
    let config = fixture::config_of(&fixture::id("aaaa"), "/web", "exited");
    let view = from_files(&fixture::id("aaaa"), config.as_bytes(), None).unwrap();
    let report = Report::Sighted {
        id: fixture::id("aaaa"),
        dir: dir("aaaa"),
        view: Some(Box::new(view)),
        opened: Vec::new(),
        has_log: false,
    };
    let said: Vec<String> = reconcile(&mut books(), report).iter().map(said).collect();
    assert_eq!(said, ["seen aaaa web exited log"]);
}

#[test]
fn log_paths_are_ours() {
    let mut books = books();
    let log_path = |changes: Vec<super::Change>| match changes.into_iter().next() {
        Some(super::Change::Seen { container, .. }) => container.log_path.unwrap(),
        other => panic!("{other:?}"),
    };
    let by_api = log_path(reconcile(&mut books, report(&Step::Inspected("aaaa", "running"), 1)));
    let by_directory =
        log_path(reconcile(&mut books, report(&Step::Sighted("bbbb", "running"), 1)));
    for (path, first) in [(by_api, "aaaa"), (by_directory, "bbbb")] {
        assert_eq!(path, dir(first).join(format!("{}-json.log", fixture::id(first))));
    }
}
