//! Where a file of a container lies for real: in its upper directory, or in a mount's source.
//!
//! Overlayfs shows files at a third place, the merged view, whose inodes get no signals.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::read::{Directory, FileId, id_of};

use super::super::paths::resolve;
use super::super::{Container, Mount, MountSource};
use super::mounts::MountLine;

/// A file, as it can be opened and followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub directory: Directory,
    pub name: String,
}

impl Place {
    /// Opens the file for reading, whatever it is; a link is not followed, and a FIFO's writer not
    /// waited for.
    pub fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = self.directory.open()?;
        Ok(rustix::fs::openat(directory, &self.name, flags, Mode::empty())?.into())
    }
}

/// Why a container's file cannot be had, or must not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refused {
    /// No path of a file.
    Name,
    /// Neither the upper directory nor a mount that the engine made: memory, or a mount made by
    /// the container itself.
    NoPlace,
    /// A mount of a directory of the system's, or of what the engine, the kubelet or this agent
    /// keeps.
    System,
}

/// What has to be known to find places.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where the host's file system stands for the agent.
    pub prefix: PathBuf,
    /// The engine's data root, as we can open it; a container's own log shows another one.
    pub data_root: PathBuf,
    /// The agent's own.
    pub state_dir: PathBuf,
}

/// Nothing at or below these is a container's log, whatever mounts them.
const FORBIDDEN: [&str; 9] = [
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/root",
    "/sys",
    "/var/log/containers",
    "/var/log/pods",
    "/var/lib/kubelet/pki",
];

/// Nor is a mount of one of these whole a place for logs: it is the host that is mounted.
const HOSTS: [&str; 12] = [
    "/", "/home", "/lib", "/mnt", "/opt", "/run", "/srv", "/tmp", "/usr", "/var", "/var/lib",
    "/var/log",
];

/// What is no log though somebody asks for it by name: the kernel's files, keys, and the runtime's
/// logs, which are collected as what they are.
const KEPT: [&str; 6] =
    ["/dev", "/proc", "/sys", "/var/lib/kubelet/pki", "/var/log/containers", "/var/log/pods"];

/// Where the engine says which layer is a container's, below its data root.
const LAYERS: &str = "image/overlay2/layerdb/mounts";

/// The nearest mount.
fn mount_of<'a>(container: &'a Container, path: &Path) -> Option<&'a Mount> {
    let mounts = container.mounts.iter().filter(|mount| path.starts_with(&mount.destination));
    mounts.max_by_key(|mount| mount.destination.components().count())
}

fn place_below(root: &Path, below: &Path) -> Result<Place, Refused> {
    let name = below.file_name().and_then(|name| name.to_str()).ok_or(Refused::Name)?;
    let parent = below.parent().unwrap_or(Path::new(""));
    let directory = Directory::inside(root, parent).ok_or(Refused::Name)?;
    Ok(Place { directory, name: name.to_owned() })
}

impl Host {
    /// The place of `path` in a container. `mount` is the one that a process of it has the file
    /// through; without it the engine's description has to do.
    pub(super) fn place(
        &self,
        container: &Container,
        path: &Path,
        mount: Option<&MountLine>,
    ) -> Result<Place, Refused> {
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::RootDir);
        if !path.is_absolute() || !path.components().all(is_plain) {
            return Err(Refused::Name);
        }
        let (root, point) = match mount {
            Some(mount) if mount.point == Path::new("/") => {
                (self.upper_of(container, mount)?, "/".into())
            }
            Some(mount) => {
                let known = container.mounts.iter().find(|known| known.destination == mount.point);
                let known = known.ok_or(Refused::NoPlace)?;
                (self.source(container, known)?, known.destination.clone())
            }
            None => self.described(container, path)?,
        };
        place_below(&root, path.strip_prefix(&point).map_err(|_| Refused::Name)?)
    }

    /// The place of a file that somebody asked for, by the engine's description alone.
    pub fn place_of(&self, container: &Container, path: &str) -> Result<Place, Refused> {
        let path = Path::new(path);
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::RootDir);
        if !path.is_absolute() || !path.components().all(is_plain) {
            return Err(Refused::Name);
        }
        let (root, point) = self.root_of(container, path)?;
        place_below(&root, path.strip_prefix(&point).map_err(|_| Refused::Name)?)
    }

    /// All directories that hold a container's files, with where they stand in it.
    pub(super) fn roots(&self, container: &Container) -> Vec<(PathBuf, PathBuf)> {
        let mounted = container.mounts.iter().filter_map(|mount| {
            Some((self.source(container, mount).ok()?, mount.destination.clone()))
        });
        let upper = self.upper(container).map(|upper| (upper, PathBuf::from("/")));
        mounted.chain(upper).collect()
    }

    /// Whether a path of a container is on a mount, by the engine's word.
    pub fn is_mounted(&self, container: &Container, path: &Path) -> bool {
        container.mounts.iter().any(|mount| path.starts_with(&mount.destination))
    }

    /// The volume that a path of a container is on, by what tells it from every other: its
    /// directory's inode and time of birth. A volume that is made anew under the same name, and a
    /// directory at the same path, are others. `None` for what is on none, or on one that is not
    /// there.
    pub fn volume_of(&self, container: &Container, path: &Path) -> Option<FileId> {
        id_of(&self.mounted(container, mount_of(container, path)?).ok()?).ok()
    }

    /// The directory that holds a path of a container, and where it stands in the container: the
    /// nearest mount's source, or the container's own layer.
    ///
    /// For what was asked for by name: whoever mounts a directory of the host's in a container can
    /// read it there, so it may be asked for, but for what the system, the engine and this agent
    /// keep.
    pub fn root_of(
        &self,
        container: &Container,
        path: &Path,
    ) -> Result<(PathBuf, PathBuf), Refused> {
        let Some(mount) = mount_of(container, path) else {
            return Ok((self.upper(container).ok_or(Refused::NoPlace)?, PathBuf::from("/")));
        };
        let root = self.mounted(container, mount)?;
        let below = path.strip_prefix(&mount.destination).unwrap_or(Path::new(""));
        let real = root.join(below);
        let host = Path::new("/").join(real.strip_prefix(&self.prefix).unwrap_or(&real));
        let keeps = [&self.state_dir, &self.data_root, &self.data_root_of(container)];
        let is_volume = matches!(mount.source, MountSource::Volume(_));
        if KEPT.iter().any(|kept| host.starts_with(kept))
            || host.starts_with(&self.state_dir)
            || !is_volume && keeps.into_iter().any(|kept| real.starts_with(kept))
        {
            return Err(Refused::System);
        }
        Ok((root, mount.destination.clone()))
    }

    fn described(&self, container: &Container, path: &Path) -> Result<(PathBuf, PathBuf), Refused> {
        match mount_of(container, path) {
            Some(mount) => Ok((self.source(container, mount)?, mount.destination.clone())),
            None => Ok((self.upper(container).ok_or(Refused::NoPlace)?, PathBuf::from("/"))),
        }
    }

    /// Where a mount's files lie.
    fn mounted(&self, container: &Container, mount: &Mount) -> Result<PathBuf, Refused> {
        match &mount.source {
            MountSource::Volume(name) => {
                let is_plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
                let volumes = self.data_root_of(container).join("volumes");
                is_plain.then(|| volumes.join(name).join("_data")).ok_or(Refused::NoPlace)
            }
            MountSource::Path(path) => Ok(resolve(&self.prefix, path)),
        }
    }

    /// The same for what nobody asked for.
    fn source(&self, container: &Container, mount: &Mount) -> Result<PathBuf, Refused> {
        let path = self.mounted(container, mount)?;
        if matches!(mount.source, MountSource::Volume(_)) {
            return Ok(path);
        }
        let host = Path::new("/").join(path.strip_prefix(&self.prefix).unwrap_or(&path));
        let is_forbidden = FORBIDDEN.iter().any(|forbidden| host.starts_with(forbidden))
            || HOSTS.iter().any(|whole| host == Path::new(whole));
        let own_root = self.data_root_of(container);
        let keeps = [&self.state_dir, &self.data_root, &own_root];
        let is_kept =
            keeps.into_iter().any(|kept| path.starts_with(kept) || kept.starts_with(&path));
        if is_forbidden || is_kept { Err(Refused::System) } else { Ok(path) }
    }

    /// `<root>/containers/<id>/<id>-json.log` shows the data root that this container has.
    pub(super) fn data_root_of(&self, container: &Container) -> PathBuf {
        let by_log = container.log_path.as_ref().and_then(|log| log.ancestors().nth(3));
        by_log.unwrap_or(&self.data_root).to_owned()
    }

    /// Whether the engine keeps containers' layers where they are looked for.
    pub fn keeps_layers(&self, container: &Container) -> bool {
        self.data_root_of(container).join(LAYERS).is_dir()
    }

    /// By the kernel's word, which holds for every snapshotter.
    fn upper_of(&self, container: &Container, mount: &MountLine) -> Result<PathBuf, Refused> {
        let upper = mount.upper.as_ref().ok_or(Refused::NoPlace)?;
        // Relative where a long list of layers made the engine change into its directory.
        Ok(if upper.is_absolute() {
            resolve(&self.prefix, upper)
        } else {
            self.data_root_of(container).join("overlay2").join(upper)
        })
    }

    /// By the engine's word on disk: the API's `GraphDriver` says the same of a container, and
    /// the directories know it too.
    fn upper(&self, container: &Container) -> Option<PathBuf> {
        let root = self.data_root_of(container);
        let mounts = root.join(LAYERS);
        let id = fs::read_to_string(mounts.join(&container.id).join("mount-id")).ok()?;
        let is_plain = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_plain.then(|| root.join("overlay2").join(id).join("diff"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            prefix: "/host".into(),
            data_root: "/host/var/lib/docker".into(),
            state_dir: "/var/lib/sluice".into(),
        }
    }

    fn container() -> Container {
        let bind = |to: &str, from: &str| Mount {
            destination: to.into(),
            source: MountSource::Path(from.into()),
        };
        let volume = Mount { destination: "/data".into(), source: MountSource::Volume("v".into()) };
        let mounts = vec![
            bind("/all", "/"),
            bind("/data/in", "/srv/in"),
            bind("/docker", "/var/lib/docker/containers"),
            bind("/etc-of-host", "/etc"),
            bind("/pods", "/var/log/pods/x"),
            volume,
        ];
        Container { mounts, ..Container::default() }
    }

    #[track_caller]
    fn check(path: &str, mount: Option<&MountLine>, expect: Result<(&str, &str), Refused>) {
        let place = host().place(&container(), Path::new(path), mount);
        let place = place.map(|place| (place.directory.path().display().to_string(), place.name));
        let expect = expect.map(|(directory, name)| (directory.to_owned(), name.to_owned()));
        assert_eq!(place, expect, "{path}");
    }

    #[test]
    fn mounts_lie_elsewhere() {
        let volume = "/host/var/lib/docker/volumes/v/_data";
        check("/data/a.log", None, Ok((&format!("{volume}/"), "a.log")));
        check("/data/x/a.log", None, Ok((&format!("{volume}/x"), "a.log")));
        check("/data/in/a.log", None, Ok(("/host/srv/in/", "a.log")));
        check("/database/a.log", None, Err(Refused::NoPlace));
    }

    #[test]
    fn the_hosts_own_directories_are_no_place_for_logs() {
        for path in ["/all/var/log/syslog", "/docker/x/x-json.log", "/etc-of-host/a", "/pods/0.log"]
        {
            check(path, None, Err(Refused::System));
        }
        check("relative", None, Err(Refused::Name));
        check("/data/../etc/a", None, Err(Refused::Name));
    }

    #[test]
    fn who_asks_by_name_may_have_the_hosts_logs() {
        let check = |path: &str, expect: Result<&str, Refused>| {
            let place = host().place_of(&container(), path);
            let place = place.map(|place| place.directory.path().join(place.name));
            assert_eq!(place, expect.map(PathBuf::from), "{path}");
        };
        check("/all/var/log/syslog", Ok("/host/var/log/syslog"));
        check("/etc-of-host/a.log", Ok("/host/etc/a.log"));
        check("/data/x/a.log", Ok("/host/var/lib/docker/volumes/v/_data/x/a.log"));
        for path in [
            "/all/proc/kmsg",
            "/all/var/log/pods/x/0.log",
            "/all/var/lib/docker/containers/c/c-json.log",
            "/docker/c/c-json.log",
            "/pods/0.log",
        ] {
            check(path, Err(Refused::System));
        }
        check("/data/../etc/a", Err(Refused::Name));
        check("/own/a.log", Err(Refused::NoPlace));
    }

    #[test]
    fn the_kernels_word_on_the_mount_counts() {
        let line = |point: &str, upper: Option<&str>| MountLine {
            point: point.into(),
            upper: upper.map(PathBuf::from),
        };
        let upper = line("/", Some("/var/lib/docker/overlay2/abc/diff"));
        check(
            "/var/log/a",
            Some(&upper),
            Ok(("/host/var/lib/docker/overlay2/abc/diff/var/log", "a")),
        );
        let relative = line("/", Some("abc/diff"));
        check("/a", Some(&relative), Ok(("/host/var/lib/docker/overlay2/abc/diff/", "a")));
        // A tmpfs in it, and a mount that only the container knows.
        check("/run/a", Some(&line("/run", None)), Err(Refused::NoPlace));
        check("/data/a", Some(&line("/data/own", None)), Err(Refused::NoPlace));
    }
}
