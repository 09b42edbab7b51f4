//! From the host's names to ours.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::DockerSettings;

/// Links that one path may pass, as in the kernel (`MAXSYMLINKS`).
const LINKS_MAX: usize = 40;

/// `<root>/containers` as the agent can open it: host prefix applied to every component and
/// symlink. As written if it does not exist (yet).
pub fn containers_dir(settings: &DockerSettings) -> PathBuf {
    resolve(&settings.host_prefix, &settings.root.join("containers"))
}

/// Walks `host_path` below `prefix`. A link with an absolute target starts again at the prefix,
/// as it does for the host, and not at our own root. From the first name that does not exist,
/// what remains is taken as written.
pub(super) fn resolve(prefix: &Path, host_path: &Path) -> PathBuf {
    let mut resolved = prefix.to_owned();
    let mut waiting: VecDeque<OsString> = names(host_path).collect();
    let mut links = 0;
    let mut exists = true;
    while let Some(name) = waiting.pop_front() {
        if name == ".." {
            if resolved != prefix {
                resolved.pop();
            }
            continue;
        }
        let next = resolved.join(&name);
        let target = if exists { fs::read_link(&next).ok() } else { None };
        let Some(target) = target.filter(|_| links < LINKS_MAX) else {
            exists = exists && fs::symlink_metadata(&next).is_ok();
            resolved = next;
            continue;
        };
        links += 1;
        if target.is_absolute() {
            prefix.clone_into(&mut resolved);
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            waiting.push_front(name);
        }
    }
    resolved
}

/// A containers directory, by the host's name and by ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// Not resolved: as the engine writes it into `LogPath`.
    pub(super) host: PathBuf,
    pub(super) ours: PathBuf,
}

impl Root {
    /// Of the engine whose data root the host calls `data_root`.
    pub(super) fn of(prefix: &Path, data_root: &Path) -> Self {
        let host = data_root.join("containers");
        Self { ours: resolve(prefix, &host), host }
    }
}

/// The engine's word for a file, as we can open it.
pub(super) fn ours(roots: &[Root], prefix: &Path, host_path: &Path) -> PathBuf {
    for root in roots {
        if let Ok(rest) = host_path.strip_prefix(&root.host) {
            return root.ours.join(rest);
        }
    }
    prefix.join(host_path.strip_prefix("/").unwrap_or(host_path))
}

fn names(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_the_hosts() {
        let host = tempfile::tempdir().unwrap();
        let host = host.path();
        fs::create_dir_all(host.join("data/docker/containers")).unwrap();
        fs::create_dir_all(host.join("var/lib")).unwrap();
        symlink("/data/docker", host.join("var/lib/docker")).unwrap();
        symlink("../../data", host.join("var/lib/relative")).unwrap();
        symlink("/../../../data", host.join("var/lib/escaping")).unwrap();
        symlink("loop", host.join("loop")).unwrap();
        let check = |path: &str, expect: &str| {
            assert_eq!(resolve(host, Path::new(path)), host.join(expect), "{path}");
        };
        check("/data/docker/containers", "data/docker/containers");
        check("/var/lib/docker/containers", "data/docker/containers");
        check("/var/lib/relative/docker/containers", "data/docker/containers");
        check("/var/lib/escaping/docker", "data/docker");
        check("/../../etc", "etc");
        check("/not/there/containers", "not/there/containers");
        assert!(resolve(host, Path::new("/loop/x")).starts_with(host));
    }

    #[test]
    fn log_paths_are_mapped_by_their_root() {
        let roots =
            [Root { host: "/var/lib/docker/containers".into(), ours: "/host/data/c".into() }];
        let check = |path: &str, expect: &str| {
            assert_eq!(ours(&roots, Path::new("/host"), Path::new(path)), Path::new(expect));
        };
        check("/var/lib/docker/containers/a/a-json.log", "/host/data/c/a/a-json.log");
        check("/other/a-json.log", "/host/other/a-json.log");
    }
}
