//! Against the running kernel. What it or our rights do not allow is left out, and says so on
//! standard error past the harness, which keeps what passing tests print to itself.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;

use super::*;

mod edges;
mod writers;

fn skipped(what: &str, why: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "SKIPPED: kernel watcher, {what}: {why}");
}

/// `None` where the machine refuses as a whole; what it refuses in part is a verdict.
fn open(what: &str, settings: &Settings) -> Option<Kernel> {
    match Kernel::open(settings) {
        Ok(kernel) => Some(kernel),
        Err(
            error @ (KernelError::Refused { .. }
            | KernelError::NoBtf { .. }
            | KernelError::BtfRead { .. }
            | KernelError::Architecture { .. }),
        ) => {
            skipped(what, error);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A kernel watcher and a directory whose file system it can hear.
fn open_in(what: &str, settings: &Settings, dir: &Path) -> Option<Kernel> {
    let mut kernel = open(what, settings)?;
    let file = tempfile::tempfile_in(dir).unwrap();
    match Identity::of(&file).map_err(|error| error.to_string()).and_then(|identity| {
        kernel.follow(identity).map_err(|error| error.to_string())?;
        kernel.unfollow(identity.id);
        Ok(())
    }) {
        Ok(()) => Some(kernel),
        Err(error) => {
            skipped(what, error);
            None
        }
    }
}

fn changed(kernel: &mut Kernel) -> Vec<Slot> {
    let mut changes = Vec::new();
    kernel.changed(Now::read(), &mut changes);
    changes.retain(|change| !change.again);
    changes.into_iter().map(|change| change.slot).collect()
}

fn until<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        if let Some(value) = condition() {
            return Some(value);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

fn readable(kernel: &Kernel, timeout: Duration) -> bool {
    let fd = kernel.wait_on();
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.as_nanos() as i64 };
    poll(&mut fds, Some(&timeout)).unwrap() > 0
}

fn file(dir: &Path, name: &str) -> (File, Identity) {
    let file = File::options().create(true).append(true).open(dir.join(name)).unwrap();
    let identity = Identity::of(&file).unwrap();
    (file, identity)
}

#[test]
fn a_write_changes_the_slot_of_its_file_and_of_no_other() {
    let dir = TempDir::new().unwrap();
    let Some(mut kernel) = open_in("news", &Settings::default(), dir.path()) else { return };
    let (mut log, id) = file(dir.path(), "followed");
    let (mut other, other_id) = file(dir.path(), "other");
    let (mut stranger, _) = file(dir.path(), "stranger");
    let slot = kernel.follow(id).unwrap();
    let other_slot = kernel.follow(other_id).unwrap();
    assert_ne!(slot, other_slot);
    assert_eq!(changed(&mut kernel), [], "following is no news");

    let before = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    log.write_all(b"a line\n").unwrap();
    let mut changes = Vec::new();
    kernel.changed(Now::read(), &mut changes);
    assert_eq!(changes.iter().map(|change| change.slot).collect::<Vec<_>>(), [slot]);
    let before_ns = before.tv_sec as u64 * 1_000_000_000 + before.tv_nsec as u64;
    let late_ns = changes[0].written_mono_ns.checked_sub(before_ns).expect("after we began");
    assert!(late_ns < 10_000_000_000, "{late_ns}");

    stranger.write_all(b"a line\n").unwrap();
    assert_eq!(changed(&mut kernel), [], "nobody follows it");
    other.write_all(b"a line\n").unwrap();
    assert_eq!(changed(&mut kernel), [other_slot]);

    kernel.unfollow(id.id);
    log.write_all(b"a line\n").unwrap();
    assert_eq!(changed(&mut kernel), [], "unfollowed");
    assert_eq!(kernel.follow(id).unwrap(), slot, "slots are used again");
    assert_eq!(changed(&mut kernel), [], "what was written before is no news");
}

#[test]
fn one_inode_has_one_slot_for_all_that_follow_it() {
    let dir = TempDir::new().unwrap();
    let Some(mut kernel) = open_in("news", &Settings::default(), dir.path()) else { return };
    let (mut log, id) = file(dir.path(), "log");
    let slot = kernel.follow(id).unwrap();
    assert_eq!(kernel.follow(id).unwrap(), slot);
    kernel.unfollow(id.id);
    log.write_all(b"x").unwrap();
    assert_eq!(changed(&mut kernel), [slot]);
    assert_eq!((kernel.slot_of(id.id), kernel.followed()), (Some(slot), 1));
}

#[test]
fn full_is_said_and_passes() {
    let dir = TempDir::new().unwrap();
    let settings = Settings { slots_max: 2, ..Settings::default() };
    let Some(mut kernel) = open_in("full", &settings, dir.path()) else { return };
    let files: Vec<_> = ["a", "b", "c"].iter().map(|name| file(dir.path(), name)).collect();
    kernel.follow(files[0].1).unwrap();
    kernel.follow(files[1].1).unwrap();
    let error = kernel.follow(files[2].1).unwrap_err();
    assert!(matches!(error, FollowError::Full { max: 2 }), "{error}");
    kernel.unfollow(files[0].1.id);
    kernel.follow(files[2].1).unwrap();
}

#[test]
fn a_write_wakes_only_who_sleeps() {
    let dir = TempDir::new().unwrap();
    let Some(mut kernel) = open_in("gate", &Settings::default(), dir.path()) else { return };
    let (mut log, id) = file(dir.path(), "log");
    kernel.follow(id).unwrap();
    let mut woken = |kernel: &mut Kernel| {
        // Other edges of the machine may come at any time.
        let mut edges = Vec::new();
        kernel.edges(&mut edges);
        log.write_all(b"x").unwrap();
        until(|| {
            let readable = readable(kernel, Duration::from_millis(50));
            edges.clear();
            kernel.edges(&mut edges);
            (!readable || edges.is_empty()).then_some(readable)
        })
        .expect("the machine comes to rest")
    };
    assert!(!woken(&mut kernel), "nobody sleeps");
    assert!(!kernel.sleep(Now::read()), "a change waits");
    assert_eq!(changed(&mut kernel).len(), 1);
    assert!(kernel.sleep(Now::read()));
    assert!(kernel.next_look_ns().is_some(), "a nap before the sleep");
    assert!(woken(&mut kernel));
    assert!(!woken(&mut kernel), "once");
    assert_eq!(changed(&mut kernel).len(), 1);
}

#[test]
fn an_early_signal_gets_later_looks() {
    let dir = TempDir::new().unwrap();
    let settings = Settings { highest: Variant::Kprobe, ..Settings::default() };
    let Some(mut kernel) = open_in("second look", &settings, dir.path()) else { return };
    let (mut log, id) = file(dir.path(), "log");
    let slot = kernel.follow(id).unwrap();
    log.write_all(b"x").unwrap();
    let mut now = Now::read();
    let mut looks = Vec::new();
    for _ in 0..4 {
        let mut changes = Vec::new();
        kernel.changed(now, &mut changes);
        looks.extend(changes.iter().map(|change| (change.slot, change.again)));
        now.mono_ns = kernel.next_look_ns().unwrap_or(now.mono_ns);
    }
    assert_eq!(looks, [(slot, false), (slot, true), (slot, true), (slot, true)]);
    assert_eq!(kernel.next_look_ns(), None);
}

#[test]
fn nothing_stays_in_the_kernel() {
    let Some(mut kernel) = open("left-overs", &Settings::default()) else { return };
    kernel.news_variant(FileSystem::Ext4);
    let ids: Vec<u32> = kernel
        .programs
        .object()
        .programs()
        .filter_map(|(_, program)| Some(program.info().ok()?.id()))
        .collect();
    assert!(!ids.is_empty());
    let loaded = || {
        let programs = aya::programs::loaded_programs().flatten();
        programs.filter(|program| ids.contains(&program.id())).count()
    };
    assert_eq!(loaded(), ids.len());
    drop(kernel);
    // Programs that ran a moment ago are freed when no processor can be in them.
    assert!(until(|| (loaded() == 0).then_some(())).is_some(), "{} are left", loaded());
}

#[test]
fn two_watchers_do_not_disturb_each_other() {
    let dir = TempDir::new().unwrap();
    let Some(mut first) = open_in("two", &Settings::default(), dir.path()) else { return };
    let Some(mut second) = open_in("two", &Settings::default(), dir.path()) else { return };
    let (mut log, id) = file(dir.path(), "log");
    let slots = (first.follow(id).unwrap(), second.follow(id).unwrap());
    log.write_all(b"x").unwrap();
    assert_eq!((changed(&mut first), changed(&mut second)), (vec![slots.0], vec![slots.1]));
    drop(first);
    log.write_all(b"x").unwrap();
    assert_eq!(changed(&mut second), [slots.1]);
}

#[test]
fn without_capabilities_the_reason_names_them() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let opened = std::thread::spawn(|| {
        let mut ours = capabilities(None).unwrap();
        let needed = CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::SYS_ADMIN;
        ours.effective -= needed;
        set_capabilities(None, ours).unwrap();
        Kernel::open(&Settings::default()).map(drop)
    });
    match opened.join().unwrap() {
        Err(KernelError::Refused { reason }) => assert!(reason.contains("CAP_BPF"), "{reason}"),
        Err(error @ (KernelError::NoBtf { .. } | KernelError::BtfRead { .. })) => {
            skipped("capabilities", error);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_proof_lets_through_what_works_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let Some(_) = open_in("proof", &Settings::default(), dir.path()) else { return };
    let proven = |dir: &Path| {
        let settings = Settings { prove_in: Some(dir.to_owned()), ..Settings::default() };
        let kernel = Kernel::open(&settings).unwrap();
        let news =
            |verdict: &&Verdict| matches!(verdict.feature, Feature::News | Feature::NewsOf(_));
        kernel.verdicts().iter().filter(news).find_map(|verdict| verdict.taken)
    };
    assert!(proven(dir.path()).is_some());
    assert_eq!(proven(Path::new("/proc")), None, "no file can be made there");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "no file is left");
}

#[test]
fn each_feature_has_a_verdict_with_a_reason() {
    let Some(_) = open("doctor", &Settings::default()) else { return };
    let report = probe(&Settings::default()).unwrap();
    for verdict in &report.verdicts {
        let _ = writeln!(io::stderr(), "kernel watcher: {verdict}");
        let is_explained = verdict.taken.is_some() || !verdict.refused.is_empty();
        // A file system has a way of its own only where the general one is refused.
        let is_other = matches!(verdict.feature, Feature::NewsOf(_));
        assert!(is_explained || is_other, "{verdict}");
    }
    for (name, instructions) in &report.verified {
        // More than thrice what they are: a program that grows beyond it has got a loop.
        assert!(instructions.is_none_or(|count| count < 1_000), "{name}: {instructions:?}");
    }
}
