//! Events into one batch after the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::codec::Writer;
use super::named::Named;
use super::shape::{Attributes, Parts};
use super::taps::{Tapped, Taps};
use super::{Batch, Codec, Day, Document, Seen, Shape, Slice, Tail, Target};
use crate::core::{BatchId, Epoch, IdPrefix, SourceToken};
use crate::decode::{Event, Fields, escape_into};

/// Slices and indices of a batch are numbered in 16 bits.
const NUMBERS_MAX: usize = u16::MAX as usize;

#[derive(Clone, Copy, Debug)]
pub struct EncoderSettings {
    /// That of all tails.
    pub shape: Shape,
    pub codec: Codec,
    /// A batch is full when its inflated body has this length. A longer event makes it longer.
    pub batch_bytes: usize,
}

/// A worker's encoder.
pub struct Encoder {
    settings: EncoderSettings,
    current: Option<Current>,
    /// Counts the tails that came one after the other. An address would not tell two apart: the
    /// memory of one that is gone becomes the next one's or not, and a body would not be a function
    /// of its documents.
    tail_number: usize,
    attributes: Attributes,
    extracted: Extracted,
    /// The last time of reading that a document needed.
    seen: (Seen, [u8; 30]),
    writer: Writer,
    documents: Vec<Document>,
    slices: Vec<Slice>,
    slice_numbers: HashMap<SliceKey, u16>,
    indices: Vec<Arc<str>>,
    index_numbers: HashMap<Arc<str>, u16>,
    opened_mono_ns: u64,
    head: Head,
    taps: Taps,
}

/// What the events belong to that come now.
struct Current {
    slice: Slice,
    /// Its number, once the open batch has a document of it.
    number: Option<u16>,
    tail: Arc<Tail>,
    target: Arc<Target>,
    /// The last answers of [`Encoder::index_of`] in the open batch.
    dated: Option<([u8; 16], u16)>,
    undated: Option<(Seen, u16)>,
    /// The last one of a time that a text said, by its day.
    said: Option<(Day, u16)>,
}

/// The fields of the event that [`Encoder::index_of`] was asked about last.
#[derive(Default)]
struct Extracted {
    fields: Fields,
    named: Named,
    /// Its text was of the format.
    found: bool,
    /// Its text was not, and of which.
    unparsed: Option<&'static str>,
}

/// Slices that differ in one of these have different documents or judge answers differently.
type SliceKey = (SourceToken, Epoch, IdPrefix, u64);

/// The beginning of the last action line.
#[derive(Default)]
struct Head {
    of: Option<(IdPrefix, u16)>,
    bytes: Vec<u8>,
}

impl Encoder {
    pub fn new(settings: EncoderSettings) -> Self {
        Self {
            settings,
            current: None,
            tail_number: 0,
            attributes: Attributes::default(),
            extracted: Extracted::default(),
            seen: (Seen::default(), Seen::default().text()),
            writer: Writer::new(settings.codec, settings.batch_bytes),
            documents: Vec::new(),
            slices: Vec::new(),
            slice_numbers: HashMap::new(),
            indices: Vec::new(),
            index_numbers: HashMap::new(),
            opened_mono_ns: 0,
            head: Head::default(),
            taps: Taps::default(),
        }
    }

    /// The events that follow belong to this slice, until the next `begin`; batches may be sealed
    /// in between.
    pub fn begin(&mut self, slice: Slice, tail: Arc<Tail>, target: Arc<Target>) {
        assert_eq!(tail.shape(), self.settings.shape, "all documents have one shape");
        let (dated, undated, said) = match &self.current {
            Some(before) if before.target.rules() == target.rules() => {
                (before.dated, before.undated, before.said)
            }
            _ => (None, None, None),
        };
        // Both are there, so these addresses do tell.
        if !self.current.as_ref().is_some_and(|before| Arc::ptr_eq(&before.tail, &tail)) {
            self.tail_number += 1;
        }
        self.current = Some(Current { slice, number: None, tail, target, dated, undated, said });
    }

    /// The index that an event of the current slice goes to; the number holds until the batch is
    /// sealed. `seen` is the journal's, for events without a time. The open batch must not be full.
    /// It takes the event's text apart if that has fields, since it may say the time.
    #[inline]
    pub fn index_of(&mut self, event: &Event<'_>, seen: Seen) -> u16 {
        let current = self.current.as_ref().expect("events come after `begin`");
        if current.target.extractor().is_some() {
            return self.index_by_fields(event, seen);
        }
        match (event.time, current.dated, current.undated) {
            (Some(time), Some((minute, index)), _) if time[..16] == minute => index,
            (None, _, Some((known, index))) if known == seen => index,
            _ => self.find_index(event, seen),
        }
    }

    /// The name of an index of the open batch.
    pub fn index_name(&self, index: u16) -> &Arc<str> {
        &self.indices[usize::from(index)]
    }

    /// Encodes an event of the current slice. `index` is what [`Self::index_of`] said of it, and
    /// `mono_ns` becomes the batch's age if it is the first.
    #[inline]
    pub fn push(&mut self, event: &Event<'_>, index: u16, seen: Seen, mono_ns: u64) {
        let slice = self.slice_number();
        if self.documents.is_empty() {
            self.opened_mono_ns = mono_ns;
        }
        self.documents.push(Document {
            start: self.writer.len() as u32,
            slice,
            index,
            offset: event.offset,
            raw_len: event.raw_len,
        });
        if self.head.of != Some((event.file.prefix, index)) {
            self.head.set(event.file.prefix, index, &self.indices[usize::from(index)]);
        }
        let current = self.current.as_ref().expect("events come after `begin`");
        let attrs = match event.attrs {
            Some(attrs) => self.attributes.member(attrs),
            None => &[],
        };
        let has_fields = current.target.extractor().is_some() && self.extracted.found;
        let fields = has_fields.then_some(&self.extracted);
        let said = event.time.or_else(|| fields.and_then(|it| it.fields.time()));
        let time = if let Some(time) = said {
            time
        } else {
            if self.seen.0 != seen {
                self.seen = (seen, seen.text());
            }
            &self.seen.1
        };
        let parts = Parts {
            head: &self.head.bytes,
            event,
            time,
            undated: said.is_none(),
            attrs,
            fields: fields.map(|it| &it.named),
            tail: &current.tail,
        };
        parts.write(self.writer.plain());
        if !self.taps.is_empty() {
            self.taps.take(current.slice.source, &parts);
        }
        let tail = &current.tail;
        self.writer.ends_with_tail(self.tail_number, tail.bytes_len());
        self.writer.settle();
    }

    /// What has gone by for an onlooker since he asked last; see [`Tapped`]. `None` if too many look
    /// on.
    pub fn tapped(
        &mut self,
        id: u64,
        sources: HashSet<SourceToken>,
        mono_ns: u64,
    ) -> Option<Tapped> {
        self.taps.ask(id, sources, mono_ns)
    }

    /// The format that the text of the last event was not of, once.
    #[inline]
    pub fn take_unparsed(&mut self) -> Option<&'static str> {
        self.extracted.unparsed.take()
    }

    pub fn documents(&self) -> usize {
        self.documents.len()
    }

    #[inline]
    pub fn inflated_bytes(&self) -> usize {
        self.writer.len()
    }

    /// To be asked after each event.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.inflated_bytes() >= self.settings.batch_bytes
            || self.slices.len() >= NUMBERS_MAX
            || self.indices.len() >= NUMBERS_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Of the first event of the open batch.
    pub fn opened_mono_ns(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.opened_mono_ns)
    }

    /// Closes the open batch and hands it out.
    pub fn seal(&mut self, id: BatchId, worker: usize) -> Batch {
        if let Some(current) = &mut self.current {
            (current.number, current.said) = (None, None);
            (current.dated, current.undated) = (None, None);
        }
        self.head.of = None;
        self.slice_numbers.clear();
        self.index_numbers.clear();
        let next = Vec::with_capacity(self.documents.len());
        Batch {
            id,
            worker,
            body: self.writer.finish(),
            documents: std::mem::replace(&mut self.documents, next),
            slices: std::mem::take(&mut self.slices),
            indices: std::mem::take(&mut self.indices),
            opened_mono_ns: self.opened_mono_ns,
        }
    }

    /// [`Self::index_of`] where texts have fields.
    #[inline(never)]
    fn index_by_fields(&mut self, event: &Event<'_>, seen: Seen) -> u16 {
        let current = self.current.as_ref().expect("events come after `begin`");
        let Some(extractor) = current.target.extractor() else { return 0 };
        let Extracted { fields, named, found, unparsed } = &mut self.extracted;
        // log-pilot looked into files only.
        let is_asked = self.settings.shape != Shape::PilotStrict || event.stream.is_none();
        let read = current.target.day_of(seen);
        fields.trim();
        *found = is_asked && extractor.extract(event.text, &current.target.clock(read), fields);
        *unparsed = extractor.format().filter(|_| is_asked && !*found);
        if *found {
            named.name(fields, event, &current.tail);
        }
        let said = if *found { fields.time() } else { None };
        match (event.time, said, current.dated, current.undated) {
            (None, Some(time), ..) => {
                let day = current.target.day_of_text(time, read);
                match current.said {
                    Some((known, index)) if known == day => index,
                    _ => self.find_said(day),
                }
            }
            (Some(time), _, Some((minute, index)), _) if time[..16] == minute => index,
            (None, None, _, Some((known, index))) if known == seen => index,
            _ => self.find_index(event, seen),
        }
    }

    #[cold]
    fn find_index(&mut self, event: &Event<'_>, seen: Seen) -> u16 {
        let current = self.current.as_ref().expect("events come after `begin`");
        let day = match event.time {
            Some(time) => current.target.day(time),
            None => current.target.day_of(seen),
        };
        let index = self.number_of(day);
        let current = self.current.as_mut().expect("events come after `begin`");
        match event.time.and_then(|time| time.first_chunk()) {
            Some(minute) => current.dated = Some((*minute, index)),
            None => current.undated = Some((seen, index)),
        }
        index
    }

    #[cold]
    fn find_said(&mut self, day: Day) -> u16 {
        let index = self.number_of(day);
        let current = self.current.as_mut().expect("events come after `begin`");
        current.said = Some((day, index));
        index
    }

    /// The number of the current target's index of a day.
    fn number_of(&mut self, day: Day) -> u16 {
        let current = self.current.as_ref().expect("events come after `begin`");
        let name = current.target.index(day);
        *self.index_numbers.entry(name).or_insert_with_key(|name| {
            assert!(self.indices.len() < NUMBERS_MAX, "a full batch is sealed");
            self.indices.push(name.clone());
            (self.indices.len() - 1) as u16
        })
    }

    #[inline]
    fn slice_number(&mut self) -> u16 {
        let current = self.current.as_mut().expect("events come after `begin`");
        if let Some(number) = current.number {
            return number;
        }
        let slice = &current.slice;
        let key = (slice.source, slice.epoch, slice.prefix, slice.believed_below);
        let number = *self.slice_numbers.entry(key).or_insert_with(|| {
            assert!(self.slices.len() < NUMBERS_MAX, "a full batch is sealed");
            self.slices.push(slice.clone());
            (self.slices.len() - 1) as u16
        });
        current.number = Some(number);
        number
    }
}

impl Head {
    #[cold]
    fn set(&mut self, prefix: IdPrefix, index: u16, name: &str) {
        self.of = Some((prefix, index));
        self.bytes.clear();
        self.bytes.extend_from_slice(br#"{"create":{"_index":""#);
        escape_into(&mut self.bytes, name);
        self.bytes.extend_from_slice(br#"","_id":""#);
        self.bytes.extend_from_slice(prefix.as_str().as_bytes());
    }
}
