//! What the kernel watcher adds to a write: `cargo bench -p sluice --bench kernel [DIRECTORY]`.
//!
//! Writes of one log line each, to a file that nobody follows and to one that is followed, beside
//! the same without a program and under an inotify watch, in turn, so that the machine's moods
//! meet all of them. Before a figure counts, the watcher must have seen the one file and not the
//! other.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::fs::inotify;
use rustix::time::{ClockId, clock_gettime};
use sluice::core::Now;
use sluice::kernel::{Change, Identity, Kernel, Settings, Variant};

/// An average line of a container, as the engine writes it.
const LINE_BYTES: usize = 240;

/// 5 MB, so that no round waits for the disk.
const WRITES: u32 = 20_000;

const ROUNDS: usize = 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    NoProgram,
    Unfollowed,
    Followed,
    Inotify,
}

impl Case {
    const ALL: [Self; 4] = [Self::NoProgram, Self::Unfollowed, Self::Followed, Self::Inotify];

    fn as_str(self) -> &'static str {
        match self {
            Self::NoProgram => "no program",
            Self::Unfollowed => "unfollowed",
            Self::Followed => "followed",
            Self::Inotify => "inotify watch",
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // cargo adds `--bench`.
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let directory = given.map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = tempfile::tempdir_in(directory)?;
    let path = directory.path().join("log");

    let opened = Instant::now();
    let mut kernel = Kernel::open(&Settings::default())?;
    println!("opened in {:.0} ms", opened.elapsed().as_secs_f64() * 1e3);
    let identity = Identity::of(File::create(&path)?)?;
    let variant = kernel.news_variant(identity.file_system).map(Variant::as_str);
    println!("news on {}: {}", identity.file_system, variant.unwrap_or("none"));
    drop(kernel);

    let mut figures: [Vec<f64>; Case::ALL.len()] = Default::default();
    for _ in 0..ROUNDS {
        for (case, figures) in Case::ALL.into_iter().zip(&mut figures) {
            figures.push(round(case, &path)?);
        }
    }
    let mut base = 0.0;
    for (case, mut figures) in Case::ALL.into_iter().zip(figures) {
        figures.sort_by(f64::total_cmp);
        let (least, median) = (figures[0], figures[ROUNDS / 2]);
        if case == Case::NoProgram {
            base = median;
        }
        println!(
            "{:>14}: {median:6.0} ns a write (median of {ROUNDS}; least {least:.0}), {:+5.0} ns",
            case.as_str(),
            median - base
        );
    }
    Ok(())
}

/// Of this thread: what other programs take of the machine is not counted.
fn processor_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds of processor time per write.
fn round(case: Case, path: &Path) -> Result<f64, Box<dyn std::error::Error>> {
    let mut file = File::create(path)?;
    let line = [b'x'; LINE_BYTES];
    let other = tempfile::tempfile_in(path.parent().unwrap_or(path))?;
    let mut kernel = match case {
        Case::NoProgram | Case::Inotify => None,
        Case::Unfollowed | Case::Followed => Some(Kernel::open(&Settings::default())?),
    };
    let followed = match (case, &mut kernel) {
        (Case::Followed, Some(kernel)) => Some(kernel.follow(Identity::of(&file)?)?),
        (_, Some(kernel)) => Some(kernel.follow(Identity::of(&other)?)?),
        _ => None,
    };
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    if case == Case::Inotify {
        let directory = path.parent().unwrap_or(path);
        inotify::add_watch(&watch, directory, inotify::WatchFlags::MODIFY)?;
    }
    let begin = processor_ns();
    for _ in 0..WRITES {
        file.write_all(&line)?;
    }
    let ns = (processor_ns() - begin) / f64::from(WRITES);

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
