//! A look at the directory of a runtime log: which files there are, oldest first, and which of
//! them are new to us.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::file::{FileId, OpenFile, Shared, Stat};
use super::first_line::{FIRST_LINE_BYTES_MAX, FirstLine};
use super::start::start_offset;
use crate::core::SourceToken;
use crate::core::limits::FILES_PER_SOURCE_MAX;

/// What to look at.
#[derive(Debug)]
pub struct ScanJob {
    pub source: SourceToken,
    pub directory: PathBuf,
    /// Name of the file that is being written, for example `<id>-json.log`.
    pub current: String,
    /// Files that need not be opened again.
    pub known: Vec<FileId>,
    /// Files that somebody opened before their names could go; looked at first.
    pub opened: Vec<(String, File)>,
    /// Where reading of a new file begins.
    pub start: StartAt,
}

/// Where reading of a file begins that nothing is known of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartAt {
    #[default]
    Head,
    /// Behind what stands there now.
    End,
    /// At the first record that is not older, in nanoseconds since the Unix epoch.
    Since(i64),
}

/// What was found.
#[derive(Debug)]
pub struct ScanResult<Handle> {
    pub source: SourceToken,
    /// Oldest first. An error means that the directory could not be read.
    pub found: io::Result<Vec<Found<Handle>>>,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Found<Handle> {
    pub name: String,
    pub id: FileId,
    pub kind: FoundKind<Handle>,
}

#[derive(Clone, Debug)]
pub enum FoundKind<Handle> {
    /// Among the known ones of the job.
    Known,
    /// Opened.
    New {
        handle: Handle,
        stat: Stat,
        first_line: FirstLine,
        is_archive: bool,
        /// Offset at which reading begins.
        start: u64,
    },
    /// There, and not to be had.
    Refused(String),
}

/// Age rank of a name among the files of one log: 0 for the current file, `n` for `.n` and
/// `.n.gz`; `None` for other names.
pub fn file_rank(name: &str, current: &str) -> Option<u32> {
    let rest = name.strip_prefix(current)?;
    if rest.is_empty() {
        return Some(0);
    }
    let number = rest.strip_prefix('.')?;
    let number = number.strip_suffix(".gz").unwrap_or(number);
    let rank = number.parse::<u32>().ok()?;
    (rank > 0 && !number.starts_with('+')).then_some(rank)
}

/// Does the job. Blocks.
pub fn scan(job: ScanJob) -> ScanResult<Shared> {
    let ScanJob { source, directory, current, known, opened, start } = job;
    let found = look(&directory, &current, &known, opened, start);
    ScanResult { source, found }
}

/// Rotation may rename files while we look, so that one slips from a name that is still to come to
/// one that has been passed. A directory that did not change meanwhile was seen whole.
const LOOKS_MAX: usize = 4;

fn look(
    directory: &Path,
    current: &str,
    known: &[FileId],
    opened: Vec<(String, File)>,
    start: StartAt,
) -> io::Result<Vec<Found<Shared>>> {
    let mut files = Files { current, known, start, found: Vec::new(), seen: BTreeSet::new() };
    for (name, file) in opened {
        files.add(name, |_| OpenFile::from_file(file));
    }
    for _ in 0..LOOKS_MAX {
        let before = changed(directory);
        files.seen.clear();
        let ranks = match ranks(directory, current) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            other => other?,
        };
        // From the newest to the oldest, as rotation moves files that way too: one that is renamed
        // meanwhile is still ahead of us, and none slips by.
        for rank in ranks {
            let plain = if rank == 0 { current.to_owned() } else { format!("{current}.{rank}") };
            let archive = format!("{plain}.gz");
            for name in [plain, archive] {
                files.add(name, |name| OpenFile::open(&directory.join(name)));
            }
        }
        if before == changed(directory) {
            break;
        }
    }
    // A known file that had a name at an earlier look only has none any more, and its archive may
    // be among the found.
    let Files { found, seen, .. } = &mut files;
    found.retain(|(_, _, file)| !matches!(file.kind, FoundKind::Known) || seen.contains(&file.id));
    without_twins(&mut files.found);
    Ok(in_order(files.found))
}

/// Leaves out archives of files that are among the found, opened while they still had a name.
///
/// The descriptor is as good as its archive, and the two would be taken for two files. Of several
/// archives with the same first line the youngest is meant: a file that is met plain is younger
/// than all that were compressed before.
fn without_twins(found: &mut Vec<(u32, bool, Found<Shared>)>) {
    let gone: Vec<FirstLine> = found
        .iter()
        .filter_map(|(_, _, file)| match &file.kind {
            FoundKind::New { handle, first_line, is_archive: false, .. }
                if handle.stat().is_ok_and(|stat| stat.links == 0) =>
            {
                Some(*first_line)
            }
            _ => None,
        })
        .filter(|line| *line != FirstLine::Unfinished)
        .collect();
    for line in gone {
        let is_twin = |file: &Found<Shared>| matches!(file.kind, FoundKind::New { first_line, is_archive: true, .. } if first_line == line);
        let twins = found.iter().enumerate().filter(|(_, (_, _, file))| is_twin(file));
        if let Some((at, _)) = twins.min_by_key(|(_, (rank, ..))| *rank) {
            found.remove(at);
        }
    }
}

/// Oldest first. An archive beside the plain file of its name is still being made of it, or was
/// left half by a crash of the runtime: it counts once the plain one has gone.
pub fn in_order<Handle>(mut found: Vec<(u32, bool, Found<Handle>)>) -> Vec<Found<Handle>> {
    let plain: Vec<u32> =
        found.iter().filter(|(_, is_archive, _)| !is_archive).map(|(rank, ..)| *rank).collect();
    found.retain(|(rank, is_archive, _)| !is_archive || !plain.contains(rank));
    found.sort_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
    found.into_iter().map(|(_, _, found)| found).collect()
}

fn changed(directory: &Path) -> Option<(i64, i64)> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(directory).ok()?;
    Some((found.mtime(), found.mtime_nsec()))
}

/// What has been found so far: age rank, whether it is an archive, the file.
struct Files<'a> {
    current: &'a str,
    known: &'a [FileId],
    start: StartAt,
    found: Vec<(u32, bool, Found<Shared>)>,
    /// Met at the present look.
    seen: BTreeSet<FileId>,
}

impl Files<'_> {
    fn add(&mut self, name: String, open: impl FnOnce(&str) -> io::Result<OpenFile>) {
        let Some(rank) = file_rank(&name, self.current) else { return };
        let is_archive = name.strip_suffix(".gz").is_some();
        let file = open(&name);
        let Some(found) = examine(name, file, is_archive, self.known, self.start) else { return };
        self.seen.insert(found.id);
        // Seen before under another name: the later name is the one that it has now.
        match self.found.iter_mut().find(|(_, _, other)| other.id == found.id) {
            Some(other) => {
                other.0 = other.0.max(rank);
                other.2.name = found.name;
            }
            None => self.found.push((rank, is_archive, found)),
        }
    }
}

/// The ranks that files have, and those that they would have after one more rotation.
fn ranks(directory: &Path, current: &str) -> io::Result<BTreeSet<u32>> {
    let mut ranks = BTreeSet::new();
    for entry in std::fs::read_dir(directory)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        if let Some(rank) = file_rank(&name, current) {
            ranks.extend([rank, rank.saturating_add(1)]);
        }
        if ranks.len() >= 2 * FILES_PER_SOURCE_MAX {
            break;
        }
    }
    Ok(ranks)
}

/// `None`: it went away between the listing and the open, which the next look will settle.
fn examine(
    name: String,
    file: io::Result<OpenFile>,
    is_archive: bool,
    known: &[FileId],
    start: StartAt,
) -> Option<Found<Shared>> {
    let nowhere = FileId { inode: 0, birth_ns: 0 };
    let refused = |name: String, id, error: &io::Error| {
        Some(Found { name, id, kind: FoundKind::Refused(error.to_string()) })
    };
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return refused(name, nowhere, &error),
    };
    let stat = match file.stat() {
        Ok(stat) => stat,
        Err(error) => return refused(name, nowhere, &error),
    };
    if known.contains(&stat.id) {
        return Some(Found { name, id: stat.id, kind: FoundKind::Known });
    }
    if is_archive {
        file.archive = Some(Archive::default());
    }
    let looked = head(&file).and_then(|first_line| {
        let whole = first_line != FirstLine::Unfinished;
        let start = if whole { start_offset(&file, start)? } else { 0 };
        Ok((first_line, start))
    });
    match looked {
        Ok((first_line, start)) => {
            let handle = file.into();
            let kind = FoundKind::New { handle, stat, first_line, is_archive, start };
            Some(Found { name, id: stat.id, kind })
        }
        Err(error) => refused(name, stat.id, &error),
    }
}

fn head(file: &OpenFile) -> io::Result<FirstLine> {
    let mut head = vec![0; 4 << 10];
    loop {
        let bytes = match &file.archive {
            Some(archive) => archive.read_at(file.file(), &mut head, 0)?,
            None => file.read_at(&mut head, 0)?,
        };
        let first_line = FirstLine::of(&head[..bytes]);
        if first_line != FirstLine::Unfinished
            || bytes < head.len()
            || head.len() >= FIRST_LINE_BYTES_MAX
        {
            return Ok(first_line);
        }
        head.resize(FIRST_LINE_BYTES_MAX, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_ranks() {
        let check =
            |name: &str, expect| assert_eq!(file_rank(name, "c-json.log"), expect, "{name}");
        check("c-json.log", Some(0));
        check("c-json.log.1", Some(1));
        check("c-json.log.12.gz", Some(12));
        check("c-json.log.0", None);
        check("c-json.log.+1", None);
        check("c-json.log.gz", None);
        check("c-json.log.1.tmp", None);
        check("hostconfig.json", None);
    }

    #[test]
    fn files_come_oldest_first_and_known_ones_stay_shut() {
        let directory = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        put("c-json.log", "new\n");
        put("c-json.log.1", "old\n");
        put("c-json.log.2", "older");
        put("config.v2.json", "{}");
        let job = |known| ScanJob {
            source: SourceToken(1),
            directory: directory.path().into(),
            current: "c-json.log".into(),
            known,
            opened: Vec::new(),
            start: StartAt::Head,
        };
        let found = scan(job(Vec::new())).found.unwrap();
        let names: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["c-json.log.2", "c-json.log.1", "c-json.log"]);
        assert!(matches!(found[0].kind, FoundKind::New { first_line: FirstLine::Unfinished, .. }));
        let again = scan(job(found.iter().map(|found| found.id).collect())).found.unwrap();
        assert!(again.iter().all(|found| matches!(found.kind, FoundKind::Known)));
    }

    #[test]
    fn a_deleted_file_that_was_opened_in_time_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c-json.log");
        std::fs::write(&path, "line\n").unwrap();
        let opened = vec![("c-json.log".to_owned(), File::open(&path).unwrap())];
        std::fs::remove_dir_all(directory.path()).unwrap();
        let job = ScanJob {
            source: SourceToken(1),
            directory: directory.path().into(),
            current: "c-json.log".into(),
            known: Vec::new(),
            opened,
            start: StartAt::Head,
        };
        assert_eq!(scan(job).found.unwrap().len(), 1);
    }

    #[test]
    fn a_link_to_elsewhere_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("c-json.log")).unwrap();
        let job = ScanJob {
            source: SourceToken(1),
            directory: directory.path().into(),
            current: "c-json.log".into(),
            known: Vec::new(),
            opened: Vec::new(),
            start: StartAt::Head,
        };
        let found = scan(job).found.unwrap();
        assert!(matches!(found[0].kind, FoundKind::Refused(_)));
    }
}
