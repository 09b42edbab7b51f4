//! Writers × file systems, heard by the kernel watcher.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluice::core::Now;
use sluice::kernel::{
    Change, Feature, FileSystem, Identity, IdentityError, Kernel, Settings, Slot, Variant, Verdict,
};
use sluice_vm::contract::Place;
use sluice_vm::signal::Signal;
use sluice_vm::table::{Cell, Table};

struct Slots {
    kernel: Kernel,
    name: &'static str,
    followed: Option<(Identity, Slot)>,
}

pub(crate) fn table(
    variant: Variant,
    settings: &Settings,
    places: &[Place],
) -> Result<Table, String> {
    let mut kernel = Kernel::open(settings).map_err(|error| error.to_string())?;
    let home = settings.prove_in.as_deref().ok_or("no ext4 here")?;
    let home = Identity::of(File::open(home).unwrap()).map_err(|error| error.to_string())?;
    let taken = kernel.news_variant(home.file_system);
    if taken != Some(variant) {
        return Err(kernel.refusals(home.file_system));
    }
    let mut slots = Slots { kernel, name: variant.as_str(), followed: None };
    Table::fill(&mut slots, places).map_err(|error| format!("{error:#}"))
}

/// What has to be heard: whatever writes logs, on every file system that containers' logs lie on.
/// Where programs hang on functions, that is all that goes through them, and no store to a mapping
/// is heard. What differs from kernel to kernel (asynchronous writes, copies, changes of size) is
/// in the record, and not asked for.
pub(crate) fn expect(
    kernel: (u32, u32),
    variant: Variant,
    writer: &str,
    place: &str,
) -> Option<Cell> {
    match (variant, writer, place) {
        // The tracepoints tell of the fault by which a page becomes writable, once.
        (Variant::Tracepoint, "mmap", _) => None,
        (_, "mmap", _) => Some(Cell::Sweep),
        (Variant::Tracepoint, _, place) if gaps(kernel).any(|gap| gap.place == place) => {
            Some(Cell::Sweep)
        }
        // It is followed where its bytes lie.
        (_, _, "overlay") => None,
        (_, "write" | "writev" | "pwrite" | "O_APPEND", _) => Some(Cell::Signal),
        _ => None,
    }
}

/// What the tracepoints do not tell of on an old kernel.
struct Gap {
    place: &'static str,
    file_system: FileSystem,
    before: (u32, u32),
    /// What the reason has to name.
    missing: &'static str,
}

/// The tracepoint of iomap is as old as its iterator; that of btrfs is older than the descriptions
/// of what lies in modules, which programs find their way by.
const GAPS: [Gap; 2] = [
    Gap {
        place: "xfs",
        file_system: FileSystem::Xfs,
        before: (5, 15),
        missing: "BTF has no iomap_iter.inode",
    },
    Gap {
        place: "btrfs",
        file_system: FileSystem::Btrfs,
        before: (5, 11),
        missing: "BTF has no btrfs_root.fs_info",
    },
];

fn gaps(kernel: (u32, u32)) -> impl Iterator<Item = &'static Gap> {
    GAPS.iter().filter(move |gap| kernel < gap.before)
}

/// Gaps without the reason that a person is to read.
pub(crate) fn unexplained(kernel: (u32, u32), verdicts: &[Verdict]) -> Vec<String> {
    let is_explained = |gap: &&Gap| {
        let mut of_it = verdicts.iter().filter(|it| it.feature == Feature::NewsOf(gap.file_system));
        of_it.any(|it| it.taken.is_none() && it.to_string().contains(gap.missing))
    };
    let said: Vec<String> = verdicts.iter().map(ToString::to_string).collect();
    let fault = |gap: &Gap| format!("{}: not named: {}; {said:?}", gap.place, gap.missing);
    gaps(kernel).filter(|gap| !is_explained(gap)).map(fault).collect()
}

impl Slots {
    fn changed(&mut self) -> bool {
        let mut changes: Vec<Change> = Vec::new();
        self.kernel.changed(Now::read(), &mut changes);
        let Some((_, slot)) = self.followed else { return false };
        changes.iter().any(|change| change.slot == slot && !change.again)
    }
}

impl Signal for Slots {
    fn name(&self) -> &str {
        self.name
    }

    fn follow(&mut self, file: &Path) -> io::Result<()> {
        if let Some((identity, _)) = self.followed.take() {
            self.kernel.unfollow(identity.id);
        }
        match Identity::of(File::open(file)?) {
            Ok(identity) => {
                // A file system that this rung does not hear is one for the sweep.
                let slot = self.kernel.follow(identity);
                self.followed = slot.ok().map(|slot| (identity, slot));
                Ok(())
            }
            // Its bytes lie elsewhere.
            Err(IdentityError::Overlay) => Ok(()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn forget(&mut self) -> io::Result<()> {
        // On tmpfs only the first write in each tick of the clock makes a signal.
        sleep(Duration::from_millis(12));
        self.changed();
        Ok(())
    }

    fn seen(&mut self, patience: Duration) -> io::Result<bool> {
        let until = Instant::now() + patience;
        loop {
            if self.changed() {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep(Duration::from_millis(1));
        }
    }
}
