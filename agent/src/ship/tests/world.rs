//! The scripted server, and the clock that drives it together with the machine.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::core::{BatchId, Epoch, IdPrefix, Now, SourceToken};
use crate::encode::{Batch, Body, Document, Encoding, Slice};
use crate::ship::apart;
use crate::ship::comparison::document_id;
use crate::ship::*;

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;

/// One document as a test names it.
#[derive(Clone, Debug)]
pub(super) struct Doc {
    pub(super) slice: usize,
    pub(super) index: &'static str,
    pub(super) offset: u64,
    pub(super) text: String,
}

pub(super) fn doc(slice: usize, index: &'static str, offset: u64) -> Doc {
    Doc { slice, index, offset, text: format!("line {slice}/{offset}") }
}

pub(super) fn prefix(slice: usize) -> IdPrefix {
    IdPrefix([b'A' + slice as u8; 16])
}

pub(super) fn id(doc: &Doc) -> String {
    document_id(prefix(doc.slice), doc.offset)
}

pub(super) fn source(doc: &Doc) -> Value {
    json!({"message": doc.text, "log": {"offset": doc.offset}})
}

/// Seals documents as the encoder does, of up to as many slices as are named.
pub(super) fn batch(number: u64, docs: &[Doc]) -> Batch {
    batch_as(number, docs, Encoding::Identity)
}

pub(super) fn batch_as(number: u64, docs: &[Doc], encoding: Encoding) -> Batch {
    let mut plain = Vec::new();
    let mut indices: Vec<Arc<str>> = Vec::new();
    let mut documents = Vec::new();
    for doc in docs {
        let index = indices.iter().position(|it| **it == *doc.index).unwrap_or_else(|| {
            indices.push(doc.index.into());
            indices.len() - 1
        });
        documents.push(Document {
            start: plain.len() as u32,
            slice: doc.slice as u16,
            index: index as u16,
            offset: doc.offset,
            raw_len: 0,
        });
        let action = json!({"create": {"_index": doc.index, "_id": id(doc)}});
        writeln!(plain, "{action}\n{}", source(doc)).unwrap();
    }
    let slices = (0..docs.iter().map(|it| it.slice + 1).max().unwrap_or(0)).map(|slice| Slice {
        source: SourceToken(slice as u32),
        epoch: Epoch(0),
        name: format!("source {slice}").into(),
        prefix: prefix(slice),
        believed_below: 0,
        raw: None,
    });
    let inflated_bytes = plain.len();
    let bytes = match encoding {
        Encoding::Identity => plain,
        Encoding::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(&plain).unwrap();
            out.finish().unwrap()
        }
    };
    Batch {
        id: BatchId(number),
        worker: 3,
        body: Body { bytes: Bytes::from(bytes), encoding, inflated_bytes },
        documents,
        slices: slices.collect(),
        indices,
        opened_mono_ns: 1,
    }
}

/// A bulk request as the server sees it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) at_ns: u64,
    pub(super) host: usize,
    pub(super) typed: bool,
    pub(super) typing: Typing,
    pub(super) bytes: usize,
    /// Index and id.
    pub(super) items: Vec<(String, String)>,
}

/// What the server does with one item.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Do {
    Store,
    Fail(u16, &'static str, &'static str),
}

/// What the server does with a bulk request.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Store,
    Items(Vec<Do>),
    Whole(u16, String),
    /// All is stored or nothing, and this is the answer.
    Answer {
        stored: bool,
        body: String,
    },
    Fail {
        stored: bool,
        error: TransportError,
    },
}

pub(super) fn whole(status: u16, kind: &str, reason: &str) -> Plan {
    let error = json!({"error": {"type": kind, "reason": reason}, "status": status});
    Plan::Whole(status, error.to_string())
}

pub(super) fn transport(fault: TransportFault, sent: Sent) -> TransportError {
    TransportError { fault, sent, text: "scripted".into() }
}

type Script = Box<dyn FnMut(&Seen) -> Plan>;

pub(super) struct World {
    pub(super) shipper: Shipper,
    pub(super) now_ns: u64,
    pub(super) script: Script,
    /// By index and id.
    pub(super) stored: BTreeMap<(String, String), Value>,
    pub(super) seen: Vec<Seen>,
    pub(super) probes: usize,
    pub(super) mgets: usize,
    pub(super) receipts: Vec<(u64, Receipt)>,
    pub(super) letters: Vec<(String, PoisonReason)>,
    pub(super) letter_result: Result<(), LetterFailure>,
    pub(super) warnings: Vec<Warning>,
    pub(super) reloads: usize,
    /// What `GET /` says, by host; a status other than 200 has no body.
    pub(super) root: Vec<Result<(u16, &'static str), TransportError>>,
    pub(super) mget_status: u16,
    pub(super) latency_ns: u64,
    pub(super) in_flight_max: usize,
    in_flight: usize,
    pending: BTreeMap<(u64, u64), Input>,
    turn: u64,
    wake: Option<u64>,
    /// Sources that are paused read again: the batch comes back when it may.
    pub(super) rewinds: bool,
    next_batch: u64,
    sent: BTreeMap<u64, Batch>,
}

pub(super) const ROOT_8: &str = r#"{"version":{"number":"8.19.21"}}"#;

impl World {
    pub(super) fn new(script: impl FnMut(&Seen) -> Plan + 'static) -> Self {
        Self::with(ShipSettings::default(), script)
    }

    pub(super) fn with(
        settings: ShipSettings,
        script: impl FnMut(&Seen) -> Plan + 'static,
    ) -> Self {
        Self {
            root: vec![Ok((200, ROOT_8)); settings.hosts],
            shipper: Shipper::new(settings, 42),
            now_ns: SECOND,
            script: Box::new(script),
            stored: BTreeMap::new(),
            seen: Vec::new(),
            probes: 0,
            mgets: 0,
            receipts: Vec::new(),
            letters: Vec::new(),
            letter_result: Ok(()),
            warnings: Vec::new(),
            reloads: 0,
            mget_status: 200,
            latency_ns: MS,
            in_flight_max: 0,
            in_flight: 0,
            pending: BTreeMap::new(),
            turn: 0,
            wake: None,
            rewinds: false,
            next_batch: 1_000,
            sent: BTreeMap::new(),
        }
    }

    pub(super) fn send(&mut self, batch: Batch) {
        self.sent.insert(batch.id.0, batch.clone());
        self.later(0, Input::Batch(batch));
    }

    pub(super) fn later(&mut self, after_ns: u64, input: Input) {
        self.turn += 1;
        self.pending.insert((self.now_ns + after_ns, self.turn), input);
    }

    pub(super) fn now(&self) -> Now {
        Now { mono_ns: self.now_ns, wall_ns: self.now_ns as i64 }
    }

    /// Until nothing is left to do, or so much time has passed. Returns whether all is done.
    pub(super) fn run(&mut self, limit: Duration) -> bool {
        let end = self.now_ns + limit.as_nanos() as u64;
        loop {
            let mut inputs = Vec::new();
            while let Some(entry) =
                self.pending.first_entry().filter(|it| it.key().0 <= self.now_ns)
            {
                inputs.push(entry.remove());
            }
            let answers = inputs.iter().filter(|it| matches!(it, Input::Answer { .. })).count();
            self.in_flight -= answers;
            let mut outputs = Vec::new();
            self.wake = self.shipper.step(self.now(), inputs, &mut outputs);
            outputs.into_iter().for_each(|it| self.carry_out(it));
            let next = self.pending.first_key_value().map(|it| it.0.0);
            let next = next.into_iter().chain(self.wake).min();
            match next {
                Some(next) if next <= end => {
                    assert!(next > self.now_ns || next == self.pending_at(), "time stands still");
                    self.now_ns = next.max(self.now_ns);
                }
                Some(_) => {
                    self.now_ns = end;
                    return false;
                }
                None => return self.shipper.is_idle(),
            }
        }
    }

    fn pending_at(&self) -> u64 {
        self.pending.first_key_value().map_or(0, |it| it.0.0)
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Request(Request { id, host, kind }) => {
                self.in_flight += 1;
                self.in_flight_max = self.in_flight_max.max(self.in_flight);
                let result = self.serve(host, kind);
                self.later(self.latency_ns, Input::Answer { request: id, result });
            }
            Output::Receipt { worker, receipt } => {
                assert_eq!(worker, 3);
                self.received(receipt);
            }
            Output::WriteDeadLetter { letter, batch, documents } => {
                let result = self.letter_result;
                if result.is_ok() {
                    for Letter { document, cause } in documents {
                        let at = batch.documents[document as usize];
                        let prefix = batch.slices[usize::from(at.slice)].prefix;
                        self.letters.push((document_id(prefix, at.offset), cause.reason));
                    }
                }
                self.later(MS, Input::DeadLetterWritten { letter, result });
            }
            Output::ReloadCredentials => self.reloads += 1,
            Output::Warn(warning) => self.warnings.push(warning),
        }
    }

    fn received(&mut self, receipt: Receipt) {
        let batch = self.sent.remove(&receipt.batch.0).expect("one receipt for each batch");
        assert_eq!(receipt.outcomes.len(), batch.slices.len());
        let until = receipt.outcomes.iter().filter_map(|it| match it {
            Outcome::Paused { until_mono_ns, .. } => Some(*until_mono_ns),
            _ => None,
        });
        if let Some(until) = until.max().filter(|_| self.rewinds) {
            let is_paused = |it: &u32| {
                let slice = usize::from(batch.documents[*it as usize].slice);
                matches!(receipt.outcomes[slice], Outcome::Paused { .. })
            };
            let keep: Vec<u32> = (0..batch.documents.len() as u32).filter(is_paused).collect();
            let mut again = apart::select(&batch, &keep).expect("sealed here");
            self.next_batch += 1;
            again.id = BatchId(self.next_batch);
            self.sent.insert(self.next_batch, again.clone());
            self.later(until.saturating_sub(self.now_ns), Input::Batch(again));
        }
        self.receipts.push((self.now_ns, receipt));
    }

    fn serve(&mut self, host: usize, kind: RequestKind) -> Result<HttpAnswer, TransportError> {
        match kind {
            RequestKind::Probe => {
                self.probes += 1;
                let (status, body) = self.root[host].clone()?;
                Ok(answer(status, body.to_owned()))
            }
            RequestKind::Mget { questions, .. } => {
                self.mgets += 1;
                let docs: Vec<Value> = questions.iter().map(|it| self.held(it)).collect();
                Ok(answer(self.mget_status, json!({ "docs": docs }).to_string()))
            }
            RequestKind::Bulk { cut, version, typing } => {
                let batch = match &cut.keep {
                    None => Batch::clone(&cut.batch),
                    Some(keep) => apart::select(&cut.batch, keep).expect("sealed here"),
                };
                self.bulk(host, version, typing, &batch)
            }
        }
    }

    fn held(&self, question: &Question) -> Value {
        let key = (question.index.to_string(), question.id.clone());
        match self.stored.get(&key) {
            Some(source) => json!({"found": true, "_source": source}),
            None => json!({"found": false}),
        }
    }

    fn bulk(
        &mut self,
        host: usize,
        version: ServerVersion,
        typing: Typing,
        batch: &Batch,
    ) -> Result<HttpAnswer, TransportError> {
        let all: Vec<u32> = (0..batch.documents.len() as u32).collect();
        let sources = apart::sources(batch, &all).expect("sealed here");
        let key = |at: &Document| {
            let prefix = batch.slices[usize::from(at.slice)].prefix;
            let index = batch.indices[usize::from(at.index)].to_string();
            (index, document_id(prefix, at.offset))
        };
        let items: Vec<_> = batch.documents.iter().map(key).collect();
        let seen = Seen {
            at_ns: self.now_ns,
            host,
            typed: version.needs_type(),
            typing,
            bytes: batch.body.inflated_bytes,
            items: items.clone(),
        };
        let plan = (self.script)(&seen);
        self.seen.push(seen);
        let mut store = |which: &dyn Fn(usize) -> Do| -> Vec<Value> {
            let each = items.iter().zip(&sources).enumerate();
            each.map(|(at, (key, source))| match which(at) {
                Do::Fail(0, ..) => json!({"create": {}}),
                Do::Fail(status, kind, reason) => json!({"create": {
                    "status": status, "error": {"type": kind, "reason": reason}
                }}),
                Do::Store if self.stored.contains_key(key) => json!({"create": {
                    "status": 409, "error": {"type": "version_conflict_engine_exception"}
                }}),
                Do::Store => {
                    let source = serde_json::from_slice(source).expect("a document");
                    self.stored.insert(key.clone(), source);
                    json!({"create": {"status": 201}})
                }
            })
            .collect()
        };
        match plan {
            Plan::Store => {
                let items = store(&|_| Do::Store);
                Ok(answer(200, json!({"errors": false, "items": items}).to_string()))
            }
            Plan::Items(items) => {
                let items = store(&|at| items.get(at).cloned().unwrap_or(Do::Store));
                Ok(answer(200, json!({"errors": true, "items": items}).to_string()))
            }
            Plan::Whole(status, body) => Ok(answer(status, body)),
            Plan::Answer { stored, body } => {
                if stored {
                    store(&|_| Do::Store);
                }
                Ok(answer(200, body))
            }
            Plan::Fail { stored, error } => {
                if stored {
                    store(&|_| Do::Store);
                }
                Err(error)
            }
        }
    }

    pub(super) fn outcomes(&self, batch: u64) -> Vec<Outcome> {
        let found = self.receipts.iter().find(|it| it.1.batch.0 == batch);
        found.map(|it| it.1.outcomes.clone()).expect("a receipt")
    }

    pub(super) fn is_acked(&self, batch: u64) -> bool {
        self.outcomes(batch).iter().all(|it| *it == Outcome::Acked)
    }

    pub(super) fn holds(&self, doc: &Doc) -> bool {
        let key = (doc.index.to_owned(), id(doc));
        self.stored.get(&key) == Some(&source(doc))
    }

    pub(super) fn put(&mut self, doc: &Doc) {
        self.stored.insert((doc.index.to_owned(), id(doc)), source(doc));
    }
}

fn answer(status: u16, body: String) -> HttpAnswer {
    HttpAnswer { status, content_type: "application/json".into(), body: body.into() }
}
