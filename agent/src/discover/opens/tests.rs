//! The look, over a `/proc` and an upper directory that are made up.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::run::Loop;
use super::{DENY, FoundFile, Host, OpensSettings};
use crate::discover::fixture::ID;
use crate::discover::{Container, Counters, Mount, MountSource, Registry, State};

const APPEND: u32 = 0o102_001;
const WRITE: u32 = 0o100_001;
const READ: u32 = 0o100_000;

struct World {
    root: TempDir,
    looking: Loop,
    found: Arc<Mutex<Vec<FoundFile>>>,
    descriptors: u32,
}

impl World {
    fn new(own: Option<&str>) -> Self {
        let root = TempDir::new().unwrap();
        let path = root.path();
        let process = path.join("proc/7");
        for directory in ["proc/7/fd", "proc/7/fdinfo", "upper/var/log", "srv/logs"] {
            fs::create_dir_all(path.join(directory)).unwrap();
        }
        fs::write(process.join("cgroup"), format!("5:cpu:/docker/{ID}\n")).unwrap();
        let mounts = "1 0 0:9 / / rw - overlay overlay rw,upperdir=/upper,workdir=/w\n\
                      2 1 8:1 /srv/logs /data rw - ext4 /dev/vda rw\n\
                      3 1 0:9 / /run rw - tmpfs tmpfs rw\n";
        fs::write(process.join("mountinfo"), mounts).unwrap();
        let registry = Registry::default();
        let mount =
            Mount { destination: "/data".into(), source: MountSource::Path("/srv/logs".into()) };
        let container = Container {
            id: ID.to_owned(),
            state: State::Running,
            mounts: vec![mount],
            ..Container::default()
        };
        registry.put(container, None);
        let settings = OpensSettings {
            host: Host {
                prefix: path.to_owned(),
                data_root: path.join("var/lib/docker"),
                state_dir: path.join("state"),
            },
            deny: DENY.map(str::to_owned).to_vec(),
            own_container_id: own.map(str::to_owned),
            look_interval: Duration::from_secs(1),
            hints: false,
        };
        let found = Arc::new(Mutex::new(Vec::new()));
        let sink = found.clone();
        let take = Arc::new(move |file| {
            sink.lock().unwrap().push(file);
            true
        });
        let looking = Loop::new(settings, registry, Counters::default(), take);
        Self { root, looking, found, descriptors: 3 }
    }

    fn upper(&self, path: &str) -> PathBuf {
        self.root.path().join("upper").join(path.trim_start_matches('/'))
    }

    /// The process has a file open; `link` is where the descriptor leads.
    fn open(&mut self, link: &str, flags: u32, mount: u32) {
        let process = self.root.path().join("proc/7");
        let number = self.descriptors;
        self.descriptors += 1;
        symlink(link, process.join("fd").join(number.to_string())).unwrap();
        let info = format!("pos:\t0\nflags:\t0{flags:o}\nmnt_id:\t{mount}\n");
        fs::write(process.join("fdinfo").join(number.to_string()), info).unwrap();
    }

    fn layer(&mut self, path: &str, content: &str, flags: u32) {
        fs::create_dir_all(self.upper(path).parent().unwrap()).unwrap();
        fs::write(self.upper(path), content).unwrap();
        self.open(path, flags, 1);
    }

    /// Paths that a look finds.
    fn look(&mut self) -> Vec<String> {
        self.looking.look();
        let mut found: Vec<_> =
            self.found.lock().unwrap().drain(..).map(|found| found.path).collect();
        found.sort();
        found
    }
}

#[test]
fn appended_text_is_found_once_and_where_it_lies() {
    let mut world = World::new(None);
    world.layer("/var/log/app.log", "line\n", APPEND);
    world.looking.look();
    let found = world.found.lock().unwrap().pop().expect("it is found");
    assert_eq!((&*found.container_id, &*found.path), (ID, "/var/log/app.log"));
    assert_eq!(found.place.directory.path(), world.upper("/var/log"));
    assert_eq!(found.place.name, "app.log");
    assert!(world.look().is_empty(), "once");
}

#[test]
fn written_text_is_found_when_it_grows() {
    let mut world = World::new(None);
    world.layer("/etc/app.conf", "setting: 1\n", WRITE);
    world.layer("/var/log/out", "line\n", WRITE);
    assert!(world.look().is_empty());
    fs::write(world.upper("/var/log/out"), "line\nline\n").unwrap();
    assert_eq!(world.look(), ["/var/log/out"]);
    assert!(world.look().is_empty());
}

#[test]
fn what_is_no_log_is_left() {
    let mut world = World::new(None);
    world.layer("/var/log/read.log", "line\n", READ);
    world.layer("/var/log/binary.log", "\u{1}\0\0\u{2}\n", APPEND);
    world.layer("/root/.bash_history", "secret\n", APPEND);
    world.layer("/var/run.pid", "1\n", APPEND);
    world.layer("/tmp/x.log", "line\n", APPEND);
    world.layer("/var/log/empty.log", "", APPEND);
    world.open("/var/log/gone.log (deleted)", APPEND, 1);
    world.open("socket:[17]", APPEND, 1);
    world.open("/memory/app.log", APPEND, 3);
    assert!(world.look().is_empty());
    assert!(world.look().is_empty());
}

#[test]
fn a_rotated_file_belongs_to_its_log() {
    let mut world = World::new(None);
    world.layer("/var/log/app.log.1", "old\n", APPEND);
    world.layer("/var/log/app.log", "new\n", APPEND);
    world.layer("/var/log/v1.2", "a name of its own\n", APPEND);
    assert_eq!(world.look(), ["/var/log/app.log", "/var/log/v1.2"]);
}

#[test]
fn no_link_and_no_pipe_is_opened() {
    let mut world = World::new(None);
    let secret = world.root.path().join("secret");
    fs::create_dir_all(&secret).unwrap();
    fs::write(secret.join("app.log"), "of the host\n").unwrap();
    world.layer("/var/log/link.log", "line\n", APPEND);
    fs::remove_file(world.upper("/var/log/link.log")).unwrap();
    symlink(secret.join("app.log"), world.upper("/var/log/link.log")).unwrap();
    symlink(&secret, world.upper("/var/swapped")).unwrap();
    world.open("/var/swapped/app.log", APPEND, 1);
    let pipe = world.upper("/var/log/pipe.log");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(status.success());
    world.open("/var/log/pipe.log", APPEND, 1);
    assert!(world.look().is_empty());
    assert!(world.look().is_empty());
}

#[test]
fn through_a_mount_it_has_to_be_the_very_file() {
    let mut world = World::new(None);
    let logs = world.root.path().join("srv/logs");
    fs::write(logs.join("app.log"), "line\n").unwrap();
    // The descriptor leads to the file by the name that it has in the container; here that name
    // is another file, or none.
    world.open("/data/app.log", APPEND, 2);
    assert!(world.look().is_empty());
    fs::remove_dir_all(&logs).unwrap();
}

#[test]
fn the_agents_own_container_is_left_out() {
    let mut world = World::new(Some(ID));
    world.layer("/var/log/app.log", "line\n", APPEND);
    assert!(world.look().is_empty());
}
