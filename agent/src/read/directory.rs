//! Where a log's files are, opened so that nobody can send us elsewhere.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::file::{FileId, stat};

/// A directory that is looked at again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
    /// Below this everything belongs to a container, which may put links where directories were.
    root: Option<PathBuf>,
    /// The root's: another one in its place is none.
    root_id: Option<FileId>,
}

impl From<PathBuf> for Directory {
    /// One that only root and the runtime can change.
    fn from(path: PathBuf) -> Self {
        Self { path, root: None, root_id: None }
    }
}

impl Directory {
    /// `below` the root of a container's files: it is never followed through a link. `None` if it
    /// is not below it by its name.
    pub fn inside(root: &Path, below: &Path) -> Option<Self> {
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        below.components().all(is_plain).then(|| Self {
            path: root.join(below),
            root: Some(root.to_owned()),
            root_id: None,
        })
    }

    /// Only while its root is the very directory `id`, and no other that has its path.
    #[must_use]
    pub fn only_of(self, id: FileId) -> Self {
        Self { root_id: Some(id), ..self }
    }

    /// As it is named; who opens it by this name may be led elsewhere.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the root that it is inside of does not exist. An empty one may be a mount that is not
    /// there for the moment.
    pub fn is_gone(&self) -> bool {
        let root = self.root.as_ref();
        root.is_some_and(|root| rustix::fs::stat(root).err() == Some(Errno::NOENT))
    }

    /// Opens it for listing. What stands there in its place counts as its absence.
    pub fn open(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Some(root) = &self.root else {
            return Ok(rustix::fs::open(&self.path, flags, Mode::empty())?);
        };
        let below = self.path.strip_prefix(root).unwrap_or(Path::new(""));
        let root = rustix::fs::open(
            root,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if let Some(id) = self.root_id
            && stat(&root)?.id != id
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        let opened = match beneath(&root, below, flags) {
            // Kernels before 5.6, and filters of system calls that know it not.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => step_by_step(root, below, flags),
            opened => opened,
        };
        match opened {
            Err(Errno::LOOP | Errno::XDEV | Errno::NOTDIR) => Err(io::ErrorKind::NotFound.into()),
            opened => Ok(opened?),
        }
    }
}

fn beneath(root: impl AsFd, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, below, flags, Mode::empty(), resolve)
}

/// The same by one name after the other: no link is followed, and there are no names but plain
/// ones.
fn step_by_step(root: OwnedFd, below: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut at = root;
    for part in below.components() {
        let Component::Normal(name) = part else { continue };
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        at = rustix::fs::openat(&at, name, step, Mode::empty())?;
    }
    rustix::fs::openat(&at, ".", flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_plain_names_are_inside() {
        let inside = |below: &str| Directory::inside(Path::new("/r"), Path::new(below));
        assert_eq!(inside("var/log").unwrap().path(), Path::new("/r/var/log"));
        assert!(inside("").is_some());
        assert!(inside("../x").is_none());
        assert!(inside("a/../../x").is_none());
        assert!(inside("/etc").is_none());
    }

    #[test]
    fn another_root_in_its_place_is_none() {
        let all = tempfile::tempdir().unwrap();
        let root = all.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let directory = Directory::inside(&root, Path::new("")).unwrap();
        let directory = directory.only_of(super::super::id_of(&root).unwrap());
        assert!(directory.open().is_ok());
        std::fs::rename(&root, all.path().join("before")).unwrap();
        std::fs::create_dir(&root).unwrap();
        assert_eq!(directory.open().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!directory.is_gone());
    }

    #[test]
    fn no_link_leads_out() {
        let all = tempfile::tempdir().unwrap();
        let root = all.path().join("root");
        std::fs::create_dir_all(root.join("var/log")).unwrap();
        std::fs::create_dir_all(all.path().join("secret")).unwrap();
        symlink(all.path().join("secret"), root.join("absolute")).unwrap();
        symlink("../secret", root.join("relative")).unwrap();
        symlink("var", root.join("within")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        let by_both = |below: &str| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let descriptor = || {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                rustix::fs::open(&root, flags, Mode::empty()).unwrap()
            };
            let quick = beneath(descriptor(), Path::new(below), flags).is_ok();
            let slow = step_by_step(descriptor(), Path::new(below), flags).is_ok();
            assert_eq!(quick, slow, "{below}");
            let whole = Directory::inside(&root, Path::new(below)).unwrap().open();
            assert_eq!(whole.is_ok(), quick, "{below}");
            if let Err(error) = whole {
                assert_eq!(error.kind(), io::ErrorKind::NotFound, "{below}");
            }
            quick
        };
        assert!(by_both(""));
        assert!(by_both("var/log"));
        for out in ["absolute", "relative", "within", "within/log", "file", "missing", "file/x"] {
            assert!(!by_both(out), "{out}");
        }
    }
}
