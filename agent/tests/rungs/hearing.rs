//! Writers × file systems, heard by the kernel watcher.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sluice::core::Now;
use sluice::kernel::{Change, Identity, IdentityError, Kernel, Settings, Slot, Variant};
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
        // `iomap_iter` came with Linux 5.15.
        (Variant::Tracepoint, _, "xfs") if kernel < (5, 15) => None,
        // It is followed where its bytes lie.
        (_, _, "overlay") => None,
        (_, "write" | "writev" | "pwrite" | "O_APPEND", _) => Some(Cell::Signal),
        _ => None,
    }
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
