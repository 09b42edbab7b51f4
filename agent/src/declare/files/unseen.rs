//! Mounts of the host's that this agent does not see: they were made after it had started, and its
//! mount of the host's root takes over nothing that comes later. What lies on them shows as an
//! empty directory.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::discover::opens::{MountPoint, mount_points};

/// Between two readings of the tables of mounts, which have some hundred lines on a full node.
const READ_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Unseen {
    /// Where the host's file system stands for the agent.
    prefix: PathBuf,
    read_at: Option<Instant>,
    /// As the host names them.
    points: Vec<MountPoint>,
}

impl Unseen {
    pub(super) fn new(prefix: PathBuf) -> Self {
        Self { prefix, read_at: None, points: Vec::new() }
    }

    /// The unseen mount that a path of the host's lies on, if it does.
    pub(super) fn over(&mut self, path: &Path) -> Option<&MountPoint> {
        // Who runs in the host's file system sees all of it.
        if self.prefix == Path::new("/") {
            return None;
        }
        let is_old = self.read_at.is_none_or(|at| at.elapsed() >= READ_INTERVAL);
        if is_old {
            self.read_at = Some(Instant::now());
            self.points = self.read();
        }
        self.points.iter().find(|mount| path.starts_with(&mount.point))
    }

    fn read(&self) -> Vec<MountPoint> {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        // The first process is in the host's own namespace.
        let theirs = read(self.prefix.join("proc/1/mountinfo"));
        unseen(&self.prefix, &theirs, &read("/proc/self/mountinfo".into()))
    }
}

fn unseen(prefix: &Path, theirs: &str, ours: &str) -> Vec<MountPoint> {
    let seen: HashSet<PathBuf> = mount_points(ours).map(|mount| mount.point).collect();
    let below = |mount: &MountPoint| {
        let name = mount.point.strip_prefix("/").unwrap_or(&mount.point);
        prefix.join(name)
    };
    // The root itself stands at the prefix, be it a mount there or a part of one.
    let is_unseen =
        |mount: &MountPoint| mount.point != Path::new("/") && !seen.contains(&below(mount));
    mount_points(theirs).filter(is_unseen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_after_the_agent_is_unseen() {
        let theirs = "\
24 1 254:0 / / rw shared:1 - ext4 /dev/vda rw
25 24 0:22 / /proc rw - proc proc rw
30 24 0:40 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/new rw - tmpfs tmpfs rw
31 24 0:41 / /var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/old rw - tmpfs tmpfs rw
";
        let ours = "\
100 99 0:50 / / rw - overlay overlay rw
101 100 254:0 / /host ro - ext4 /dev/vda rw
102 101 0:22 / /host/proc rw - proc proc rw
103 101 0:41 / /host/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/old ro - tmpfs tmpfs rw
";
        let found = unseen(Path::new("/host"), theirs, ours);
        let found: Vec<_> = found.iter().map(|it| (it.point.to_str(), it.kind.as_str())).collect();
        let new = "/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/new";
        assert_eq!(found, [(Some(new), "tmpfs")]);
    }
}
