//! What must be refused, with the reason that a person reads: each in a process of its own.

use std::env;
use std::fs::{self, File};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Pid;
use rustix::thread::{CapabilitySet, capabilities};
use seccompiler::{SeccompAction, SeccompFilter, apply_filter};
use sluice::agent::Threads;
use sluice::kernel::{Identity, Kernel, Settings};
use sluice::sys::{OF_ADMINISTRATION, OF_PROGRAMS, drop_capabilities};
use sluice_vm::contract::PLAN_PATH;

/// What is made impossible, and what the reason has to name.
const CASES: &[(&str, &[&str])] = &[
    ("no capability", &["CAP_BPF", "add it to the service or container"]),
    ("no BTF", &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"]),
    ("seccomp", &["seccomp filter"]),
    ("capability dropped later", &[]),
    (
        "threads of the agent",
        &[
            "watch keeps SYS_ADMIN PERFMON BPF,",
            "opens keeps SYS_ADMIN,",
            "all others nothing;",
            "refused: ",
            "CAP_BPF",
        ],
    ),
    ("watcher without capabilities", &["inotify", "CAP_BPF"]),
    // Last: a machine does not come back from it.
    ("lockdown", &["confidentiality"]),
];

/// Since Linux 5.19 or so a map that a process holds may be changed without `CAP_BPF`.
const NEEDS_NONE_FOR_MAPS: (u32, u32) = (5, 19);

pub(crate) fn all(kernel: (u32, u32)) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for (which, names) in CASES {
        let output = Command::new(env::current_exe().unwrap())
            .arg(format!("--refused={which}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        lines.push(format!("{which:<30}{said}"));
        if let Some(why) = said.strip_prefix("SKIPPED: ") {
            println!("SKIPPED: {which}: {why}");
            continue;
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            faults.push(format!("{which}: {said} {stderr}"));
        }
        for name in *names {
            if !said.contains(name) {
                faults.push(format!("{which}: the reason does not name {name}: {said}"));
            }
        }
        if *which == "capability dropped later" {
            let is_refused = said != "followed all the same";
            if is_refused != (kernel < NEEDS_NONE_FOR_MAPS) {
                faults.push(format!("{which}: {said}"));
            }
        }
    }
    (lines, faults)
}

/// Prints the reason; fails if nothing was refused.
pub(crate) fn child(which: &str) -> ExitCode {
    let refused = match which {
        "no capability" => {
            without_capabilities();
            Kernel::open(&Settings::default()).err().map(|error| error.to_string())
        }
        "no BTF" => {
            mount("none", "/sys/kernel/btf", "tmpfs", MountFlags::empty(), None).unwrap();
            let refused = Kernel::open(&Settings::default()).err().map(|error| error.to_string());
            unmount("/sys/kernel/btf", UnmountFlags::DETACH).unwrap();
            refused
        }
        "seccomp" => {
            let refuse = [(libc::SYS_bpf, Vec::new())].into();
            let filter = SeccompFilter::new(
                refuse,
                SeccompAction::Allow,
                SeccompAction::Errno(rustix::io::Errno::PERM.raw_os_error() as u32),
                env::consts::ARCH.try_into().unwrap(),
            );
            let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
            apply_filter(&program).unwrap();
            Kernel::open(&Settings::default()).err().map(|error| error.to_string())
        }
        "capability dropped later" => Some(dropped_later()),
        "threads of the agent" => Some(threads()),
        "watcher without capabilities" => Some(watcher()),
        "lockdown" => lockdown(),
        other => panic!("no case {other}"),
    };
    match refused {
        Some(why) => {
            println!("{why}");
            ExitCode::SUCCESS
        }
        None => {
            println!("not refused");
            ExitCode::FAILURE
        }
    }
}

fn without_capabilities() {
    drop_capabilities(OF_PROGRAMS | OF_ADMINISTRATION).unwrap();
}

/// Why one thread keeps them: a map is changed for each file.
fn dropped_later() -> String {
    let mut kernel = Kernel::open(&Settings::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let followed = |kernel: &mut Kernel, name: &str| {
        let file = File::create(dir.path().join(name)).unwrap();
        kernel.follow(Identity::of(&file).unwrap())
    };
    if let Err(error) = followed(&mut kernel, "with") {
        return format!("SKIPPED: {error}");
    }
    without_capabilities();
    match followed(&mut kernel, "without") {
        Ok(_) => "followed all the same".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// As `sluice run` makes them; and what a thread that is made after them gets from the kernel.
fn threads() -> String {
    let _first = Threads::first().unwrap();
    let later = thread::Builder::new().name("later".to_owned());
    let refused = later.spawn(|| Kernel::open(&Settings::default()).err()).unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    // Each takes its name and drops its own, in a moment.
    let is_done = |(_, first): (String, Vec<String>)| {
        first.len() == 2 && first.iter().any(|words| words == "opens keeps SYS_ADMIN")
    };
    while !is_done(held()) {
        assert!(Instant::now() < until, "{:?}", held());
        thread::sleep(Duration::from_millis(1));
    }
    let (others, mut words) = held();
    words.sort_by(|one, other| other.cmp(one));
    words.push(format!("all others {others}"));
    let refused = refused
        .join()
        .unwrap()
        .map_or("not refused".to_owned(), |error| format!("refused: {error}"));
    format!("{}; another thread is {refused}", words.join(", "))
}

/// What the threads of this process keep: the two in words, and all others together.
fn held() -> (String, Vec<String>) {
    let all = OF_PROGRAMS | OF_ADMINISTRATION;
    let words = |held: CapabilitySet| {
        let names: Vec<&str> = held.iter_names().map(|(name, _)| name).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
    };
    let (mut others, mut first) = (CapabilitySet::empty(), Vec::new());
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        let id = task.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
        let Ok(sets) = capabilities(Pid::from_raw(id)) else { continue };
        let held = (sets.effective | sets.permitted | sets.inheritable) & all;
        match name.trim() {
            name @ ("watch" | "opens") => first.push(format!("{name} keeps {}", words(held))),
            _ => others |= held,
        }
    }
    (words(others), first)
}

/// The whole watcher goes on by inotify and says why.
fn watcher() -> String {
    without_capabilities();
    let dir = tempfile::tempdir().unwrap();
    let (watcher, news) = super::ladder::start(dir.path());
    watcher.follow(sluice::core::SourceToken(1), dir.path().to_owned(), "x-json.log".to_owned());
    news.recv().unwrap();
    watcher.seen(sluice::core::SourceToken(1));
    fs::write(dir.path().join("x-json.log"), "line\n").unwrap();
    news.recv().unwrap();
    let standing = watcher.standings().into_iter().next().unwrap();
    format!("{}: {}", standing.rung.as_str(), standing.why)
}

/// Only in a machine of its own.
fn lockdown() -> Option<String> {
    const PATH: &str = "/sys/kernel/security/lockdown";
    if !std::path::Path::new(PLAN_PATH).exists() {
        return Some("SKIPPED: this machine is needed afterwards".to_owned());
    }
    if fs::read_to_string(PATH).is_err() {
        return Some("SKIPPED: not in this kernel".to_owned());
    }
    fs::write(PATH, "confidentiality").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { prove_in: Some(dir.path().to_owned()), ..Settings::default() };
    match Kernel::open(&settings) {
        Err(error) => Some(error.to_string()),
        Ok(kernel) => {
            let said: Vec<_> = kernel.verdicts().iter().map(ToString::to_string).collect();
            Some(said.join(" | "))
        }
    }
}
