//! How often the programs of the news run: for a write that they are there for, and for nothing
//! else. The kernel counts.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use aya::programs::{ProgramInfo, loaded_programs};
use rustix::process::getppid;
use serde_json::{Value, json};
use sluice::kernel::{Identity, Kernel, Settings, Variant};
use sluice_vm::contract::{PLAN_PATH, Place};

const STATS: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// All lines together stay below a page, so that each write is one piece.
const TURNS: u64 = 100;
const LINE: &[u8] = b"a line of text\n";

/// The other programs tell of edges. The kernel keeps 15 letters of a name.
const NEWS: [&str; 6] =
    ["fexit_vfs_", "fexit_do_iter_", "fexit_iter_file", "fexit_io_", "kprobe_", "tracepoint_"];
const EDGES: [&str; 1] = ["kprobe_security"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    WriteFollowed,
    WriteUnfollowed,
    WriteOn(&'static str),
    WriteToAPipe,
    Read,
    Stat,
    Getppid,
}

const DEEDS: [Deed; 9] = [
    Deed::WriteFollowed,
    Deed::WriteUnfollowed,
    Deed::WriteOn("xfs"),
    Deed::WriteOn("btrfs"),
    Deed::WriteOn("tmpfs"),
    Deed::WriteToAPipe,
    Deed::Read,
    Deed::Stat,
    Deed::Getppid,
];

impl Deed {
    fn words(self) -> String {
        match self {
            Self::WriteFollowed => "write on ext4, followed".into(),
            Self::WriteUnfollowed => "write on ext4, unfollowed".into(),
            Self::WriteOn(place) => format!("write on {place}, unfollowed"),
            Self::WriteToAPipe => "write to a pipe".into(),
            Self::Read => "read on ext4".into(),
            Self::Stat => "stat on ext4".into(),
            Self::Getppid => "getppid".into(),
        }
    }

    /// Runs of a program for each of it, when a log on ext4 is followed. Programs on functions are
    /// there for writes of all kinds; those on tracepoints of ext4 for it alone, but for the one of
    /// direct writes, through which xfs writes everything.
    fn expect(self, variant: Variant) -> Option<u64> {
        match (self, variant) {
            (Self::Read | Self::Stat | Self::Getppid, _) => Some(0),
            (Self::WriteFollowed | Self::WriteUnfollowed, _) => Some(1),
            (Self::WriteOn("xfs"), Variant::Tracepoint) => None,
            (Self::WriteOn(_) | Self::WriteToAPipe, Variant::Tracepoint) => Some(0),
            (Self::WriteOn(_) | Self::WriteToAPipe, _) => Some(1),
        }
    }
}

pub(crate) struct Row {
    pub(crate) deed: String,
    pub(crate) runs: f64,
    /// Of all runs together, by the clock of the machine.
    pub(crate) took_ns: f64,
}

impl Row {
    pub(crate) fn record(&self, variant: Variant) -> Value {
        let Self { deed, runs, took_ns } = self;
        json!({"rung": variant.as_str(), "deed": deed, "runs": runs, "took_ns": took_ns})
    }
}

pub(crate) fn table(
    variant: Variant,
    settings: &Settings,
    places: &[Place],
) -> Result<(Vec<Row>, Vec<String>), String> {
    fs::write(STATS, "1").map_err(|error| format!("{STATS}: {error}"))?;
    let result = counted(variant, settings, places);
    fs::write(STATS, "0").map_err(|error| format!("{STATS}: {error}"))?;
    result
}

fn counted(
    variant: Variant,
    settings: &Settings,
    places: &[Place],
) -> Result<(Vec<Row>, Vec<String>), String> {
    let before: HashSet<u32> = programs().map(|program| program.id()).collect();
    let mut kernel = Kernel::open(settings).map_err(|error| error.to_string())?;
    let home = settings.prove_in.as_deref().ok_or("no ext4 here")?;
    let mut followed = tempfile::tempfile_in(home).unwrap();
    let identity = Identity::of(&followed).map_err(|error| error.to_string())?;
    if kernel.news_variant(identity.file_system) != Some(variant) {
        return Err(kernel.refusals(identity.file_system));
    }
    kernel.follow(identity).map_err(|error| error.to_string())?;
    let is_news = |program: &ProgramInfo| {
        let name = program.name_as_str().unwrap_or_default();
        let begins = |all: &[&str]| all.iter().any(|word| name.starts_with(word));
        begins(&NEWS) && !begins(&EDGES) && !before.contains(&program.id())
    };
    let ours: HashSet<u32> = programs().filter(is_news).map(|program| program.id()).collect();

    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    for deed in DEEDS {
        let mut act = match deed {
            Deed::WriteFollowed => writing(followed.try_clone().unwrap()),
            Deed::WriteUnfollowed => writing(tempfile::tempfile_in(home).unwrap()),
            Deed::WriteOn(name) => match place(places, name) {
                Some(path) => writing(tempfile::tempfile_in(path).unwrap()),
                None => continue,
            },
            Deed::WriteToAPipe => {
                let (mut reader, mut writer) = io::pipe().unwrap();
                Box::new(move || {
                    writer.write_all(LINE).unwrap();
                    reader.read_exact(&mut [0; LINE.len()]).unwrap();
                })
            }
            Deed::Read => {
                followed.write_all(LINE).unwrap();
                let file = followed.try_clone().unwrap();
                Box::new(move || {
                    rustix::io::pread(&file, &mut [0; LINE.len()], 0).unwrap();
                })
            }
            Deed::Stat => {
                let path = home.to_owned();
                Box::new(move || {
                    let _ = fs::metadata(&path).unwrap();
                })
            }
            Deed::Getppid => Box::new(|| {
                let _ = getppid();
            }),
        };
        let (runs, took) = counts(&ours);
        for _ in 0..TURNS {
            act();
        }
        let (runs_after, took_after) = counts(&ours);
        let runs = runs_after - runs;
        if let Some(expected) = deed.expect(variant).map(|each| each * TURNS)
            && (if is_alone() { runs != expected } else { runs < expected })
        {
            let (rung, deed) = (variant.as_str(), deed.words());
            faults.push(format!("{rung}, {TURNS} times {deed}: {runs} runs, not {expected}"));
        }
        rows.push(Row {
            deed: deed.words(),
            runs: runs as f64 / TURNS as f64,
            took_ns: (took_after - took).as_nanos() as f64 / TURNS as f64,
        });
    }
    Ok((rows, faults))
}

fn writing(mut file: File) -> Box<dyn FnMut()> {
    Box::new(move || file.write_all(LINE).unwrap())
}

fn place<'a>(places: &'a [Place], name: &str) -> Option<&'a Path> {
    places.iter().find(|place| place.name == name)?.path.as_deref().ok()
}

fn programs() -> impl Iterator<Item = ProgramInfo> {
    // One that is unloaded meanwhile is none of ours.
    loaded_programs().filter_map(Result::ok)
}

fn counts(ours: &HashSet<u32>) -> (u64, Duration) {
    let ours = programs().filter(|program| ours.contains(&program.id()));
    ours.fold((0, Duration::ZERO), |(runs, took), program| {
        (runs + program.run_count(), took + program.run_time())
    })
}

/// In a machine of its own nobody else writes.
fn is_alone() -> bool {
    Path::new(PLAN_PATH).exists()
}
