//! What the kernel watcher adds to a write:
//! `cargo bench -p sluice --bench kernel [-- [--json] [DIRECTORY]]`.
//!
//! Writes of one log line each, to a file that nobody follows and to one that is followed, beside
//! the same without a program, under an inotify watch and under a fanotify mark with a reader, in
//! turn, so that the machine's moods meet all of them. Before a figure counts, the watcher must
//! have seen the one file and not the other, and the reader must have been told.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use sluice::core::Now;
use sluice::kernel::{Change, Identity, Kernel, Settings, Variant};

/// An average line of a container, as the engine writes it.
const LINE_BYTES: usize = 240;

/// 5 MB, so that no round waits for the disk.
const WRITES: u32 = 20_000;

const ROUNDS: usize = 31;

/// How soon the reader of fanotify sees that it is over.
const READER_POLL: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };

type AnyError = Box<dyn std::error::Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    NoProgram,
    Unfollowed,
    Followed,
    Inotify,
    Fanotify,
}

impl Case {
    const ALL: [Self; 5] =
        [Self::NoProgram, Self::Unfollowed, Self::Followed, Self::Inotify, Self::Fanotify];

    fn as_str(self) -> &'static str {
        match self {
            Self::NoProgram => "no program",
            Self::Unfollowed => "unfollowed",
            Self::Followed => "followed",
            Self::Inotify => "inotify watch",
            Self::Fanotify => "fanotify mark",
        }
    }
}

/// What `cargo xtask bench watch` reads.
#[derive(Serialize)]
struct Report {
    file_system: String,
    variant: Option<&'static str>,
    opened_ms: f64,
    cases: Vec<Figures>,
}

#[derive(Serialize)]
struct Figures {
    name: &'static str,
    median_ns: f64,
    least_ns: f64,
    /// In order of size.
    rounds: Vec<f64>,
}

fn main() -> Result<(), AnyError> {
    // cargo adds `--bench`.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let directory = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let report = measure(tempfile::tempdir_in(directory)?.path())?;
    if std::env::args().any(|argument| argument == "--json") {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        report.print();
    }
    Ok(())
}

impl Report {
    fn print(&self) {
        println!("opened in {:.0} ms", self.opened_ms);
        println!("news on {}: {}", self.file_system, self.variant.unwrap_or("none"));
        let base = self.cases[0].median_ns;
        for Figures { name, median_ns, least_ns, .. } in &self.cases {
            println!(
                "{name:>14}: {median_ns:6.0} ns a write (median of {ROUNDS}; least {least_ns:.0}), \
                 {:+5.0} ns",
                median_ns - base
            );
        }
    }
}

fn measure(directory: &Path) -> Result<Report, AnyError> {
    let path = directory.join("log");
    let opened = Instant::now();
    let mut kernel = Kernel::open(&Settings::default())?;
    let opened_ms = opened.elapsed().as_secs_f64() * 1e3;
    let identity = Identity::of(File::create(&path)?)?;
    let variant = kernel.news_variant(identity.file_system).map(Variant::as_str);
    drop(kernel);

    let mut rounds: [Vec<f64>; Case::ALL.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (case, rounds) in Case::ALL.into_iter().zip(&mut rounds) {
            rounds.push(round(case, &path)?);
        }
    }
    let cases = Case::ALL.into_iter().zip(rounds).map(|(case, mut rounds)| {
        rounds.sort_by(f64::total_cmp);
        let (least_ns, median_ns) = (rounds[0], rounds[ROUNDS / 2]);
        Figures { name: case.as_str(), median_ns, least_ns, rounds }
    });
    let file_system = identity.file_system.to_string();
    Ok(Report { file_system, variant, opened_ms, cases: cases.collect() })
}

/// Of this thread: what other programs take of the machine is not counted.
fn processor_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds of processor time per write.
fn round(case: Case, path: &Path) -> Result<f64, AnyError> {
    let mut file = File::create(path)?;
    let directory = path.parent().unwrap_or(path);
    let other = tempfile::tempfile_in(directory)?;
    let mut kernel = match case {
        Case::NoProgram | Case::Inotify | Case::Fanotify => None,
        Case::Unfollowed | Case::Followed => Some(Kernel::open(&Settings::default())?),
    };
    let followed = match (case, &mut kernel) {
        (Case::Followed, Some(kernel)) => Some(kernel.follow(Identity::of(&file)?)?),
        (_, Some(kernel)) => Some(kernel.follow(Identity::of(&other)?)?),
        _ => None,
    };
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    if case == Case::Inotify {
        inotify::add_watch(&watch, directory, inotify::WatchFlags::MODIFY)?;
    }
    let ns = match case {
        Case::Fanotify => beside_fanotify(&mut file, directory)?,
        _ => write(&mut file)?,
    };

    let mut changes: Vec<Change> = Vec::new();
    if let Some(kernel) = &mut kernel {
        kernel.changed(Now::read(), &mut changes);
    }
    let seen = changes.iter().any(|change| Some(change.slot) == followed);
    if seen != (case == Case::Followed) {
        return Err(io::Error::other(format!("{case:?}: seen is {seen}")).into());
    }
    Ok(ns)
}

fn write(file: &mut File) -> io::Result<f64> {
    let line = [b'x'; LINE_BYTES];
    let begin = processor_ns();
    for _ in 0..WRITES {
        file.write_all(&line)?;
    }
    Ok((processor_ns() - begin) / f64::from(WRITES))
}

/// With a mark on the directory, as who follows its logs would set it, and a reader: unread events
/// would be merged into one.
fn beside_fanotify(file: &mut File, directory: &Path) -> Result<f64, AnyError> {
    let init = InitFlags::FAN_CLASS_NOTIF | InitFlags::FAN_CLOEXEC | InitFlags::FAN_NONBLOCK;
    let marked = Fanotify::init(init, EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC)?;
    let mask = MaskFlags::FAN_MODIFY | MaskFlags::FAN_EVENT_ON_CHILD;
    marked.mark(MarkFlags::FAN_MARK_ADD, mask, rustix::fs::CWD, Some(directory))?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| read(&marked, &is_over));
        let ns = write(file);
        // Nothing else is passed to the reader, so no order is wanted.
        is_over.store(true, Ordering::Relaxed);
        let told = reader.join().map_err(|_| io::Error::other("the reader panicked"))??;
        if told == 0 {
            return Err(io::Error::other("fanotify told of no write").into());
        }
        Ok(ns?)
    })
}

/// Events read until it is over.
fn read(marked: &Fanotify, is_over: &AtomicBool) -> io::Result<usize> {
    let mut told = 0;
    loop {
        // Before the last look, so that what was written until then is in it.
        let last = is_over.load(Ordering::Relaxed);
        let _ = poll(&mut [PollFd::new(marked, PollFlags::IN)], Some(&READER_POLL));
        match marked.read_events() {
            // Each event has a descriptor, which is closed when it is dropped.
            Ok(events) => told += events.len(),
            Err(nix::errno::Errno::EAGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
        if last {
            return Ok(told);
        }
    }
}
