use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use rustix::thread::CapabilitySet;

use crate::core::Now;

use super::inotify::{InotifyRung, Writes};
use super::rung::{Queue, Refusal, Signal};
use super::*;

mod kernel;

const ID: &str = "451ea1c7979152a5448f123410629dfddf5be7f0fb4fb9a519519dbd50a628b9";
const OTHER: &str = "0000a1c7979152a5448f123410629dfddf5be7f0fb4fb9a519519dbd50a628b9";

/// After it the writes that gathered are told.
const TICK: Duration = Duration::from_millis(100);

fn log_name(id: &str) -> String {
    format!("{id}-json.log")
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// As dockerd does: under a temporary name, then renamed.
fn describe(dir: &Path, text: &str) {
    fs::write(dir.join(".tmp-config.v2.json1"), text).unwrap();
    fs::rename(dir.join(".tmp-config.v2.json1"), dir.join("config.v2.json")).unwrap();
}

struct Heard {
    news: mpsc::Receiver<News>,
    sightings: mpsc::Receiver<Sighting>,
    /// There is no room for sightings.
    is_full: Arc<AtomicBool>,
}

fn listeners() -> (Listeners, Heard) {
    let (news_sender, news) = mpsc::channel();
    let (sighting_sender, sightings) = mpsc::channel();
    let news_sender = Mutex::new(news_sender);
    let sighting_sender = Mutex::new(sighting_sender);
    let is_full = Arc::new(AtomicBool::new(false));
    let refuses = Arc::clone(&is_full);
    let listeners = Listeners {
        news: Arc::new(move |news| {
            let _ = news_sender.lock().unwrap().send(news);
        }),
        sighting: Arc::new(move |sighting| {
            !refuses.load(Ordering::SeqCst)
                && sighting_sender.lock().unwrap().send(sighting).is_ok()
        }),
    };
    (listeners, Heard { news, sightings, is_full })
}

fn thread() -> PrivilegedThread {
    PrivilegedThread::spawn("watch", CapabilitySet::empty()).unwrap()
}

fn start(settings: WatchSettings, listeners: Listeners) -> Watcher {
    Watcher::start(
        PrivilegedThread::spawn("watch", CapabilitySet::empty()).unwrap(),
        settings,
        listeners,
    )
    .unwrap()
}

impl Heard {
    /// The next news, waited for: a minute is a machine that stands still.
    fn news(&self) -> News {
        self.news.recv_timeout(Duration::from_mins(1)).unwrap()
    }

    fn sighting(&self) -> Sighting {
        self.sightings.recv_timeout(Duration::from_mins(1)).unwrap()
    }

    /// Sightings up to the first with an open log.
    fn opened(&self) -> Sighting {
        loop {
            let sighting = self.sighting();
            if !sighting.opened.is_empty() {
                return sighting;
            }
        }
    }
}

fn quiet_settings(roots: Vec<PathBuf>) -> WatchSettings {
    // The floor stays out of the way, so that what is seen was signalled.
    let never = Duration::from_hours(1);
    WatchSettings {
        roots,
        sweep_interval: never,
        rescan_interval: never,
        busy_tick: TICK,
        highest: RungName::Inotify,
        ..WatchSettings::default()
    }
}

/// A loop that a test drives step by step.
struct Driven {
    watch: Loop,
    commands: Sender<Command>,
    announcer: Arc<Announcer>,
    counters: Counters,
    standings: Standings,
    heard: Heard,
    now: Now,
}

impl Driven {
    fn new(settings: WatchSettings) -> Self {
        let (listeners, heard) = listeners();
        let counters = Counters::default();
        let announcer = Arc::new(Announcer::new(Arc::clone(&listeners.news), counters.clone()));
        let (commands, receiver) = unbounded();
        let standings = Standings::default();
        let mut watch = Loop::new(
            settings,
            listeners,
            Arc::clone(&announcer),
            receiver,
            counters.clone(),
            standings.clone(),
        );
        watch.start().unwrap();
        let now = Now { mono_ns: 1, wall_ns: 1 };
        Self { watch, commands, announcer, counters, standings, heard, now }
    }

    fn follow(&self, source: u32, dir: &Path, id: &str) {
        let log =
            Log { source: SourceToken(source), dir: dir.to_owned(), current_name: log_name(id) };
        self.commands.send(Command::Follow(log)).unwrap();
    }

    fn step_after(&mut self, wait: Duration) -> Vec<News> {
        self.now.mono_ns += wait.as_nanos() as u64;
        self.watch.step(self.now);
        self.heard.news.try_iter().collect()
    }

    fn missed(&self) -> u64 {
        let mut text = String::new();
        let mut registry = prometheus_client::registry::Registry::default();
        self.counters.register(&mut registry);
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.lines()
            .filter(|line| line.starts_with("watch_missed_total{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum()
    }
}

/// A root that is watched, and a directory that has come to it since.
fn with_a_container() -> (tempfile::TempDir, Driven, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let mut driven = Driven::new(quiet_settings(Vec::new()));
    driven.commands.send(Command::AddRoot(root.path().to_owned())).unwrap();
    driven.step_after(Duration::ZERO);
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    (root, driven, dir)
}

fn news(source: u32, names: bool) -> News {
    News { source: SourceToken(source), names, begun: Begun::default() }
}

#[test]
fn writes_and_renames_are_news_until_seen() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    let path = dir.join(log_name(ID));
    append(&path, "a\n");
    let (listeners, heard) = listeners();
    let watcher = start(quiet_settings(Vec::new()), listeners);
    watcher.follow(SourceToken(3), dir.clone(), log_name(ID));
    assert_eq!(heard.news(), news(3, true), "what was there before");
    watcher.seen(SourceToken(3));
    append(&path, "b\n");
    assert_eq!(heard.news(), news(3, false));
    append(&path, "c\n");
    fs::rename(&path, dir.join(log_name(ID) + ".1")).unwrap();
    assert_eq!(heard.news(), news(3, true), "names are told though data was not looked at");
    watcher.seen(SourceToken(3));
    append(&dir.join("unrelated"), "x");
    append(&path, "d\n");
    assert_eq!(heard.news(), news(3, true), "the new file");
    watcher.seen(SourceToken(3));
    append(&dir.join(log_name(ID) + ".1"), "late\n");
    while heard.news() != news(3, false) {}
    watcher.seen(SourceToken(3));
    fs::remove_dir_all(&dir).unwrap();
    while heard.news() != news(3, true) {}
    watcher.unfollow(SourceToken(3));
    watcher.stop();
    assert!(heard.news.try_iter().all(|late| late.source == SourceToken(3)));
}

#[test]
fn a_container_of_a_moment_is_held() {
    let root = tempfile::tempdir().unwrap();
    let (listeners, heard) = listeners();
    let settings = quiet_settings(vec![root.path().to_owned()]);
    let watcher = start(settings, listeners);
    // Until the root is watched: an old engine's root may hold what is no container.
    while watcher.counters().watches.get() == 0 {
        thread::yield_now();
    }
    fs::create_dir(root.path().join("not-an-id")).unwrap();
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("hostconfig.json"), "{}").unwrap();
    describe(&dir, "{\"ID\":1}");
    append(&dir.join(log_name(ID)), "only line\n");
    let mut sighting = heard.opened();
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!((sighting.id.as_str(), &sighting.dir), (ID, &dir));
    assert_eq!(sighting.config.as_deref(), Some(b"{\"ID\":1}".as_slice()));
    assert_eq!(sighting.host_config.as_deref(), Some(b"{}".as_slice()));
    let (name, mut file) = sighting.opened.pop().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!((name, text.as_str()), (log_name(ID), "only line\n"));
    while !heard.sighting().gone {}
    watcher.stop();
}

#[test]
fn rotated_files_are_opened_once_and_not_when_followed() {
    let (_root, mut driven, dir) = with_a_container();
    let path = dir.join(log_name(ID));
    append(&path, "1\n");
    driven.step_after(TICK);
    fs::rename(&path, dir.join(log_name(ID) + ".1")).unwrap();
    append(&path, "2\n");
    append(&dir.join(log_name(ID) + ".2.gz"), "packed");
    driven.step_after(TICK);
    driven.step_after(TICK);
    let names = |driven: &Driven| -> Vec<String> {
        let sightings = driven.heard.sightings.try_iter();
        sightings.flat_map(|sighting| sighting.opened).map(|(name, _)| name).collect()
    };
    assert_eq!(names(&driven), [log_name(ID), log_name(ID)], "the first and its successor");
    driven.follow(1, &dir, ID);
    driven.step_after(TICK);
    fs::rename(&path, dir.join(log_name(ID) + ".1")).unwrap();
    append(&path, "3\n");
    describe(&dir, "{}");
    driven.step_after(TICK);
    assert!(names(&driven).is_empty());
}

#[test]
fn a_log_that_was_gone_before_it_could_be_opened_is_told_of() {
    let (_root, mut driven, dir) = with_a_container();
    describe(&dir, "{}");
    driven.step_after(TICK);
    let had_log = |driven: &Driven| -> Vec<bool> {
        driven.heard.sightings.try_iter().map(|sighting| sighting.has_log).collect()
    };
    assert!(had_log(&driven).iter().all(|had| !had), "it was created");
    let path = dir.join(log_name(ID));
    append(&path, "1\n");
    fs::remove_file(&path).unwrap();
    driven.step_after(TICK);
    assert_eq!(had_log(&driven), [true]);
}

/// What came and went before anybody looked may have had a log; what was watched had none.
#[test]
fn of_what_nobody_heard_a_log_is_not_ruled_out() {
    let check = |is_seen: bool| {
        let (_root, mut driven, dir) = with_a_container();
        describe(&dir, "{}");
        if is_seen {
            driven.step_after(TICK);
        }
        fs::remove_dir_all(&dir).unwrap();
        driven.step_after(TICK);
        let last = driven.heard.sightings.try_iter().last().unwrap();
        assert!(last.gone);
        assert_eq!(last.has_log, !is_seen);
    };
    check(true);
    check(false);
}

#[test]
fn an_end_that_there_was_no_room_for_is_told_again() {
    let root = tempfile::tempdir().unwrap();
    let rescan_interval = Duration::from_secs(5);
    let settings = WatchSettings { rescan_interval, ..quiet_settings(Vec::new()) };
    let mut driven = Driven::new(settings);
    driven.commands.send(Command::AddRoot(root.path().to_owned())).unwrap();
    driven.step_after(Duration::ZERO);
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    driven.step_after(TICK);
    fs::remove_dir(&dir).unwrap();
    driven.heard.is_full.store(true, Ordering::SeqCst);
    driven.step_after(TICK);
    driven.heard.is_full.store(false, Ordering::SeqCst);
    assert!(driven.heard.sightings.try_iter().next().is_none());
    driven.step_after(rescan_interval);
    driven.step_after(TICK);
    let ends: Vec<(bool, bool)> =
        driven.heard.sightings.try_iter().map(|last| (last.gone, last.met)).collect();
    assert_eq!(ends, [(true, true)]);
}

/// However long its signal waited.
#[test]
fn only_what_is_made_since_a_log_is_followed_counts() {
    let (_root, mut driven, dir) = with_a_container();
    driven.step_after(TICK);
    let path = dir.join(log_name(ID));
    append(&path, "before\n");
    let made_ns = Now::read().wall_ns;
    driven.follow(1, &dir, ID);
    driven.step_after(TICK);
    let begun = driven.announcer.seen(SourceToken(1));
    assert_eq!(begun.files, 0);
    assert!(begun.since_wall_ns >= made_ns);
    fs::remove_file(&path).unwrap();
    append(&path, "since\n");
    driven.step_after(TICK);
    let after = driven.announcer.seen(SourceToken(1));
    assert_eq!((after.files, after.since_wall_ns), (1, begun.since_wall_ns));
}

/// An engine forgets a container before its directory goes, and speaks of some that have none here.
#[test]
fn whoever_asks_for_a_directory_hears_when_it_is_gone_and_whether_it_was_there() {
    let (root, mut driven, dir) = with_a_container();
    let mut ask = |dir: &Path| -> Vec<(bool, bool)> {
        driven.commands.send(Command::Missing(dir.to_owned())).unwrap();
        driven.step_after(TICK);
        let sightings = driven.heard.sightings.try_iter();
        sightings.map(|sighting| (sighting.gone, sighting.met)).collect()
    };
    assert_eq!(ask(&root.path().join(OTHER)), [(true, false)]);
    assert_eq!(ask(&dir), []);
    fs::remove_dir(&dir).unwrap();
    assert_eq!(ask(&dir)[0], (true, true));
}

#[test]
fn old_containers_are_watched_and_not_opened() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    let mut driven = Driven::new(quiet_settings(Vec::new()));
    // Aged by hand: its time of birth cannot be set, so it is "young", and is reported.
    driven.commands.send(Command::AddRoot(root.path().to_owned())).unwrap();
    driven.step_after(Duration::ZERO);
    assert_eq!(driven.heard.sightings.try_iter().count(), 0, "an empty directory is nothing");
    describe(&dir, "{}");
    driven.step_after(TICK);
    let sightings: Vec<Sighting> = driven.heard.sightings.try_iter().collect();
    assert!(!sightings.is_empty(), "a change of state is a hint");
    assert!(sightings.iter().all(|sighting| sighting.id == ID && sighting.opened.is_empty()));
}

#[test]
fn the_sweep_finds_and_counts_what_no_signal_announced() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    let path = dir.join(log_name(ID));
    append(&path, "a\n");
    let settings = WatchSettings {
        sweep_interval: Duration::from_secs(2),
        rescan_interval: Duration::from_hours(1),
        highest: RungName::Inotify,
        ..Default::default()
    };
    let mut driven = Driven::new(settings);
    driven.follow(1, &dir, ID);
    assert_eq!(driven.step_after(Duration::ZERO), [news(1, true)]);
    driven.announcer.seen(SourceToken(1));
    append(&path, "b\n");
    assert_eq!(driven.step_after(Duration::from_secs(2)), [news(1, false)]);
    driven.announcer.seen(SourceToken(1));
    assert!(driven.step_after(Duration::from_secs(2)).is_empty());
    assert_eq!(driven.missed(), 0, "it was announced");
    // The kernel keeps silent.
    driven.watch.deafen(SourceToken(1));
    append(&path, "c\n");
    assert!(driven.step_after(Duration::from_secs(2)).is_empty(), "its signal may yet come");
    assert_eq!(driven.step_after(Duration::from_millis(200)), [news(1, false)]);
    assert_eq!(driven.missed(), 1);
    driven.announcer.seen(SourceToken(1));
    File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    driven.step_after(Duration::from_secs(2));
    assert_eq!(driven.step_after(Duration::from_millis(200)), [news(1, false)]);
    assert_eq!(driven.missed(), 1, "a changed time is looked into and proves nothing");
}

#[test]
fn without_a_watch_the_sweep_alone_gives_news() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    // The directory comes later: no rung can take it now.
    let settings = WatchSettings {
        sweep_interval: Duration::from_secs(2),
        rescan_interval: Duration::from_mins(1),
        highest: RungName::Inotify,
        ..Default::default()
    };
    let mut driven = Driven::new(settings);
    driven.follow(1, &dir, ID);
    assert_eq!(driven.step_after(Duration::ZERO), [news(1, true)]);
    driven.announcer.seen(SourceToken(1));
    fs::create_dir(&dir).unwrap();
    append(&dir.join(log_name(ID)), "a\n");
    assert_eq!(driven.step_after(Duration::from_secs(2)), [news(1, true)]);
    driven.announcer.seen(SourceToken(1));
    append(&dir.join(log_name(ID)), "b\n");
    assert_eq!(driven.step_after(Duration::from_secs(2)), [news(1, false)]);
    assert_eq!(driven.missed(), 0, "nobody promised to announce it");
    driven.announcer.seen(SourceToken(1));
    // The rescan finds that it can be watched now.
    driven.step_after(Duration::from_mins(1));
    driven.announcer.seen(SourceToken(1));
    driven.step_after(TICK);
    append(&dir.join(log_name(ID)), "c\n");
    assert_eq!(driven.step_after(TICK), [news(1, false)]);
}

#[test]
fn lost_signals_are_answered_by_looking_at_everything() {
    let root = tempfile::tempdir().unwrap();
    for id in [ID, OTHER] {
        fs::create_dir(root.path().join(id)).unwrap();
    }
    let mut driven = Driven::new(quiet_settings(Vec::new()));
    driven.commands.send(Command::AddRoot(root.path().to_owned())).unwrap();
    driven.follow(1, &root.path().join(ID), ID);
    driven.step_after(Duration::ZERO);
    driven.announcer.seen(SourceToken(1));
    driven.heard.sightings.try_iter().count();
    // A log and a container that no signal tells of, because the queue was full.
    driven.watch.deafen_all();
    append(&root.path().join(OTHER).join(log_name(OTHER)), "a\n");
    let third = OTHER.replace("0000", "1111");
    fs::create_dir(root.path().join(&third)).unwrap();
    describe(&root.path().join(&third), "{}");
    driven.watch.hear(Signal::NamesLost, driven.now);
    assert_eq!(driven.heard.news.try_iter().collect::<Vec<_>>(), [news(1, true)]);
    let sightings: Vec<Sighting> = driven.heard.sightings.try_iter().collect();
    assert!(sightings.iter().any(|seen| seen.id == OTHER && seen.opened.len() == 1));
    assert!(sightings.iter().any(|seen| seen.id == third && seen.config.is_some()));
    assert_eq!(driven.counters.overflows.get(), 1);
}

#[test]
fn a_full_kernel_queue_says_that_it_lost_signals() {
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut rung = InotifyRung::new().unwrap();
    let log =
        Log { source: SourceToken(1), dir: dir.path().to_owned(), current_name: log_name(ID) };
    rung.follow(&log, Writes::Heard).unwrap();
    // Two files in turn, since equal neighbours in the queue are merged.
    let mut files =
        ["", ".1"].map(|suffix| File::create(dir.path().join(log_name(ID) + suffix)).unwrap());
    for number in 0..limit + 10 {
        files[number % 2].write_all(b"x").unwrap();
    }
    let mut signals = Vec::new();
    while rung.collect(Queue::Writes, &mut signals) {}
    assert_eq!(signals.iter().filter(|signal| **signal == Signal::WritesLost).count(), 1);
    assert!(signals.len() > limit / 2);
}

#[test]
fn kernel_limits_are_told_from_missing_paths() {
    let check = |errno: rustix::io::Errno, is_limit: bool| {
        let refusal = Refusal::of(Path::new("/x"), errno.into());
        assert_eq!(matches!(refusal, Refusal::Limit { .. }), is_limit, "{errno}");
    };
    check(rustix::io::Errno::NOSPC, true);
    check(rustix::io::Errno::MFILE, true);
    check(rustix::io::Errno::NOENT, false);
    check(rustix::io::Errno::NOTDIR, false);
    check(rustix::io::Errno::ACCESS, false);
}

#[test]
fn a_busy_log_does_not_wake_the_watcher_for_each_write() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    let path = dir.join(log_name(ID));
    append(&path, "");
    let (listeners, heard) = listeners();
    let watcher = start(quiet_settings(Vec::new()), listeners);
    watcher.follow(SourceToken(1), dir, log_name(ID));
    heard.news();
    // The first write, the wait that is under way, and the last tick's end.
    writes_wake_once_per_tick(&watcher, &heard, &path, 3);
}

/// Writes without a pause until some news have come, however busy the machine is. `more` are the
/// wake-ups beside those of the ticks.
fn writes_wake_once_per_tick(watcher: &Watcher, heard: &Heard, path: &Path, more: u64) {
    watcher.seen(SourceToken(1));
    // A rung that was climbed meanwhile is told of too, by a wake-up that is not counted here.
    heard.news.try_iter().for_each(drop);
    let before = watcher.counters().wakeups.get();
    let begin = Instant::now();
    let mut told = 0;
    while told <= 2 || begin.elapsed() < TICK * 5 {
        assert!(begin.elapsed() < Duration::from_mins(1), "{told} news in a minute");
        append(path, "x\n");
        told += heard.news.try_iter().count() as u64;
        watcher.seen(SourceToken(1));
    }
    let ticks = (begin.elapsed().as_millis() / TICK.as_millis()) as u64 + more;
    let woken = watcher.counters().wakeups.get() - before;
    assert!(woken <= ticks, "{woken} wake-ups in {ticks} ticks");
    assert!(told <= ticks, "{told} news in {ticks} ticks");
}

#[test]
fn names_do_not_wait_for_the_writes_that_gather() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    let path = dir.join(log_name(ID));
    let mut log = File::create(&path).unwrap();
    let mut driven = Driven::new(quiet_settings(Vec::new()));
    driven.follow(1, &dir, ID);
    driven.step_after(Duration::ZERO);
    let soon = TICK / 10;
    let mut check = |what: &str, wait, expect: &[News]| {
        driven.announcer.seen(SourceToken(1));
        assert_eq!(driven.step_after(wait), expect, "{what}");
    };
    log.write_all(b"a\n").unwrap();
    check("the first write", soon, &[news(1, false)]);
    log.write_all(b"b\n").unwrap();
    check("the second", soon, &[]);
    fs::rename(&path, dir.join(log_name(ID) + ".1")).unwrap();
    check("a name", soon, &[news(1, true)]);
    check("the second, gathered", TICK, &[news(1, false)]);
    check("nothing", TICK, &[]);
    log.write_all(b"c\n").unwrap();
    check("the first after a quiet time", Duration::ZERO, &[news(1, false)]);
}

#[test]
fn the_same_directory_by_two_paths_is_one_watch() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(ID);
    fs::create_dir(&dir).unwrap();
    let alias = root.path().join("alias");
    std::os::unix::fs::symlink(root.path(), &alias).unwrap();
    let mut driven = Driven::new(quiet_settings(Vec::new()));
    driven.commands.send(Command::AddRoot(root.path().to_owned())).unwrap();
    driven.follow(1, &alias.join(ID), ID);
    driven.follow(2, &dir, ID);
    driven.step_after(Duration::ZERO);
    assert_eq!(driven.counters.watches.get(), 2, "root and container");
    driven.announcer.seen(SourceToken(1));
    driven.announcer.seen(SourceToken(2));
    append(&dir.join(log_name(ID)), "a\n");
    assert_eq!(driven.step_after(TICK), [news(1, true), news(2, true)]);
    driven.commands.send(Command::Unfollow(SourceToken(1))).unwrap();
    driven.commands.send(Command::Unfollow(SourceToken(2))).unwrap();
    driven.step_after(TICK);
    assert_eq!(driven.counters.watches.get(), 2, "a container's directory stays watched");
    fs::remove_dir_all(&dir).unwrap();
    driven.step_after(TICK);
    driven.step_after(TICK);
    assert_eq!(driven.counters.watches.get(), 1);
}
