//! Whether positions can be kept here.

use std::path::Path;
use std::time::Duration;

use crate::core::Finding;

use super::lock::{LockError, StateLock};

/// The store takes a few MiB, and dead letters come on top.
const FREE_WANTED: u64 = 256 << 20;

/// The state directory: writable, on disk, with room. Makes it if it is not there.
pub fn probe(directory: &Path) -> Finding {
    const WHAT: &str = "state directory";
    let place = directory.display();
    let holder = match StateLock::acquire(directory, Duration::ZERO, |_| {}) {
        Ok(_) => String::new(),
        Err(LockError::Held { holder, .. }) => format!(", held by the running agent{holder}"),
        Err(error @ LockError::Unwritable { .. }) => {
            let mend = "make it writable, or name another one with `state_dir`";
            return Finding::broken(WHAT, error.to_string(), mend);
        }
    };
    let Ok(fs) = rustix::fs::statvfs(directory) else {
        return Finding::ok(WHAT, format!("{place}{holder}"));
    };
    let free = fs.f_bavail.saturating_mul(fs.f_frsize);
    let found = format!("{place}, {} MiB free{holder}", free >> 20);
    if is_memory(directory) {
        let mend = "mount a directory of the host there, so that positions outlive a reboot";
        return Finding::degraded(WHAT, format!("{found}, in memory only"), mend);
    }
    if free < FREE_WANTED {
        let mend = format!("free {} MiB on its disk", FREE_WANTED >> 20);
        return Finding::degraded(WHAT, found, mend);
    }
    Finding::ok(WHAT, found)
}

fn is_memory(directory: &Path) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::statfs(directory).is_ok_and(|fs| fs.f_type as u64 & 0xffff_ffff == TMPFS)
}
