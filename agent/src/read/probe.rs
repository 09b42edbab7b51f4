//! How cold reads go here.

use std::io;

use crate::core::Finding;
use crate::sys::Ring;

use super::local::RingJob;

/// Whether io_uring can be had.
pub fn probe() -> Finding {
    const WHAT: &str = "io_uring";
    let Err(error) = Ring::<RingJob>::new(1) else {
        return Finding::ok(WHAT, "cold reads go through it");
    };
    let mend = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp \
             profile, and set the sysctl kernel.io_uring_disabled to 0"
        }
        io::ErrorKind::OutOfMemory => "raise the limit of locked memory (ulimit -l)",
        _ => "it needs Linux 5.11 or newer",
    };
    Finding::degraded(WHAT, format!("{error}: cold reads go to a pool of threads"), mend)
}
