//! What a scan found, brought together with what is known.

use std::collections::HashSet;

use super::file::{Born, FileState, prefix_at};
use super::late;
use super::source::{Source, fingerprint};
use super::step::Worker;
use super::{Output, source::Place};
use crate::checkpoint::{Entry, FileRecord};
use crate::core::{LossReason, SourceToken, Stream};
use crate::decode::Format;
use crate::encode::{Tail, Target};
use crate::read::{
    Begin, FileId, Files, Found, FoundKind, Look, Opened, Patience, ScanFailure, ScanJob,
    ScanResult,
};

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
        source.files_begun_at_scan = source.begun.files;
        source.looked_mono_ns = self.now.mono_ns;
        let job = ScanJob {
            source: token,
            directory: source.directory.clone(),
            current: source.current.clone(),
            known: source.known_files(),
            opened: std::mem::take(&mut source.opened),
            held: std::mem::take(&mut source.held),
            begin: source.begin.clone(),
            patience: Patience {
                with_names: source.patience_with_names > 0,
                with_files: source.patience > 0,
            },
        };
        self.files.scan(job);
    }

    pub(super) fn scanned(&mut self, result: ScanResult<F::Handle>, outputs: &mut Vec<Output>) {
        let ScanResult { source: token, mut look, is_gone } = result;
        let mut waits = false;
        if let Ok(Look::Whole { found, .. }) = &mut look {
            waits = self.leave_to_family(token, found);
        }
        let Some(source) = self.sources.get_mut(&token) else { return };
        source.scan_running = false;
        // Its volume went with its container, so nobody comes for it.
        source.removed |= source.orphaned && is_gone;
        let again = match look {
            Ok(Look::Whole { found, on_disk, is_clean }) => {
                // What was passed over once is not waited for again.
                source.patience = if is_clean { LOOKS_MAX } else { 0 };
                source.patience_with_names = LOOKS_MAX;
                merge(source, found, &on_disk, outputs);
                let missed = source.declare_missed(self.now.mono_ns, outputs);
                // An archive that could not be had may be what one of these became.
                if is_clean && !on_disk.is_empty() {
                    forget_settled(source, &on_disk);
                }
                let again = waits.then_some(self.now.mono_ns + RESCAN_NS);
                // A volume is deleted a moment after its container, and who tells of it may have
                // gone with it.
                let waits_for_end = source.orphaned && !source.left && !source.removed;
                if waits_for_end && source.orphan_look_ns <= self.now.mono_ns {
                    source.orphan_look_ns = self.now.mono_ns + ORPHAN_LOOK_NS;
                }
                let orphan = waits_for_end.then_some(source.orphan_look_ns);
                if let Some(at) = again.into_iter().chain(missed).chain(orphan).min() {
                    source.scan_wanted = true;
                    self.retries.insert((at, token));
                    waits = true;
                }
                None
            }
            Ok(Look::Unfinished { held, stood_still }) => {
                let patience = if stood_still {
                    &mut source.patience
                } else {
                    &mut source.patience_with_names
                };
                *patience = patience.saturating_sub(1);
                source.held = held;
                Some(LOOK_AGAIN_NS)
            }
            Err(ScanFailure { error, opened, held }) => {
                source.opened.splice(0..0, opened);
                source.held = held;
                tracing::warn!(
                    source = %source.key, directory = %source.directory.path().display(), %error,
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
        if !waits && self.sources[&token].scan_wanted {
            self.start_scan(token);
        } else if let Some(source) = self.sources.get_mut(&token) {
            source.scanned_after_end = source.ended || source.removed;
        }
        self.make_ready(token);
    }
}

/// After a directory that could not be read.
const RESCAN_NS: u64 = 1_000_000_000;

/// Between two looks at the log of a container that is deleted, for as long as it is held open for
/// the next one.
const ORPHAN_LOOK_NS: u64 = 5_000_000_000;

/// After a look that came to no end: compressing a log of the usual size takes about this long.
const LOOK_AGAIN_NS: u64 = 20_000_000;

/// Looks until what cannot be had is passed over.
pub(super) const LOOKS_MAX: u32 = 100;

/// Puts what was found to what is known.
fn merge<Handle: Clone>(
    source: &mut Source<Handle>,
    found: Vec<Found<Handle>>,
    on_disk: &HashSet<FileId>,
    outputs: &mut Vec<Output>,
) {
    // All but the current file are closed before they get another name or none.
    let current =
        found.iter().find(|file| file.name == source.current && on_disk.contains(&file.id));
    let current = current.map(|file| file.id);
    for file in &mut source.files {
        if let Some(found) = found.iter().find(|found| found.id == file.id) {
            file.name.clone_from(&found.name);
        }
        file.closed |= current != Some(file.id);
    }
    let newest = source.files.back().filter(|_| source.scanned).map(|file| file.sequence);
    let is_new = |file: &Found<Handle>| matches!(file.kind, FoundKind::Opened { known: None, .. });
    let has_new = found.iter().any(is_new);
    for file in found {
        place(source, file, on_disk, outputs);
    }
    source.passed_over.retain(|id| on_disk.contains(id));
    let newest =
        newest.and_then(|sequence| source.files.iter().find(|file| file.sequence == sequence));
    let lost_sight = newest.is_some_and(|file| {
        let archive = file.archive();
        !on_disk.contains(&file.id) && archive.is_none_or(|archive| !on_disk.contains(&archive))
    });
    declare_unseen(source, outputs);
    // Where nobody counts files the names have to tell.
    if has_new && lost_sight && !source.removed && source.begun.files == 0 {
        // The file before the new ones has lost its name, so at least as many rotations as the
        // runtime keeps files lie between; whether one more did cannot be seen.
        let loss = source.loss(&source.current.clone(), LossReason::RotatedUnseen, 0, None);
        outputs.push(Output::Lost(loss));
    }
    declare_gone(source, outputs);
    if source.reading_index().is_none() && !source.files.is_empty() {
        begin(source);
    }
    // What comes from now on is read from its head, however the log was begun.
    source.begin = Begin::default();
    source.scanned = true;
}

/// Settled files that are on disk no more. Their first lines would stand in the way of files that
/// begin with the same one.
fn forget_settled<Handle>(source: &mut Source<Handle>, on_disk: &HashSet<FileId>) {
    let is_there = |id: &FileId| on_disk.contains(id);
    let late = &source.late;
    let (kept, gone) = std::mem::take(&mut source.settled).into_iter().partition(|record| {
        is_there(&record.id)
            || record.archive.as_ref().is_some_and(is_there)
            || late.iter().any(|late| late.id == record.id)
    });
    source.settled = kept;
    if source.key.family().is_some() {
        source.stray(gone);
    }
}

/// One found file's place among the known ones.
fn place<Handle: Clone>(
    source: &mut Source<Handle>,
    found: Found<Handle>,
    on_disk: &HashSet<FileId>,
    outputs: &mut Vec<Output>,
) {
    let Found { name, id, kind } = found;
    let (record, is_archive, archive, opened) = match kind {
        FoundKind::Known => return,
        FoundKind::Refused(error) => {
            tracing::warn!(source = %source.key, file = %name, %error, "cannot open a log file");
            return;
        }
        FoundKind::Opened { known, is_archive, archive, opened } => {
            let archive = archive.or(is_archive.then_some(id));
            let record = known.and_then(|known| remembered(source, known, archive));
            if let (Some(known), None) = (known, &record) {
                became(source, known, archive);
                late::take_note(source, known, &name, &opened);
                return;
            }
            (record, is_archive, archive, opened)
        }
    };
    if is_archive && fingerprint(opened.first_line).is_none() {
        if !source.passed_over.contains(&id) {
            // Not even one whole line can be read of it.
            outputs.push(Output::Lost(source.loss(&name, LossReason::ReadError, 0, None)));
            source.passed_over.push(id);
        }
        return;
    }
    // Another log of the family may have left it; under this name it is written.
    let is_written = source.format == Format::Text && name == source.current;
    let record = record
        .map(|record| FileRecord { finished: record.finished.filter(|_| !is_written), ..record });
    let is_settled = |record: &FileRecord| {
        record.finished == Some(record.frontier) && !ends_in_carry(source, record)
    };
    if record.as_ref().is_some_and(is_settled) {
        source.dirty = true;
        source.settled.extend(record);
        late::take_note(source, id, &name, &opened);
        return;
    }
    if source.births_ns.len() < BIRTHS_MAX {
        source.births_ns.push(id.birth_ns);
    }
    let Opened { handle, stat, first_line, start } = opened;
    let closed = name != source.current || !on_disk.contains(&id);
    let start = record.as_ref().map_or(start, |record| record.frontier);
    // An archive's size is none of its contents.
    let size = if is_archive { u64::MAX } else { stat.size };
    let born = record.map(|record| revive(source, record, size));
    let sequence = source.next_sequence;
    source.next_sequence += 1;
    // Most logs have one file, and there may be thousands of them.
    source.files.reserve_exact(1);
    source.files.push_back(FileState {
        sequence,
        id,
        name,
        handle,
        is_archive,
        closed,
        archive,
        truncated: false,
        went_back: false,
        start,
        first_line,
        born,
    });
}

/// Whether something of this file is still held that ends with it, though it is read to its end: lines
/// of text, which are its last event and have its rules, or what its journal cuts there.
fn ends_in_carry<Handle>(source: &Source<Handle>, record: &FileRecord) -> bool {
    let Some(carry) = &source.frontier.carry else { return false };
    let is_text = source.format == Format::Text;
    let ends = |stream: &Stream| {
        carry.first(*stream).is_some_and(|(file, _)| {
            let is_cut = || record.journal.cuts(record.frontier).any(|cut| cut == *stream);
            // What began in a later file does not end here.
            is_text && file.base == record.base || file.base <= record.base && is_cut()
        })
    };
    Stream::ALL.iter().any(ends)
}

/// What a file that we have, or had, was compressed to.
fn became<Handle>(source: &mut Source<Handle>, known: FileId, archive: Option<FileId>) {
    let settled = source.settled.iter_mut().rfind(|record| record.id == known);
    if let Some(record) = settled {
        record.archive = record.archive.or(archive);
        source.dirty = true;
    } else if let Some(file) = source.files.iter_mut().rfind(|file| file.id == known) {
        match &mut file.born {
            Some(born) => born.record.archive = born.record.archive.or(archive),
            None => file.archive = file.archive.or(archive),
        }
        source.dirty |= file.born.is_some();
    }
}

/// Takes the record of a file that the store knows.
fn remembered<Handle>(
    source: &mut Source<Handle>,
    known: FileId,
    archive: Option<FileId>,
) -> Option<FileRecord> {
    let at = source.remembered.iter().rposition(|record| record.id == known)?;
    let mut record = source.remembered.remove(at);
    record.archive = archive.or(record.archive);
    // An older generation of the same file has no bytes left.
    source.remembered.retain(|other| other.id != record.id);
    Some(record)
}

/// A known file again: rules that have changed since hold from where nothing was sent yet.
/// `size` is what it holds now.
pub(super) fn revive<Handle>(source: &Source<Handle>, mut record: FileRecord, size: u64) -> Born {
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
    let tail = Tail::new(source.shape, &source.origin, &source.path, &target.rules().target);
    Born {
        believed_below: reserved,
        // What was not there cannot have been sent, whatever was reserved.
        reached: reserved.min(size),
        tail: tail.into(),
        prefix: prefix_at(&source.key, &record, record.frontier),
        target,
        record,
    }
}

/// More than a runtime keeps; where nobody counts they are of no use.
const BIRTHS_MAX: usize = 64;

/// A file system's clock is behind by up to a tick of the kernel, of which there are 100 or more a
/// second.
const BIRTH_SLACK_NS: i64 = 10_000_000;

/// Files that were made and gone between two looks.
fn declare_unseen<Handle>(source: &mut Source<Handle>, outputs: &mut Vec<Output>) {
    let since = source.begun.since_wall_ns;
    if since != 0 {
        let births = std::mem::take(&mut source.births_ns);
        // Where the file system keeps no time of birth, in doubt it is one of those.
        let is_later = |birth: &i64| *birth == 0 || *birth >= since - BIRTH_SLACK_NS;
        let later = births.into_iter().filter(is_later);
        source.files_found += later.count() as u32;
    }
    let missed = source.files_begun_at_scan.saturating_sub(source.files_found);
    let reason = if source.has_met_none() {
        LossReason::DeletedBeforeOpen
    } else {
        LossReason::RotatedUnseen
    };
    for _ in 0..missed {
        let loss = source.loss(&source.current.clone(), reason, 0, None);
        outputs.push(Output::Lost(loss));
    }
    // Each is declared once.
    source.files_found += missed;
}

/// Files of the store that are not there any more.
fn declare_gone<Handle>(source: &mut Source<Handle>, outputs: &mut Vec<Output>) {
    let gone = std::mem::take(&mut source.remembered);
    for record in &gone {
        source.dirty = true;
        source.next_base = source.next_base.max(record.base + record.frontier);
    }
    if source.key.family().is_some() {
        // Another log may have them by now.
        source.stray(gone);
        return;
    }
    for record in gone {
        if record.finished != Some(record.frontier) {
            outputs.push(Output::Lost(source.loss_away(&record)));
        }
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
    source.heed_journal();
}
