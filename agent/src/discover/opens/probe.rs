//! How files in containers can be found here.

use crate::core::Finding;
use crate::sys::Fanotify;

use super::{Host, LOOK_INTERVAL};

/// Which way is in force, and what is in the way of the better one.
pub fn probe(host: &Host) -> Finding {
    const WHAT: &str = "files in containers";
    let proc = host.prefix.join("proc");
    if !proc.join("1/cgroup").exists() {
        return Finding::degraded(
            WHAT,
            format!("{} shows no processes: only the files of past runs are known", proc.display()),
            "mount the host's /proc below `docker.host_prefix`, as a mount of the host's / does",
        );
    }
    if !host.data_root.exists() {
        return Finding::degraded(
            WHAT,
            format!("{} is not there", host.data_root.display()),
            "see `docker root`",
        );
    }
    let marked = Fanotify::new().and_then(|group| group.mark_file_system(&host.data_root));
    let every = LOOK_INTERVAL.as_secs();
    match marked {
        Ok(()) => Finding::ok(
            WHAT,
            format!(
                "fanotify on the file system of {}, and a look at /proc every {every} s",
                host.data_root.display()
            ),
        ),
        Err(error) => Finding::degraded(
            WHAT,
            format!(
                "no fanotify on {} ({error}): a look at /proc every {every} s alone, which misses \
                 files that are opened for a moment",
                host.data_root.display()
            ),
            "give the agent CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH, on Linux 5.9 or later",
        ),
    }
}
