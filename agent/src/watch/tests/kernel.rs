//! The ladder with the running kernel's watcher. What it or our rights do not allow is left out,
//! and says so on standard error.

use std::io;

use super::*;

/// A loop on the best rung that this kernel gives, with a log of its own.
struct Climbed {
    driven: Driven,
    /// Holds the directory.
    _root: tempfile::TempDir,
    dir: PathBuf,
    path: PathBuf,
    rung: RungName,
}

impl Climbed {
    fn new(what: &str, sweep_interval: Duration) -> Option<Self> {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join(ID);
        fs::create_dir(&dir).unwrap();
        let path = dir.join(log_name(ID));
        append(&path, "a\n");
        let settings = WatchSettings {
            highest: RungName::Fexit,
            sweep_interval,
            prove_in: Some(root.path().to_owned()),
            ..quiet_settings(Vec::new())
        };
        let mut driven = Driven::new(settings);
        driven.follow(1, &dir, ID);
        assert_eq!(driven.step_after(Duration::ZERO), [news(1, true)]);
        driven.announcer.seen(SourceToken(1));
        let rung = driven.announcer.rung(SourceToken(1)).unwrap();
        if !rung.is_kernel() {
            let why = &driven.standings.all()[0].why;
            let _ = writeln!(io::stderr(), "SKIPPED: ladder, {what}: {why}");
            return None;
        }
        Some(Self { driven, _root: root, dir, path, rung })
    }

    /// News up to a second look, after which nothing is left to come.
    fn news(&mut self) -> Vec<News> {
        let news = self.driven.step_after(TICK * 2);
        self.driven.announcer.seen(SourceToken(1));
        news
    }

    /// Past every second look.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.driven.step_after(Duration::from_secs(2));
        }
        self.driven.announcer.seen(SourceToken(1));
    }

    fn rung(&self) -> RungName {
        self.driven.announcer.rung(SourceToken(1)).unwrap()
    }
}

const NEVER: Duration = Duration::from_hours(1);

#[test]
fn a_write_is_news_by_the_kernel_and_costs_no_watch_of_inotify() {
    let Some(mut log) = Climbed::new("writes", NEVER) else { return };
    append(&log.path, "b\n");
    assert_eq!(log.news(), [news(1, false)]);
    log.settle();
    assert_eq!(log.news(), []);
    assert!(!log.driven.watch.hears_writes(&log.dir), "inotify is not asked for writes");
    let standings = log.driven.standings.all();
    assert_eq!(standings.len(), 1);
    assert_eq!(standings[0].rung, log.rung);
}

#[test]
fn rotation_gives_the_new_file_a_slot_and_leaves_the_old_one_its_own() {
    let Some(mut log) = Climbed::new("rotation", NEVER) else { return };
    let mut old = OpenOptions::new().append(true).open(&log.path).unwrap();
    for turn in 0..3 {
        fs::rename(&log.path, log.dir.join(format!("{}.{turn}", log_name(ID)))).unwrap();
        append(&log.path, "first\n");
        assert_eq!(log.news(), [news(1, true)], "turn {turn}");
        log.settle();
        append(&log.path, "second\n");
        assert_eq!(log.news(), [news(1, false)], "the new file, turn {turn}");
        log.settle();
        old.write_all(b"late\n").unwrap();
        assert_eq!(log.news(), [news(1, false)], "the file before it, turn {turn}");
        log.settle();
        old = OpenOptions::new().append(true).open(&log.path).unwrap();
    }
    assert_eq!(log.driven.watch.followed_inodes(), 2, "the current file and the one before");
    log.driven.commands.send(Command::Unfollow(SourceToken(1))).unwrap();
    log.news();
    assert_eq!(log.driven.watch.followed_inodes(), 0);
}

#[test]
fn a_file_that_comes_later_is_followed_when_it_comes() {
    let Some(mut log) = Climbed::new("a late file", NEVER) else { return };
    let other = log.dir.parent().unwrap().join(OTHER);
    fs::create_dir(&other).unwrap();
    log.driven.follow(2, &other, OTHER);
    assert_eq!(log.driven.step_after(TICK * 2), [news(2, true)]);
    log.driven.announcer.seen(SourceToken(2));
    assert_eq!(log.driven.announcer.rung(SourceToken(2)), Some(log.rung));
    let path = other.join(log_name(OTHER));
    append(&path, "a\n");
    assert_eq!(log.driven.step_after(TICK * 2), [news(2, true)]);
    log.driven.announcer.seen(SourceToken(2));
    for _ in 0..3 {
        log.driven.step_after(Duration::from_secs(2));
    }
    log.driven.announcer.seen(SourceToken(2));
    append(&path, "b\n");
    assert_eq!(log.driven.step_after(TICK * 2), [news(2, false)]);
}

#[test]
fn a_silent_kernel_watcher_is_counted_and_its_mount_goes_to_inotify_until_it_is_tried_again() {
    let Some(mut log) = Climbed::new("demotion", Duration::from_secs(2)) else { return };
    log.settle();
    log.driven.watch.silence_the_kernel(SourceToken(1));
    append(&log.path, "unheard\n");
    assert!(log.driven.step_after(Duration::from_secs(2)).is_empty(), "its signal may yet come");
    let told = log.driven.step_after(Duration::from_millis(200));
    assert_eq!(told, [news(1, false), news(1, true)], "what was found, and the change of rungs");
    log.driven.announcer.seen(SourceToken(1));
    assert_eq!((log.driven.missed(), log.rung()), (1, RungName::Inotify));
    let standing = &log.driven.standings.all()[0];
    assert!(standing.rung == RungName::Inotify && standing.why.contains("silent"), "{standing:?}");
    append(&log.path, "heard\n");
    assert_eq!(log.news(), [news(1, false)]);
    // By hand, or by itself after an hour.
    log.driven.commands.send(Command::Climb).unwrap();
    assert_eq!(log.news(), [news(1, true)], "between two rungs nobody listened");
    assert_eq!(log.rung(), log.rung);
    append(&log.path, "heard again\n");
    assert_eq!(log.news(), [news(1, false)]);
    assert_eq!(log.driven.missed(), 1);
    assert!(!log.driven.watch.hears_writes(&log.dir));
}

#[test]
fn a_better_rung_is_tried_every_hour_and_changes_nothing_if_there_is_none() {
    let Some(mut log) = Climbed::new("climbing", NEVER) else { return };
    log.settle();
    assert_eq!(log.driven.step_after(Duration::from_hours(1)), [], "as good as before");
    append(&log.path, "b\n");
    assert_eq!(log.news(), [news(1, false)]);
}

#[test]
fn a_busy_log_on_a_rung_of_the_kernel_wakes_nobody_for_each_write() {
    let Some(Climbed { _root: root, dir, path, .. }) = Climbed::new("wake-ups", NEVER) else {
        return;
    };
    let (listeners, heard) = listeners();
    let settings = WatchSettings {
        highest: RungName::Fexit,
        prove_in: Some(root.path().to_owned()),
        ..quiet_settings(Vec::new())
    };
    let watcher = start(settings, listeners);
    watcher.follow(SourceToken(1), dir, log_name(ID));
    heard.news();
    assert!(watcher.rung(SourceToken(1)).unwrap().is_kernel());
    // One more for the second look after the first write.
    writes_wake_once_per_tick(&watcher, &heard, &path, 4);
    watcher.stop();
}

#[test]
fn whoever_requires_the_kernel_watcher_is_told_why_there_is_none() {
    let settings = WatchSettings { require_kernel: true, ..quiet_settings(Vec::new()) };
    let started = Watcher::start(thread(), settings, listeners().0);
    let text = started.err().unwrap().to_string();
    assert!(text.contains("watch.require") && text.contains("sluice doctor"), "{text}");
}
