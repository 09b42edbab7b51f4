//! The proof of a variant: a write of our own has to change its slot.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, open, openat, unlinkat};

use super::follows::Follows;
use super::identity::{FileSystem, Identity};

/// On tmpfs only the first write in each tick of the clock (4 ms, or 10) makes a signal, and the
/// making of the file has used up one.
const WRITES_MAX: usize = 30;
const BETWEEN_WRITES: Duration = Duration::from_millis(2);

/// Of a directory of ours; `None` if it cannot be opened or is on nothing that can be followed.
pub(super) fn file_system(directory: &Path) -> Option<FileSystem> {
    Some(Identity::of(File::open(directory).ok()?).ok()?.file_system)
}

/// Writes to a file without a name and looks at its slot.
pub(super) fn by_a_write(directory: &Path, follows: &mut Follows) -> Result<(), String> {
    let place = directory.display();
    let mut file =
        scratch(directory).map_err(|error| format!("cannot be proven in {place}: {error}"))?;
    let identity =
        Identity::of(&file).map_err(|error| format!("cannot be proven in {place}: {error}"))?;
    let slot = follows.follow(identity.id).map_err(|error| format!("cannot be proven: {error}"))?;
    let before = follows.written_ns(slot);
    let mut proof = Err(format!(
        "attached, but a write to a file in {place} ({}) made no signal",
        identity.file_system
    ));
    for turn in 0..WRITES_MAX {
        if turn > 0 {
            thread::sleep(BETWEEN_WRITES);
        }
        if let Err(error) = file.write_all(b".") {
            proof = Err(format!("cannot be proven in {place}: {error}"));
            break;
        }
        if follows.written_ns(slot) != before {
            proof = Ok(());
            break;
        }
    }
    let _ = follows.unfollow(identity.id);
    proof
}

fn scratch(directory: &Path) -> rustix::io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    if let Ok(file) = open(directory, flags | OFlags::TMPFILE, mode) {
        return Ok(file.into());
    }
    // Not every file system makes files without a name; those of some answer EISDIR.
    let path = directory.join(format!(".proof-{}", std::process::id()));
    let file = openat(CWD, &path, flags | OFlags::CREATE | OFlags::EXCL, mode)?;
    unlinkat(CWD, &path, AtFlags::empty())?;
    Ok(file.into())
}
