//! One source: its files, its place in them, what is in flight.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

use super::file::{FileState, prefix_at};
use super::follow::LOOKS_MAX;
use super::late::Late;
use super::open::Waiting;
use super::{Follow, Loss, Takeover};
use crate::checkpoint::{Entry, FileRecord, Ledger, Lineage, SourceRecord};
use crate::core::limits::CHUNK_BYTES;
use crate::core::{Epoch, IdPrefix, LossReason, Origin, SourceKey, SourceToken};
use crate::decode::{Carry, Decoder, Format};
use crate::encode::{self, Shape, Tail, Target};
use crate::read::{Begin, Directory, FileId, FirstLine, KnownFile, Seen};
use crate::watch::Begun;

/// A place in a source's bytes, with the unfinished lines there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub file: u64,
    pub offset: u64,
    pub carry: Option<Carry>,
}

/// How long a file of text has stood as it stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet {
    seen: Option<(u64, bool, u64)>,
    since_mono_ns: u64,
}

impl Quiet {
    /// Since when the file has had this size, as far as anyone looked; the time begins again when
    /// it is rotated.
    pub(super) fn since<H>(&mut self, file: &FileState<H>, size: u64, mono_ns: u64) -> u64 {
        let seen = Some((file.sequence, file.closed, size));
        if self.seen != seen {
            *self = Self { seen, since_mono_ns: mono_ns };
        }
        self.since_mono_ns
    }
}

/// First lines that are remembered because several files began with them.
const LINEAGES_MAX: usize = 8;

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own that was observed")]
pub(super) struct Source<Handle> {
    pub token: SourceToken,
    pub key: SourceKey,
    pub directory: Directory,
    pub current: String,
    pub format: Format,
    pub path: String,
    pub origin: Origin,
    pub target: Arc<Target>,
    pub shape: Shape,
    pub begin: Begin,

    /// Files with unread or unacknowledged bytes, in the order of reading.
    pub files: VecDeque<FileState<Handle>>,
    pub next_sequence: u64,
    /// Opened by a look that came to no end.
    pub held: Vec<Seen<Handle>>,
    /// Looks that may still come to no end because a file cannot be had, and because names change.
    pub patience: u32,
    pub patience_with_names: u32,
    /// Archives that nothing could be read of, declared lost.
    pub passed_over: Vec<FileId>,
    /// Current files that were made since it is followed, as the watcher counted them; when the
    /// last look at the directory began; and those that were found.
    pub begun: Begun,
    pub files_begun_at_scan: u32,
    pub files_found: u32,
    /// When those were made that are not counted yet, as nobody knows since when the watcher counts.
    pub births_ns: Vec<i64>,
    /// Delivered whole and perhaps still on disk.
    pub settled: Vec<FileRecord>,
    /// See [`SourceRecord::strayed`].
    pub strayed: Vec<FileRecord>,
    /// When files of the store were missed of which it is not known yet whether another log has them.
    pub missed_mono_ns: Option<u64>,
    /// Its container is deleted, and no other has the log yet.
    pub orphaned: bool,
    /// When it is looked at again for that.
    pub orphan_look_ns: u64,
    /// Nobody has the log any more; it goes to the store.
    pub left: bool,
    /// From the store, not met on disk yet.
    pub remembered: Vec<FileRecord>,
    /// Files of text that have grown since they were left, to be gone back to.
    pub late: Vec<Late<Handle>>,
    /// The current file's size, as far as it was known when there were news last.
    pub heard_at_size: Option<u64>,
    /// When the last look at the directory began.
    pub looked_mono_ns: u64,
    pub lineages: Vec<Lineage>,
    /// Bytes of all files that were read to their end.
    pub next_base: u64,
    /// The latest that lines without a time were given.
    pub last_seen: encode::Seen,

    /// The file that is being read, by its sequence, and the place in it.
    pub reading: u64,
    pub offset: u64,
    pub decoder: Decoder,
    pub frontier: Place,
    pub ledger: Ledger<Place>,
    pub epoch: Epoch,

    pub opened: Vec<(String, File)>,
    /// Length of the next read; grows for a line that is longer than a chunk.
    pub want: usize,
    pub read_pending: bool,
    /// When the last read began, its file could not grow any more.
    pub read_was_final: bool,
    /// When the last read began, the container had ended and its directory had been looked at.
    pub read_was_ended: bool,
    pub scan_running: bool,
    pub scan_wanted: bool,
    /// A scan has ended since the source was followed.
    pub scanned: bool,
    /// A scan that began after the container's end has ended.
    pub scanned_after_end: bool,
    pub ended: bool,
    pub removed: bool,
    /// Everything is read and the last pieces are out.
    pub finished: bool,
    pub is_ready: bool,
    /// It has documents of the present epoch in the open batch.
    pub in_batch: bool,
    /// The index that it waits for.
    pub stalled: Option<Arc<str>>,
    /// It tries whether an index takes documents again, and waits for the answer.
    pub probing: bool,
    pub dirty: bool,
    /// Lines and events that wait for more, by stream.
    pub open: [Option<Waiting>; 2],
    /// When a timer looks at them.
    pub open_timer: Option<u64>,
    pub carry_bytes: usize,
    /// What was last seen of a text file that has been read to its end.
    pub quiet: Quiet,
    /// After a failed read: not before this.
    pub retry_mono_ns: Option<u64>,
    pub read_failures: u32,
    /// Size of the file that is being read, when it was last looked at.
    pub size_seen: u64,
    pub bytes_read: u64,
    pub complete: bool,
}

/// Where a source stands, for `sluice positions`.
#[derive(Clone, Debug)]
pub struct Position {
    pub token: SourceToken,
    pub source: String,
    pub container: String,
    pub file: String,
    pub inode: u64,
    /// Everything before is acknowledged.
    pub frontier: u64,
    /// Everything before was read.
    pub offset: u64,
    pub size: u64,
    /// Not read, or read and not acknowledged.
    pub lag_bytes: u64,
    pub bytes_read: u64,
    /// The index that refuses.
    pub waits_for: Option<String>,
}

impl<Handle> Source<Handle> {
    pub(super) fn new(follow: Follow, shape: Shape) -> Self {
        let Follow {
            source,
            key,
            directory,
            current,
            format,
            path,
            origin,
            target,
            opened,
            record,
            begin,
            ended,
        } = follow;
        let known = record.is_some();
        let record = record.unwrap_or_default();
        let decoder = Decoder::new(format, target.rules().event_bytes_max as usize);
        let next_base = record
            .files
            .iter()
            .map(|file| file.base + file.finished.unwrap_or(0))
            .max()
            .unwrap_or(0);
        let seen = record.files.iter().flat_map(|file| file.journal.all_seen());
        let last_seen = seen.max().unwrap_or_default();
        let frontier = Place { file: 0, offset: 0, carry: record.carry };
        let mut source = Self {
            token: source,
            key,
            directory,
            current,
            format,
            path,
            origin,
            target,
            shape,
            // A source that the store knows begins where it stood, and new files of it at 0.
            begin: if known { Begin::default() } else { begin },
            files: VecDeque::new(),
            next_sequence: 1,
            held: Vec::new(),
            patience: LOOKS_MAX,
            patience_with_names: LOOKS_MAX,
            passed_over: Vec::new(),
            begun: Begun::default(),
            files_begun_at_scan: 0,
            files_found: 0,
            births_ns: Vec::new(),
            settled: Vec::new(),
            strayed: record.strayed,
            missed_mono_ns: None,
            orphaned: false,
            orphan_look_ns: 0,
            left: false,
            remembered: record.files,
            late: Vec::new(),
            heard_at_size: None,
            looked_mono_ns: 0,
            lineages: record.lineages,
            next_base,
            last_seen,
            reading: 0,
            offset: 0,
            decoder,
            frontier,
            ledger: Ledger::default(),
            epoch: Epoch::default(),
            opened,
            want: CHUNK_BYTES,
            read_pending: false,
            read_was_final: false,
            read_was_ended: false,
            scan_running: false,
            scan_wanted: true,
            scanned: false,
            scanned_after_end: false,
            ended,
            removed: false,
            finished: false,
            is_ready: false,
            in_batch: false,
            stalled: None,
            probing: false,
            dirty: !known,
            open: [None; 2],
            open_timer: None,
            carry_bytes: 0,
            quiet: Quiet::default(),
            retry_mono_ns: None,
            read_failures: 0,
            size_seen: 0,
            bytes_read: 0,
            complete: record.complete,
        };
        source.decoder.restore(source.frontier.carry.clone());
        source
    }

    pub(super) fn index_of(&self, sequence: u64) -> Option<usize> {
        self.files.iter().position(|file| file.sequence == sequence)
    }

    pub(super) fn reading_index(&self) -> Option<usize> {
        self.index_of(self.reading)
    }

    /// The place of reading.
    pub(super) fn place(&self) -> Place {
        Place { file: self.reading, offset: self.offset, carry: self.decoder.carry() }
    }

    /// What a look need not take for new, oldest first.
    pub(super) fn known_files(&self) -> Vec<KnownFile<Handle>>
    where
        Handle: Clone,
    {
        let settled = self.settled.iter().map(|record| {
            let is_lasting = record.id.is_lasting();
            by_record(record, !is_lasting, self.left_at(record))
        });
        let remembered = self.remembered.iter().map(|record| by_record(record, true, None));
        let files = self.files.iter().map(|file| KnownFile {
            id: file.id,
            archive: file.archive(),
            first_line: file.first_line(),
            needs_proof: false,
            left_at: file.born.as_ref().and_then(|born| self.left_at(&born.record)),
            handle: Some(file.handle.clone()),
        });
        remembered.chain(settled).chain(files).collect()
    }

    /// Of a file that may grow although it was read to its end: who writes text keeps it open.
    fn left_at(&self, record: &FileRecord) -> Option<u64> {
        record.finished.filter(|_| self.format == Format::Text)
    }

    /// Takes the next number among files with this first line.
    pub(super) fn next_lineage(&mut self, first_line: u128) -> u32 {
        let known = self
            .files
            .iter()
            .filter_map(|file| file.born.as_ref().map(|born| &born.record))
            .chain(&self.settled)
            .chain(&self.remembered)
            .filter(|record| record.first_line == first_line && record.journal.generation(0) == 0)
            .map(|record| record.lineage + 1)
            .max()
            .unwrap_or(0);
        let kept = self.lineages.iter().position(|lineage| lineage.first_line == first_line);
        let number = known.max(kept.map_or(0, |place| self.lineages[place].files));
        if number > 0 {
            if let Some(place) = kept {
                self.lineages.remove(place);
            }
            self.lineages.push(Lineage { first_line, files: number + 1 });
            if self.lineages.len() > LINEAGES_MAX {
                self.lineages.remove(0);
            }
        }
        number
    }

    /// Moves the frontier; files that lie wholly before it are settled.
    pub(super) fn move_frontier(&mut self, place: Place) {
        self.dirty = true;
        if self.index_of(place.file).is_none() {
            self.frontier = place;
            return;
        }
        while let Some(first) = self.files.front() {
            if first.sequence == place.file {
                break;
            }
            let Some(file) = self.files.pop_front() else { break };
            if let Some(mut born) = file.born {
                let length = born.record.finished.unwrap_or(born.record.frontier);
                born.record.frontier = length;
                born.record.journal.prune(length);
                if !file.truncated {
                    // In its old place, if it was gone back to.
                    let base = born.record.base;
                    let at = self.settled.partition_point(|settled| settled.base <= base);
                    self.settled.insert(at, born.record);
                }
            }
        }
        if let Some(born) = self.files.front_mut().and_then(|file| file.born.as_mut()) {
            debug_assert!(place.offset >= born.record.frontier);
            born.record.frontier = place.offset;
            born.record.journal.prune(place.offset);
        }
        self.frontier = place;
    }

    /// Goes back to the frontier: what is in flight will be read again.
    pub(super) fn rewind(&mut self) {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.ledger.clear();
        self.in_batch = false;
        self.finished = false;
        self.want = CHUNK_BYTES;
        self.reading = self.frontier.file;
        self.offset = self.frontier.offset;
        self.decoder.restore(self.frontier.carry.clone());
        self.carry_bytes = self.decoder.carry_bytes();
        self.heed_journal();
    }

    /// Brings ids, target and limits to what the journal says of the place of reading.
    pub(super) fn heed_journal(&mut self) {
        let Some(index) = self.reading_index() else { return };
        let Some(born) = self.files[index].born.as_mut() else { return };
        born.prefix = prefix_at(&self.key, &born.record, self.offset);
        if let Some(rules) = born.record.journal.rules(self.offset)
            && rules != born.target.rules()
            // A zone that is known no more was known when the rules were written; going on with
            // the present ones is better than standing still, and the checks of a configuration
            // make it unlikely.
            && let Ok(target) = Target::new(rules.clone())
        {
            born.tail = Tail::new(self.shape, &self.origin, &self.path, &rules.target).into();
            born.target = Arc::new(target);
        }
        let rules = born.target.rules();
        self.decoder.set_event_bytes_max(rules.event_bytes_max as usize);
        if let Err(error) = self.decoder.set_join(rules.join.as_ref()) {
            // They could be used when they were declared. A line each is better than standing still.
            tracing::error!(source = %self.key, %error, "lines are not joined");
        }
    }

    /// Of the documents that begin at the place of reading.
    pub(super) fn reading_prefix(&self) -> Option<IdPrefix> {
        let born = self.files[self.reading_index()?].born.as_ref()?;
        Some(born.prefix)
    }

    /// What is carried at the frontier begins before a new generation, but no document of it was
    /// believed: it gets new ids, too.
    pub(super) fn renew_carry(&mut self, old: Option<IdPrefix>) {
        if let (Some(old), Some(new)) = (old, self.reading_prefix())
            && let Some(carry) = &mut self.frontier.carry
        {
            carry.renew(old, new);
            self.decoder.restore(Some(carry.clone()));
        }
    }

    /// What the store is to keep.
    pub(super) fn record(&self) -> SourceRecord {
        let born = self.files.iter().filter(|file| !file.truncated);
        let born = born.filter_map(|file| file.born.as_ref().map(|born| born.record.clone()));
        let files = self.settled.iter().cloned().chain(self.remembered.iter().cloned());
        SourceRecord {
            container_name: self.origin.container_name.clone(),
            files: files.chain(born).collect(),
            carry: self.frontier.carry.clone(),
            complete: self.complete,
            lineages: self.lineages.clone(),
            strayed: self.strayed.clone(),
            left_s: 0,
        }
    }

    /// Another container has the log. What it says of fields and targets holds for all that was
    /// not sent yet.
    pub(super) fn taken(&mut self, takeover: Takeover) {
        let Takeover { source: _, directory, current, origin, target, ended } = takeover;
        self.directory = directory;
        self.current = current;
        self.origin = origin;
        self.target = target;
        self.ended = ended;
        // Also if the volume of the container before was deleted with it.
        self.removed = false;
        self.orphaned = false;
        self.left = false;
        self.complete = false;
        self.finished = false;
        self.dirty = true;
        for born in self.files.iter_mut().filter_map(|file| file.born.as_mut()) {
            let reserved = born.record.reserved;
            if born.record.journal.rules(reserved) != Some(self.target.rules()) {
                born.record.journal.add(reserved, Entry::Rules(self.target.rules().clone()));
            }
            let target = &born.target.rules().target;
            born.tail = Tail::new(self.shape, &self.origin, &self.path, target).into();
        }
        self.heed_journal();
    }

    /// What the watcher counts; from anew when it follows again.
    pub(super) fn count_begun(&mut self, begun: Begun) {
        if begun.since_wall_ns == 0 {
            return;
        }
        if self.begun.since_wall_ns != begun.since_wall_ns {
            self.files_begun_at_scan = 0;
            self.files_found = 0;
        }
        self.begun = begun;
    }

    /// No file of it was ever opened.
    pub(super) fn has_met_none(&self) -> bool {
        self.files.is_empty() && self.next_base == 0
    }

    /// What is left of a file that went while no agent ran.
    pub(super) fn loss_away(&self, record: &FileRecord) -> Loss {
        let name = format!("{} (inode {})", self.current, record.id.inode);
        self.loss(&name, LossReason::RotatedWhileAway, record.frontier, record.finished)
    }

    pub(super) fn loss(&self, file: &str, reason: LossReason, from: u64, to: Option<u64>) -> Loss {
        Loss {
            source: self.key.clone(),
            container: self.origin.container_name.clone(),
            file: file.to_owned(),
            reason,
            from,
            to,
        }
    }

    /// It has read what is there and waits for nothing but news; only then may a timer cut it.
    pub(super) fn is_waiting(&self) -> bool {
        self.stalled.is_none() && !self.probing && !self.is_ready && !self.read_pending
    }

    /// What lies ahead may have been sent already, as it stands without a cut here.
    pub(super) fn is_behind(&self) -> bool {
        let born = self.reading_index().and_then(|index| self.files[index].born.as_ref());
        born.is_some_and(|born| self.offset < born.reached)
    }

    /// Nothing is read, nothing in flight, nothing unfinished.
    pub(super) fn is_drained(&self) -> bool {
        self.finished && self.ledger.is_empty() && !self.in_batch && self.late.is_empty()
    }

    pub(super) fn position(&self) -> Position {
        let reading = self.reading_index().map(|index| &self.files[index]);
        let waiting: u64 = self
            .files
            .iter()
            .filter_map(|file| file.born.as_ref())
            .filter(|born| born.record.finished.is_some_and(|size| size != born.record.frontier))
            .map(|born| born.record.finished.unwrap_or(0) - born.record.frontier)
            .sum();
        let frontier = self.frontier.offset;
        Position {
            token: self.token,
            source: self.key.to_string(),
            container: self.origin.container_name.clone(),
            file: reading.map_or_else(|| self.current.clone(), |file| file.name.clone()),
            inode: reading.map_or(0, |file| file.id.inode),
            frontier,
            offset: self.offset,
            size: self.size_seen.max(self.offset),
            lag_bytes: waiting
                + self.size_seen.max(self.offset).saturating_sub(self.offset)
                + if self.frontier.file == self.reading { self.offset - frontier } else { 0 },
            bytes_read: self.bytes_read,
            waits_for: self.stalled.as_deref().map(str::to_owned),
        }
    }
}

fn by_record<Handle>(
    record: &FileRecord,
    needs_proof: bool,
    left_at: Option<u64>,
) -> KnownFile<Handle> {
    KnownFile {
        id: record.id,
        archive: record.archive,
        first_line: FirstLine::Fingerprint(record.first_line),
        needs_proof,
        left_at,
        handle: None,
    }
}

/// The fingerprint, if the first line is whole.
pub(super) fn fingerprint(first_line: FirstLine) -> Option<u128> {
    match first_line {
        FirstLine::Unfinished => None,
        FirstLine::Fingerprint(fingerprint) => Some(fingerprint),
    }
}
