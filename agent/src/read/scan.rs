//! A look at the directory of a runtime log: which files there are, and which are new to us.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::Dir;

use super::Directory;
use super::archive::Archive;
use super::file::{FileId, OpenFile, Shared, Stat, stat_of};
use super::first_line::{FIRST_LINE_BYTES_MAX, FirstLine};
use super::lineup::{Content, KnownFile, Look, Opened, Patience, Seen, Vanished, conclude};
use super::names::file_rank;
use super::start::start_offset;
use crate::core::SourceToken;
use crate::core::limits::FILES_PER_SOURCE_MAX;

/// What to look at.
#[derive(Debug)]
pub struct ScanJob<Handle> {
    pub source: SourceToken,
    pub directory: Directory,
    /// Name of the file that is being written, for example `<id>-json.log`.
    pub current: String,
    /// Files that are known, oldest first.
    pub known: Vec<KnownFile<Handle>>,
    /// Files that somebody opened before their names could go, by the names that they had.
    pub opened: Vec<(String, File)>,
    /// What earlier looks opened that came to no end; oldest look first.
    pub held: Vec<Seen<Handle>>,
    pub begin: Begin,
    pub patience: Patience,
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
    /// At the beginning of the line that reaches beyond this offset, or at the end.
    Offset(u64),
}

/// Where reading of new files begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// In the file that is written.
    pub current: StartAt,
    /// In those that are older.
    pub rotated: StartAt,
    /// What another agent has read already: offsets by inode. If there are any, they outdo the
    /// rest: what is older than such a file was read too, and what is younger was not.
    pub delivered: Arc<[(u64, u64)]>,
    /// Files that were made since, in nanoseconds since the Unix epoch, are read from their head.
    pub fresh_ns: Option<i64>,
}

impl From<StartAt> for Begin {
    fn from(start: StartAt) -> Self {
        Self { current: start, rotated: start, ..Self::default() }
    }
}

impl Begin {
    /// For a file of this rank. `known` is the rank of the oldest that was delivered.
    fn of(&self, seen: &Seen<Shared>, known: Option<u64>) -> StartAt {
        let offset = self.delivered.iter().find(|(inode, _)| *inode == seen.id.inode);
        match (offset, known) {
            (Some((_, offset)), _) => StartAt::Offset(*offset),
            (None, Some(known)) if seen.rank > known => StartAt::End,
            (None, Some(_)) => StartAt::Head,
            (None, None) if self.fresh_ns.is_some_and(|fresh| seen.id.birth_ns >= fresh) => {
                StartAt::Head
            }
            (None, None) if seen.rank == 0 => self.current,
            (None, None) => self.rotated,
        }
    }

    fn rank_delivered(&self, present: &[Seen<Shared>]) -> Option<u64> {
        let is_known =
            |seen: &&Seen<Shared>| self.delivered.iter().any(|(inode, _)| *inode == seen.id.inode);
        present.iter().filter(is_known).map(|seen| seen.rank).max()
    }
}

/// What was found.
#[derive(Debug)]
pub struct ScanResult<Handle> {
    pub source: SourceToken,
    pub look: Result<Look<Handle>, ScanFailure<Handle>>,
    /// Not only the files are not there, but all that the directory lies in.
    pub is_gone: bool,
}

/// The directory could not be read. What was open comes back, since it may have no name any more.
#[derive(Debug)]
pub struct ScanFailure<Handle> {
    pub error: io::Error,
    pub opened: Vec<(String, File)>,
    /// Oldest look first.
    pub held: Vec<Seen<Handle>>,
}

/// Does the job. Blocks.
pub fn scan(job: ScanJob<Shared>) -> ScanResult<Shared> {
    let (source, directory) = (job.source, job.directory.clone());
    let look = look(job);
    let is_empty = matches!(&look, Ok(Look::Whole { on_disk, .. }) if on_disk.is_empty());
    ScanResult { source, look, is_gone: is_empty && directory.is_gone() }
}

/// Listings until two agree. A rotation renames a file within microseconds, and a listing takes
/// a few hundred at most, so that many in vain do not happen on a disk that answers.
const LISTINGS_MAX: usize = 32;

fn look(job: ScanJob<Shared>) -> Result<Look<Shared>, ScanFailure<Shared>> {
    let ScanJob { directory, current, mut known, opened, held, begin, patience, .. } = job;
    let by_id: HashMap<FileId, Option<u64>> = known
        .iter()
        .filter(|file| !file.needs_proof)
        .flat_map(|file| [Some((file.id, file.left_at)), file.archive.map(|id| (id, None))])
        .flatten()
        .collect();
    let mut files = Files { directory, current, by_id, open: Vec::new() };
    for seen in held {
        files.open.push(Open { seen, listing: None });
    }
    for (name, file) in opened {
        // Whoever opened it says that it belongs here, whatever it is called by now.
        let rank = file_rank(&name, &files.current).unwrap_or(u64::MAX);
        files.take(name, rank, OpenFile::from_file(file), None);
    }
    let (listings, stands_still) = match files.listings() {
        Ok(listings) => listings,
        Err(error) => {
            let held = files.vanished(&[]).into_iter().map(|gone| gone.seen).collect();
            return Err(ScanFailure { error, opened: Vec::new(), held });
        }
    };
    let last = listings.last().cloned().unwrap_or_default();
    let mut present: Vec<Seen<Shared>> = last.iter().map(|entry| files.present(entry)).collect();
    let mut vanished = files.vanished(&listings);
    let delivered = begin.rank_delivered(&present);
    for seen in present.iter_mut().chain(vanished.iter_mut().map(|gone| &mut gone.seen)) {
        let start = begin.of(seen, delivered);
        look_inside(seen, start);
    }
    let on_disk: HashSet<FileId> = last.iter().map(|entry| entry.id).collect();
    for file in known.iter_mut().filter(|file| !on_disk.contains(&file.id)) {
        if let (FirstLine::Unfinished, Some(handle)) = (file.first_line, &file.handle) {
            file.first_line = head(handle).unwrap_or(FirstLine::Unfinished);
        }
    }
    Ok(conclude(&known, vanished, present, stands_still, patience))
}

/// A name of one listing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    name: String,
    rank: u64,
    id: FileId,
}

struct Files {
    directory: Directory,
    current: String,
    /// Known by their id alone, up to the length at which they were left.
    by_id: HashMap<FileId, Option<u64>>,
    open: Vec<Open>,
}

/// A file that is not known, and open, so that it can be read whatever becomes of its name.
struct Open {
    seen: Seen<Shared>,
    /// The last one that had it.
    listing: Option<usize>,
}

impl Files {
    /// Until two agree; whether they did.
    fn listings(&mut self) -> io::Result<(Vec<Vec<Entry>>, bool)> {
        let mut listings = vec![self.list(0)?];
        while listings.len() < LISTINGS_MAX {
            let listing = self.list(listings.len())?;
            let stands_still = listings.last() == Some(&listing);
            listings.push(listing);
            if stands_still {
                return Ok((listings, true));
            }
        }
        Ok((listings, false))
    }

    fn list(&mut self, number: usize) -> io::Result<Vec<Entry>> {
        let mut listing = Vec::new();
        let directory = match self.directory.open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            directory => directory?,
        };
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let Some(rank) = file_rank(name, &self.current) else { continue };
            // Gone between the listing and now: the next listing settles that.
            let Some(id) = self.meet(&directory, name, rank, number)? else { continue };
            listing.push(Entry { name: name.to_owned(), rank, id });
            if listing.len() >= FILES_PER_SOURCE_MAX {
                break;
            }
        }
        listing.sort();
        Ok(listing)
    }

    /// Opens what is not known and not open yet.
    fn meet(
        &mut self,
        directory: &OwnedFd,
        name: &str,
        rank: u64,
        number: usize,
    ) -> io::Result<Option<FileId>> {
        let stat = match stat_of(directory, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            stat => stat?,
        };
        let id = stat.id;
        if self.has_no_news(&stat) {
            return Ok(Some(id));
        }
        if let Some(open) = self.open.iter_mut().find(|open| open.seen.id == id) {
            name.clone_into(&mut open.seen.name);
            open.seen.rank = rank;
            open.listing = Some(number);
            if !matches!(open.seen.content, Content::Refused(_)) {
                return Ok(Some(id));
            }
            self.open.retain(|open| open.seen.id != id);
        }
        match OpenFile::open_at(directory, Path::new(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let content = Content::Refused(error.to_string());
                let (name, is_archive) = (name.to_owned(), is_archive(name));
                let seen = Seen { name, rank, is_archive, id, content };
                self.open.push(Open { seen, listing: Some(number) });
                Ok(Some(id))
            }
            file => Ok(self.take(name.to_owned(), rank, file, Some(number))),
        }
    }

    fn has_no_news(&self, stat: &Stat) -> bool {
        let known = self.by_id.get(&stat.id);
        known.is_some_and(|left_at| left_at.is_none_or(|length| stat.size <= length))
    }

    /// By the id of the open file, which may be another than the name's a moment ago.
    fn take(
        &mut self,
        name: String,
        rank: u64,
        file: io::Result<OpenFile>,
        listing: Option<usize>,
    ) -> Option<FileId> {
        let mut file = file.ok()?;
        let stat = file.stat().ok()?;
        let is_archive = is_archive(&name);
        if self.has_no_news(&stat) {
            return Some(stat.id);
        }
        self.open.retain(|open| open.seen.id != stat.id);
        file.archive = is_archive.then(Archive::default);
        let first_line = FirstLine::Unfinished;
        let opened = Opened { handle: file.into(), stat, first_line, start: 0 };
        let content = Content::Opened(opened);
        let seen = Seen { name, rank, is_archive, id: stat.id, content };
        self.open.push(Open { seen, listing });
        Some(stat.id)
    }

    fn present(&mut self, entry: &Entry) -> Seen<Shared> {
        if let Some(at) = self.open.iter().position(|open| open.seen.id == entry.id) {
            return self.open.remove(at).seen;
        }
        let Entry { name, rank, id } = entry.clone();
        Seen { is_archive: is_archive(&name), name, rank, id, content: Content::Shut }
    }

    /// What is open and in the last listing no more.
    fn vanished(&mut self, listings: &[Vec<Entry>]) -> Vec<Vanished<Shared>> {
        let mut gone = std::mem::take(&mut self.open);
        gone.sort_by_key(|open| (open.listing, std::cmp::Reverse(open.seen.rank)));
        let rank_holds = |listing: Option<usize>| match (listing, listings.last()) {
            (Some(number), Some(last)) => nothing_moved(&listings[number], last),
            _ => false,
        };
        gone.into_iter()
            .map(|open| Vanished { rank_holds: rank_holds(open.listing), seen: open.seen })
            .collect()
    }
}

/// Whether files that both have are under the same names, and there are such files.
fn nothing_moved(before: &[Entry], after: &[Entry]) -> bool {
    let rank = |entry: &Entry| before.iter().find(|other| other.id == entry.id).map(|old| old.rank);
    let common: Vec<_> = after.iter().filter_map(|new| Some((new.rank, rank(new)?))).collect();
    !common.is_empty() && common.iter().all(|(new, old)| new == old)
}

fn is_archive(name: &str) -> bool {
    name.strip_suffix(".gz").is_some()
}

/// Reads the head, unless that has been done.
fn look_inside(seen: &mut Seen<Shared>, start: StartAt) {
    let Content::Opened(opened) = &mut seen.content else { return };
    if opened.first_line != FirstLine::Unfinished {
        return;
    }
    let looked = head(&opened.handle).and_then(|first_line| {
        let is_whole = first_line != FirstLine::Unfinished;
        let start = if is_whole { start_offset(&opened.handle, start)? } else { 0 };
        Ok((first_line, start))
    });
    match looked {
        Ok((first_line, start)) => {
            opened.first_line = first_line;
            opened.start = start;
        }
        // Half of an archive cannot be inflated; that is no more than an unfinished line.
        Err(_) if seen.is_archive => {}
        Err(error) => seen.content = Content::Refused(error.to_string()),
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
    use crate::read::{Found, FoundKind};

    const CURRENT: &str = "c-json.log";

    fn job(directory: &Path, known: Vec<KnownFile<Shared>>) -> ScanJob<Shared> {
        ScanJob {
            source: SourceToken(1),
            directory: directory.to_owned().into(),
            current: CURRENT.into(),
            known,
            opened: Vec::new(),
            held: Vec::new(),
            begin: Begin::default(),
            patience: Patience::default(),
        }
    }

    #[track_caller]
    fn whole(look: Look<Shared>) -> Vec<Found<Shared>> {
        match look {
            Look::Whole { found, .. } => found,
            Look::Unfinished { held, .. } => panic!("unfinished: {held:?}"),
        }
    }

    fn known(found: &Found<Shared>) -> KnownFile<Shared> {
        let FoundKind::Opened { known: None, is_archive, archive, opened } = &found.kind else {
            panic!("not new: {found:?}");
        };
        KnownFile {
            id: found.id,
            archive: archive.or(is_archive.then_some(found.id)),
            first_line: opened.first_line,
            needs_proof: false,
            left_at: None,
            handle: Some(opened.handle.clone()),
        }
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
        let found = whole(scan(job(directory.path(), Vec::new())).look.unwrap());
        let names: Vec<_> = found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(names, ["c-json.log.2", "c-json.log.1", "c-json.log"]);
        let all: Vec<_> = found.iter().map(known).collect();
        assert_eq!(all[0].first_line, FirstLine::Unfinished);
        let again = whole(scan(job(directory.path(), all)).look.unwrap());
        assert!(again.iter().all(|found| matches!(found.kind, FoundKind::Known)));
    }

    #[test]
    fn a_known_file_is_opened_once_it_is_longer_than_when_it_was_left() {
        let directory = tempfile::tempdir().unwrap();
        let left = directory.path().join("c-json.log.1");
        std::fs::write(&left, "half").unwrap();
        std::fs::write(directory.path().join(CURRENT), "new\n").unwrap();
        let all: Vec<_> = whole(scan(job(directory.path(), Vec::new())).look.unwrap());
        let mut all: Vec<_> = all.iter().map(known).collect();
        let id = all[0].id;
        all[0].left_at = Some(4);
        let look = || whole(scan(job(directory.path(), all.clone())).look.unwrap());
        assert!(look().iter().all(|found| matches!(found.kind, FoundKind::Known)));
        std::fs::write(&left, "half a line\n").unwrap();
        let found = look();
        // Its first line has become another, and it is the same all the same.
        let FoundKind::Opened { known, opened, .. } = &found[0].kind else { panic!("{found:?}") };
        assert_eq!((*known, opened.stat.size), (Some(id), 12));
        assert!(matches!(found[1].kind, FoundKind::Known));
    }

    #[test]
    fn a_deleted_file_that_was_opened_in_time_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(CURRENT);
        std::fs::write(&path, "line\n").unwrap();
        let opened = vec![(CURRENT.to_owned(), File::open(&path).unwrap())];
        std::fs::remove_dir_all(directory.path()).unwrap();
        let job = ScanJob { opened, ..job(directory.path(), Vec::new()) };
        assert_eq!(whole(scan(job).look.unwrap()).len(), 1);
    }

    #[test]
    fn what_was_opened_comes_back_if_the_directory_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(CURRENT);
        std::fs::write(&path, "line\n").unwrap();
        let opened = vec![(CURRENT.to_owned(), File::open(&path).unwrap())];
        // A file is no directory.
        let failure = scan(ScanJob { opened, ..job(&path, Vec::new()) }).look.unwrap_err();
        assert_eq!(failure.held.len(), 1);
        assert_eq!(failure.held[0].name, CURRENT);
    }

    #[test]
    fn a_link_to_elsewhere_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join(CURRENT)).unwrap();
        let first = scan(job(directory.path(), Vec::new())).look.unwrap();
        assert!(matches!(first, Look::Unfinished { .. }));
        let last = ScanJob {
            patience: Patience { with_files: false, ..Patience::default() },
            ..job(directory.path(), Vec::new())
        };
        let found = whole(scan(last).look.unwrap());
        assert!(matches!(found[0].kind, FoundKind::Refused(_)));
    }

    /// What Docker does, as fast as the disk lets us.
    fn rotate_and_compress(directory: &Path, files: usize, line: impl Fn(usize) -> String) {
        use std::io::Write;
        let path = |rank: usize, suffix: &str| match rank {
            0 => directory.join(CURRENT),
            _ => directory.join(format!("{CURRENT}.{rank}{suffix}")),
        };
        for number in 0..files {
            let mut file = File::create(path(0, "")).unwrap();
            let line = line(number);
            let (first, rest) = line.split_at(line.len() / 2);
            file.write_all(first.as_bytes()).unwrap();
            file.write_all(rest.as_bytes()).unwrap();
            if number + 1 == files {
                break;
            }
            for rank in (1..=number).rev() {
                let _ = std::fs::rename(path(rank, ".gz"), path(rank + 1, ".gz"));
            }
            std::fs::rename(path(0, ""), path(1, "")).unwrap();
            // The next one is there while the last one is compressed.
            drop(File::create(path(0, "")).unwrap());
            let archive = File::create(path(1, ".gz")).unwrap();
            let mut gzip = flate2::write::GzEncoder::new(archive, flate2::Compression::fast());
            gzip.write_all(line.as_bytes()).unwrap();
            gzip.finish().unwrap();
            std::fs::remove_file(path(1, "")).unwrap();
        }
    }

    fn follow_while_it_rotates(line: impl Fn(usize) -> String + Send) -> Vec<FirstLine> {
        const FILES: usize = 150;
        let directory = tempfile::tempdir().unwrap();
        let mut all: Vec<KnownFile<Shared>> = Vec::new();
        let mut held = Vec::new();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| rotate_and_compress(directory.path(), FILES, line));
            loop {
                let is_last = writer.is_finished();
                let job = ScanJob {
                    held: std::mem::take(&mut held),
                    ..job(directory.path(), all.clone())
                };
                let found = match scan(job).look.unwrap() {
                    Look::Whole { found, .. } => found,
                    Look::Unfinished { held: opened, .. } => {
                        held = opened;
                        continue;
                    }
                };
                for found in found {
                    match &found.kind {
                        FoundKind::Known => {}
                        FoundKind::Opened { known: None, .. } => all.push(known(&found)),
                        FoundKind::Opened { known: Some(known), .. } => {
                            let file = all.iter_mut().find(|file| file.id == *known).unwrap();
                            file.archive = Some(found.id);
                        }
                        FoundKind::Refused(error) => panic!("{}: {error}", found.name),
                    }
                }
                if is_last {
                    break;
                }
            }
        });
        assert_eq!(all.len(), FILES);
        all.iter().map(|file| head(file.handle.as_ref().unwrap()).unwrap()).collect()
    }

    #[test]
    fn every_file_is_found_once_and_in_order_while_others_rename_and_compress() {
        let line = |number: usize| format!("file {number}\n");
        let found = follow_while_it_rotates(line);
        for (number, first_line) in found.into_iter().enumerate() {
            assert_eq!(first_line, FirstLine::of(line(number).as_bytes()), "file {number}");
        }
    }

    #[test]
    fn files_that_begin_alike_are_counted_right() {
        follow_while_it_rotates(|_| "a piece of an endless line\n".to_owned());
    }
}
