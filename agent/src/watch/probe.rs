//! What the kernel lets us watch.

use inotify::Inotify;

use crate::core::Finding;

/// A directory of a container takes two watches, and nodes have had up to a few thousand.
const WATCHES_WANTED: u64 = 16_384;

/// Whether inotify can be had, and how much of it.
pub fn probe() -> Finding {
    const WHAT: &str = "inotify";
    if let Err(error) = Inotify::init() {
        return Finding::degraded(
            WHAT,
            format!("{error}: files are found by looking at each every few seconds"),
            "raise the sysctl fs.inotify.max_user_instances",
        );
    }
    let limit = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let watches = limit("max_user_watches").unwrap_or(0);
    let queue = limit("max_queued_events").unwrap_or(0);
    let found = format!("{watches} watches, a queue of {queue} events");
    if watches < WATCHES_WANTED {
        let mend =
            format!("set the sysctl fs.inotify.max_user_watches to {WATCHES_WANTED} or more");
        return Finding::degraded(WHAT, found, mend);
    }
    Finding::ok(WHAT, found)
}
