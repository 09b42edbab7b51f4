//! Mounts whose answers may never come: their files are looked at by a thread of their own each,
//! so that a hung server holds up nobody else.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::core::{Now, SourceToken, limits};
use crate::sys::{OF_ADMINISTRATION, OF_PROGRAMS, drop_capabilities};

use super::announce::{Announcer, Mark};
use super::rung::{Log, RungName};
use super::sweep::{Changed, Entry, POLLED_LOOKS_PER_SECOND_MAX, Sweep};

/// Threads for mounts; further mounts share the last one.
const MOUNT_THREADS_MAX: usize = 16;

/// The table of mounts is read again after this time, when a path is asked about.
const TABLE_AGE_MAX: Duration = Duration::from_secs(10);

/// A look that takes longer is reported.
const STALL: Duration = Duration::from_secs(10);

/// How long a thread without files sleeps.
const IDLE: Duration = Duration::from_hours(1);

pub(super) struct Mounts {
    table: Vec<Mount>,
    read_ns: u64,
    threads: HashMap<PathBuf, MountThread>,
    owners: HashMap<SourceToken, PathBuf>,
    announcer: Arc<Announcer>,
    interval: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) point: PathBuf,
    kind: String,
}

struct MountThread {
    commands: Sender<Command>,
    /// When the present look began; 0 while there is none. It only decides on a report, so no
    /// ordering is needed.
    busy_since_ns: Arc<AtomicU64>,
    reported: bool,
}

enum Command {
    Follow(Log, Arc<Mark>),
    Unfollow(SourceToken),
}

impl Mounts {
    pub(super) fn new(announcer: Arc<Announcer>, interval: Duration) -> Self {
        Self {
            table: Vec::new(),
            read_ns: 0,
            threads: HashMap::new(),
            owners: HashMap::new(),
            announcer,
            interval,
        }
    }

    /// The mount that `path` lies on. From the kernel's table: `statfs` would hang with the mount.
    pub(super) fn mount_of(&mut self, path: &Path, now: Now) -> Mount {
        if self.read_ns == 0 || now.since(self.read_ns) > TABLE_AGE_MAX {
            self.table = parse(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
            self.read_ns = now.mono_ns;
        }
        find(&self.table, path)
    }

    pub(super) fn len(&self) -> usize {
        self.owners.len()
    }

    /// Leaves `log` to the thread of its mount. An error is of the thread.
    pub(super) fn follow(
        &mut self,
        mount: &Mount,
        log: Log,
        mark: Arc<Mark>,
    ) -> std::io::Result<()> {
        let mut key = mount.point.clone();
        if self.threads.len() >= MOUNT_THREADS_MAX && !self.threads.contains_key(&key) {
            key = PathBuf::new();
        }
        if !self.threads.contains_key(&key) {
            let thread = self.spawn(mount)?;
            self.threads.insert(key.clone(), thread);
        }
        self.owners.insert(log.source, key.clone());
        self.send(&key, Command::Follow(log, mark));
        Ok(())
    }

    /// False if it is not on such a mount.
    pub(super) fn unfollow(&mut self, source: SourceToken) -> bool {
        let Some(key) = self.owners.remove(&source) else { return false };
        self.send(&key, Command::Unfollow(source));
        true
    }

    /// Names each mount that has not answered for long, once per stall.
    pub(super) fn report_stalls(&mut self, now: Now) {
        for (point, thread) in &mut self.threads {
            let since = thread.busy_since_ns.load(Ordering::Relaxed);
            let stalled = since != 0 && now.since(since) > STALL;
            if stalled && !thread.reported {
                tracing::warn!(
                    mount = %point.display(),
                    "mount does not answer; its logs wait, all others go on"
                );
            }
            thread.reported = stalled;
        }
    }

    fn send(&self, key: &Path, command: Command) {
        let Some(thread) = self.threads.get(key) else { return };
        // Full only when a mount hangs and more sources came and went than may exist.
        if thread.commands.try_send(command).is_err() {
            tracing::warn!(mount = %key.display(), "queue of a hung mount is full");
        }
    }

    fn spawn(&self, mount: &Mount) -> std::io::Result<MountThread> {
        let (commands, receiver) = bounded(limits::SOURCES_MAX);
        let busy_since_ns = Arc::new(AtomicU64::new(0));
        let sweeper = Sweeper {
            commands: receiver,
            sweep: Sweep::new(self.interval, POLLED_LOOKS_PER_SECOND_MAX),
            announcer: Arc::clone(&self.announcer),
            busy_since_ns: Arc::clone(&busy_since_ns),
        };
        tracing::info!(mount = %mount.point.display(), kind = mount.kind, "polling a mount");
        // Never joined: it may hang for good. It ends when its queue does.
        let run = move || {
            if let Err(error) = drop_capabilities(OF_PROGRAMS | OF_ADMINISTRATION) {
                tracing::debug!(%error, "a mount's thread keeps the watcher's capabilities");
            }
            sweeper.run();
        };
        thread::Builder::new().name("watch-mount".into()).spawn(run)?;
        Ok(MountThread { commands, busy_since_ns, reported: false })
    }
}

impl Mount {
    /// Its files are elsewhere, behind a network or another process.
    pub(super) fn is_remote(&self) -> bool {
        // By the names in /proc/filesystems. `fuse.*` includes sshfs, glusterfs and the like.
        let kind = self.kind.as_str();
        kind.starts_with("fuse")
            || matches!(
                kind,
                "nfs"
                    | "nfs4"
                    | "cifs"
                    | "smb3"
                    | "smbfs"
                    | "9p"
                    | "ceph"
                    | "virtiofs"
                    | "afs"
                    | "lustre"
                    | "gpfs"
                    | "beegfs"
                    | "ocfs2"
                    | "gfs2"
                    | "coda"
                    | "ncpfs"
                    | "orangefs"
            )
    }
}

struct Sweeper {
    commands: Receiver<Command>,
    sweep: Sweep,
    announcer: Arc<Announcer>,
    busy_since_ns: Arc<AtomicU64>,
}

impl Sweeper {
    fn run(mut self) {
        let mut findings = Vec::new();
        loop {
            let now = Now::read();
            self.busy_since_ns.store(now.mono_ns, Ordering::Relaxed);
            self.sweep.step(now.mono_ns, &mut findings);
            for finding in findings.drain(..) {
                if let Some(entry) = self.sweep.find(finding.source) {
                    let names = finding.change == Changed::File;
                    self.announcer.announce(&entry.mark, names, RungName::Poll);
                }
            }
            self.busy_since_ns.store(0, Ordering::Relaxed);
            let wait = self
                .sweep
                .next_wake_ns()
                .map_or(IDLE, |at| Duration::from_nanos(at.saturating_sub(Now::read().mono_ns)));
            match self.commands.recv_timeout(wait) {
                Ok(command) => self.obey(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn obey(&mut self, command: Command) {
        self.busy_since_ns.store(Now::read().mono_ns, Ordering::Relaxed);
        match command {
            Command::Follow(log, mark) => {
                if let Some(entry) = Entry::new(log, mark, RungName::Poll) {
                    // What came between the follower's first news and the first look.
                    self.announcer.announce(&entry.mark, true, RungName::Poll);
                    self.sweep.insert(entry);
                }
            }
            Command::Unfollow(source) => {
                self.sweep.remove(source);
            }
        }
    }
}

/// Reads /proc/self/mountinfo; see proc(5).
fn parse(table: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let point = unescape(left.split(' ').nth(4)?);
        Some(Mount { point: point.into(), kind: right.split(' ').next()?.to_owned() })
    };
    table.lines().filter_map(mount).collect()
}

/// The longest mount point above `path`; of several at one point, the last mounted.
fn find(table: &[Mount], path: &Path) -> Mount {
    table
        .iter()
        .filter(|mount| path.starts_with(&mount.point))
        .max_by_key(|mount| mount.point.as_os_str().len())
        .cloned()
        .unwrap_or_else(|| Mount { point: "/".into(), kind: String::new() })
}

/// Blank, tab, newline and backslash stand as three octal digits.
fn unescape(word: &str) -> String {
    let mut parts = word.split('\\');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            text.push(char::from(code));
            text.push_str(&part[3..]);
        } else {
            text.push('\\');
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_and_last_mount_wins() {
        let table = parse(
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
             30 22 0:40 / /var/lib/docker rw - xfs /dev/sdb rw\n\
             31 22 0:41 / /mnt/a\\040b rw - nfs4 server:/x rw,vers=4.2\n\
             32 31 0:42 / /mnt/a\\040b rw - fuse.sshfs host:/ rw\n\
             nonsense\n",
        );
        let check = |path: &str, point: &str, remote: bool| {
            let mount = find(&table, Path::new(path));
            assert_eq!((mount.point.as_path(), mount.is_remote()), (Path::new(point), remote));
        };
        check("/var/lib/docker/containers/x", "/var/lib/docker", false);
        check("/var/lib/dockers", "/", false);
        check("/mnt/a b/c", "/mnt/a b", true);
        check("/mnt/a", "/", false);
        assert!(!find(&[], Path::new("/x")).is_remote(), "without a table all is local");
        assert!(Mount { point: "/".into(), kind: "nfs".into() }.is_remote());
        assert_eq!(unescape("a\\011\\134b\\9"), "a\t\\b\\9");
    }
}
