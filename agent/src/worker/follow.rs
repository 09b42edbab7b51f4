//! What a scan found, brought together with what is known.

use std::collections::HashSet;

use super::file::{Born, FileState, prefix_at};
use super::source::{Source, fingerprint};
use super::step::Worker;
use super::{Output, source::Place};
use crate::checkpoint::{Entry, FileRecord};
use crate::core::{LossReason, SourceToken};
use crate::encode::{Tail, Target};
use crate::read::{FileId, Files, Found, FoundKind, ScanJob, ScanResult};

impl<F: Files> Worker<F> {
    pub(super) fn start_scan(&mut self, token: SourceToken) {
        let Some(source) = self.sources.get_mut(&token) else { return };
        if source.scan_running {
            source.scan_wanted = true;
            return;
        }
        source.scan_wanted = false;
        source.scan_running = true;
        source.scanned_after_end = false;
        source.files_begun_at_scan = source.files_begun;
        let job = ScanJob {
            source: token,
            directory: source.directory.clone(),
            current: source.current.clone(),
            known: source.known_files(),
            opened: std::mem::take(&mut source.opened),
            start: source.start,
        };
        self.files.scan(job);
    }

    pub(super) fn scanned(&mut self, result: ScanResult<F::Handle>, outputs: &mut Vec<Output>) {
        let ScanResult { source: token, found } = result;
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.scan_running = false;
        let again = match found {
            Ok(found) => {
                let again = merge(source, found, outputs);
                again.then_some(ARCHIVE_NS)
            }
            Err(error) => {
                tracing::warn!(
                    source = %source.key, directory = %source.directory.display(), %error,
                    "cannot look at the log's directory; trying again"
                );
                Some(RESCAN_NS)
            }
        };
        if let Some(wait) = again {
            source.scan_wanted = true;
            self.retries.insert((self.now.mono_ns + wait, token));
            self.make_ready(token);
            return;
        }
        if source.dirty {
            self.dirty.insert(token);
        }
        if self.sources[&token].scan_wanted {
            self.start_scan(token);
        } else if let Some(source) = self.sources.get_mut(&token) {
            source.scanned_after_end = source.ended || source.removed;
        }
        self.make_ready(token);
    }
}

/// After a directory that could not be read.
const RESCAN_NS: u64 = 1_000_000_000;

/// After an archive that was not whole: compressing a log of the usual size takes about this long.
const ARCHIVE_NS: u64 = 20_000_000;

/// Looks until an archive that never becomes whole is passed over.
pub(super) const ARCHIVE_LOOKS_MAX: u32 = 100;

/// Puts what was found to what is known. `true`: there is more to be had in a moment.
fn merge<Handle: Clone>(
    source: &mut Source<Handle>,
    found: Vec<Found<Handle>>,
    outputs: &mut Vec<Output>,
) -> bool {
    let on_disk: HashSet<FileId> = found.iter().map(|file| file.id).collect();
    let (found, is_in_order) = with_held_back(source, found);
    if !is_in_order && source.patience > 0 {
        source.patience -= 1;
        source.held_back = found.into_iter().filter(is_new).collect();
        return true;
    }
    // All but the current file are closed before they get another name or none.
    let is_current: HashSet<FileId> =
        found.iter().filter(|file| file.name == source.current).map(|file| file.id).collect();
    let is_current: HashSet<FileId> = is_current.intersection(&on_disk).copied().collect();
    for file in &mut source.files {
        if let Some(found) = found.iter().find(|found| found.id == file.id) {
            file.name.clone_from(&found.name);
        }
        file.closed |= !is_current.contains(&file.id);
    }
    let newest = source.files.back().filter(|_| source.scanned).map(|file| file.sequence);
    let new = found.iter().any(is_new);
    let archives: HashSet<u128> = found.iter().filter_map(archived_line).collect();
    let mut found = found.into_iter();
    let mut again = false;
    while let Some(file) = found.next() {
        if is_being_written(&file) && source.patience > 0 {
            source.patience -= 1;
            // What is newer comes after it, and stays open meanwhile.
            source.held_back = found.filter(is_new).collect();
            again = true;
            break;
        }
        if !matches!(file.kind, FoundKind::Known) {
            source.patience = ARCHIVE_LOOKS_MAX;
        }
        place(source, file, &on_disk);
    }
    let newest =
        newest.and_then(|sequence| source.files.iter().find(|file| file.sequence == sequence));
    let lost_sight = newest.is_some_and(|file| {
        let archive = file.born.as_ref().map_or(file.archive, |born| born.record.archive);
        let line = fingerprint(file.first_line);
        !on_disk.contains(&file.id)
            && archive.is_none_or(|archive| !on_disk.contains(&archive))
            && line.is_none_or(|line| !archives.contains(&line))
    });
    if !again {
        declare_unseen(source, outputs);
    }
    // Where nobody counts files the names have to tell.
    if new && lost_sight && !source.removed && !again && source.files_begun == 0 {
        // The file before the new ones has lost its name, so at least as many rotations as the
        // runtime keeps files lie between; whether one more did cannot be seen.
        let loss = source.loss(&source.current.clone(), LossReason::RotatedUnseen, 0, None);
        outputs.push(Output::Lost(loss));
    }
    forget_settled(source, &on_disk);
    if !again {
        declare_gone(source, outputs);
    }
    if source.reading_index().is_none() && !source.files.is_empty() {
        begin(source);
    }
    source.scanned = true;
    again
}

/// Settled files that are remembered though they are not on disk: an archive that could not be
/// read yet, or that slipped by in a rename, must find its record when it is met again.
const SETTLED_ABSENT_MAX: usize = 16;

fn forget_settled<Handle>(source: &mut Source<Handle>, on_disk: &HashSet<FileId>) {
    let is_absent = |record: &FileRecord| {
        !on_disk.contains(&record.id)
            && record.archive.is_none_or(|archive| !on_disk.contains(&archive))
    };
    let absent = source.settled.iter().filter(|record| is_absent(record)).count();
    let mut surplus = absent.saturating_sub(SETTLED_ABSENT_MAX);
    source.settled.retain(|record| {
        let drop = surplus > 0 && is_absent(record);
        surplus -= usize::from(drop);
        !drop
    });
}

/// Files that were held back take the place of what the scan has to say of them. One that has
/// lost its name since stands where its archive stands, or else before the next newer one; `false`
/// if there is neither, so that its place will be known once its archive can be read.
fn with_held_back<Handle>(
    source: &mut Source<Handle>,
    found: Vec<Found<Handle>>,
) -> (Vec<Found<Handle>>, bool) {
    let mut held_back = std::mem::take(&mut source.held_back);
    let order: Vec<FileId> = held_back.iter().map(|file| file.id).collect();
    let mut merged = Vec::with_capacity(found.len());
    for file in found {
        match held_back.iter().position(|other| other.id == file.id) {
            Some(at) => merged.push(Found { name: file.name, ..held_back.remove(at) }),
            None => merged.push(file),
        }
    }
    let mut is_in_order = true;
    while let Some(file) = held_back.pop() {
        let line = plain_line(&file);
        let archive =
            merged.iter().position(|other| line.is_some() && archived_line(other) == line);
        let mut newer = order.iter().skip_while(|id| **id != file.id).skip(1);
        let next = newer.find_map(|id| merged.iter().position(|other| other.id == *id));
        let place = archive.or(next);
        is_in_order &= place.is_some();
        merged.insert(place.unwrap_or(merged.len()), file);
    }
    (merged, is_in_order)
}

fn plain_line<Handle>(found: &Found<Handle>) -> Option<u128> {
    match &found.kind {
        FoundKind::New { first_line, is_archive: false, .. } => fingerprint(*first_line),
        _ => None,
    }
}

fn is_new<Handle>(found: &Found<Handle>) -> bool {
    matches!(found.kind, FoundKind::New { .. })
}

fn is_being_written<Handle>(found: &Found<Handle>) -> bool {
    match &found.kind {
        FoundKind::Known => false,
        FoundKind::New { first_line, is_archive, .. } => {
            *is_archive && fingerprint(*first_line).is_none()
        }
        FoundKind::Refused(_) => found.name.strip_suffix(".gz").is_some(),
    }
}

fn archived_line<Handle>(found: &Found<Handle>) -> Option<u128> {
    match &found.kind {
        FoundKind::New { first_line, is_archive: true, .. } => fingerprint(*first_line),
        _ => None,
    }
}

/// One found file's place among the known ones.
fn place<Handle: Clone>(
    source: &mut Source<Handle>,
    found: Found<Handle>,
    on_disk: &HashSet<FileId>,
) {
    let Found { name, id, kind } = found;
    let (handle, first_line, is_archive, start) = match kind {
        FoundKind::Known => return,
        FoundKind::Refused(error) => {
            tracing::warn!(source = %source.key, file = %name, %error, "cannot open a log file");
            return;
        }
        FoundKind::New { handle, stat: _, first_line, is_archive, start } => {
            (handle, first_line, is_archive, start)
        }
    };
    let line = fingerprint(first_line);
    if is_archive && (line.is_none() || became_archive(source, id, line, on_disk)) {
        // Without a whole first line it is being written; the end of that brings another look.
        return;
    }
    let record = remembered(source, id, line, is_archive);
    if record.as_ref().is_some_and(|record| record.finished == Some(record.frontier)) {
        source.dirty = true;
        source.settled.extend(record);
        return;
    }
    if source.scanned || id.birth_ns >= source.followed_wall_ns - BIRTH_SLACK_NS {
        source.files_found += 1;
    }
    let closed = name != source.current || !on_disk.contains(&id);
    let start = record.as_ref().map_or(start, |record| record.frontier);
    let born = record.map(|record| revive(source, record));
    let sequence = source.next_sequence;
    source.next_sequence += 1;
    source.files.push_back(FileState {
        sequence,
        id,
        name,
        handle,
        is_archive,
        closed,
        archive: None,
        truncated: false,
        start,
        first_line,
        born,
    });
}

/// Whether an archive is what a file that we have, or had, was made into.
fn became_archive<Handle>(
    source: &mut Source<Handle>,
    id: FileId,
    line: Option<u128>,
    on_disk: &HashSet<FileId>,
) -> bool {
    let Some(line) = line else { return false };
    let gone = |record: &FileRecord| {
        record.first_line == line && record.archive.is_none() && !on_disk.contains(&record.id)
    };
    let settled = source.settled.iter_mut().find(|record| gone(record));
    let open = source.files.iter_mut().filter(|file| !on_disk.contains(&file.id));
    let open = open.filter_map(|file| file.born.as_mut()).map(|born| &mut born.record);
    let open = { open }.find(|record| gone(record));
    if let Some(record) = settled.or(open) {
        record.archive = Some(id);
        source.dirty = true;
        return true;
    }
    // Not begun yet, but open: the descriptor is as good as the archive.
    let unborn = source.files.iter_mut().find(|file| {
        file.born.is_none()
            && file.archive.is_none()
            && !on_disk.contains(&file.id)
            && fingerprint(file.first_line) == Some(line)
    });
    if let Some(file) = unborn {
        file.archive = Some(id);
        return true;
    }
    false
}

/// Takes the record of a file that the store knows.
fn remembered<Handle>(
    source: &mut Source<Handle>,
    id: FileId,
    line: Option<u128>,
    is_archive: bool,
) -> Option<FileRecord> {
    let same_line = |record: &FileRecord| Some(record.first_line) == line;
    let by_id =
        |record: &FileRecord| (record.id == id || record.archive == Some(id)) && same_line(record);
    let at = source.remembered.iter().rposition(by_id).or_else(|| {
        // It was compressed, or copied to another disk, while nobody looked. Of several with one
        // first line the oldest is meant, since files are found oldest first.
        source.remembered.iter().position(|record| same_line(record) && is_archive)
    })?;
    let mut record = source.remembered.remove(at);
    if is_archive && record.id != id {
        record.archive = Some(id);
    }
    // An older generation of the same file has no bytes left.
    source.remembered.retain(|other| other.id != record.id);
    Some(record)
}

/// A known file again: rules that have changed since hold from where nothing was sent yet.
fn revive<Handle>(source: &Source<Handle>, mut record: FileRecord) -> Born {
    let reserved = record.reserved.max(record.frontier);
    if record.journal.rules(reserved) != Some(source.target.rules()) {
        record.journal.add(reserved, Entry::Rules(source.target.rules().clone()));
    }
    record.reserved = reserved;
    let target = record
        .journal
        .rules(record.frontier)
        .and_then(|rules| Target::new(rules.clone()).ok())
        .map_or_else(|| source.target.clone(), Into::into);
    let tail = Tail::new(source.shape, &source.origin, &path_of(source), &target.rules().target);
    Born {
        believed_below: reserved,
        reached: reserved,
        tail: tail.into(),
        prefix: prefix_at(&source.key, &record, record.frontier),
        target,
        record,
    }
}

/// The path that documents name: of the log, not of the file that it was rotated to, since a
/// document must not depend on when it was read.
pub(super) fn path_of<Handle>(source: &Source<Handle>) -> String {
    source.directory.join(&source.current).display().to_string()
}

/// A file of the first look counts as found since then if it is born this little before it was
/// followed: the watch begins before the follow.
const BIRTH_SLACK_NS: i64 = 1_000_000_000;

/// Files that were made and gone between two looks.
fn declare_unseen<Handle>(source: &mut Source<Handle>, outputs: &mut Vec<Output>) {
    let missed = source.files_begun_at_scan.saturating_sub(source.files_found);
    for _ in 0..missed {
        let loss = source.loss(&source.current.clone(), LossReason::RotatedUnseen, 0, None);
        outputs.push(Output::Lost(loss));
    }
    // Each is declared once.
    source.files_found += missed;
}

/// Files of the store that are not there any more.
fn declare_gone<Handle>(source: &mut Source<Handle>, outputs: &mut Vec<Output>) {
    for record in std::mem::take(&mut source.remembered) {
        source.dirty = true;
        source.next_base = source.next_base.max(record.base + record.frontier);
        if record.finished == Some(record.frontier) {
            continue;
        }
        let name = format!("{} (inode {})", source.current, record.id.inode);
        let loss =
            source.loss(&name, LossReason::RotatedWhileAway, record.frontier, record.finished);
        outputs.push(Output::Lost(loss));
        // Where its carry would have gone on there is a gap now.
    }
}

/// Puts the reading position on the first file.
fn begin<Handle>(source: &mut Source<Handle>) {
    let Some(first) = source.files.front() else { return };
    source.reading = first.sequence;
    source.offset = first.start;
    source.size_seen = source.offset;
    let (offset, carry) = (first.start, source.frontier.carry.clone());
    source.frontier = Place { file: first.sequence, offset, carry };
    if let Some(born) = &first.born {
        let max = born.target.rules().event_bytes_max as usize;
        source.decoder.set_event_bytes_max(max);
    }
}
