//! What the processes of containers hold open for writing, by `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::own::id_of_cgroup;
use super::mounts::MountLine;

/// A descriptor for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writing {
    pub(super) is_append: bool,
    mount: u64,
}

/// A file that a process holds open.
#[derive(Debug)]
pub(super) struct Held {
    /// In the container.
    pub(super) path: String,
    /// Leads to the file itself, whatever became of its name.
    pub(super) link: PathBuf,
    info: PathBuf,
    process: PathBuf,
}

/// Processes by container.
pub(super) fn in_containers(proc: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let is_process = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(is_process))
        .filter_map(|entry| Some((container_of(&entry.path())?, entry.path())))
        .collect()
}

/// The container of a process.
pub(super) fn container_of(process: &Path) -> Option<String> {
    id_of_cgroup(&fs::read_to_string(process.join("cgroup")).ok()?)
}

/// Everything with a path that a process holds open; a process that ends meanwhile holds nothing.
pub(super) fn held(process: &Path) -> impl Iterator<Item = Held> + use<> {
    let process = process.to_owned();
    let entries = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    entries.filter_map(move |entry| {
        let link = entry.path();
        let path = fs::read_link(&link).ok()?.into_os_string().into_string().ok()?;
        let is_file = path.starts_with('/') && !path.ends_with(" (deleted)");
        let info = process.join("fdinfo").join(entry.file_name());
        is_file.then(|| Held { path, link, info, process: process.clone() })
    })
}

impl Held {
    /// How it is written; `None` if it is only read.
    pub(super) fn writing(&self) -> Option<Writing> {
        Writing::of(&fs::read_to_string(&self.info).ok()?)
    }

    pub(super) fn mount(&self, writing: Writing) -> Option<MountLine> {
        let table = fs::read_to_string(self.process.join("mountinfo")).ok()?;
        MountLine::find(&table, writing.mount)
    }
}

impl Writing {
    /// From the text of a `/proc/<pid>/fdinfo/<fd>`; flags are octal, those of `open(2)`.
    fn of(info: &str) -> Option<Self> {
        let field = |name: &str| {
            let value = |line: &str| line.strip_prefix(name).map(|rest| rest.trim().to_owned());
            info.lines().find_map(value)
        };
        let flags = u64::from_str_radix(&field("flags:")?, 8).ok()?;
        let mount = field("mnt_id:")?.parse().ok()?;
        let is_written = matches!(flags & 0o3, 0o1 | 0o2);
        // O_PATH has no access at all.
        let is_path = flags & 0o10_000_000 != 0;
        (is_written && !is_path).then_some(Self { is_append: flags & 0o2_000 != 0, mount })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn flags_tell_writers() {
        let check = |flags: &str, expect: Option<bool>| {
            let info = format!("pos:\t0\nflags:\t{flags}\nmnt_id:\t29\nino:\t1\n");
            let found = Writing::of(&info);
            assert_eq!(found.map(|writing| writing.is_append), expect, "{flags}");
            assert!(found.is_none_or(|writing| writing.mount == 29));
        };
        check("0100000", None);
        check("0100001", Some(false));
        check("0102001", Some(true));
        check("02102002", Some(true));
        check("010000001", None);
        assert!(Writing::of("pos: 0").is_none());
    }

    #[test]
    fn a_process_shows_what_it_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("a.log");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(b"x\n").unwrap();
        let found = held(Path::new("/proc/self")).find(|held| Path::new(&held.path) == path);
        let found = found.expect("the file is held");
        let writing = found.writing().expect("it is written");
        assert!(writing.is_append);
        assert!(found.mount(writing).is_some());
        drop(file);
        assert!(held(Path::new("/proc/self")).all(|held| Path::new(&held.path) != path));
    }
}
