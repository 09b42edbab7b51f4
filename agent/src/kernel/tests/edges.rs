use std::os::unix::fs::MetadataExt;

use super::*;

/// Each is two edges of 328 bytes, and the smallest ring has 4096.
const MADE: usize = 40;

/// A directory in which cgroups can be made.
fn cgroups() -> Option<PathBuf> {
    // The unified hierarchy, beside version 1 or alone, or else one of version 1.
    ["/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/pids"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.join("cgroup.procs").exists())
}

/// A cgroup of this test's; removed when dropped.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make(what: &str, name: &str) -> Option<Self> {
        let Some(root) = cgroups() else {
            skipped(what, "no cgroup file system");
            return None;
        };
        let path = root.join(format!("sluice-test-{name}-{}", std::process::id()));
        match fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                skipped(what, format!("cannot make {}: {error}", path.display()));
                None
            }
        }
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn has(kernel: &Kernel, what: &str, feature: Feature) -> bool {
    let verdict = kernel.verdicts().iter().find(|verdict| verdict.feature == feature).unwrap();
    if verdict.taken.is_none() {
        skipped(what, verdict);
    }
    verdict.taken.is_some()
}

/// Waits for an edge.
fn expect<T>(kernel: &mut Kernel, mut wanted: impl FnMut(&Edge) -> Option<T>) -> T {
    let mut edges = Vec::new();
    until(|| {
        edges.clear();
        kernel.edges(&mut edges);
        edges.iter().find_map(&mut wanted)
    })
    .expect("the edge comes")
}

#[test]
fn a_cgroup_comes_fills_empties_and_goes() {
    let Some(mut kernel) = open("cgroups", &Settings::default()) else { return };
    if !has(&kernel, "cgroups", Feature::Cgroups) {
        return;
    }
    let Some(cgroup) = Cgroup::make("cgroups", "edges") else { return };
    let name = PathBuf::from("/").join(cgroup.0.file_name().unwrap());
    let id = fs::metadata(&cgroup.0).unwrap().ino();
    // Both moves go through the shell, so that this process stays where it is.
    let script = format!("echo $$ > {}/cgroup.procs", cgroup.0.display());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    drop(cgroup);
    let mut seen = Vec::new();
    for wanted in
        [CgroupChange::Made, CgroupChange::Populated, CgroupChange::Emptied, CgroupChange::Removed]
    {
        let found = until(|| {
            kernel.edges(&mut seen);
            seen.iter().find_map(|edge| match edge {
                Edge::Cgroup { change, path, id, .. } if *change == wanted && *path == name => {
                    Some(*id)
                }
                _ => None,
            })
        });
        assert_eq!(found, Some(id), "{wanted:?}");
    }
}

#[test]
fn the_first_process_of_a_namespace_starts_and_ends() {
    let Some(mut kernel) = open("processes", &Settings::default()) else { return };
    if !has(&kernel, "processes", Feature::Processes) {
        return;
    }
    // A process without a namespace of its own is no container.
    let plain = Command::new("true").spawn().map(|mut child| {
        let id = child.id();
        child.wait().unwrap();
        id
    });
    let made = Command::new("unshare").args(["--pid", "--fork", "sh", "-c", ":; true"]).status();
    if !made.is_ok_and(|status| status.success()) {
        return skipped("processes", "unshare --pid is not permitted here");
    }
    let mut started = Vec::new();
    let ended = expect(&mut kernel, |edge| match edge {
        Edge::Process { change: ProcessChange::Started, process, .. } => {
            started.push(*process);
            None
        }
        Edge::Process { change: ProcessChange::Ended, process, .. } => Some(*process),
        _ => None,
    });
    assert!(started.contains(&ended), "{started:?} {ended}");
    assert!(!started.contains(&plain.unwrap()));
}

#[test]
fn a_followed_file_loses_its_name() {
    let dir = TempDir::new().unwrap();
    let Some(mut kernel) = open_in("unlinks", &Settings::default(), dir.path()) else { return };
    if !has(&kernel, "unlinks", Feature::Unlinks) {
        return;
    }
    let (_log, id) = file(dir.path(), "followed");
    let (_stranger, stranger) = file(dir.path(), "stranger");
    kernel.follow(id).unwrap();
    fs::remove_file(dir.path().join("stranger")).unwrap();
    fs::remove_file(dir.path().join("followed")).unwrap();
    let gone = expect(&mut kernel, |edge| match edge {
        Edge::Name { change: NameChange::Unlinked, inode, .. } => Some(*inode),
        _ => None,
    });
    assert_eq!(gone, id.id);
    assert_ne!(gone, stranger.id);
}

#[test]
fn a_followed_file_gets_another_name() {
    let dir = TempDir::new().unwrap();
    let Some(mut kernel) = open_in("renames", &Settings::default(), dir.path()) else { return };
    if !has(&kernel, "renames", Feature::Renames) {
        return;
    }
    let (_log, id) = file(dir.path(), "log");
    let (_old, old) = file(dir.path(), "log.1");
    kernel.follow(id).unwrap();
    kernel.follow(old).unwrap();
    fs::rename(dir.path().join("log"), dir.path().join("log.1")).unwrap();
    let mut seen = Vec::new();
    expect(&mut kernel, |edge| {
        if let Edge::Name { change, inode, .. } = edge {
            seen.push((*change, *inode));
        }
        (seen.len() == 2).then_some(())
    });
    assert_eq!(seen, [(NameChange::Renamed, id.id), (NameChange::Unlinked, old.id)]);
}

#[test]
fn what_the_ring_has_no_room_for_is_counted() {
    let settings = Settings { edges_bytes: 4096, ..Settings::default() };
    let Some(mut kernel) = open("overflow", &settings) else { return };
    if !has(&kernel, "overflow", Feature::Cgroups) {
        return;
    }
    for turn in 0..MADE {
        if Cgroup::make("overflow", &format!("full{turn}")).is_none() {
            return;
        }
    }
    let mut edges = Vec::new();
    let drained = kernel.edges(&mut edges);
    assert!(drained.lost > 0 && !edges.is_empty(), "{drained:?}");
    // Each was made and removed; other edges of the machine may have come in between.
    assert!(edges.len() + drained.lost as usize >= 2 * MADE, "{} {drained:?}", edges.len());
    let _ = Cgroup::make("overflow", "after");
    edges.clear();
    let drained = kernel.edges(&mut edges);
    assert_eq!(drained.lost, 0, "each loss is told once");
    assert!(edges.len() >= 2);
}
