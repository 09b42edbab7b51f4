//! Looks over a container that is made up on a real file system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::look::{Seen, look};
use super::*;
use crate::core::limits::LOGS_PER_CONTAINER_MAX;
use crate::discover::{Mount, MountSource, State};

struct World {
    dir: tempfile::TempDir,
    container: Container,
}

/// The container's id, as long as a real one.
const ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

impl World {
    /// A container with an upper directory, a volume at `/data` and a directory of the host's at
    /// `/app/logs`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("var/lib/docker");
        let layer = root.join("image/overlay2/layerdb/mounts").join(ID);
        fs::create_dir_all(&layer).unwrap();
        fs::write(layer.join("mount-id"), "layer").unwrap();
        for made in ["overlay2/layer/diff/var/log", "volumes/v/_data", "containers"] {
            fs::create_dir_all(root.join(made)).unwrap();
        }
        fs::create_dir_all(dir.path().join("srv/logs")).unwrap();
        let mount = |to: &str, source| Mount { destination: to.into(), source };
        let container = Container {
            id: ID.to_owned(),
            name: "web".to_owned(),
            state: State::Running,
            log_path: Some(root.join("containers").join(ID).join(format!("{ID}-json.log"))),
            mounts: vec![
                mount("/data", MountSource::Volume("v".to_owned())),
                mount("/app/logs", MountSource::Path("/srv/logs".into())),
            ],
            ..Container::default()
        };
        Self { dir, container }
    }

    fn host(&self) -> Host {
        Host {
            prefix: self.dir.path().to_owned(),
            data_root: self.dir.path().join("var/lib/docker"),
            state_dir: self.dir.path().join("var/lib/sluice"),
        }
    }

    fn upper(&self) -> PathBuf {
        self.dir.path().join("var/lib/docker/overlay2/layer/diff")
    }

    fn volume(&self) -> PathBuf {
        self.dir.path().join("var/lib/docker/volumes/v/_data")
    }

    fn bind(&self) -> PathBuf {
        self.dir.path().join("srv/logs")
    }

    fn look(&self, pattern: &str) -> Seen {
        look(&self.host(), &self.container, &wanted(pattern), &mut |_, _| {})
    }

    #[track_caller]
    fn check(&self, pattern: &str, expect: &[&str]) {
        let seen = self.look(pattern);
        let paths: Vec<_> = seen.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, expect, "{pattern}: {:?}", seen.notes);
    }

    #[track_caller]
    fn check_note(&self, pattern: &str, expect: &str) {
        let seen = self.look(pattern);
        assert!(seen.files.is_empty(), "{:?}", seen.files);
        assert!(seen.notes.iter().any(|note| note.contains(expect)), "{:?}", seen.notes);
    }
}

fn wanted(pattern: &str) -> Wanted {
    Wanted { log: "x".to_owned(), patterns: vec![PathPattern::parse(pattern).unwrap()] }
}

fn put(path: PathBuf) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "line\n").unwrap();
}

#[test]
fn files_lie_in_the_layer_and_on_mounts() {
    let world = World::new();
    put(world.upper().join("var/log/a.log"));
    put(world.volume().join("deep/down/b.log"));
    put(world.bind().join("catalina.2026-11-28.log"));
    put(world.bind().join("catalina.2026-11-29.log"));
    put(world.bind().join("catalina.out"));
    world.check("/var/log/a.log", &["/var/log/a.log"]);
    world.check("/var/log/*.log", &["/var/log/a.log"]);
    world.check("/data/**/*.log", &["/data/deep/down/b.log"]);
    world.check(
        "/app/logs/catalina.*.log",
        &["/app/logs/catalina.2026-11-28.log", "/app/logs/catalina.2026-11-29.log"],
    );
    // Over all of them.
    world.check(
        "/**/*.log",
        &[
            "/app/logs/catalina.2026-11-28.log",
            "/app/logs/catalina.2026-11-29.log",
            "/data/deep/down/b.log",
            "/var/log/a.log",
        ],
    );
    let file = &world.look("/app/logs/*.out").files[0];
    assert!(file.volume.is_some());
    assert_eq!(file.place.directory.path(), world.bind().join("").as_path());
    assert_eq!(file.place.name, "catalina.out");
    assert_eq!(world.look("/var/log/a.log").files[0].volume, None);
    world.check("/var/log/b.log", &[]);
    world.check("/nowhere/b.log", &[]);
}

#[test]
fn older_files_belong_to_the_log() {
    let world = World::new();
    for name in ["a.log", "a.log.1", "a.log.2.gz", "a-2026-11-28.log", "b.log.gz", "c.zip"] {
        put(world.bind().join(name));
    }
    world.check("/app/logs/*", &["/app/logs/a.log", "/app/logs/b.log"]);
    assert!(world.look("/app/logs/a.*").files[0].with_rotated);
    assert!(!world.look("/app/logs/*.log").files[0].with_rotated);
    // What is there in its place belongs to it too.
    world.check("/app/logs/b.log.gz", &["/app/logs/b.log"]);
    world.check_note("/app/logs/c.zip", "only gzip");
}

#[test]
fn links_are_followed_in_the_containers_names() {
    let world = World::new();
    put(world.bind().join("real.log"));
    put(world.volume().join("v.log"));
    // An absolute one, out of the layer and into a mount; and one to a directory.
    symlink("/app/logs/real.log", world.upper().join("var/log/link.log")).unwrap();
    symlink("/data", world.upper().join("var/log/all")).unwrap();
    symlink("../../data/v.log", world.upper().join("var/log/relative.log")).unwrap();
    world.check("/var/log/link.log", &["/var/log/link.log"]);
    let place = &world.look("/var/log/link.log").files[0].place;
    assert_eq!(place.directory.path().join(&place.name), world.bind().join("real.log"));
    world.check("/var/log/all/v.log", &["/var/log/all/v.log"]);
    world.check("/var/log/relative.log", &["/var/log/relative.log"]);
    // One that fits by its own name is not found twice.
    symlink("real.log", world.bind().join("current.log")).unwrap();
    world.check("/app/logs/*.log", &["/app/logs/real.log"]);
}

#[test]
fn nothing_leads_out_of_the_container() {
    let world = World::new();
    let secret = world.dir.path().join("etc/shadow");
    put(secret.clone());
    put(world.dir.path().join("etc/app/secret.log"));
    // To the host's file: read as a name in the container, which has none of it.
    symlink("/etc/shadow", world.upper().join("var/log/absolute.log")).unwrap();
    symlink(&secret, world.upper().join("var/log/host.log")).unwrap();
    let up = "../".repeat(12);
    symlink(format!("{up}etc/shadow"), world.upper().join("var/log/up.log")).unwrap();
    symlink(world.dir.path().join("etc/app"), world.upper().join("var/log/app")).unwrap();
    symlink("/proc/1/root/etc/shadow", world.upper().join("var/log/magic.log")).unwrap();
    symlink("loop.log", world.upper().join("var/log/loop.log")).unwrap();
    for name in ["absolute.log", "host.log", "up.log", "app/secret.log", "loop.log"] {
        world.check(&format!("/var/log/{name}"), &[]);
    }
    world.check("/var/log/**", &[]);
    world.check_note("/var/log/magic.log", "is a link to /proc/1/root/etc/shadow");
    world.check_note("/var/log/loop.log", "leads nowhere");
}

#[test]
fn only_regular_files_are_logs() {
    let world = World::new();
    let directory = world.bind();
    let fifo = directory.join("fifo.log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.join("socket.log")).unwrap();
    fs::create_dir(directory.join("directory.log")).unwrap();
    world.check_note("/app/logs/fifo.log", "no regular file");
    world.check_note("/app/logs/socket.log", "no regular file");
    world
        .check_note("/app/logs/directory.log", "is a directory; write `/app/logs/directory.log/*`");
    symlink("/dev/stdout", directory.join("access.log")).unwrap();
    world.check_note("/app/logs/access.log", "declare `stdout`");
}

#[test]
fn what_the_host_keeps_is_refused_by_name() {
    let mut world = World::new();
    world
        .container
        .mounts
        .push(Mount { destination: "/host".into(), source: MountSource::Path("/".into()) });
    put(world.dir.path().join("var/log/app/a.log"));
    put(world.dir.path().join("var/log/pods/p/0.log"));
    put(world.dir.path().join("var/lib/docker/containers/c/c-json.log"));
    world.check("/host/var/log/app/*.log", &["/host/var/log/app/a.log"]);
    for path in ["/host/var/log/pods/p/0.log", "/host/var/lib/docker/containers/c/c-json.log"] {
        world.check_note(path, "a directory of the host's");
    }
}

#[test]
fn a_pattern_without_end_is_bounded() {
    let world = World::new();
    for number in 0..300 {
        put(world.bind().join(format!("log-of-{number:03}.txt")));
    }
    let seen = world.look("/app/logs/*.txt");
    assert_eq!(seen.files.len(), look::FILES_MAX);
    assert!(seen.notes.iter().any(|note| note.starts_with("44 files more")), "{:?}", seen.notes);
}

/// Waits for what the thread tells, for at most 10 s.
fn until(told: &Mutex<Vec<FileNews>>, what: impl Fn(&[FileNews]) -> bool) {
    let began = Instant::now();
    while !what(&told.lock().unwrap()) {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", told.lock().unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_new_file_is_told_soon_and_once() {
    let world = World::new();
    let told: Arc<Mutex<Vec<FileNews>>> = Arc::default();
    let into = told.clone();
    let counters = Counters::default();
    let finder = Finder::start(
        world.host(),
        counters.clone(),
        Arc::new(move |news| {
            into.lock().unwrap().push(news);
            Ok(())
        }),
    )
    .unwrap();
    finder.asker().want(&world.container, vec![wanted("/app/logs/new/*.log")]);
    let found = |path: &str| {
        let path = path.to_owned();
        move |all: &[FileNews]| {
            all.iter().any(|news| matches!(news, FileNews::Found { file, .. } if file.path == path))
        }
    };
    let began = Instant::now();
    // Neither the directory nor the file is there yet.
    std::thread::sleep(Duration::from_millis(300));
    put(world.bind().join("new/a.log"));
    until(&told, found("/app/logs/new/a.log"));
    put(world.bind().join("new/b.log"));
    until(&told, found("/app/logs/new/b.log"));
    assert!(began.elapsed() < Duration::from_secs(4), "found by the slow looks only");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(told.lock().unwrap().len(), 2);
    // Both are told again, the released one as well.
    finder.asker().released(ID, "x", "/app/logs/new/a.log");
    finder.asker().want(&world.container, vec![wanted("/app/logs/new/*.log")]);
    until(&told, |all| all.len() == 4);
    assert_eq!(report(&finder.reports(), ID, "x"), Vec::<String>::new());
    finder.asker().forget(ID, true);
    assert!(Path::new(&world.bind()).exists());
}

/// A thread that looks in a world, and what it tells.
fn finding(world: &World) -> (Finder, Arc<Mutex<Vec<FileNews>>>) {
    let told: Arc<Mutex<Vec<FileNews>>> = Arc::default();
    let into = told.clone();
    let news: NewsFn = Arc::new(move |news| {
        into.lock().unwrap().push(news);
        Ok(())
    });
    (Finder::start(world.host(), Counters::default(), news).unwrap(), told)
}

/// Forgets the container, and gives what was missed of it.
fn forgotten(finder: &Finder, told: &Mutex<Vec<FileNews>>, has_run: bool) -> Vec<String> {
    finder.asker().forget(ID, has_run);
    until(told, |all| matches!(all.last(), Some(FileNews::Forgotten { .. })));
    match told.lock().unwrap().pop() {
        Some(FileNews::Forgotten { missed, .. }) => {
            missed.into_iter().map(|missed| missed.path).collect()
        }
        news => panic!("{news:?}"),
    }
}

#[test]
fn what_is_on_a_volume_when_its_container_goes_is_told_and_open() {
    use std::io::Read as _;

    let world = World::new();
    let (finder, told) = finding(&world);
    put(world.volume().join("a.log"));
    finder.asker().want(&world.container, vec![wanted("/data/*.log")]);
    assert_eq!(forgotten(&finder, &told, true), Vec::<String>::new());
    fs::remove_dir_all(world.volume()).unwrap();
    let mut told = told.lock().unwrap();
    let Some(FileNews::Found { opened: Some(mut file), .. }) = told.pop() else {
        panic!("{told:?}");
    };
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "line\n");
}

#[test]
fn what_was_deleted_before_a_look_is_missed() {
    let check = |has_run: bool, pattern: &str, expect: &[&str]| {
        let world = World::new();
        fs::remove_dir_all(world.upper()).unwrap();
        let (finder, told) = finding(&world);
        finder.asker().want(&world.container, vec![wanted(pattern)]);
        assert_eq!(forgotten(&finder, &told, has_run), expect, "{pattern}");
    };
    check(true, "/var/log/*.log", &["/var/log/*.log"]);
    check(true, "/var/log/a.log", &["/var/log/a.log"]);
    // It has never run; the volume is there, and empty.
    check(false, "/var/log/a.log", &[]);
    check(true, "/data/a.log", &[]);
    check(true, "/data/*.log", &[]);
}

#[test]
fn what_was_seen_to_be_nothing_is_not_missed() {
    let world = World::new();
    put(world.upper().join("var/log/b.log"));
    let (finder, told) = finding(&world);
    finder.asker().want(&world.container, vec![wanted("/var/log/[ab].log")]);
    until(&told, |all| all.len() == 1);
    // Sooner, the look may have met a layer on its way out.
    std::thread::sleep(Duration::from_millis(200));
    fs::remove_dir_all(world.upper()).unwrap();
    assert_eq!(forgotten(&finder, &told, true), Vec::<String>::new());
}

/// A look finds what is left of a layer, which may have had the file.
#[test]
fn what_is_empty_and_deleted_at_once_may_have_held_something() {
    let check = |pattern: &str, rest: Duration, expect: &[&str]| {
        let world = World::new();
        fs::remove_dir_all(world.upper().join("var")).unwrap();
        let (finder, told) = finding(&world);
        finder.asker().want(&world.container, vec![wanted(pattern)]);
        while report(&finder.reports(), ID, "x").is_empty() {
            std::thread::yield_now();
        }
        std::thread::sleep(rest);
        fs::remove_dir_all(world.upper()).unwrap();
        assert_eq!(forgotten(&finder, &told, true), expect, "{pattern} after {rest:?}");
    };
    check("/var/log/a.log", Duration::ZERO, &["/var/log/a.log"]);
    check("/var/log/a.log", Duration::from_millis(200), &[]);
    // What is on a mount is not in the layer.
    check("/data/a.log", Duration::ZERO, &[]);
}

/// Its layer goes piece by piece, and a look finds the rest of it.
#[test]
fn what_was_heard_of_and_not_found_is_missed() {
    let world = World::new();
    let (finder, told) = finding(&world);
    finder.asker().want(&world.container, vec![wanted("/var/log/[ab].log")]);
    // So that it is watched.
    put(world.upper().join("var/log/b.log"));
    until(&told, |all| all.len() == 1);
    finder.asker().want(&world.container, vec![wanted("/var/log/[ab].log")]);
    until(&told, |all| all.len() == 2);
    put(world.upper().join("var/log/a.log"));
    fs::remove_file(world.upper().join("var/log/a.log")).unwrap();
    let missed = forgotten(&finder, &told, true);
    // Unless it was found in the moment that it was there.
    let is_told = told.lock().unwrap().len() > 2;
    assert_eq!(missed, if is_told { vec![] } else { vec!["/var/log/a.log".to_owned()] });
}

#[test]
fn a_log_of_an_engine_without_layers_is_not_missed() {
    let world = World::new();
    fs::remove_dir_all(world.dir.path().join("var/lib/docker/image")).unwrap();
    let (finder, told) = finding(&world);
    finder.asker().want(&world.container, vec![wanted("/var/log/a.log")]);
    assert_eq!(forgotten(&finder, &told, true), Vec::<String>::new());
}

/// Ten thousand containers that declare a file each: all are found, and then there is rest.
#[test]
fn many_containers_cost_no_more_looks_than_few() {
    check_rest(10_000, 1);
}

/// As many logs as one container may declare.
#[test]
fn many_logs_of_one_container_cost_no_more_looks_than_few() {
    check_rest(1, LOGS_PER_CONTAINER_MAX);
}

/// All logs are found, and looked for no more than 100 times a second from then on.
#[track_caller]
fn check_rest(containers: usize, logs: usize) {
    let world = World::new();
    put(world.bind().join("a.log"));
    let told = Arc::new(AtomicU64::new(0));
    let counted = told.clone();
    let counters = Counters::default();
    let finder = Finder::start(
        world.host(),
        counters.clone(),
        Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }),
    )
    .unwrap();
    for number in 0..containers {
        let id = format!("{number:064x}");
        let container = Container { id, ..world.container.clone() };
        let logs = (0..logs).map(|log| Wanted {
            log: format!("x{log}"),
            patterns: vec![PathPattern::parse("/app/logs/*.log").unwrap()],
        });
        finder.asker().want(&container, logs.collect());
    }
    let all = (containers * logs) as u64;
    let began = Instant::now();
    while told.load(Ordering::Relaxed) < all {
        assert!(began.elapsed() < Duration::from_mins(1), "{told:?} after {:?}", began.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    // What a look took can ask for more of them; these are over soon.
    std::thread::sleep(Duration::from_millis(500));
    let before = (counters.file_looks.get(), Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let looks = counters.file_looks.get() - before.0;
    let allowed = before.1.elapsed().as_secs_f64() * 100.0 + 20.0;
    assert!((looks as f64) <= allowed, "{looks} looks of {allowed}");
}
