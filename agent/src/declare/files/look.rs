//! One look for the files of one log.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::super::{Below, PathPattern};
use super::{DeclaredFile, Wanted};
use crate::discover::Container;
use crate::discover::opens::{Host, Place, Refused};
use crate::read::{Directory, FileId, logs_among};

/// Directories of one look; a pattern that leads to more is one for a whole file system.
const DIRECTORIES_MAX: usize = 2_048;

/// Names of one look.
const NAMES_MAX: usize = 65_536;

/// Files that one log of one container may be made of at a time.
pub(super) const FILES_MAX: usize = 256;

/// Links that one path may pass, as in the kernel.
const LINKS_MAX: usize = 40;

/// Sentences that one look may have to say.
const NOTES_MAX: usize = 16;

/// Compressed files that are not inflated, so that they hold no lines.
const OTHER_ARCHIVES: [&str; 8] = [".bz2", ".xz", ".zst", ".zip", ".lz4", ".7z", ".tar", ".tgz"];

/// What one look found.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) files: Vec<DeclaredFile>,
    /// All names in the directories of files, as the pattern has them.
    pub(super) names: HashSet<PathBuf>,
    /// Sentences on what fits and cannot be had.
    pub(super) notes: Vec<String>,
    /// The container's layer, or a mount that it may have files on, is not there (any more).
    pub(super) is_gone: bool,
}

/// Is told of each directory, as the pattern has it, before it is listed: what comes meanwhile is
/// then seen twice and not never.
pub(super) type Listen<'a> = &'a mut dyn FnMut(&Path, &OwnedFd);

/// Looks for the files of one log.
pub(super) fn look(
    host: &Host,
    container: &Container,
    wanted: &Wanted,
    listen: Listen<'_>,
) -> Seen {
    let mut look = Look {
        host,
        container,
        listen,
        seen: Seen::default(),
        directories: 0,
        found: BTreeMap::new(),
    };
    for pattern in &wanted.patterns {
        let mounts = container.mounts.iter().map(|mount| mount.destination.as_path());
        let starts = mounts.filter(|start| *start != Path::new("/") && leads(pattern, start));
        for start in [Path::new("/")].into_iter().chain(starts) {
            look.descend(pattern, start, start, 0);
            // Afterwards: of what was being deleted meanwhile nothing was seen either.
            look.seen.is_gone |= look.is_gone(pattern, start);
        }
    }
    look.end(wanted)
}

pub(super) fn leads(pattern: &PathPattern, directory: &Path) -> bool {
    pattern.below(directory) != Below::Nothing
}

/// Whether all that the pattern means lies on a mount below `start`.
pub(super) fn is_covered(container: &Container, pattern: &PathPattern, start: &Path) -> bool {
    container.mounts.iter().any(|mount| {
        mount.destination != start
            && mount.destination.starts_with(start)
            && pattern.base().starts_with(&mount.destination)
    })
}

struct Look<'a> {
    host: &'a Host,
    container: &'a Container,
    listen: Listen<'a>,
    seen: Seen,
    directories: usize,
    /// Files that fit, by directory and name, and the volumes that they lie on.
    found: BTreeMap<PathBuf, BTreeMap<String, (Place, Option<FileId>)>>,
}

/// A directory in a container: as the pattern has it, and where links have led to.
#[derive(Clone, Copy)]
struct At<'a> {
    shown: &'a Path,
    real: &'a Path,
    links: usize,
}

impl Look<'_> {
    fn descend(&mut self, pattern: &PathPattern, shown: &Path, real: &Path, links: usize) {
        self.directories += 1;
        if self.directories > DIRECTORIES_MAX {
            return self.note(format!(
                "more than {DIRECTORIES_MAX} directories fit; write a longer path before the \
                 first `*`"
            ));
        }
        let directory = match self.directory(real) {
            Ok(directory) => directory,
            Err(refused) => return self.note_refused(real, refused),
        };
        let opened = match directory.open() {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.note(format!("cannot open {}: {error}", real.display())),
        };
        (self.listen)(shown, &opened);
        let at = At { shown, real, links };
        match pattern.below(shown) {
            Below::Nothing => {}
            // Where files are, the names of their older ones are to be known too.
            Below::Only(names) if !names.iter().any(|name| pattern.matches(&shown.join(name))) => {
                for name in &names {
                    self.step(pattern, at, &opened, name);
                }
            }
            Below::Only(_) | Below::Any => self.list(pattern, at, &opened),
        }
    }

    /// Whether what a look would have begun with is not there, and could have held a file.
    fn is_gone(&self, pattern: &PathPattern, start: &Path) -> bool {
        match self.host.root_of(self.container, start) {
            Ok((root, _)) => {
                !is_covered(self.container, pattern, start)
                    && rustix::fs::stat(&root).err() == Some(Errno::NOENT)
            }
            // An engine that keeps no layers as we know them never had one.
            Err(Refused::NoPlace) => {
                start == Path::new("/")
                    && !is_covered(self.container, pattern, start)
                    && self.host.keeps_layers(self.container)
            }
            Err(Refused::Name | Refused::System) => false,
        }
    }

    fn list(&mut self, pattern: &PathPattern, at: At<'_>, opened: &OwnedFd) {
        let entries = match Dir::read_from(opened) {
            Ok(entries) => entries,
            Err(error) => return self.note(format!("cannot list {}: {error}", at.shown.display())),
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().to_str() else { continue };
            if name == "." || name == ".." {
                continue;
            }
            if self.seen.names.len() >= NAMES_MAX {
                return self.note(format!("more than {NAMES_MAX} names are there"));
            }
            self.seen.names.insert(at.shown.join(name));
            self.step(pattern, at, opened, OsStr::new(name));
        }
    }

    /// One name in a directory.
    fn step(&mut self, pattern: &PathPattern, at: At<'_>, opened: &OwnedFd, name: &OsStr) {
        let (shown, real) = (at.shown.join(name), at.real.join(name));
        let fits = pattern.matches(&shown);
        let leads = leads(pattern, &shown);
        let is_mount = || self.container.mounts.iter().any(|mount| mount.destination == real);
        // What is mounted has a start of its own.
        if !(fits || leads) || at.links == 0 && is_mount() {
            return;
        }
        let Ok(stat) = rustix::fs::statat(opened, name, AtFlags::SYMLINK_NOFOLLOW) else { return };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if leads => self.descend(pattern, &shown, &real, at.links),
            FileType::RegularFile if fits => self.fits(&shown, &real),
            FileType::Symlink => self.link(pattern, &shown, &real, at.links),
            FileType::Directory => {
                self.note(format!(
                    "{} is a directory; write `{}/*` for the files in it",
                    shown.display(),
                    shown.display()
                ));
            }
            _ if fits => self.note(format!("{} is no regular file", shown.display())),
            _ => {}
        }
    }

    fn fits(&mut self, shown: &Path, real: &Path) {
        let Some(name) = shown.file_name().and_then(OsStr::to_str) else { return };
        if OTHER_ARCHIVES.iter().any(|archive| name.ends_with(archive)) {
            return self.note(format!(
                "{} is left out: only gzip is read of what is compressed",
                shown.display()
            ));
        }
        let Some(path) = real.to_str() else { return };
        match self.host.place_of(self.container, path) {
            Ok(mut place) => {
                let volume = self.host.volume_of(self.container, real);
                if volume.is_none() && self.host.is_mounted(self.container, real) {
                    // Gone by now.
                    return;
                }
                if let Some(volume) = volume {
                    place.directory = place.directory.only_of(volume);
                }
                let directory = shown.parent().unwrap_or(Path::new("/")).to_owned();
                let files = self.found.entry(directory).or_default();
                files.insert(name.to_owned(), (place, volume));
            }
            Err(refused) => self.note_refused(real, refused),
        }
    }

    /// A link of the container's: it is followed in the container's names, and never by the kernel.
    fn link(&mut self, pattern: &PathPattern, shown: &Path, real: &Path, links: usize) {
        let Some(target) = self.follow(real, links) else {
            return self.note(format!("{} is a link that leads nowhere", shown.display()));
        };
        let (target, links, kind) = target;
        if target.starts_with("/dev") || target.starts_with("/proc") {
            return self.note(format!(
                "{} is a link to {}, so its lines are in the container's output; declare \
                 `stdout` to have them",
                shown.display(),
                target.display()
            ));
        }
        match kind {
            Some(FileType::Directory) if leads(pattern, shown) => {
                self.descend(pattern, shown, &target, links);
            }
            // One that fits by its own name is found there.
            Some(FileType::RegularFile) if pattern.matches(shown) && !pattern.matches(&target) => {
                self.fits(shown, &target);
            }
            _ => {}
        }
    }

    /// Where a path leads to, in the container's names; how many links were passed, and what is
    /// there, if it can be seen.
    fn follow(&self, path: &Path, passed: usize) -> Option<(PathBuf, usize, Option<FileType>)> {
        let mut links = passed;
        let mut at = PathBuf::from("/");
        let mut kind = Some(FileType::Directory);
        let mut waiting: VecDeque<OsString> = names(path).collect();
        while let Some(name) = waiting.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            kind = None;
            let opened = self.directory(&at).ok().and_then(|directory| directory.open().ok());
            let target = opened.and_then(|opened| {
                let stat = rustix::fs::statat(&opened, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
                kind = Some(FileType::from_raw_mode(stat.st_mode));
                let is_link = kind == Some(FileType::Symlink);
                let target = is_link.then(|| rustix::fs::readlinkat(&opened, &name, Vec::new()));
                target?.ok()
            });
            let Some(target) = target else {
                at.push(name);
                continue;
            };
            links += 1;
            if links > LINKS_MAX {
                return None;
            }
            let target = target.into_string().ok()?;
            let target = Path::new(&target);
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            for name in names(target).collect::<Vec<_>>().into_iter().rev() {
                waiting.push_front(name);
            }
        }
        // What a mount covers need not be there below it.
        let is_mount = self.container.mounts.iter().any(|mount| mount.destination == at);
        let kind = if is_mount { Some(FileType::Directory) } else { kind };
        Some((at, links, kind))
    }

    /// A directory of the container as it can be opened.
    fn directory(&self, real: &Path) -> Result<Directory, Refused> {
        let (root, point) = self.host.root_of(self.container, real)?;
        let below = real.strip_prefix(&point).map_err(|_| Refused::Name)?;
        Directory::inside(&root, below).ok_or(Refused::Name)
    }

    fn note_refused(&mut self, path: &Path, refused: Refused) {
        let path = path.display();
        self.note(match refused {
            Refused::Name => format!("{path} is no path that can be looked at"),
            Refused::NoPlace => format!(
                "{path} is in memory, on a mount of the container's own, or in a layer that cannot \
                 be found; put it on a volume"
            ),
            Refused::System => format!(
                "{path} is a directory of the host's that logs are not collected from; mount a \
                 directory of its own"
            ),
        });
    }

    fn note(&mut self, note: String) {
        if self.seen.notes.len() < NOTES_MAX && !self.seen.notes.contains(&note) {
            self.seen.notes.push(note);
        }
    }

    fn end(mut self, wanted: &Wanted) -> Seen {
        let mut left_out = 0;
        for (directory, mut files) in std::mem::take(&mut self.found) {
            let names: Vec<&str> = files.keys().map(String::as_str).collect();
            let logs: Vec<String> = logs_among(&names).into_iter().map(str::to_owned).collect();
            for name in logs {
                if self.seen.files.len() >= FILES_MAX {
                    left_out += 1;
                    continue;
                }
                let Some((mut place, volume)) = files.remove(&name) else { continue };
                // An archive whose log is gone: it is followed under the name that it had.
                let plain = name.strip_suffix(".gz").unwrap_or(&name);
                let behind = place.name.strip_suffix(".gz").map_or(place.name.len(), str::len);
                place.name.truncate(behind);
                let Some(path) = directory.join(plain).to_str().map(str::to_owned) else {
                    continue;
                };
                let older = format!("{path}.1");
                let file = DeclaredFile {
                    container_id: self.container.id.clone(),
                    log: wanted.log.clone(),
                    with_rotated: wanted
                        .patterns
                        .iter()
                        .any(|pattern| pattern.matches(Path::new(&older))),
                    path,
                    place,
                    volume,
                };
                self.seen.files.push(file);
            }
        }
        if left_out > 0 {
            self.note(format!(
                "{left_out} files more than the {FILES_MAX} that one log may have are not \
                 collected; declare several logs with narrower paths"
            ));
        }
        self.seen
    }
}

/// Without `/` and `.`.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
